"""A layer that gives every image the same number of bounding boxes."""

from __future__ import annotations

from typing import Any

from chainrule import _core

from ..variables import convert_to_tensor
from .augmentation import ImageLayer
from .base import registry

_op = _core.ops


@registry.add
class MaxNumBoundingBoxes(ImageLayer):
    """Cuts the boxes of each image off after ``max_number``, or fills them up with boxes and labels of ``fill_value``.

    Inputs: ``{"images": ..., "bounding_boxes": {"boxes": (batch, n, 4), "labels": (batch, n)}}``; the rest stays.

    Example: ``MaxNumBoundingBoxes(10, bounding_box_format="xyxy")``.
    """

    changes_outside_training = True

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_number, self.fill_value = int(max_number), int(fill_value)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        return images

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, *sizes: Any) -> Any:
        return {**bounding_boxes, **{key: self._filled(bounding_boxes[key]) for key in ("boxes", "labels")}}

    def _filled(self, values: Any) -> Any:
        values = convert_to_tensor(values)[:, : self.max_number]
        none = (0,) * values.ndim
        after = (0, self.max_number - values.shape[1], *none[2:])
        return _op.pad(values, none, after, self.fill_value)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if not isinstance(input_shape, dict) or "bounding_boxes" not in input_shape:
            return input_shape
        boxes = input_shape["bounding_boxes"]
        unknown = set(boxes) - {"boxes", "labels"}
        if unknown:
            raise KeyError(
                f"MaxNumBoundingBoxes: the keys of bounding_boxes must be 'boxes' and 'labels', got {sorted(boxes)}."
            )
        counted = {key: (shape[0], self.max_number, *shape[2:]) for key, shape in boxes.items()}
        return {**input_shape, "bounding_boxes": counted}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "max_number": self.max_number, "fill_value": self.fill_value}

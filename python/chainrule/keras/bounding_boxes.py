"""``keras.utils.bounding_boxes``: boxes in images, from one way to write them to another, moved, cut and compared.

A box is four numbers, the last axis of its tensor. The formats:

- ``"xyxy"``, ``"yxyx"``: two opposite corners, (left, top, right, bottom) or (top, left, bottom, right);
- ``"xywh"``: the left top corner, width and height;
- ``"center_xywh"``, ``"center_yxhw"``: the middle, then width and height or the other way round;
- with ``"rel_"`` before it, a format's numbers are shares of the image's width and height.

Where boxes carry labels they come as ``{"boxes": (..., n, 4), "labels": (..., n)}``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import ops
from .config import epsilon
from .variables import convert_to_tensor

FORMATS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
)


def _columns(boxes: Any) -> list[Any]:
    """The four numbers of each box, as tensors whose last axis has length 1."""
    return list(ops.split(boxes, 4, axis=-1))


def _joined(*columns: Any) -> Any:
    return ops.concatenate(list(columns), axis=-1)


def _corners_of_middles(cx: Any, cy: Any, w: Any, h: Any) -> Any:
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


# From the four numbers of a format to left, top, right, bottom, and back.
_to_corners: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "yxyx": lambda y1, x1, y2, x2: (x1, y1, x2, y2),
    "xywh": lambda x, y, w, h: (x, y, x + w, y + h),
    "center_xywh": _corners_of_middles,
    "center_yxhw": lambda cy, cx, h, w: _corners_of_middles(cx, cy, w, h),
}
_from_corners: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "xyxy": lambda x1, y1, x2, y2: (x1, y1, x2, y2),
    "yxyx": lambda x1, y1, x2, y2: (y1, x1, y2, x2),
    "xywh": lambda x1, y1, x2, y2: (x1, y1, x2 - x1, y2 - y1),
    "center_xywh": lambda x1, y1, x2, y2: (x1 + (x2 - x1) / 2, y1 + (y2 - y1) / 2, x2 - x1, y2 - y1),
    "center_yxhw": lambda x1, y1, x2, y2: (y1 + (y2 - y1) / 2, x1 + (x2 - x1) / 2, y2 - y1, x2 - x1),
}


def convert_format(
    boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: str = "float32"
) -> Any:
    """Boxes (or the boxes of a dictionary) written in another format.

    Args:
        boxes: a tensor whose last axis has length 4, or a dictionary with ``"boxes"``.
        source, target: formats, in upper or lower case.
        height, width: of the image; needed where a format is relative.
        dtype: of the result.

    Raises:
        ValueError: an unknown format, boxes of another length, or a relative format without the image's size.

    Example: ``convert_format([[10, 20, 30, 40]], "xyxy", "xywh")`` is ``[[10, 20, 20, 20]]``.
    """
    if isinstance(boxes, dict):
        return {**boxes, "boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    boxes = convert_to_tensor(boxes)
    if boxes.shape[-1:] != (4,):
        raise ValueError(f"convert_format: the last axis of `boxes` must have length 4, got shape {boxes.shape}.")
    source, target = source.lower(), target.lower()
    for name in (source, target):
        if name not in FORMATS:
            raise ValueError(f"convert_format: {name!r} is no format of boxes; there are {', '.join(FORMATS)}.")
    was_relative, is_relative = source.startswith("rel_"), target.startswith("rel_")
    if (was_relative or is_relative) and (height is None or width is None):
        raise ValueError(
            f"convert_format: `height` and `width` of the image are needed from {source!r} to {target!r}, got "
            f"height={height} and width={width}."
        )
    boxes = ops.cast(boxes, dtype)
    if source == target:
        return boxes
    columns = _to_corners[source.removeprefix("rel_")](*_columns(boxes))
    if was_relative != is_relative:
        sides = [ops.cast(side, dtype) for side in (width, height, width, height)]
        columns = [
            column * side if was_relative else column / side for column, side in zip(columns, sides, strict=True)
        ]
    return _joined(*_from_corners[target.removeprefix("rel_")](*columns))


def _only_corners(where: str, bounding_box_format: str, known: tuple[str, ...] = ("xyxy",)) -> None:
    if bounding_box_format not in known:
        raise NotImplementedError(
            f"{where}: bounding_box_format must be {' or '.join(map(repr, known))}, got {bounding_box_format!r}; "
            f"convert_format leads there."
        )


def _clipped(boxes: Any, height: Any, width: Any) -> Any:
    x1, y1, x2, y2 = _columns(boxes)
    return _joined(ops.clip(x1, 0, width), ops.clip(y1, 0, height), ops.clip(x2, 0, width), ops.clip(y2, 0, height))


def clip_to_image_size(
    bounding_boxes: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> Any:
    """The parts of the boxes that lie in the image; the label of a box without such a part becomes -1.

    Args:
        bounding_boxes: ``{"boxes": (..., n, 4), "labels": (..., n)}``; the labels may be missing.
        height, width: of the image, for ``"xyxy"``.
        bounding_box_format: ``"xyxy"`` or ``"rel_xyxy"``.
    """
    _only_corners("clip_to_image_size", bounding_box_format, ("xyxy", "rel_xyxy"))
    if bounding_box_format == "rel_xyxy":
        height = width = 1.0
    elif height is None or width is None:
        raise ValueError("clip_to_image_size: `height` and `width` must be given with bounding_box_format='xyxy'.")
    boxes = _clipped(convert_to_tensor(bounding_boxes["boxes"]), height, width)
    result = {**bounding_boxes, "boxes": boxes}
    if bounding_boxes.get("labels") is not None:
        x1, y1, x2, y2 = _columns(boxes)
        area = ops.squeeze((x2 - x1) * (y2 - y1), axis=-1)
        result["labels"] = ops.where(area > 0, bounding_boxes["labels"], -1)
    return result


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> Any:
    """The boxes as seen in a part of the image that begins at (top, left) and has that height and width."""
    _only_corners("crop", bounding_box_format)
    x1, y1, x2, y2 = _columns(convert_to_tensor(boxes))
    return _clipped(_joined(x1 - left, y1 - top, x2 - left, y2 - top), height, width)


def pad(
    boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> Any:
    """The boxes of an image that got ``top`` rows above and ``left`` columns before it."""
    _only_corners("pad", bounding_box_format)
    x1, y1, x2, y2 = _columns(convert_to_tensor(boxes))
    return _joined(x1 + left, y1 + top, x2 + left, y2 + top)


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: Any = None,
    center_y: Any = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """The upright boxes around boxes that were turned, moved, scaled and sheared with their images.

    Args:
        boxes: (batch, n, 4).
        angle, shear_x, shear_y: in degrees, one for each image, (batch,).
        translate_x, translate_y: shares of width and height, (batch,).
        scale: a factor, (batch,).
        height, width: of the images.
        center_x, center_y: what stays in place, as shares of width and height; the middle by default.
    """
    _only_corners("affine_transform", bounding_box_format)
    angle = ops.cast(angle, "float32") if not hasattr(angle, "dtype") else convert_to_tensor(angle)
    turn, lean_x, lean_y = (
        -x * (math.pi / 180) for x in (angle, convert_to_tensor(shear_x), convert_to_tensor(shear_y))
    )
    middle_x = (0.5 if center_x is None else center_x) * (width - 1)
    middle_y = (0.5 if center_y is None else center_y) * (height - 1)
    from_x = middle_x - convert_to_tensor(translate_x) * (width - 1)
    from_y = middle_y - convert_to_tensor(translate_y) * (height - 1)
    # Turned and sheared, with determinant 1: (a b; c d). Its inverse, scaled, is what moves the points.
    a = ops.cos(turn - lean_y) / ops.cos(lean_y)
    b = a * ops.tan(lean_x) + ops.sin(turn)
    c = -ops.sin(turn - lean_y) / ops.cos(lean_y)
    d = ops.cos(turn) - c * ops.tan(lean_x)
    xx, xy, yx, yy = (ops.reshape(entry * scale, (-1, 1, 1)) for entry in (d, -b, -c, a))
    shift_x = middle_x - xx * ops.reshape(from_x, (-1, 1, 1)) - xy * ops.reshape(from_y, (-1, 1, 1))
    shift_y = middle_y - yx * ops.reshape(from_x, (-1, 1, 1)) - yy * ops.reshape(from_y, (-1, 1, 1))
    x1, y1, x2, y2 = _columns(ops.cast(boxes, xx.dtype))
    xs, ys = _joined(x1, x2, x2, x1), _joined(y1, y1, y2, y2)  # the four corners
    moved_x, moved_y = xx * xs + xy * ys + shift_x, yx * xs + yy * ys + shift_y
    return ops.stack([ops.min(moved_x, -1), ops.min(moved_y, -1), ops.max(moved_x, -1), ops.max(moved_y, -1)], axis=-1)


def _image_size(image_shape: Any) -> tuple[Any, Any]:
    return (None, None) if image_shape is None else (image_shape[0], image_shape[1])


def _delta_arguments(where: str, encoding: str, variance: Any) -> Any:
    if encoding not in ("center_xywh", "center_yxhw"):
        raise ValueError(f"{where}: the encoding must be 'center_xywh' or 'center_yxhw', got {encoding!r}.")
    if variance is None:
        return None
    variance = convert_to_tensor(variance, "float32")
    if variance.shape[-1:] != (4,):
        raise ValueError(f"{where}: `variance` must hold 4 numbers, got shape {tuple(variance.shape)}.")
    return variance


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Boxes as differences to anchors: of the middles, in sizes of the anchor, and the logarithm of the sizes' ratio.

    Args:
        anchors: (n, 4).
        boxes: (n, 4) or (batch, n, 4).
        variance: four numbers that the differences are divided by.
        image_shape: (height, width, channels), for relative formats.
    """
    variance = _delta_arguments("encode_box_to_deltas", encoding_format, variance)
    height, width = _image_size(image_shape)
    anchors = convert_format(anchors, anchor_format, encoding_format, height, width)
    boxes = convert_format(boxes, box_format, encoding_format, height, width)
    anchor_sizes, sizes = (ops.maximum(x[..., 2:], epsilon()) for x in (anchors, boxes))
    deltas = _joined((boxes[..., :2] - anchors[..., :2]) / anchor_sizes, ops.log(sizes / anchor_sizes))
    return deltas if variance is None else deltas / variance


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """The boxes that :func:`encode_box_to_deltas` made differences of; also of dictionaries by level."""
    variance = _delta_arguments("decode_deltas_to_boxes", encoded_format, variance)
    height, width = _image_size(image_shape)

    def decoded(anchor: Any, delta: Any) -> Any:
        anchor = convert_format(anchor, anchor_format, encoded_format, height, width)
        delta = convert_to_tensor(delta) if variance is None else delta * variance
        middle = delta[..., :2] * anchor[..., 2:] + anchor[..., :2]
        box = _joined(middle, ops.exp(delta[..., 2:]) * anchor[..., 2:])
        return convert_format(box, encoded_format, box_format, height, width)

    if isinstance(anchors, dict) and isinstance(boxes_delta, dict):
        return {level: decoded(anchor, boxes_delta[level]) for level, anchor in anchors.items()}
    return decoded(anchors, boxes_delta)


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Any = None,
) -> Any:
    """The intersection over the union of every box of the first set with every one of the second.

    Args:
        boxes1, boxes2: (n, 4) and (m, 4), each also with a batch before it.
        use_masking: puts ``mask_val`` where all numbers of a box are negative.
        image_shape: (height, width, channels), for relative formats.

    Returns (n, m), or (batch, n, m).
    """
    boxes1, boxes2 = convert_to_tensor(boxes1), convert_to_tensor(boxes2)
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if boxes.ndim not in (2, 3):
            raise ValueError(
                f"compute_iou() expects {name} of shape (n, 4) or (batch, n, 4), got {tuple(boxes.shape)}."
            )
    if "rel" in bounding_box_format and image_shape is None:
        raise ValueError(f"compute_iou: image_shape is needed with the relative format {bounding_box_format!r}.")
    height, width = _image_size(image_shape)
    rows = convert_format(boxes1, bounding_box_format, "yxyx", height, width)[..., :, None, :]
    columns = convert_format(boxes2, bounding_box_format, "yxyx", height, width)[..., None, :, :]
    sides = ops.minimum(rows[..., 2:], columns[..., 2:]) - ops.maximum(rows[..., :2], columns[..., :2])
    shared = ops.prod(ops.maximum(sides, 0), axis=-1)
    areas = [ops.prod(x[..., 2:] - x[..., :2], axis=-1) for x in (rows, columns)]
    overlap = shared / (areas[0] + areas[1] - shared + epsilon())
    if not use_masking:
        return overlap
    unused = ops.logical_or(ops.max(rows, axis=-1) < 0, ops.max(columns, axis=-1) < 0)
    return ops.where(unused, ops.cast(mask_val, overlap.dtype), overlap)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None) -> Any:
    """Complete intersection over union (Zheng et al. 2020) of pairs of boxes, (..., 4): less for distant middles and
    for other aspect ratios."""
    if "rel" in bounding_box_format:
        raise ValueError(f"compute_ciou: relative formats such as {bounding_box_format!r} must be converted before.")
    first = _columns(convert_format(boxes1, bounding_box_format, "xyxy"))
    second = _columns(convert_format(boxes2, bounding_box_format, "xyxy"))
    x1, y1, x2, y2 = zip(first, second, strict=True)
    widths = [x2[i] - x1[i] for i in (0, 1)]
    heights = [y2[i] - y1[i] + epsilon() for i in (0, 1)]
    shared = ops.maximum(ops.minimum(*x2) - ops.maximum(*x1), 0) * ops.maximum(ops.minimum(*y2) - ops.maximum(*y1), 0)
    union = widths[0] * heights[0] + widths[1] * heights[1] - shared + epsilon()
    overlap = shared / (union + epsilon())
    around = (ops.maximum(*x2) - ops.minimum(*x1)) ** 2 + (ops.maximum(*y2) - ops.minimum(*y1)) ** 2 + epsilon()
    apart = ((x1[0] + x2[0] - x1[1] - x2[1]) / 2) ** 2 + ((y1[0] + y2[0] - y1[1] - y2[1]) / 2) ** 2
    angles = ops.arctan(widths[1] / heights[1]) - ops.arctan(widths[0] / heights[0])
    other_shape = (4 / math.pi**2) * angles**2
    weight = other_shape / (other_shape - overlap + (1 + epsilon()))
    return ops.squeeze(overlap - (apart / around + other_shape * weight), axis=-1)


__all__ = [
    "affine_transform",
    "clip_to_image_size",
    "compute_ciou",
    "compute_iou",
    "convert_format",
    "crop",
    "decode_deltas_to_boxes",
    "encode_box_to_deltas",
    "pad",
]

"""Layers that resize and crop images, and those that flip, turn, move, zoom and crop them at random in training.

Each image of a batch is changed by numbers of its own, drawn by ``get_random_transformation`` and applied by
``transform_images``. Outside of training images pass unchanged (but for their type). A dictionary with ``"images"`` may
be given in place of images; ``"segmentation_masks"`` move with them, ``"labels"`` stay.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from .. import random
from ..bounding_boxes import FORMATS, clip_to_image_size, convert_format
from ..ops import image
from ..ops.warp import FILL_MODES, INTERPOLATIONS
from ..variables import convert_to_tensor
from .base import Layer, registry
from .windows import checked_format

_op = _core.ops


def interval(where: str, name: str, value: Any, least: float, greatest: float, positive: bool = False) -> Any:
    """(lower, upper) of a factor: a pair of numbers, or one number f for (-f, f), cut off at ``least``.

    ``positive``: one number f stands for (least, f).
    """
    pair = isinstance(value, (list, tuple))
    numbers = tuple(value) if pair else (value,)
    if (
        len(numbers) not in (1, 2)
        or (pair and len(numbers) != 2)
        or not all(
            isinstance(n, (int, float, np.number)) and not isinstance(n, bool) and least <= n <= greatest
            for n in numbers
        )
    ):
        raise ValueError(
            f"{where}: {name} must be a number or a pair of numbers from {least} to {greatest}, got {value!r}."
        )
    if pair:
        return float(min(numbers)), float(max(numbers))
    return (least if positive else max(-abs(float(value)), least)), abs(float(value))


class ImageLayer(Layer):
    """Base of image layers: batches and single images, both layouts, dictionaries of images."""

    changes_outside_training = False
    moves_pixels = False  # so that masks change exactly as images do
    blends_masks = False  # so that masks of integers become numbers between
    keeps_image_type = False  # whether images of integers stay so
    _keeps_integers = True  # of masks and labels

    def __init__(self, data_format: str | None = None, bounding_box_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if bounding_box_format is not None and bounding_box_format.lower() not in FORMATS:
            raise ValueError(
                f"{type(self).__name__}: bounding_box_format must be one of {', '.join(FORMATS)}, got "
                f"{bounding_box_format!r}."
            )
        self.bounding_box_format = bounding_box_format
        self.data_format = checked_format(data_format, type(self).__name__)
        self.height_axis, self.width_axis = (-3, -2) if self.data_format == "channels_last" else (-2, -1)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The numbers that describe the changes of a batch; None where nothing is random."""
        return None

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """A batch (channels last), changed."""
        raise NotImplementedError

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        """A batch of masks (channels last), moved like the images; layers that change colours leave them."""
        if self.moves_pixels:
            return self.transform_images(segmentation_masks, transformation, training)
        return segmentation_masks

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """The labels of a changed batch."""
        return labels

    def move_boxes(self, boxes: Any, transformation: Any, height: int, width: int) -> Any:
        """Where boxes of images of that size come to lie, (batch, n, 4): corners in pixels, left, top, right, bottom.

        Layers that change colours don't define it. NotImplementedError where pixels move in a way unknown for boxes.
        """
        raise NotImplementedError(f"{type(self).__name__}: bounding boxes are not supported.")

    def transform_bounding_boxes(
        self, bounding_boxes: Any, transformation: Any, before: tuple[int, int], after: tuple[int, int]
    ) -> Any:
        """``{"boxes": (batch, n, 4), "labels": (batch, n)}`` moved with images that had and have those sizes.

        What leaves the image is cut off; boxes without anything left get the label -1.
        """
        own = self.bounding_box_format
        if own is None or (type(self).move_boxes is ImageLayer.move_boxes and not self.moves_pixels):
            return bounding_boxes
        moved = convert_format(bounding_boxes, own, "xyxy", *before)
        moved["boxes"] = self.move_boxes(moved["boxes"], transformation, *before)
        return convert_format(clip_to_image_size(moved, *after), "xyxy", own, *after)

    def _checked_boxes(self, given: Any) -> dict[str, Any]:
        if self.bounding_box_format is None:
            raise ValueError(
                f"{type(self).__name__}: the input has 'bounding_boxes'; tell how they are written by "
                f"bounding_box_format=..., for instance 'xyxy'."
            )
        if not isinstance(given, dict) or not {"boxes", "labels"} <= set(given):
            raise ValueError(
                f"{type(self).__name__}: bounding_boxes must be a dictionary with 'boxes' and 'labels', got "
                f"{sorted(given) if isinstance(given, dict) else type(given).__name__}."
            )
        return {**given, "boxes": _op.cast(convert_to_tensor(given["boxes"]), "float32")}

    def call(self, data: Any, training: bool = True) -> Any:
        if isinstance(data, dict):
            if "bounding_boxes" in data:
                data = {**data, "bounding_boxes": self._checked_boxes(data["bounding_boxes"])}
            images = data["images"]
        else:
            images = data
        if images.ndim not in (3, 4):
            raise ValueError(
                f"{type(self).__name__}: images need 3 axes, or 4 with a batch; got shape {tuple(images.shape)}."
            )
        if not self.keeps_image_type and images.dtype != self.compute_dtype:
            images = _op.cast(images, self.compute_dtype)
            data = {**data, "images": images} if isinstance(data, dict) else images
        if not training and not self.changes_outside_training:
            return data
        single = images.ndim == 3
        batch = self._inward(images, single)
        transformation = self.get_random_transformation(batch, training=training)
        changed = self.transform_images(batch, transformation, training=training)
        sizes = batch.shape[1:3], changed.shape[1:3]
        changed = self._outward(changed, single)
        if not isinstance(data, dict):
            return changed
        result = {**data, "images": changed}
        if "segmentation_masks" in data:
            masks = data["segmentation_masks"]
            flat = masks.ndim == images.ndim - 1  # without an axis of channels
            masks = self._inward(_op.expand_dims(masks, -1) if flat else masks, single, not flat)
            kind = masks.dtype
            masks = masks if kind.kind == "f" else _op.cast(masks, self.compute_dtype)
            masks = self.transform_segmentation_masks(masks, transformation, training=training)
            masks = self._outward(masks, single, not flat)
            masks = masks if self.blends_masks or masks.dtype == kind else _op.cast(masks, kind)
            result["segmentation_masks"] = _op.squeeze(masks, axis=-1) if flat else masks
        if "bounding_boxes" in data:
            result["bounding_boxes"] = self._moved_boxes(data["bounding_boxes"], transformation, sizes, single)
        if "labels" in data:
            labels = _op.expand_dims(data["labels"], 0) if single else data["labels"]
            labels = self.transform_labels(labels, transformation, training=training)
            result["labels"] = labels[0] if single else labels
        return result

    def _moved_boxes(self, given: Any, transformation: Any, sizes: Any, single: bool) -> Any:
        given = {key: _op.expand_dims(x, 0) for key, x in given.items()} if single else given
        moved = self.transform_bounding_boxes(given, transformation, *sizes)
        return {key: _op.squeeze(x, axis=0) for key, x in moved.items()} if single else moved

    def _inward(self, x: Any, single: bool, formatted: bool = True) -> Any:
        x = _op.expand_dims(x, 0) if single else x
        return _op.transpose(x, (0, 2, 3, 1)) if formatted and self.data_format == "channels_first" else x

    def _outward(self, x: Any, single: bool, formatted: bool = True) -> Any:
        if formatted and self.data_format == "channels_first":
            x = _op.transpose(x, (0, 3, 1, 2))
        return _op.squeeze(x, axis=0) if single else x

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def _output_dtype(self, inputs: Any) -> str:
        return super()._output_dtype(inputs) if self.keeps_image_type else self.compute_dtype

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "data_format": self.data_format}
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return config


def _each(boxes: Any, change: Any) -> Any:
    """The boxes whose four columns are what the function makes of left, top, right, bottom."""
    return _op.concatenate(list(change(*(boxes[..., i : i + 1] for i in range(4)))), axis=-1)


class RandomImageLayer(ImageLayer):
    """An image layer with a stream of random numbers, active in training only."""

    def __init__(self, seed: Any = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.seed = seed
        self.generator = random.SeedGenerator(seed)

    def draw(self, images: Any, bounds: Any = (0.0, 1.0), shape: Any = (1, 1, 1), seed: Any = None) -> Any:
        """One uniform number between the bounds for each image, of shape (batch, *shape)."""
        low, high = bounds
        stream = self.generator if seed is None else seed
        return random.uniform((images.shape[0], *shape), low, high, dtype=images.dtype.name, seed=stream)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@registry.add
class Resizing(ImageLayer):
    """Images in another size, in training and outside; see :func:`keras.ops.image.resize` for the options.

    Integers are rounded and stay integers.
    """

    changes_outside_training = True
    keeps_image_type = True

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width, self.interpolation = height, width, interpolation
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode, self.fill_value, self.antialias = fill_mode, fill_value, antialias

    def _resized(self, x: Any, interpolation: str) -> Any:
        return image.resize(
            x,
            (self.height, self.width),
            interpolation=interpolation,
            antialias=self.antialias,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format="channels_last",
        )

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        return self._resized(images, self.interpolation)

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        return self._resized(segmentation_masks, "nearest")

    def move_boxes(self, boxes: Any, transformation: Any, height: int, width: int) -> Any:
        down, across = self.height / height, self.width / width
        if self.pad_to_aspect_ratio:
            down = across = min(down, across)
        elif self.crop_to_aspect_ratio:
            down = across = max(down, across)
        top, left = (self.height - height * down) // 2, (self.width - width * across) // 2
        if self.crop_to_aspect_ratio and not self.pad_to_aspect_ratio:
            top, left = -((height * down - self.height) // 2), -((width * across - self.width) // 2)
        return _each(
            boxes, lambda x1, y1, x2, y2: (x1 * across + left, y1 * down + top, x2 * across + left, y2 * down + top)
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return _with_size(input_shape, self.height, self.width, self.data_format)

    def get_config(self) -> dict[str, Any]:
        names = ("height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode")
        own = {name: getattr(self, name) for name in (*names, "fill_value", "antialias")}
        return {**super().get_config(), **own}


def _with_size(input_shape: Any, height: int, width: int, data_format: str) -> Any:
    if isinstance(input_shape, dict):
        return {key: _with_size(shape, height, width, data_format) for key, shape in input_shape.items()}
    shape = list(input_shape)
    axis = len(shape) - 3 if data_format == "channels_last" else len(shape) - 2
    shape[axis : axis + 2] = height, width
    return tuple(shape)


def _cut(x: Any, top: int, left: int, height: int, width: int) -> Any:
    stops = (x.shape[0], top + height, left + width, x.shape[3])
    return _op.slice(x, (0, top, left, 0), stops, (1, 1, 1, 1))


def _in_part(boxes: Any, top: Any, left: Any, part: tuple[int, int], size: tuple[int, int]) -> Any:
    """Boxes as seen in a part of the image that begins at (top, left) and is resized to ``size``."""
    down, across = size[0] / part[0], size[1] / part[1]
    return _each(
        boxes,
        lambda x1, y1, x2, y2: (
            (x1 - left) * across,
            (y1 - top) * down,
            (x2 - left) * across,
            (y2 - top) * down,
        ),
    )


@registry.add
class CenterCrop(ImageLayer):
    """The middle of images, in training and outside; images too small are resized after their sides are cut."""

    changes_outside_training = True

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.height, self.width = height, width

    def _cropped(self, x: Any, interpolation: str) -> Any:
        h, w = x.shape[1:3]
        if h >= self.height and w >= self.width:
            top, left = int((h - self.height) / 2), int((w - self.width) / 2)
            return _cut(x, top, left, self.height, self.width)
        size = (self.height, self.width)
        return image.resize(x, size, interpolation, crop_to_aspect_ratio=True, data_format="channels_last")

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        return self._cropped(images, "bilinear")

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        return self._cropped(segmentation_masks, "nearest")

    def move_boxes(self, boxes: Any, transformation: Any, height: int, width: int) -> Any:
        tall, wide = self.height, self.width
        if height < tall or width < wide:  # the part of the same proportions, resized
            tall, wide = max(min(height, int(width * tall / wide)), 1), max(min(width, int(height * wide / tall)), 1)
        top, left = int((height - tall) / 2), int((width - wide) / 2)
        return _in_part(boxes, top, left, (tall, wide), (self.height, self.width))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return _with_size(input_shape, self.height, self.width, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}


@registry.add
class RandomCrop(RandomImageLayer):
    """In training a part of (height, width), one random place for the whole batch; else images stay as they are.

    An image with a side not longer than the part is cut at a fixed place, and resized if the part came out smaller.
    """

    def __init__(
        self, height: int, width: int, seed: Any = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.height, self.width = height, width

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        h, w = data.shape[1:3]
        if not training or h <= self.height or w <= self.width:  # the middle of the part of the same proportions
            tall = max(min(h, int(w * self.height / self.width)), 1)
            wide = max(min(w, int(h * self.width / self.height)), 1)
            return [int((h - tall) / 2), int((w - wide) / 2)]
        return [
            random.randint((), 0, n - target + 1, seed=self.generator if seed is None else seed)
            for n, target in ((h, self.height), (w, self.width))
        ]

    def _cropped(self, x: Any, transformation: Any, interpolation: str) -> Any:
        for axis, start, length in zip((1, 2), transformation, (self.height, self.width), strict=True):
            length = min(length, x.shape[axis] - start) if isinstance(start, int) else length
            x = _op.take(x, start + chainrule.asarray(np.arange(length, dtype="int32")), axis=axis)
        size = (self.height, self.width)
        if tuple(x.shape[1:3]) != size:
            x = image.resize(x, size, interpolation, data_format="channels_last")
        return x

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        return self._cropped(images, transformation, "bilinear")

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        return self._cropped(segmentation_masks, transformation, "nearest")

    def move_boxes(self, boxes: Any, transformation: Any, height: int, width: int) -> Any:
        size = self.height, self.width
        lengths = zip(size, (height, width), transformation, strict=True)
        part = [min(own, n - start) if isinstance(start, int) else own for own, n, start in lengths]
        top, left = (x if isinstance(x, int) else _op.cast(x, boxes.dtype) for x in transformation)
        return _in_part(boxes, top, left, (part[0], part[1]), size)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return _with_size(input_shape, self.height, self.width, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}


@registry.add
class RandomFlip(RandomImageLayer):
    """Mirrors images with probability 1/2: ``mode`` "horizontal", "vertical" or "horizontal_and_vertical"."""

    moves_pixels = True

    def __init__(
        self, mode: str = "horizontal_and_vertical", seed: Any = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        known = ("horizontal", "vertical", "horizontal_and_vertical")
        if mode not in known:
            raise ValueError(f"RandomFlip: mode must be one of {known}, got {mode!r}.")
        self.mode = mode

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        return [
            _op.less(self.draw(data, seed=seed), 0.5) if name in self.mode else None
            for name in ("vertical", "horizontal")
        ]

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        for axis, chosen in zip((1, 2), transformation, strict=True):
            if chosen is not None:
                images = _op.where(chosen, _op.flip(images, axis), images)
        return images

    def move_boxes(self, boxes: Any, transformation: Any, height: int, width: int) -> Any:
        down, across = transformation
        if across is not None:
            turned = _each(boxes, lambda x1, y1, x2, y2: (width - x2, y1, width - x1, y2))
            boxes = _op.where(_op.squeeze(across, axis=-1), turned, boxes)
        if down is not None:
            turned = _each(boxes, lambda x1, y1, x2, y2: (x1, height - y2, x2, height - y1))
            boxes = _op.where(_op.squeeze(down, axis=-1), turned, boxes)
        return boxes

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


class _Affine(RandomImageLayer):
    """Layers that read each image through an affine map of its own.

    A transformation is (a0, a1, a2, b0, b1, b2): the pixel (x, y) of the result is that at
    (a0 x + a1 y + a2, b0 x + b1 y + b2).
    """

    _factors: tuple[str, ...] = ()

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: Any,
        fill_value: float,
        data_format: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        for name, value, known in (
            ("fill_mode", fill_mode, FILL_MODES),
            ("interpolation", interpolation, INTERPOLATIONS),
        ):
            if value not in known:
                raise NotImplementedError(f"{type(self).__name__}: {name} must be one of {known}, got {value!r}.")
        self.fill_mode, self.interpolation, self.fill_value = fill_mode, interpolation, fill_value

    def _moved(self, images: Any, transformation: Any, interpolation: str) -> Any:
        zeros = _op.multiply(transformation[0], 0.0)
        numbers = [_op.reshape(number, (-1,)) for number in (*transformation, zeros, zeros)]
        return image.affine_transform(
            images,
            _op.stack(numbers, axis=-1),
            interpolation=interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format="channels_last",
        )

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        return self._moved(images, transformation, self.interpolation)

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        return self._moved(segmentation_masks, transformation, "nearest")

    def move_boxes(self, boxes: Any, transformation: Any, height: int, width: int) -> Any:
        # The map leads from the result's pixels to the images'; boxes go the other way.
        a0, a1, a2, b0, b1, b2 = (_op.reshape(number, (-1, 1, 1)) for number in transformation)
        x1, y1, x2, y2 = (boxes[..., i : i + 1] for i in range(4))
        xs = _op.concatenate([x1, x2, x2, x1], axis=-1) - a2
        ys = _op.concatenate([y1, y1, y2, y2], axis=-1) - b2
        scale = a0 * b1 - a1 * b0
        xs, ys = (b1 * xs - a1 * ys) / scale, (a0 * ys - b0 * xs) / scale
        edges = [reduce(of, axis=-1, keepdims=True) for reduce in (_op.min, _op.max) for of in (xs, ys)]
        return _op.concatenate(edges, axis=-1)

    def get_config(self) -> dict[str, Any]:
        names = ("fill_mode", "interpolation", "fill_value", *self._factors)
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@registry.add
class RandomRotation(_Affine):
    """Turns images about their middle by an angle between the bounds of ``factor``, in full turns.

    ``factor``: a number f for (-f, f), or a pair; 0.1 is 36 degrees. ``fill_mode`` as in
    :func:`keras.ops.image.map_coordinates`.
    """

    _factors = ("factor",)

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Any = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = interval("RandomRotation", "factor", factor, -1.0, 1.0)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        angle = self.draw(data, self.factor, (1,), seed) * (2 * math.pi)
        sine, cosine = _op.sin(angle), _op.cos(angle)
        middle_x, middle_y = (data.shape[2] - 1) / 2, (data.shape[1] - 1) / 2
        across = middle_x - middle_x * cosine + middle_y * sine
        down = middle_y - middle_x * sine - middle_y * cosine
        return [cosine, -sine, across, sine, cosine, down]


@registry.add
class RandomZoom(_Affine):
    """Zooms images about their middle: a factor of 0.2 shows 20 % more in each direction, -0.2 20 % less.

    ``height_factor``: a number f for (-f, f), or a pair; ``width_factor`` the same, None keeps the aspect ratio.
    """

    _factors = ("height_factor", "width_factor")

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Any = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = interval("RandomZoom", "height_factor", height_factor, -1.0, 1.0)
        both = width_factor is None
        self._width = None if both else interval("RandomZoom", "width_factor", width_factor, -1.0, 1.0)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        down = self.draw(data, self._height, (1,), seed) + 1.0
        across = down if self._width is None else self.draw(data, self._width, (1,), seed) + 1.0
        zeros = _op.multiply(down, 0.0)
        middle_x, middle_y = (data.shape[2] - 1) / 2, (data.shape[1] - 1) / 2
        return [across, zeros, middle_x - across * middle_x, zeros, down, middle_y - down * middle_y]


@registry.add
class RandomTranslation(_Affine):
    """Moves images by fractions of their height and width; positive ones go down and right.

    Factors: a number f for (-f, f), or a pair.
    """

    _factors = ("height_factor", "width_factor")

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Any = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height = interval("RandomTranslation", "height_factor", height_factor, -1.0, 1.0)
        self._width = interval("RandomTranslation", "width_factor", width_factor, -1.0, 1.0)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        down = self.draw(data, self._height, (1,), seed) * float(data.shape[1])
        across = self.draw(data, self._width, (1,), seed) * float(data.shape[2])
        zeros = _op.multiply(down, 0.0)
        return [zeros + 1.0, zeros, -across, zeros, zeros + 1.0, -down]


@registry.add
class RandomShear(_Affine):
    """Slants images: x moves by y times a factor of ``x_factor``, y by x times one of ``y_factor``, of either sign.

    Factors: a number f for (0, f), or a pair, from 0 to 1.
    """

    _factors = ("x_factor", "y_factor")

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.x_factor = interval("RandomShear", "x_factor", x_factor, 0.0, 1.0, positive=True)
        self.y_factor = interval("RandomShear", "y_factor", y_factor, 0.0, 1.0, positive=True)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        sign = _op.where(_op.less(self.draw(data, shape=(1,), seed=seed), 0.5), -1.0, 1.0)
        sign = _op.cast(sign, data.dtype)
        across = self.draw(data, self.x_factor, (1,), seed) * sign
        down = self.draw(data, self.y_factor, (1,), seed) * sign
        zeros = _op.multiply(across, 0.0)
        return [zeros + 1.0, across, zeros, down, zeros + 1.0, zeros]


class _Sometimes(RandomImageLayer):
    """Layers that change an image with a probability between the bounds of ``factor``."""

    def __init__(self, factor: Any, seed: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = interval(type(self).__name__, "factor", factor, 0.0, 1.0, positive=True)

    def chosen(self, images: Any, seed: Any = None) -> Any:
        """Whether each image is changed, shape (batch, 1, 1, 1)."""
        bound = self.draw(images, self.factor, seed=seed)
        return _op.less(self.draw(images, seed=seed), bound)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@registry.add
class RandomPerspective(_Sometimes):
    """Moves the corners of images by up to ``scale`` / 2 of their coordinates, with a probability of ``factor``."""

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, seed, data_format, **kwargs)
        self.scale, self.interpolation, self.fill_value = scale, interpolation, fill_value

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        right, bottom = data.shape[2] - 1.0, data.shape[1] - 1.0
        corners = np.array([[0, 0], [right, 0], [0, bottom], [right, bottom]], data.dtype)
        start = chainrule.asarray(np.repeat(corners[None], data.shape[0], 0))
        moves = self.draw(data, (-0.5 * self.scale, 0.5 * self.scale), (4, 2), seed)
        chosen = _op.squeeze(self.chosen(data, seed), axis=-1)
        return start, _op.where(chosen, start + start * moves, start)

    def _moved(self, images: Any, transformation: Any, interpolation: str) -> Any:
        start, end = transformation
        return image.perspective_transform(images, start, end, interpolation, self.fill_value, "channels_last")

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        return self._moved(images, transformation, self.interpolation)

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        return self._moved(segmentation_masks, transformation, "nearest")

    def move_boxes(self, boxes: Any, transformation: Any, height: int, width: int) -> Any:
        raise NotImplementedError("RandomPerspective: bounding boxes are not supported.")

    def get_config(self) -> dict[str, Any]:
        own = {"scale": self.scale, "interpolation": self.interpolation, "fill_value": self.fill_value}
        return {**super().get_config(), **own}

"""``keras.ops.image``: images of another size, other colours, cut into patches."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.nn.resizing import METHODS, interpolation_weights
from chainrule.nn.windows import checked_padding, per_axis

from ..variables import convert_to_tensor
from .dispatch import as_real, core, symbolic
from .warp import affine_transform as affine_transform
from .warp import elastic_transform as elastic_transform
from .warp import gaussian_blur as gaussian_blur
from .warp import map_coordinates as map_coordinates
from .warp import perspective_transform as perspective_transform
from .warp import sobel_edges as sobel_edges
from .warp import ssim as ssim
from .windows import channels_back, channels_last, patches, standard_format


def _with_batch(name: str, axes: int = 4) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Lets a function of channels-last batches take single images and channels first too."""

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(function)
        layout = inspect.Parameter("data_format", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
        count = len(own.parameters)

        @functools.wraps(function)
        def apply(images: Any, *args: Any, data_format: str | None = None, **kwargs: Any) -> Any:
            if len(args) == count:  # data_format is the last argument
                *args, data_format = args  # type: ignore[assignment]
            data_format = standard_format(data_format, name)
            x = convert_to_tensor(images)
            single = x.ndim == axes - 1
            if not single and x.ndim != axes:
                raise ValueError(f"{name}: needs {axes - 1} axes, or {axes} with a batch, got shape {tuple(x.shape)}.")
            x = channels_last(core.expand_dims(x, 0) if single else x, data_format)
            y = channels_back(function(x, *args, **kwargs), data_format)
            return core.squeeze(y, axis=0) if single else y

        apply.__signature__ = own.replace(parameters=[*own.parameters.values(), layout])  # type: ignore[attr-defined]
        return symbolic(apply)

    return wrap


def _size(size: Any, where: str) -> tuple[int, int]:
    height, width = per_axis(size, 2, where, "size")
    return height, width


def _crop_to(x: Any, height: int, width: int) -> Any:
    """The largest middle part with the aspect ratio of the target."""
    h, w = x.shape[1:3]
    part_h = max(min(h, int(float(w * height) / width)), 1)
    part_w = max(min(w, int(float(h * width) / height)), 1)
    top, left = int(float(h - part_h) / 2), int(float(w - part_w) / 2)
    return core.slice(x, (0, top, left, 0), (x.shape[0], top + part_h, left + part_w, x.shape[3]), (1, 1, 1, 1))


def _pad_to(x: Any, height: int, width: int, value: float) -> Any:
    """As much around the image as gives it the aspect ratio of the target."""
    h, w = x.shape[1:3]
    top = int(float(max(h, int(float(w * height) / width)) - h) / 2)
    left = 0 if top else int(float(max(w, int(float(h * width) / height)) - w) / 2)
    return core.pad(x, (0, top, left, 0), (0, top, left, 0), value)


@_with_batch("resize")
def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
) -> Any:
    """Images resampled to (height, width); ``interpolation`` as the method of :func:`chainrule.nn.resize`.

    ``crop_to_aspect_ratio`` cuts out the middle first; ``pad_to_aspect_ratio`` puts ``fill_value`` around it.
    """
    height, width = _size(size, "resize")
    if interpolation not in METHODS:
        raise ValueError(f"resize: interpolation must be one of {METHODS}, got {interpolation!r}.")
    if fill_mode != "constant":
        raise ValueError(f"resize: fill_mode must be 'constant', got {fill_mode!r}.")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("resize: only one of crop_to_aspect_ratio and pad_to_aspect_ratio may be True.")
    dtype = images.dtype
    if interpolation != "nearest":
        images = as_real(images)
    if crop_to_aspect_ratio:
        images = _crop_to(images, height, width)
    if pad_to_aspect_ratio:
        images = _pad_to(images, height, width, fill_value)
    resized = nn.resize(images, (height, width), interpolation, antialias)
    if resized.dtype == dtype:
        return resized
    bounds = np.iinfo(dtype)  # integers: rounded, and kept within their range
    return core.cast(core.minimum(core.maximum(core.rint(resized), float(bounds.min)), float(bounds.max)), dtype)


def scale_and_translate(
    images: Any,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Any:
    """Axes ``spatial_dims`` resampled: place s of the source comes to s * scale + translation of the result.

    ``method``: ``"linear"`` (or ``"bilinear"``, ``"trilinear"``, ``"triangle"``), ``"cubic"`` (or ``"bicubic"``,
    ``"tricubic"``), ``"lanczos3"``, ``"lanczos5"``. Scale and translation, one for each axis, must be values.
    """
    names = {"linear": "bilinear", "trilinear": "bilinear", "triangle": "bilinear"}
    names.update(cubic="bicubic", tricubic="bicubic")
    method = names.get(method, method)
    if method not in METHODS[1:]:
        raise ValueError(f"scale_and_translate: method must be linear, cubic, lanczos3 or lanczos5, got {method!r}.")
    factors, moves = (np.asarray(convert_to_tensor(v).numpy(), "float64") for v in (scale, translation))
    axes = tuple(spatial_dims)
    if len(factors) != len(axes) or len(moves) != len(axes):
        raise ValueError(
            f"scale_and_translate: scale and translation need one entry for each of the axes {axes}, got "
            f"{len(factors)} and {len(moves)}."
        )

    @symbolic
    def run(x: Any) -> Any:
        x = as_real(x)
        for axis, factor, move in zip(axes, factors, moves, strict=True):
            axis %= x.ndim
            table = interpolation_weights(
                x.shape[axis], output_shape[axis], method, float(factor), float(move), antialias
            )
            x = core.resample(x, *table, axis)
        return x

    return run(images)


@_with_batch("rgb_to_grayscale")
def rgb_to_grayscale(images: Any) -> Any:
    """0.2989 R + 0.587 G + 0.114 B, one channel (ITU-R BT.601)."""
    if images.shape[-1] not in (1, 3):
        raise ValueError(f"rgb_to_grayscale: needs 3 channels (or 1), got shape {tuple(images.shape)}.")
    if images.shape[-1] == 1:
        return images
    weights = np.array([0.2989, 0.587, 0.114])
    gray = core.sum(core.multiply(as_real(images), core.cast(weights, as_real(images).dtype)), axis=-1, keepdims=True)
    return core.cast(gray, images.dtype)


def _colours(images: Any, where: str) -> Any:
    if images.shape[-1] != 3 or images.dtype.kind != "f":
        raise ValueError(
            f"{where}: needs floats with 3 channels, got {images.dtype} of shape {tuple(images.shape)}; divide integer "
            f"colours by 255 first."
        )
    return [core.slice(images, (0, 0, 0, c), (*images.shape[:3], c + 1), (1, 1, 1, 1)) for c in range(3)]


@_with_batch("rgb_to_hsv")
def rgb_to_hsv(images: Any) -> Any:
    """Red, green, blue in [0, 1] to hue, saturation and value in [0, 1] (Smith 1978)."""
    red, green, blue = _colours(images, "rgb_to_hsv")
    value = core.max(images, axis=-1, keepdims=True)
    span = value - core.min(images, axis=-1, keepdims=True)
    some = core.where(core.greater(span, 0.0), span, 1.0)
    saturation = core.where(core.greater(value, 0.0), span / core.where(core.greater(value, 0.0), value, 1.0), 0.0)
    hue = core.where(
        core.equal(value, red),
        (green - blue) / some,
        core.where(core.equal(value, green), 2.0 + (blue - red) / some, 4.0 + (red - green) / some),
    )
    hue = core.where(core.greater(span, 0.0), hue / 6.0, 0.0)
    return core.concatenate([hue - core.floor(hue), saturation, value], axis=-1)


@_with_batch("hsv_to_rgb")
def hsv_to_rgb(images: Any) -> Any:
    """The inverse of :func:`rgb_to_hsv`."""
    hue, saturation, value = _colours(images, "hsv_to_rgb")
    parts = []
    for start in (5.0, 3.0, 1.0):  # red, green, blue: value less saturation times a trapezoid of the hue
        k = core.remainder(start + hue * 6.0, 6.0)
        share = core.minimum(core.maximum(core.minimum(k, 4.0 - k), 0.0), 1.0)
        parts.append(value - value * saturation * share)
    return core.concatenate(parts, axis=-1)


def _patches(where: str, rank: int, images: Any, size: Any, strides: Any, dilation_rate: Any, padding: str) -> Any:
    size = per_axis(size, rank, where, "size")
    strides = size if strides is None else per_axis(strides, rank, where, "strides")
    dilation = per_axis(dilation_rate, rank, where, "dilation_rate")
    return patches(images, size, strides, dilation, checked_padding(padding, where))


@_with_batch("extract_patches")
def extract_patches(images: Any, size: Any, strides: Any = None, dilation_rate: Any = 1, padding: str = "valid") -> Any:
    """The pixels of each window as channels: (batch, rows, columns, window * channels); strides None: the size."""
    return _patches("extract_patches", 2, images, size, strides, dilation_rate, padding)


@_with_batch("extract_patches_3d", 5)
def extract_patches_3d(
    volumes: Any, size: Any, strides: Any = None, dilation_rate: Any = 1, padding: str = "valid"
) -> Any:
    """The cells of each window of a volume as channels; see :func:`extract_patches`."""
    return _patches("extract_patches_3d", 3, volumes, size, strides, dilation_rate, padding)


def _two_of_three(
    where: str, length: int | None, before: int | None, after: int | None, target: int | None, sign: int, axis: str
) -> tuple[int, int]:
    """What goes before and after an axis, from two of (before, after, target); sign 1: padding, -1: cropping."""
    if [before, after, target].count(None) != 1:
        raise ValueError(f"{where}: give exactly two of the amounts before and after and the target {axis}.")
    total = None if target is None or length is None else sign * (target - length)
    if before is None:
        before = total - after  # type: ignore[operator]
    if after is None:
        after = total - before  # type: ignore[operator]
    if before < 0 or after < 0:
        raise ValueError(f"{where}: {axis} {length} and target {target} leave negative amounts ({before}, {after}).")
    return before, after


@_with_batch("pad_images")
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
) -> Any:
    """Zeros around images; along each axis two of (before, after, target length) are given."""
    top, bottom = _two_of_three("pad_images", images.shape[1], top_padding, bottom_padding, target_height, 1, "height")
    left, right = _two_of_three("pad_images", images.shape[2], left_padding, right_padding, target_width, 1, "width")
    return core.pad(images, (0, top, left, 0), (0, bottom, right, 0))


@_with_batch("crop_images")
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
) -> Any:
    """The middle of images; along each axis two of (before, after, target length) are given."""
    n, h, w, c = images.shape
    top, bottom = _two_of_three("crop_images", h, top_cropping, bottom_cropping, target_height, -1, "height")
    left, right = _two_of_three("crop_images", w, left_cropping, right_cropping, target_width, -1, "width")
    if top + bottom >= h or left + right >= w:
        raise ValueError(f"crop_images: nothing is left of images of shape {tuple(images.shape)}.")
    return core.slice(images, (0, top, left, 0), (n, h - bottom, w - right, c), (1, 1, 1, 1))


@symbolic
def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """Peak signal-to-noise ratio 20 log10(max_val) - 10 log10(mean (x1 - x2)^2), in decibels."""
    x1, x2 = as_real(x1), as_real(x2)
    if x1.shape != x2.shape:
        raise ValueError(f"psnr: both need one shape, got {tuple(x1.shape)} and {tuple(x2.shape)}.")
    return 20.0 * math.log10(max_val) - 10.0 * core.log10(core.mean(core.square(x1 - x2)))

"""Images and arrays read at places between their entries: affine, perspective and elastic transforms; filters."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule
from chainrule import nn
from chainrule.nn.windows import per_axis

from .. import random
from ..symbolic import any_symbolic, apply_function
from ..variables import convert_to_tensor, unwrap
from .arrays import face
from .dispatch import as_real, core, symbolic
from .windows import channels_back, channels_last, standard_format

FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")
INTERPOLATIONS = ("nearest", "bilinear")


def _checked(where: str, **options: tuple[Any, tuple[Any, ...]]) -> None:
    for name, (value, known) in options.items():
        if value not in known:
            raise ValueError(f"{where}: {name} must be one of {known}, got {value!r}.")


def _within(index: Any, length: int, fill_mode: str) -> Any:
    """Integer places mapped into 0 .. length - 1 as the fill mode continues an axis."""
    if fill_mode == "wrap":
        return core.remainder(index, length)
    if fill_mode == "reflect":  # d c b a | a b c d | d c b a
        index = core.remainder(index, 2 * length)
        return core.minimum(index, 2 * length - 1 - index)
    if fill_mode == "mirror" and length > 1:  # d c b | a b c d | c b a
        index = core.remainder(index, 2 * length - 2)
        return core.minimum(index, 2 * length - 2 - index)
    return core.minimum(core.maximum(index, 0), length - 1)


def _read(x: Any, lead: list[Any], places: list[Any], order: int, fill_mode: str, fill_value: Any) -> Any:
    """``x`` at ``places`` (one tensor per axis after those that ``lead`` indexes), order 0 nearest or 1 linear.

    Axes of ``x`` beyond them stay, as last axes of the result.
    """
    axes = []
    for place, length in zip(places, x.shape[len(lead) :], strict=False):
        if order == 0:
            lower = core.cast(core.floor(place + 0.5), "int64")
            corners = [(lower, None)]
        else:
            floor = core.floor(place)
            lower, above = core.cast(floor, "int64"), place - floor
            corners = [(lower, 1.0 - above), (lower + 1, above)]
        axes.append([(_within(i, length, fill_mode), _inside(i, length), w) for i, w in corners])
    extra = x.ndim - len(lead) - len(places)
    total = None
    for corner in itertools.product(*axes):
        values = core.index(x, *lead, *(index for index, _, _ in corner))
        if fill_mode == "constant":
            inside = corner[0][1]
            for _, also, _ in corner[1:]:
                inside = core.logical_and(inside, also)
            values = core.where(_spread(inside, extra), values, core.cast(convert_to_tensor(fill_value), values.dtype))
        for _, _, weight in corner:
            if weight is not None:
                values = values * _spread(weight, extra)
        total = values if total is None else total + values
    return total


def _inside(index: Any, length: int) -> Any:
    return core.logical_and(core.greater_equal(index, 0), core.less(index, length))


def _spread(x: Any, axes: int) -> Any:
    for _ in range(axes):
        x = core.expand_dims(x, -1)
    return x


@symbolic
def map_coordinates(inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: Any = 0) -> Any:
    """``inputs`` at ``coordinates``, whose first axis has one entry per axis of the inputs.

    ``order`` 0 takes the nearest entry, 1 interpolates linearly. ``fill_mode`` continues the inputs: "constant" by
    ``fill_value``, "nearest" by the edge, "wrap", "mirror" (edge once), "reflect" (edge twice).
    """
    _checked("map_coordinates", order=(order, (0, 1)), fill_mode=(fill_mode, FILL_MODES))
    x = convert_to_tensor(inputs)
    if isinstance(coordinates, (list, tuple)):
        coordinates = core.stack([convert_to_tensor(c) for c in coordinates], axis=0)
    places = as_real(coordinates)
    if places.ndim < 2 or places.shape[0] != x.ndim:
        raise ValueError(
            f"map_coordinates: coordinates need two axes at least, the first of length {x.ndim} for inputs of shape "
            f"{tuple(x.shape)}; got shape {tuple(places.shape)}."
        )
    values = _read(as_real(x), [], [places[i] for i in range(x.ndim)], order, fill_mode, fill_value)
    return _as_type(values, x.dtype)


def _as_type(values: Any, dtype: Any) -> Any:
    if values.dtype == dtype:
        return values
    return core.cast(core.rint(values) if dtype.kind in "iu" else values, dtype)


def _batched(where: str, images: Any, data_format: str | None) -> tuple[Any, Callable[[Any], Any]]:
    """(float images as a channels-last batch, what undoes that)."""
    x = convert_to_tensor(images)
    if x.ndim not in (3, 4):
        raise ValueError(f"{where}: images need 3 axes, or 4 with a batch; got shape {tuple(x.shape)}.")
    layout = standard_format(data_format, where)
    single, dtype = x.ndim == 3, x.dtype
    x = channels_last(core.expand_dims(x, 0) if single else x, layout)

    def undo(y: Any) -> Any:
        y = channels_back(y, layout)
        y = core.squeeze(y, axis=0) if single else y
        return y if y.dtype == dtype else core.cast(y, dtype)

    return as_real(x), undo


def _grid(x: Any) -> tuple[Any, Any]:
    """(rows, columns) of the pixels of a batch, shapes (height, 1) and (1, width)."""
    rows, columns = (np.arange(n, dtype=x.dtype) for n in x.shape[1:3])
    return chainrule.asarray(rows[:, None]), chainrule.asarray(columns[None])


def _read_images(x: Any, rows: Any, columns: Any, interpolation: str, fill_mode: str, fill_value: Any) -> Any:
    """The batch at places (batch or 1, height, width)."""
    batch = chainrule.asarray(np.arange(x.shape[0])[:, None, None])
    return _read(x, [batch], [rows, columns], INTERPOLATIONS.index(interpolation), fill_mode, fill_value)


@symbolic
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """The pixel (x, y) of the result is that at (a0 x + a1 y + a2, b0 x + b1 y + b2) of the image.

    ``transform`` holds (a0, a1, a2, b0, b1, b2, 0, 0) for all images or, shape (batch, 8), for each.
    """
    _checked("affine_transform", interpolation=(interpolation, INTERPOLATIONS), fill_mode=(fill_mode, FILL_MODES))
    x, undo = _batched("affine_transform", images, data_format)
    numbers = core.cast(convert_to_tensor(transform), x.dtype)
    if numbers.ndim not in (1, 2) or numbers.shape[-1] != 8:
        raise ValueError(f"affine_transform: transform needs shape (8,) or (batch, 8), got {tuple(numbers.shape)}.")
    a0, a1, a2, b0, b1, b2 = (_spread(numbers[..., i], 2) for i in range(6))
    rows, columns = _grid(x)
    across, down = a0 * columns + a1 * rows + a2, b0 * columns + b1 * rows + b2
    if numbers.ndim == 1:
        across, down = core.expand_dims(across, 0), core.expand_dims(down, 0)
    return undo(_read_images(x, down, across, interpolation, fill_mode, fill_value))


def _homography(start: Any, end: Any) -> Any:
    """The 8 numbers of the perspective map that takes the four ``end`` points (x, y) to the ``start`` points."""
    x, y, u, v = end[..., 0], end[..., 1], start[..., 0], start[..., 1]
    one, zero = core.multiply(x, 0.0) + 1.0, core.multiply(x, 0.0)
    for_x = core.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1)
    for_y = core.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1)
    matrix, target = core.concatenate([for_x, for_y], axis=-2), core.concatenate([u, v], axis=-1)
    return core.squeeze(face().linalg.solve(matrix, core.expand_dims(target, -1)), axis=-1)


def _scattered(shape: list[int], dtype: str) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=shape).astype(dtype)


def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """The perspective map that moves four points (x, y) of the image, ``start_points``, to ``end_points``.

    Both have shape (4, 2), or (batch, 4, 2).
    """
    arguments = (images, start_points, end_points, interpolation, fill_value, data_format)
    if any_symbolic(list(arguments)):  # tried on points of which no three lie on a line
        return apply_function(perspective_transform, arguments, {}, _scattered)
    _checked("perspective_transform", interpolation=(interpolation, INTERPOLATIONS))
    x, undo = _batched("perspective_transform", images, data_format)
    start, end = (core.cast(convert_to_tensor(points), x.dtype) for points in (start_points, end_points))
    if start.shape != end.shape or start.ndim not in (2, 3) or tuple(start.shape[-2:]) != (4, 2):
        raise ValueError(
            f"perspective_transform: start_points and end_points need the same shape (4, 2) or (batch, 4, 2), got "
            f"{tuple(start.shape)} and {tuple(end.shape)}."
        )
    if start.ndim == 2:
        start, end = core.expand_dims(start, 0), core.expand_dims(end, 0)
    numbers = _homography(start, end)
    a0, a1, a2, b0, b1, b2, c0, c1 = (_spread(numbers[:, i], 2) for i in range(8))
    rows, columns = _grid(x)
    scale = c0 * columns + c1 * rows + 1.0
    across, down = (a0 * columns + a1 * rows + a2) / scale, (b0 * columns + b1 * rows + b2) / scale
    return undo(_read_images(x, down, across, interpolation, "constant", fill_value))


@symbolic
def gaussian_blur(
    images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Any:
    """Each channel convolved with the outer product of two normal densities, made to sum to 1; zeros outside.

    As in Keras, the first entry of size and sigma is that along the width.
    """
    if hasattr(kernel_size, "shape"):
        kernel_size = np.asarray(unwrap(kernel_size)).tolist()
    size = per_axis(kernel_size, 2, "gaussian_blur", "kernel_size")
    sigmas = (sigma, sigma) if isinstance(sigma, (int, float)) else tuple(unwrap(sigma))
    x, undo = _batched("gaussian_blur", as_real(images), data_format)
    lines = []
    for n, s in zip(size[::-1], sigmas[::-1], strict=True):
        places = np.arange(n) - (n - 1) / 2
        density = np.exp(-(places**2) / (2 * float(s) ** 2))
        lines.append((density / density.sum()).astype(x.dtype))
    for shape, line in zip(((-1, 1, 1, 1), (1, -1, 1, 1)), lines, strict=True):  # separable: one axis after the other
        kernel = line.reshape(shape) * np.ones((1, 1, x.shape[-1], 1), x.dtype)
        x = nn.depthwise_conv(x, kernel, padding="same")
    return undo(x)


@symbolic
def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Pixels displaced by ``alpha`` times a random field of deviation ``sigma``, smoothed over ``sigma`` pixels.

    Source: P. Simard, D. Steinkraus, J. Platt, *Best practices for convolutional neural networks* (2003).
    """
    _checked("elastic_transform", interpolation=(interpolation, INTERPOLATIONS), fill_mode=(fill_mode, FILL_MODES))
    x, undo = _batched("elastic_transform", images, data_format)
    width = int(6 * float(sigma)) | 1
    noise = random.normal((*x.shape[:3], 2), stddev=float(sigma), dtype=x.dtype.name, seed=seed)
    moves = gaussian_blur(noise, (width, width), (sigma, sigma), data_format="channels_last") * float(alpha)
    rows, columns = _grid(x)
    return undo(_read_images(x, rows + moves[..., 0], columns + moves[..., 1], interpolation, fill_mode, fill_value))


@symbolic
def sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """Differences of neighbouring rows and columns, smoothed across: one more axis (dy, dx) at the end."""
    x = convert_to_tensor(images)
    if x.ndim != 4:
        raise ValueError(f"sobel_edges: needs a batch of images, 4 axes; got shape {tuple(x.shape)}.")
    layout = standard_format(data_format, "sobel_edges")
    x = as_real(channels_last(x, layout))
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], x.dtype)
    kernel = np.stack([down, down.T], -1)[:, :, None, :] * np.ones((1, 1, x.shape[-1], 1), x.dtype)
    padded = _mirrored(x)
    edges = nn.depthwise_conv(padded, kernel, padding="valid")
    edges = core.reshape(edges, (*x.shape, 2))
    return core.transpose(edges, (0, 3, 1, 2, 4)) if layout == "channels_first" else edges


def _mirrored(x: Any) -> Any:
    """One more row and column on each side of a batch: those next to the edge."""
    for axis in (1, 2):
        n = x.shape[axis]
        x = core.take(x, np.array([min(1, n - 1), *range(n), max(n - 2, 0)]), axis=axis)
    return x


@symbolic
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Any:
    """Structural similarity, 1 for equal images, one number per image of a batch.

    Means and (co)variances under a Gaussian window that fits into the image, averaged over places and channels.
    Source: Z. Wang and others, *Image quality assessment: from error visibility to structural similarity* (2004).
    """
    first, _ = _batched("ssim", image1, data_format)
    second, _ = _batched("ssim", image2, data_format)
    distance = np.arange(filter_size) - (filter_size - 1) / 2
    line = np.exp(-(distance**2) / (2 * filter_sigma**2))
    window = (np.outer(line, line) / line.sum() ** 2).astype(first.dtype)
    kernel = window[:, :, None, None] * np.ones((1, 1, first.shape[-1], 1), first.dtype)

    def local(x: Any) -> Any:
        return nn.depthwise_conv(x, kernel, padding="valid")

    mean1, mean2 = local(first), local(second)
    variances = local(first * first) + local(second * second) - mean1 * mean1 - mean2 * mean2
    covariance = local(first * second) - mean1 * mean2
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    similarity = (2.0 * mean1 * mean2 + c1) * (2.0 * covariance + c2)
    similarity = similarity / ((mean1 * mean1 + mean2 * mean2 + c1) * (variances + c2))
    means = core.mean(similarity, axis=(1, 2, 3))
    return means if len(convert_to_tensor(image1).shape) == 4 else means[0]

"""Images of another size: interpolation, repeating cells, and moving cells between space and channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from chainrule import _core

from .windows import per_axis

_op = _core.ops
_asarray = _core.asarray


def _triangle(t: float) -> float:
    return max(0.0, 1.0 - t)


def _cubic(t: float) -> float:
    """Keys' cubic with a = -1/2: it reproduces polynomials of degree two."""
    if t >= 2:
        return 0.0
    return (1.5 * t - 2.5) * t * t + 1 if t < 1 else ((-0.5 * t + 2.5) * t - 4) * t + 2


def _lanczos(radius: int) -> Callable[[float], float]:
    def kernel(t: float) -> float:
        if t >= radius:
            return 0.0
        if t < 1e-3:  # sin(x) sin(x / r) / (x^2 / r) is 1 there, up to rounding of float32
            return 1.0
        x = math.pi * t
        return radius * math.sin(x) * math.sin(x / radius) / (x * x)

    return kernel


# Kernels k(|distance|) and their radius.
_KERNELS: dict[str, tuple[Callable[[float], float], int]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (_cubic, 2),
    "lanczos3": (_lanczos(3), 3),
    "lanczos5": (_lanczos(5), 5),
}
METHODS = ("nearest", *_KERNELS)


def interpolation_weights(
    length: int, size: int, method: str, scale: float, translation: float = 0.0, antialias: bool = False
) -> tuple[list[int], list[list[float]]]:
    """The tables (first, weights) of the op ``resample``.

    Result i lies at s = (i + 1/2 - translation) / scale - 1/2 of the source and weighs its cells j by k(|s - j|), made
    to sum to 1; with ``antialias`` a kernel that shrinks is stretched by 1 / scale. Results outside get weight 0.
    """
    kernel, radius = _KERNELS[method]
    stretch = max(1.0 / scale, 1.0) if antialias else 1.0
    taps = min(length, 2 * math.ceil(radius * stretch) + 1)
    first, weights = [], []
    for i in range(size):
        at = (i + 0.5 - translation) / scale - 0.5
        begin = min(max(math.ceil(at - radius * stretch), 0), length - taps)
        row = [kernel(abs(at - j) / stretch) for j in range(begin, begin + taps)]
        total = sum(row)
        inside = -0.5 <= at <= length - 0.5 and abs(total) > 1e-4
        first.append(begin)
        weights.append([w / total if inside else 0.0 for w in row])
    return first, weights


def _resize_axis(x: Any, axis: int, size: int, method: str, antialias: bool) -> Any:
    length = x.shape[axis]
    if size == length:
        return x
    if method == "nearest":
        return _op.take(x, [min(math.floor((i + 0.5) * length / size), length - 1) for i in range(size)], axis=axis)
    return _op.resample(x, *interpolation_weights(length, size, method, size / length, 0.0, antialias), axis)


def resize(x: Any, size: int | Sequence[int], method: str = "bilinear", antialias: bool = False) -> Any:
    """The spatial axes resampled to ``size``; pixel i covers [i, i + 1), so centres lie at halves.

    Args:
        x: (batch, spatial..., channels).
        size: the new lengths, one integer for all axes or one for each.
        method: ``"nearest"``, ``"bilinear"`` (a triangle), ``"bicubic"`` (Keys' cubic, a = -1/2), ``"lanczos3"`` or
            ``"lanczos5"``, along each axis in turn.
        antialias: where an axis shrinks, the kernel is stretched so that every pixel counts; not for ``"nearest"``.

    Returns:
        (batch, size..., channels); integers become floats, except by ``"nearest"``.

    Raises:
        ValueError: an unknown method, an empty axis.

    Example:
        >>> resize(numpy.ones((1, 4, 4, 3)), (8, 6)).shape
        (1, 8, 6, 3)

    Keys, Cubic convolution interpolation for digital image processing, 1981.
    """
    x = _asarray(x)
    if method not in METHODS:
        raise ValueError(f"resize: method must be one of {METHODS}, got {method!r}.")
    sizes = per_axis(size, x.ndim - 2, "resize", "size")
    if 0 in x.shape[1:-1]:
        raise ValueError(f"resize: x of shape {tuple(x.shape)} has no pixels to resize.")
    for axis, length in enumerate(sizes, 1):
        x = _resize_axis(x, axis, length, method, antialias)
    return x


def upsample(x: Any, factors: int | Sequence[int] = 2, method: str = "nearest") -> Any:
    """The spatial axes ``factors`` times as long; ``"nearest"`` repeats cells, other methods as in :func:`resize`.

    Args:
        x: (batch, spatial..., channels).
        factors: one integer for all axes or one for each.

    Returns:
        (batch, length * factor..., channels).

    Example:
        >>> upsample(numpy.ones((1, 4, 4, 3)), (2, 3)).shape
        (1, 8, 12, 3)
    """
    x = _asarray(x)
    factors = per_axis(factors, x.ndim - 2, "upsample", "factors")
    lengths = [n * f for n, f in zip(x.shape[1:-1], factors, strict=True)]
    if method != "nearest":
        return resize(x, lengths, method)
    split, wide = [x.shape[0]], [x.shape[0]]
    for length, factor in zip(x.shape[1:-1], factors, strict=True):
        split += [length, 1]
        wide += [length, factor]
    channels = x.shape[-1]
    stretched = _op.broadcast_to(_op.reshape(x, (*split, channels)), (*wide, channels))
    return _op.reshape(stretched, (x.shape[0], *lengths, channels))


def _blocks(x: Any, block: int, where: str) -> tuple[int, int, int, int]:
    if x.ndim != 4 or not hasattr(block, "__index__") or block < 1:
        raise ValueError(
            f"{where}: needs x of shape (batch, height, width, channels) and a positive block, got shape "
            f"{tuple(x.shape)} and block {block!r}."
        )
    return tuple(x.shape)


def depth_to_space(x: Any, block: int) -> Any:
    """Pixel shuffle: y[n, h * r + i, w * r + j, c] = x[n, h, w, (i * r + j) * C + c] with r = ``block``.

    Args:
        x: (batch, height, width, C * r^2).

    Returns:
        (batch, height * r, width * r, C).

    Raises:
        ValueError: r^2 doesn't divide the channels.

    Example:
        >>> depth_to_space(numpy.ones((1, 2, 3, 12)), 2).shape
        (1, 4, 6, 3)

    Shi et al., Real-time single image and video super-resolution using an efficient sub-pixel network, 2016.
    """
    x = _asarray(x)
    n, h, w, depth = _blocks(x, block, "depth_to_space")
    if depth % block**2:
        raise ValueError(f"depth_to_space: block^2 = {block**2} must divide the {depth} channels of {tuple(x.shape)}.")
    x = _op.reshape(x, (n, h, w, block, block, depth // block**2))
    return _op.reshape(_op.transpose(x, (0, 1, 3, 2, 4, 5)), (n, h * block, w * block, depth // block**2))


def space_to_depth(x: Any, block: int) -> Any:
    """The inverse of :func:`depth_to_space`: (batch, height, width, C) -> (batch, height / r, width / r, C * r^2).

    Raises:
        ValueError: r doesn't divide height and width.

    Example:
        >>> space_to_depth(numpy.ones((1, 4, 6, 3)), 2).shape
        (1, 2, 3, 12)
    """
    x = _asarray(x)
    n, h, w, depth = _blocks(x, block, "space_to_depth")
    if h % block or w % block:
        raise ValueError(f"space_to_depth: block {block} must divide height and width of {tuple(x.shape)}.")
    x = _op.reshape(x, (n, h // block, block, w // block, block, depth))
    return _op.reshape(_op.transpose(x, (0, 1, 3, 2, 4, 5)), (n, h // block, w // block, depth * block**2))

"""Pooling over one to three spatial axes, channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule import _core

from .windows import checked_padding, pad_all, per_axis

_op = _core.ops
_asarray = _core.asarray


def _rank(x: Any, where: str) -> int:
    rank = x.ndim - 2
    if not 1 <= rank <= 3:
        raise ValueError(
            f"{where}: needs x of shape (batch, 1 to 3 spatial axes, channels), got shape {tuple(x.shape)}."
        )
    return int(rank)


def _pool(op: Any, where: str, x: Any, window: Any, strides: Any, padding: str) -> Any:
    x = _asarray(x)
    rank = _rank(x, where)
    window = per_axis(window, rank, where, "window")
    strides = window if strides is None else per_axis(strides, rank, where, "strides")
    low, high = pad_all(x.shape[1:-1], window, strides, checked_padding(padding, where), (1,) * rank)
    return op(x, window, strides, low, high)


def max_pool(
    x: Any, window: int | Sequence[int], strides: int | Sequence[int] | None = None, padding: str = "valid"
) -> Any:
    """y[n, o, c] = max over cells w of x[n, o * stride + w, c]; the gradient goes to the first greatest cell.

    Args:
        x: (batch, spatial..., channels).
        window, strides: one integer for all axes or one for each; strides None: the window.
        padding: ``"valid"``, or ``"same"`` (ceil(length / stride) positions); padding is never the greatest.

    Returns:
        (batch, positions..., channels).

    Raises:
        ValueError: a window larger than the input.

    Example:
        >>> max_pool(numpy.ones((1, 6, 6, 3)), 2).shape
        (1, 3, 3, 3)
    """
    return _pool(_op.max_pool, "max_pool", x, window, strides, padding)


def avg_pool(
    x: Any, window: int | Sequence[int], strides: int | Sequence[int] | None = None, padding: str = "valid"
) -> Any:
    """y[n, o, c] = mean over the cells w inside the input of x[n, o * stride + w, c]; arguments as :func:`max_pool`.

    Example:
        >>> avg_pool(numpy.ones((1, 5, 5, 3)), 2, padding="same").shape
        (1, 3, 3, 3)
    """
    return _pool(_op.avg_pool, "avg_pool", x, window, strides, padding)


def _adaptive_windows(length: int, size: int) -> tuple[list[int], list[int]]:
    """First and one past the last cell of each window."""
    return [i * length // size for i in range(size)], [-(-(i + 1) * length // size) for i in range(size)]


def _adaptive(where: str, op: Any, along: Any, x: Any, output_size: Any) -> Any:
    x = _asarray(x)
    rank = _rank(x, where)
    sizes = per_axis(output_size, rank, where, "output_size")
    lengths = x.shape[1:-1]
    if 0 in lengths:
        raise ValueError(f"{where}: x of shape {tuple(x.shape)} has no cells to pool.")
    if all(n % size == 0 for n, size in zip(lengths, sizes, strict=True)):  # equal windows side by side
        window = tuple(n // size for n, size in zip(lengths, sizes, strict=True))
        return op(x, window, window, (0,) * rank, (0,) * rank)
    for axis, size in enumerate(sizes, 1):
        if size != x.shape[axis]:
            x = along(x, axis, *_adaptive_windows(x.shape[axis], size))
    return x


def _max_along(x: Any, axis: int, first: list[int], last: list[int]) -> Any:
    """The greatest of each window; short windows hold their last cell more than once."""
    longest = max(b - a for a, b in zip(first, last, strict=True))
    cells = [[min(a + t, b - 1) for t in range(longest)] for a, b in zip(first, last, strict=True)]
    return _op.max(_op.take(x, cells, axis=axis), axis=axis + 1)


def _mean_along(x: Any, axis: int, first: list[int], last: list[int]) -> Any:
    longest = max(b - a for a, b in zip(first, last, strict=True))
    start = [min(a, x.shape[axis] - longest) for a in first]
    weights = [
        [1 / (b - a) if a <= s + t < b else 0.0 for t in range(longest)]
        for a, b, s in zip(first, last, start, strict=True)
    ]
    return _op.resample(x, start, weights, axis)


def adaptive_max_pool(x: Any, output_size: int | Sequence[int]) -> Any:
    """The greatest cell of ``output_size`` windows along each axis: window i is [floor(i n / m), ceil((i + 1) n / m)).

    Args:
        x: (batch, spatial..., channels).
        output_size: m, one integer for all axes or one for each.

    Returns:
        (batch, output_size..., channels).

    Example:
        >>> adaptive_max_pool(numpy.ones((1, 7, 5, 3)), 4).shape
        (1, 4, 4, 3)
    """
    return _adaptive("adaptive_max_pool", _op.max_pool, _max_along, x, output_size)


def adaptive_avg_pool(x: Any, output_size: int | Sequence[int]) -> Any:
    """The mean of ``output_size`` windows along each axis; windows and arguments as in :func:`adaptive_max_pool`.

    Example:
        >>> adaptive_avg_pool(numpy.ones((1, 7, 5, 3)), (2, 1)).shape
        (1, 2, 1, 3)
    """
    return _adaptive("adaptive_avg_pool", _op.avg_pool, _mean_along, x, output_size)

"""Convolution and pooling in NumPy: one strided view of the padded input for each cell of the window."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def window_views(
    shape: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
    dilation: Sequence[int],
) -> tuple[tuple[int, ...], Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]]:
    """The lengths of the result, and for each cell of the window its slices of an input padded on the spatial axes."""
    lengths = tuple(
        (n + a + b - (w - 1) * d - 1) // s + 1
        for n, w, s, a, b, d in zip(shape, window, strides, low, high, dilation, strict=True)
    )

    def cells() -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        for cell in itertools.product(*map(range, window)):
            first = [c * d for c, d in zip(cell, dilation, strict=True)]
            spatial = [slice(f, f + (n - 1) * s + 1, s) for f, n, s in zip(first, lengths, strides, strict=True)]
            yield cell, (slice(None), *spatial)

    return lengths, cells()


def padded(x: Array, low: Sequence[int], high: Sequence[int], value: float = 0) -> Array:
    return np.pad(x, [(0, 0), *zip(low, high, strict=True), (0, 0)], constant_values=value)


def conv(
    x: Array,
    kernel: Array,
    strides: Any,
    padding_low: Any,
    padding_high: Any,
    dilation: Any,
    groups: int = 1,
) -> Array:
    rank = x.ndim - 2
    lengths, cells = window_views(x.shape[1:-1], kernel.shape[:rank], strides, padding_low, padding_high, dilation)
    wide = padded(x, padding_low, padding_high)
    y = np.zeros((len(x), *lengths, kernel.shape[-1]), x.dtype)
    for cell, view in cells:
        parts = zip(np.split(wide[view], groups, -1), np.split(kernel[cell], groups, -1), strict=True)
        y += np.concatenate([a @ w for a, w in parts], -1)
    return y


def conv_input_grad(
    g: Array,
    kernel: Array,
    shape: Any,
    strides: Any,
    padding_low: Any,
    padding_high: Any,
    dilation: Any,
    groups: int = 1,
) -> Array:
    rank = g.ndim - 2
    _, cells = window_views(shape[1:-1], kernel.shape[:rank], strides, padding_low, padding_high, dilation)
    wide = padded(np.zeros(shape, g.dtype), padding_low, padding_high)
    for cell, view in cells:
        parts = zip(np.split(g, groups, -1), np.split(kernel[cell], groups, -1), strict=True)
        wide[view] += np.concatenate([a @ w.T for a, w in parts], -1)
    inside = [slice(low, low + n) for low, n in zip(padding_low, shape[1:-1], strict=True)]
    return wide[(slice(None), *inside)]


def conv_kernel_grad(
    x: Array,
    g: Array,
    shape: Any,
    strides: Any,
    padding_low: Any,
    padding_high: Any,
    dilation: Any,
    groups: int = 1,
) -> Array:
    rank = x.ndim - 2
    _, cells = window_views(x.shape[1:-1], shape[:rank], strides, padding_low, padding_high, dilation)
    wide = padded(x, padding_low, padding_high)
    kernel = np.zeros(shape, x.dtype)
    for cell, view in cells:
        parts = zip(np.split(wide[view], groups, -1), np.split(g, groups, -1), strict=True)
        kernel[cell] = np.concatenate([a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1]) for a, b in parts], -1)
    return kernel


def _pool_views(x: Array, window: Any, strides: Any, low: Any, high: Any) -> list[tuple[slice, ...]]:
    _, cells = window_views(x.shape[1:-1], window, strides, low, high, (1,) * (x.ndim - 2))
    return [view for _, view in cells]


def max_pool(x: Array, window: Any, strides: Any, padding_low: Any, padding_high: Any) -> Array:
    wide = padded(x, padding_low, padding_high, -np.inf)
    return np.max([wide[view] for view in _pool_views(x, window, strides, padding_low, padding_high)], 0)


def _first_greatest(x: Array, y: Array, views: list[tuple[slice, ...]], wide: Array) -> list[Array]:
    """For each cell of the window: whether it is the first that holds y."""
    taken = np.zeros(y.shape, bool)
    hits = []
    for view in views:
        hits.append((wide[view] == y) & ~taken)
        taken |= hits[-1]
    return hits


def max_pool_grad(
    x: Array, y: Array, g: Array, window: Any, strides: Any, padding_low: Any, padding_high: Any
) -> Array:
    views = _pool_views(x, window, strides, padding_low, padding_high)
    wide = padded(np.zeros_like(x), padding_low, padding_high)
    hits = _first_greatest(x, y, views, padded(x, padding_low, padding_high, -np.inf))
    for view, hit in zip(views, hits, strict=True):
        wide[view] += np.where(hit, g, 0)
    inside = [slice(low, low + n) for low, n in zip(padding_low, x.shape[1:-1], strict=True)]
    return wide[(slice(None), *inside)]


def max_pool_pick(
    x: Array, y: Array, u: Array, window: Any, strides: Any, padding_low: Any, padding_high: Any
) -> Array:
    views = _pool_views(x, window, strides, padding_low, padding_high)
    wide = padded(u, padding_low, padding_high)
    hits = _first_greatest(x, y, views, padded(x, padding_low, padding_high, -np.inf))
    return np.sum([np.where(hit, wide[view], 0) for view, hit in zip(views, hits, strict=True)], 0)


def avg_pool(x: Array, window: Any, strides: Any, padding_low: Any, padding_high: Any) -> Array:
    views = _pool_views(x, window, strides, padding_low, padding_high)
    wide, inside = (padded(a, padding_low, padding_high) for a in (x, np.ones_like(x)))
    return np.sum([wide[view] for view in views], 0) / np.sum([inside[view] for view in views], 0)


def avg_pool_grad(g: Array, shape: Any, window: Any, strides: Any, padding_low: Any, padding_high: Any) -> Array:
    x = np.zeros(shape, g.dtype)
    views = _pool_views(x, window, strides, padding_low, padding_high)
    wide, inside = (padded(a, padding_low, padding_high) for a in (x, np.ones_like(x)))
    count = np.sum([inside[view] for view in views], 0)
    for view in views:
        wide[view] += g / count
    kept = [slice(low, low + n) for low, n in zip(padding_low, shape[1:-1], strict=True)]
    return wide[(slice(None), *kept)]

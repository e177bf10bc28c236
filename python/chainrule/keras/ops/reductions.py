"""Reductions, statistics and products."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..config import standardize_dtype
from ..variables import convert_to_tensor
from .dispatch import as_pair, as_real, as_tensor, core, reduction, symbolic


def _total(function: Callable[..., Any]) -> Callable[..., Any]:
    """A sum or product in Keras's type: that of the entries, but at least 32 bits for integers."""

    def apply(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        kind = x.dtype.kind
        y = function(x, axis=axis, keepdims=keepdims)
        if kind not in "iub":
            return y
        dtype = x.dtype if x.dtype.itemsize > 2 else np.dtype("uint32" if kind == "u" else "int32")
        return y if y.dtype == dtype else core.cast(y, dtype)

    apply.__doc__ = function.__doc__
    return apply


sum = reduction("sum", _total(core.sum))
mean = reduction("mean", core.mean, floats=True)
_prod = reduction("prod", _total(core.prod))
amax = reduction("amax", core.max)
amin = reduction("amin", core.min)
any = reduction("any", core.any)
all = reduction("all", core.all)
logsumexp = reduction("logsumexp", core.logsumexp, floats=True)


@symbolic
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The product along the axis (all axes by default), of the values in the type ``dtype``, if it is given."""
    x = convert_to_tensor(x)
    return _prod(x if dtype is None else core.cast(x, standardize_dtype(dtype)), axis, keepdims)


@symbolic
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Greatest entry, at least ``initial``."""
    if initial is None:
        return amax(x, axis, keepdims)
    x = convert_to_tensor(x)
    if 0 in x.shape:
        return core.sum(x, axis=axis, keepdims=keepdims) * 0 + initial  # of nothing: the initial value
    return core.maximum(amax(x, axis, keepdims), initial)


@symbolic
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Least entry, at most ``initial``."""
    if initial is None:
        return amin(x, axis, keepdims)
    x = convert_to_tensor(x)
    if 0 in x.shape:
        return core.sum(x, axis=axis, keepdims=keepdims) * 0 + initial  # of nothing: the initial value
    return core.minimum(amin(x, axis, keepdims), initial)


@symbolic
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean squared distance from the mean."""
    return core.variance(as_real(x), axis, keepdims)


@symbolic
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Square root of :func:`var`."""
    return core.sqrt(var(x, axis, keepdims))


@symbolic
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """(mean, variance) over the axes."""
    x, axes = as_real(x), tuple(axes) if isinstance(axes, list) else axes
    return core.mean(x, axis=axes, keepdims=keepdims), var(x, axes, keepdims)


@symbolic
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """Mean, weighted if ``weights`` (of the same shape, or one for each entry of the axis) are given."""
    x, axis = as_real(x), tuple(axis) if isinstance(axis, list) else axis
    if weights is None:
        return core.mean(x, axis=axis)
    x, weights = as_pair(x, convert_to_tensor(weights))
    if weights.ndim == 1 and x.ndim > 1:
        if not isinstance(axis, int) or weights.shape[0] != x.shape[axis]:
            raise ValueError(
                f"average: weights of shape {tuple(weights.shape)} need one axis of their length, got axis={axis} of "
                f"shape {tuple(x.shape)}."
            )
        weights = core.reshape(weights, [-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
    weights = core.broadcast_to(weights, x.shape)
    return core.sum(x * weights, axis=axis) / core.sum(weights, axis=axis)


@symbolic
def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index (int32) of the greatest entry along the axis, the first if there are several."""
    return core.cast(core.argmax(convert_to_tensor(x), axis=axis, keepdims=keepdims), "int32")


@symbolic
def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index (int32) of the least entry along the axis, the first if there are several."""
    return core.cast(core.argmin(convert_to_tensor(x), axis=axis, keepdims=keepdims), "int32")


@symbolic
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """Number (int32) of entries that are not zero."""
    return sum(core.cast(core.not_equal(as_tensor(x), 0), "int32"), axis)


def _running(function: Callable[..., Any], x: Any, axis: Any) -> Any:
    dtype = "int32" if x.dtype == "bool" else x.dtype
    y = function(x, axis=axis)
    return y if y.dtype == dtype else core.cast(y, dtype)


@symbolic
def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running sums along the axis (None: of the flattened tensor)."""
    return _running(core.cumsum, convert_to_tensor(x, dtype), axis)


@symbolic
def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running products along the axis (None: of the flattened tensor)."""
    return _running(core.cumprod, convert_to_tensor(x, dtype), axis)


@symbolic
def matmul(x1: Any, x2: Any) -> Any:
    """Matrix product; leading axes broadcast. Of int8 with int8: exact in int32."""
    x1, x2 = as_pair(x1, x2)
    if getattr(x1, "dtype", None) == getattr(x2, "dtype", None) == "int8":
        return core.int8_matmul(x1, x2)
    return core.matmul(x1, x2)


@symbolic
def dot(x1: Any, x2: Any) -> Any:
    """Sum over the last axis of x1 and the last but one of x2 (matrix product for matrices)."""
    x1, x2 = as_pair(convert_to_tensor(x1), convert_to_tensor(x2))
    if x1.ndim == 0 or x2.ndim == 0:
        return core.multiply(x1, x2)
    if x2.ndim <= 2:
        return core.matmul(x1, x2)
    return tensordot(x1, x2, axes=([x1.ndim - 1], [x2.ndim - 2]))


@symbolic
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Sum over several axes: the last ``axes`` of x1 with the first of x2, or pairs ``(axes of x1, axes of x2)``."""
    x1, x2 = as_pair(convert_to_tensor(x1), convert_to_tensor(x2))
    if isinstance(axes, int):
        first, second = list(range(x1.ndim - axes, x1.ndim)), list(range(axes))
    else:
        first, second = ([a] if isinstance(a, int) else list(a) for a in axes)
    first, second = [a % x1.ndim for a in first], [a % x2.ndim for a in second]
    rows = [a for a in range(x1.ndim) if a not in first]
    columns = [a for a in range(x2.ndim) if a not in second]
    shared = math.prod(x1.shape[a] for a in first)
    left = core.reshape(core.transpose(x1, (*rows, *first)), (math.prod(x1.shape[a] for a in rows), shared))
    right = core.reshape(core.transpose(x2, (*second, *columns)), (shared, math.prod(x2.shape[a] for a in columns)))
    shape = tuple(x1.shape[a] for a in rows) + tuple(x2.shape[a] for a in columns)
    return core.reshape(core.matmul(left, right), shape)


@symbolic
def outer(x1: Any, x2: Any) -> Any:
    """Products of every entry of x1 with every entry of x2."""
    x1, x2 = as_pair(convert_to_tensor(x1), convert_to_tensor(x2))
    return core.reshape(x1, (x1.size, 1)) * core.reshape(x2, (1, x2.size))

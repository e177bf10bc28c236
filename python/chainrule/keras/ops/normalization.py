"""Normalisation over any axes."""

from __future__ import annotations

import warnings
from typing import Any

from ..config import epsilon as default_epsilon
from ..variables import convert_to_tensor
from .dispatch import as_real, core, symbolic
from .linalg import norm
from .reductions import var


def axes_last(x: Any, axes: list[int]) -> tuple[Any, list[int] | None]:
    """(x with ``axes`` moved to the end in rising order, the permutation that undoes it; None where nothing moved)."""
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    order = rest + axes
    if order == list(range(x.ndim)):
        return x, None
    return core.transpose(x, order), [order.index(axis) for axis in range(x.ndim)]


def sorted_axes(axis: Any, ndim: int) -> list[int]:
    """Axes as rising numbers from 0."""
    axes = [axis] if isinstance(axis, int) else list(axis)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"Axis {a} is out of bounds for an input with {ndim} axes; axis={axis}.")
    return sorted(a % ndim for a in axes)


def _rows(x: Any, gamma: Any, beta: Any, axis: Any, epsilon: float | None, centered: bool) -> Any:
    x = as_real(x)
    axes = sorted_axes(axis, x.ndim)
    moved, back = axes_last(x, axes)
    shape = tuple(moved.shape[moved.ndim - len(axes) :])
    gamma, beta = (v if v is None else core.reshape(convert_to_tensor(v, x.dtype), shape) for v in (gamma, beta))
    epsilon = default_epsilon() if epsilon is None else float(epsilon)
    y = core.layer_norm(moved, gamma, beta, axes=len(axes), epsilon=epsilon, centered=centered)
    return y if back is None else core.transpose(y, back)


@symbolic
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, **kwargs: Any
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta over the axes; epsilon is by default that of the config."""
    if kwargs.pop("rms_scaling", False):
        warnings.warn(
            "rms_scaling divides by the deviation; for the root mean square: rms_normalization.", stacklevel=2
        )
        x = as_real(x)
        axes = sorted_axes(axis, x.ndim)
        shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
        y = x * core.rsqrt(var(x, tuple(axes), True) + (default_epsilon() if epsilon is None else epsilon))
        return y if gamma is None else y * core.reshape(convert_to_tensor(gamma, x.dtype), shape)
    if kwargs:
        raise TypeError(f"layer_normalization: unexpected arguments {sorted(kwargs)}.")
    return _rows(x, gamma, beta, axis, epsilon, True)


@symbolic
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """x / sqrt(mean(x^2) + epsilon) * scale over the axes."""
    return _rows(x, scale, None, axis, epsilon, False)


@symbolic
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, with statistics of the axis that are given."""
    x = as_real(x)
    moved, back = axes_last(x, sorted_axes(axis, x.ndim))
    mean, variance = convert_to_tensor(mean, x.dtype), convert_to_tensor(variance, x.dtype)
    factor = core.rsqrt(variance + epsilon)
    if scale is not None:
        factor = factor * convert_to_tensor(scale, x.dtype)
    shift = -(mean * factor)
    if offset is not None:
        shift = shift + convert_to_tensor(offset, x.dtype)
    y = core.scale_shift(moved, factor, shift)
    return y if back is None else core.transpose(y, back)


@symbolic
def normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """x divided by its norm of that order over the axis (or axes); norms below epsilon count as epsilon."""
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"normalize: order must be an integer from 1 on, got {order!r}.")
    x = as_real(x)
    x = core.reshape(x, (1,)) if x.ndim == 0 else x
    epsilon = default_epsilon() if epsilon is None else epsilon
    if order == 2:
        axis = tuple(axis) if isinstance(axis, list) else axis
        return x * core.minimum(core.rsqrt(core.sum(x * x, axis=axis, keepdims=True)), 1.0 / epsilon)
    return x / core.maximum(norm(x, order, axis, True), epsilon)

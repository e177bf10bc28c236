"""Averages, order statistics, moments, interpolation."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from .. import _core
from ..dtypes import bfloat16
from .fallback import Tensor, call_numpy, exports, native, needs_ops, recordable, tensor, to_numpy
from .ufunc import write_out

ops = _core.ops
_no_value = numpy._NoValue


@native
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    """The weighted mean sum(a w) / sum(w) along axes."""
    a = tensor(a)
    keepdims = False if keepdims is _no_value else keepdims
    if weights is None:
        result = ops.mean(a, axis, keepdims)
        total: Any = a.size / result.size
        total = ops.add(ops.multiply(result, 0), total) if returned else None
        return (result, total) if returned else result
    weights = tensor(weights)
    kinds = [a.dtype, weights.dtype] + ([numpy.dtype("float64")] if a.dtype.kind in "biu" else [])
    dtype = numpy.result_type(*kinds) if bfloat16 not in kinds else None
    if axis is not None:
        normalize_axis_tuple(axis, a.ndim, argname="axis")
    if a.shape != weights.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        axes = normalize_axis_tuple(axis, a.ndim)
        if weights.shape != tuple(a.shape[i] for i in axes):
            raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
        order = numpy.argsort(axes)
        weights = ops.reshape(
            ops.transpose(weights, order.tolist()), tuple(n if i in axes else 1 for i, n in enumerate(a.shape))
        )
    if dtype is not None:  # whole numbers are multiplied as floats, which don't overflow
        a, weights = ops.cast(a, dtype), ops.cast(weights, dtype)
    spread = ops.broadcast_to(weights, a.shape)
    total = ops.sum(spread, axis, keepdims)
    if not needs_ops(total) and bool(ops.any(ops.equal(total, 0))):
        raise ZeroDivisionError("Weights sum to zero, can't be normalized")
    result = ops.divide(ops.sum(ops.multiply(a, weights), axis, keepdims), total)
    return (result, ops.cast(ops.broadcast_to(total, result.shape), result.dtype)) if returned else result


def _lines(a: Tensor, axis: Any) -> tuple[Tensor, tuple[int, ...]]:
    """The axes to reduce as one last axis, and the shape with these axes of length 1."""
    axes = tuple(range(a.ndim)) if axis is None else normalize_axis_tuple(axis, a.ndim)
    rest = [i for i in range(a.ndim) if i not in axes]
    kept = tuple(1 if i in axes else n for i, n in enumerate(a.shape))
    moved = ops.transpose(a, [*rest, *axes])
    return ops.reshape(moved, (*[a.shape[i] for i in rest], -1)), kept


def _sorted_quantile(a: Tensor, q: float, axis: Any, keepdims: bool) -> Tensor:
    """The q-quantile by linear interpolation between sorted neighbours, made of ops; nan where there is one."""
    lines, kept = _lines(a, axis)
    if lines.dtype.kind != "f":
        lines = ops.cast(lines, "float64")
    ordered = ops.sort(lines, lines.ndim - 1)
    place = q * (lines.shape[-1] - 1)
    below = int(place)
    above = min(below + 1, lines.shape[-1] - 1)
    low, high = ordered[..., below], ordered[..., above]
    result = ops.add(low, ops.multiply(ops.subtract(high, low), place - below)) if above != below else low
    result = ops.where(ops.any(ops.isnan(lines), -1), numpy.nan, result)
    return ops.reshape(result, kept) if keepdims else result


def _quantiles(name: str, a: Any, q: Any, scale: float, axis: Any, out: Any, options: dict[str, Any]) -> Any:
    keepdims = options["keepdims"]
    if options["method"] != "linear" or options["weights"] is not None:
        raise NotImplementedError(
            f"{name}: only method='linear' without weights has a gradient and can be recorded by jit"
        )
    places = numpy.asarray(to_numpy(q), dtype=float) / scale
    if (places < 0).any() or (places > 1).any():
        raise ValueError(f"{name.capitalize()}s must be in the range [0, {scale:g}]")
    a = tensor(a)
    results = [_sorted_quantile(a, float(p), axis, keepdims) for p in places.reshape(-1)]
    result = results[0] if places.ndim == 0 else ops.stack(results, 0)
    if places.ndim > 1:
        result = ops.reshape(result, places.shape + results[0].shape)
    return result if out is None else write_out(name, result, out)


@recordable
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """The value below which the part ``q`` of the elements lies, along axes; differentiable for method "linear"."""
    return _quantiles("quantile", a, q, 1.0, axis, out, {"method": method, "keepdims": keepdims, "weights": weights})


@recordable
def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """As :func:`quantile`, with ``q`` in percent."""
    return _quantiles(
        "percentile", a, q, 100.0, axis, out, {"method": method, "keepdims": keepdims, "weights": weights}
    )


@recordable
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle of the sorted elements, the mean of the two middle ones of an even number, along axes."""
    result = _sorted_quantile(tensor(a), 0.5, axis, keepdims)
    return result if out is None else write_out("median", result, out)


@recordable
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """The covariances of variables, one per row: (x - mean x)(y - mean y) averaged over the observations."""
    weighted = fweights is not None or aweights is not None
    if weighted:
        return call_numpy("cov", numpy.cov, (m, y, rowvar, bias, ddof, fweights, aweights), {"dtype": dtype})
    return _covariance(m, y, rowvar, (0 if bias else 1) if ddof is None else ddof, dtype)


def _covariance(m: Any, y: Any, rowvar: bool, ddof: int, dtype: Any = None) -> Tensor:
    def rows(x: Any) -> Tensor:
        x = tensor(x)
        x = ops.cast(x, dtype if dtype is not None else numpy.result_type(x.dtype, numpy.float64))
        x = ops.reshape(x, (1, -1)) if x.ndim < 2 else x
        return x if rowvar or x.shape[0] == 1 else x.T

    x = rows(m)
    if y is not None:
        x = ops.concatenate([x, rows(y)], 0)
    centred = ops.subtract(x, ops.mean(x, 1, True))
    return ops.squeeze(ops.divide(ops.matmul(centred, centred.T), max(x.shape[1] - ddof, 0)))


@recordable
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The correlations of variables, one per row: their covariances over the product of their standard deviations."""
    c = _covariance(x, y, rowvar, 1, dtype)
    if c.ndim == 0:
        return ops.divide(c, c)
    from .index import diagonal

    deviation = ops.sqrt(diagonal(c))
    return ops.divide(ops.divide(c, ops.reshape(deviation, (-1, 1))), ops.reshape(deviation, (1, -1)))


@recordable
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """The piecewise linear function through the points (xp, fp), at x; differentiable by x and by fp."""
    if period is not None:
        return call_numpy("interp", numpy.interp, (x, xp, fp, left, right, period), {})
    x, xp, fp = tensor(x), tensor(xp), tensor(fp)
    # How many of the inner points lie at or below x: the number of the piece.
    below = ops.sum(ops.less_equal(xp[1:-1], ops.expand_dims(x, -1)), -1)
    x0, x1 = ops.take(xp, below, 0), ops.take(xp, ops.add(below, 1), 0)
    f0, f1 = ops.take(fp, below, 0), ops.take(fp, ops.add(below, 1), 0)
    result = ops.add(f0, ops.multiply(ops.divide(ops.subtract(f1, f0), ops.subtract(x1, x0)), ops.subtract(x, x0)))
    result = ops.where(ops.less(x, xp[0]), fp[0] if left is None else left, result)
    return ops.where(ops.greater(x, xp[-1]), fp[-1] if right is None else right, result)


@recordable
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences along axes, one-sided at the ends."""
    f = tensor(f)
    axes = tuple(range(f.ndim)) if axis is None else normalize_axis_tuple(axis, f.ndim)
    spacing = varargs if len(varargs) == len(axes) else (varargs[0] if varargs else 1.0,) * len(axes)
    if edge_order != 1 or any(numpy.ndim(to_numpy(h)) for h in spacing):
        raise NotImplementedError(
            "gradient: only edge_order=1 with even spacing has a gradient and can be recorded by jit"
        )
    results = []
    for along, h in zip(axes, spacing, strict=True):
        before = (slice(None),) * normalize_axis_index(along, f.ndim)
        if f.shape[along] < 2:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements "
                "are required."
            )
        inner = ops.divide(
            ops.subtract(f[(*before, slice(2, None))], f[(*before, slice(None, -2))]), ops.multiply(h, 2.0)
        )
        first = ops.divide(ops.subtract(f[(*before, slice(1, 2))], f[(*before, slice(0, 1))]), h)
        last = ops.divide(ops.subtract(f[(*before, slice(-1, None))], f[(*before, slice(-2, -1))]), h)
        results.append(ops.concatenate([first, inner, last], along))
    return results[0] if len(results) == 1 else tuple(results)


@native
def polyval(p: Any, x: Any) -> Any:
    """The polynomial with coefficients ``p``, highest power first, at x (Horner's scheme)."""
    x = tensor(x)
    result = ops.multiply(x, 0)
    for coefficient in tensor(p):
        result = ops.add(ops.multiply(result, x), coefficient)
    return result


__all__ = exports(globals())

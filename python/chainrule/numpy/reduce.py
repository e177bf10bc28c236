"""Reductions and running sums."""

from __future__ import annotations

import math
from typing import Any

import numpy
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from .. import _core
from .fallback import (
    Tensor,
    call_numpy,
    exports,
    is_supported,
    native,
    needs_ops,
    recordable,
    shortened,
    takes_foreign,
    tensor,
)
from .ufunc import write_out

ops = _core.ops
_sum, _prod, _mean, _max, _min, _any, _all = ops.sum, ops.prod, ops.mean, ops.max, ops.min, ops.any, ops.all
_argmax, _argmin = ops.argmax, ops.argmin
_no_value = numpy._NoValue


def _options(**options: Any) -> dict[str, Any]:
    """Those options that were given, as NumPy's own function takes them."""
    return {name: x for name, x in options.items() if x is not None and not (name == "where" and x is True)}


def _finished(name: str, result: Any, out: Any, a: Any, **options: Any) -> Any:
    """The result, in ``out`` where there is one. NumPy computes in the dtype of ``out``: where it isn't the result's,
    it does so itself, from ``a`` and the options."""
    if out is None:
        return result
    if isinstance(out, (Tensor, numpy.ndarray)):
        if out.shape != result.shape:
            raise ValueError(f"{name}: out must have the result's shape {result.shape}, got one of shape {out.shape}")
        if out.dtype == result.dtype:
            return write_out(name, result, out)
    if not needs_ops(a, out, result):
        keepdims = options.pop("keepdims", False)
        options = _options(out=out, **options) | _keeping(keepdims)
        return call_numpy(name, getattr(numpy, name), (a,), options)
    return write_out(name, result, out, casting="unsafe" if name == "mean" else "same_kind")


def _mask(a: Tensor, where: Any) -> Any:
    """``where`` as truth values that fit the array; True where every element counts."""
    if where is True:
        return True
    where = tensor(where)
    if where.dtype.kind != "b":
        raise TypeError(
            f"Cannot cast array data from {where.dtype!r} to dtype('bool') according to the rule 'safe': where must be "
            "truth values"
        )
    return ops.broadcast_to(where, a.shape)


def _masked(a: Tensor, where: Any, neutral: Any) -> Tensor:
    return a if where is True else ops.where(where, a, _as_type(neutral, a.dtype))


def _as_type(value: Any, dtype: Any) -> Tensor:
    """A number as one of the dtype: Python's must fit it, NumPy's are converted."""
    if type(value) in (int, float, bool):
        return _core.asarray(int(value) if dtype.kind in "iu" and math.isfinite(value) else value, dtype)
    value = tensor(value)
    if value.ndim > 0:
        raise ValueError(f"initial must be a number, got an array of shape {value.shape}")
    return ops.cast(value, dtype)


def _numbers(a: Any) -> Tensor | None:
    """The tensor of what is to be reduced; None where the core has no dtype for it: complex numbers, text, objects."""
    try:
        return None if a is None or takes_foreign(a) else tensor(a)
    except TypeError:
        return None


def _check_axis(axis: Any) -> None:
    if type(axis) is list:
        raise TypeError("axis: 'list' object cannot be interpreted as an integer; several axes are a tuple")


def _keeping(keepdims: Any) -> dict[str, Any]:
    """The option for NumPy's function where it is asked for: methods of subclasses may not know it."""
    return {} if keepdims is False else {"keepdims": keepdims}


def _reduction(
    name: str,
    op: Any,
    join: Any,
    neutral: Any,
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    keepdims: bool,
    initial: Any,
    where: Any,
) -> Any:
    """A reduction with any of NumPy's options. ``join`` combines a partial result with another value."""
    _check_axis(axis)
    given, a = a, _numbers(a)
    if a is None or takes_foreign(initial) or not is_supported(dtype) or isinstance(axis, float):
        options = _options(axis=axis, dtype=dtype, out=out, initial=initial, where=where)
        return call_numpy(name, getattr(numpy, name), (given,), options | _keeping(keepdims))
    original = a
    if dtype is not None:
        a = ops.cast(a, dtype)
    mask, extreme = _mask(a, where), neutral is None
    if mask is not True and extreme:
        if initial is None:
            raise ValueError(
                f"reduction operation '{name}imum' does not have an identity, so to use a where mask one has "
                "to specify 'initial'"
            )
        neutral = initial
    a = _masked(a, mask, neutral)
    if extreme and initial is not None and 0 in a.shape:
        shape = _core.zeros(a.shape, "bool").any(axis=axis, keepdims=keepdims).shape
        result = ops.copy(ops.broadcast_to(_as_type(initial, a.dtype), shape))
    else:
        result = op(a, axis, keepdims)
        if initial is not None:
            result = join(result, _as_type(initial, result.dtype))
    if dtype is not None:
        result = ops.cast(result, dtype)
    return _finished(
        name, result, out, original, axis=axis, dtype=dtype, keepdims=keepdims, initial=initial, where=where
    )


def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """The sum of the elements along axes (all by default). Sums of float32 are made pairwise, in float32."""
    if type(a) is Tensor and type(axis) is not list and dtype is out is initial is None and where is True:
        return _sum(a, axis, keepdims)
    return _reduction("sum", _sum, ops.add, 0, a, axis, dtype, out, keepdims, initial, where)


def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """The product of the elements along axes."""
    if type(a) is Tensor and type(axis) is not list and dtype is out is initial is None and where is True:
        return _prod(a, axis, keepdims)
    return _reduction("prod", _prod, ops.multiply, 1, a, axis, dtype, out, keepdims, initial, where)


def max(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """The greatest element along axes; nan if there is one. Equal ones share the gradient."""
    if type(a) is Tensor and type(axis) is not list and out is None and initial is None and where is True:
        return _max(a, axis, keepdims)
    return _reduction("max", _max, ops.maximum, None, a, axis, None, out, keepdims, initial, where)


def min(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
) -> Any:
    """The least element along axes; nan if there is one. Equal ones share the gradient."""
    if type(a) is Tensor and type(axis) is not list and out is None and initial is None and where is True:
        return _min(a, axis, keepdims)
    return _reduction("min", _min, ops.minimum, None, a, axis, None, out, keepdims, initial, where)


amax, amin = max, min


def any(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True) -> Any:
    """Whether at least one element is true (not zero) along axes."""
    if type(a) is Tensor and type(axis) is not list and out is None and where is True:
        return _any(a, axis, keepdims)
    return _reduction("any", _any, None, False, a, axis, None, out, keepdims, None, where)


def all(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True) -> Any:
    """Whether every element is true (not zero) along axes."""
    if type(a) is Tensor and type(axis) is not list and out is None and where is True:
        return _all(a, axis, keepdims)
    return _reduction("all", _all, None, True, a, axis, None, out, keepdims, None, where)


def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    """The mean of the elements along axes; float64 of integers."""
    if type(a) is Tensor and type(axis) is not list and dtype is None and out is None and where is True:
        return _mean(a, axis, keepdims)
    _check_axis(axis)
    given, a = a, _numbers(a)
    if a is None or not is_supported(dtype):
        options = _options(axis=axis, dtype=dtype, out=out, where=where)
        return call_numpy("mean", numpy.mean, (given,), options | _keeping(keepdims))
    original = a
    if dtype is not None:
        a = ops.cast(a, dtype)
        if a.dtype.kind != "f" and not needs_ops(a):  # NumPy sums in that dtype
            options = _options(axis=axis, dtype=dtype, out=out, where=where)
            return call_numpy("mean", numpy.mean, (original,), options | _keeping(keepdims))
    if where is True:
        result = _mean(a, axis, keepdims)
    else:
        a, mask = _as_float(a), _mask(a, where)
        result = ops.divide(_sum(_masked(a, mask, 0), axis, keepdims), _count(a, axis, keepdims, mask))
    result = result if dtype is None else ops.cast(result, dtype)
    return _finished("mean", result, out, original, axis=axis, dtype=dtype, keepdims=keepdims, where=where)


def _as_float(a: Tensor) -> Tensor:
    return a if a.dtype.kind == "f" else ops.cast(a, "float64")


def _count(a: Tensor, axis: Any, keepdims: bool, where: Any) -> Any:
    """How many elements a reduction joins into each result, as a number or a float tensor."""
    if where is True:
        axes = range(a.ndim) if axis is None else normalize_axis_tuple(axis, a.ndim)
        return math.prod(a.shape[axis] for axis in axes)
    counted = ops.sum(where, axis, keepdims)
    return ops.cast(counted, a.dtype)


@native
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """The mean of |x - mean|^2 along axes, divided by n - ddof."""
    return _spread("var", a, axis, dtype, out, ddof, keepdims, where, mean, correction)


@native
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """The root of the variance; see :func:`var`."""
    return _spread("std", a, axis, dtype, out, ddof, keepdims, where, mean, correction)


def _spread(
    name: str,
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    ddof: Any,
    keepdims: bool,
    where: Any,
    mean: Any,
    correction: Any,
) -> Any:
    _check_axis(axis)
    a = tensor(a)
    converted = a if dtype is None else ops.cast(a, dtype)
    mean = None if mean is _no_value else mean
    correction = None if correction is _no_value else correction
    options = {"axis": axis, "dtype": dtype, "where": where, "mean": mean, "correction": correction, "ddof": ddof}
    if dtype is not None and converted.dtype.kind != "f" and not needs_ops(a):
        return call_numpy(name, getattr(numpy, name), (a,), _options(out=out, **options) | _keeping(keepdims))
    if correction is not None:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    result = _variance(_as_float(converted), axis, ddof, keepdims, _mask(a, where), mean)
    if dtype is not None:
        result = ops.cast(result, dtype)
    return _finished(name, result if name == "var" else ops.sqrt(result), out, a, keepdims=keepdims, **options)


def _variance(a: Tensor, axis: Any, ddof: Any, keepdims: bool, where: Any, mean: Any) -> Any:
    if where is True and mean is None:
        return ops.variance(a, axis, keepdims, float(ddof))
    count = _count(a, axis, True, where)
    if mean is None:
        mean = ops.divide(_sum(_masked(a, where, 0), axis, True), count)
    squares = ops.square(ops.subtract(a, mean))
    total = _sum(_masked(squares, where, 0), axis, keepdims)
    if where is True:
        return ops.divide(total, float(count - ddof) if count > ddof else 0.0)
    left = ops.maximum(ops.subtract(_count(a, axis, keepdims, where), ddof), 0.0)
    return ops.divide(total, left)


def _arg_reduction(name: str, op: Any, a: Any, axis: Any, out: Any, keepdims: bool) -> Any:
    given, a = a, _numbers(a)
    if a is None:
        return call_numpy(name, getattr(numpy, name), (given, axis), {"out": out} | _keeping(keepdims))
    return _finished(name, op(a, axis, keepdims), out, a, axis=axis, keepdims=keepdims)


@shortened
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """The index of the greatest element along an axis (the first of equal ones), or in row-major order."""
    if type(a) is Tensor and out is None:
        return _argmax(a, axis, keepdims)
    return _arg_reduction("argmax", _argmax, a, axis, out, keepdims)


@shortened
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    """The index of the least element along an axis (the first of equal ones), or in row-major order."""
    if type(a) is Tensor and out is None:
        return _argmin(a, axis, keepdims)
    return _arg_reduction("argmin", _argmin, a, axis, out, keepdims)


@native
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """The greatest less the least element along axes."""
    _check_axis(axis)
    a = tensor(a)
    result = ops.subtract(_max(a, axis, keepdims), _min(a, axis, keepdims))
    return _finished("ptp", result, out, a, axis=axis, keepdims=keepdims)


# ---- running sums and differences


def _running(name: str, op: Any, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    original = a = tensor(a)
    if dtype is not None:
        a = ops.cast(a, dtype)
    result = op(a, axis)
    result = result if dtype is None else ops.cast(result, dtype)
    return _finished(name, result, out, original, axis=axis, dtype=dtype)


@native
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """The sums of the elements up to each one, along an axis or in row-major order."""
    return _running("cumsum", ops.cumsum, a, axis, dtype, out)


@native
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """The products of the elements up to each one, along an axis or in row-major order."""
    return _running("cumprod", ops.cumprod, a, axis, dtype, out)


def _cumulative(name: str, op: Any, start: Any, x: Any, axis: Any, dtype: Any, out: Any, include_initial: bool) -> Any:
    x = tensor(x)
    if axis is None:
        if x.ndim >= 2:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0
    if x.ndim == 0:
        x = ops.reshape(x, (1,))
    result = _running(name, op, x, axis, dtype, None)
    if include_initial:
        axis = normalize_axis_index(axis, x.ndim)
        edge = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
        first = ops.broadcast_to(ops.cast(tensor(start), result.dtype), edge)
        result = ops.concatenate([first, result], axis)
    return _finished(name, result, out, x, axis=axis, dtype=dtype, include_initial=include_initial)


@native
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """As :func:`cumsum`, with a leading 0 if ``include_initial``."""
    return _cumulative("cumulative_sum", ops.cumsum, 0, x, axis, dtype, out, include_initial)


@native
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """As :func:`cumprod`, with a leading 1 if ``include_initial``."""
    return _cumulative("cumulative_prod", ops.cumprod, 1, x, axis, dtype, out, include_initial)


@native
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = _no_value, append: Any = _no_value) -> Any:
    """The differences of neighbours along an axis, n times over."""
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    a = tensor(a)
    if a.ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    axis = normalize_axis_index(axis, a.ndim)
    parts = [a]
    edge = tuple(1 if i == axis else length for i, length in enumerate(a.shape))
    for extra, at in ((prepend, 0), (append, 2)):
        if extra is not _no_value:
            extra = tensor(extra)
            parts.insert(at if at == 0 else len(parts), ops.broadcast_to(extra, edge) if extra.ndim == 0 else extra)
    if len(parts) > 1:
        a = ops.concatenate(parts, axis)
    before = (slice(None),) * axis
    step = ops.not_equal if a.dtype.kind == "b" else ops.subtract
    for _ in range(n):
        a = step(a[(*before, slice(1, None))], a[(*before, slice(None, -1))])
    return a


@native
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral by the trapezoidal rule: sum (y_i + y_i+1) / 2 * (x_i+1 - x_i)."""
    y = tensor(y)
    axis = normalize_axis_index(axis, y.ndim)
    before = (slice(None),) * axis
    upper, lower = y[(*before, slice(1, None))], y[(*before, slice(None, -1))]
    width: Any = dx
    if x is not None:
        x = tensor(x)
        width = diff(x, axis=0 if x.ndim == 1 else axis)
        if x.ndim == 1:
            width = ops.reshape(width, tuple(-1 if i == axis else 1 for i in range(y.ndim)))
    return _sum(ops.multiply(ops.multiply(width, ops.add(upper, lower)), 0.5), axis)


# ---- without nan


def _no_nan(a: Any, replacement: Any) -> tuple[Tensor, Any]:
    """With nan replaced, and the mask of the elements that were none (True if there can't be any)."""
    a = tensor(a)
    if a.dtype.kind != "f":
        return a, True
    number = ops.logical_not(ops.isnan(a))
    return ops.where(number, a, replacement), number


def _nan_reduction(name: str) -> Any:
    """nansum and its kin: the reduction of the elements that aren't nan."""
    plain, neutral = {"nansum": (sum, 0.0), "nanprod": (prod, 1.0)}[name]

    def function(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        clean, _ = _no_nan(a, neutral)
        return plain(clean, axis, dtype, out, keepdims, initial, where)

    function.__name__ = name
    function.__doc__ = f"As :func:`{name[3:]}`, leaving nan out."
    return native(function)


nansum = _nan_reduction("nansum")
nanprod = _nan_reduction("nanprod")


def _nan_extreme(name: str) -> Any:
    """nanmax, nanmin: nan only where every element is nan."""
    plain, worst = {"nanmax": (max, -math.inf), "nanmin": (min, math.inf)}[name]

    def function(
        a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True
    ) -> Any:
        clean, number = _no_nan(a, worst)
        result = plain(clean, axis, None, keepdims, initial, where)
        if number is not True:
            result = ops.where(_any(number, axis, keepdims), result, math.nan)
        return _finished(name, result, out, a)

    function.__name__ = name
    function.__doc__ = f"As :func:`{name[3:]}`, leaving nan out."
    return recordable(function)


nanmax = _nan_extreme("nanmax")
nanmin = _nan_extreme("nanmin")


def _numbers_in(number: Any, where: Any) -> Any:
    if number is True:
        return where
    return number if where is True else ops.logical_and(number, where)


@recordable
def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    """As :func:`mean`, leaving nan out."""
    clean, number = _no_nan(a, 0.0)
    return mean(clean, axis, dtype, out, keepdims, where=_numbers_in(number, where))


def _nan_spread(name: str) -> Any:
    plain = {"nanvar": var, "nanstd": std}[name]

    def function(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = False,
        *,
        where: Any = True,
        mean: Any = None,
        correction: Any = None,
    ) -> Any:
        clean, number = _no_nan(a, 0.0)
        mask = _numbers_in(number, where)
        return plain(clean, axis, dtype, out, ddof, keepdims, where=mask, mean=mean, correction=correction)

    function.__name__ = name
    function.__doc__ = f"As :func:`{name[3:]}`, leaving nan out."
    return recordable(function)


nanvar = _nan_spread("nanvar")
nanstd = _nan_spread("nanstd")


@native
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """As :func:`cumsum`, nan counting as 0."""
    return cumsum(_no_nan(a, 0.0)[0], axis, dtype, out)


@native
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """As :func:`cumprod`, nan counting as 1."""
    return cumprod(_no_nan(a, 1.0)[0], axis, dtype, out)


__all__ = exports(globals())

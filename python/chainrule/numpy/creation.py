"""New arrays: from data, of constants, of ranges, and grids."""

from __future__ import annotations

from typing import Any

import numpy

from .. import _core
from .complex_tensor import call as call_complex
from .fallback import (
    FOREIGN_TYPES,
    Tensor,
    computes_itself,
    delegated,
    exports,
    is_supported,
    native,
    needs_ops,
    recordable,
    shortened,
    tensor,
    to_numpy,
    to_tensors,
    with_made_arrays,
)

ops = _core.ops


def _check_device(device: Any) -> None:
    if device is not None and device != "cpu":
        raise ValueError(f'Device not understood. Only "cpu" is allowed, but received: {device}')


def _data(value: Any, dtype: Any, copy: Any) -> Any:
    """As numpy.array(value, dtype, copy=copy); an ndarray where the core lacks the dtype."""
    try:
        if dtype is None or is_supported(dtype):
            return _core.asarray(value, dtype, copy=copy)
    except (TypeError, OverflowError, ValueError) as error:
        if isinstance(error, ValueError):
            if "__array__ method not producing" not in str(error):
                raise
            return _data(with_made_arrays(value), dtype, copy)
        if isinstance(value, Tensor) or (dtype is not None and isinstance(error, OverflowError)):
            raise
    if needs_ops(value):
        made = call_complex("array", (value,), {})
        return made if dtype is None else made.astype(dtype)
    result = numpy.array(to_numpy(value), dtype=dtype, copy=copy)
    if result.dtype in _DTYPES:
        return _core.from_numpy(result)
    return result


_DTYPES = frozenset(numpy.dtype(t) for t in ("?", "b", "h", "i", "l", "q", "B", "H", "I", "L", "Q", "e", "f", "d"))


def _ordered(x: Any, order: str | None) -> Any:
    """The array with its elements laid out in memory as asked for."""
    order = order.upper() if isinstance(order, str) else order
    if order in (None, "K", "A", "C") or not isinstance(x, Tensor):
        contiguous = not isinstance(x, Tensor) or order != "C" or x.is_traced or x.numpy().flags.c_contiguous
        return x if contiguous else ops.copy(x)
    if order != "F":
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got '{order}')")
    if x.is_traced or x.numpy().flags.f_contiguous:
        return x
    return ops.transpose(ops.copy(ops.transpose(x)))


@shortened
def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    ndmax: int = 0,
    like: Any = None,
) -> Any:
    """A tensor with the values of ``object`` (numbers, nested lists, arrays), copied unless ``copy`` is not True.

    Returns a tensor, or a numpy.ndarray where the dtype is none of the core's (complex, strings, objects).

    Raises:
        ValueError: ragged nested lists, or a copy that was forbidden and is needed.

    Example:
        >>> np.array([[1, 2], [3, 4]], dtype="float32")
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    if type(object) is Tensor and copy is True and dtype is None and order == "K" and not ndmin and not ndmax:
        return object.copy("K")
    if subok and isinstance(object, numpy.ndarray) and computes_itself(object):
        return numpy.array(object, dtype, copy=copy, order=order, subok=True, ndmin=ndmin)
    if ndmax:
        return to_tensors(numpy.array(to_numpy(object), dtype, copy=copy, order=order, ndmin=ndmin, ndmax=ndmax))
    if type(object) is Tensor and copy is True and not object.is_traced and not object.numpy().flags.c_contiguous:
        result = object.astype(object.dtype if dtype is None else dtype, order)
    else:
        result = _data(object, dtype, copy)
    if ndmin and result.ndim < ndmin:
        result = result.reshape((1,) * (ndmin - result.ndim) + result.shape)
    return result if order == "K" else _ordered(result, order)


@shortened
def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None, like: Any = None
) -> Any:
    """The tensor itself, or one on the memory of an array where dtype and layout allow; else of a copy of the data."""
    if device is not None:
        _check_device(device)
    if type(a) is Tensor and dtype is None and copy is None and order is None:
        return a if a.__class__ is Tensor else a.copy()  # of a number an array is made
    result = _data(a, dtype, copy)
    return result if order is None else _ordered(result, order)


@shortened
def asanyarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None, like: Any = None
) -> Any:
    """As :func:`asarray`, but subclasses of NumPy's ndarray (masked arrays, matrices) are let through."""
    if isinstance(a, numpy.ndarray) and computes_itself(a):
        return numpy.asanyarray(a, dtype, order, copy=copy)
    return asarray(a, dtype, order, device=device, copy=copy)


@shortened
def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """With the elements in row-major order in memory, of one axis at least."""
    result = asarray(a, dtype, "C")
    return result if result.ndim else result.reshape((1,))


@shortened
def asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """With the elements in column-major order in memory, of one axis at least."""
    result = asarray(a, dtype, "F")
    return result if result.ndim else result.reshape((1,))


def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    """The same values in memory of their own."""
    return array(a, order=order, copy=True)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """The values in another dtype."""
    _check_device(device)
    if not isinstance(x, (Tensor, numpy.ndarray, numpy.generic)):
        raise TypeError(f"Input should be a NumPy array. It is a {type(x).__name__} instead.")
    return to_tensors(x.astype(dtype, copy=copy))


# ---- constants


@shortened
def zeros(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None) -> Any:
    """Zeros (float64 without a dtype)."""
    if order == "C" and device is None:
        try:
            if dtype not in FOREIGN_TYPES:
                return _core.zeros(shape, dtype)
        except (TypeError, ValueError, OverflowError):
            pass  # a dtype the core lacks, more axes than it has, or an error that NumPy words
    return to_tensors(numpy.zeros(to_numpy(shape), dtype, order, device=device))


@shortened
def ones(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None) -> Any:
    """Ones (float64 without a dtype)."""
    if order == "C" and device is None:
        try:
            if dtype not in FOREIGN_TYPES:
                return _core.ones(shape, dtype)
        except (TypeError, ValueError, OverflowError):
            pass  # a dtype the core lacks, more axes than it has, or an error that NumPy words
    return to_tensors(numpy.ones(to_numpy(shape), dtype, order, device=device))


@shortened
def empty(shape: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None) -> Any:
    """Memory with no particular contents."""
    if order == "C" and device is None:
        try:
            if dtype not in FOREIGN_TYPES:
                return _core.empty(shape, dtype)
        except (TypeError, ValueError, OverflowError):
            pass  # a dtype the core lacks, more axes than it has, or an error that NumPy words
    return to_tensors(numpy.empty(to_numpy(shape), dtype, order, device=device))


@native
def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", *, device: Any = None, like: Any = None
) -> Any:
    """One value (or values that broadcast) everywhere."""
    _check_device(device)
    if not needs_ops(fill_value):
        return _ordered(_core.full(shape, fill_value, dtype), order)
    value = _core.asarray(fill_value, dtype)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return _ordered(ops.copy(ops.broadcast_to(value, shape)), order)


def _like(make: Any, prototype: Any, dtype: Any, order: Any, shape: Any, device: Any, *value: Any) -> Any:
    _check_device(device)
    if isinstance(prototype, numpy.ndarray) and computes_itself(prototype):
        function = getattr(numpy, f"{make.__name__}_like")
        return function(prototype, *value, dtype=dtype, order=order, shape=shape)
    if not isinstance(prototype, Tensor):
        prototype = asarray(prototype)
    dtype = prototype.dtype if dtype is None else dtype
    if shape is None and order in ("K", "A") and not getattr(prototype, "is_traced", False):
        flags = prototype.numpy().flags if isinstance(prototype, Tensor) else prototype.flags
        if order == "K" and not flags.c_contiguous and not flags.f_contiguous and not any(map(numpy.ndim, value)):
            # The axes in the order in which they stand in memory, the outermost first.
            strides = prototype.strides
            axes = sorted(range(prototype.ndim), key=lambda axis: -abs(strides[axis]))
            made = make(tuple(prototype.shape[axis] for axis in axes), *value, dtype=dtype)
            return made.transpose(numpy.argsort(axes).tolist())
        order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    elif order in ("K", "A"):
        order = "C"
    return make(prototype.shape if shape is None else shape, *value, dtype=dtype, order=order)


@shortened
def zeros_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Zeros of the shape and dtype of ``a``."""
    if type(a) is Tensor and dtype is None and shape is None and order == "K" and device is None:
        strides = a.strides
        if len(strides) < 2 or (strides[0] >= strides[-1] and len(strides) < 3) or a.numpy().flags.c_contiguous:
            return _core.zeros(a.shape, a.dtype)
    return _like(zeros, a, dtype, order, shape, device)


@shortened
def ones_like(
    a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Ones of the shape and dtype of ``a``."""
    return _like(ones, a, dtype, order, shape, device)


@shortened
def empty_like(
    prototype: Any, /, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Memory for the shape and dtype of ``prototype``."""
    if type(prototype) is Tensor and dtype is None and shape is None and order == "K" and device is None:
        strides = prototype.strides
        ordered = len(strides) < 2 or (strides[0] >= strides[-1] and len(strides) < 3)
        if ordered or prototype.numpy().flags.c_contiguous:
            return _core.empty(prototype.shape, prototype.dtype)
    return _like(empty, prototype, dtype, order, shape, device)


@shortened
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """One value everywhere, in the shape and dtype of ``a``."""
    return _like(full, a, dtype, order, shape, device, fill_value)


# ---- ranges


arange = delegated("arange", numpy.arange)


@recordable
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """Evenly spaced numbers from ``start`` to ``stop``; differentiable by both."""
    parts = num - 1 if endpoint else num
    start, stop = tensor(start), tensor(stop)
    shape = numpy.broadcast_shapes(start.shape, stop.shape)
    float_type = numpy.result_type(start.dtype, stop.dtype, 0.5)
    places = ops.cast(_core.from_numpy(numpy.arange(num).reshape((-1,) + (1,) * len(shape))), float_type)
    step = ops.divide(ops.subtract(stop, start), max(parts, 1))
    result = ops.add(ops.multiply(places, step), start)
    if dtype is not None:
        result = ops.cast(result, dtype)
    if axis != 0:
        order = list(range(1, result.ndim))
        order.insert(axis if axis >= 0 else axis + result.ndim, 0)
        result = ops.transpose(result, order)
    return (result, step) if retstep else result


@recordable
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """``base ** linspace(start, stop)``."""
    result = ops.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return result if dtype is None else ops.cast(result, dtype)


# ---- grids and diagonals


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """The coordinates of a grid: one array per axis, of the grid's shape or, if ``sparse``, of length 1 elsewhere."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    arrays = [asarray(x) for x in xi]
    n = len(arrays)
    grids = [x.reshape((1,) * i + (-1,) + (1,) * (n - 1 - i)) for i, x in enumerate(arrays)]
    if indexing == "xy" and n > 1:
        grids = [x.swapaxes(0, 1) for x in grids]
    if not sparse:
        shape = numpy.broadcast_shapes(*[x.shape for x in grids])
        grids = [ops.broadcast_to(x, shape) for x in grids]
    return tuple(ops.copy(x) for x in grids) if copy else tuple(grids)


def indices(dimensions: Any, dtype: Any = int, sparse: Any = False) -> Any:
    """The index of every place of a grid, one leading axis for its coordinates."""
    return to_tensors(numpy.indices(to_numpy(dimensions), dtype, sparse))


def fromfunction(function: Any, shape: Any, *, dtype: Any = float, like: Any = None, **kwargs: Any) -> Any:
    """``function`` of the coordinates of every place of an array of this shape."""
    return function(*indices(shape, dtype), **kwargs)


@recordable
def diag(v: Any, k: int = 0) -> Any:
    """A matrix with ``v`` on its k-th diagonal, or the k-th diagonal of a matrix."""
    v = tensor(v)
    if v.ndim == 1:
        # Above the main diagonal, column j of the matrix holds v[j - k]; below it, row i holds v[i + k].
        shifted = ops.pad(v, [abs(k)], [0])
        n = shifted.shape[0]
        spread = ops.reshape(shifted, (1, n) if k >= 0 else (n, 1))
        return ops.where(numpy.eye(n, k=k, dtype=bool), spread, _core.zeros((), v.dtype))
    if v.ndim == 2:
        from .index import diagonal

        return ops.copy(diagonal(v, k))
    raise ValueError("Input must be 1- or 2-d.")


@native
def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix with the elements of ``v`` on its k-th diagonal."""
    return diag(ops.reshape(v, (-1,)), k)


def _matrices(m: Any) -> Tensor:
    """The array; a vector as every row of a square matrix."""
    m = tensor(m)
    if m.ndim == 0:
        raise TypeError("tril and triu take an array of one axis or more, got a number")
    return ops.broadcast_to(m, (m.size, m.size)) if m.ndim == 1 else m


def _lower(m: Tensor, k: int) -> Any:
    """The mask of the elements on and below the k-th diagonal."""
    rows, columns = m.shape[-2:]
    return numpy.arange(rows)[:, None] + k >= numpy.arange(columns)


@native
def tril(m: Any, k: int = 0) -> Any:
    """The lower triangle; zeros above the k-th diagonal."""
    m = _matrices(m)
    return ops.where(_lower(m, k), m, _core.zeros((), m.dtype))


@native
def triu(m: Any, k: int = 0) -> Any:
    """The upper triangle; zeros below the k-th diagonal."""
    m = _matrices(m)
    return ops.where(_lower(m, k - 1), _core.zeros((), m.dtype), m)


@recordable
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix of the powers of ``x``, falling from left to right."""
    n = x.shape[0] if N is None else N
    powers = numpy.arange(n) if increasing else numpy.arange(n)[::-1]
    return ops.stack([ops.power(x, int(p)) for p in powers], axis=1)


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Any:
    """A tensor on the memory of another library's array, by the DLPack protocol."""
    _check_device(device)
    if isinstance(x, Tensor):
        return array(x) if copy else x
    return to_tensors(numpy.from_dlpack(x, device=device, copy=copy))


__all__ = exports(globals())

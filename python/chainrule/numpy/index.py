"""Choosing elements: by index, by condition, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.lib.array_utils import normalize_axis_index

from .. import _core
from ..dtypes import bfloat16
from .creation import asarray
from .fallback import (
    Tensor,
    call_numpy,
    delegated,
    exports,
    native,
    needs_ops,
    recordable,
    shortened,
    takes_foreign,
    tensor,
    to_numpy,
    to_tensors,
)
from .shape import flip
from .ufunc import write_out

ops = _core.ops

where = shortened(ops.where)


def where_options(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the op ``where`` leaves to this module: one argument, and dtypes the core doesn't have."""
    if len(args) == 1 and not kwargs:
        return nonzero(args[0])
    return call_numpy("where", numpy.where, args, kwargs)


nonzero = delegated("nonzero", numpy.nonzero)
flatnonzero = delegated("flatnonzero", numpy.flatnonzero)
argwhere = delegated("argwhere", numpy.argwhere)


# ---- by index


@native
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """Elements (of an axis) by their indices."""
    a = tensor(a)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = ops.reshape(a, (-1,)), 0
    if mode != "raise":
        length = a.shape[normalize_axis_index(axis, a.ndim)]
        if mode == "wrap":
            indices = ops.remainder(indices, length)
        elif mode == "clip":
            indices = ops.minimum(ops.maximum(indices, 0), length - 1)
        else:
            raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got '{mode}')")
    result = ops.take(a, _index_array(indices), axis)
    if out is None:
        return result
    if getattr(out, "shape", None) != result.shape:
        raise ValueError(f"take: out must be an array of the result's shape {result.shape}")
    if mode == "raise" and not numpy.can_cast(out.dtype, result.dtype, "safe"):
        raise TypeError(f"Cannot cast array data from {out.dtype!r} to {result.dtype!r} according to the rule 'safe'")
    return write_out("take", result, out)


def _index_array(indices: Any) -> Tensor:
    """Indices as an integer tensor; NumPy cuts numbers in lists to integers, but no arrays of floats."""
    result = tensor(indices)
    if result.dtype.kind == "b" or isinstance(indices, (list, tuple)):
        return ops.cast(result, "int64")
    if result.dtype.kind == "f":
        raise TypeError(
            f"Cannot cast array data from {result.dtype!r} to dtype('int64') according to the rule 'same_kind'"
        )
    return result


@native
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """One element of every line along an axis for each index; what argsort and argmax give."""
    arr, indices = tensor(arr), tensor(indices)
    if axis is not None:
        axis = normalize_axis_index(axis, arr.ndim)
    elif indices.ndim != 1:
        raise ValueError("when axis=None, `indices` must have a single dimension.")
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if axis is None:
        return ops.take(ops.reshape(arr, (-1,)), indices, 0)
    if arr.ndim != indices.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    return ops.take_along_axis(arr, indices, axis)


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """Sets one element of every line along an axis for each index, in place."""
    if takes_foreign(arr, values):
        call_numpy("put_along_axis", numpy.put_along_axis, (arr, indices, values, axis), {})
        return
    places = to_numpy(indices)
    if axis is not None:
        axis = normalize_axis_index(axis, arr.ndim)
    if axis is None:
        arr[numpy.unravel_index(places, arr.shape)] = values
        return
    if not numpy.issubdtype(places.dtype, numpy.integer):
        raise IndexError("`indices` must be an integer array")
    if arr.ndim != places.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    key = [numpy.arange(n).reshape((-1,) + (1,) * (arr.ndim - 1 - i)) for i, n in enumerate(arr.shape)]
    key[axis] = places
    arr[tuple(key)] = values


@recordable
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """For every element of ``a`` (a whole number k) the element of the k-th choice."""
    a = tensor(a)
    n = len(choices)
    if mode == "wrap":
        a = ops.remainder(a, n)
    result = choices[-1]
    for k in range(n - 2, -1, -1):
        result = ops.where(ops.less_equal(a, k), choices[k], result)
    return result if out is None else write_out("choose", result, out)


@recordable
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """The slices of an axis (or the elements) at which the condition holds."""
    chosen = numpy.flatnonzero(to_numpy(condition))
    return take(a, chosen, axis, out)


@recordable
def extract(condition: Any, arr: Any) -> Any:
    """The elements at which the condition holds."""
    return ops.take(ops.reshape(arr, (-1,)), numpy.flatnonzero(to_numpy(condition)), 0)


@native
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """The elements of the first choice whose condition holds."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not condlist:
        raise ValueError("select with an empty condition list is not possible")
    choices = [x if type(x) in (int, float) else tensor(x) for x in [*choicelist, default]]
    kinds = [x if type(x) in (int, float) else x.dtype for x in choices]
    if bfloat16 not in kinds:
        dtype = numpy.result_type(*kinds)
        choices = [_core.asarray(x, dtype) if type(x) in (int, float) else ops.cast(x, dtype) for x in choices]
    *choicelist, result = choices
    for i, (condition, choice) in enumerate(zip(condlist[::-1], choicelist[::-1], strict=True)):
        if tensor(condition).dtype.kind != "b":
            raise TypeError(f"invalid entry {len(condlist) - 1 - i} in condlist: should be boolean ndarray")
        result = ops.where(condition, choice, result)
    return result


@native
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """Copies values into an array, where a condition holds."""
    if not isinstance(dst, Tensor):
        call_numpy("copyto", numpy.copyto, (dst, src), {"casting": casting, "where": where})
        return
    source = tensor(src)
    kinds: dict[type, str] = {bool: "biuf", int: "iuf", float: "f"}  # of dtypes that a number of Python's may become
    if dst.dtype.kind in kinds.get(type(src), ""):
        source = _core.asarray(src, dst.dtype)
    if not numpy.can_cast(source.dtype, dst.dtype, casting):
        raise TypeError(
            f"Cannot cast array data from {source.dtype!r} to {dst.dtype!r} according to the rule '{casting}'"
        )
    dst[...] = source if where is True else ops.where(where, ops.cast(source, dst.dtype), dst)


# ---- diagonals


@native
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of the plane of two axes, as the last axis. Read-only as NumPy's where it is a view."""
    a = tensor(a)
    if a.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    if not needs_ops(a):
        return to_tensors(numpy.diagonal(a.numpy(), offset, axis1, axis2))
    first, second = normalize_axis_index(axis1, a.ndim), normalize_axis_index(axis2, a.ndim)
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    rest = [axis for axis in range(a.ndim) if axis not in (first, second)]
    rows, columns = a.shape[first], a.shape[second]
    flat = ops.reshape(ops.transpose(a, [*rest, first, second]), (*[a.shape[axis] for axis in rest], rows * columns))
    start = offset if offset >= 0 else -offset * columns
    count = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    return ops.take(flat, start + numpy.arange(count) * (columns + 1), flat.ndim - 1)


# ---- in order


def sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None, descending: bool = False
) -> Any:
    """The elements of every line along an axis in rising order, nan last; in falling order if ``descending``.

    ``descending`` is the Array API standard's; NumPy lacks it.
    """
    if descending:
        return _descending(sort, a, axis, kind, order, stable)
    if type(a) is Tensor and a.size <= 128 and axis is not None and kind is None and order is None and stable is None:
        return ops.sort(a, axis)
    return _sort(a, axis, kind, order, stable=stable)


def _descending(function: Any, a: Any, axis: Any, kind: Any, order: Any, stable: Any) -> Any:
    """What ``function`` gives along an axis, backwards."""
    return flip(function(a, axis, kind, order, stable=stable), -1 if axis is None else axis)


@recordable
def _sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    if kind is not None and stable is not None:
        raise ValueError("`kind` and `stable` parameters can't be provided at the same time. Use only one of them.")
    if order is not None:
        return call_numpy("sort", numpy.sort, (a, axis, kind, order), {"stable": stable})
    return ops.sort(ops.reshape(a, (-1,)), 0) if axis is None else ops.sort(a, axis)


def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None, descending: bool = False
) -> Any:
    """The indices that sort every line along an axis, in falling order if ``descending`` (equal ones as they stand)."""
    if descending:
        a = asarray(a)
        along = -1 if axis is None else axis
        a = a.reshape((-1,)) if axis is None else a
        backwards = _descending(argsort, flip(a, along), along, kind, order, True if stable is None else stable)
        return ops.subtract(a.shape[along] - 1, backwards)
    # Up to 16 elements NumPy's default sort is stable, too; beyond, only itself gives the same order of equal elements.
    if (
        type(a) is Tensor
        and a.size <= 16
        and a.ndim
        and axis is not None
        and kind is None
        and order is None
        and stable is None
    ):
        return ops.argsort(a, axis)
    return _argsort(a, axis, kind, order, stable=stable)


@recordable
def _argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    if order is not None:
        return call_numpy("argsort", numpy.argsort, (a, axis, kind, order), {"stable": stable})
    return ops.argsort(ops.reshape(a, (-1,)), 0) if axis is None else ops.argsort(a, axis)


@recordable
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """With the k-th smallest element in its place, smaller ones before it, greater ones after it."""
    return sort(a, axis)


@recordable
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """The indices of a partition; see :func:`partition`."""
    return argsort(a, axis)


@recordable
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """How many elements aren't zero."""
    a = tensor(a)
    return ops.sum(a if a.dtype.kind == "b" else ops.not_equal(a, 0), axis, keepdims)


def ix_(*args: Any) -> Any:
    """Index arrays for the cross product of the given indices."""
    return to_tensors(numpy.ix_(*to_numpy(args)))


__all__ = exports(globals())

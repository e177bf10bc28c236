"""Shapes and axes: views, joining, splitting, repeating, padding."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from .. import _core
from .creation import asarray
from .fallback import Tensor, call_numpy, exports, native, needs_ops, shortened, tensor, to_numpy
from .ufunc import write_out

ops = _core.ops


def _ints(value: Any) -> tuple[int, ...]:
    """An integer or a sequence of them, as a tuple."""
    if isinstance(value, int):
        return (value,)
    value = to_numpy(value)
    try:
        return (operator.index(value),)
    except TypeError:
        return tuple(operator.index(item) for item in value)


# ---- facts


@shortened
def ndim(a: Any) -> int:
    """Number of axes."""
    return a.ndim if hasattr(a, "ndim") else asarray(a).ndim


@shortened
def shape(a: Any) -> tuple[int, ...]:
    """Lengths of the axes."""
    return a.shape if hasattr(a, "shape") else asarray(a).shape


@shortened
def size(a: Any, axis: Any = None) -> int:
    """Number of elements, in all or along axes."""
    lengths = shape(a)
    if axis is None:
        return int(numpy.prod(lengths, dtype=int))
    return int(numpy.prod([lengths[i] for i in normalize_axis_tuple(axis, len(lengths))], dtype=int))


# ---- the same elements in another shape


def reshape(a: Any, /, shape: Any, order: Any = "C", *, copy: Any = None) -> Any:
    """The same elements in another shape; a view where the memory allows it."""
    if type(a) is Tensor and order == "C" and copy is None:
        return a.reshape(shape)
    return _reshape(a, shape, order, copy=copy)


@native
def _reshape(a: Any, /, shape: Any, order: Any = "C", *, copy: Any = None) -> Any:
    if order == "C" and copy is None:
        return ops.reshape(a, shape)
    return tensor(a).reshape(_ints(shape), order=order, copy=copy)


@shortened
def ravel(a: Any, order: Any = "C") -> Any:
    """The elements as one axis; a view where the memory allows it."""
    if type(a) is Tensor and order == "C":
        return ops.reshape(a, (-1,))
    return _ravel(a, order)


@native
def _ravel(a: Any, order: Any = "C") -> Any:
    return tensor(a).ravel(order)


@shortened
def transpose(a: Any, axes: Any = None) -> Any:
    """A view with the axes in another order, reversed by default."""
    if type(a) is Tensor and axes is None:
        return ops.transpose(a)
    return _transpose(a, axes)


@native
def _transpose(a: Any, axes: Any = None) -> Any:
    return ops.transpose(a, axes if axes is None else _ints(axes))


@native
def permute_dims(a: Any, axes: Any = None) -> Any:
    """Another name of :func:`transpose`."""
    return ops.transpose(a, axes if axes is None else _ints(axes))


@native
def matrix_transpose(x: Any, /) -> Any:
    """A view with the last two axes swapped."""
    x = tensor(x)
    if x.ndim < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {x.ndim}")
    return x.mT


@native
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """A view with two axes swapped."""
    a = tensor(a)
    axes = list(range(a.ndim))
    i, j = normalize_axis_index(axis1, a.ndim), normalize_axis_index(axis2, a.ndim)
    axes[i], axes[j] = axes[j], axes[i]
    return ops.transpose(a, axes)


@native
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """A view with some axes moved to other places, the others in their order."""
    a = tensor(a)
    origins = normalize_axis_tuple(source, a.ndim, "source")
    places = normalize_axis_tuple(destination, a.ndim, "destination")
    if len(origins) != len(places):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    axes = [axis for axis in range(a.ndim) if axis not in origins]
    for place, origin in sorted(zip(places, origins, strict=True)):
        axes.insert(place, origin)
    return ops.transpose(a, axes)


@native
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """A view with an axis moved to before ``start``."""
    a = tensor(a)
    n = a.ndim
    axis = normalize_axis_index(axis, n)
    if start < 0:
        start += n
    if not 0 <= start <= n:
        raise numpy.exceptions.AxisError(f"'start' arg requires {-n} <= start < {n + 1}, but {start} was passed in")
    axes = list(range(n))
    axes.remove(axis)
    axes.insert(start - 1 if axis < start else start, axis)
    return ops.transpose(a, axes)


@shortened
def squeeze(a: Any, axis: Any = None) -> Any:
    """A view without axes of length 1."""
    if type(axis) is list:
        raise TypeError("axis: 'list' object cannot be interpreted as an integer; several axes are a tuple")
    if type(a) is Tensor:
        return ops.squeeze(a, axis)
    return _squeeze(a, axis)


@native
def _squeeze(a: Any, axis: Any = None) -> Any:
    return ops.squeeze(a, axis)


@shortened
def expand_dims(a: Any, axis: Any) -> Any:
    """A view with new axes of length 1."""
    if type(a) is Tensor:
        return ops.expand_dims(a, axis)
    return _expand_dims(a, axis)


@native
def _expand_dims(a: Any, axis: Any) -> Any:
    return ops.expand_dims(a, axis)


@native
def flip(m: Any, axis: Any = None) -> Any:
    """A view with the elements in reverse order along axes, by default all."""
    return ops.flip(m, axis)


@native
def flipud(m: Any) -> Any:
    """A view upside down: the first axis reversed."""
    m = tensor(m)
    if m.ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return ops.flip(m, 0)


@native
def fliplr(m: Any) -> Any:
    """A view mirrored: the second axis reversed."""
    m = tensor(m)
    if m.ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return ops.flip(m, 1)


@native
def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """A view turned by k quarters in the plane of two axes."""
    m = tensor(m)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    i, j = axes
    if i == j or abs(i - j) == m.ndim:
        raise ValueError("Axes must be different.")
    if not all(-m.ndim <= axis < m.ndim for axis in axes):
        raise ValueError(f"Axes={tuple(axes)} out of range for array of ndim={m.ndim}.")
    k %= 4
    if k == 0:
        return m[...]
    if k == 2:
        return ops.flip(ops.flip(m, i), j)
    if k == 1:
        return swapaxes(ops.flip(m, j), i, j)
    return ops.flip(swapaxes(m, i, j), j)


# ---- broadcasting


@native
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """A view of the array stretched to a shape; read-only, as several elements may share one place."""
    result = ops.broadcast_to(array, shape)
    if result.is_traced or needs_ops(result):
        return result
    result = result.view()
    result.setflags(write=False)
    return result


@native
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """Views of the arrays stretched to their common shape."""
    arrays = [tensor(x) for x in args]
    common = numpy.broadcast_shapes(*[x.shape for x in arrays])
    return tuple(x if x.shape == common else ops.broadcast_to(x, common) for x in arrays)


def _at_least(arrays: tuple[Any, ...], widen: Any) -> Any:
    results = [widen(asarray(x)) for x in arrays]
    return results[0] if len(results) == 1 else tuple(results)


@shortened
def atleast_1d(*arys: Any) -> Any:
    """With one axis at least."""
    return _at_least(arys, lambda x: x.reshape((1,)) if x.ndim == 0 else x)


@shortened
def atleast_2d(*arys: Any) -> Any:
    """With two axes at least, new ones in front."""
    return _at_least(arys, lambda x: x.reshape((1,) * (2 - x.ndim) + x.shape) if x.ndim < 2 else x)


@shortened
def atleast_3d(*arys: Any) -> Any:
    """With three axes at least: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1)."""

    def widen(x: Any) -> Any:
        if x.ndim >= 3:
            return x
        return x.reshape({0: (1, 1, 1), 1: (1, *x.shape, 1), 2: (*x.shape, 1)}[x.ndim])

    return _at_least(arys, widen)


# ---- joining


def _joined(name: str, join: Any, arrays: Any, axis: Any, out: Any, dtype: Any, casting: Any) -> Any:
    if not isinstance(arrays, (list, tuple)):
        arrays = list(arrays)
    if out is not None and dtype is not None:
        raise TypeError(f"{name}() only takes `out` or `dtype` as an argument, but both were provided.")
    if dtype is not None or casting != "same_kind":
        arrays = [tensor(x) for x in arrays]
        target = dtype if dtype is not None else numpy.result_type(*[x.dtype for x in arrays])
        for x in arrays:
            if not numpy.can_cast(x.dtype, target, casting):
                raise TypeError(
                    f"Cannot cast array data from {x.dtype!r} to {numpy.dtype(target)!r} according to the "
                    f"rule '{casting}'"
                )
        arrays = [ops.cast(x, target) for x in arrays]
    result = join(arrays, axis)
    if out is None:
        return result
    if out.shape != result.shape:
        raise ValueError("Output array is the wrong shape")
    return write_out(name, result, out, casting=casting)


@shortened
def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    """The arrays one after another along an axis they have."""
    if (
        type(arrays) is list
        and type(axis) is int
        and axis == 0
        and out is None
        and dtype is None
        and casting == "same_kind"
    ):
        try:
            return ops.concatenate(arrays, 0)
        except TypeError:
            pass  # a dtype the core lacks

    return _concatenate(arrays, axis, out, dtype=dtype, casting=casting)


@native
def _concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    if axis is None:
        if any(type(x) in (int, float) for x in arrays):  # they promote as they do in operators
            kinds = [x if type(x) in (int, float) else tensor(x).dtype for x in arrays]
            dtype = numpy.result_type(*kinds) if dtype is None and out is None else dtype
        arrays = [ops.reshape(x, (-1,)) for x in arrays]
        axis = 0
    elif out is None and dtype is None and (type(arrays) is list or type(arrays) is tuple) and arrays:
        return ops.concatenate(arrays, axis)
    operator.index(axis)
    if len(arrays) == 0:
        raise ValueError("need at least one array to concatenate")
    return _joined("concatenate", ops.concatenate, arrays, axis, out, dtype, casting)


@native
def concat(arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """Another name of :func:`concatenate`."""
    return concatenate(arrays, axis, out, dtype=dtype, casting=casting)


@native
def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """The arrays side by side along a new axis."""
    _check_sequence(arrays)
    arrays = list(arrays)
    if not arrays:
        raise ValueError("need at least one array to stack")
    arrays = [tensor(x) for x in arrays]
    if any(x.shape != arrays[0].shape for x in arrays):
        raise ValueError("all input arrays must have the same shape")
    return _joined("stack", ops.stack, arrays, axis, out, dtype, casting)


def _check_sequence(arrays: Any) -> None:
    if not hasattr(arrays, "__getitem__"):
        raise TypeError('arrays to stack must be passed as a "sequence" type such as list or tuple.')


def _list_of(arrays: Any, widen: Any) -> list[Any]:
    widened = widen(*arrays)
    return list(widened) if isinstance(widened, tuple) else [widened]


@native
def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """The arrays one below another: along the first axis, vectors as rows."""
    return concatenate(_list_of(tup, atleast_2d), 0, dtype=dtype, casting=casting)


@native
def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """The arrays side by side: along the second axis, vectors along their only one."""
    arrays = _list_of(tup, atleast_1d)
    return concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@native
def dstack(tup: Any) -> Any:
    """The arrays one behind another: along the third axis."""
    _check_sequence(tup)
    return concatenate(_list_of(tup, atleast_3d), 2)


@native
def column_stack(tup: Any) -> Any:
    """Vectors as the columns of a matrix, matrices side by side."""
    _check_sequence(tup)
    arrays = [tensor(x) for x in tup]
    return concatenate([x if x.ndim >= 2 else ops.reshape(x, (-1, 1)) for x in arrays], 1)


@native
def block(arrays: Any) -> Any:
    """One array of nested lists of blocks: the innermost lists join along the last axis, the next ones along others."""

    def depth(item: Any) -> int:
        return 1 + max(depth(child) for child in item) if isinstance(item, list) and item else 0

    levels = depth(arrays)

    def rank(item: Any) -> int:
        return max(rank(child) for child in item) if isinstance(item, list) else tensor(item).ndim

    axes = max(levels, rank(arrays))

    def join(item: Any, level: int) -> Any:
        if not isinstance(item, list):
            if level != levels:
                raise ValueError("List depths are mismatched.")
            x = tensor(item)
            return ops.reshape(x, (1,) * (axes - x.ndim) + x.shape)
        if not item:
            raise ValueError("List at arrays cannot be empty")
        return ops.concatenate([join(child, level + 1) for child in item], level - levels)

    return join(arrays, 0) if levels else ops.copy(join(arrays, 0))


@native
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """With values joined to the end of an axis, or of the elements as one axis."""
    if axis is None:
        return ops.concatenate([ops.reshape(arr, (-1,)), ops.reshape(values, (-1,))], 0)
    return concatenate([arr, values], axis)


# ---- splitting


def _cut(a: Any, axis: int, edges: Sequence[int]) -> list[Any]:
    axis = normalize_axis_index(axis, a.ndim)
    before = (slice(None),) * axis
    return [a[(*before, slice(start, stop))] for start, stop in zip(edges[:-1], edges[1:], strict=True)]


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Views of parts of an axis: so many, as equal as can be, or cut at the given indices."""
    a = asarray(ary)
    length = a.shape[axis]
    try:
        cuts = [int(i) for i in indices_or_sections]
        edges = [0, *cuts, length]
        pieces = []
        for start, stop in zip(edges[:-1], edges[1:], strict=True):
            pieces += _cut(a, axis, [start, stop])
        return pieces
    except TypeError:
        sections = int(indices_or_sections)
    if sections <= 0:
        raise ValueError("number sections must be larger than 0.")
    each, extra = divmod(length, sections)
    edges = [0]
    for i in range(sections):
        edges.append(edges[-1] + each + (i < extra))
    return _cut(a, axis, edges)


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Views of equal parts of an axis, or of those between the given indices."""
    try:
        len(indices_or_sections)
    except TypeError:
        a = asarray(ary)
        if a.shape[axis] % indices_or_sections:
            raise ValueError("array split does not result in an equal division") from None
        ary = a
    return array_split(ary, indices_or_sections, axis)


def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Views of parts of the second axis (of a vector: of its only one)."""
    a = asarray(ary)
    if a.ndim == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(a, indices_or_sections, 1 if a.ndim > 1 else 0)


def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Views of parts of the first axis."""
    a = asarray(ary)
    if a.ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(a, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Views of parts of the third axis."""
    a = asarray(ary)
    if a.ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(a, indices_or_sections, 2)


def unstack(x: Any, /, *, axis: int = 0) -> Any:
    """Views of the entries of an axis."""
    x = asarray(x)
    if x.ndim == 0:
        raise ValueError("Input array must be at least 1-d.")
    return tuple(moveaxis(x, axis, 0))


# ---- repeating, moving, padding


@native
def tile(A: Any, reps: Any) -> Any:
    """The array repeated so many times along each axis."""
    x = tensor(A)
    counts = _ints(reps)
    n = max(len(counts), x.ndim)
    counts = (1,) * (n - len(counts)) + counts
    lengths = (1,) * (n - x.ndim) + x.shape
    if all(count == 1 for count in counts):
        return ops.copy(ops.reshape(x, lengths))
    paired = [length for axis in lengths for length in (1, axis)]
    spread = [length for count, axis in zip(counts, lengths, strict=True) for length in (count, axis)]
    result_shape = tuple(count * axis for count, axis in zip(counts, lengths, strict=True))
    return ops.reshape(ops.copy(ops.broadcast_to(ops.reshape(x, paired), spread)), result_shape)


@native
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Every element (of an axis) so many times in a row."""
    a = tensor(a)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = ops.reshape(a, (-1,)), 0
    axis = normalize_axis_index(axis, a.ndim)
    counts = numpy.asarray(to_numpy(repeats))
    if counts.ndim > 1:
        raise ValueError(f"repeats must be a number or have one axis, got an array of shape {counts.shape}")
    if counts.size == 1 and counts.dtype.kind in "iu":
        count = int(counts.reshape(()))
        if count < 0:
            raise ValueError("repeats may not contain negative values.")
        head, length, tail = a.shape[:axis], a.shape[axis], a.shape[axis + 1 :]
        spread = ops.broadcast_to(ops.expand_dims(a, axis + 1), (*head, length, count, *tail))
        return ops.reshape(ops.copy(spread), (*head, length * count, *tail))  # a view of one element is no copy
    return ops.take(a, numpy.repeat(numpy.arange(a.shape[axis]), counts), axis)


def _rolled(a: Tensor, shifts: Any, axes: Any) -> Tensor:
    """The rolled array, its parts (two for each axis that moves) copied to their places."""
    moves = [0] * a.ndim
    for move, along in zip(shifts, axes, strict=True):
        moves[along] += move
    parts: list[tuple[Any, Any]] = [((), ())]
    for move, length in zip(moves, a.shape, strict=True):
        move = move % length if length else 0
        if move:
            choices = [(slice(move, None), slice(None, -move)), (slice(None, move), slice(-move, None))]
        else:
            choices = [(slice(None), slice(None))]
        parts = [((*to, place), (*start, origin)) for to, start in parts for place, origin in choices]
    result = _core.empty(a.shape, a.dtype)
    for to, start in parts:
        result[to] = a[start]
    return result


@native
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """With the elements moved along axes, those that fall off put in at the other end."""
    a = tensor(a)
    if axis is None:
        return ops.reshape(roll(ops.reshape(a, (-1,)), shift, 0), a.shape)
    axes = normalize_axis_tuple(axis, a.ndim, allow_duplicate=True)
    shifts = _ints(shift)
    if len(shifts) != len(axes):
        n = max(len(shifts), len(axes))
        if len(shifts) not in (1, n) or len(axes) not in (1, n):
            raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
        shifts = shifts * n if len(shifts) == 1 else shifts
        axes = axes * n if len(axes) == 1 else axes
    if not needs_ops(a):
        return _rolled(a, shifts, axes)
    moved = a
    for move, along in zip(shifts, axes, strict=True):
        length = a.shape[along]
        first = -move % length if length else 0
        if first:
            before = (slice(None),) * along
            moved = ops.concatenate([moved[(*before, slice(first, None))], moved[(*before, slice(None, first))]], along)
    return ops.copy(a) if moved is a else moved


@native
def resize(a: Any, new_shape: Any) -> Any:
    """The elements, over and over, in a shape of any size."""
    lengths = _ints(new_shape)
    if any(length < 0 for length in lengths):
        raise ValueError("all elements of `new_shape` must be non-negative")
    flat = ops.reshape(a, (-1,))
    count = int(numpy.prod(lengths, dtype=int))
    if flat.size == 0 or count == 0:
        return _core.zeros(lengths, flat.dtype)
    return ops.reshape(ops.take(flat, numpy.arange(count) % flat.size, 0), lengths)


def _pad_widths(pad_width: Any, ndim: int) -> list[list[int]]:
    if isinstance(pad_width, dict):
        widths: list[Any] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            widths[axis] = (width, width) if isinstance(width, int) else tuple(width)
        pad_width = widths
    given = numpy.asarray(to_numpy(pad_width))
    if given.dtype.kind not in "iu":
        raise TypeError("`pad_width` must be of integral type.")
    pairs = numpy.broadcast_to(given, (ndim, 2))
    if (pairs < 0).any():
        raise ValueError("index can't contain negative values")
    return pairs.tolist()


@native
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """With new elements around: constants, or copies of the array's own.

    "constant" is an op; "edge", "wrap", "reflect", "symmetric" and "empty" pick elements by index; the other modes are
    NumPy's and have no gradient.
    """
    if mode != "constant" and not needs_ops(array):
        return call_numpy("pad", numpy.pad, (array, pad_width, mode), kwargs)
    x = tensor(array)
    picks: dict[str, Any] = {name: name for name in ("edge", "wrap", "reflect", "symmetric")}
    if mode == "constant":
        widths = _pad_widths(pad_width, x.ndim)
        values = numpy.asarray(to_numpy(kwargs.get("constant_values", 0)))
        if kwargs.keys() - {"constant_values"}:
            raise ValueError(f"unsupported keyword arguments for mode '{mode}': {set(kwargs)}")
        if values.ndim == 0:
            before, after = [w[0] for w in widths], [w[1] for w in widths]
            if float(values) == values and (x.dtype.kind == "f" or abs(int(values)) < 2**53):
                return ops.pad(x, before, after, float(values))
    elif mode == "empty" and not kwargs:
        widths = _pad_widths(pad_width, x.ndim)
        return ops.pad(x, [w[0] for w in widths], [w[1] for w in widths])
    elif isinstance(mode, str) and mode in picks and not kwargs and x.size:
        for axis, width in enumerate(_pad_widths(pad_width, x.ndim)):
            if width != [0, 0]:
                places: Any = numpy.arange(x.shape[axis])
                x = ops.take(x, numpy.pad(places, (width[0], width[1]), mode=picks[mode]), axis)
        return x
    return call_numpy("pad", numpy.pad, (array, pad_width, mode), kwargs)


__all__ = exports(globals())

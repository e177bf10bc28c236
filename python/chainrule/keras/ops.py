"""``keras.ops``: NumPy-like functions and those of neural networks, on tensors, variables, arrays and symbolic tensors.

Thin: each is one or a few ops of the core. Where an integer meets a float tensor the float type wins (Keras's promotion).
"""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule
from chainrule import _core, nn

from .config import epsilon, standardize_dtype
from .symbolic import KerasTensor, any_symbolic, apply_function
from .variables import Tensor, Variable, convert_to_tensor, unwrap

_op = _core.ops
__all__: list[str] = ["convert_to_tensor"]


def symbolic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Lets a function of tensors be applied to symbolic tensors too: there it becomes a node of the graph."""

    @functools.wraps(function)
    def apply(*args: Any, **kwargs: Any) -> Any:
        if any_symbolic([list(args), kwargs]):
            return apply_function(apply, args, kwargs)
        return function(*args, **kwargs)

    return apply


def _public(function: Callable[..., Any]) -> Callable[..., Any]:
    __all__.append(function.__name__)
    return symbolic(function)


def _tensor(x: Any) -> Any:
    """What the core takes as it is; lists become tensors, Python scalars stay (weakly typed)."""
    if isinstance(x, Variable):
        return x.value
    return convert_to_tensor(x) if isinstance(x, (list, tuple)) else x


def _pair(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Both as tensors; an integer tensor that meets a float tensor is cast to the float type."""
    x1, x2 = _tensor(x1), _tensor(x2)
    if hasattr(x1, "dtype") and hasattr(x2, "dtype") and x1.dtype != x2.dtype:
        kinds = x1.dtype.kind, x2.dtype.kind
        if kinds[0] == "f" and kinds[1] in "iub":
            x2 = _op.cast(x2, x1.dtype)
        elif kinds[1] == "f" and kinds[0] in "iub":
            x1 = _op.cast(x1, x2.dtype)
    return x1, x2


def _real(x: Any) -> Any:
    """As a float tensor."""
    x = convert_to_tensor(x)
    return x if x.dtype.kind == "f" else _op.cast(x, standardize_dtype(None))


# ---- elementwise ---------------------------------------------------------------------------------------------------


def _export(name: str, function: Callable[..., Any], document: str) -> None:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = document
    globals()[name] = _public(function)


def _unary(core: Callable[..., Any], cast: bool) -> Callable[[Any], Any]:
    return (lambda x: core(_real(x))) if cast else (lambda x: core(_tensor(x)))


def _binary(core: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda x1, x2: core(*_pair(x1, x2))


_NUMBERS = {"abs": "absolute", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "bitwise_not": "invert"}
_NUMBERS |= {n: n for n in ("absolute", "negative", "sign", "square", "logical_not")}
_FLOATS = {n: n for n in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "cbrt", "reciprocal")}
_FLOATS |= {n: n for n in ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh")}
_FLOATS |= {n: n for n in ("arccosh", "arctanh", "erf", "erfc", "isnan", "isinf", "isfinite", "signbit")}
_PAIRS = {n: n for n in ("add", "subtract", "multiply", "floor_divide", "fmod", "maximum", "minimum", "fmax", "fmin")}
_PAIRS |= {n: n for n in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "hypot")}
_PAIRS |= {n: n for n in ("logical_and", "logical_or", "logical_xor", "logaddexp", "arctan2", "copysign", "power")}
_PAIRS |= {n: n for n in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")}
_PAIRS |= {"mod": "remainder"}
for _name, _core_name in _NUMBERS.items():
    _function = getattr(_op, _core_name)
    _export(_name, _unary(_function, False), _function.__doc__ or "")
for _name, _core_name in _FLOATS.items():
    _function = getattr(_op, _core_name)
    _export(_name, _unary(_function, True), _function.__doc__ or "")
for _name, _core_name in _PAIRS.items():
    _function = getattr(_op, _core_name)
    _export(_name, _binary(_function), _function.__doc__ or "")


@_public
def divide(x1: Any, x2: Any) -> Any:
    """True quotient; integers give floatx."""
    x1, x2 = _pair(x1, x2)
    tensors = [x for x in (x1, x2) if hasattr(x, "dtype")]
    if tensors and builtins.all(x.dtype.kind in "iub" for x in tensors):
        x1 = _real(x1)
    return _op.divide(x1, x2)


true_divide = divide
__all__.append("true_divide")


@_public
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """x1 / x2, and 0 where x2 is 0."""
    x1, x2 = _pair(_real(x1), _real(x2))
    zero = _op.equal(x2, 0)
    return _op.where(zero, 0.0, x1 / _op.where(zero, 1.0, x2))


@_public
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """min(max(x, x_min), x_max)."""
    return _op.minimum(_op.maximum(_tensor(x), _tensor(x_min)), _tensor(x_max))


@_public
def round(x: Any, decimals: int = 0) -> Any:
    """Rounded to that many decimals, halves to even."""
    x = _tensor(x)
    if decimals == 0:
        return _op.rint(x)
    scale = 10.0**decimals
    return _op.rint(x * scale) / scale


@_public
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """x1 where the condition holds, else x2; with the condition alone, the indices where it holds."""
    if x1 is None and x2 is None:
        return nonzero(condition)
    return _op.where(cast(condition, "bool"), *_pair(x1, x2))


# ---- reductions ----------------------------------------------------------------------------------------------------


def _reduction(core: Callable[..., Any], cast: bool) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = _real(x) if cast else convert_to_tensor(x)
        return core(x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)

    return reduce


for _name, _core_name, _cast in (
    ("sum", "sum", False),
    ("mean", "mean", True),
    ("prod", "prod", False),
    ("max", "max", False),
    ("min", "min", False),
    ("amax", "max", False),
    ("amin", "min", False),
    ("any", "any", False),
    ("all", "all", False),
    ("logsumexp", "logsumexp", True),
):
    _function = getattr(_op, _core_name)
    _export(_name, _reduction(_function, _cast), _function.__doc__ or "")


@_public
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean squared distance from the mean."""
    x = _real(x)
    centred = x - _op.mean(x, axis=axis, keepdims=True)
    return _op.mean(_op.square(centred), axis=axis, keepdims=keepdims)


@_public
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Square root of :func:`var`."""
    return _op.sqrt(var(x, axis, keepdims))


@_public
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """(mean, variance) over the axes."""
    x, axes = _real(x), tuple(axes) if isinstance(axes, list) else axes
    return _op.mean(x, axis=axes, keepdims=keepdims), var(x, axes, keepdims)


@_public
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """Mean, weighted if ``weights`` (of the same shape) are given."""
    x = _real(x)
    if weights is None:
        return _op.mean(x, axis=axis)
    weights = cast(weights, x.dtype)
    return _op.sum(x * weights, axis=axis) / _op.sum(weights, axis=axis)


@_public
def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index (int32) of the greatest entry along the axis, the first if there are several."""
    return _op.cast(_op.argmax(convert_to_tensor(x), axis=axis, keepdims=keepdims), "int32")


@_public
def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index (int32) of the least entry along the axis, the first if there are several."""
    return _op.cast(_op.argmin(convert_to_tensor(x), axis=axis, keepdims=keepdims), "int32")


@_public
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """Number (int32) of entries that are not zero."""
    return _op.sum(_op.cast(_op.not_equal(_tensor(x), 0), "int32"), axis=axis)


@_public
def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running sums along the axis (None: of the flattened tensor)."""
    return _op.cumsum(convert_to_tensor(x, dtype), axis=axis)


@_public
def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running products along the axis (None: of the flattened tensor)."""
    return _op.cumprod(convert_to_tensor(x, dtype), axis=axis)


@_public
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Vector norm along ``axis`` (None: of all entries): ord None or 2 Euclidean, 1 sum, inf greatest, p general."""
    x = _real(x)
    size = _op.absolute(x)
    if ord in (None, 2, "euclidean", "fro"):
        return _op.sqrt(_op.sum(_op.square(x), axis=axis, keepdims=keepdims))
    if ord == 1:
        return _op.sum(size, axis=axis, keepdims=keepdims)
    if ord == math.inf:
        return _op.max(size, axis=axis, keepdims=keepdims)
    return _op.power(_op.sum(_op.power(size, ord), axis=axis, keepdims=keepdims), 1.0 / ord)


@_public
def normalize(x: Any, axis: int = -1, order: float = 2, epsilon: float | None = None) -> Any:
    """x divided by its norm along the axis (the norm kept above epsilon)."""
    x = _real(x)
    return x / _op.maximum(norm(x, order, axis, True), globals()["epsilon"]() if epsilon is None else epsilon)


# ---- products ------------------------------------------------------------------------------------------------------


@_public
def matmul(x1: Any, x2: Any) -> Any:
    """Matrix product; leading axes broadcast."""
    return _op.matmul(*_pair(x1, x2))


@_public
def dot(x1: Any, x2: Any) -> Any:
    """Sum over the last axis of x1 and the last but one of x2 (matrix product for matrices)."""
    x1, x2 = _pair(convert_to_tensor(x1), convert_to_tensor(x2))
    if x1.ndim == 0 or x2.ndim == 0:
        return _op.multiply(x1, x2)
    if x2.ndim <= 2:
        return _op.matmul(x1, x2)
    return tensordot(x1, x2, axes=([x1.ndim - 1], [x2.ndim - 2]))


@_public
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Sum over several axes: the last ``axes`` of x1 with the first of x2, or pairs ``(axes of x1, axes of x2)``."""
    x1, x2 = _pair(convert_to_tensor(x1), convert_to_tensor(x2))
    if isinstance(axes, int):
        first, second = list(range(x1.ndim - axes, x1.ndim)), list(range(axes))
    else:
        first, second = ([a] if isinstance(a, int) else list(a) for a in axes)
    first, second = [a % x1.ndim for a in first], [a % x2.ndim for a in second]
    rows = [a for a in range(x1.ndim) if a not in first]
    columns = [a for a in range(x2.ndim) if a not in second]
    shared = math.prod(x1.shape[a] for a in first)
    left = _op.reshape(_op.transpose(x1, (*rows, *first)), (math.prod(x1.shape[a] for a in rows), shared))
    right = _op.reshape(_op.transpose(x2, (*second, *columns)), (shared, math.prod(x2.shape[a] for a in columns)))
    shape = tuple(x1.shape[a] for a in rows) + tuple(x2.shape[a] for a in columns)
    return _op.reshape(_op.matmul(left, right), shape)


@_public
def outer(x1: Any, x2: Any) -> Any:
    """Products of every entry of x1 with every entry of x2."""
    x1, x2 = _pair(convert_to_tensor(x1), convert_to_tensor(x2))
    return _op.reshape(x1, (x1.size, 1)) * _op.reshape(x2, (1, x2.size))


# ---- shapes --------------------------------------------------------------------------------------------------------


def shape(x: Any) -> tuple[Any, ...]:
    """The shape as a tuple (None where it may vary)."""
    return tuple(unwrap(x).shape) if hasattr(x, "shape") else np.shape(x)


def size(x: Any) -> Any:
    """The number of entries."""
    lengths = shape(x)
    return None if None in lengths else math.prod(lengths)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(shape(x))


def dtype(x: Any) -> str:
    """The name of the type."""
    return standardize_dtype(x.dtype)


__all__ += ["shape", "size", "ndim", "dtype"]


@_public
def reshape(x: Any, newshape: Any) -> Any:
    """The same entries in another shape; one length may be -1."""
    x = convert_to_tensor(x)
    newshape = (newshape,) if isinstance(newshape, int) else tuple(-1 if n is None else n for n in newshape)
    return _op.reshape(x, newshape)


@_public
def ravel(x: Any) -> Any:
    """All entries in one axis."""
    return _op.reshape(convert_to_tensor(x), (-1,))


@_public
def transpose(x: Any, axes: Any = None) -> Any:
    """The axes in another order; None reverses them."""
    return _op.transpose(convert_to_tensor(x), None if axes is None else tuple(axes))


@_public
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    x = convert_to_tensor(x)
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return _op.transpose(x, tuple(order))


@_public
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes moved to new positions."""
    x = convert_to_tensor(x)
    source = [a % x.ndim for a in ([source] if isinstance(source, int) else source)]
    destination = [a % x.ndim for a in ([destination] if isinstance(destination, int) else destination)]
    order = [a for a in range(x.ndim) if a not in source]
    for place, axis in sorted(zip(destination, source, strict=True)):
        order.insert(place, axis)
    return _op.transpose(x, tuple(order))


@_public
def expand_dims(x: Any, axis: Any) -> Any:
    """New axes of length 1."""
    x = convert_to_tensor(x)
    for one in sorted([axis] if isinstance(axis, int) else axis):
        x = _op.expand_dims(x, one)
    return x


@_public
def squeeze(x: Any, axis: Any = None) -> Any:
    """Without axes of length 1."""
    return _op.squeeze(convert_to_tensor(x), axis=axis)


@_public
def broadcast_to(x: Any, shape: Any) -> Any:
    """Axes of length 1 stretched to ``shape``."""
    return _op.broadcast_to(convert_to_tensor(x), tuple(shape))


@_public
def flip(x: Any, axis: Any = None) -> Any:
    """Entries in reverse order along the axis."""
    return _op.flip(convert_to_tensor(x), axis=axis)


@_public
def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Joined along an axis."""
    return _op.concatenate([convert_to_tensor(x) for x in xs], axis=axis)


@_public
def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Joined along a new axis."""
    return _op.stack([convert_to_tensor(item) for item in x], axis=axis)


@_public
def hstack(xs: Sequence[Any]) -> Any:
    """Joined along the second axis (the first, for vectors)."""
    xs = [_op.reshape(t, (1,)) if t.ndim == 0 else t for t in map(convert_to_tensor, xs)]
    return _op.concatenate(xs, axis=0 if xs[0].ndim == 1 else 1)


@_public
def vstack(xs: Sequence[Any]) -> Any:
    """Joined along the first axis; vectors become rows."""
    xs = [_op.reshape(t, (1, t.size)) if t.ndim < 2 else t for t in map(convert_to_tensor, xs)]
    return _op.concatenate(xs, axis=0)


@_public
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts along an axis: so many equal ones, or cut at the given indices."""
    x = convert_to_tensor(x)
    axis %= x.ndim
    length = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if length % indices_or_sections:
            raise ValueError(f"split: an axis of length {length} can't be cut into {indices_or_sections} equal parts.")
        step = length // indices_or_sections
        cuts = list(range(step, length, step))
    else:
        cuts = [int(i) for i in indices_or_sections]
    lead = (builtins.slice(None),) * axis
    return [x[(*lead, builtins.slice(a, b))] for a, b in zip([0, *cuts], [*cuts, length], strict=True)]


@_public
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The entries along an axis as a list."""
    x = convert_to_tensor(x)
    axis %= x.ndim
    lead = (builtins.slice(None),) * axis
    return [x[(*lead, i)] for i in range(x.shape[axis])]


@_public
def repeat(x: Any, repeats: int, axis: Any = None) -> Any:
    """Each entry ``repeats`` times along the axis (None: flattened)."""
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = _op.reshape(x, (-1,)), 0
    indices = np.repeat(np.arange(x.shape[axis]), np.asarray(repeats))
    return _op.take(x, indices, axis=axis)


@_public
def tile(x: Any, repeats: Any) -> Any:
    """The whole tensor repeated along its axes."""
    x = convert_to_tensor(x)
    repeats = (repeats,) if isinstance(repeats, int) else tuple(repeats)
    rank = builtins.max(x.ndim, len(repeats))
    x = _op.reshape(x, (1,) * (rank - x.ndim) + tuple(x.shape))
    for axis, count in enumerate((1,) * (rank - len(repeats)) + repeats):
        if count != 1:
            x = _op.concatenate([x] * count, axis=axis)
    return x


@_public
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float | None = None) -> Any:
    """More entries before and after each axis: constants, or mode "reflect" or "symmetric"."""
    x = convert_to_tensor(x)
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    if mode == "constant":
        before, after = ([int(n) for n in column] for column in widths.T)
        return _op.pad(x, before, after, value=constant_values or 0.0)
    if mode not in ("reflect", "symmetric"):
        raise ValueError(f"pad: mode must be 'constant', 'reflect' or 'symmetric', got {mode!r}.")
    for axis in range(x.ndim):
        if widths[axis].any():
            x = _op.take(x, np.pad(np.arange(x.shape[axis]), widths[axis], mode=mode), axis=axis)
    return x


@_public
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Entries moved along an axis (None: flattened), those pushed out coming in on the other side."""
    x = convert_to_tensor(x)
    if axis is None:
        return _op.reshape(roll(_op.reshape(x, (-1,)), shift, 0), x.shape)
    for one, by in zip(np.atleast_1d(axis).tolist(), np.atleast_1d(shift).tolist(), strict=True):
        x = _op.take(x, np.roll(np.arange(x.shape[one]), by), axis=one)
    return x


# ---- selection -----------------------------------------------------------------------------------------------------


@_public
def get_item(x: Any, key: Any) -> Any:
    """``x[key]``."""
    return convert_to_tensor(x)[key]


@_public
def slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """The block of that shape that begins at ``start_indices``."""
    keys = tuple(builtins.slice(int(a), int(a) + int(n)) for a, n in zip(start_indices, shape, strict=True))
    return convert_to_tensor(inputs)[keys]


@_public
def take(x: Any, indices: Any, axis: Any = None) -> Any:
    """The entries with those indices along the axis (None: of the flattened tensor)."""
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = _op.reshape(x, (-1,)), 0
    return _op.take(x, convert_to_tensor(indices), axis=axis)


@_public
def take_along_axis(x: Any, indices: Any, axis: Any = None) -> Any:
    """For each position, the entry at the index given there, along the axis."""
    x, indices = convert_to_tensor(x), convert_to_tensor(indices)
    if axis is None:
        x, indices, axis = _op.reshape(x, (-1,)), _op.reshape(indices, (-1,)), 0
    return _op.take_along_axis(x, indices, axis=axis)


@_public
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """1 at the class's place along a new axis, else 0."""
    hot = _op.one_hot(convert_to_tensor(x), num_classes, standardize_dtype(dtype))
    return hot if axis in (-1, hot.ndim - 1) else moveaxis(hot, -1, axis)


@_public
def sort(x: Any, axis: int = -1) -> Any:
    """Sorted upwards along the axis."""
    return _op.sort(convert_to_tensor(x), axis=axis)


@_public
def argsort(x: Any, axis: int = -1) -> Any:
    """Indices (int32) that sort upwards along the axis; equal entries keep their order."""
    return _op.cast(_op.argsort(convert_to_tensor(x), axis=axis), "int32")


@_public
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Any, Any]:
    """(values, indices) of the k greatest entries along the last axis, downwards."""
    x = convert_to_tensor(x)
    indices = _op.argsort(_op.negative(x), axis=-1)[..., :k]
    return _op.take_along_axis(x, indices, axis=-1), _op.cast(indices, "int32")


@_public
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether fewer than k predictions of the row are greater than that of the target class."""
    predictions, targets = convert_to_tensor(predictions), convert_to_tensor(targets)
    chosen = _op.take_along_axis(predictions, _op.expand_dims(_op.cast(targets, "int64"), -1), axis=-1)
    greater = _op.sum(_op.cast(_op.greater(predictions, chosen), "int32"), axis=-1)
    return _op.less(greater, k)


def nonzero(x: Any) -> tuple[Any, ...]:
    """One index tensor (int32) per axis of the entries that are not zero."""
    return tuple(chainrule.asarray(i.astype("int32")) for i in np.nonzero(np.asarray(unwrap(x))))


@_public
def tril(x: Any, k: int = 0) -> Any:
    """Zero above the k-th diagonal."""
    x = convert_to_tensor(x)
    return _op.where(np.tri(*x.shape[-2:], k, dtype=bool), x, 0)


@_public
def triu(x: Any, k: int = 0) -> Any:
    """Zero below the k-th diagonal."""
    x = convert_to_tensor(x)
    return _op.where(np.tri(*x.shape[-2:], k - 1, dtype=bool), 0, x)


@_public
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """A copy of the inputs with the updates written at (or, reduction="add", added to) the indices, shape (n, axes)."""
    inputs, updates = convert_to_tensor(inputs), convert_to_tensor(updates)
    places = np.asarray(unwrap(indices))
    columns = [places[..., axis] for axis in range(places.shape[-1])]
    if reduction == "add":
        return _op.index_add(inputs, _op.cast(updates, inputs.dtype), *columns)
    if reduction is not None:
        raise ValueError(f"scatter_update: reduction must be None or 'add', got {reduction!r}.")
    # The last update of a place wins, as in NumPy.
    rows = np.full([inputs.shape[axis] for axis in range(len(columns))], -1)
    rows[tuple(columns)] = np.arange(columns[0].size).reshape(columns[0].shape)
    kept = [index for index in np.unique(rows) if index >= 0]
    flat = [column.reshape(-1)[kept] for column in columns]
    updates = _op.reshape(updates, (columns[0].size, *updates.shape[columns[0].ndim :]))
    difference = _op.take(_op.cast(updates, inputs.dtype), np.asarray(kept), axis=0) - _op.index(inputs, *flat)
    return _op.index_add(inputs, difference, *flat)


# ---- creation and conversion ---------------------------------------------------------------------------------------


@_public
def cast(x: Any, dtype: Any) -> Any:
    """In another type."""
    return convert_to_tensor(x, dtype)


@_public
def copy(x: Any) -> Any:
    """In memory of its own."""
    return _op.copy(convert_to_tensor(x))


@_public
def stop_gradient(variable: Any) -> Any:
    """The same values, through which no gradient flows."""
    return chainrule.stop_gradient(convert_to_tensor(variable))


def convert_to_numpy(x: Any) -> np.ndarray:
    """The values as an ndarray."""
    return np.array(unwrap(x))


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a tensor (symbolic ones too)."""
    return isinstance(x, (Tensor, KerasTensor))


def array(x: Any, dtype: Any = None) -> Any:
    """A new tensor of ``x``."""
    return _op.copy(convert_to_tensor(x, dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """All entries ``fill_value``."""
    return chainrule.asarray(np.full(shape, np.asarray(unwrap(fill_value)), standardize_dtype(dtype)))


def zeros(shape: Any, dtype: Any = None) -> Any:
    """All entries 0."""
    return chainrule.asarray(np.zeros(shape, standardize_dtype(dtype)))


def ones(shape: Any, dtype: Any = None) -> Any:
    """All entries 1."""
    return chainrule.asarray(np.ones(shape, standardize_dtype(dtype)))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """1 on the k-th diagonal, else 0."""
    return chainrule.asarray(np.eye(N, M, k, dtype=standardize_dtype(dtype)))


def identity(n: int, dtype: Any = None) -> Any:
    """The unit matrix."""
    return eye(n, dtype=dtype)


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """start, start + step, ... below stop; whole numbers are int32."""
    values = np.arange(start) if stop is None else np.arange(start, stop, 1 if step is None else step)
    return convert_to_tensor(values, dtype or ("int32" if values.dtype.kind == "i" else standardize_dtype(None)))


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Any:
    """Numbers at equal distances from start to stop."""
    return chainrule.asarray(np.linspace(start, stop, num, endpoint).astype(standardize_dtype(dtype)))


__all__ += "nonzero convert_to_numpy is_tensor array full zeros ones eye identity arange linspace".split()


@_public
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros of the same shape."""
    return zeros(shape(x), dtype or x.dtype)


@_public
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones of the same shape."""
    return ones(shape(x), dtype or x.dtype)


@_public
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """One value in the same shape."""
    return full(shape(x), fill_value, dtype or x.dtype)


# ---- neural networks -----------------------------------------------------------------------------------------------

for _name in (
    "relu relu6 leaky_relu elu celu selu sigmoid log_sigmoid hard_sigmoid silu swish hard_silu hard_swish hard_tanh "
    "tanh_shrink hard_shrink soft_shrink softplus softsign squareplus sparse_plus sparse_sigmoid threshold softmax "
    "log_softmax glu sparsemax"
).split():
    _neural = getattr(nn, _name)

    def _neural_op(x: Any, *args: Any, _function: Callable[..., Any] = _neural, **kwargs: Any) -> Any:
        return _function(convert_to_tensor(x), *args, **kwargs)

    _export(_name, _neural_op, _neural.__doc__ or "")


@_public
def gelu(x: Any, approximate: bool = True) -> Any:
    """z * Phi(z); by default in the tanh approximation."""
    return nn.gelu(convert_to_tensor(x), approximate)


@_public
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """-(y log p + (1 - y) log(1 - p)), elementwise."""
    target, output = _pair(_real(target), _real(output))
    if from_logits:
        return nn.sigmoid_cross_entropy(output, target)
    return nn.binary_cross_entropy(output, target, epsilon())


@_public
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-sum_k y_k log p_k along the axis; probabilities are normalised to sum 1 first."""
    target, output = _pair(_real(target), _real(output))
    if axis not in (-1, output.ndim - 1):
        target, output = moveaxis(target, axis, -1), moveaxis(output, axis, -1)
    if from_logits:
        return nn.softmax_cross_entropy(output, target)
    p = output / _op.sum(output, axis=-1, keepdims=True)
    return -_op.sum(target * _op.log(clip(p, epsilon(), 1.0 - epsilon())), axis=-1)


@_public
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-log p_label along the axis, labels being class numbers."""
    target, output = convert_to_tensor(target), _real(output)
    if axis not in (-1, output.ndim - 1):
        output = moveaxis(output, axis, -1)
    if target.dtype.kind not in "iu":
        target = _op.cast(target, "int64")
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = _op.squeeze(target, axis=-1)
    if not from_logits:
        p = output / _op.sum(output, axis=-1, keepdims=True)
        output = _op.log(clip(p, epsilon(), 1.0 - epsilon()))
        # log p as logits: their softmax is p again, up to the clipping.
    return nn.sparse_softmax_cross_entropy(output, target)


# ---- control flow --------------------------------------------------------------------------------------------------


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """``true_fn()`` if the value is true, else ``false_fn()``. Needs the value: models that use it run unrecorded."""
    return true_fn() if pred else false_fn()


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Repeats ``loop_vars = body(*loop_vars)`` while ``cond(*loop_vars)``. Needs values at each turn."""
    several = isinstance(loop_vars, (list, tuple))
    state = tuple(loop_vars) if several else (loop_vars,)
    turns = 0
    while (maximum_iterations is None or turns < maximum_iterations) and cond(*state):
        result = body(*state)
        state = tuple(result) if isinstance(result, (list, tuple)) else (result,)
        turns += 1
    return state if several else state[0]


def fori_loop(lower: int, upper: int, body_fun: Callable[[int, Any], Any], init_val: Any) -> Any:
    """``value = body_fun(i, value)`` for i from lower to upper - 1."""
    value = init_val
    for i in range(lower, upper):
        value = body_fun(i, value)
    return value


__all__ += ["cond", "while_loop", "fori_loop"]

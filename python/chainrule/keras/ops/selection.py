"""Selection by index, and creation and conversion of tensors."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

import chainrule

from ..config import standardize_dtype
from ..symbolic import KerasTensor
from ..variables import Tensor, unwrap
from ..variables import convert_to_tensor as tensor
from .dispatch import core, symbolic
from .shapes import moveaxis, shape


@symbolic
def get_item(x: Any, key: Any) -> Any:
    """``x[key]``."""
    return tensor(x)[key]


@symbolic
def slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """The block of that shape that begins at ``start_indices``; a length of -1 reaches to the end."""
    starts = [int(unwrap(a)) for a in unwrap(start_indices)]
    keys = tuple(builtins.slice(a, None if n == -1 else a + int(n)) for a, n in zip(starts, shape, strict=True))
    return tensor(inputs)[keys]


@symbolic
def take(x: Any, indices: Any, axis: Any = None) -> Any:
    """The entries with those indices along the axis (None: of the flattened tensor)."""
    x = tensor(x)
    if axis is None:
        x, axis = core.reshape(x, (-1,)), 0
    return core.take(x, tensor(indices), axis=axis)


@symbolic
def take_along_axis(x: Any, indices: Any, axis: Any = None) -> Any:
    """For each position, the entry at the index given there, along the axis."""
    x, indices = tensor(x), tensor(indices)
    if axis is None:
        x, indices, axis = core.reshape(x, (-1,)), core.reshape(indices, (-1,)), 0
    return core.take_along_axis(x, indices, axis=axis)


@symbolic
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """1 at the class's place along a new axis, else 0."""
    x = tensor(x)
    if x.dtype.kind not in "iu":
        x = core.cast(x, "int32")
    hot = core.one_hot(x, num_classes, standardize_dtype(dtype))
    return hot if axis in (-1, hot.ndim - 1) else moveaxis(hot, -1, axis)


@symbolic
def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False, **kwargs: Any
) -> Any:
    """1 at the places of all classes of a sample: (batch, n) -> (batch, num_classes), (n,) -> (num_classes,)."""
    num_classes = kwargs.pop("num_tokens", None) if num_classes is None else num_classes
    if kwargs or num_classes is None:
        raise TypeError(f"multi_hot: give num_classes, and no other arguments than Keras's; got {sorted(kwargs)}.")
    inputs = tensor(inputs)
    return core.max(one_hot(inputs, num_classes, axis, dtype), axis=1 if inputs.ndim > 1 else 0)


@symbolic
def sort(x: Any, axis: int | None = -1) -> Any:
    """Sorted upwards along the axis (None: flattened)."""
    x = tensor(x)
    return core.sort(core.reshape(x, (-1,)), axis=0) if axis is None else core.sort(x, axis=axis)


@symbolic
def argsort(x: Any, axis: int | None = -1) -> Any:
    """Indices (int32) that sort upwards along the axis (None: flattened); equal entries keep their order."""
    x = tensor(x)
    if axis is None or x.ndim == 0:
        x, axis = core.reshape(x, (-1,)), 0
    return core.cast(core.argsort(x, axis=axis), "int32")


@symbolic
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Any, Any]:
    """(values, indices) of the k greatest entries along the last axis, downwards."""
    x = tensor(x)
    order = core.negative(x if x.dtype.kind not in "iub" else core.cast(x, "int64"))  # -x of short integers overflows
    indices = core.argsort(order, axis=-1)[..., :k]
    return core.take_along_axis(x, indices, axis=-1), core.cast(indices, "int32")


@symbolic
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether fewer than k predictions of the row are greater than that of the target class."""
    predictions, targets = tensor(predictions), tensor(targets)
    chosen = core.take_along_axis(predictions, core.expand_dims(core.cast(targets, "int64"), -1), axis=-1)
    greater = core.sum(core.cast(core.greater(predictions, chosen), "int32"), axis=-1)
    finite = core.all(core.isfinite(predictions), axis=-1)  # no rank among NaN
    return core.logical_and(core.less(greater, k), finite)


def nonzero(x: Any) -> tuple[Any, ...]:
    """One index tensor (int32) per axis of the entries that are not zero."""
    return tuple(chainrule.asarray(i.astype("int32")) for i in np.nonzero(np.asarray(unwrap(x))))


@symbolic
def tril(x: Any, k: int = 0) -> Any:
    """Zero above the k-th diagonal."""
    x = tensor(x)
    return core.where(np.tri(x.shape[-2], x.shape[-1], k, dtype=bool), x, np.zeros((), x.dtype))


@symbolic
def triu(x: Any, k: int = 0) -> Any:
    """Zero below the k-th diagonal."""
    x = tensor(x)
    return core.where(np.tri(x.shape[-2], x.shape[-1], k - 1, dtype=bool), np.zeros((), x.dtype), x)


# ---- creation and conversion ---------------------------------------------------------------------------------------


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """A tensor of ``x`` (see :func:`chainrule.keras.variables.convert_to_tensor`); symbolic ones stay symbolic."""
    if isinstance(x, KerasTensor):
        return x if dtype is None or x.dtype == standardize_dtype(dtype) else cast(x, dtype)
    return tensor(x, dtype, sparse, ragged)


@symbolic
def cast(x: Any, dtype: Any) -> Any:
    """In another type."""
    return tensor(x, dtype)


@symbolic
def copy(x: Any) -> Any:
    """In memory of its own."""
    return core.copy(tensor(x))


@symbolic
def stop_gradient(variable: Any) -> Any:
    """The same values, through which no gradient flows."""
    return chainrule.stop_gradient(tensor(variable))


def convert_to_numpy(x: Any) -> np.ndarray:
    """The values as an ndarray."""
    return np.array(unwrap(x))


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a tensor (symbolic ones too)."""
    return isinstance(x, (Tensor, KerasTensor))


def array(x: Any, dtype: Any = None) -> Any:
    """A new tensor of ``x``."""
    return core.copy(tensor(x, dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """All entries ``fill_value``."""
    return chainrule.asarray(np.full(shape, np.asarray(unwrap(fill_value)), standardize_dtype(dtype), order="C"))


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
    return tensor(values, dtype or ("int32" if values.dtype.kind == "i" else standardize_dtype(None)))


@symbolic
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Numbers at equal distances from start to stop, along a new axis; with ``retstep`` also the distance."""
    ends = [np.asarray(unwrap(tensor(end))) for end in (start, stop)]
    if dtype is None:
        floats = [end.dtype.name for end in ends if end.dtype.kind == "f"]
        dtype = np.result_type(*floats).name if floats else None
    wide = [end.astype("float64") for end in ends]
    values, step = np.linspace(wide[0], wide[1], num, endpoint, retstep=True, axis=axis)
    line = chainrule.asarray(values.astype(standardize_dtype(dtype)))
    return (line, chainrule.asarray(np.asarray(step, standardize_dtype(dtype)))) if retstep else line


@symbolic
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros of the same shape."""
    return zeros(shape(x), dtype or x.dtype)


@symbolic
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones of the same shape."""
    return ones(shape(x), dtype or x.dtype)


@symbolic
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """One value in the same shape."""
    return full(shape(x), fill_value, dtype or x.dtype)

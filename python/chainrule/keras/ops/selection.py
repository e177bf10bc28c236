"""Selection by index, and creation and conversion of tensors."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

import chainrule

from ..config import standardize_dtype
from ..symbolic import KerasTensor
from ..variables import Tensor, convert_to_tensor, unwrap
from .dispatch import core, symbolic
from .shapes import moveaxis, shape


@symbolic
def get_item(x: Any, key: Any) -> Any:
    """``x[key]``."""
    return convert_to_tensor(x)[key]


@symbolic
def slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """The block of that shape that begins at ``start_indices``."""
    keys = tuple(builtins.slice(int(a), int(a) + int(n)) for a, n in zip(start_indices, shape, strict=True))
    return convert_to_tensor(inputs)[keys]


@symbolic
def take(x: Any, indices: Any, axis: Any = None) -> Any:
    """The entries with those indices along the axis (None: of the flattened tensor)."""
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = core.reshape(x, (-1,)), 0
    return core.take(x, convert_to_tensor(indices), axis=axis)


@symbolic
def take_along_axis(x: Any, indices: Any, axis: Any = None) -> Any:
    """For each position, the entry at the index given there, along the axis."""
    x, indices = convert_to_tensor(x), convert_to_tensor(indices)
    if axis is None:
        x, indices, axis = core.reshape(x, (-1,)), core.reshape(indices, (-1,)), 0
    return core.take_along_axis(x, indices, axis=axis)


@symbolic
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """1 at the class's place along a new axis, else 0."""
    hot = core.one_hot(convert_to_tensor(x), num_classes, standardize_dtype(dtype))
    return hot if axis in (-1, hot.ndim - 1) else moveaxis(hot, -1, axis)


@symbolic
def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False, **kwargs: Any
) -> Any:
    """1 at the places of all classes of a sample: (batch, n) -> (batch, num_classes), (n,) -> (num_classes,)."""
    num_classes = kwargs.pop("num_tokens", None) if num_classes is None else num_classes
    if kwargs or num_classes is None:
        raise TypeError(f"multi_hot: give num_classes, and no other arguments than Keras's; got {sorted(kwargs)}.")
    inputs = convert_to_tensor(inputs)
    return core.max(one_hot(inputs, num_classes, axis, dtype), axis=1 if inputs.ndim > 1 else 0)


@symbolic
def sort(x: Any, axis: int = -1) -> Any:
    """Sorted upwards along the axis."""
    return core.sort(convert_to_tensor(x), axis=axis)


@symbolic
def argsort(x: Any, axis: int = -1) -> Any:
    """Indices (int32) that sort upwards along the axis; equal entries keep their order."""
    return core.cast(core.argsort(convert_to_tensor(x), axis=axis), "int32")


@symbolic
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Any, Any]:
    """(values, indices) of the k greatest entries along the last axis, downwards."""
    x = convert_to_tensor(x)
    indices = core.argsort(core.negative(x), axis=-1)[..., :k]
    return core.take_along_axis(x, indices, axis=-1), core.cast(indices, "int32")


@symbolic
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether fewer than k predictions of the row are greater than that of the target class."""
    predictions, targets = convert_to_tensor(predictions), convert_to_tensor(targets)
    chosen = core.take_along_axis(predictions, core.expand_dims(core.cast(targets, "int64"), -1), axis=-1)
    greater = core.sum(core.cast(core.greater(predictions, chosen), "int32"), axis=-1)
    return core.less(greater, k)


def nonzero(x: Any) -> tuple[Any, ...]:
    """One index tensor (int32) per axis of the entries that are not zero."""
    return tuple(chainrule.asarray(i.astype("int32")) for i in np.nonzero(np.asarray(unwrap(x))))


@symbolic
def tril(x: Any, k: int = 0) -> Any:
    """Zero above the k-th diagonal."""
    x = convert_to_tensor(x)
    return core.where(np.tri(x.shape[-2], x.shape[-1], k, dtype=bool), x, 0)


@symbolic
def triu(x: Any, k: int = 0) -> Any:
    """Zero below the k-th diagonal."""
    x = convert_to_tensor(x)
    return core.where(np.tri(x.shape[-2], x.shape[-1], k - 1, dtype=bool), 0, x)


@symbolic
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """A copy of the inputs with the updates written at (or, reduction="add", added to) the indices, shape (n, axes)."""
    inputs, updates = convert_to_tensor(inputs), convert_to_tensor(updates)
    places = np.asarray(unwrap(indices))
    columns = [places[..., axis] for axis in range(places.shape[-1])]
    if reduction == "add":
        return core.index_add(inputs, core.cast(updates, inputs.dtype), *columns)
    if reduction is not None:
        raise ValueError(f"scatter_update: reduction must be None or 'add', got {reduction!r}.")
    # The last update of a place wins, as in NumPy.
    rows = np.full([inputs.shape[axis] for axis in range(len(columns))], -1)
    rows[tuple(columns)] = np.arange(columns[0].size).reshape(columns[0].shape)
    kept = [index for index in np.unique(rows) if index >= 0]
    flat = [column.reshape(-1)[kept] for column in columns]
    updates = core.reshape(updates, (columns[0].size, *updates.shape[columns[0].ndim :]))
    difference = core.take(core.cast(updates, inputs.dtype), np.asarray(kept), axis=0) - core.index(inputs, *flat)
    return core.index_add(inputs, difference, *flat)


# ---- creation and conversion ---------------------------------------------------------------------------------------


@symbolic
def cast(x: Any, dtype: Any) -> Any:
    """In another type."""
    return convert_to_tensor(x, dtype)


@symbolic
def copy(x: Any) -> Any:
    """In memory of its own."""
    return core.copy(convert_to_tensor(x))


@symbolic
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
    return core.copy(convert_to_tensor(x, dtype))


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

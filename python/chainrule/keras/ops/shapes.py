"""Shapes: reshaping, moving axes, joining, cutting and repeating."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..config import standardize_dtype
from ..variables import convert_to_tensor, unwrap
from .dispatch import as_operands, core, symbolic


def shape(x: Any) -> tuple[Any, ...]:
    """The shape as a tuple (None where it may vary)."""
    return tuple(unwrap(x).shape) if hasattr(x, "shape") else np.shape(x)


def size(x: Any, axis: Any = None) -> Any:
    """The number of entries, or of those along an axis (or axes)."""
    lengths = shape(x)
    if axis is not None:
        lengths = tuple(lengths[a] for a in ([axis] if isinstance(axis, int) else axis))
    return None if None in lengths else math.prod(lengths)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(shape(x))


def dtype(x: Any) -> str:
    """The name of the type."""
    return standardize_dtype(x.dtype)


@symbolic
def reshape(x: Any, newshape: Any) -> Any:
    """The same entries in another shape; one length may be -1."""
    x = convert_to_tensor(x)
    newshape = (newshape,) if isinstance(newshape, int) else tuple(-1 if n is None else n for n in newshape)
    return core.reshape(x, newshape)


@symbolic
def ravel(x: Any) -> Any:
    """All entries in one axis."""
    return core.reshape(convert_to_tensor(x), (-1,))


@symbolic
def transpose(x: Any, axes: Any = None) -> Any:
    """The axes in another order; None reverses them."""
    return core.transpose(convert_to_tensor(x), None if axes is None else tuple(axes))


@symbolic
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    x = convert_to_tensor(x)
    axis1, axis2 = (normalize_axis_index(a, x.ndim) for a in (axis1, axis2))
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return core.transpose(x, tuple(order))


@symbolic
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Axes moved to new positions."""
    x = convert_to_tensor(x)
    source, destination = (normalize_axis_tuple(axes, x.ndim) for axes in (source, destination))
    if len(source) != len(destination):
        raise ValueError(f"moveaxis: as many source as destination axes are needed, got {source} and {destination}.")
    order = [a for a in range(x.ndim) if a not in source]
    for place, axis in sorted(zip(destination, source, strict=True)):
        order.insert(place, axis)
    return core.transpose(x, tuple(order))


@symbolic
def expand_dims(x: Any, axis: Any) -> Any:
    """New axes of length 1."""
    x = convert_to_tensor(x)
    axes = [axis] if isinstance(axis, int) else list(axis)
    for one in sorted(normalize_axis_tuple(axes, x.ndim + len(axes))):
        x = core.expand_dims(x, one)
    return x


@symbolic
def squeeze(x: Any, axis: Any = None) -> Any:
    """Without axes of length 1."""
    return core.squeeze(convert_to_tensor(x), axis=axis)


@symbolic
def broadcast_to(x: Any, shape: Any) -> Any:
    """Axes of length 1 stretched to ``shape``."""
    return core.broadcast_to(convert_to_tensor(x), tuple(shape))


@symbolic
def flip(x: Any, axis: Any = None) -> Any:
    """Entries in reverse order along the axis."""
    return core.flip(convert_to_tensor(x), axis=axis)


@symbolic
def concatenate(xs: Sequence[Any], axis: int | None = 0) -> Any:
    """Joined along an axis (None: all flattened)."""
    xs = as_operands(*(convert_to_tensor(x) for x in xs))
    if axis is None:
        xs, axis = [core.reshape(x, (-1,)) for x in xs], 0
    return core.concatenate(xs, axis=axis)


@symbolic
def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Joined along a new axis."""
    return core.stack(as_operands(*(convert_to_tensor(item) for item in x)), axis=axis)


@symbolic
def hstack(xs: Sequence[Any]) -> Any:
    """Joined along the second axis (the first, for vectors)."""
    xs = [core.reshape(t, (1,)) if t.ndim == 0 else t for t in as_operands(*map(convert_to_tensor, xs))]
    return core.concatenate(xs, axis=0 if xs[0].ndim == 1 else 1)


@symbolic
def vstack(xs: Sequence[Any]) -> Any:
    """Joined along the first axis; vectors become rows."""
    xs = [core.reshape(t, (1, t.size)) if t.ndim < 2 else t for t in as_operands(*map(convert_to_tensor, xs))]
    return core.concatenate(xs, axis=0)


@symbolic
def column_stack(xs: Sequence[Any]) -> Any:
    """Joined along the second axis; vectors become columns."""
    xs = [core.reshape(t, (t.size, 1)) if t.ndim < 2 else t for t in as_operands(*map(convert_to_tensor, xs))]
    return core.concatenate(xs, axis=1)


@symbolic
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts along an axis: so many equal ones, or cut at the given indices."""
    x = convert_to_tensor(x)
    axis = normalize_axis_index(axis, x.ndim)
    length = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1 or length % indices_or_sections:
            raise ValueError(f"split: an axis of length {length} can't be cut into {indices_or_sections} equal parts.")
        step = length // indices_or_sections
        cuts = [step * i for i in range(1, indices_or_sections)]
    else:
        cuts = [int(i) for i in indices_or_sections]
    lead = (builtins.slice(None),) * axis
    return [x[(*lead, builtins.slice(a, b))] for a, b in zip([0, *cuts], [*cuts, length], strict=True)]


@symbolic
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The entries along an axis as a list."""
    x = convert_to_tensor(x)
    axis = normalize_axis_index(axis, x.ndim)
    if num is not None and num != x.shape[axis]:
        raise ValueError(f"unstack: num={num}, but axis {axis} has length {x.shape[axis]}.")
    lead = (builtins.slice(None),) * axis
    return [x[(*lead, i)] for i in range(x.shape[axis])]


@symbolic
def repeat(x: Any, repeats: int, axis: Any = None) -> Any:
    """Each entry ``repeats`` times along the axis (None: flattened)."""
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = core.reshape(x, (-1,)), 0
    indices = np.repeat(np.arange(x.shape[axis]), np.asarray(unwrap(repeats)))
    return core.take(x, indices, axis=axis)


@symbolic
def tile(x: Any, repeats: Any) -> Any:
    """The whole tensor repeated along its axes."""
    x = convert_to_tensor(x)
    repeats = tuple(np.atleast_1d(np.asarray(repeats)).tolist())
    rank = builtins.max(x.ndim, len(repeats))
    x = core.reshape(x, (1,) * (rank - x.ndim) + tuple(x.shape))
    for axis, count in enumerate((1,) * (rank - len(repeats)) + repeats):
        if count != 1:
            x = core.concatenate([x] * count, axis=axis)
    return x


@symbolic
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float | None = None) -> Any:
    """More entries before and after each axis: constants, or mode "reflect" or "symmetric"."""
    x = convert_to_tensor(x)
    widths: Any = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    if mode == "constant":
        before, after = ([int(n) for n in column] for column in widths.T)
        return core.pad(x, before, after, value=constant_values or 0.0)
    if constant_values is not None:
        raise ValueError(f"pad: constant_values go with mode='constant', not {mode!r}.")
    if mode not in ("reflect", "symmetric"):
        raise ValueError(f"pad: mode must be 'constant', 'reflect' or 'symmetric', got {mode!r}.")
    for axis in range(x.ndim):
        if widths[axis].any():
            indices: Any = np.arange(x.shape[axis])
            x = core.take(x, np.pad(indices, widths[axis], mode=mode), axis=axis)  # type: ignore[call-overload]
    return x


@symbolic
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Entries moved along an axis (None: flattened), those pushed out coming in on the other side."""
    x = convert_to_tensor(x)
    if axis is None:
        return core.reshape(roll(core.reshape(x, (-1,)), shift, 0), x.shape)
    axes, shifts = np.broadcast_arrays(np.atleast_1d(axis), np.atleast_1d(unwrap(shift)))
    for one, by in zip(axes.tolist(), shifts.tolist(), strict=True):
        x = core.take(x, np.roll(np.arange(x.shape[one]), by), axis=one)
    return x

"""Writing at indices, and reductions of segments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule

from ..config import standardize_dtype
from ..variables import convert_to_tensor, unwrap
from .dispatch import core, symbolic


@symbolic
def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Zeros of that shape with the values added at ``indices`` (..., axes); repeated places add up."""
    values = convert_to_tensor(values)
    zeros = chainrule.asarray(np.zeros(tuple(int(n) for n in shape), values.dtype))
    return core.index_add(zeros, values, *_columns(indices))


def _columns(indices: Any) -> list[Any]:
    places = np.asarray(unwrap(indices))
    return [places[..., axis] for axis in range(places.shape[-1])]


_COMBINED = {"mul": core.multiply, "max": core.maximum, "min": core.minimum}


@symbolic
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """A copy of the inputs with the updates put at ``indices`` (..., axes).

    ``reduction``: None writes them (the last one of a place wins); "add", "max", "min", "mul" combine them with what
    is there.
    """
    inputs, updates = convert_to_tensor(inputs), convert_to_tensor(updates)
    columns = _columns(indices)
    updates = core.cast(updates, inputs.dtype)
    if reduction == "add":
        return core.index_add(inputs, updates, *columns)
    if reduction not in (None, "max", "min", "mul"):
        raise ValueError(f"scatter_update: reduction must be None, 'add', 'max', 'min' or 'mul', got {reduction!r}.")
    count = columns[0].size
    updates = core.reshape(updates, (count, *updates.shape[columns[0].ndim :]))
    flat = [column.reshape(-1) for column in columns]
    # Places that occur several times are taken one after the other: round k holds the k-th occurrence of each.
    bounds = [inputs.shape[axis] for axis in range(len(columns))]
    places = np.ravel_multi_index([column % n for column, n in zip(flat, bounds, strict=True)], bounds)
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = np.maximum.accumulate(np.where(np.r_[True, ordered[1:] != ordered[:-1]], np.arange(count), 0))
    turn = np.empty(count, int)
    turn[order] = np.arange(count) - starts
    if reduction is None:
        last = {place: i for i, place in enumerate(places.tolist())}
        rounds = [np.array(sorted(last.values()), int)] if count else []
    else:
        rounds = [np.flatnonzero(turn == k) for k in range(int(turn.max(initial=-1)) + 1)]
    for rows in rounds:
        at = [column[rows] for column in flat]
        new = core.take(updates, rows, axis=0)
        if reduction is not None:
            new = _COMBINED[reduction](core.index(inputs, *at), new)
        inputs = _replaced(inputs, new, at)
    return inputs


def _replaced(x: Any, new: Any, at: list[np.ndarray]) -> Any:
    """``x`` with ``new`` at those places, which are distinct."""
    written = np.zeros(x.shape, "bool")
    written[tuple(at)] = True
    return core.index_add(core.where(written, core.cast(chainrule.asarray(np.zeros(())), x.dtype), x), new, *at)


@symbolic
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """A copy of the inputs with the block of ``updates`` written from ``start_indices`` on."""
    inputs, updates = convert_to_tensor(inputs), convert_to_tensor(updates)
    starts = [int(unwrap(i)) for i in unwrap(start_indices)]
    if len(starts) != inputs.ndim or updates.ndim != inputs.ndim:
        raise ValueError(
            f"slice_update: needs one start for each of {inputs.ndim} axes and updates with as many, got {starts} and "
            f"updates of shape {tuple(updates.shape)}."
        )
    stops = [a + n for a, n in zip(starts, updates.shape, strict=True)]
    if any(b > n or a < 0 for a, b, n in zip(starts, stops, inputs.shape, strict=True)):
        raise ValueError(
            f"slice_update: updates of shape {tuple(updates.shape)} from {starts} leave the inputs' shape "
            f"{tuple(inputs.shape)}."
        )
    return core.slice_update(inputs, core.cast(updates, inputs.dtype), starts, stops, [1] * inputs.ndim)


def _segments(name: str, empty: Callable[[Any], float], combine: str, doc: str) -> Callable[..., Any]:
    def apply(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
        data, ids = convert_to_tensor(data), np.asarray(unwrap(convert_to_tensor(segment_ids)))
        if ids.ndim != 1:
            raise ValueError(f"{name}: segment_ids must be a vector, got shape {ids.shape}.")
        if num_segments is None:
            num_segments = int(ids.max(initial=-1)) + 1
        rows = np.flatnonzero((ids >= 0) & (ids < num_segments))  # others are left out
        shape = (num_segments, *data.shape[1:])
        start = chainrule.asarray(np.full(shape, empty(data.dtype), data.dtype))
        updates = core.take(data, rows, axis=0)
        return scatter_update(start, ids[rows][:, None], updates, reduction=combine)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return symbolic(apply)


def _least(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _greatest(dtype: Any) -> Any:
    return np.inf if dtype.kind == "f" else np.iinfo(dtype).max


segment_sum = _segments("segment_sum", lambda dtype: 0, "add", "Sums of the rows with the same segment id.")
segment_prod = _segments("segment_prod", lambda dtype: 1, "mul", "Products of the rows with the same segment id.")
segment_max = _segments("segment_max", _least, "max", "Greatest of the rows with one id; of none: the least number.")
segment_min = _segments("segment_min", _greatest, "min", "Least of the rows with one id; of none: the greatest.")


@symbolic
def saturate_cast(x: Any, dtype: Any) -> Any:
    """In another type, kept within its range."""
    x, dtype = convert_to_tensor(x), standardize_dtype(dtype)
    if x.dtype == dtype:
        return x
    if dtype == "bool" or "float" in dtype:
        return core.cast(x, dtype)
    bounds = np.iinfo(dtype)
    least, greatest = (float(bounds.min), float(bounds.max)) if x.dtype.kind == "f" else (bounds.min, bounds.max)
    if x.dtype.kind in "iu":
        own = np.iinfo(x.dtype)
        least, greatest = max(least, own.min), min(greatest, own.max)
    elif x.dtype.kind == "f":  # the greatest float that the integer type holds
        greatest = float(np.nextafter(x.dtype.type(greatest), x.dtype.type(0))) if bounds.bits >= 32 else greatest
    return core.cast(core.minimum(core.maximum(x, least), greatest), dtype)

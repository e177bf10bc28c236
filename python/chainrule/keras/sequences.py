"""Sequences of different lengths, and windows over a series."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule

from .directories import Batches


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as one array (sequences, maxlen, ...).

    Args:
        sequences: lists of numbers (or of vectors, all of one shape).
        maxlen: the length of the rows; by default that of the longest.
        padding, truncating: "pre" or "post": at which end short ones are filled and long ones cut.
        value: what fills.

    Raises:
        ValueError: something in ``sequences`` has no length, steps of different shapes, or an unknown end.

    Example: ``pad_sequences([[1], [2, 3]])`` is ``[[0, 1], [2, 3]]``.
    """
    for name, end in (("padding", padding), ("truncating", truncating)):
        if end not in ("pre", "post"):
            raise ValueError(f"pad_sequences: {name} must be 'pre' or 'post', got {end!r}.")
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"pad_sequences: sequences must be a list of lists, got {type(sequences).__name__}.")
    lengths = []
    for i, one in enumerate(sequences):
        if not hasattr(one, "__len__"):
            raise ValueError(f"pad_sequences: sequences must be a list of lists; entry {i} is {one!r}.")
        lengths.append(len(one))
    if maxlen is None:
        maxlen = max(lengths, default=0)
    shape = next((np.asarray(one).shape[1:] for one in sequences if len(one)), ())
    kind = np.dtype(dtype)
    if isinstance(value, str) and kind.kind not in "OUS":
        raise ValueError(f"pad_sequences: value {value!r} doesn't fit dtype {kind}; use dtype=object for text.")
    padded = np.full((len(lengths), maxlen, *shape), value, dtype=kind)
    for i, one in enumerate(sequences):
        if not len(one) or not maxlen:
            continue
        kept = np.asarray(one[-maxlen:] if truncating == "pre" else one[:maxlen], dtype=kind)
        if kept.shape[1:] != shape:
            raise ValueError(f"pad_sequences: steps have shape {shape}, but those of entry {i} {kept.shape[1:]}.")
        if padding == "post":
            padded[i, : len(kept)] = kept
        else:
            padded[i, maxlen - len(kept) :] = kept
    return padded


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Batches:
    """Windows over a series, in batches ``(windows, targets)`` for fit, evaluate and predict.

    Window i holds the steps ``i * sequence_stride + sampling_rate * (0 ... sequence_length - 1)`` and belongs to target
    ``targets[i * sequence_stride]``.

    Args:
        data: the series, one step a row.
        targets: one a step, or None for windows alone.
        shuffle: whether the windows come in another order, the same for the same ``seed``.
        start_index, end_index: only steps in this range are used.
        batch_size: windows a batch; None: one.

    Raises:
        ValueError: lengths and strides below 1, or a series shorter than a window.

    Example::

        dataset = keras.utils.timeseries_dataset_from_array(x[:-24], x[24:], sequence_length=48)
        model.fit(dataset)
    """
    for name, number in (
        ("sequence_length", sequence_length),
        ("sequence_stride", sequence_stride),
        ("sampling_rate", sampling_rate),
    ):
        if number < 1:
            raise ValueError(f"timeseries_dataset_from_array: {name} must be at least 1, got {number!r}.")
    series = np.asarray(data)
    first, last = start_index or 0, len(series) if end_index is None else end_index
    if not 0 <= first < last <= len(series):
        raise ValueError(
            f"timeseries_dataset_from_array: start_index and end_index must lie in 0 to {len(series)}, got {first} and "
            f"{last}."
        )
    reach = (sequence_length - 1) * sampling_rate
    stop = last - first - reach
    if targets is not None:
        targets = np.asarray(targets)
        stop = min(stop, len(targets) - first)
    if stop < 1:
        raise ValueError(
            f"timeseries_dataset_from_array: a window reaches over {reach + 1} steps, but there are {last - first}."
        )
    starts = first + np.arange(0, stop, sequence_stride)
    if shuffle:
        starts = np.random.default_rng(seed).permutation(starts)
    offsets, size = np.arange(sequence_length) * sampling_rate, batch_size or 1

    def make(index: int) -> Any:
        chosen = starts[index * size : (index + 1) * size]
        windows = chainrule.asarray(series[chosen[:, None] + offsets])
        return windows if targets is None else (windows, chainrule.asarray(targets[chosen]))

    return Batches(-(-len(starts) // size), make)

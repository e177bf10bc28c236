"""The data of fit, evaluate and predict: checked once, then cut into batches of rows."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import chainrule

from .symbolic import flatten, map_structure, pack_like
from .variables import Tensor, Variable, check_numeric

Batch = tuple[Any, Any, Any]


def batch_parts(data: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of ``x``, ``(x, y)`` or ``(x, y, sample_weight)``; None for missing parts.

    Raises:
        ValueError: a tuple of another length.
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(f"Expected x, (x, y) or (x, y, sample_weight), got a tuple of {len(data)}.")
    padded = (*data, None, None)
    return padded[0], padded[1], padded[2]


def is_array_data(x: Any) -> bool:
    """Whether ``x`` is an array-like or a structure of them, as opposed to a source of batches."""
    if isinstance(x, PyDataset):
        return False
    leaves = flatten(x)
    if isinstance(x, (list, tuple, dict)):
        leaves = [leaf for leaf in leaves if leaf is not None]  # optional inputs that aren't given
    return all(hasattr(leaf, "__array__") or isinstance(leaf, (int, float)) for leaf in leaves)


def to_rows(x: Any, what: str) -> Any:
    """A tensor of an array-like with at least one axis; shares memory with ndarrays."""
    if x is None:  # an optional input that isn't given
        return None
    if isinstance(x, Variable):
        x = x.value
    if not isinstance(x, Tensor):
        values = np.asarray(x)
        check_numeric(values, what)
        x = chainrule.asarray(values)
    if not x.shape:
        raise ValueError(f"{what} is a single number; fit, evaluate and predict take arrays with one row a sample.")
    return x


def _structure(data: Any, what: str) -> Any:
    """The structure with tensors for leaves. A list of numbers (or of rows of numbers) is one array."""
    if isinstance(data, (list, tuple)) and not any(hasattr(item, "__array__") for item in data):
        if any(item is None or isinstance(item, dict) for item in data):
            return map_structure(lambda leaf: to_rows(leaf, what), data)
        try:
            data = np.asarray(data)
        except ValueError:
            raise ValueError(
                f"{what} is a list of rows of different lengths; pad them to one length (numpy.pad) or pass an array."
            ) from None
        if data.dtype.kind == "f":
            data = data.astype("float32")
    return map_structure(lambda leaf: to_rows(leaf, what), data)


def present(structure: Any) -> list[Any]:
    """The leaves that aren't None."""
    return [leaf for leaf in flatten(structure) if leaf is not None]


class ArrayData:
    """Arrays of inputs, targets and weights with one row a sample.

    Raises:
        ValueError: no rows, different numbers of rows, text or objects.
    """

    def __init__(self, x: Any, y: Any = None, sample_weight: Any = None, name: str = "") -> None:
        prefix = f"{name} " if name else ""
        self.x = _structure(x, f"{prefix}x")
        self.y = None if y is None else _structure(y, f"{prefix}y")
        self.sample_weight = None if sample_weight is None else _structure(sample_weight, f"{prefix}sample_weight")
        groups = [("x", self.x), ("y", self.y), ("sample_weight", self.sample_weight)]
        self.arrays = [leaf for _, part in groups for leaf in present(part)]
        lengths = {f"{prefix}{label}": [leaf.shape[0] for leaf in present(part)] for label, part in groups}
        lengths = {label: each for label, each in lengths.items() if each}
        counts = {length for each in lengths.values() for length in each}
        if len(counts) > 1:
            told = ", ".join(f"{label}: {'/'.join(map(str, each))}" for label, each in lengths.items())
            raise ValueError(f"The arrays must have the same number of rows (samples); they have {told}.")
        self.rows: int = counts.pop() if counts else 0
        if self.rows == 0:
            raise ValueError(
                f"{prefix}x is empty: there are no samples. Its shapes are {[tuple(a.shape) for a in self.arrays]}."
            )

    def unpack(self, arrays: list[Any]) -> Batch:
        """(x, y, sample_weight) in their structures from a flat list in the order of ``arrays``."""
        source = iter(arrays)
        parts = []
        for part in (self.x, self.y, self.sample_weight):
            leaves = [None if leaf is None else next(source) for leaf in flatten(part)]
            parts.append(None if part is None else pack_like(part, leaves))
        return parts[0], parts[1], parts[2]

    def key(self) -> Any:
        """What of the structure a recorded program depends on, besides shapes and types."""

        def shape_of(part: Any) -> Any:
            if isinstance(part, dict):
                return ("dict", *((k, shape_of(part[k])) for k in sorted(part)))
            if isinstance(part, (list, tuple)):
                return (type(part).__name__, *map(shape_of, part))
            return "*" if part is not None else None

        return shape_of(self.x), shape_of(self.y), shape_of(self.sample_weight)

    def signature(self, rows: int) -> list[tuple[tuple[int, ...], str]]:
        """(shape, dtype) of each array's batch of that many rows."""
        return [((rows, *a.shape[1:]), a.dtype.name) for a in self.arrays]

    def slice(self, start: int, stop: int) -> ArrayData:
        """The rows from start to stop (views)."""
        part = object.__new__(ArrayData)
        cut = {id(a): a[start:stop] for a in self.arrays}
        for field in ("x", "y", "sample_weight"):
            value = getattr(self, field)
            setattr(part, field, map_structure(lambda leaf: None if leaf is None else cut[id(leaf)], value))
        part.arrays = [cut[id(a)] for a in self.arrays]
        part.rows = stop - start
        return part

    def batches(self, batch_size: int, order: np.ndarray | None = None) -> Iterator[Batch]:
        """Batches of rows in the given order."""
        for start in range(0, self.rows, batch_size):
            stop = min(start + batch_size, self.rows)
            if order is None:
                rows = [a[start:stop] for a in self.arrays]
            else:
                rows = [a[order[start:stop]] for a in self.arrays]
            yield self.unpack(rows)


class PyDataset:
    """Base class of data made batch by batch: subclasses define ``__len__`` (batches) and ``__getitem__(i) -> (x, y)``.

    ``on_epoch_end`` is called after each epoch. ``workers`` and the other arguments are accepted; batches are made in
    turn.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index).")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__(), the number of batches.")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; None: without end."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


class BatchSource:
    """Batches of a :class:`PyDataset`, generator or iterable of ``x``, ``(x, y)`` or ``(x, y, sample_weight)``."""

    def __init__(self, source: Any, name: str = "x") -> None:
        if not hasattr(source, "__iter__") and not hasattr(source, "__getitem__"):
            raise ValueError(
                f"{name} is a {type(source).__name__}; expected arrays, a keras.utils.PyDataset or an iterable of "
                f"batches."
            )
        self.source = source
        self.class_weight: dict[int, float] | None = None
        self.steps: int | None = None
        if isinstance(source, PyDataset):
            self.steps = source.num_batches
        elif hasattr(source, "__len__"):
            with contextlib.suppress(TypeError):  # not known, for instance of a loader of an iterable
                self.steps = len(source)
        self._iterator: Iterator[Any] | None = None

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch; a generator goes on where it stopped."""
        for batch in self._unpacked():
            if self.class_weight is None:
                yield batch
            else:
                weighted = apply_class_weight(ArrayData(*batch), self.class_weight)
                yield weighted.x, weighted.y, weighted.sample_weight

    def _unpacked(self) -> Iterator[Batch]:
        source = self.source
        if isinstance(source, PyDataset):
            source.on_epoch_begin()
            for index in itertools.count() if source.num_batches is None else range(source.num_batches):
                yield unpack_batch(source[index])
            source.on_epoch_end()
            return
        if iter(source) is source:
            iterator = source
        else:
            iterator = iter(source)
        for batch in iterator:
            yield unpack_batch(batch)


def unpack_batch(batch: Any) -> Batch:
    """``x``, ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)`` as three tensors' structures."""
    if not isinstance(batch, (tuple, list)) or (isinstance(batch, list) and len(batch) not in (2, 3)):
        batch = (batch,)
    if not 1 <= len(batch) <= 3:
        raise ValueError(f"A batch must be x, (x, y) or (x, y, sample_weight); got a tuple of {len(batch)}.")
    data = ArrayData(*batch)
    return data.x, data.y, data.sample_weight


def apply_class_weight(data: ArrayData, class_weight: dict[int, float]) -> ArrayData:
    """The data with each sample's weight multiplied by that of its class (1 for classes not named)."""
    if not isinstance(class_weight, dict):
        raise ValueError(f"class_weight must be a dictionary from class numbers to weights, got {class_weight!r}.")
    if data.y is None or len(flatten(data.y)) != 1:
        raise ValueError("class_weight needs exactly one array of targets; with several outputs use sample_weight.")
    labels = np.asarray(flatten(data.y)[0])
    if labels.ndim > 1:
        labels = labels.argmax(axis=-1) if labels.shape[-1] > 1 else labels[..., 0]
    numbers = np.array(sorted(class_weight), dtype=np.int64)
    values = np.array([class_weight[n] for n in numbers.tolist()], dtype=np.float32)
    weights = np.ones(labels.shape, np.float32)
    whole = labels.astype(np.int64)
    place = np.clip(np.searchsorted(numbers, whole), 0, len(numbers) - 1)
    named = numbers[place] == whole
    weights[named] = values[place[named]]
    if data.sample_weight is not None:
        weights = weights * np.asarray(flatten(data.sample_weight)[0], dtype=np.float32)
    return ArrayData(data.x, data.y, weights)


def split_validation(data: ArrayData, fraction: float) -> tuple[ArrayData, ArrayData]:
    """(training, validation): the last ``fraction`` of the rows, before any shuffling, is for validation."""
    if not 0 < fraction < 1:
        raise ValueError(f"validation_split must be between 0 and 1, got {fraction}.")
    cut = int(data.rows * (1.0 - fraction))
    if cut == 0 or cut == data.rows:
        raise ValueError(f"validation_split={fraction} of {data.rows} samples leaves one of the parts empty.")
    return data.slice(0, cut), data.slice(cut, data.rows)


class OutOfDataError(ValueError):
    """A source of batches has none for another epoch."""


class BatchLoop:
    """Runs steps one by one from Python, with the interface of the core's ``FitLoop``.

    Args:
        step: ``step(x, y, sample_weight)``.
        batches: ``batches(epoch)``, the batches of an epoch.
    """

    def __init__(self, step: Callable[[Any, Any, Any], Any], batches: Callable[[int], Iterator[Batch]]) -> None:
        self._step, self._batches = step, batches
        self.epoch, self.step = 0, 0
        self._iterator: Iterator[Batch] | None = None
        self._following: Batch | None = None

    def run(self, epochs: int, max_steps: int = -1, seconds: float = -1.0) -> None:
        """Goes on until ``epochs`` are finished in all, ``max_steps`` more steps are done or the time is over (< 0: no
        limit).

        Raises:
            ValueError: the source of batches is exhausted before an epoch could begin.
        """
        deadline = time.perf_counter() + seconds
        count = 0
        while self.epoch < epochs and count != max_steps:
            if self._iterator is None:
                self._iterator = self._batches(self.epoch)
                self._following = next(self._iterator, None)
                if self._following is None:
                    raise OutOfDataError(
                        "The source of batches has no batch (left) for the next epoch. A generator is used up after "
                        "one "
                        "pass: give steps_per_epoch, or use a keras.utils.PyDataset."
                    )
            batch, self._following = self._following, None
            assert batch is not None
            self._step(*batch)
            self.step += 1
            count += 1
            self._following = next(self._iterator, None)
            if self._following is None:
                self._iterator, self.step = None, 0
                self.epoch += 1
            if seconds >= 0 and time.perf_counter() >= deadline:
                break

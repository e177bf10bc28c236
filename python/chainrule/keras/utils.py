"""``keras.utils``: seeds, one-hot labels, normalisation, and names shared with other modules."""

from __future__ import annotations

import operator
import random as python_random
from typing import Any

import numpy as np

import chainrule
from chainrule import seeds

from . import bounding_boxes as bounding_boxes
from .config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
    standardize_dtype,
)
from .data import PyDataset
from .data import batch_parts as unpack_x_y_sample_weight
from .directories import (
    audio_dataset_from_directory,
    get_file,
    image_dataset_from_directory,
    text_dataset_from_directory,
)
from .images import array_to_img, img_to_array, load_img, save_img
from .naming import clear_session
from .plotting import model_to_dot, plot_model
from .progress import Progbar
from .registry import (
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from .sequences import pad_sequences, timeseries_dataset_from_array
from .symbolic import flatten, is_keras_tensor, map_structure
from .variables import convert_to_tensor

CustomObjectScope = custom_object_scope
Sequence = PyDataset


def set_random_seed(seed: int) -> None:
    """Seeds Python's, NumPy's and chainrule's random numbers: the same seed gives the same weights and the same
    training.

    The results do not depend on the number of threads.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed: the seed must be an integer from 0 to 2**32 - 1, got {seed!r}.")
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    seeds.seed(int(seed))


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """One-hot rows of class numbers: shape (...) or (..., 1) -> (..., num_classes), a float32 ndarray.

    Raises:
        ValueError: a label outside of 0 .. num_classes - 1.

    Example: ``to_categorical([0, 2], 3)`` is ``[[1, 0, 0], [0, 0, 1]]``.
    """
    is_tensor = isinstance(x, chainrule.Tensor)
    labels = np.asarray(x)
    if labels.dtype.kind not in "iub" and (labels != np.floor(labels)).any():
        raise ValueError("to_categorical: labels must be whole numbers.")
    labels = labels.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        num_classes = int(labels.max()) + 1 if labels.size else 0
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        bad = labels[(labels < 0) | (labels >= num_classes)].flat[0]
        raise ValueError(
            f"to_categorical: label {bad} is out of range for {num_classes} classes (0 to {num_classes - 1})."
        )
    rows = np.zeros((labels.size, num_classes), np.float32)
    rows[np.arange(labels.size), labels.reshape(-1)] = 1
    rows = rows.reshape((*labels.shape, num_classes))
    return convert_to_tensor(rows) if is_tensor else rows


def normalize(x: Any, axis: int = -1, order: float = 2) -> Any:
    """x divided by its norm of that order along the axis (zero vectors stay): an ndarray for arrays, else a tensor."""
    if not isinstance(x, chainrule.Tensor):
        values = np.asarray(x)
        norms = np.atleast_1d(np.linalg.norm(values, order, axis))
        norms[norms == 0] = 1
        return values / np.expand_dims(norms, axis)
    from . import ops

    return ops.normalize(x, axis=axis, order=order)


def split_dataset(
    dataset: Any,
    left_size: Any = None,
    right_size: Any = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """Arrays (or lists, tuples and dictionaries of them) cut in two by rows.

    Args:
        left_size, right_size: a share of the rows (a float in (0, 1)) or their number; one of them is enough.
        shuffle: whether to put the rows in another order first, the same for the same ``seed``.

    Raises:
        ValueError: neither size given, or sizes that don't fit.

    Example: ``(x_train, y_train), (x_val, y_val) = split_dataset((x, y), left_size=0.8, shuffle=True, seed=1)``.
    """
    arrays = map_structure(np.asarray, dataset)
    counts = {len(leaf) for leaf in flatten(arrays)}
    if len(counts) != 1:
        raise ValueError(f"split_dataset: the arrays have different numbers of rows {sorted(counts)}.")
    rows = counts.pop()

    def number(size: Any, name: str) -> int:
        if isinstance(size, float) and not 0 < size < 1 or not isinstance(size, float) and not 0 < size < rows:
            raise ValueError(f"split_dataset: {name} must be a share in (0, 1) or from 1 to {rows - 1}, got {size!r}.")
        return round(size * rows) if isinstance(size, float) else int(size)

    if left_size is None and right_size is None:
        raise ValueError("split_dataset needs left_size or right_size.")
    left = rows - number(right_size, "right_size") if left_size is None else number(left_size, "left_size")
    right = rows - left if right_size is None else number(right_size, "right_size")
    if left + right > rows:
        raise ValueError(f"split_dataset: {left} and {right} rows are asked for, there are {rows}.")
    order = np.random.default_rng(seed).permutation(rows) if shuffle else np.arange(rows)
    halves = [map_structure(operator.itemgetter(part), arrays) for part in (order[:left], order[left : left + right])]
    return halves[0], halves[1]


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """``x``, ``(x, y)`` or ``(x, y, sample_weight)``, without the missing parts."""
    if y is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


__all__ = [
    "audio_dataset_from_directory",
    "bounding_boxes",
    "text_dataset_from_directory",
    "save_img",
    "load_img",
    "model_to_dot",
    "plot_model",
    "img_to_array",
    "image_dataset_from_directory",
    "get_file",
    "array_to_img",
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]

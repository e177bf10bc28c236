"""Means over samples: accuracies, and the losses as metrics."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import _core

from .. import losses
from ..activations import logits_of
from ..config import standardize_dtype
from ..losses import match_ranks
from ..variables import convert_to_tensor
from .base import Mean, MeanMetricWrapper, registry

_op = _core.ops

# ---- accuracies ----------------------------------------------------------------------------------------------------


def _pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    y_pred = convert_to_tensor(y_pred)
    return match_ranks(convert_to_tensor(y_true, y_pred.dtype), y_pred)


def _scores(y_pred: Any) -> Any:
    """What to take the argmax of: the logits if they are known (the same order, without computing the softmax)."""
    logits = logits_of(y_pred, "softmax")
    return convert_to_tensor(y_pred if logits is None else logits)


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where y_true equals y_pred, else 0."""
    y_true, y_pred = _pair(y_true, y_pred)
    return _op.cast(_op.equal(y_true, y_pred), standardize_dtype(None))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where (y_pred > threshold) == y_true, else 0."""
    y_true, y_pred = _pair(y_true, y_pred)
    above = _op.cast(_op.greater(y_pred, threshold), y_true.dtype)
    return _op.cast(_op.equal(y_true, above), standardize_dtype(None))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the greatest of y_pred is the greatest of the one-hot y_true, else 0."""
    right = _op.equal(_op.argmax(convert_to_tensor(y_true), axis=-1), _op.argmax(_scores(y_pred), axis=-1))
    return _op.cast(right, standardize_dtype(None))


def _labels(y_true: Any, scores: Any) -> Any:
    y_true = convert_to_tensor(y_true)
    if y_true.ndim == scores.ndim and y_true.shape[-1] == 1:
        y_true = _op.squeeze(y_true, axis=-1)
    return _op.cast(y_true, "int64") if y_true.dtype != np.int64 else y_true


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the greatest of y_pred stands at the place y_true, else 0."""
    scores = _scores(y_pred)
    right = _op.equal(_labels(y_true, scores), _op.argmax(scores, axis=-1))
    return _op.cast(right, standardize_dtype(None))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where fewer than k scores are greater than that of the right class (one-hot y_true), else 0."""
    return sparse_top_k_categorical_accuracy(_op.argmax(convert_to_tensor(y_true), axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Any:
    """1 where fewer than k scores are greater than that of class y_true, else 0.

    ``from_sorted_ids``: y_pred holds class numbers, best first.
    """
    scores = _scores(y_pred)
    labels = _op.expand_dims(_labels(y_true, scores), -1)
    if from_sorted_ids:
        hits = _op.any(_op.equal(_op.cast(scores, "int64")[..., :k], labels), axis=-1)
    else:
        right = _op.take_along_axis(scores, labels, axis=-1)
        hits = _op.less(_op.sum(_op.cast(_op.greater(scores, right), "int32"), axis=-1), k)
    return _op.cast(hits, standardize_dtype(None))


# ---- classes -------------------------------------------------------------------------------------------------------


def _metric_class(name: str, function: Callable[..., Any], default_name: str, *aliases: str) -> type[MeanMetricWrapper]:
    """A subclass of MeanMetricWrapper whose constructor takes name, dtype and the function's options."""
    options = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in inspect.signature(function).parameters.values()
        if p.name not in ("y_true", "y_pred")
    ]
    common = [
        inspect.Parameter("name", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default_name),
        inspect.Parameter("dtype", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None),
    ]
    # Keras puts k first (TopKCategoricalAccuracy(k=5, name=..., dtype=...)), other options last.
    first = [p for p in options if p.name == "k"]
    signature = inspect.Signature([*first, *common, *(p for p in options if p.name != "k")])

    def __init__(self: MeanMetricWrapper, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        MeanMetricWrapper.__init__(self, function, **bound.arguments)
        vars(self).update(self._fn_kwargs)  # metric.k, metric.threshold, ...

    document = f"The mean over samples of :func:`{function.__name__}`.\n\n    {function.__doc__}"
    cls = type(name, (MeanMetricWrapper,), {"__init__": __init__, "__doc__": document, "__module__": __name__})
    cls.__signature__ = signature  # type: ignore[attr-defined]
    return registry.add(cls, *aliases)


_make = _metric_class
Accuracy = _make("Accuracy", accuracy, "accuracy")
BinaryAccuracy = _make("BinaryAccuracy", binary_accuracy, "binary_accuracy", "binary_accuracy")
CategoricalAccuracy = _make("CategoricalAccuracy", categorical_accuracy, "categorical_accuracy", "categorical_accuracy")
SparseCategoricalAccuracy = _make(
    "SparseCategoricalAccuracy",
    sparse_categorical_accuracy,
    "sparse_categorical_accuracy",
    "sparse_categorical_accuracy",
)
TopKCategoricalAccuracy = _make(
    "TopKCategoricalAccuracy", top_k_categorical_accuracy, "top_k_categorical_accuracy", "top_k_categorical_accuracy"
)
SparseTopKCategoricalAccuracy = _make(
    "SparseTopKCategoricalAccuracy",
    sparse_top_k_categorical_accuracy,
    "sparse_top_k_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
)
MeanSquaredError = _make(
    "MeanSquaredError", losses.mean_squared_error, "mean_squared_error", "mse", "MSE", "mean_squared_error"
)
MeanAbsoluteError = _make(
    "MeanAbsoluteError", losses.mean_absolute_error, "mean_absolute_error", "mae", "MAE", "mean_absolute_error"
)
MeanAbsolutePercentageError = _make(
    "MeanAbsolutePercentageError",
    losses.mean_absolute_percentage_error,
    "mean_absolute_percentage_error",
    "mape",
    "MAPE",
    "mean_absolute_percentage_error",
)
MeanSquaredLogarithmicError = _make(
    "MeanSquaredLogarithmicError",
    losses.mean_squared_logarithmic_error,
    "mean_squared_logarithmic_error",
    "msle",
    "MSLE",
    "mean_squared_logarithmic_error",
)
LogCoshError = _make("LogCoshError", losses.log_cosh, "logcosh", "logcosh", "log_cosh")
Hinge = _make("Hinge", losses.hinge, "hinge", "hinge")
SquaredHinge = _make("SquaredHinge", losses.squared_hinge, "squared_hinge", "squared_hinge")
CategoricalHinge = _make("CategoricalHinge", losses.categorical_hinge, "categorical_hinge", "categorical_hinge")
BinaryCrossentropy = _make(
    "BinaryCrossentropy", losses.binary_crossentropy, "binary_crossentropy", "bce", "BCE", "binary_crossentropy"
)
CategoricalCrossentropy = _make(
    "CategoricalCrossentropy",
    losses.categorical_crossentropy,
    "categorical_crossentropy",
    "categorical_crossentropy",
)
SparseCategoricalCrossentropy = _make(
    "SparseCategoricalCrossentropy",
    losses.sparse_categorical_crossentropy,
    "sparse_categorical_crossentropy",
    "sparse_categorical_crossentropy",
)
KLDivergence = _make("KLDivergence", losses.kl_divergence, "kl_divergence", "kld", "KLD", "kl_divergence")
Poisson = _make("Poisson", losses.poisson, "poisson", "poisson")


def _cosine(y_true: Any, y_pred: Any, axis: int) -> Any:
    return -losses.cosine_similarity(y_true, y_pred, axis)


@registry.add
class CosineSimilarity(MeanMetricWrapper):
    """The mean of the cosine between y_true and y_pred along ``axis``: 1 for the same direction."""

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(_cosine, name, dtype, axis=axis)


@registry.add
class RootMeanSquaredError(Mean):
    """sqrt(mean (y - yhat)^2) over all values."""

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        y_true, y_pred = losses.operands(y_true, y_pred, self.name)
        super().update_state(_op.square(y_pred - y_true), sample_weight)

    def result(self) -> Any:
        return _op.sqrt(super().result())

    def results(self, states: np.ndarray) -> np.ndarray:
        return np.sqrt(super().results(states))


registry.add(RootMeanSquaredError, "rmse", "RMSE")

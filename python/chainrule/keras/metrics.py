"""Metrics: accumulated over batches in state variables, so that they can be part of a recorded step.

``update_state`` adds to the variables with in-place ops, ``result`` computes the value from them, ``reset_state``
zeroes them. The means keep total and count in float64: a float32 count would stop at 2^24 samples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import _core

from . import losses
from .activations import logits_of
from .config import standardize_dtype
from .losses import masked_weights, match_ranks
from .masking import get_mask
from .naming import snake_case, unique_name
from .registry import Registry, deserialize_keras_object, serialize_keras_object
from .variables import Variable, as_float, convert_to_tensor

_op = _core.ops


class Metric:
    """Base class: subclasses add variables in ``__init__`` and define ``update_state`` and ``result``.

    Example::

        class Positives(keras.metrics.Metric):
            def __init__(self, name="positives"):
                super().__init__(name=name)
                self.count = self.add_variable(shape=(), initializer="zeros", name="count")

            def update_state(self, y_true, y_pred, sample_weight=None):
                self.count.assign_add(keras.ops.sum(keras.ops.cast(y_pred > 0.5, "float32")))

            def result(self):
                return self.count
    """

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or unique_name(snake_case(type(self).__name__))
        self._dtype = standardize_dtype(dtype)
        self._variables: list[Variable] = []

    @property
    def dtype(self) -> str:
        """The type of the result."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """The state."""
        nested = [v for m in self.__dict__.values() if isinstance(m, Metric) for v in m.variables]
        return self._variables + nested

    def add_variable(
        self, shape: Any, initializer: Any, dtype: Any = None, aggregation: str = "sum", name: str | None = None
    ) -> Variable:
        """A new state variable."""
        variable = Variable(initializer, shape=shape, dtype=dtype or self._dtype, trainable=False, name=name)
        self._variables.append(variable)
        return variable

    def add_weight(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """As :meth:`add_variable`, zeros by default."""
        return self.add_variable(shape, initializer or "zeros", dtype, name=name)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Adds a batch to the state."""
        raise NotImplementedError(f"{type(self).__name__} must define update_state(...).")

    def result(self) -> Any:
        """The value for everything seen since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} must define result().")

    def reset_state(self) -> None:
        """Starts again: zeroes the state."""
        for variable in self.variables:
            variable.value.fill(0)

    def results(self, states: np.ndarray) -> np.ndarray | None:
        """The values for many states, one row of scalar variables each; None if only :meth:`result` can tell."""
        return None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``update_state`` followed by ``result``."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """A metric made with ``config``."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class Sum(Metric):
    """The weighted sum of all values."""

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", "float64", name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, _ = _weighted(values, sample_weight)
        self.total.assign_add(_op.sum(values))

    def result(self) -> Any:
        return _op.cast(self.total.value, self.dtype)

    def results(self, states: np.ndarray) -> np.ndarray:
        return states[:, 0]


class Mean(Metric):
    """total / count: the weighted mean of all values, 0 before the first."""

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable((), "zeros", "float64", name="total")
        self.count = self.add_variable((), "zeros", "float64", name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        if isinstance(sample_weight, (int, float)):
            values = convert_to_tensor(values)
            total, count = (
                (_op.sum(values) if values.ndim else values) * float(sample_weight),
                values.size * sample_weight,
            )
        else:
            values, weights = _weighted(values, sample_weight)
            total, count = (
                _op.sum(values) if values.ndim else values,
                values.size if weights is None else _op.sum(weights),
            )
        self.total.assign_add(total)
        self.count.assign_add(float(count) if isinstance(count, int) else count)

    def result(self) -> Any:
        total, count = self.total.value, self.count.value
        return _op.cast(
            _op.where(_op.equal(count, 0.0), 0.0, total / _op.where(_op.equal(count, 0.0), 1.0, count)), self.dtype
        )

    def results(self, states: np.ndarray) -> np.ndarray:
        totals, counts = states[:, 0], states[:, 1]
        return np.divide(totals, counts, out=np.zeros_like(totals), where=counts != 0)


def _weighted(values: Any, sample_weight: Any) -> tuple[Any, Any]:
    """(values times weights, the weights of each value or None)."""
    values = convert_to_tensor(values)
    if values.dtype.kind != "f":
        values = _op.cast(values, standardize_dtype(None))
    if sample_weight is None:
        return values, None
    weights = convert_to_tensor(sample_weight, values.dtype)
    values, weights = match_ranks(values, weights)
    if weights.ndim < values.ndim:
        weights = _op.reshape(weights, tuple(weights.shape) + (1,) * (values.ndim - weights.ndim))
    if tuple(weights.shape) != tuple(values.shape):
        weights = _op.broadcast_to(weights, tuple(values.shape))
    return values * weights, weights


class MeanMetricWrapper(Mean):
    """The mean of a function ``(y_true, y_pred, **kwargs) -> value of each sample``."""

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        self._fn, self._fn_kwargs = fn, kwargs

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        mask = get_mask(y_pred)
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        if mask is not None:
            sample_weight = masked_weights(sample_weight, mask, values.dtype, "sum")
        ignored = self._fn_kwargs.get("ignore_class")
        if ignored is not None:
            valid = as_float(_op.not_equal(convert_to_tensor(y_true), ignored), values.dtype)
            sample_weight = valid if sample_weight is None else _weighted(valid, sample_weight)[0]
        super().update_state(values, sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = {"name": self.name, "dtype": self.dtype}
        if type(self) is MeanMetricWrapper:
            config["fn"] = serialize_keras_object(self._fn)
        return {**config, **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        if "fn" in config:
            config = {**config, "fn": deserialize_keras_object(config["fn"])}
        return cls(**config)


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
    """The fraction along the last axis of (y_pred > threshold) == y_true."""
    y_true, y_pred = _pair(y_true, y_pred)
    above = _op.cast(_op.greater(y_pred, threshold), y_true.dtype)
    return _op.mean(_op.cast(_op.equal(y_true, above), standardize_dtype(None)), axis=-1)


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

_registry = Registry("metric", "keras.metrics", Metric)
for _plain in (Sum, Mean, MeanMetricWrapper):
    _registry.add(_plain)


def get(identifier: Any) -> Any:
    """The metric object or function meant by a name (with suggestions if unknown), configuration, class or callable."""
    return _registry.get(identifier)


serialize = _registry.serialize
deserialize = _registry.deserialize


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

    document = f"The mean over samples of :func:`{function.__name__}`.\n\n    {function.__doc__}"
    cls = type(name, (MeanMetricWrapper,), {"__init__": __init__, "__doc__": document, "__module__": __name__})
    cls.__signature__ = signature  # type: ignore[attr-defined]
    return _registry.add(cls, *aliases)


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


@_registry.add
class CosineSimilarity(MeanMetricWrapper):
    """The mean of the cosine between y_true and y_pred along ``axis``: 1 for the same direction."""

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(lambda a, b, axis: -losses.cosine_similarity(a, b, axis), name, dtype, axis=axis)


@_registry.add
class RootMeanSquaredError(Mean):
    """sqrt(mean (y - yhat)^2) over all values."""

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        super().update_state(losses.mean_squared_error(y_true, y_pred), sample_weight)

    def result(self) -> Any:
        return _op.sqrt(super().result())

    def results(self, states: np.ndarray) -> np.ndarray:
        return np.sqrt(super().results(states))


for _alias, _class in (("rmse", RootMeanSquaredError), ("RMSE", RootMeanSquaredError)):
    _registry._objects[_alias] = _class

# Functions that Keras also offers under keras.metrics.
mean_squared_error = losses.mean_squared_error
mean_absolute_error = losses.mean_absolute_error
mean_absolute_percentage_error = losses.mean_absolute_percentage_error
mean_squared_logarithmic_error = losses.mean_squared_logarithmic_error
huber, log_cosh, hinge, squared_hinge = losses.huber, losses.log_cosh, losses.hinge, losses.squared_hinge
categorical_hinge, kl_divergence, poisson = losses.categorical_hinge, losses.kl_divergence, losses.poisson
binary_crossentropy, categorical_crossentropy = losses.binary_crossentropy, losses.categorical_crossentropy
sparse_categorical_crossentropy = losses.sparse_categorical_crossentropy
binary_focal_crossentropy = losses.binary_focal_crossentropy
categorical_focal_crossentropy = losses.categorical_focal_crossentropy
for _function in (huber, binary_focal_crossentropy, categorical_focal_crossentropy):
    _registry.add(_function)


def read_scalar(value: Any) -> float:
    """A metric's result as a Python float."""
    return float(np.asarray(convert_to_tensor(value).numpy() if not isinstance(value, float) else value))


def has_table(metric: Metric) -> bool:
    """Whether ``results`` can compute the metric from a table of its scalar variables.

    A subclass that overrides ``result`` alone has a rule that ``results`` doesn't know.
    """
    definer = next(cls for cls in type(metric).__mro__ if "result" in vars(cls) or "results" in vars(cls))
    return definer is not Metric and "results" in vars(definer) and all(v.shape == () for v in metric.variables)


__all__ = [name for name in dir() if not name.startswith("_") and name not in ("annotations", "chainrule", "np")]

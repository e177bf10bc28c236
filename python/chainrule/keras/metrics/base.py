"""What a metric is: values accumulated over batches in state variables, so that they can be part of a recorded step.

``update_state`` adds to the variables with in-place ops, ``result`` computes the value from them, ``reset_state``
zeroes them. The means keep total and count in float64: a float32 count would stop at 2^24 samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from ..activations import in_full_precision
from ..config import standardize_dtype
from ..losses import masked_weights, match_ranks
from ..masking import get_mask
from ..naming import snake_case, unique_name
from ..registry import Registry, deserialize_keras_object, serialize_keras_object
from ..variables import Variable, convert_to_tensor

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
        """The state: the variables among the attributes and those of metrics there, also inside lists."""
        found = {id(v): v for v in self._variables}
        stack = list(vars(self).values())[::-1]
        while stack:
            item = stack.pop()
            if isinstance(item, Metric):
                found.update((id(v), v) for v in item.variables)
            elif isinstance(item, Variable):
                found[id(item)] = item
            elif isinstance(item, (list, tuple, dict)):
                stack.extend(reversed(list(item.values() if isinstance(item, dict) else item)))
        return list(found.values())

    def add_variable(
        self, shape: Any, initializer: Any, dtype: Any = None, aggregation: str = "sum", name: str | None = None
    ) -> Variable:
        """A new state variable."""
        variable = Variable(initializer, shape=shape, dtype=dtype or self._dtype, trainable=False, name=name)
        variable.path = f"{self.name}/{variable.name}"
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

    # ---- without side effects: the state goes in and comes out

    def _with_state(self, metric_variables: Iterable[Any], work: Callable[[], Any]) -> tuple[list[Any], Any]:
        """(the state after ``work``, its result), starting from ``metric_variables``; the own state is put back."""
        variables, given = self.variables, list(metric_variables)
        if len(given) != len(variables):
            raise ValueError(
                f"Metric {self.name!r} has {len(variables)} state variables, got {len(given)} in metric_variables."
            )
        before = [_op.copy(v.value) for v in variables]
        try:
            for variable, value in zip(variables, given, strict=True):
                variable.assign(value)
            result = work()
            return [_op.copy(v.value) for v in variables], result
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)

    def stateless_update_state(self, metric_variables: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """The state that ``update_state(*args, **kwargs)`` makes of ``metric_variables``."""
        return self._with_state(metric_variables, lambda: self.update_state(*args, **kwargs))[0]

    def stateless_result(self, metric_variables: Iterable[Any]) -> Any:
        """The result for the state ``metric_variables``."""
        return self._with_state(metric_variables, lambda: _op.copy(chainrule.asarray(self.result())))[1]

    def stateless_reset_state(self) -> list[Any]:
        """The state of a metric that has seen nothing."""
        return self._with_state([v.value for v in self.variables], self.reset_state)[0]

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
        values, _ = weighted(values, sample_weight)
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
            values, weights = weighted(values, sample_weight)
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


def weighted(values: Any, sample_weight: Any) -> tuple[Any, Any]:
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
        y_pred = in_full_precision(y_pred)
        mask = get_mask(y_pred)
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        if mask is not None:
            sample_weight = masked_weights(sample_weight, mask, values.dtype, "sum")
        own = get_mask(values)
        if own is not None and sample_weight is not None:  # without weights what is masked counts, with value 0
            sample_weight = masked_weights(sample_weight, own, values.dtype, "sum")
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


registry = Registry("metric", "keras.metrics", Metric)
for _plain in (Sum, Mean, MeanMetricWrapper):
    registry.add(_plain)


def get(identifier: Any) -> Any:
    """The metric object or function meant by a name (with suggestions if unknown), configuration, class or callable."""
    return registry.get(identifier)


serialize = registry.serialize
deserialize = registry.deserialize


def read_scalar(value: Any) -> float:
    """A metric's result as a Python float."""
    return float(np.asarray(convert_to_tensor(value).numpy() if not isinstance(value, float) else value))


def has_table(metric: Metric) -> bool:
    """Whether ``results`` can compute the metric from a table of its scalar variables.

    A subclass that overrides ``result`` alone has a rule that ``results`` doesn't know.
    """
    definer = next(cls for cls in type(metric).__mro__ if "result" in vars(cls) or "results" in vars(cls))
    return definer is not Metric and "results" in vars(definer) and all(v.shape == () for v in metric.variables)

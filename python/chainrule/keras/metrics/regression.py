"""Metrics of regression that aren't plain means: the coefficient of determination and correlations."""

from __future__ import annotations

from typing import Any

from chainrule import _core

from ..config import epsilon
from ..losses import match_ranks
from ..variables import as_float, convert_to_tensor
from .base import MeanMetricWrapper, Metric, registry, weighted
from .confusion import check_rows, divide_no_nan

_op = _core.ops


def _centred(y_true: Any, y_pred: Any, axis: int) -> tuple[Any, Any]:
    y_pred = convert_to_tensor(y_pred)
    y_true, y_pred = match_ranks(convert_to_tensor(y_true, y_pred.dtype), y_pred)
    return tuple(y - _op.mean(y, axis=axis, keepdims=True) for y in (y_true, y_pred))


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """cov(y, yhat) / (std(y) std(yhat)) along ``axis``: 1 for a rising line.

    Source: Pearson, 1895.
    """
    a, b = _centred(y_true, y_pred, axis)
    norms = _op.sqrt(_op.sum(a * a, axis=axis) * _op.sum(b * b, axis=axis))
    return _op.sum(a * b, axis=axis) / _op.maximum(norms, epsilon())


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """2 cov(y, yhat) / (var(y) + var(yhat) + (mean(y) - mean(yhat))^2) along ``axis``: 1 for equality.

    Source: Lin, A concordance correlation coefficient to evaluate reproducibility, 1989.
    """
    a, b = _centred(y_true, y_pred, axis)
    y_pred = convert_to_tensor(y_pred)
    y_true, y_pred = match_ranks(convert_to_tensor(y_true, y_pred.dtype), y_pred)
    shift = _op.mean(y_true, axis=axis) - _op.mean(y_pred, axis=axis)
    spread = _op.mean(a * a, axis=axis) + _op.mean(b * b, axis=axis) + shift * shift
    return 2.0 * _op.mean(a * b, axis=axis) / (spread + epsilon())


@registry.add
class PearsonCorrelation(MeanMetricWrapper):
    """The mean of :func:`pearson_correlation` along ``axis``."""

    def __init__(self, name: str | None = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)


@registry.add
class ConcordanceCorrelation(MeanMetricWrapper):
    """The mean of :func:`concordance_correlation` along ``axis``."""

    def __init__(self, name: str | None = "concordance_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)


@registry.add
class R2Score(Metric):
    """1 - sum (y - yhat)^2 / sum (y - mean y)^2: the share of the variance that is explained.

    Args:
        class_aggregation: how the scores of several outputs become one: ``"uniform_average"``,
            ``"variance_weighted_average"``, or None for one value each.
        num_regressors: with p > 0 the adjusted score 1 - (1 - R2) (n - 1) / (n - p - 1), for n > p + 1 values.

    Example::

        metric = keras.metrics.R2Score()
        metric.update_state([[1], [4], [3]], [[2], [4], [4]])
        metric.result()          # 0.5714
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ValueError(
                f"R2Score: Invalid value for argument `class_aggregation`. Expected None, 'uniform_average' or "
                f"'variance_weighted_average'. Received: class_aggregation={class_aggregation}"
            )
        if num_regressors < 0:
            raise ValueError(
                f"R2Score: Invalid value for argument `num_regressors`. Expected a value >= 0. Received: "
                f"num_regressors={num_regressors}"
            )
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self.add_variable((), "zeros", "float64", name="num_samples")
        self._built = False

    def _build(self, y_true_shape: tuple[Any, ...], y_pred_shape: tuple[Any, ...]) -> None:
        check_rows("R2Score", y_true_shape, y_pred_shape)
        self.squared_sum, self.sum, self.total_mse, self.count = (
            self.add_variable(y_pred_shape[1:], "zeros", "float64", name=name)
            for name in ("squared_sum", "sum", "residual", "count")
        )
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        # Squares are summed in float64: their difference cancels.
        y_pred = as_float(convert_to_tensor(y_pred), "float64")
        y_true, y_pred = match_ranks(as_float(convert_to_tensor(y_true), "float64"), y_pred)
        if not self._built:
            self._build(tuple(y_true.shape), tuple(y_pred.shape))
        weights = _op.broadcast_to(1.0, tuple(y_true.shape))
        weights = weights if sample_weight is None else weighted(_op.cast(weights, "float64"), sample_weight)[1]
        weights = as_float(weights, "float64")
        for state, values in (
            (self.sum, y_true * weights),
            (self.squared_sum, y_true * y_true * weights),
            (self.total_mse, (y_true - y_pred) * (y_true - y_pred) * weights),
            (self.count, weights),
        ):
            state.assign_add(_op.sum(values, axis=0))
        self.num_samples.assign_add(float(y_true.size))

    def result(self) -> Any:
        if not self._built:
            return _op.cast(convert_to_tensor(0.0), self.dtype)
        count = self.count.value
        mean = divide_no_nan(self.sum.value, count)
        total = self.squared_sum.value - self.sum.value * mean
        # Without any variance there is nothing to explain: 0 unless the prediction is exact.
        score = 1.0 - divide_no_nan(self.total_mse.value, total)
        score = _op.where(_op.equal(total, 0.0), _op.where(_op.equal(self.total_mse.value, 0.0), 1.0, 0.0), score)
        if self.class_aggregation == "uniform_average":
            score = _op.mean(score)
        elif self.class_aggregation == "variance_weighted_average":
            score = divide_no_nan(_op.sum(score * total), _op.sum(total))
        if self.num_regressors:
            n, p = self.num_samples.value, float(self.num_regressors)
            adjusted = 1.0 - divide_no_nan((1.0 - score) * (n - 1.0), n - p - 1.0)
            score = _op.where(_op.greater(n - p - 1.0, 0.0), adjusted, score)
        return _op.cast(score, self.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **own}

"""Metrics of the confusion matrix: hits and misses at thresholds, and what follows from them.

With a score ``s`` and a threshold ``t``, a sample counts as predicted positive where ``s > t``. State: true and false
positives and negatives, one number a threshold, in float64.

    precision = TP / (TP + FP)        recall = sensitivity = TP / (TP + FN)        specificity = TN / (TN + FP)
    F_beta = (1 + beta^2) precision recall / (beta^2 precision + recall)

A quotient 0 / 0 is 0.

Sources: Fawcett, An introduction to ROC analysis, 2006 (ROC); Davis and Goadrich, The relationship between
Precision-Recall and ROC curves, 2006 (interpolation of PR); Flach and Kull, Precision-Recall-Gain curves, 2015.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import _core

from ..config import epsilon
from ..losses import match_ranks
from ..variables import as_float, convert_to_tensor
from .base import Metric, registry, weighted

_op = _core.ops


def divide_no_nan(a: Any, b: Any) -> Any:
    """a / b, and 0 where b is 0."""
    zero = _op.equal(b, 0.0)
    return _op.where(zero, 0.0, a / _op.where(zero, 1.0, b))


def _thresholds(values: Any, default: float, name: str) -> list[float]:
    if values is None:
        return [default]
    listed = list(values) if isinstance(values, (list, tuple, np.ndarray)) else [values]
    wrong = [v for v in listed if v is None or not 0 <= v <= 1]
    if wrong or not listed:
        raise ValueError(f"Metric {name!r}: Threshold values must be in [0, 1]. Received: {wrong}")
    return [float(v) for v in listed]


def check_rows(metric: str, y_true_shape: tuple[Any, ...], y_pred_shape: tuple[Any, ...]) -> None:
    """ValueError unless both shapes are (samples, outputs), the outputs a number."""
    shapes = f"Received input shapes: y_pred.shape={y_pred_shape} and y_true.shape={y_true_shape}."
    if len(y_pred_shape) != 2 or len(y_true_shape) != 2:
        raise ValueError(f"{metric} expects 2D inputs with shape (batch_size, output_dim). {shapes}")
    if y_pred_shape[-1] is None or y_true_shape[-1] is None:
        raise ValueError(
            f"{metric} expects 2D inputs with shape (batch_size, output_dim), with output_dim fully defined (not "
            f"None). {shapes}"
        )


class _AtThresholds(Metric):
    """Counts of the confusion matrix at one or more thresholds."""

    _counts: tuple[str, ...] = ("true_positives", "true_negatives", "false_positives", "false_negatives")

    def _init_counts(self, thresholds: list[float], shape: tuple[int, ...] = ()) -> None:
        self.thresholds = thresholds
        self._cuts = convert_to_tensor(np.asarray(thresholds, "float32"))
        for name in self._counts:
            setattr(self, name, self.add_variable((len(thresholds), *shape), "zeros", "float64", name=name))

    def _add(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any,
        top_k: int | None = None,
        class_id: int | None = None,
        per_label: bool = False,
        label_weights: Any = None,
    ) -> None:
        """Adds a batch to the counts that this metric keeps; ``per_label``: the last axis is kept apart."""
        y_pred = as_float(convert_to_tensor(y_pred), "float32")
        y_true, y_pred = match_ranks(as_float(convert_to_tensor(y_true), "float32"), y_pred)
        if tuple(y_true.shape) != tuple(y_pred.shape):
            raise ValueError(
                f"Metric {self.name!r} needs y_true and y_pred of one shape, got {tuple(y_true.shape)} and "
                f"{tuple(y_pred.shape)}. For class numbers as labels use keras.utils.to_categorical first."
            )
        positive = as_float(_op.not_equal(y_true, 0.0), "float32")
        weights = weighted(positive, sample_weight)[1] if sample_weight is not None else None
        if top_k is not None:
            order = _op.argsort(-y_pred, axis=-1)  # of equal scores the first stays first
            place = _op.argsort(order, axis=-1)
            y_pred = _op.where(_op.less(place, top_k), y_pred, -np.inf)
        if class_id is not None:
            if y_pred.ndim < 2:
                raise ValueError(
                    f"Metric {self.name!r}: When class_id is provided, y_pred must be a 2D array with shape "
                    f"(num_samples, num_classes), found shape: {tuple(y_pred.shape)}."
                )
            if not 0 <= class_id < y_pred.shape[-1]:
                raise ValueError(
                    f"Metric {self.name!r}: class_id={class_id}, but y_pred has {y_pred.shape[-1]} classes."
                )
            y_pred, positive = y_pred[..., class_id], positive[..., class_id]
            weights = None if weights is None else weights[..., class_id]
        if label_weights is not None:
            by_label = _op.broadcast_to(label_weights, tuple(y_pred.shape))
            weights = by_label if weights is None else weights * by_label
        shape = (1, -1, y_pred.shape[-1]) if per_label else (1, -1)
        scores, positive = _op.reshape(y_pred, shape), _op.reshape(positive, shape)
        weights = as_float(_op.reshape(weights, shape), "float32") if weights is not None else None
        cuts = _op.reshape(self._cuts, (-1,) + (1,) * (len(shape) - 1))
        above = as_float(_op.greater(scores, cuts), "float32")
        hits = positive if weights is None else positive * weights
        misses = 1.0 - positive if weights is None else weights - hits
        for name in self._counts:
            mass = hits if name in ("true_positives", "false_negatives") else misses
            said = above if name.endswith("positives") else 1.0 - above
            getattr(self, name).assign_add(_op.cast(_op.sum(said * mass, axis=1), "float64"))

    def _read(self, *names: str) -> list[Any]:
        return [getattr(self, name).value for name in names]

    def _shown(self, values: Any) -> Any:
        """In the metric's dtype; a number if there is one threshold."""
        return _op.cast(values[0] if len(self.thresholds) == 1 else values, self.dtype)


class _Count(_AtThresholds):
    """One of the four counts."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self._init_counts(_thresholds(thresholds, 0.5, self.name))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self._add(y_true, y_pred, sample_weight)

    def result(self) -> Any:
        return self._shown(self._read(*self._counts)[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


@registry.add
class TruePositives(_Count):
    """The weight of the samples that are positive and predicted so (score above ``thresholds``, 0.5 by default)."""

    _counts = ("true_positives",)


@registry.add
class TrueNegatives(_Count):
    """The weight of the samples that are negative and predicted so."""

    _counts = ("true_negatives",)


@registry.add
class FalsePositives(_Count):
    """The weight of the samples that are negative but predicted positive."""

    _counts = ("false_positives",)


@registry.add
class FalseNegatives(_Count):
    """The weight of the samples that are positive but predicted negative."""

    _counts = ("false_negatives",)


class _Share(_AtThresholds):
    """true_positives over true_positives plus another count."""

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        self.init_thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        self._init_counts(_thresholds(thresholds, 0.5 if top_k is None else -np.inf, self.name))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self._add(y_true, y_pred, sample_weight, self.top_k, self.class_id)

    def result(self) -> Any:
        right, wrong = self._read(*self._counts)
        return self._shown(divide_no_nan(right, right + wrong))

    def get_config(self) -> dict[str, Any]:
        own = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **own}


@registry.add
class Precision(_Share):
    """TP / (TP + FP): which share of the predicted positives is right.

    Args:
        thresholds: a number or several from 0 to 1; the result has one value for each. 0.5 by default.
        top_k: only the k greatest scores of each sample count as positive.
        class_id: only this class (position on the last axis) is looked at.

    Example::

        metric = keras.metrics.Precision()
        metric.update_state([0, 1, 1, 1], [1, 0, 1, 1])
        metric.result()          # 0.6667
    """

    _counts = ("true_positives", "false_positives")


@registry.add
class Recall(_Share):
    """TP / (TP + FN): which share of the positives is found. Arguments as :class:`Precision`."""

    _counts = ("true_positives", "false_negatives")


# ---- the best of one rate under a condition on another -------------------------------------------------------------


class _BestUnder(_AtThresholds):
    """The greatest value of one rate among the thresholds at which another reaches a bound; 0 if none does."""

    _bound = ""  # the name of the constructor's argument

    def _init_search(self, bound: float, num_thresholds: int, class_id: int | None) -> None:
        if not 0 <= bound <= 1:
            raise ValueError(f"Argument `{self._bound}` must be in the range [0, 1]. Received: {self._bound}={bound}")
        if num_thresholds < 1:
            raise ValueError(
                f"Metric {self.name!r}: Argument `num_thresholds` must be an integer > 0. Received: "
                f"num_thresholds={num_thresholds}"
            )
        setattr(self, self._bound, bound)
        self.bound, self.num_thresholds, self.class_id = bound, num_thresholds, class_id
        self._init_counts([0.5] if num_thresholds == 1 else list(np.linspace(0, 1, num_thresholds)))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self._add(y_true, y_pred, sample_weight, class_id=self.class_id)

    def _rates(self) -> tuple[Any, Any]:
        """(the rate that must reach the bound, the rate to be made great)."""
        raise NotImplementedError

    def _rate(self, name: str) -> Any:
        tp, tn, fp, fn = self._read(*self._counts)
        right, wrong = {"precision": (tp, fp), "recall": (tp, fn), "specificity": (tn, fp)}[name]
        return divide_no_nan(right, right + wrong)

    def result(self) -> Any:
        reached, rate = self._rates()
        return _op.cast(_op.max(_op.where(_op.greater_equal(reached, self.bound), rate, 0.0)), self.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"num_thresholds": self.num_thresholds, "class_id": self.class_id, self._bound: self.bound}
        return {**super().get_config(), **own}


@registry.add
class SensitivityAtSpecificity(_BestUnder):
    """The greatest sensitivity TP / (TP + FN) at a specificity TN / (TN + FP) of at least ``specificity``."""

    _bound = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        self._init_search(specificity, num_thresholds, class_id)

    def _rates(self) -> tuple[Any, Any]:
        return self._rate("specificity"), self._rate("recall")


@registry.add
class SpecificityAtSensitivity(_BestUnder):
    """The greatest specificity TN / (TN + FP) at a sensitivity TP / (TP + FN) of at least ``sensitivity``."""

    _bound = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        self._init_search(sensitivity, num_thresholds, class_id)

    def _rates(self) -> tuple[Any, Any]:
        return self._rate("recall"), self._rate("specificity")


@registry.add
class PrecisionAtRecall(_BestUnder):
    """The greatest precision TP / (TP + FP) at a recall TP / (TP + FN) of at least ``recall``."""

    _bound = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        self._init_search(recall, num_thresholds, class_id)

    def _rates(self) -> tuple[Any, Any]:
        return self._rate("recall"), self._rate("precision")


@registry.add
class RecallAtPrecision(_BestUnder):
    """The greatest recall TP / (TP + FN) at a precision TP / (TP + FP) of at least ``precision``."""

    _bound = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        self._init_search(precision, num_thresholds, class_id)

    def _rates(self) -> tuple[Any, Any]:
        return self._rate("precision"), self._rate("recall")


# ---- area under the curve ------------------------------------------------------------------------------------------

_CURVES = ("ROC", "PR", "PRGAIN")
_SUMMATIONS = ("interpolation", "minoring", "majoring")


@registry.add
class AUC(_AtThresholds):
    """The area under a curve, as a Riemann sum over thresholds.

    Args:
        num_thresholds: how many thresholds (evenly spaced over [0, 1], a little beyond at both ends) if ``thresholds``
            isn't given.
        curve: ``"ROC"``: true positive rate over false positive rate; ``"PR"``: precision over recall; ``"PRGAIN"``:
            their gains over always saying yes.
        summation_method: ``"interpolation"`` (trapezoids; for PR the interpolation of Davis and Goadrich),
            ``"minoring"`` or ``"majoring"`` (the lower or upper of each pair of heights).
        thresholds: the inner thresholds themselves.
        multi_label: the last axis holds ``num_labels`` separate labels; the result is the mean of their areas, with
            ``label_weights`` a weighted one. Without it the weights multiply those of the samples.
        from_logits: the scores are logits: the sigmoid is applied first.

    Example::

        metric = keras.metrics.AUC(num_thresholds=3)
        metric.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
        metric.result()          # 0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        if str(curve).upper() not in _CURVES:
            raise ValueError(f'Invalid AUC curve value: "{curve}". Expected values are {_CURVES}.')
        if str(summation_method).lower() not in _SUMMATIONS:
            raise ValueError(f'Invalid AUC summation method value: "{summation_method}". Expected are {_SUMMATIONS}.')
        if thresholds is None and num_thresholds <= 1:
            raise ValueError(f"AUC: Argument `num_thresholds` must be an integer > 1, got {num_thresholds!r}.")
        self.curve, self.summation_method = str(curve).upper(), str(summation_method).lower()
        self.multi_label, self.num_labels, self.from_logits = multi_label, num_labels, from_logits
        self.label_weights = None if label_weights is None else convert_to_tensor(np.asarray(label_weights, "float32"))
        self._given_thresholds = None if thresholds is None else sorted(float(t) for t in thresholds)
        if self._given_thresholds is None:
            inner = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        else:
            inner = _thresholds(self._given_thresholds, 0.5, self.name)
        self.num_thresholds = len(inner) + 2
        self.thresholds = [-epsilon(), *inner, 1.0 + epsilon()]
        self._built = False
        if not multi_label:
            self._build(())
        elif num_labels is not None:
            self._build((num_labels,))

    def _build(self, shape: tuple[int, ...]) -> None:
        self._init_counts(self.thresholds, shape)
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if self.from_logits:
            y_pred = _op.sigmoid(as_float(convert_to_tensor(y_pred), "float32"))
        if not self._built:
            shape = tuple(convert_to_tensor(y_pred).shape)
            if len(shape) != 2:
                raise ValueError(f"AUC(multi_label=True) needs y_pred of shape (samples, labels), got {shape}.")
            self._build(shape[1:])
        # Weights of labels weigh the areas if labels are apart, else the samples.
        self._add(
            y_true,
            y_pred,
            sample_weight,
            per_label=self.multi_label,
            label_weights=None if self.multi_label else self.label_weights,
        )

    def _pr_area(self) -> Any:
        """The area between points of the PR curve, along which TP is linear in TP + FP."""
        tp, fp, fn = self._read("true_positives", "false_positives", "false_negatives")
        said = tp + fp
        before, after = said[:-1], said[1:]
        slope = divide_no_nan(tp[:-1] - tp[1:], _op.maximum(before - after, 0.0))
        intercept = tp[1:] - slope * after
        both = _op.logical_and(_op.greater(before, 0.0), _op.greater(after, 0.0))
        ratio = _op.where(both, divide_no_nan(before, _op.maximum(after, 0.0)), 1.0)
        area = slope * (tp[:-1] - tp[1:] + intercept * _op.log(ratio))
        return divide_no_nan(area, _op.maximum(tp[1:] + fn[1:], 0.0))

    def _curve_points(self) -> tuple[Any, Any]:
        tp, tn, fp, fn = self._read(*self._counts)
        recall = divide_no_nan(tp, tp + fn)
        if self.curve == "ROC":
            return divide_no_nan(fp, fp + tn), recall
        if self.curve == "PR":
            return recall, divide_no_nan(tp, tp + fp)
        # Without a hit the gains are those of the curve's left end; a recall gain below 0 isn't drawn.
        odds = divide_no_nan(tp + fn, fp + tn)
        hit = _op.greater(tp, 0.0)
        recall_gain, precision_gain = (1.0 - odds * divide_no_nan(wrong, tp) for wrong in (fn, fp))
        return _op.maximum(_op.where(hit, recall_gain, 0.0), 0.0), _op.where(hit, precision_gain, 1.0)

    def result(self) -> Any:
        if not self._built:
            return _op.cast(convert_to_tensor(0.0), self.dtype)
        if self.curve == "PR" and self.summation_method == "interpolation":
            parts = self._pr_area()
        else:
            x, y = self._curve_points()
            if self.summation_method == "interpolation":
                heights = (y[:-1] + y[1:]) / 2.0
            else:
                heights = (_op.minimum if self.summation_method == "minoring" else _op.maximum)(y[:-1], y[1:])
            parts = (x[:-1] - x[1:]) * heights
        area = _op.sum(parts, axis=0)
        if self.multi_label:
            if self.label_weights is None:
                area = _op.mean(area)
            else:
                weights = _op.cast(self.label_weights, area.dtype)
                area = divide_no_nan(_op.sum(area * weights), _op.sum(weights))
        return _op.cast(area, self.dtype)

    def get_config(self) -> dict[str, Any]:
        weights = None if self.label_weights is None else self.label_weights.tolist()
        config = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": weights,
            "from_logits": self.from_logits,
        }
        if self._given_thresholds is not None:
            config["thresholds"] = self._given_thresholds
        return {**super().get_config(), **config}


# ---- F scores ------------------------------------------------------------------------------------------------------


@registry.add
class FBetaScore(Metric):
    """F_beta of each class, from one-hot or multi-hot labels of shape (samples, classes).

    Args:
        average: None: a value for each class; ``"micro"``: of all counts together; ``"macro"``: the mean over classes;
            ``"weighted"``: their mean weighted by the number of true samples.
        beta: how many times as important recall is.
        threshold: scores above it are positive; by default the greatest score of each sample is.
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                f"{self.name}: Invalid `average` argument value. Expected one of: {{None, 'micro', 'macro', "
                f"'weighted'}}. Received: average={average}"
            )
        for option, value in (("beta", beta), ("threshold", threshold)):
            if not isinstance(value, float) and (option == "beta" or value is not None):
                raise ValueError(
                    f"{self.name}: Invalid `{option}` argument value. It should be a Python float. Received: "
                    f"{option}={value} of type '{type(value)}'"
                )
        if beta <= 0:
            raise ValueError(f"{self.name}: Invalid `beta` argument value. It should be > 0. Received: beta={beta}")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(
                f"{self.name}: Invalid `threshold` argument value. It should verify 0 < threshold <= 1. Received: "
                f"threshold={threshold}"
            )
        self.average, self.beta, self.threshold = average, beta, threshold
        self._built = False

    def _build(self, y_true_shape: tuple[Any, ...], y_pred_shape: tuple[Any, ...]) -> None:
        check_rows(type(self).__name__, y_true_shape, y_pred_shape)
        self.true_positives, self.false_positives, self.false_negatives, self.intermediate_weights = (
            self.add_variable(y_pred_shape[1:], "zeros", "float64", name=name)
            for name in ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
        )
        self._built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true = as_float(convert_to_tensor(y_true), "float32")
        y_pred = as_float(convert_to_tensor(y_pred), "float32")
        if not self._built:
            self._build(tuple(y_true.shape), tuple(y_pred.shape))
        if self.threshold is None:
            greatest = _op.max(y_pred, axis=-1, keepdims=True)
            said = _op.logical_and(_op.greater_equal(y_pred, greatest), _op.greater(_op.absolute(y_pred), 1e-9))
        else:
            said = _op.greater(y_pred, self.threshold)
        said = as_float(said, "float32")
        if sample_weight is None:
            weights: Any = 1.0
        else:
            weights = convert_to_tensor(sample_weight, "float32")
            weights = _op.expand_dims(weights, 1) if weights.ndim == 1 else weights
        for state, values in (
            (self.true_positives, said * y_true),
            (self.false_positives, said * (1.0 - y_true)),
            (self.false_negatives, (1.0 - said) * y_true),
            (self.intermediate_weights, y_true),
        ):
            state.assign_add(_op.cast(_op.sum(values * weights, axis=0), "float64"))

    def result(self) -> Any:
        if not self._built:
            return _op.cast(convert_to_tensor(0.0), self.dtype)
        tp, fp, fn = self.true_positives.value, self.false_positives.value, self.false_negatives.value
        if self.average == "micro":
            tp, fp, fn = _op.sum(tp), _op.sum(fp), _op.sum(fn)
        square = self.beta**2
        score = divide_no_nan((1 + square) * tp, (1 + square) * tp + square * fn + fp)
        if self.average == "macro":
            score = _op.mean(score)
        elif self.average == "weighted":
            weights = self.intermediate_weights.value
            score = divide_no_nan(_op.sum(score * weights), _op.sum(weights))
        return _op.cast(score, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "average": self.average, "beta": self.beta, "threshold": self.threshold}


@registry.add
class F1Score(FBetaScore):
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN). Arguments as :class:`FBetaScore`.

    Example::

        metric = keras.metrics.F1Score(threshold=0.5)
        metric.update_state([[1, 1, 1], [1, 0, 0]], [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6]])
        metric.result()          # [0., 0.6667, 0.6667]
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config

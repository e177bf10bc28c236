"""What ``compile`` was told: losses and metrics of each output, found by name, made when shapes are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import losses as losses_module
from . import metrics as metrics_module
from .losses import Loss, LossFunctionWrapper
from .metrics import Mean, MeanMetricWrapper, Metric
from .symbolic import flatten


def by_output(spec: Any, names: list[str], what: str) -> list[Any]:
    """One entry per output from a single value (one output), a list in order or a dictionary by output name."""
    if spec is None:
        return [None] * len(names)
    if isinstance(spec, dict):
        unknown = sorted(set(spec) - set(names))
        if unknown and len(names) > 1:
            raise ValueError(f"{what}: there are no outputs named {unknown}; the model has {names}.")
        if len(names) == 1 and len(spec) == 1:
            return list(spec.values())
        return [spec.get(name) for name in names]
    if isinstance(spec, (list, tuple)):
        if len(spec) != len(names):
            raise ValueError(f"{what}: {len(spec)} entries for {len(names)} outputs {names}.")
        return list(spec)
    if len(names) == 1:
        return [spec]
    return [spec] * len(names)


class CompiledLoss:
    """The total loss: the weighted sum of the outputs' losses. With several outputs, each has a tracker."""

    def __init__(self, spec: Any, weights: Any) -> None:
        self.spec, self.weights = spec, weights
        self.names: list[str] | None = None
        self.losses: list[Loss | None] = []
        self.scales: list[Any] = []
        self.trackers: list[Mean | None] = []
        for leaf in flatten(spec):  # unknown names are told at compile(), not at the first step
            if isinstance(leaf, str):
                losses_module.get(leaf)

    def build(self, names: list[str]) -> None:
        """Makes the losses once the outputs are known."""
        self.names = names
        self.losses = [self._make(entry) for entry in by_output(self.spec, names, "loss")]
        self.scales = by_output(self.weights, names, "loss_weights")
        several = len(names) > 1
        self.trackers = [
            Mean(name=f"{name}_loss") if several and loss is not None else None
            for name, loss in zip(names, self.losses, strict=True)
        ]

    @staticmethod
    def _make(entry: Any) -> Loss | None:
        entry = losses_module.get(entry)
        if entry is None or isinstance(entry, Loss):
            return entry
        return LossFunctionWrapper(entry, name=getattr(entry, "__name__", None))

    def __call__(self, y_true: list[Any], y_pred: list[Any], sample_weight: list[Any]) -> Any:
        """The total, or None if no output has a loss."""
        total = None
        for i, loss in enumerate(self.losses):
            if loss is None:
                continue
            if y_true[i] is None:
                raise ValueError(f"The loss of output {self.names[i]!r} needs targets: give y to fit or evaluate.")  # type: ignore[index]
            value = loss(y_true[i], y_pred[i], sample_weight[i])
            if value.ndim:
                value = losses_module._op.mean(value)
            tracker = self.trackers[i]
            if tracker is not None:
                tracker.update_state(value, sample_weight=int(y_pred[i].shape[0]))
            if self.scales[i] is not None:
                value = value * float(self.scales[i])
            total = value if total is None else total + value
        return total


class CompiledMetrics:
    """The metrics of each output; "accuracy" and "crossentropy" are chosen by the shapes of y and the output."""

    def __init__(self, spec: Any, weighted_spec: Any) -> None:
        self.spec, self.weighted_spec = spec, weighted_spec
        self.entries: list[tuple[int, Metric, bool]] = []
        self.built = False
        for leaf in [*flatten(spec), *flatten(weighted_spec)]:
            if isinstance(leaf, str) and leaf.lower() not in ("accuracy", "acc", "crossentropy", "ce"):
                metrics_module.get(leaf)

    def build(self, names: list[str], y_true: list[Any], y_pred: list[Any]) -> None:
        """Makes the metrics once shapes are known."""
        self.entries = []
        for spec, weighted in ((self.spec, False), (self.weighted_spec, True)):
            for i, group in enumerate(self._groups(spec, names)):
                for identifier in group:
                    metric = self._make(identifier, y_true[i], y_pred[i])
                    if weighted and any(j == i and metric.name == other.name for j, other, _ in self.entries):
                        metric.name = f"weighted_{metric.name}"
                    if len(names) > 1:
                        metric.name = f"{names[i]}_{metric.name}"
                    if not metric.variables:  # those that depend on the shapes are made at the first update
                        metric.update_state(y_true[i], y_pred[i])
                        metric.reset_state()
                    self.entries.append((i, metric, weighted))
        self.built = True

    @staticmethod
    def _groups(spec: Any, names: list[str]) -> list[list[Any]]:
        if spec is None:
            return [[] for _ in names]
        if len(names) == 1 and not isinstance(spec, dict):
            return [[entry for entry in flatten(spec) if entry is not None]]
        if isinstance(spec, (list, tuple)) and len(spec) != len(names):
            raise ValueError(
                f"metrics: {len(spec)} entries for {len(names)} outputs {names}; give a list for each output."
            )
        return [[e for e in flatten(group) if e is not None] for group in by_output(spec, names, "metrics")]

    @staticmethod
    def _make(identifier: Any, y_true: Any, y_pred: Any) -> Metric:
        folded = str(identifier).lower() if isinstance(identifier, str) else ""
        if folded in ("accuracy", "acc", "crossentropy", "ce"):
            if y_true is None:
                raise ValueError(f"The metric {identifier!r} needs targets: give y.")
            binary = len(y_pred.shape) > 0 and y_pred.shape[-1] == 1
            sparse = len(y_true.shape) < len(y_pred.shape) or (y_true.shape[-1:] == (1,) and y_pred.shape[-1] > 1)
            kind = "Binary" if binary else "SparseCategorical" if sparse else "Categorical"
            name = "Accuracy" if folded.startswith("acc") else "Crossentropy"
            metric = getattr(metrics_module, kind + name)()
        else:
            metric = metrics_module.get(identifier)
        if not isinstance(metric, Metric):
            metric = MeanMetricWrapper(metric, name=getattr(metric, "__name__", None))
        if isinstance(identifier, str):
            metric.name = identifier
        return metric

    def update(self, y_true: list[Any], y_pred: list[Any], sample_weight: list[Any]) -> None:
        """Adds a batch to every metric."""
        for i, metric, weighted in self.entries:
            if weighted:
                metric.update_state(y_true[i], y_pred[i], sample_weight=sample_weight[i])
            else:
                metric.update_state(y_true[i], y_pred[i])

    @property
    def metrics(self) -> list[Metric]:
        """The metric objects."""
        return [metric for _, metric, _ in self.entries]


def check_labels(loss: Any, targets: Any, outputs_shape: tuple[int, ...], output: str) -> None:
    """ValueError if a label of a sparse cross-entropy or of CTC is not one of the model's classes."""
    checked = (losses_module.sparse_categorical_crossentropy, losses_module.ctc)
    if not isinstance(loss, LossFunctionWrapper) or loss.fn not in checked:
        return
    labels = np.asarray(targets)
    if labels.dtype.kind == "b" or not labels.size:
        return
    axis = loss._fn_kwargs.get("axis", -1)
    classes = outputs_shape[axis]
    ignored = loss._fn_kwargs.get("ignore_class")
    if labels.dtype.kind == "f":
        wrong = labels != np.floor(labels)
        if wrong.any():
            raise ValueError(
                f"{loss.fn.__name__} needs whole class numbers, but the targets of {output!r} hold "
                f"{labels[wrong].flat[0]}. For numbers to be predicted use loss='mse'."
            )
    low, high = labels.min(), labels.max()
    if low >= 0 and high < classes:
        return
    bad = (labels < 0) | (labels >= classes)
    if ignored is not None:
        bad &= labels != ignored
    if bad.any():
        index = np.argwhere(bad)[0]
        place = int(index[0]) if labels.ndim == 1 else tuple(int(i) for i in index)
        value = labels[tuple(index)]
        raise ValueError(
            f"Label {value} (at index {place} of y) is out of range: the output {output!r} has {classes} classes, "
            f"so labels "
            f"must be 0 to {classes - 1}. Give the last layer {int(high) + 1} units, or renumber the labels from 0."
        )

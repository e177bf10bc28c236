"""What ``compile`` was told: losses and metrics of each output, found by name, made when shapes are known."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import losses as losses_module
from . import metrics as metrics_module
from .losses import Loss, LossFunctionWrapper
from .metrics import Mean, MeanMetricWrapper, Metric
from .symbolic import flatten, map_structure, pack_like

_CHOSEN_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


def _is_container(spec: Any) -> bool:
    """Whether it holds several entries; the configuration of one object is a dictionary too, but none of these."""
    return isinstance(spec, (list, tuple)) or (isinstance(spec, dict) and "class_name" not in spec)


def _leaves(spec: Any) -> list[Any]:
    if isinstance(spec, dict) and _is_container(spec):
        return [leaf for item in spec.values() for leaf in _leaves(item)]
    return [leaf for item in spec for leaf in _leaves(item)] if isinstance(spec, (list, tuple)) else [spec]


def _at(structure: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        if structure is None:
            return None
        structure = structure.get(key) if isinstance(structure, dict) else structure[key]
    return structure


def aligned(values: Any, y_pred: Any, names: list[str | None], what: str, places: list[int] | None = None) -> Any:
    """Targets or weights in the structure of the outputs: given alike, by output name, or as a list in order.

    Args:
        places: the outputs that fewer values are for.

    Raises:
        ValueError: they don't fit.
    """
    leaves = flatten(values)
    if not isinstance(y_pred, (list, tuple, dict)):
        if len(leaves) != 1:
            raise ValueError(f"{what} has {len(leaves)} arrays, but the model has one output.")
        return leaves[0]
    if isinstance(values, dict):
        known = dict(y_pred) if isinstance(y_pred, dict) else dict(zip(names, y_pred, strict=False))
        unknown = sorted(str(key) for key in values if key not in known)
        if unknown and len(leaves) != len(flatten(y_pred)):
            raise ValueError(f"{what}: there are no outputs named {unknown}; the model has {list(known)}.")
        if not unknown:
            parts = {k: None if values.get(k) is None else aligned(values[k], y, names, what) for k, y in known.items()}
            return parts if isinstance(y_pred, dict) else pack_like(y_pred, flatten(list(parts.values())))
    outputs = len(flatten(y_pred))
    if len(leaves) == outputs:
        return pack_like(y_pred, leaves)
    if places is not None and len(leaves) == len(places):
        spread = dict(zip(places, leaves, strict=True))
        return pack_like(y_pred, [spread.get(i) for i in range(outputs)])
    shapes = [map_structure(lambda _: "*", part) for part in (values, y_pred)]
    raise ValueError(f"{what} and the model's outputs have different structures: {shapes[0]} and {shapes[1]}.")


class _Weighted(NamedTuple):
    loss: Any
    weight: Any


class Entry(NamedTuple):
    """A loss, the place in the outputs of what it is applied to, its weight in the total, and that place's name."""

    path: tuple[Any, ...]
    loss: Loss
    weight: float | None
    name: str


class CompiledLoss:
    """The total loss: the weighted sum of the losses of outputs (or of groups of them). Several have trackers."""

    def __init__(self, spec: Any, weights: Any) -> None:
        self.spec, self.weights = spec, weights
        self.built = False
        self.names: list[str | None] = []  # of the outputs, as far as the model names them
        self.entries: list[Entry] = []
        self.trackers: list[Mean | None] = []
        for leaf in _leaves(spec):  # unknown names are told at compile(), not at the first step
            if isinstance(leaf, str) and leaf.lower() not in _CHOSEN_BY_SHAPE[2:]:
                losses_module.get(leaf)
        if weights is not None and not isinstance(weights, (list, tuple, dict, float, int)):
            raise ValueError(
                f"compile: Expected `loss_weights` argument to be a float, a list or a dictionary, got {weights!r}."
            )

    def build(self, y_true: Any, y_pred: Any, names: list[str | None]) -> None:
        """Makes the losses once the outputs are known."""
        spec, weights = self.spec, self.weights
        self.names, self.entries = names, []
        y_true = None if y_true is None else aligned(y_true, y_pred, names, "y", self._places(y_pred))
        if isinstance(spec, dict) and _is_container(spec) and not isinstance(y_pred, dict):
            known = [name for name in names if name is not None]
            if set(spec) - set(known) and not (len(names) == 1 == len(spec)):
                raise ValueError(f"loss: Expected keys {known} in loss dict, but found loss.keys()={list(spec)}.")
            order = known if set(spec) <= set(known) else list(spec)
            if isinstance(weights, dict):
                weights = [weights.get(name) for name in order]
            spec = [spec.get(name) for name in order]
            if type(y_pred) is tuple:
                spec = tuple(spec)
            if not isinstance(y_pred, (list, tuple)):
                spec = spec[0]
                weights = weights[0] if isinstance(weights, list) else weights
        if not _is_container(spec):
            weight = _leaves(weights)[0] if isinstance(weights, (list, tuple, dict)) else weights
            packed = map_structure(lambda _: _Leaf(_Weighted(spec, weight)), y_pred)
        else:
            packed = _pack(spec, weights)
        self._collect(packed, y_true, y_pred, pack_like(y_pred, names), ())
        used: dict[str, int] = {}
        self.trackers = []
        for entry in self.entries:
            count = used[entry.name] = used.get(entry.name, 0) + 1
            name = entry.name if count == 1 else f"{entry.name}_{count - 1}"
            self.trackers.append(Mean(name=f"{name}_loss") if len(self.entries) > 1 else None)
        self.built = True

    def _places(self, y_pred: Any) -> list[int] | None:
        """The outputs that have a loss, if the losses are a plain list with None among them."""
        spec = list(self.spec.values()) if isinstance(self.spec, dict) else self.spec
        if not isinstance(spec, (list, tuple)) or len(spec) != len(flatten(y_pred)):
            return None
        return [i for i, entry in enumerate(spec) if entry is not None]

    def _collect(self, spec: Any, y_true: Any, y_pred: Any, names: Any, path: tuple[Any, ...]) -> None:
        """Makes the entries of a part of the losses for a part of the outputs."""
        if isinstance(spec, _Leaf):
            if spec.item.loss is not None:
                loss = _make_loss(spec.item.loss, y_true, y_pred)
                self.entries.append(Entry(path, loss, spec.item.weight, self._name(names, path, loss)))
            return
        several = isinstance(y_pred, (list, tuple, dict))
        if isinstance(spec, (list, tuple)):
            plain = all(isinstance(item, _Leaf) for item in spec)
            if plain and several and len(spec) == len(flatten(y_pred)):
                spec = _pack_as(y_pred, iter(spec))
            elif not isinstance(y_pred, type(spec)):  # several losses of the same outputs
                for item in spec:
                    self._collect(item, y_true, y_pred, names, path)
                return
        if not several or isinstance(spec, dict) != isinstance(y_pred, dict):
            raise KeyError(f"The path: {path} in the `loss` argument, can't be found in the model's output (`y_pred`).")
        for key, item in spec.items() if isinstance(spec, dict) else enumerate(spec):
            if isinstance(item, _Leaf) and item.item.loss is None:
                continue
            if (key not in y_pred) if isinstance(y_pred, dict) else key >= len(y_pred):
                raise KeyError(
                    f"The path: {(*path, key)} in the `loss` argument, can't be found in either the model's output "
                    f"(`y_pred`) or in the labels (`y_true`)."
                )
            self._collect(item, _at(y_true, (key,)), y_pred[key], names[key], (*path, key))

    @staticmethod
    def _name(names: Any, path: tuple[Any, ...], loss: Loss) -> str:
        if isinstance(names, (list, tuple, dict)):
            flat = list(names) if isinstance(names, dict) else flatten(names)
            return "/".join(map(str, path)) or "_".join(str(name) for name in flat)
        name = names or loss.name
        if not path or isinstance(path[-1], int):
            path = (*path[:-1], name)
        return "/".join(map(str, path))

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The total, or None if no output has a loss."""
        if any(entry.loss is not None for entry in self.entries) and y_true is None:
            raise ValueError(f"The loss of output {self.entries[0].name!r} needs targets: give y to fit or evaluate.")
        y_true = aligned(y_true, y_pred, self.names, "y", self._places(y_pred))
        weights = _weights(sample_weight, y_pred, self.names, self._places(y_pred))
        total = None
        for entry, tracker in zip(self.entries, self.trackers, strict=True):
            targets, outputs = _at(y_true, entry.path), _at(y_pred, entry.path)
            if targets is None:
                raise ValueError(f"The loss of output {entry.name!r} needs targets: give y to fit or evaluate.")
            weight = _at(weights, entry.path)
            value = entry.loss(targets, outputs, weight if not isinstance(weight, (list, tuple, dict)) else None)
            if value.ndim:
                value = losses_module._op.mean(value)
            if tracker is not None:
                tracker.update_state(value, sample_weight=int(flatten(outputs)[0].shape[0]))
            if entry.weight is not None:
                value = value * float(entry.weight)
            total = value if total is None else total + value
        return total


class _Leaf:
    """An entry of a structure of losses that is not to be taken for a container."""

    def __init__(self, item: _Weighted) -> None:
        self.item = item


def _pack(spec: Any, weights: Any) -> Any:
    """The structure of losses, each with its weight."""
    if not _is_container(spec):
        return _Leaf(_Weighted(spec, weights))
    if weights is None:
        parts: list[Any] = [None] * len(spec)
    elif isinstance(spec, dict) and isinstance(weights, dict):
        parts = [weights.get(key) for key in spec]
    elif isinstance(weights, (list, tuple)) and len(weights) == len(spec):
        parts = list(weights)
    else:
        given, losses = len(_leaves(weights)), len(_leaves(spec))
        if given != losses:
            raise ValueError(
                f"`loss_weights` must match the number of losses, got {losses} losses and {given} weights."
            )
        source = iter(_leaves(weights))
        parts = [pack_like(item, [next(source) for _ in _leaves(item)]) for item in _items(spec)]
    items = [_pack(item, weight) for item, weight in zip(_items(spec), parts, strict=True)]
    if isinstance(spec, dict):
        return dict(zip(spec, items, strict=True))
    return type(spec)(*items) if hasattr(spec, "_fields") else type(spec)(items)


def _items(spec: Any) -> list[Any]:
    return list(spec.values()) if isinstance(spec, dict) else list(spec)


def _pack_as(structure: Any, leaves: Any) -> Any:
    return pack_like(structure, list(leaves))


def _weights(sample_weight: Any, y_pred: Any, names: list[str | None], places: list[int] | None) -> Any:
    """Sample weights in the structure of the outputs; one array is for all of them."""
    if sample_weight is None or not isinstance(sample_weight, (list, tuple, dict)):
        return map_structure(lambda _: sample_weight, y_pred)
    if len(flatten(sample_weight)) == 1:
        weight = flatten(sample_weight)[0]
        if not isinstance(sample_weight, dict):
            return map_structure(lambda _: weight, y_pred)
    return aligned(sample_weight, y_pred, names, "sample_weight", places)


def _by_shape(family: Any, kind: str, identifier: Any, y_true: Any, y_pred: Any) -> Any:
    """The binary, categorical or sparse categorical form of "accuracy" or "crossentropy"."""
    if y_true is None:
        raise ValueError(f"{identifier!r} needs targets: give y.")
    binary = len(y_pred.shape) > 0 and y_pred.shape[-1] == 1
    sparse = len(y_true.shape) < len(y_pred.shape) or (y_true.shape[-1:] == (1,) and y_pred.shape[-1] > 1)
    return getattr(family, ("Binary" if binary else "SparseCategorical" if sparse else "Categorical") + kind)()


def _make_loss(entry: Any, y_true: Any, y_pred: Any) -> Loss:
    if isinstance(entry, str) and entry.lower() in _CHOSEN_BY_SHAPE[2:]:
        return _by_shape(losses_module, "Crossentropy", entry, y_true, y_pred)
    entry = losses_module.get(entry)
    return entry if isinstance(entry, Loss) else LossFunctionWrapper(entry, name=getattr(entry, "__name__", None))


class CompiledMetric(NamedTuple):
    """A metric, the number of its output, whether it uses sample weights, and the name in logs."""

    output: int
    metric: Metric
    weighted: bool
    name: str


class CompiledMetrics:
    """The metrics of each output; "accuracy" and "crossentropy" are chosen by the shapes of y and the output."""

    def __init__(self, spec: Any, weighted_spec: Any) -> None:
        self.spec, self.weighted_spec = spec, weighted_spec
        self.entries: list[CompiledMetric] = []
        self.names: list[str | None] = []
        self.built = False
        for leaf in [*_leaves(spec), *_leaves(weighted_spec)]:
            if isinstance(leaf, str) and leaf.lower() not in _CHOSEN_BY_SHAPE:
                metrics_module.get(leaf)

    def build(self, y_true: Any, y_pred: Any, names: list[str | None]) -> None:
        """Makes the metrics once shapes are known."""
        self.entries, self.names = [], names
        self.built = True
        if self.spec is None and self.weighted_spec is None:
            return
        outputs = flatten(y_pred)
        prefixes: list[Any] = names
        if isinstance(y_pred, dict) and len(y_pred) == len(outputs):
            prefixes = sorted(y_pred)
        targets = [None] * len(outputs) if y_true is None else flatten(aligned(y_true, y_pred, names, "y"))
        taken: set[str] = set()
        for argument, spec, weighted in (("metrics", self.spec, False), ("weighted_metrics", self.weighted_spec, True)):
            for i, group in enumerate(self._groups(argument, spec, y_pred, prefixes)):
                for identifier in group:
                    metric = self._make(identifier, targets[i], outputs[i])
                    prefix = f"{prefixes[i]}_" if len(outputs) > 1 and prefixes[i] is not None else ""
                    name = prefix + metric.name
                    if name in taken and weighted:
                        name = f"{prefix}weighted_{metric.name}"
                    count, free = 0, name
                    while free in taken:
                        count += 1
                        free = f"{name}_{count}"
                    taken.add(free)
                    if not metric.variables:  # those that depend on the shapes are made at the first update
                        metric.update_state(targets[i], outputs[i])
                        metric.reset_state()
                    self.entries.append(CompiledMetric(i, metric, weighted, free))

    @staticmethod
    def _groups(argument: str, spec: Any, y_pred: Any, names: list[Any]) -> list[list[Any]]:
        """The identifiers for each output."""
        outputs = len(flatten(y_pred))
        if spec is None or (_is_container(spec) and not spec):
            return [[] for _ in range(outputs)]
        if outputs == 1:
            return [[entry for entry in _leaves(spec) if entry is not None]]
        groups: list[Any] | None = None
        flat = len(y_pred) == outputs
        if flat and isinstance(spec, (list, tuple)) and len(spec) == outputs:
            groups = list(spec)
        elif flat and isinstance(spec, dict) and set(spec) <= set(names):
            groups = [spec.get(name) for name in names]
        elif not flat:
            groups = _up_to(spec, y_pred)
        if groups is None:
            shown = map_structure(lambda _: "X", y_pred)
            raise ValueError(
                f"Invalid `{argument}`: it should hold metrics in the structure of the model's outputs {shown}, or be "
                f"a dictionary with their names {names}. Received: {argument}={spec}"
            )
        return [[entry for entry in _leaves(group) if entry is not None] for group in groups]

    @staticmethod
    def _make(identifier: Any, y_true: Any, y_pred: Any) -> Metric:
        folded = identifier.lower() if isinstance(identifier, str) else ""
        if folded in _CHOSEN_BY_SHAPE:
            kind = "Accuracy" if folded.startswith("acc") else "Crossentropy"
            metric = _by_shape(metrics_module, kind, identifier, y_true, y_pred)
        else:
            metric = metrics_module.get(identifier)
        if not isinstance(metric, Metric):
            metric = MeanMetricWrapper(metric, name=getattr(metric, "__name__", None))
        if isinstance(identifier, str):
            metric.name = identifier
        return metric

    def update(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        """Adds a batch to every metric."""
        outputs = flatten(y_pred)
        targets = [None] * len(outputs) if y_true is None else flatten(aligned(y_true, y_pred, self.names, "y"))
        weights = flatten(_weights(sample_weight, y_pred, self.names, None))
        for i, metric, weighted, _ in self.entries:
            if weighted:
                metric.update_state(targets[i], outputs[i], sample_weight=weights[i])
            else:
                metric.update_state(targets[i], outputs[i])


def _up_to(spec: Any, y_pred: Any) -> list[Any] | None:
    """What stands in ``spec`` at the leaves of the outputs, in their order; None where it isn't nested like them."""
    if not isinstance(y_pred, (list, tuple, dict)):
        return [spec]
    if not _is_container(spec) or isinstance(spec, dict) != isinstance(y_pred, dict):
        return None
    if isinstance(y_pred, dict):
        if not set(spec) <= set(y_pred):
            return None
        pairs = [(spec.get(key), y_pred[key]) for key in sorted(y_pred)]
    else:
        if len(spec) != len(y_pred):
            return None
        pairs = list(zip(spec, y_pred, strict=True))
    found = [[None] * len(flatten(y)) if part is None else _up_to(part, y) for part, y in pairs]
    if any(group is None for group in found):
        return None
    return [entry for group in found if group is not None for entry in group]


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

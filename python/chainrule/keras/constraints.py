"""Constraints on weights, applied after every update."""

from __future__ import annotations

from typing import Any

from chainrule import _core

from .config import epsilon
from .registry import Registry
from .variables import convert_to_tensor

_op = _core.ops


class Constraint:
    """Base class: a callable ``weights -> allowed weights`` with ``get_config``; by itself it allows all."""

    def __call__(self, w: Any) -> Any:
        return w

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """A constraint made with ``config``."""
        return cls(**config)


_registry = Registry("constraint", "keras.constraints", Constraint)
get = _registry.get
serialize = _registry.serialize
deserialize = _registry.deserialize


def _norms(w: Any, axis: Any) -> Any:
    axis = tuple(axis) if isinstance(axis, list) else axis
    return _op.sqrt(_op.sum(_op.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Norms along ``axis`` (0: of each unit's incoming weights) of at most ``max_value``."""

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        w = convert_to_tensor(w)
        norms = _norms(w, self.axis)
        return w * (_op.minimum(norms, float(self.max_value)) / (epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """No negative weights: max(0, w)."""

    def __call__(self, w: Any) -> Any:
        return _op.relu(convert_to_tensor(w))


class UnitNorm(Constraint):
    """Norms along ``axis`` of 1."""

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = convert_to_tensor(w)
        return w / (epsilon() + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Norms along ``axis`` moved towards [min_value, max_value] by the fraction ``rate``."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Any:
        w = convert_to_tensor(w)
        norms = _norms(w, self.axis)
        clipped = _op.minimum(_op.maximum(norms, float(self.min_value)), float(self.max_value))
        wanted = self.rate * clipped + (1.0 - self.rate) * norms
        return w * (wanted / (epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


for _class, _alias in (
    (MaxNorm, "max_norm"),
    (NonNeg, "non_neg"),
    (UnitNorm, "unit_norm"),
    (MinMaxNorm, "min_max_norm"),
):
    _registry.add(_class, _alias)
max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm

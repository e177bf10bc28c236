"""Penalties on weights or outputs, added to the loss."""

from __future__ import annotations

import math
from typing import Any

from chainrule import _core

from .registry import Registry
from .variables import convert_to_tensor

_op = _core.ops


class Regularizer:
    """Base class: a callable ``tensor -> scalar`` with ``get_config``."""

    def __call__(self, x: Any) -> Any:
        return 0.0

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise NotImplementedError(f"{type(self).__name__} must define get_config().")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """A regularizer made with ``config``."""
        return cls(**config)


_registry = Registry("regularizer", "keras.regularizers", Regularizer)
get = _registry.get
serialize = _registry.serialize
deserialize = _registry.deserialize


def _factor(value: Any, name: str) -> float:
    value = 0.0 if value is None else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"Regularizer: {name} must be a finite number >= 0, got {value!r}.")
    return float(value)


class L1L2(Regularizer):
    """l1 * sum |w| + l2 * sum w^2."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = _factor(l1, "l1"), _factor(l2, "l2")

    def __call__(self, x: Any) -> Any:
        x = convert_to_tensor(x)
        terms = []
        if self.l1:
            terms.append(self.l1 * _op.sum(_op.absolute(x)))
        if self.l2:
            terms.append(self.l2 * _op.sum(_op.square(x)))
        return sum(terms[1:], terms[0]) if terms else convert_to_tensor(0.0, x.dtype)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """l1 * sum |w|: drives weights to exactly 0."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(L1L2):
    """l2 * sum w^2: keeps weights small."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """factor * (sum of |cosines| between different rows, or columns) / number of pairs, of a matrix."""

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(f"OrthogonalRegularizer: mode must be 'rows' or 'columns', got {mode!r}.")
        self.factor, self.mode = _factor(factor, "factor"), mode

    def __call__(self, x: Any) -> Any:
        from . import ops

        x = convert_to_tensor(x)
        if x.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer: expected a matrix, got shape {tuple(x.shape)}.")
        vectors = ops.normalize(x, axis=1) if self.mode == "rows" else _op.transpose(ops.normalize(x, axis=0))
        count = vectors.shape[0]
        product = _op.matmul(vectors, _op.transpose(vectors))
        pairs = count * (count - 1) / 2
        return self.factor * 0.5 * _op.sum(_op.absolute(product * (1.0 - ops.eye(count, dtype=x.dtype)))) / pairs

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


for _class, _alias in ((L1L2, "l1_l2"), (L1, "l1"), (L2, "l2"), (OrthogonalRegularizer, "orthogonal_regularizer")):
    _registry.add(_class, _alias)
l1_l2, l1, l2, orthogonal_regularizer = L1L2, L1, L2, OrthogonalRegularizer

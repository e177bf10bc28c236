"""Learning rates that change with the step: callables ``step -> rate``, computed inside the recorded training step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule import _core

from ..registry import Registry
from ..variables import convert_to_tensor, unwrap

_op = _core.ops


class LearningRateSchedule:
    """Base class: subclasses define ``__call__(step)`` (with ``keras.ops``) and ``get_config()``."""

    def __call__(self, step: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step).")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise NotImplementedError(f"{type(self).__name__} must define get_config().")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """A schedule made with ``config``."""
        return cls(**config)


_registry = Registry("learning rate schedule", "keras.optimizers.schedules", LearningRateSchedule)
serialize = _registry.serialize
deserialize = _registry.deserialize


def _positive(value: float, name: str, owner: Any) -> float:
    if not value > 0:
        raise ValueError(f"{type(owner).__name__}: {name} must be positive, got {value!r}.")
    return value


def _step(step: Any) -> Any:
    return convert_to_tensor(unwrap(step), "float32")


@_registry.add
class ExponentialDecay(LearningRateSchedule):
    """lr0 * decay_rate^(step / decay_steps); ``staircase`` rounds the exponent down."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate, self.decay_rate, self.staircase, self.name = (
            initial_learning_rate,
            decay_rate,
            staircase,
            name,
        )
        self.decay_steps = _positive(decay_steps, "decay_steps", self)

    def __call__(self, step: Any) -> Any:
        progress = _step(step) / float(self.decay_steps)
        if self.staircase:
            progress = _op.floor(progress)
        return self.initial_learning_rate * _op.exp(math.log(self.decay_rate) * progress)

    def get_config(self) -> dict[str, Any]:
        return {
            k: getattr(self, k) for k in ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")
        }


@_registry.add
class InverseTimeDecay(LearningRateSchedule):
    """lr0 / (1 + decay_rate * step / decay_steps); ``staircase`` rounds step / decay_steps down."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate, self.decay_rate, self.staircase, self.name = (
            initial_learning_rate,
            decay_rate,
            staircase,
            name,
        )
        self.decay_steps = _positive(decay_steps, "decay_steps", self)

    def __call__(self, step: Any) -> Any:
        progress = _step(step) / float(self.decay_steps)
        if self.staircase:
            progress = _op.floor(progress)
        return self.initial_learning_rate / (1.0 + self.decay_rate * progress)

    def get_config(self) -> dict[str, Any]:
        return {
            k: getattr(self, k) for k in ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")
        }


@_registry.add
class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to and including step boundaries[0], then values[1], ...; one more value than boundaries."""

    def __init__(self, boundaries: Sequence[int], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay: one more value than boundaries is needed; got {len(values)} values and "
                f"{len(boundaries)} boundaries."
            )
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: Any) -> Any:
        step = _step(step)
        rate = convert_to_tensor(float(self.values[0]), "float32")
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = _op.where(_op.greater(step, float(boundary)), float(value), rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


@_registry.add
class PolynomialDecay(LearningRateSchedule):
    """(lr0 - end) * (1 - min(step, decay_steps) / decay_steps)^power + end.

    ``cycle``: instead of staying at the end, decay_steps is multiplied by the next whole number.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate, self.end_learning_rate = initial_learning_rate, end_learning_rate
        self.power, self.cycle, self.name = power, cycle, name
        self.decay_steps = _positive(decay_steps, "decay_steps", self)

    def __call__(self, step: Any) -> Any:
        progress = _step(step) / float(self.decay_steps)
        if self.cycle:
            progress = progress / _op.maximum(_op.ceil(progress), 1.0)
        else:
            progress = _op.minimum(progress, 1.0)
        left = _op.power(1.0 - progress, float(self.power))
        return (self.initial_learning_rate - self.end_learning_rate) * left + self.end_learning_rate

    def get_config(self) -> dict[str, Any]:
        names = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle", "name")
        return {k: getattr(self, k) for k in names}


@_registry.add
class CosineDecay(LearningRateSchedule):
    """lr0 * ((1 - alpha) * (1 + cos(pi * progress)) / 2 + alpha), progress = min(step / decay_steps, 1) (Loshchilov
    2016).

    With ``warmup_target``: first linearly from lr0 to the target in ``warmup_steps``, then the decay from the target.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate, self.alpha, self.name = initial_learning_rate, alpha, name
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps
        self.decay_steps = _positive(decay_steps, "decay_steps", self)

    def __call__(self, step: Any) -> Any:
        step = _step(step)
        if self.warmup_target is None or not self.warmup_steps:
            start = self.initial_learning_rate if self.warmup_target is None else self.warmup_target
            return self._decay(step, start)
        warming = self.initial_learning_rate + (self.warmup_target - self.initial_learning_rate) * (
            step / float(self.warmup_steps)
        )
        decayed = self._decay(step - float(self.warmup_steps), self.warmup_target)
        return _op.where(_op.less(step, float(self.warmup_steps)), warming, decayed)

    def _decay(self, step: Any, start: float) -> Any:
        progress = _op.minimum(step / float(self.decay_steps), 1.0)
        cosine = 0.5 * (1.0 + _op.cos(math.pi * progress))
        return start * ((1.0 - self.alpha) * cosine + self.alpha)

    def get_config(self) -> dict[str, Any]:
        names = ("initial_learning_rate", "decay_steps", "alpha", "name", "warmup_target", "warmup_steps")
        return {k: getattr(self, k) for k in names}


@_registry.add
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decay in periods: the i-th lasts first_decay_steps * t_mul^i and starts at lr0 * m_mul^i (SGDR)."""

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate, self.t_mul, self.m_mul = initial_learning_rate, t_mul, m_mul
        self.alpha, self.name = alpha, name
        self.first_decay_steps = _positive(first_decay_steps, "first_decay_steps", self)

    def __call__(self, step: Any) -> Any:
        progress = _step(step) / float(self.first_decay_steps)
        if self.t_mul == 1.0:
            period = _op.floor(progress)
            within = progress - period
        else:
            # i periods take (1 - t^i) / (1 - t) times the first one's length.
            # Divided as Keras does, so that the step which ends a period falls into the same one after rounding.
            period = _op.floor(_op.log(1.0 - progress * (1.0 - self.t_mul)) / math.log(self.t_mul))
            stretch = _op.power(self.t_mul, period)
            within = (progress - (1.0 - stretch) / (1.0 - self.t_mul)) / stretch
        height = _op.power(self.m_mul, period)
        cosine = 0.5 * height * (1.0 + _op.cos(math.pi * within))
        return self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)

    def get_config(self) -> dict[str, Any]:
        names = ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha", "name")
        return {k: getattr(self, k) for k in names}

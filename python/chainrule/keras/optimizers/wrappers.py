"""Optimizers around others: a loss scale that finds itself, and different optimizers for different variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from ..registry import deserialize_keras_object, serialize_keras_object
from ..variables import Variable, convert_to_tensor
from .base import Optimizer

_op = _core.ops


class LossScaleOptimizer(Optimizer):
    """Multiplies the loss, so that small gradients of float16 don't vanish, and divides the gradients again.

    The factor doubles after ``dynamic_growth_steps`` steps with finite gradients. Where a gradient isn't finite the
    step is left out and the factor halved.
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                "LossScaleOptimizer: dynamic=False is not supported; set `loss_scale_factor` on the inner optimizer."
            )
        off = {"use_ema": False, "ema_momentum": 0.99}
        given = [key for key, value in kwargs.items() if value is not None and value != off.get(key)]
        if given:
            raise ValueError(
                f"LossScaleOptimizer does not support arguments: {', '.join(f'`{key}`' for key in given)}. What "
                f"concerns the steps is set on the `inner_optimizer`."
            )
        super().__init__(0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps
        inner_optimizer.loss_scale_factor = None  # or the gradients would be scaled twice

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        self.step_counter = self.add_variable((), "zeros", "int64", name="step_counter")
        self.dynamic_scale = self.add_variable((), "zeros", "float32", name="dynamic_scale")
        self.dynamic_scale.assign(self.initial_scale)
        self.inner_optimizer.build(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Variable]:
        """Its own state, then the inner optimizer's."""
        return self._variables + self.inner_optimizer.variables

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        self.inner_optimizer.learning_rate = rate

    @property
    def iterations(self) -> Any:
        """The inner optimizer's."""
        return self.inner_optimizer.iterations

    def scale_loss(self, loss: Any) -> Any:
        """The loss times the factor."""
        return loss * (self.dynamic_scale.value if self.built else self.initial_scale)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        with chainrule.no_grad():
            self.build(variables)
            present = [convert_to_tensor(g) for g in grads if g is not None]
            finite = _op.all(_op.stack([_op.all(_op.isfinite(g)) for g in present])) if present else True
            scale, counter = self.dynamic_scale.value, self.step_counter.value
            unscaled = [
                g
                if g is None or v.overwrite_with_gradient
                else convert_to_tensor(g, v.dtype) / _op.cast(scale, v.dtype)
                for g, v in zip(grads, variables, strict=True)
            ]
            changed = [*variables, *self.inner_optimizer.variables]
            self._only_if(finite, changed, lambda: self.inner_optimizer.apply(unscaled, variables))
            grows = _op.equal(counter, int(self.dynamic_growth_steps) - 1)
            factor = _op.where(finite, _op.where(grows, 2.0, 1.0), 0.5)
            _op.assign(scale, scale * _op.cast(factor, "float32"))
            keeps = _op.logical_and(finite, _op.logical_not(grows))
            _op.assign(counter, _op.where(keeps, counter + 1, 0))

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Optimizer:
        inner = deserialize_keras_object(config["inner_optimizer"], custom_objects)
        return cls(inner, **{key: value for key, value in config.items() if key != "inner_optimizer"})


class OptimizerMap(MutableMapping):
    """Optimizers by the paths of variables: exact, or as patterns that match the whole path.

    Args:
        default_optimizer: of the variables that no key matches.
        optimizer_map: a dictionary to begin with.

    Raises:
        ValueError: looking up a path that several patterns match.
    """

    def __init__(self, default_optimizer: Optimizer, optimizer_map: dict[str, Optimizer] | None = None) -> None:
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(f"default_optimizer must be a Keras Optimizer instance, got {default_optimizer!r}.")
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"optimizer_map must be a dictionary, got {optimizer_map!r}.")
        self._default_optimizer, self._optimizer_map = default_optimizer, optimizer_map or {}

    @property
    def default_optimizer(self) -> Optimizer:
        """The optimizer of the variables that no key matches."""
        return self._default_optimizer

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._optimizer_map:
            return self._optimizer_map[key]
        found = [pattern for pattern in self._optimizer_map if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ValueError(f"Multiple optimizers assigned to variable {key}: the patterns {found} match it.")
        return self._optimizer_map[found[0]] if found else self._default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if key in self._optimizer_map:
            raise ValueError(f"{key!r} already exists in the OptimizerMap with value {self._optimizer_map[key]}.")
        if not isinstance(key, str):
            raise ValueError(f"key must be a string, got {key!r}.")
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"optimizer must be a Keras Optimizer instance, got {optimizer!r}.")
        if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
            raise ValueError(f"optimizer cannot be {type(optimizer).__name__}.")
        self._optimizer_map[key] = optimizer

    def __delitem__(self, key: str) -> None:
        del self._optimizer_map[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer_map)

    def __len__(self) -> int:
        return len(self._optimizer_map)

    def __call__(self, variable: Variable) -> Optimizer:
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "default_optimizer": serialize_keras_object(self._default_optimizer),
            "optimizer_map": serialize_keras_object(self._optimizer_map),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> OptimizerMap:
        """A map made with ``config``."""
        parts = (config["default_optimizer"], config["optimizer_map"])
        return cls(*(deserialize_keras_object(part, custom_objects) for part in parts))


class MultiOptimizer(Optimizer):
    """Each variable is updated by the optimizer that a function (or an :class:`OptimizerMap`) names for it.

    Args:
        optimizer_map: ``variable -> optimizer``.
        loss_scale_factor: of the loss; in place of the optimizers' own.
    """

    def __init__(self, optimizer_map: Any, loss_scale_factor: float | None = None, name: str | None = None) -> None:
        self._inner_optimizers: list[Optimizer] = []
        self._optimizer_map = optimizer_map
        super().__init__(np.float32(0.0), loss_scale_factor=loss_scale_factor, name=name)
        default = getattr(optimizer_map, "default_optimizer", None)
        for optimizer in (*(optimizer_map.values() if isinstance(optimizer_map, MutableMapping) else ()), default):
            if optimizer is not None:
                self._place_of(optimizer)

    def _place_of(self, optimizer: Optimizer) -> int:
        for i, known in enumerate(self._inner_optimizers):
            if known is optimizer:
                return i
        optimizer.loss_scale_factor = self.loss_scale_factor
        self._inner_optimizers.append(optimizer)
        return len(self._inner_optimizers) - 1

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        self._places: dict[int, int] = {}
        for variable in variables:
            optimizer = self._optimizer_map(variable)
            if not isinstance(optimizer, Optimizer):
                raise ValueError(f"Optimizer for variable {variable.path} is not an Optimizer instance: {optimizer!r}.")
            if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
                raise ValueError(f"{type(optimizer).__name__} cannot be used inside an MultiOptimizer.")
            self._places[id(variable)] = self._place_of(optimizer)
        for i, optimizer in enumerate(self._inner_optimizers):
            mine = [v for v in variables if self._places[id(v)] == i]
            if mine:
                optimizer.build(mine)
        super().build(variables)

    @property
    def optimizers(self) -> list[Optimizer]:
        """The optimizers inside."""
        return self._inner_optimizers

    @property
    def variables(self) -> list[Variable]:
        """Its own state, then that of the optimizers inside."""
        return self._variables + [v for optimizer in self._inner_optimizers for v in optimizer.variables]

    @property
    def learning_rate(self) -> Any:
        """There is none; the optimizers inside have theirs."""
        raise AttributeError("A MultiOptimizer has no learning_rate: use those of its optimizers.")

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        raise AttributeError("A MultiOptimizer has no learning_rate: set those of its optimizers.")

    @property
    def loss_scale_factor(self) -> float | None:
        """The factor of the loss, for all optimizers inside."""
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        self._loss_scale_factor = value
        for optimizer in self._inner_optimizers:
            optimizer.loss_scale_factor = value

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        if not len(grads):
            return
        if trainable_variables is None and not self.built:
            raise ValueError(f"{self.name}: apply(grads) needs the variables the first time: apply(grads, variables).")
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        with chainrule.no_grad():
            self.build(variables)
            if len(grads) != len(self._trainable_variables):
                raise ValueError(
                    f"{self.name}: Gradients must match trainable variables one-to-one; got {len(grads)} for "
                    f"{len(self._trainable_variables)}."
                )
            for i, optimizer in enumerate(self._inner_optimizers):
                mine = [(g, v) for g, v in zip(grads, variables, strict=True) if self._places[id(v)] == i]
                if mine:
                    optimizer.apply([g for g, _ in mine], [v for _, v in mine])
            _op.assign_add(self._iterations.value, 1)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        for i, optimizer in enumerate(self._inner_optimizers):
            optimizer.finalize_variable_values([v for v in var_list if self._places.get(id(v)) == i])

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer_map": serialize_keras_object(self._optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Optimizer:
        return cls(**{**config, "optimizer_map": deserialize_keras_object(config["optimizer_map"], custom_objects)})

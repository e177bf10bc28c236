"""Adagrad, Adadelta, Adamax, Nadam, Lion, Ftrl, Lamb and schedule-free AdamW, composed of elementwise ops.

g is the gradient, t = 1, 2, ... the step, lr the learning rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import _core

from ..variables import Variable, convert_to_tensor, unwrap
from .base import Optimizer, arguments_of

_op = _core.ops


class Adagrad(Optimizer):
    """a <- a + g^2; w <- w - lr g / sqrt(a + eps) (Duchi et al. 2011)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon
        self._slots = ("accumulator",)

    def build(self, variables: Sequence[Variable]) -> None:
        if not self.built:
            super().build(variables)
            for slot in self._slot_values["accumulator"]:
                slot.assign(np.full(slot.shape, self.initial_accumulator_value))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        accumulator = self.slot("accumulator", variable)
        _op.assign_add(accumulator, _op.square(gradient))
        _op.assign_add(variable.value, -(learning_rate * gradient / _op.sqrt(accumulator + self.epsilon)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "initial_accumulator_value", "epsilon")}


class Adadelta(Optimizer):
    """a <- rho a + (1-rho) g^2; d = -g sqrt(u + eps) / sqrt(a + eps); u <- rho u + (1-rho) d^2; w <- w + lr d.

    Zeiler 2012.
    """

    _slots = ("accumulated_gradient", "accumulated_update")

    def __init__(
        self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.rho, self.epsilon = rho, epsilon

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        squares, updates = (self.slot(name, variable) for name in self._slots)
        _op.assign(squares, self.rho * squares + (1.0 - self.rho) * _op.square(gradient))
        step = -(_op.sqrt(updates + self.epsilon) * gradient / _op.sqrt(squares + self.epsilon))
        _op.assign(updates, self.rho * updates + (1.0 - self.rho) * _op.square(step))
        _op.assign_add(variable.value, learning_rate * step)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "rho", "epsilon")}


class Adamax(Optimizer):
    """m <- b1 m + (1-b1) g; u <- max(b2 u, |g|); w <- w - lr m / ((1-b1^t) (u + eps)) (Kingma and Ba 2015)."""

    _slots = ("momentum", "norm")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        m, u = (self.slot(name, variable) for name in self._slots)
        t = _op.cast(unwrap(self.iterations) + 1, gradient.dtype)
        _op.assign_add(m, (gradient - m) * (1.0 - self.beta_1))
        _op.assign(u, _op.maximum(self.beta_2 * u, _op.absolute(gradient)))
        correction = 1.0 - _op.power(self.beta_1, t)
        _op.assign_add(variable.value, -(learning_rate / correction * m / (u + self.epsilon)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "beta_1", "beta_2", "epsilon")}


class Nadam(Optimizer):
    """Adam with Nesterov momentum (Dozat 2016): momentum schedule u_t = b1 (1 - 0.96^t / 2).

    m and v as in Adam; mhat = u_(t+1) m / (1 - prod_(i<=t+1) u_i) + (1 - u_t) g / (1 - prod_(i<=t) u_i);
    w <- w - lr mhat / (sqrt(v / (1-b2^t)) + eps).
    """

    _slots = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: Sequence[Variable]) -> None:
        if not self.built:
            super().build(variables)
            self._u_product = self.add_variable((), "ones", "float32", name="product")

    def _schedule(self, t: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * _op.power(0.96, t))

    def begin_step(self) -> None:
        t = _op.cast(unwrap(self.iterations) + 1, "float32")
        _op.assign(self._u_product.value, self._u_product.value * self._schedule(t))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        m, v = (self.slot(name, variable) for name in self._slots)
        t = _op.cast(unwrap(self.iterations) + 1, gradient.dtype)
        now, following = self._schedule(t), self._schedule(t + 1.0)
        product = convert_to_tensor(self._u_product, gradient.dtype)
        _op.assign_add(m, (gradient - m) * (1.0 - self.beta_1))
        _op.assign_add(v, (_op.square(gradient) - v) * (1.0 - self.beta_2))
        m_hat = m * (following / (1.0 - product * following)) + gradient * ((1.0 - now) / (1.0 - product))
        v_hat = v / (1.0 - _op.power(self.beta_2, t))
        _op.assign_add(variable.value, -(m_hat * learning_rate / (_op.sqrt(v_hat) + self.epsilon)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "beta_1", "beta_2", "epsilon")}


class Lion(Optimizer):
    """w <- w - lr sign(b1 m + (1-b1) g); m <- b2 m + (1-b2) g (Chen et al. 2023)."""

    _slots = ("momentum",)

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        if not 0 < beta_1 <= 1:
            raise ValueError(
                f"Lion: Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer degenerates to "
                f"SignSGD. Received: beta_1={beta_1!r}."
            )
        self.beta_1, self.beta_2 = beta_1, beta_2

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        m = self.slot("momentum", variable)
        direction = _op.sign(m * self.beta_1 + gradient * (1.0 - self.beta_1))
        _op.assign_add(variable.value, -(learning_rate * direction))
        _op.assign(m, m * self.beta_2 + gradient * (1.0 - self.beta_2))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "beta_1", "beta_2")}


class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al. 2013), with shrinkage; it minimises with L1 and L2 penalties.

    With p the learning rate's power, s the shrinkage and q = l2 + beta / (2 lr): n' = n + g^2;
    z <- z + g + 2 s w - (n'^-p - n^-p) w / lr; w <- (clip(z, -l1, l1) - z) / (n'^-p / lr + 2 q); n <- n'.
    """

    _slots = ("accumulator", "linear")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.learning_rate_power, self.initial_accumulator_value = learning_rate_power, initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        for name in self._ARGUMENTS[1:5]:
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` needs to be positive or zero. Received: {name}={getattr(self, name)!r}.")
        if learning_rate_power > 0:
            raise ValueError(
                f"`learning_rate_power` needs to be negative or zero. Received: "
                f"learning_rate_power={learning_rate_power!r}."
            )

    _ARGUMENTS = (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )

    def build(self, variables: Sequence[Variable]) -> None:
        if not self.built:
            super().build(variables)
            for slot in self._slot_values["accumulator"]:
                slot.assign(np.full(slot.shape, self.initial_accumulator_value))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        accumulator, linear = (self.slot(name, variable) for name in self._slots)
        weights, power = variable.value, -float(self.learning_rate_power)
        shrunk = gradient + 2.0 * self.l2_shrinkage_regularization_strength * weights
        squares = accumulator + _op.square(gradient)
        growth = _op.power(squares, power)
        _op.assign_add(linear, shrunk - (growth - _op.power(accumulator, power)) / learning_rate * weights)
        l1, l2 = self.l1_regularization_strength, self.l2_regularization_strength + self.beta / (2.0 * learning_rate)
        within = _op.minimum(_op.maximum(linear, -l1), l1)
        _op.assign(weights, (within - linear) / (growth / learning_rate + 2.0 * l2))
        _op.assign(accumulator, squares)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, *self._ARGUMENTS)}


class Lamb(Optimizer):
    """Adam's step d, scaled for each weight to lr ||w|| / ||d|| (You et al. 2020); 1 where a norm is 0."""

    _slots = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        m, v = (self.slot(name, variable) for name in self._slots)
        t = _op.cast(unwrap(self.iterations) + 1, gradient.dtype)
        _op.assign_add(m, (gradient - m) * (1.0 - self.beta_1))
        _op.assign_add(v, (_op.square(gradient) - v) * (1.0 - self.beta_2))
        m_hat = m / (1.0 - _op.power(self.beta_1, t))
        step = m_hat / (_op.sqrt(v / (1.0 - _op.power(self.beta_2, t))) + self.epsilon)
        weights_norm, step_norm = (_op.sqrt(_op.sum(_op.square(x))) for x in (variable.value, step))
        usable = _op.logical_and(_op.greater(weights_norm, 0.0), _op.greater(step_norm, 0.0))
        ratio = _op.where(usable, weights_norm / _op.where(usable, step_norm, 1.0), 1.0)
        _op.assign_add(variable.value, -(ratio * learning_rate * step))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "beta_1", "beta_2", "epsilon")}


class ScheduleFreeAdamW(Optimizer):
    """AdamW without a schedule of the learning rate (Defazio et al. 2024).

    z is Adam's sequence without momentum, x its average with weight 1/t for the newest; the gradient is taken at
    y = (1-b1) z + b1 x, which is what the weights hold. The rate rises linearly over ``warmup_steps``.
    """

    _slots = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.beta_1, self.beta_2, self.epsilon, self.warmup_steps = beta_1, beta_2, epsilon, warmup_steps

    def build(self, variables: Sequence[Variable]) -> None:
        if not self.built:
            super().build(variables)
            for slot, variable in zip(self._slot_values["momentum"], variables, strict=True):
                slot.assign(variable.value)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        z, v = (self.slot(name, variable) for name in self._slots)
        t = _op.cast(unwrap(self.iterations) + 1, gradient.dtype)
        if self.warmup_steps:
            learning_rate = learning_rate * _op.minimum(t / float(self.warmup_steps), 1.0)
        x = (variable.value - (1.0 - self.beta_1) * z) / self.beta_1
        _op.assign_add(v, (_op.square(gradient) - v) * (1.0 - self.beta_2))
        size = _op.sqrt(v / (1.0 - _op.power(self.beta_2, t))) + self.epsilon
        _op.assign_add(z, -(learning_rate * gradient / size))
        x = (1.0 - 1.0 / t) * x + z / t
        _op.assign(variable.value, (1.0 - self.beta_1) * z + self.beta_1 * x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "beta_1", "beta_2", "epsilon", "warmup_steps")}

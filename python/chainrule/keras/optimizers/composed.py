"""Adagrad, Adadelta, Adamax and Nadam, composed of elementwise ops.

g is the gradient, t = 1, 2, ... the step, lr the learning rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import _core

from ..variables import Variable, convert_to_tensor
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
        t = _op.cast(self.iterations.value + 1, gradient.dtype)
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
            self._product = self.add_variable((), "ones", "float32", name="product")

    def _schedule(self, t: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * _op.power(0.96, t))

    def begin_step(self) -> None:
        t = _op.cast(self.iterations.value + 1, "float32")
        _op.assign(self._product.value, self._product.value * self._schedule(t))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        m, v = (self.slot(name, variable) for name in self._slots)
        t = _op.cast(self.iterations.value + 1, gradient.dtype)
        now, following = self._schedule(t), self._schedule(t + 1.0)
        product = convert_to_tensor(self._product, gradient.dtype)
        _op.assign_add(m, (gradient - m) * (1.0 - self.beta_1))
        _op.assign_add(v, (_op.square(gradient) - v) * (1.0 - self.beta_2))
        m_hat = m * (following / (1.0 - product * following)) + gradient * ((1.0 - now) / (1.0 - product))
        v_hat = v / (1.0 - _op.power(self.beta_2, t))
        _op.assign_add(variable.value, -(m_hat * learning_rate / (_op.sqrt(v_hat) + self.epsilon)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "beta_1", "beta_2", "epsilon")}

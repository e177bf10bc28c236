"""Adafactor and Muon: optimizers that see a weight as a matrix.

g is the gradient, t = 1, 2, ... the step, lr the learning rate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from chainrule import _core

from ..variables import Variable, unwrap
from .base import Optimizer, arguments_of

_op = _core.ops


def _transposed(x: Any) -> Any:
    return _op.transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _rms(x: Any) -> Any:
    return _op.sqrt(_op.mean(_op.square(x)))


class Adafactor(Optimizer):
    """Adam's second moment kept as row means r and column means c of the last two axes (Shazeer and Stern 2018).

    With b = 1 - t^beta_2_decay: r, c <- b r + (1-b) mean(g^2 + e1); v = r c / mean(r); u = g / sqrt(v);
    w <- w - max(e2, rms(w)) min(lr, 1/sqrt(t)) u / max(1, rms(u) / clip_threshold). Vectors keep all of v.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.beta_2_decay, self.epsilon_1, self.epsilon_2 = beta_2_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.relative_step = clip_threshold, relative_step

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._rows: list[Variable] = []
        self._columns: list[Variable] = []
        self._velocities: list[Variable] = []
        for variable in variables:
            shape: tuple[int, ...] = tuple(variable.shape)
            rows: tuple[int, ...] = ()
            columns: tuple[int, ...] = ()
            if len(shape) >= 2:  # vectors have a number in the place of both, as in Keras's files
                rows, columns = shape[:-1], (*shape[:-2], shape[-1])
            self._rows.append(self.add_variable(rows, dtype=variable.dtype, name="row"))
            self._columns.append(self.add_variable(columns, dtype=variable.dtype, name="column"))
            self._velocities.append(self.add_variable_from_reference(variable, "velocity"))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        r, c, v = (slots[index].value for slots in (self._rows, self._columns, self._velocities))
        t = _op.cast(unwrap(self.iterations) + 1, gradient.dtype)
        share = _op.power(t, float(self.beta_2_decay))  # of the newest gradient
        squares = _op.square(gradient) + self.epsilon_1
        if gradient.ndim < 2:
            _op.assign(v, v * (1.0 - share) + squares * share)
        else:
            _op.assign(r, r * (1.0 - share) + _op.mean(squares, axis=-1) * share)
            _op.assign(c, c * (1.0 - share) + _op.mean(squares, axis=-2) * share)
            ratio = r / _op.mean(r, axis=-1, keepdims=True)
            _op.assign(v, _op.expand_dims(ratio, -1) * _op.expand_dims(c, -2))
        size = _op.maximum(_rms(variable.value), self.epsilon_2) * _op.minimum(learning_rate, 1.0 / _op.sqrt(t))
        u = gradient / _op.sqrt(v)
        _op.assign_add(variable.value, -(size * (u / _op.maximum(_rms(u) / self.clip_threshold, 1.0))))

    def get_config(self) -> dict[str, Any]:
        names = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")
        return {**super().get_config(), **arguments_of(self, *names)}


class Muon(Optimizer):
    """Momentum whose matrices are made orthogonal by a Newton-Schulz iteration (Jordan et al. 2024).

    m <- mu m + g; X = g + mu m (Nesterov), divided by its norm; ``ns_steps`` times X <- a X + (b A + c A A) X with
    A = X X^T; w <- w - lr rms_rate sqrt(max(rows, columns)) X. Weights that are no matrices, embeddings, and those
    whose path one of the patterns ``exclude_layers`` is found in follow Adam, at ``adam_lr_ratio`` times the rate.
    """

    _ARGUMENTS = (
        "adam_beta_1",
        "adam_beta_2",
        "adam_weight_decay",
        "epsilon",
        "exclude_layers",
        "exclude_embeddings",
        "muon_a",
        "muon_b",
        "muon_c",
        "adam_lr_ratio",
        "momentum",
        "ns_steps",
        "nesterov",
        "rms_rate",
    )

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.adam_beta_1, self.adam_beta_2, self.adam_weight_decay = adam_beta_1, adam_beta_2, adam_weight_decay
        self.epsilon, self.exclude_embeddings = epsilon, exclude_embeddings
        self.exclude_layers = list(exclude_layers or [])
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.adam_lr_ratio, self.momentum, self.ns_steps = adam_lr_ratio, momentum, ns_steps
        self.nesterov, self.rms_rate = nesterov, rms_rate

    def _should_use_adamw(self, variable: Variable) -> bool:
        if len(variable.shape) != 2 or (self.exclude_embeddings and "embedding" in variable.path.lower()):
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self.momentums: list[Variable] = []
        self.adam_velocities: list[Variable | None] = []
        for variable in variables:
            self.momentums.append(self.add_variable_from_reference(variable, "momentum"))
            adam = self._should_use_adamw(variable)
            self.adam_velocities.append(self.add_variable_from_reference(variable, "velocity") if adam else None)

    def _decay_of(self, variable: Variable) -> float:
        decay = self.adam_weight_decay if self._should_use_adamw(variable) else self.weight_decay
        return float(decay) if decay and self._decays(variable) else 0.0

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        m, velocity = self.momentums[index].value, self.adam_velocities[index]
        if velocity is not None:
            self._adam_step(gradient, variable, learning_rate * self.adam_lr_ratio, m, velocity.value)
            return
        _op.assign(m, m * self.momentum + gradient)
        step = self.zeropower_via_newtonschulz5(gradient + self.momentum * m if self.nesterov else m, self.ns_steps)
        _op.assign_add(variable.value, -self.lr_adjust(learning_rate * step))

    def _adam_step(self, gradient: Any, variable: Variable, rate: Any, m: Any, v: Any) -> None:
        t = _op.cast(unwrap(self.iterations) + 1, gradient.dtype)
        scale = _op.sqrt(1.0 - _op.power(self.adam_beta_2, t)) / (1.0 - _op.power(self.adam_beta_1, t))
        _op.assign_add(m, (gradient - m) * (1.0 - self.adam_beta_1))
        _op.assign_add(v, (_op.square(gradient) - v) * (1.0 - self.adam_beta_2))
        _op.assign_add(variable.value, -(m * (rate * scale) / (_op.sqrt(v) + self.epsilon)))

    def lr_adjust(self, x: Any) -> Any:
        """The step of a matrix, scaled so that its entries are about as large as those of Adam's."""
        return x if self.rms_rate is None else x * (math.sqrt(max(x.shape)) * self.rms_rate)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """About U V^T of the singular value decomposition U S V^T of a matrix; ValueError if it is none."""
        if x.ndim < 2:
            raise ValueError(f"Muon: a matrix is needed, got shape {tuple(x.shape)}.")
        tall = x.shape[-2] > x.shape[-1]
        if tall:
            x = _transposed(x)
        x = x / (_op.sqrt(_op.sum(_op.square(x), axis=(-2, -1), keepdims=True)) + 1e-7)
        for _ in range(steps):
            a = _op.matmul(x, _transposed(x))
            x = self.muon_a * x + _op.matmul(self.muon_b * a + self.muon_c * _op.matmul(a, a), x)
        return _transposed(x) if tall else x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, *self._ARGUMENTS)}

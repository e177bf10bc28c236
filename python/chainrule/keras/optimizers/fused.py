"""SGD, RMSprop, Adam and AdamW: one op of the core updates all weights of a type in one pass.

g is the gradient, t = 1, 2, ... the step, lr the learning rate.
"""

from __future__ import annotations

from typing import Any

from chainrule import _core

from ..variables import Variable, convert_to_tensor, unwrap
from .base import Optimizer, arguments_of

_op = _core.ops


class FusedOptimizer(Optimizer):
    """An optimizer whose update of many variables is one op."""

    def _update(self, gradients: list[Any], variables: list[Variable]) -> None:
        if not self.clipvalue:  # which the op does
            gradients = self._clip_gradients(gradients)
        rate = unwrap(self.learning_rate)
        groups: dict[tuple[str, float], list[tuple[Any, Variable]]] = {}
        for gradient, variable in zip(gradients, variables, strict=True):
            groups.setdefault((variable.dtype, self._decay_of(variable)), []).append((gradient, variable))
        for (_, decay), pairs in groups.items():
            tensors = [v.value for _, v in pairs] + [g for g, _ in pairs]
            for name in self._slots:
                tensors += [self.slot(name, v) for _, v in pairs]
            options = {"count": len(pairs), "weight_decay": decay, "clip_value": float(self.clipvalue or 0.0)}
            self._fused_update(convert_to_tensor(rate, "float32"), tensors, options)

    def _fused_update(self, rate: Any, tensors: list[Any], options: dict[str, Any]) -> None:
        raise NotImplementedError


class SGD(FusedOptimizer):
    """w <- w - lr g; with momentum mu: v <- mu v - lr g, w <- w + v, or (Nesterov) w <- w + mu v - lr g."""

    def __init__(
        self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        if not 0 <= momentum <= 1:
            raise ValueError(f"SGD: `momentum` must be a float between [0, 1], got {momentum!r}.")
        self.momentum, self.nesterov = momentum, nesterov
        self._slots = ("momentum",) if momentum else ()

    def _fused_update(self, rate: Any, tensors: list[Any], options: dict[str, Any]) -> None:
        _op.sgd_update(rate, *tensors, momentum=float(self.momentum), nesterov=bool(self.nesterov), **options)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "momentum", "nesterov")}


class RMSprop(FusedOptimizer):
    """s <- rho s + (1 - rho) g^2; w <- w - lr g / sqrt(s + eps); ``centered``: s minus the squared mean gradient.

    With momentum mu: v <- mu v + lr g / sqrt(...), w <- w - v.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered
        self._slot_groups = (("velocity",), ("momentum",), ("average_gradient",))
        self._slots = ("velocity", *(("average_gradient",) if centered else ()), *(("momentum",) if momentum else ()))

    def _fused_update(self, rate: Any, tensors: list[Any], options: dict[str, Any]) -> None:
        _op.rmsprop_update(
            rate,
            *tensors,
            rho=float(self.rho),
            momentum=float(self.momentum),
            epsilon=float(self.epsilon),
            centered=bool(self.centered),
            **options,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "rho", "momentum", "epsilon", "centered")}


class Adam(FusedOptimizer):
    """m <- b1 m + (1-b1) g; v <- b2 v + (1-b2) g^2; w <- w - lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps).

    Kingma and Ba 2015, in Keras's form: lr sqrt(1-b2^t) / (1-b1^t) * m / (sqrt(v) + eps). ``amsgrad`` divides by the
    greatest v so far (Reddi et al. 2018).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad
        self._slot_groups = (("momentum", "velocity"), ("velocity_hat",))
        self._slots = ("momentum", "velocity", *(("velocity_hat",) if amsgrad else ()))

    def _fused_update(self, rate: Any, tensors: list[Any], options: dict[str, Any]) -> None:
        _op.adam_update(
            rate,
            unwrap(self.iterations),
            *tensors,
            beta1=float(self.beta_1),
            beta2=float(self.beta_2),
            epsilon=float(self.epsilon),
            amsgrad=bool(self.amsgrad),
            **options,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **arguments_of(self, "beta_1", "beta_2", "epsilon", "amsgrad")}


class AdamW(Adam):
    """:class:`Adam` after w <- w - lr * weight_decay * w (Loshchilov and Hutter 2019)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if weight_decay is None:
            raise ValueError(
                "AdamW: Argument `weight_decay` must be a float. Received: weight_decay=None; without decay use Adam."
            )
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, *args, **kwargs)

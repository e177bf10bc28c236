"""The base of all optimizers: learning rate, slots, clipping, weight decay, averages of the weights.

Each update mutates its slots and the weights in place with ops of the core, so it can be recorded in a program.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from ..naming import snake_case, unique_name
from ..registry import serialize_keras_object
from ..variables import Variable, convert_to_tensor, unwrap
from . import schedules
from .schedules import LearningRateSchedule

_op = _core.ops


class Optimizer:
    """Base class. Subclasses create slots in ``build(variables)`` and define ``update_step(gradient, variable, lr)``.

    Args:
        learning_rate: a number, a :class:`LearningRateSchedule` or a function without arguments.
        weight_decay: each step first takes ``lr * weight_decay * w`` off the weights.
        clipnorm: each gradient is scaled down to at most this norm.
        clipvalue: gradients are cut to [-clipvalue, clipvalue].
        global_clipnorm: all gradients are scaled down together to at most this norm.
        use_ema: keeps an exponential moving average of the weights (``ema_momentum``), copied into them every
            ``ema_overwrite_frequency`` steps, or at the end of training if that is None.
        loss_scale_factor: the loss is multiplied by it and the gradients divided again.
        gradient_accumulation_steps: only None is supported.
        name: its name.

    ``lr`` (of Keras before version 2.3) is accepted with a warning.
    """

    _slots: tuple[str, ...] = ()  # names of the per-variable slots, all starting at 0
    _slot_groups: tuple[
        tuple[str, ...], ...
    ] = ()  # of what Keras makes together, variable by variable: files keep its order

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if "lr" in kwargs:
            warnings.warn(
                f"{type(self).__name__}(lr=...) is the old spelling; use learning_rate=... . It is taken as such.",
                stacklevel=3,
            )
            learning_rate = kwargs.pop("lr")
        if kwargs:
            raise ValueError(f"{type(self).__name__}: unexpected arguments {sorted(kwargs)}.")
        if sum(value is not None for value in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                f"{type(self).__name__}: only one of clipnorm={clipnorm}, clipvalue={clipvalue} and "
                f"global_clipnorm={global_clipnorm} can be set."
            )
        if gradient_accumulation_steps is not None:
            raise ValueError(
                f"{type(self).__name__}: gradient_accumulation_steps is not supported; use a larger batch_size."
            )
        if use_ema and not 0 <= ema_momentum <= 1:
            raise ValueError(f"{type(self).__name__}: ema_momentum must be between 0 and 1, got {ema_momentum}.")
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.weight_decay, self.clipnorm, self.clipvalue = weight_decay, clipnorm, clipvalue
        self.global_clipnorm, self.loss_scale_factor = global_clipnorm, loss_scale_factor
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self.iterations = Variable(np.int64(0), dtype="int64", trainable=False, name="iteration")
        self._variables: list[Variable] = [self.iterations]
        self._trainable: list[Variable] = []
        self._index: dict[int, int] = {}
        self._no_decay: set[int] = set()
        self._no_decay_names: tuple[str, ...] = ()
        self._averages: list[Variable] = []
        self._rate: Any = learning_rate
        if not isinstance(learning_rate, LearningRateSchedule) and not callable(learning_rate):
            self._check_rate(learning_rate)
            self._rate = Variable(np.float32(learning_rate), trainable=False, name="learning_rate")
            self._variables.append(self._rate)

    def _check_rate(self, rate: Any) -> None:
        try:
            value = float(rate)
        except (TypeError, ValueError):
            raise ValueError(
                f"{type(self).__name__}: learning_rate must be a number, a LearningRateSchedule or a function, got "
                f"{rate!r}."
            ) from None
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{type(self).__name__}: learning_rate must be finite and >= 0, got {rate!r}.")

    # ---- state

    @property
    def variables(self) -> list[Variable]:
        """The step count, the learning rate and all slots."""
        return list(self._variables)

    @property
    def learning_rate(self) -> Any:
        """The current learning rate: its variable, or the schedule's value at this step. Assigning sets it."""
        if isinstance(self._rate, LearningRateSchedule):
            return self._rate(self.iterations)
        return self._rate if isinstance(self._rate, Variable) else self._rate()

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        if isinstance(rate, LearningRateSchedule) or (callable(rate) and not isinstance(rate, Variable)):
            self._rate = rate
            self._variables = [v for v in self._variables if v.name != "learning_rate"]
        elif isinstance(self._rate, Variable):
            self._check_rate(rate)
            self._rate.assign(float(rate))
        else:
            raise TypeError(
                f"{self.name}: the learning rate follows {self._rate!r} and can't be set to {rate!r}. Make the "
                f"optimizer "
                f"with a number to be able to set it, or assign another schedule."
            )

    lr = learning_rate

    def build(self, variables: Sequence[Variable]) -> None:
        """Makes the slots of these variables, the ones it will update. Called at the first step."""
        if self.built:
            return
        self._trainable = list(variables)
        self._index = {id(v): i for i, v in enumerate(variables)}
        self._slot_values: dict[str, list[Variable]] = {name: [] for name in self._slots}
        for group in self._slot_groups or (self._slots,):
            names = [name for name in group if name in self._slots]
            for variable in variables:
                for name in names:
                    self._slot_values[name].append(self.add_variable_from_reference(variable, name))
        if self.use_ema:
            self._averages = [self.add_variable_from_reference(v, "average", v) for v in variables]
        self.built = True

    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A new slot."""
        variable = Variable(initializer, shape=shape, dtype=dtype, trainable=False, name=name or "slot")
        self._variables.append(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A new slot with the shape and type of a weight."""
        path = f"{reference_variable.path.replace('/', '_')}_{name or 'slot'}"
        if isinstance(initializer, Variable):
            variable = Variable(initializer.numpy(), trainable=False, name=path)
            self._variables.append(variable)
            return variable
        return self.add_variable(reference_variable.shape, initializer, reference_variable.dtype, name=path)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Sequence[str] | None = None) -> None:
        """No weight decay for these variables, or those whose name contains one of ``var_names``. Before ``build``."""
        if self.built:
            raise ValueError("exclude_from_weight_decay must be called before the optimizer's first step.")
        self._no_decay = {id(v) for v in var_list or ()}
        self._no_decay_names = tuple(var_names or ())

    def _decays(self, variable: Variable) -> bool:
        return id(variable) not in self._no_decay and not any(name in variable.path for name in self._no_decay_names)

    # ---- steps

    def scale_loss(self, loss: Any) -> Any:
        """The loss times ``loss_scale_factor``."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def apply_gradients(self, grads_and_vars: Any) -> Any:
        """One step from pairs (gradient, variable); returns the step count."""
        gradients, variables = zip(*grads_and_vars, strict=True)
        self.apply(list(gradients), list(variables))
        return self.iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """One step: updates the variables in place from their gradients (None: no gradient, with a warning).

        Raises:
            ValueError: unknown variables, or not one gradient per variable.
        """
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    f"{self.name}: apply(grads) needs the variables the first time: apply(grads, variables)."
                )
            trainable_variables = self._trainable
        if len(grads) != len(trainable_variables):
            raise ValueError(f"{self.name}: {len(grads)} gradients for {len(trainable_variables)} variables.")
        with chainrule.no_grad():
            self.build(trainable_variables)
            unknown = [v.path for v in trainable_variables if id(v) not in self._index]
            if unknown:
                raise ValueError(
                    f"{self.name} was built for other variables; unknown: {unknown}. Make a new optimizer, or "
                    f"compile the "
                    f"model again after changing its layers."
                )
            pairs = [(g, v) for g, v in zip(grads, trainable_variables, strict=True) if g is not None]
            missing = [v.path for g, v in zip(grads, trainable_variables, strict=True) if g is None]
            if not pairs:
                raise ValueError(
                    f"{self.name}: no variable has a gradient: the loss does not depend on {missing}. Look for "
                    f"stop_gradient, integer casts or NumPy calls between the weights and the loss."
                )
            if missing:
                warnings.warn(f"{self.name}: no gradient for {missing}; they are left as they are.", stacklevel=3)
            gradients = [convert_to_tensor(g, v.dtype) for g, v in pairs]
            if self.loss_scale_factor is not None:
                gradients = [g / self.loss_scale_factor for g in gradients]
            self._update(self._clip(gradients), [v for _, v in pairs])
            self._after(trainable_variables)
            _op.assign_add(self.iterations.value, 1)

    def _clip(self, gradients: list[Any]) -> list[Any]:
        if self.clipnorm:
            limit = float(self.clipnorm)
            return [g * (limit / _op.maximum(_op.sqrt(_op.sum(_op.square(g))), limit)) for g in gradients]
        if self.global_clipnorm:
            limit = float(self.global_clipnorm)
            squares = [_op.sum(_op.square(g)) for g in gradients]
            norm = _op.sqrt(sum(squares[1:], squares[0]))
            scale = limit / _op.maximum(norm, limit)
            return [g * _op.cast(scale, g.dtype) for g in gradients]
        return gradients

    def _update(self, gradients: list[Any], variables: list[Variable]) -> None:
        """The step on clipped gradients, variable by variable; the fused optimizers do all at once."""
        rate = unwrap(self.learning_rate)
        self.begin_step()
        for gradient, variable in zip(gradients, variables, strict=True):
            if self.clipvalue:
                gradient = _op.minimum(_op.maximum(gradient, -float(self.clipvalue)), float(self.clipvalue))
            lr = convert_to_tensor(rate, variable.dtype)
            if self.weight_decay and self._decays(variable):
                _op.assign_add(variable.value, variable.value * (lr * -self.weight_decay))
            self.update_step(gradient, variable, lr)
        self.end_step()

    def begin_step(self) -> None:
        """Hook before the variables of a step are updated."""

    def end_step(self) -> None:
        """Hook after the variables of a step were updated."""

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Updates one variable in place."""
        raise NotImplementedError(f"{type(self).__name__} must define update_step(gradient, variable, learning_rate).")

    def slot(self, name: str, variable: Variable) -> Any:
        """The tensor of a variable's slot."""
        return self._slot_values[name][self._index[id(variable)]].value

    def _after(self, variables: Sequence[Variable]) -> None:
        """Averages of the weights, then constraints."""
        for variable in variables:
            if variable.constraint is not None:
                _op.assign(variable.value, convert_to_tensor(variable.constraint(variable.value), variable.dtype))
        if not self.use_ema:
            return
        for variable, average in zip(self._trainable, self._averages, strict=True):
            # The first step's weights are the first average.
            share = _op.where(_op.equal(self.iterations.value, 0), 1.0, 1.0 - self.ema_momentum)
            _op.assign_add(average.value, (variable.value - average.value) * convert_to_tensor(share, variable.dtype))
            if self.ema_overwrite_frequency:
                due = _op.equal(_op.remainder(self.iterations.value + 1, self.ema_overwrite_frequency), 0)
                _op.assign(variable.value, _op.where(due, average.value, variable.value))

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """At the end of training: the averaged weights, if ``use_ema`` without ``ema_overwrite_frequency``."""
        if self.use_ema and not self.ema_overwrite_frequency:
            for variable in var_list:
                if id(variable) in self._index:
                    variable.assign(self._averages[self._index[id(variable)]].value)

    def assign(self, variable: Variable, value: Any) -> None:
        """``variable.assign(value)``."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """``variable.assign_add(value)``."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """``variable.assign_sub(value)``."""
        variable.assign_sub(value)

    def get_weights(self) -> list[np.ndarray]:
        """The state as ndarrays."""
        return [v.numpy() for v in self._variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Writes a state that :meth:`get_weights` gave."""
        if len(weights) != len(self._variables):
            raise ValueError(f"{self.name}: {len(weights)} arrays for {len(self._variables)} variables.")
        for variable, value in zip(self._variables, weights, strict=True):
            variable.assign(value)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        rate = self._rate
        if isinstance(rate, Variable):
            rate = float(rate.numpy())
        elif isinstance(rate, LearningRateSchedule):
            rate = schedules.serialize(rate)
        else:
            rate = serialize_keras_object(rate)
        names = [
            "weight_decay",
            "clipnorm",
            "clipvalue",
            "global_clipnorm",
            "use_ema",
            "ema_momentum",
            "ema_overwrite_frequency",
            "loss_scale_factor",
            "gradient_accumulation_steps",
        ]
        return {"name": self.name, "learning_rate": rate, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Optimizer:
        """An optimizer made with ``config``."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = schedules.deserialize(config["learning_rate"], custom_objects)
        return cls(**config)


def arguments_of(optimizer: Optimizer, *names: str) -> dict[str, Any]:
    """The named attributes, for ``get_config``."""
    return {name: getattr(optimizer, name) for name in names}

"""The base of all optimizers: learning rate, slots, clipping, weight decay, averages of the weights.

Each update mutates its slots and the weights in place with ops of the core, so it can be recorded in a program.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from ..naming import snake_case, unique_name
from ..registry import serialize_keras_object
from ..variables import Variable, convert_to_tensor, unwrap, values_in
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
        gradient_accumulation_steps: the gradients of so many steps (2 or more) are averaged, and the last of them
            updates the weights.
        name: its name.

    ``lr`` (of Keras before version 2.3) is accepted with a warning.
    """

    _slots: tuple[str, ...] = ()  # names of the per-variable slots, all starting at 0
    _slot_groups: tuple[
        tuple[str, ...], ...
    ] = ()  # of what Keras makes together, variable by variable: files keep its order

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Gives constructors that hand ``*args`` on the whole list of arguments for ``inspect.signature``."""
        super().__init_subclass__(**kwargs)
        own = list(inspect.signature(cls.__init__).parameters.values())[1:]
        if any(p.kind is p.VAR_POSITIONAL for p in own):
            named = [p for p in own if p.kind is p.POSITIONAL_OR_KEYWORD]
            known = {p.name for p in named}
            common = [p for p in inspect.signature(Optimizer.__init__).parameters.values() if p.name != "self"]
            named += [p for p in common if p.name not in known and p.kind is p.POSITIONAL_OR_KEYWORD]
            cls.__signature__ = inspect.Signature([*named, common[-1]])  # type: ignore[attr-defined]
        else:
            cls.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]

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
        if kwargs.pop("decay", None) is not None:
            raise ValueError(
                f"{type(self).__name__}: decay= is the old way; give learning_rate=keras.optimizers.schedules."
                f"InverseTimeDecay(rate, 1, decay) instead."
            )
        if kwargs:
            raise ValueError(f"{type(self).__name__}: unexpected arguments {sorted(kwargs)}.")
        if sum(value is not None for value in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                f"{type(self).__name__}: Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set; got "
                f"clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}."
            )
        if gradient_accumulation_steps and not gradient_accumulation_steps >= 2:
            raise ValueError(
                f"{type(self).__name__}: `gradient_accumulation_steps` must be an integer >= 2, got "
                f"{gradient_accumulation_steps}."
            )
        if use_ema and not 0 <= ema_momentum <= 1:
            raise ValueError(f"{type(self).__name__}: `ema_momentum` must be in the range [0, 1], got {ema_momentum}.")
        if (
            use_ema
            and ema_overwrite_frequency
            and not (isinstance(ema_overwrite_frequency, int) and ema_overwrite_frequency >= 1)
        ):
            raise ValueError(
                f"{type(self).__name__}: `ema_overwrite_frequency` must be an integer >= 1 or None, got "
                f"{ema_overwrite_frequency}."
            )
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.weight_decay, self.clipnorm, self.clipvalue = weight_decay, clipnorm, clipvalue
        self.global_clipnorm, self.loss_scale_factor = global_clipnorm, loss_scale_factor
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._iterations = Variable(np.int64(0), dtype="int64", trainable=False, name="iteration")
        self._variables: list[Variable] = [self._iterations]
        self._trainable_variables: list[Variable] = []
        self._index: dict[int, int] = {}
        self._no_decay: set[int] = set()
        self._no_decay_names: re.Pattern[str] | None = None
        self._model_variables_moving_average: list[Variable] = []
        self._accumulated_gradients: list[Variable] = []
        self._learning_rate: Any = learning_rate
        if not isinstance(learning_rate, LearningRateSchedule) and not callable(learning_rate):
            self._check_rate(learning_rate)
            self._learning_rate = Variable(np.float32(learning_rate), trainable=False, name="learning_rate")
            self._variables.append(self._learning_rate)
        for variable in self._variables:
            variable.path = f"{self.name}/{variable.name}"

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
    def iterations(self) -> Any:
        """The number of updates so far: its variable, or with ``gradient_accumulation_steps`` a tensor."""
        if self.gradient_accumulation_steps:
            return _op.floor_divide(self._iterations.value, int(self.gradient_accumulation_steps))
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """The current learning rate: its variable, or the schedule's value at this step. Assigning sets it."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self._iterations)
        return self._learning_rate if isinstance(self._learning_rate, Variable) else self._learning_rate()

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        if isinstance(rate, LearningRateSchedule) or (callable(rate) and not isinstance(rate, Variable)):
            self._learning_rate = rate
            self._variables = [v for v in self._variables if v.name != "learning_rate"]
        elif isinstance(self._learning_rate, Variable):
            self._check_rate(rate)
            self._learning_rate.assign(float(rate))
        else:
            raise TypeError(
                f"{self.name}: This optimizer was created with a `LearningRateSchedule` (or a function), "
                f"{self._learning_rate!r}, so its learning rate can't be set to {rate!r}. "
                f"Make the optimizer with a number to be able to set it, or assign another schedule."
            )

    lr = learning_rate

    def build(self, variables: Sequence[Variable]) -> None:
        """Makes the slots of these variables, the ones it will update. Called at the first step."""
        if self.built:
            return
        self._trainable_variables = list(variables)
        self._index = {id(v): i for i, v in enumerate(variables)}
        if self.use_ema:
            self._model_variables_moving_average = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulated_gradients = self.add_optimizer_variables(variables, "gradient_accumulator")
        self._slot_values: dict[str, list[Variable]] = {name: [] for name in self._slots}
        for group in self._slot_groups or (self._slots,):
            names = [name for name in group if name in self._slots]
            for variable in variables:
                for name in names:
                    self._slot_values[name].append(self.add_variable_from_reference(variable, name))
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
        variable.path = f"{self.name}/{variable.name}"
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

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: str | Sequence[str], initializer: Any = "zeros"
    ) -> Any:
        """A new slot for each weight: a list; for several names (and initializers) a tuple of lists."""
        if isinstance(name, str):
            return [self.add_variable_from_reference(v, name, initializer) for v in trainable_variables]
        initializers = initializer if isinstance(initializer, (list, tuple)) else [initializer] * len(name)
        if len(initializers) != len(name):
            raise ValueError(f"{self.name}: {len(name)} names {name} for {len(initializers)} initializers.")
        lists: tuple[list[Variable], ...] = tuple([] for _ in name)
        for variable in trainable_variables:
            for slots, one, start in zip(lists, name, initializers, strict=True):
                slots.append(self.add_variable_from_reference(variable, one, start))
        return lists

    def _get_variable_index(self, variable: Variable) -> int:
        """The place of a weight among those the optimizer was built for."""
        return self._index[id(variable)]

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Sequence[str] | None = None) -> None:
        """No weight decay for these variables, or those in whose name one of the patterns ``var_names`` is found.

        To be called before ``build``.
        """
        if self.built:
            raise ValueError("exclude_from_weight_decay must be called before the optimizer's first step.")
        self._no_decay = {id(v) for v in var_list or ()}
        self._no_decay_names = re.compile("|".join(var_names)) if var_names else None

    def _decays(self, variable: Variable) -> bool:
        excluded = self._no_decay_names is not None and self._no_decay_names.search(variable.name)
        return id(variable) not in self._no_decay and not excluded

    # ---- steps

    def scale_loss(self, loss: Any) -> Any:
        """The loss times ``loss_scale_factor``."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def apply_gradients(self, grads_and_vars: Any) -> Any:
        """One step from pairs (gradient, variable); returns the step count."""
        gradients, variables = zip(*grads_and_vars, strict=True)
        self.apply(list(gradients), list(variables))
        return self._iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """One step: updates the variables in place from their gradients (None: no gradient, with a warning).

        Raises:
            ValueError: unknown variables, or not one gradient per variable.
        """
        if not len(grads):
            return
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    f"{self.name}: apply(grads) needs the variables the first time: apply(grads, variables)."
                )
            trainable_variables = self._trainable_variables
        if len(grads) != len(trainable_variables):
            raise ValueError(f"{self.name}: {len(grads)} gradients for {len(trainable_variables)} variables.")
        with chainrule.no_grad():
            self.build(trainable_variables)
            unknown = [v.path for v in trainable_variables if id(v) not in self._index]
            if unknown:
                raise ValueError(
                    f"{self.name}: Unknown variable: {', '.join(unknown)}. It was built for others; make a new "
                    f"optimizer, or compile the model again after changing its layers."
                )
            pairs = [(g, v) for g, v in zip(grads, trainable_variables, strict=True) if g is not None]
            missing = [v.path for g, v in zip(grads, trainable_variables, strict=True) if g is None]
            if not pairs:
                raise ValueError(
                    f"{self.name}: No gradients provided for any variable. The loss does not depend on {missing}: look "
                    f"for stop_gradient, integer casts or NumPy calls between the weights and the loss."
                )
            if missing:
                warnings.warn(
                    f"{self.name}: Gradients do not exist for variables {missing}; they are left as they are.",
                    stacklevel=3,
                )
            gradients = [convert_to_tensor(g, v.dtype) for g, v in pairs]
            variables = [v for _, v in pairs]
            if any(v.overwrite_with_gradient for v in variables):
                pairs = self._overwrite(list(zip(gradients, variables, strict=True)))
                gradients, variables = [g for g, _ in pairs], [v for _, v in pairs]
            if self.loss_scale_factor is not None:
                gradients = [g / self.loss_scale_factor for g in gradients]
            if self.gradient_accumulation_steps:
                self._accumulate(gradients, variables, int(self.gradient_accumulation_steps))
            else:
                self._update(gradients, variables)
            self._after(trainable_variables)
            _op.assign_add(self._iterations.value, 1)

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """One step on given values of the weights and of :attr:`variables`: the new values of both, nothing written.

        Raises:
            ValueError: the optimizer isn't built, or other numbers of values than it has variables.
        """
        if not self.built:
            raise ValueError(f"{self.name}: stateless_apply needs build(trainable_variables) first.")
        variables, state = self._trainable_variables, self.variables
        if len(optimizer_variables) != len(state) or len(trainable_variables) != len(variables):
            raise ValueError(
                f"{self.name}: stateless_apply needs {len(state)} optimizer_variables and {len(variables)} "
                f"trainable_variables, got {len(optimizer_variables)} and {len(trainable_variables)}."
            )
        with values_in([*variables, *state], [*trainable_variables, *optimizer_variables]) as tensors:
            self.apply(grads, variables)
        return tensors[: len(variables)], tensors[len(variables) :]

    def _overwrite(self, pairs: list[tuple[Any, Variable]]) -> list[tuple[Any, Variable]]:
        """Writes gradients that are new values (the greatest of those accumulated); returns the other pairs."""
        for gradient, variable in pairs:
            if not variable.overwrite_with_gradient:
                continue
            if self.gradient_accumulation_steps:
                kept = self._accumulated_gradients[self._get_variable_index(variable)].value
                due = self._is_update_step()
                gradient = _op.maximum(gradient, kept)
                _op.assign(kept, _op.where(due, 0.0, gradient))
                gradient = _op.where(due, gradient, variable.value)
            _op.assign(variable.value, gradient)
        return [(g, v) for g, v in pairs if not v.overwrite_with_gradient]

    def _is_update_step(self) -> Any:
        return _op.equal(_op.remainder(self._iterations.value + 1, int(self.gradient_accumulation_steps or 1)), 0)

    def _accumulate(self, gradients: list[Any], variables: list[Variable], steps: int) -> None:
        """Adds to the gradients kept from earlier steps; every ``steps``-th time their mean makes an update."""
        kept = [self._accumulated_gradients[self._get_variable_index(v)].value for v in variables]
        sums = [g + k for g, k in zip(gradients, kept, strict=True)]
        due = self._is_update_step()
        accumulators = {id(v) for v in self._accumulated_gradients}
        changed = variables + [v for v in self._variables if id(v) not in accumulators]
        self._only_if(due, changed, lambda: self._update([s / steps for s in sums], variables))
        for accumulator, total in zip(kept, sums, strict=True):
            _op.assign(accumulator, _op.where(due, 0.0, total))

    @staticmethod
    def _only_if(condition: Any, variables: Sequence[Variable], update: Callable[[], Any]) -> None:
        """Runs the update, but leaves the variables as they were where the condition (a 0-d tensor) is false.

        A recorded program has no branches: both states are computed and one is chosen.
        """
        before = [_op.copy(v.value) for v in variables]
        update()
        for variable, old in zip(variables, before, strict=True):
            _op.assign(variable.value, _op.where(condition, variable.value, old))

    def _clip_gradients(self, gradients: list[Any]) -> list[Any]:
        if self.clipnorm:
            limit = float(self.clipnorm)
            return [g * (limit / _op.maximum(_op.sqrt(_op.sum(_op.square(g))), limit)) for g in gradients]
        if self.global_clipnorm:
            limit = float(self.global_clipnorm)
            squares = [_op.sum(_op.square(g)) for g in gradients]
            norm = _op.sqrt(sum(squares[1:], squares[0]))
            scale = limit / _op.maximum(norm, limit)
            return [g * _op.cast(scale, g.dtype) for g in gradients]
        if self.clipvalue:
            limit = float(self.clipvalue)
            return [_op.minimum(_op.maximum(g, -limit), limit) for g in gradients]
        return gradients

    def _update(self, gradients: list[Any], variables: list[Variable]) -> None:
        """The step, variable by variable; the fused optimizers do all at once."""
        gradients = self._clip_gradients(gradients)
        rate = unwrap(self.learning_rate)
        self.begin_step()
        for gradient, variable in zip(gradients, variables, strict=True):
            lr = convert_to_tensor(rate, variable.dtype)
            decay = self._decay_of(variable)
            if decay:
                _op.assign_add(variable.value, variable.value * (lr * -decay))
            self.update_step(gradient, variable, lr)
        self.end_step()

    def _decay_of(self, variable: Variable) -> float:
        """The weight decay of a variable, 0 if there is none."""
        return float(self.weight_decay) if self.weight_decay and self._decays(variable) else 0.0

    def begin_step(self) -> None:
        """Hook before the variables of a step are updated."""

    def end_step(self) -> None:
        """Hook after the variables of a step were updated."""

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Updates one variable in place."""
        raise NotImplementedError(f"{type(self).__name__} must define update_step(gradient, variable, learning_rate).")

    def slot(self, name: str, variable: Variable) -> Any:
        """The tensor of a variable's slot."""
        return self._slot_values[name][self._get_variable_index(variable)].value

    def _after(self, variables: Sequence[Variable]) -> None:
        """Averages of the weights, then constraints."""
        for variable in variables:
            if variable.constraint is not None:
                _op.assign(variable.value, convert_to_tensor(variable.constraint(variable.value), variable.dtype))
        if not self.use_ema:
            return
        self._update_model_variables_moving_average(self._trainable_variables)
        if self.ema_overwrite_frequency:
            due = _op.equal(_op.remainder(unwrap(self.iterations) + 1, int(self.ema_overwrite_frequency)), 0)
            overwrite = self._overwrite_model_variables_with_average_value
            self._only_if(due, self._trainable_variables, lambda: overwrite(self._trainable_variables))

    def _average_of(self, variable: Variable) -> Any:
        return self._model_variables_moving_average[self._get_variable_index(variable)].value

    def _update_model_variables_moving_average(self, variables: Sequence[Variable]) -> None:
        # The first step's weights are the first average.
        share = _op.where(_op.equal(unwrap(self.iterations), 0), 1.0, 1.0 - self.ema_momentum)
        for variable in variables:
            average = self._average_of(variable)
            _op.assign_add(average, (variable.value - average) * convert_to_tensor(share, variable.dtype))

    def _overwrite_model_variables_with_average_value(self, variables: Sequence[Variable]) -> None:
        for variable in variables:
            _op.assign(variable.value, self._average_of(variable))

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """At the end of training: the averaged weights, if ``use_ema``."""
        if self.use_ema:
            with chainrule.no_grad():
                self._overwrite_model_variables_with_average_value([v for v in var_list if id(v) in self._index])

    def assign(self, variable: Variable, value: Any) -> None:
        """``variable.assign(value)``."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """``variable.assign_add(value)``."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """``variable.assign_sub(value)``."""
        variable.assign_sub(value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """After pickle and copy the weights are other objects."""
        vars(self).update(state)
        self._index = {id(v): i for i, v in enumerate(self._trainable_variables)}

    def get_weights(self) -> list[np.ndarray]:
        """The state as ndarrays."""
        return [v.numpy() for v in self.variables]

    def save_own_variables(self, store: Any) -> None:
        """Writes the state into a mapping, numbered ``"0"``, ``"1"``, ..."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads what :meth:`save_own_variables` wrote; leaves all as it is, with a warning, if the numbers differ."""
        if len(store.keys()) != len(self.variables):
            warnings.warn(
                f"Skipping variable loading for optimizer {self.name!r}: it has {len(self.variables)} variables, "
                f"{len(store.keys())} are stored." + ("" if self.built else " It isn't built yet."),
                stacklevel=2,
            )
            return
        for i, variable in enumerate(self.variables):
            variable.assign(store[str(i)])

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Writes a state that :meth:`get_weights` gave."""
        if not self.built:
            raise ValueError(
                f"{self.name}: You are calling set_weights() on an optimizer that isn't built; call "
                f"build(trainable_variables) first."
            )
        if len(weights) != len(self.variables):
            raise ValueError(f"{self.name}: {len(weights)} arrays for {len(self.variables)} variables.")
        for variable, value in zip(self.variables, weights, strict=True):
            variable.assign(value)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        rate = self._learning_rate
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

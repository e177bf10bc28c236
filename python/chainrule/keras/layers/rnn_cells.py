"""Recurrent cells: what happens in one time step. ``RNN(cell)`` makes a layer over sequences of one.

A cell has ``state_size``, ``output_size``, ``call(inputs, states) -> (output, new states)`` and, where its states don't
begin as zeros, ``get_initial_state(batch_size)``.
"""

from __future__ import annotations

import operator
from typing import Any

import chainrule
from chainrule import _core

from .. import activations, constraints, initializers, random, regularizers
from ..registry import deserialize_keras_object, serialize_keras_object
from ..symbolic import flatten
from .base import Layer, registry
from .signatures import argument_names

_op = _core.ops


def first_state(states: Any) -> Any:
    """The state, or the first of several."""
    return states[0] if isinstance(states, (list, tuple)) else states


class GatedCell(Layer):
    """What SimpleRNNCell, LSTMCell and GRUCell share: weights with a part for each gate, activations and dropout.

    The parts of kernel (n_in, parts * units), recurrent_kernel (units, parts * units) and bias stand side by side.
    """

    parts: int

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("implementation", None)  # of older versions; there is one
        super().__init__(**kwargs)
        if isinstance(units, bool) or not hasattr(units, "__index__") or units <= 0:
            raise ValueError(f"{type(self).__name__}: units must be a positive integer, got {units!r}.")
        self.units = operator.index(units)
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self.state_size: Any = self.units
        self.output_size = self.units
        self._dropout_masks: Any = None
        self._recurrent_dropout_masks: Any = None

    def build(self, input_shape: Any) -> None:
        columns = self.parts * self.units
        if input_shape[-1] is None:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) needs to know the number of features of its input; its "
                f"shape is {tuple(input_shape)}."
            )
        self.kernel = self.add_weight(
            (input_shape[-1], columns),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, columns),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
            name="recurrent_kernel",
        )
        self.bias = (
            self.add_weight(
                self._bias_shape(),
                self._initial_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
            if self.use_bias
            else None
        )

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.parts * self.units,)

    def _initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        return self.bias_initializer(shape, dtype=dtype)

    @property
    def has_default_activations(self) -> bool:
        """Whether the activations are those of the kernel."""
        return self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid

    def weight_values(self) -> tuple[Any, Any, Any]:
        """kernel, recurrent_kernel and bias as tensors; None for no bias."""
        return self.kernel.value, self.recurrent_kernel.value, None if self.bias is None else self.bias.value

    # ---- dropout: one decision for all steps of a sequence

    def prepare_dropout(self, inputs: Any, state: Any, training: bool | None) -> None:
        """Draws what the following calls drop; with recurrent dropout for every gate apart."""
        separate = self.recurrent_dropout > 0
        self._dropout_masks = self._draw(inputs, self.dropout, training, separate)
        self._recurrent_dropout_masks = self._draw(state, self.recurrent_dropout, training, separate)

    def _draw(self, like: Any, rate: float, training: bool | None, separate: bool) -> list[Any] | None:
        if not training or not 0 < rate < 1:
            return None
        ones = _op.broadcast_to(chainrule.asarray(1.0).astype(like.dtype), tuple(like.shape))
        count = self.parts if separate else 1
        return [random.dropout(ones, rate, None, self.seed_generator) for _ in range(count)]

    def forget_dropout(self) -> None:
        """What was drawn counts no longer."""
        self._dropout_masks = self._recurrent_dropout_masks = None

    def dropped(self, inputs: Any) -> Any:
        """Sequences (batch, steps, features) with the input dropout of all steps."""
        if self._dropout_masks is None:
            return inputs
        return inputs * _op.expand_dims(self._dropout_masks[0], 1)

    def _product(self, x: Any, kernel: Any, masks: list[Any] | None, first: int = 0, last: int | None = None) -> Any:
        """(x times masks) @ the parts [first, last) of kernel."""
        last = self.parts if last is None else last
        wanted = kernel if last - first == self.parts else kernel[:, first * self.units : last * self.units]
        if masks is None:
            return _op.matmul(x, wanted)
        if len(masks) == 1:
            return _op.matmul(x * masks[0], wanted)
        columns = [kernel[:, i * self.units : (i + 1) * self.units] for i in range(first, last)]
        return _op.concatenate([_op.matmul(x * masks[first + i], column) for i, column in enumerate(columns)], axis=-1)

    def _masks(self, inputs: Any, states: Any, training: bool | None) -> tuple[Any, Any]:
        """The masks drawn for the sequence; a cell that is called by itself draws its own."""
        if training and self._dropout_masks is None and self._recurrent_dropout_masks is None:
            self.prepare_dropout(inputs, first_state(states), training)
            drawn = self._dropout_masks, self._recurrent_dropout_masks
            self.forget_dropout()
            return drawn
        return self._dropout_masks, self._recurrent_dropout_masks

    def get_initial_state(self, batch_size: int | None = None) -> Any:
        """Zeros (batch_size, units), for several states a list."""
        sizes = self.state_size if isinstance(self.state_size, list) else [self.state_size]
        return [_core.zeros((batch_size, size), dtype=self.compute_dtype) for size in sizes]

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }
        for kind, module in (("regularizer", regularizers), ("constraint", constraints)):
            for weight in ("kernel", "recurrent", "bias"):
                config[f"{weight}_{kind}"] = module.serialize(getattr(self, f"{weight}_{kind}"))
        return config


@registry.add
class SimpleRNNCell(GatedCell):
    """h' = f(x W + h U + b): one step of :class:`SimpleRNN`, inputs (batch, n_in), states [h (batch, units)]."""

    parts = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            "sigmoid",
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )

    @property
    def has_default_activations(self) -> bool:
        return self.activation is activations.tanh

    def call(self, sequence: Any, states: Any, training: bool | None = False) -> Any:
        h = first_state(states)
        kernel, recurrent, bias = self.weight_values()
        masks, recurrent_masks = self._masks(sequence, h, training)
        z = self._product(sequence, kernel, masks) + self._product(h, recurrent, recurrent_masks)
        h = self.activation(z if bias is None else z + bias)
        return h, [h] if isinstance(states, (list, tuple)) else h

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["recurrent_activation"]
        return config


@registry.add
class LSTMCell(GatedCell):
    """One step of :class:`LSTM`: inputs (batch, n_in), states [h, c], each (batch, units); gates i, f, c, o."""

    parts = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [self.units, self.units]

    def _initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        if not self.unit_forget_bias:
            return super()._initial_bias(shape, dtype)
        units = self.units
        values = [
            self.bias_initializer((units,), dtype=dtype),
            initializers.get("ones")((units,), dtype=dtype),
            self.bias_initializer((2 * units,), dtype=dtype),
        ]
        return _op.concatenate([chainrule.asarray(value) for value in values], axis=0)

    def call(self, inputs: Any, states: Any, training: bool | None = False) -> Any:
        h, c = states
        kernel, recurrent, bias = self.weight_values()
        masks, recurrent_masks = self._masks(inputs, h, training)
        z = self._product(inputs, kernel, masks) + self._product(h, recurrent, recurrent_masks)
        z = z if bias is None else z + bias
        i, f, g, o = (z[:, k * self.units : (k + 1) * self.units] for k in range(4))
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


@registry.add
class GRUCell(GatedCell):
    """One step of :class:`GRU`: inputs (batch, n_in), states [h (batch, units)]; gates z, r, h.

    ``reset_after``: the reset gate acts on h U_h (with a second bias) rather than on h.
    """

    parts = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )
        self.reset_after = reset_after

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def call(self, inputs: Any, states: Any, training: bool | None = False) -> Any:
        h = first_state(states)
        units = self.units
        kernel, recurrent, bias = self.weight_values()
        inner_bias = bias[1] if bias is not None and self.reset_after else None
        input_bias = bias[0] if inner_bias is not None else bias
        masks, recurrent_masks = self._masks(inputs, h, training)
        x = self._product(inputs, kernel, masks)
        x = x if input_bias is None else x + input_bias
        product = self._product(h, recurrent, recurrent_masks, 0, 3 if self.reset_after else 2)
        product = product if inner_bias is None else product + inner_bias
        gates = self.recurrent_activation(x[:, : 2 * units] + product[:, : 2 * units])
        z, r = gates[:, :units], gates[:, units:]
        if self.reset_after:
            inner = r * product[:, 2 * units :]
        else:
            kept = h if recurrent_masks is None else h * recurrent_masks[2]
            inner = _op.matmul(r * kept, recurrent[:, 2 * units :])
        g = self.activation(x[:, 2 * units :] + inner)
        h = z * h + (1 - z) * g
        return h, [h] if isinstance(states, (list, tuple)) else h

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reset_after": self.reset_after}


@registry.add
class StackedRNNCells(Layer):
    """Several cells as one: the output of each is the input of the next.

    Example: ``RNN(StackedRNNCells([LSTMCell(64), LSTMCell(32)]))``.
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            if not hasattr(cell, "call") or not hasattr(cell, "state_size"):
                raise ValueError(f"StackedRNNCells: a cell needs call(inputs, states) and state_size; got {cell!r}.")
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the cells' states."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """That of the last cell."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The cells' initial states."""
        return [initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def prepare_dropout(self, inputs: Any, states: Any, training: bool | None) -> None:
        """Draws what each cell drops."""
        for cell, state in zip(self.cells, states, strict=True):
            if isinstance(cell, GatedCell):
                cell.prepare_dropout(inputs, first_state(state), training)
            inputs = _core.zeros((flatten(inputs)[0].shape[0], output_size(cell)), dtype=self.compute_dtype)

    def forget_dropout(self) -> None:
        """What was drawn counts no longer."""
        for cell in self.cells:
            if isinstance(cell, GatedCell):
                cell.forget_dropout()

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
                cell.built = True
            input_shape = (flatten(input_shape)[0], output_size(cell))

    def call(self, inputs: Any, states: Any, training: bool | None = False) -> Any:
        new_states = []
        for cell, own in zip(self.cells, states, strict=True):
            several = isinstance(own, (list, tuple))
            inputs, new = call_cell(cell, inputs, list(own) if several else [own], training)
            if not isinstance(new, (list, tuple)):
                new = [new]
            new_states.append(list(new) if several else new[0])
        return inputs, new_states[0] if len(new_states) == 1 else new_states

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cells": [serialize_keras_object(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """New cells made with ``config``."""
        config = dict(config)
        return cls([deserialize_keras_object(cell, custom_objects) for cell in config.pop("cells")], **config)


def output_size(cell: Any) -> int:
    """The number of a cell's outputs; by default the size of its (first) state."""
    size = getattr(cell, "output_size", None)
    return int(first_state(cell.state_size) if size is None else size)


def initial_state(cell: Any, batch_size: int | None, dtype: Any) -> Any:
    """A cell's initial state; zeros if it doesn't say."""
    own = getattr(cell, "get_initial_state", None)
    if own is not None:
        return own(batch_size=batch_size)
    if isinstance(cell.state_size, (list, tuple)):
        return [_core.zeros((batch_size, size), dtype=dtype) for size in cell.state_size]
    return _core.zeros((batch_size, cell.state_size), dtype=dtype)


def call_cell(cell: Any, inputs: Any, states: Any, training: bool | None) -> Any:
    """(output, new states) of one step."""
    if isinstance(cell, Layer):
        options = {"training": training} if "training" in argument_names(type(cell).call) else {}
        return cell(inputs, states, **options)
    return (cell if callable(cell) else cell.call)(inputs, states)

"""RNN: a cell applied to every step of sequences; SimpleRNN, LSTM and GRU, which the core computes as a whole.

With the default activations and no recurrent dropout a sequence is one op forward and one backward. Everything else
goes step by step through the cell, in a recorded program as fast as its ops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule import _core, nn

from .. import regularizers
from ..registry import deserialize_keras_object, serialize_keras_object
from ..symbolic import KerasTensor, flatten, map_structure
from ..variables import Variable
from .base import Layer, registry
from .input_spec import InputSpec
from .rnn_cells import (
    GatedCell,
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
    StackedRNNCells,
    call_cell,
    first_state,
    initial_state,
    output_size,
)
from .signatures import map_shapes

_op = _core.ops


def _where(counted: Any, new: Any, old: Any) -> Any:
    """new where a row counts, else old; nested structures of tensors (batch, ...)."""
    if isinstance(new, (list, tuple)):
        return [_where(counted, a, b) for a, b in zip(new, old, strict=True)]
    mask = _op.reshape(counted, tuple(counted.shape) + (1,) * (new.ndim - counted.ndim))
    return _op.where(mask, new, old)


def _at(sequences: Any, t: int) -> Any:
    """Step t of every tensor (batch, steps, ...)."""
    return map_structure(lambda x: x[:, t], sequences)


def run_steps(
    step: Callable[[Any, Any], tuple[Any, Any]],
    sequences: Any,
    states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    zero_output_for_mask: bool = False,
) -> tuple[Any, list[Any], Any]:
    """(last output, the outputs of all steps in the order of computation, last states) of ``step(x_t, states)``.

    Where a row doesn't count its states stay, and its output is the one before (zeros at first or on request).
    """
    steps = flatten(sequences)[0].shape[1]
    outputs: list[Any] = []
    previous = None
    for t in range(steps - 1, -1, -1) if go_backwards else range(steps):
        output, new_states = step(_at(sequences, t), states)
        if not isinstance(new_states, (list, tuple)):
            new_states = [new_states]
        if mask is not None:
            counted = mask[:, t]
            if previous is None or zero_output_for_mask:
                previous = output * 0
            output = _where(counted, output, previous)
            new_states = _where(counted, new_states, states)
        states, previous = new_states, output
        outputs.append(output)
    if not outputs:
        raise ValueError("A recurrent layer needs at least one time step.")
    return outputs[-1], outputs, states


@registry.add
class RNN(Layer):
    """A recurrent layer made of a cell: (batch, steps, ...) -> (batch, units), or (batch, steps, units).

    Args:
        cell: the cell, or a list of cells, which are stacked.
        return_sequences: give the outputs of all steps, not only the last.
        return_state: give the last states, too: ``(output, state, ...)``.
        go_backwards: begin with the last step; sequences returned stand in the order of computation.
        stateful: keep the last states as the initial ones of the next batch, until :meth:`reset_state`.
        unroll: accepted; programs are always unrolled or one op.
        zero_output_for_mask: outputs of masked steps are 0 rather than the output before.

    As in Keras 3, the mask that travels with the sequences is used if they are the only tensors given; with
    ``initial_state`` tensors, pass ``mask=`` as well.

    Example: ``RNN(LSTMCell(32), return_sequences=True)``.
    """

    supports_masking = True

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        for attribute in ("call", "state_size"):
            if not hasattr(cell, attribute):
                raise ValueError(f"RNN: a cell needs call(inputs, states) and state_size; {cell!r} has no {attribute}.")
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.zero_output_for_mask = zero_output_for_mask
        self._rnn_states: Any = None  # no weights: they are neither saved nor counted
        size = cell.state_size
        self.single_state = not isinstance(size, (list, tuple))
        self.state_size = [size] if self.single_state else list(size)

    # ---- shapes and states

    @property
    def states(self) -> Any:
        """The variables that hold a stateful layer's states; None before it is built, or if it has none."""
        return self._rnn_states

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        step_shape = map_shapes(lambda shape: (shape[0], *shape[2:]), sequences_shape)
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build(step_shape)
            self.cell.built = True
        if self.stateful and self.states is None:
            batch = flatten(sequences_shape)[0]
            if batch is None:
                raise ValueError(
                    f"Layer {self.name!r} ({type(self).__name__}) is stateful, so it needs to know the batch size: "
                    f"give it with keras.Input(batch_shape=(batch, steps, features))."
                )
            self._rnn_states = map_structure(
                lambda value: Variable(value, trainable=False, name="rnn_state"), self.get_initial_state(batch)
            )

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The states before the first step, a list."""
        states = initial_state(self.cell, batch_size, self.compute_dtype)
        return list(states) if isinstance(states, (list, tuple)) else [states]

    def reset_state(self) -> None:
        """Zeroes the states of a stateful layer."""
        for state in flatten(self.states) if self.states is not None else ():
            state.assign(state.numpy() * 0)

    reset_states = reset_state

    def _state_shapes(self, batch: Any) -> list[Any]:
        def shape(size: Any) -> Any:
            return [(batch, n) for n in size] if isinstance(size, (list, tuple)) else (batch, size)

        return [shape(size) for size in self.state_size]

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch, steps = flatten(sequences_shape)[:2]
        size = output_size(self.cell)
        output = (batch, steps, size) if self.return_sequences else (batch, size)
        return (output, *self._state_shapes(batch)) if self.return_state else output

    def compute_output_spec(self, sequences: Any, *args: Any, **kwargs: Any) -> Any:
        shape = self.compute_output_shape(map_structure(lambda x: tuple(x.shape), sequences))
        return map_shapes(lambda one: KerasTensor(one, self.compute_dtype), shape)

    def compute_mask(self, sequences: Any, mask: Any) -> Any:
        first = flatten(mask)[0]
        output = first if self.return_sequences else None
        return [output, *(None for _ in self.state_size)] if self.return_state else output

    # ---- computing

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = False) -> Any:
        first = flatten(sequences)[0]
        mask = flatten(mask)[0]
        if initial_state is not None and not isinstance(initial_state, (list, tuple)):
            initial_state = [initial_state]
        if initial_state is None and self.stateful:
            # Copies, because the states are written before the gradient is computed.
            initial_state = map_structure(lambda state: _op.copy(state.value), self.states)
            batch = flatten(initial_state)[0].shape[0]
            if first.shape[0] != batch:
                raise ValueError(
                    f"Layer {self.name!r} ({type(self).__name__}) is stateful for batches of {batch} sequences, but "
                    f"got {first.shape[0]}."
                )
        if initial_state is not None:
            self._check_states(initial_state, first.shape[0])
        output, states = self.inner_loop(sequences, initial_state, mask, training)
        if self.stateful:
            for variable, state in zip(flatten(self.states), flatten(list(states)), strict=True):
                variable.assign(state)
        return (output, *states) if self.return_state else output

    def _check_states(self, states: Any, batch: int) -> None:
        wanted, shapes = self._state_shapes(batch), [tuple(state.shape) for state in flatten(list(states))]
        expected: list[Any] = []
        map_shapes(expected.append, wanted)
        if shapes != expected:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) needs initial states of shapes {expected}, got {shapes}."
            )

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool | None = False) -> Any:
        """(output, states): that of the last step, or those of all with ``return_sequences``."""
        first = flatten(sequences)[0]
        states = list(self.get_initial_state(first.shape[0]) if initial_state is None else initial_state)
        if self.single_state and len(states) > 1:
            raise ValueError(f"Layer {self.name!r} has one state, got {len(states)}.")
        cell = self.cell
        drops = isinstance(cell, (GatedCell, StackedRNNCells))
        if drops:
            start = states[0] if isinstance(cell, GatedCell) else states
            cell.prepare_dropout(first[:, 0], start, training)
        try:
            last, outputs, states = run_steps(
                lambda x, now: call_cell(cell, x, now, training),
                sequences,
                states,
                self.go_backwards,
                mask,
                self.zero_output_for_mask,
            )
        finally:
            if drops:
                cell.forget_dropout()
        return (_op.stack(outputs, axis=1) if self.return_sequences else last), states

    # ---- configuration

    def _loop_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
        }

    def get_config(self) -> dict[str, Any]:
        return {**self._loop_config(), "cell": serialize_keras_object(self.cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A layer made with ``config``, with new weights."""
        config = dict(config)
        return cls(deserialize_keras_object(config.pop("cell"), custom_objects), **config)


class FlatRNN(RNN):
    """A layer that takes the arguments of its cell as its own, and shows them as its attributes."""

    cell: Any

    def __getattr__(self, name: str) -> Any:
        # units, activation, dropout, ... are the cell's.
        if not name.startswith("_") and name not in ("cell", "kernel", "recurrent_kernel", "bias"):
            cell = self.__dict__.get("cell")
            if cell is not None and name in cell.get_config():
                return getattr(cell, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def get_config(self) -> dict[str, Any]:
        cell = self.cell.get_config()
        penalty = regularizers.serialize(self.activity_regularizer)
        return {**cell, **self._loop_config(), "activity_regularizer": penalty, "dtype": cell["dtype"]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        return cls(**config)


class _CoreRNN(FlatRNN):
    """A layer whose cell has a kernel for whole sequences. Arguments of the cell and of RNN are given together."""

    def __init__(self, cell: GatedCell, use_cudnn: Any, **kwargs: Any) -> None:
        if use_cudnn not in ("auto", True, False):
            raise ValueError(f"{type(self).__name__}: use_cudnn must be 'auto', True or False, got {use_cudnn!r}.")
        kwargs.pop("implementation", None)  # of older versions
        length = kwargs.pop("input_length", None)
        if length is not None and "input_dim" in kwargs:
            kwargs["input_shape"] = (length, kwargs.pop("input_dim"))
        super().__init__(cell, **kwargs)
        self.use_cudnn = use_cudnn
        self.input_spec = InputSpec(ndim=3)

    def _sequence(self, x: Any, state: Any, mask: Any) -> tuple[Any, list[Any]]:
        """(states of all steps, last states) by the core."""
        raise NotImplementedError

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool | None = False) -> Any:
        cell = self.cell
        if not cell.has_default_activations or (training and cell.recurrent_dropout):
            return super().inner_loop(sequences, initial_state, mask, training)
        if training and cell.dropout:
            cell.prepare_dropout(sequences[:, 0], sequences[:, 0], training)
            sequences = cell.dropped(sequences)
            cell.forget_dropout()
        outputs, states = self._sequence(sequences, initial_state, mask)
        if mask is not None:
            ordered = _op.flip(mask, axis=1) if self.go_backwards else mask
            if self.zero_output_for_mask:
                counted = ordered
            elif initial_state is not None:  # before the first step that counts there is no output yet
                counted = _op.greater(_op.cumsum(_op.cast(ordered, "int32"), axis=1), 0)
            else:
                counted = None
            if counted is not None:
                if not self.return_sequences:
                    return _where(counted[:, -1], states[0], states[0] * 0), states
                outputs = _where(counted, outputs, outputs * 0)
        return (outputs if self.return_sequences else states[0]), states


@registry.add
class SimpleRNN(_CoreRNN):
    """h_t = tanh(x_t W + h_(t-1) U + b) (Elman 1990): (batch, steps, features) -> (batch, units).

    Args:
        units: the number of outputs.
        activation, use_bias, initializers, regularizers, constraints: as for Dense; ``recurrent_*`` of U.
        dropout, recurrent_dropout: fractions of x and h to drop in training, the same for all steps.
        return_sequences, return_state, go_backwards, stateful, unroll: see :class:`RNN`.

    Weights: kernel (features, units), recurrent_kernel (units, units), bias (units,).
    """

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="simple_rnn_cell",
        )
        super().__init__(
            cell,
            kwargs.pop("use_cudnn", "auto"),
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def _sequence(self, x: Any, state: Any, mask: Any) -> tuple[Any, list[Any]]:
        kernel, recurrent, bias = self.cell.weight_values()
        outputs, last = nn.simple_rnn(x, kernel, recurrent, bias, first_state(state), mask, self.go_backwards)
        return outputs, [last]


@registry.add
class LSTM(_CoreRNN):
    """Long short-term memory (Hochreiter and Schmidhuber 1997): (batch, steps, features) -> (batch, units).

    i, f, o = sigmoid(.), g = tanh(.) of x_t W + h_(t-1) U + b; c_t = f c_(t-1) + i g; h_t = o tanh(c_t).

    Args:
        units: the number of outputs.
        unit_forget_bias: the bias of the forget gate begins at 1 (Jozefowicz et al. 2015).
        others: see :class:`SimpleRNN`; ``recurrent_activation`` is that of the gates.

    Weights: kernel (features, 4 units), recurrent_kernel (units, 4 units), bias (4 units,); parts i, f, c, o.

    Example::

        model = keras.Sequential([keras.Input((80,)), layers.Embedding(20000, 128), layers.LSTM(128), layers.Dense(1)])
    """

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="lstm_cell",
        )
        super().__init__(
            cell,
            use_cudnn,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def _sequence(self, x: Any, state: Any, mask: Any) -> tuple[Any, list[Any]]:
        kernel, recurrent, bias = self.cell.weight_values()
        outputs, last = nn.lstm(x, kernel, recurrent, bias, state, mask, self.go_backwards)
        return outputs, list(last)


@registry.add
class GRU(_CoreRNN):
    """Gated recurrent unit (Cho et al. 2014): (batch, steps, features) -> (batch, units); see :func:`chainrule.nn.gru`.

    Args:
        units: the number of outputs.
        reset_after: the reset gate acts on h U_h rather than on h.
        others: see :class:`SimpleRNN`; ``recurrent_activation`` is that of the gates.

    Weights: kernel (features, 3 units), recurrent_kernel (units, 3 units), bias (2, 3 units), or (3 units,) without
    ``reset_after``; parts z, r, h.
    """

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            reset_after=reset_after,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
        )
        super().__init__(
            cell,
            use_cudnn,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def _sequence(self, x: Any, state: Any, mask: Any) -> tuple[Any, list[Any]]:
        kernel, recurrent, bias = self.cell.weight_values()
        state, after = first_state(state), self.cell.reset_after
        outputs, last = nn.gru(x, kernel, recurrent, bias, state, mask, self.go_backwards, after)
        return outputs, [last]

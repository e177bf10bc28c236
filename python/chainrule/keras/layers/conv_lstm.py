"""ConvLSTM1D, ConvLSTM2D, ConvLSTM3D: an LSTM whose products are convolutions (Shi et al. 2015).

The convolutions of the inputs of all steps are one op; those of the states follow step by step.
"""

from __future__ import annotations

from typing import Any

from chainrule import _core

from .base import registry
from .input_spec import InputSpec
from .rnn import FlatRNN, run_steps
from .rnn_cells import LSTMCell
from .windows import (
    check_lengths,
    checked_format,
    checked_padding,
    from_last,
    output_length,
    pad_all,
    per_axis,
    shape_from_last,
    shape_to_last,
    to_last,
)

_op = _core.ops


class ConvLSTMCell(LSTMCell):
    """One step: pictures (batch, spatial..., channels), states h and c of the pictures' size after the convolution."""

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, **kwargs)
        layer = f"ConvLSTM{rank}D"
        self.rank, self.filters = rank, self.units
        self.kernel_size = per_axis(kernel_size, rank, layer, "kernel_size")
        self.strides = per_axis(strides, rank, layer, "strides")
        self.padding = checked_padding(padding, layer)
        self.data_format = checked_format(data_format, layer)
        self.dilation_rate = per_axis(dilation_rate, rank, layer, "dilation_rate")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(f"{layer}: strides > 1 and dilation_rate > 1 can't be combined.")

    def build(self, input_shape: Any) -> None:
        *_, channels = shape_to_last(input_shape, self.data_format)
        if None in input_shape[1:]:
            raise ValueError(
                f"Layer {self.name!r} (ConvLSTM{self.rank}D) needs to know the size and channels of its pictures; "
                f"their shape is {tuple(input_shape)}."
            )
        self.state_shape = self.output_shape(input_shape)[1:]
        parts = self.parts * self.units
        self.kernel = self.add_weight(
            (*self.kernel_size, channels, parts),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            (*self.kernel_size, self.units, parts),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
            name="recurrent_kernel",
        )
        self.bias = (
            self.add_weight(
                (parts,),
                self._initial_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
            if self.use_bias
            else None
        )

    def output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """The shape of the states for pictures of that shape."""
        batch, *lengths, _ = shape_to_last(input_shape, self.data_format)
        found = [
            output_length(n, w, s, self.padding, d)
            for n, w, s, d in zip(lengths, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        ]
        check_lengths(self, input_shape, found)
        return shape_from_last((batch, *found, self.filters), self.data_format)

    def get_initial_state(self, batch_size: int | None = None) -> Any:
        return [_core.zeros((batch_size, *self.state_shape), dtype=self.compute_dtype) for _ in range(2)]

    def project(self, x: Any) -> Any:
        """The convolution of the inputs with the bias: channels last, four parts of them."""
        low, high = pad_all(x.shape[1:-1], self.kernel_size, self.strides, self.padding, self.dilation_rate)
        z = _op.conv(x, self.kernel.value, self.strides, low, high, self.dilation_rate, 1)
        return z if self.bias is None else z + self.bias.value

    def _convolve_state(self, h: Any, masks: list[Any] | None) -> Any:
        ones = (1,) * self.rank
        low, high = pad_all(h.shape[1:-1], self.kernel_size, ones, "same", ones)
        kernel = self.recurrent_kernel.value
        if masks is None:
            return _op.conv(h, kernel, ones, low, high, ones, 1)
        parts = [
            _op.conv(h * mask, kernel[..., i * self.units : (i + 1) * self.units], ones, low, high, ones, 1)
            for i, mask in enumerate(masks)
        ]
        return _op.concatenate(parts, axis=-1)

    def advance(self, z: Any, h: Any, c: Any, masks: list[Any] | None) -> tuple[Any, Any]:
        """The new h and c from the projected inputs; everything channels last."""
        z = z + self._convolve_state(h, masks)
        i, f, g, o = (z[..., k * self.units : (k + 1) * self.units] for k in range(4))
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        return self.recurrent_activation(o) * self.activation(c), c

    def call(self, inputs: Any, states: Any, training: bool | None = False) -> Any:
        inputs, h, c = (to_last(x, self.data_format) for x in (inputs, *states))
        self.prepare_dropout(inputs, h, training)
        x = inputs if self._dropout_masks is None else inputs * self._dropout_masks[0]
        h, c = self.advance(self.project(x), h, c, self._recurrent_dropout_masks)
        self.forget_dropout()
        h, c = (from_last(x, self.data_format) for x in (h, c))
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }
        del config["units"]
        return config


class _ConvLSTM(FlatRNN):
    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        **kwargs: Any,
    ) -> None:
        cell = ConvLSTMCell(
            self.rank,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
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
            name="conv_lstm_cell",
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def _state_shapes(self, batch: Any) -> list[Any]:
        shape = (batch, *self.cell.state_shape)
        return [shape, shape]

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        batch, steps = sequences_shape[:2]
        state = self.cell.output_shape((batch, *sequences_shape[2:]))
        output = (batch, steps, *state[1:]) if self.return_sequences else state
        return (output, state, state) if self.return_state else output

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool | None = False) -> Any:
        cell, layout = self.cell, self.cell.data_format
        batch, steps = sequences.shape[:2]
        states = self.get_initial_state(batch) if initial_state is None else initial_state
        states = [to_last(state, layout) for state in states]
        x = to_last(_op.reshape(sequences, (batch * steps, *sequences.shape[2:])), layout)
        x = _op.reshape(x, (batch, steps, *x.shape[1:]))
        cell.prepare_dropout(x[:, 0], states[0], training)
        try:
            z = cell.project(_op.reshape(cell.dropped(x), (batch * steps, *x.shape[2:])))
            masks = cell._recurrent_dropout_masks

            def step(z: Any, now: Any) -> Any:
                h, c = cell.advance(z, *now, masks)
                return h, [h, c]

            z = _op.reshape(z, (batch, steps, *z.shape[1:]))
            last, outputs, states = run_steps(step, z, states, self.go_backwards, mask, self.zero_output_for_mask)
        finally:
            cell.forget_dropout()
        states = [from_last(state, layout) for state in states]
        if not self.return_sequences:
            return from_last(last, layout), states
        return _op.stack([from_last(output, layout) for output in outputs], axis=1), states


@registry.add
class ConvLSTM1D(_ConvLSTM):
    """(batch, steps, length, channels) -> (batch, new length, filters); see :class:`ConvLSTM2D`."""

    rank = 1


@registry.add
class ConvLSTM2D(_ConvLSTM):
    """An LSTM over pictures: (batch, steps, height, width, channels) -> (batch, new height, new width, filters).

    Args:
        filters: the channels of the outputs.
        kernel_size, strides, padding, dilation_rate, data_format: of the convolution of the inputs, as for Conv2D; the
            states are convolved with stride 1 and padding "same".
        others: see :class:`LSTM`.

    Weights: kernel (window..., channels, 4 filters), recurrent_kernel (window..., filters, 4 filters), bias
    (4 filters,).

    Example: ``ConvLSTM2D(16, 3, padding="same", return_sequences=True)`` on films.
    """

    rank = 2


@registry.add
class ConvLSTM3D(_ConvLSTM):
    """(batch, steps, three spatial axes, channels) -> (batch, three spatial axes, filters); see :class:`ConvLSTM2D`."""

    rank = 3

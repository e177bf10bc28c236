"""EinsumDense: a dense layer whose axes are named by an einsum equation."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from chainrule import _core

from .. import activations, constraints, initializers, regularizers
from .base import Layer, registry
from .input_spec import InputSpec

_op = _core.ops


@dataclass(frozen=True)
class Equation:
    """An equation ``inputs,kernel->outputs`` met by inputs of a certain shape; ``...`` is written out as letters."""

    inputs: str
    kernel: str
    outputs: str
    kernel_shape: tuple[int, ...]
    bias_shape: tuple[int, ...] | None
    output_shape: tuple[int | None, ...]
    summed: list[int]  # axes of the kernel that the inputs have and the outputs lack: its fan in
    kept: list[int]  # axes of the kernel that the outputs have


def read_equation(equation: str, bias_axes: str | None, input_shape: Any, output_shape: Any) -> Equation:
    """What an equation says for inputs of that shape; ``output_shape`` is that of a sample, None for varying lengths.

    Raises:
        ValueError: another form than "X,Y->Z", "...X,Y->...Z" or "X...,Y->Z...", letters without a source, or lengths
            that contradict each other.
    """
    match = re.fullmatch(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?", equation)
    if not match or (match[1], match[3]) != (match[5], match[7]) or (match[1] and match[3]):
        raise ValueError(
            f"EinsumDense: invalid equation {equation!r}; it must be of the form 'X,Y->Z', '...X,Y->...Z' or "
            f"'X...,Y->Z...'."
        )
    inputs, kernel, outputs = match[2], match[4], match[6]
    more = len(input_shape) - len(inputs)
    if more < 0 or (more > 0 and not (match[1] or match[3])):
        raise ValueError(f"EinsumDense: {equation!r} names {len(inputs)} axes, but the input has shape {input_shape}.")
    free = [c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation][:more]
    letters = "".join(free)
    named_outputs = outputs
    lengths: list[int | None] = [input_shape[0], *output_shape]
    if match[1]:
        inputs, outputs = letters + inputs, letters + outputs
        lengths[1:1] = list(input_shape[1:more])
    else:
        inputs, outputs = inputs + letters, outputs + letters
        lengths += list(input_shape[len(inputs) - more :]) if more else []
    if len(lengths) != len(outputs):
        raise ValueError(
            f"EinsumDense: {equation!r} names {len(outputs)} axes of the output, but with output_shape="
            f"{tuple(output_shape)} it has {len(lengths)}."
        )
    sizes: dict[str, int | None] = dict(zip(inputs, input_shape, strict=True))
    for letter, length in zip(outputs, lengths, strict=True):
        if letter not in sizes and letter not in kernel:
            raise ValueError(f"EinsumDense: the output's axis {letter!r} is in neither the input nor the kernel.")
        if letter in sizes and length is not None and sizes[letter] != length:
            raise ValueError(
                f"EinsumDense: axis {letter!r} has length {sizes[letter]} in the input and {length} in the output."
            )
        sizes.setdefault(letter, length)
    if bad := [c for c in kernel if c not in sizes]:
        raise ValueError(f"EinsumDense: the kernel's axis {bad[0]!r} is in neither the input nor the output.")
    shape = tuple(sizes[c] for c in kernel)
    if None in shape:
        raise ValueError(f"EinsumDense: the kernel's lengths {shape} ({kernel!r}) must be known when it is built.")
    bias_shape = None
    if bias_axes is not None:
        if bad := [c for c in bias_axes if c not in named_outputs]:
            raise ValueError(f"EinsumDense: the bias axis {bad[0]!r} is not an axis of the output {named_outputs!r}.")
        spec = named_outputs[min(named_outputs.find(c) for c in bias_axes) :]
        bias_shape = tuple(sizes[c] if c in bias_axes else 1 for c in spec) + (() if match[1] else (1,) * more)
    return Equation(
        inputs,
        kernel,
        outputs,
        shape,  # type: ignore[arg-type]
        bias_shape,  # type: ignore[arg-type]
        tuple(sizes[c] for c in outputs),
        [i for i, c in enumerate(kernel) if c not in outputs],
        [i for i, c in enumerate(kernel) if c in outputs],
    )


@registry.add
class EinsumDense(Layer):
    """a = f(einsum(equation, x, W) + b): a dense layer along any axes.

    Args:
        equation: "X,Y->Z" with the axes of the input, the kernel and the output; ``...`` stands for further axes.
        output_shape: of a sample, without the batch axis (and without those of ``...``); None for varying lengths.
        activation: f, a name or function; None for none.
        bias_axes: the axes of the output that have a bias; None for no bias.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint,
            bias_constraint: as in Dense.

    Where the sum is over the last axes of the input and the first of the kernel it is one matrix product.

    Example: ``EinsumDense("abc,cde->abde", output_shape=(None, 8, 64), bias_axes="de")``
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if lora_rank is not None or lora_alpha is not None or quantization_config is not None:
            raise ValueError("EinsumDense: lora_rank, lora_alpha and quantization_config are not supported.")
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.bias_axes = bias_axes
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def _read(self, input_shape: Any) -> Equation:
        return read_equation(self.equation, self.bias_axes, tuple(input_shape), self.partial_output_shape)

    def build(self, input_shape: Any) -> None:
        found = self._read(input_shape)
        initializer = self.kernel_initializer
        if isinstance(initializer, initializers.VarianceScaling) and None in (
            initializer.input_axes,
            initializer.output_axes,
        ):
            axes = {"input_axes": found.summed, "output_axes": found.kept}
            initializer = type(initializer).from_config({**initializer.get_config(), **axes})
        self.kernel = self.add_weight(
            found.kernel_shape,
            initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if found.bias_shape is not None:
            self.bias = self.add_weight(
                found.bias_shape,
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(ndim=len(input_shape))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        found = self._read(inputs.shape)
        outputs = self._product(inputs, found)
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def _product(self, x: Any, found: Equation) -> Any:
        """The outputs before the activation."""
        kernel, count = self.kernel.value, len(found.summed)
        shared = found.inputs[len(found.inputs) - count :]
        rows, columns = found.inputs[: len(found.inputs) - count], found.kernel[count:]
        if count and found.kernel[:count] == shared and found.outputs == rows + columns:
            n_in = math.prod(found.kernel_shape[:count])
            x = _op.reshape(x, (*x.shape[: len(rows)], n_in)) if count > 1 else x
            y = _op.matmul(x, _op.reshape(kernel, (n_in, -1)) if kernel.ndim != 2 else kernel)
            whole = self.bias is not None and tuple(self.bias.shape) == found.kernel_shape[count:]
            if whole:
                y = _op.add(y, _op.reshape(self.bias.value, (-1,)))  # type: ignore[union-attr]
            y = y if len(columns) == 1 else _op.reshape(y, (*x.shape[: len(rows)], *found.kernel_shape[count:]))
            return y if whole or self.bias is None else _op.add(y, self.bias.value)
        from chainrule.numpy import einsum

        y = einsum(f"{found.inputs},{found.kernel}->{found.outputs}", x, kernel)
        return y if self.bias is None else _op.add(y, self.bias.value)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._read(input_shape).output_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "output_shape": self.partial_output_shape,
            "equation": self.equation,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }

"""Input, Dense, Activation, Identity, Masking, Lambda."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from chainrule import _core

from .. import activations, constraints, initializers, ops, regularizers
from ..config import standardize_dtype
from ..dtype_policies import DTypePolicy
from ..functions import safe_mode_scope
from ..masking import set_mask
from ..naming import unique_name
from ..registry import custom_object_scope, deserialize_keras_object, serialize_keras_object
from ..symbolic import KerasTensor, Node, flatten
from .base import Layer, registry
from .input_spec import InputSpec

_op = _core.ops


@registry.add
class InputLayer(Layer):
    """The entrance of a model: a symbolic tensor of a given shape. Usually made by :func:`Input`."""

    _keeps_integers = True
    sparse = ragged = False

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if sparse or ragged:
            raise ValueError("Input: sparse and ragged inputs are not supported; use dense arrays.")
        batch_shape = batch_shape or kwargs.pop("batch_input_shape", None)
        if input_tensor is not None:
            if not isinstance(input_tensor, KerasTensor):
                raise ValueError(f"Input: tensor must be a KerasTensor, got {input_tensor!r}.")
            for what, given, own in (
                ("shape", None if shape is None else tuple(shape), input_tensor.shape[1:]),
                ("batch_shape", None if batch_shape is None else tuple(batch_shape), input_tensor.shape),
                ("batch_size", batch_size, input_tensor.shape[0] if input_tensor.shape else None),
                ("dtype", None if dtype is None else standardize_dtype(dtype), input_tensor.dtype),
            ):
                if given is not None and given != own:
                    raise ValueError(f"Input: {what}={given} doesn't fit the given tensor, whose {what} is {own}.")
            shape, batch_shape, batch_size, dtype = None, input_tensor.shape, None, input_tensor.dtype
        super().__init__(name=name or unique_name("input_layer"), **kwargs)
        self.optional = bool(optional)
        if batch_shape is None:
            if shape is None:
                raise ValueError("Input needs shape=, the shape of one sample, for instance Input((28, 28)).")
            shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
            batch_shape = (batch_size, *shape)
        elif shape is not None or batch_size is not None:
            given = f"shape={shape}" if batch_size is None else f"batch_size={batch_size}"
            raise ValueError(f"Input: give {given} or batch_shape={batch_shape}, not both.")
        batch_shape = tuple(int(n) if isinstance(n, np.integer) else n for n in batch_shape)
        for length in batch_shape:
            if length is not None and (not isinstance(length, int) or length < 0):
                raise ValueError(f"Input: lengths must be integers >= 0 or None, got shape {tuple(batch_shape)}.")
        self.batch_shape = tuple(batch_shape)
        self._dtype_policy = DTypePolicy(standardize_dtype(dtype))
        self._build_at_init()
        tensor = KerasTensor(self.batch_shape, self.dtype, name=self.name) if input_tensor is None else input_tensor
        self._nodes.append(Node(self, (), {}, tensor))

    def call(self) -> None:
        """Input layers are not computed."""

    def get_config(self) -> dict[str, Any]:
        own = {"batch_shape": self.batch_shape, "dtype": self.dtype, "name": self.name}
        return {**own, "sparse": False, "ragged": False, "optional": self.optional}


def Input(  # noqa: N802 - Keras's name
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> Any:
    """A symbolic tensor for samples of shape ``shape`` (without the batch axis), the start of a functional model.

    Example::

        x = keras.Input((784,))
        y = keras.layers.Dense(10, activation="softmax")(x)
        model = keras.Model(x, y)
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name)
    return layer.output


@registry.add
class Dense(Layer):
    """a = f(x W + b): inputs (..., n_in), kernel W (n_in, units), bias b (units,) -> (..., units).

    Args:
        units: the number of outputs.
        activation: f, a name or function; None for none.
        use_bias: whether to add b.
        kernel_initializer, bias_initializer: the starting values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties added to the loss.
        kernel_constraint, bias_constraint: applied after every update.

    Example: ``Dense(128, activation="relu")``.
    """

    supports_masking = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if isinstance(units, bool) or not hasattr(units, "__index__") or units <= 0:
            raise ValueError(f"Dense: units must be a positive integer, got {units!r}.")
        if lora_rank is not None or lora_alpha is not None or quantization_config is not None:
            raise ValueError("Dense: lora_rank, lora_alpha and quantization_config are not supported.")
        self.units = int(units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        if len(input_shape) < 2:
            raise ValueError(
                f"Layer {self.name!r} (Dense) expects at least 2 axes, but its input has shape {input_shape}."
            )
        n_in = input_shape[-1]
        if n_in is None:
            raise ValueError(
                f"Layer {self.name!r} (Dense) needs to know the length of the last axis of its input; its shape is "
                f"{tuple(input_shape)}."
            )
        self.kernel = self.add_weight(
            (n_in, self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = (
            self.add_weight(
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
            if self.use_bias
            else None
        )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: n_in})

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        outputs = _op.matmul(inputs, self.kernel.value)
        if self.bias is not None:
            outputs = _op.add(outputs, self.bias.value)
        return outputs if self.activation in (activations.linear, None) else self.activation(outputs)

    def _shape_advice(self, shape: tuple[int | None, ...]) -> str:
        n_in = self.kernel.shape[0] if self.built else None
        return flatten_advice(shape, n_in)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }


def flatten_advice(shape: tuple[int | None, ...], wanted: int | None) -> str:
    """The remedy if samples of that shape have as many entries as the one axis that is expected."""
    sample = shape[1:]
    if wanted is None or None in sample:
        return ""
    count = 1
    for length in sample:
        count *= length  # type: ignore[operator]
    if count == wanted and len(sample) > 1:
        return (
            f" Each sample {sample} has {count} values: put layers.Flatten() before it, or pass x.reshape(-1, {count})."
        )
    return f" It takes samples of {wanted} values; these have {count} (shape {sample})."


@registry.add
class Activation(Layer):
    """An activation function as a layer: ``Activation("relu")``."""

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


@registry.add
class Identity(Layer):
    """The inputs as they are."""

    supports_masking = True
    _keeps_integers = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@registry.add
class Masking(Layer):
    """Masks the steps of (batch, steps, features) all of whose features equal ``mask_value``, and sets them to 0.

    Example::

        model = keras.Sequential([keras.Input((None, 8)), keras.layers.Masking(), keras.layers.LSTM(32)])
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        counted = _op.any(_op.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        outputs = _op.where(counted, inputs, 0.0)
        set_mask(outputs, _op.squeeze(counted, axis=-1))
        return outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_value": self.mask_value}


@registry.add
class Lambda(Layer):
    """A function as a layer: ``Lambda(lambda x: x ** 2)``.

    Args:
        function: ``function(inputs, **arguments) -> outputs``, made of ``keras.ops`` and operators.
        output_shape: the outputs' shape without the batch axis; None: found by running the function on zeros.
        mask: the mask of the outputs, or a function ``mask(inputs, mask_of_inputs)`` that gives it.
        arguments: further keyword arguments of the function.
    """

    _keeps_integers = True

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ValueError(f"Lambda needs a function, got {function!r}.")
        self.mask = mask
        self.supports_masking = mask is not None
        self.function, self.arguments = function, dict(arguments or {})
        self._output_shape = output_shape
        parameters = inspect.signature(function).parameters
        self._takes_training, self._takes_mask = "training" in parameters, "mask" in parameters
        self._build_at_init()

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        options = dict(self.arguments)
        if self._takes_training:
            options["training"] = training
        if self._takes_mask:
            options["mask"] = mask
        return self.function(inputs, **options)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if self._output_shape is None:
            return super().compute_output_spec(inputs, *args, **kwargs)
        given = self._output_shape(inputs.shape) if callable(self._output_shape) else self._output_shape
        first = flatten(inputs)[0]
        return KerasTensor(given if callable(self._output_shape) else (first.shape[0], *given), first.dtype)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "function": serialize_keras_object(self.function)}
        for name, value in (("output_shape", self._output_shape), ("mask", self.mask)):
            if value is not None:
                config[name] = serialize_keras_object(value)
        return {**config, "arguments": serialize_keras_object(self.arguments)}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None, safe_mode: bool | None = None
    ) -> Lambda:
        """A layer made with ``config``; a nameless function in it is code, read with ``safe_mode=False`` only."""
        scope = nullcontext() if safe_mode is None else safe_mode_scope(safe_mode)
        parts: dict[str, Any] = dict.fromkeys(("function", "output_shape", "mask", "arguments"))
        with scope, custom_object_scope(custom_objects):
            parts = {
                name: deserialize_keras_object(config.get(name), safe_mode=safe_mode is not False) for name in parts
            }
        if isinstance(parts["output_shape"], list):
            parts["output_shape"] = tuple(parts["output_shape"])
        return cls(**{**config, **parts})

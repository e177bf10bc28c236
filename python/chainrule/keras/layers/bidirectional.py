"""Bidirectional: a recurrent layer and its mirror image, one from the first step on and one from the last."""

from __future__ import annotations

from typing import Any

from chainrule import _core

from ..registry import deserialize_keras_object, serialize_keras_object
from ..symbolic import KerasTensor, flatten, map_structure
from .base import Layer, registry
from .signatures import argument_names, map_shapes

_op = _core.ops

_MERGE_MODES = ("sum", "mul", "concat", "ave", None)


@registry.add
class Bidirectional(Layer):
    """Runs a recurrent layer in both directions and merges the outputs.

    Args:
        layer: a recurrent layer, of which copies with new weights are made: forward_layer and backward_layer.
        merge_mode: "concat" (along the last axis), "sum", "mul", "ave", or None for a pair of outputs.
        weights: the weights to start with, those of the forward layer first.
        backward_layer: the layer of the other direction, made with ``go_backwards=True``; None: made like ``layer``.

    Sequences of the backward layer are turned round, so that entry t of both belongs to step t. States are those of
    the forward layer, then those of the backward one, given and returned.

    Example: ``Bidirectional(LSTM(64, return_sequences=True))``: (batch, steps, features) -> (batch, steps, 128).
    """

    supports_masking = True

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        for given in (layer, backward_layer):
            if given is not None and not (isinstance(given, Layer) and hasattr(given, "go_backwards")):
                raise ValueError(f"Bidirectional wraps a recurrent layer such as LSTM(32), got {given!r}.")
        if layer is None:
            raise ValueError("Bidirectional needs a layer, for instance Bidirectional(LSTM(32)).")
        if merge_mode not in _MERGE_MODES:
            raise ValueError(f"Bidirectional: merge_mode must be one of {_MERGE_MODES}, got {merge_mode!r}.")
        super().__init__(**kwargs)
        self.forward_layer = _copy(layer, "forward_")
        if backward_layer is None:
            backward_layer = _copy(layer, "backward_", go_backwards=not layer.go_backwards)
        self.backward_layer = backward_layer
        if self.forward_layer.go_backwards == self.backward_layer.go_backwards:
            raise ValueError("Bidirectional: one of the two layers must have go_backwards=True, the other not.")
        for name in ("stateful", "return_sequences", "return_state"):
            a, b = getattr(self.forward_layer, name), getattr(self.backward_layer, name)
            if a != b:
                raise ValueError(f"Bidirectional: {name} must be the same in both layers, got {a} and {b}.")
        for inner in (self.forward_layer, self.backward_layer):
            if hasattr(inner, "zero_output_for_mask"):
                inner.zero_output_for_mask = inner.return_sequences
        self.merge_mode = merge_mode
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self.stateful = layer.stateful
        self.input_spec = layer.input_spec
        self._initial_weights = weights

    @property
    def layer(self) -> Any:
        """The forward layer."""
        return self.forward_layer

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        for inner in (self.forward_layer, self.backward_layer):
            if not inner.built:
                inner.build(sequences_shape)
                inner.built = True
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        outputs: list[Any] = []
        states: list[Any] = []
        for number, inner in enumerate((self.forward_layer, self.backward_layer)):
            options: dict[str, Any] = {}
            if "mask" in argument_names(type(inner).call) and mask is not None:
                options["mask"] = mask
            if initial_state is not None:
                half = len(initial_state) // 2
                options["initial_state"] = list(initial_state[half:] if number else initial_state[:half])
            result = inner(sequences, training=training, **options)
            if self.return_state:
                result, *own = result
                states.extend(own)
            outputs.append(result)
        forward, backward = outputs
        if self.return_sequences:
            backward = _op.flip(backward, axis=1)
        if self.merge_mode is None:
            return (forward, backward, *states)
        merged = self._merge(forward, backward)
        return (merged, *states) if self.return_state else merged

    def _merge(self, forward: Any, backward: Any) -> Any:
        if self.merge_mode == "concat":
            return _op.concatenate([forward, backward], axis=-1)
        if self.merge_mode == "mul":
            return forward * backward
        total = forward + backward
        return total if self.merge_mode == "sum" else total * 0.5

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        shape = self.forward_layer.compute_output_shape(sequences_shape)
        output, *states = shape if self.return_state else (shape,)
        if self.merge_mode is None:
            return (output, output, *states, *states)
        if self.merge_mode == "concat":
            output = (*output[:-1], None if output[-1] is None else 2 * output[-1])
        return (output, *states, *states) if self.return_state else output

    def compute_output_spec(self, sequences: Any, *args: Any, **kwargs: Any) -> Any:
        shape = self.compute_output_shape(map_structure(lambda x: tuple(x.shape), sequences))
        return map_shapes(lambda one: KerasTensor(one, self.compute_dtype), shape)

    def compute_mask(self, sequences: Any, mask: Any) -> Any:
        output = flatten(mask)[0] if self.return_sequences else None
        outputs = [output, output] if self.merge_mode is None else [output]
        if self.return_state:
            outputs += [None] * (2 * len(flatten(self.forward_layer.state_size)))
        return outputs if len(outputs) > 1 else outputs[0]

    def reset_state(self) -> None:
        """Zeroes the states of stateful layers."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    @property
    def states(self) -> Any:
        """The states of both layers; None if they keep none."""
        both = self.forward_layer.states, self.backward_layer.states
        return None if both[0] is None else both

    def get_config(self) -> dict[str, Any]:
        layer = serialize_keras_object(self.forward_layer)
        layer["config"]["name"] = layer["config"]["name"].removeprefix("forward_")
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": layer,
            "backward_layer": serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A layer made with ``config``, with new weights."""
        config = dict(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = deserialize_keras_object(config[name], custom_objects)
        return cls(**config)


def _copy(layer: Layer, prefix: str, **changes: Any) -> Any:
    """A layer of the same configuration with new weights."""
    config = serialize_keras_object(layer)
    config["config"] = {**config["config"], **changes, "name": prefix + layer.name.removeprefix(prefix)}
    if config.get("module") is None:  # a class of the user's, perhaps not registered
        return type(layer).from_config(config["config"])
    return deserialize_keras_object(config)

"""Layers around another layer: Wrapper, TimeDistributed."""

from __future__ import annotations

from typing import Any

from chainrule import _core

from ..registry import deserialize_keras_object, serialize_keras_object
from ..symbolic import flatten, map_structure
from .base import Layer, registry
from .core import Lambda
from .signatures import argument_names

_op = _core.ops


@registry.add
class Wrapper(Layer):
    """Base class of layers that hold another one, ``layer``, and call it in their own ``call``."""

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(f"{type(self).__name__} wraps a layer, got {layer!r}.")
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A wrapper made with ``config``, around a new layer."""
        config = dict(config)
        return cls(deserialize_keras_object(config.pop("layer"), custom_objects), **config)


@registry.add
class TimeDistributed(Wrapper):
    """Applies ``layer`` to every step: (batch, steps, ...) -> (batch, steps, ...).

    Steps become rows of one large batch where that can't change a result, that is if all layers inside are of this
    library and treat the rows of a batch apart from each other; else ``layer`` is called for one step after the other.

    Example: ``TimeDistributed(Conv2D(16, 3))`` on films of shape (batch, pictures, height, width, channels).
    """

    supports_masking = True

    def _inner_shape(self, shape: Any) -> tuple[Any, ...]:
        if not isinstance(shape, (list, tuple)) or len(shape) < 3:
            raise ValueError(
                f"Layer {self.name!r} (TimeDistributed) needs inputs with at least 3 axes (batch, steps, ...), but its "
                f"input has shape {shape}."
            )
        return (shape[0], *shape[2:])

    def build(self, input_shape: Any = None) -> None:
        super().build(self._inner_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *rest = self.layer.compute_output_shape(self._inner_shape(input_shape))
        return (batch, input_shape[1], *rest)

    def _treats_rows_apart(self) -> bool:
        return all(
            type(layer).__module__.startswith("chainrule.")
            and not isinstance(layer, Lambda)
            and not getattr(layer, "stateful", False)
            and all(variable.trained for variable in layer._own_variables())  # no statistics or states of its own
            for layer in self.layer._flatten_layers()
        )

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        shape = tuple(inputs.shape)
        self._inner_shape(shape)
        if mask is not None and tuple(mask.shape[:2]) != shape[:2]:
            raise ValueError(
                f"Layer {self.name!r} (TimeDistributed) got a mask of shape {tuple(mask.shape)} for inputs of shape "
                f"{shape}: the first two axes (batch, steps) must be the same."
            )
        if mask is not None and "mask" not in argument_names(type(self.layer).call):
            mask = None
        if self._treats_rows_apart():
            rows = shape[0] * shape[1]
            options = {} if mask is None else {"mask": _op.reshape(mask, (rows, *mask.shape[2:]))}
            outputs = self.layer(_op.reshape(inputs, (rows, *shape[2:])), training=training, **options)
            return map_structure(lambda y: _op.reshape(y, (shape[0], shape[1], *y.shape[1:])), outputs)
        steps = []
        for t in range(shape[1]):
            options = {} if mask is None else {"mask": mask[:, t]}
            steps.append(self.layer(inputs[:, t], training=training, **options))
        if len(flatten(steps[0])) != 1:
            raise ValueError(f"Layer {self.name!r} (TimeDistributed) needs a layer with one output.")
        return _op.stack(steps, axis=1)

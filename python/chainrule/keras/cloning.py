"""clone_model: a model of the same structure with layers of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .layers.base import Layer
from .layers.core import InputLayer
from .models import Model, Sequential
from .registry import deserialize_keras_object, serialize_keras_object
from .symbolic import KerasTensor, flatten, map_structure
from .tree import assert_same_structure


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Any:
    """A model of the same structure with new layers and weights, not compiled unless the model is.

    Args:
        model: a model made of inputs and outputs, or a Sequential; a subclass is made again from its configuration.
        input_tensors: symbolic tensors to build upon, in the structure of ``model.input``.
        clone_function: ``layer -> layer`` for all but input layers; by default the layer's configuration is made again.
        call_function: ``(layer, *args, **kwargs) -> outputs``, how layers are applied (graphs only).
        recursive: whether models inside are cloned in the same way, instead of being given to ``clone_function``.

    Raises:
        ValueError: arguments for a kind of model that has no use for them, or inputs that don't fit.

    Example::

        frozen = keras.models.clone_model(model)
        frozen.set_weights(model.get_weights())
    """
    if kwargs:
        raise ValueError(f"clone_model: unexpected arguments {sorted(kwargs)}.")
    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError("clone_model: `call_function` can't be used with a Sequential model.")
        cloned = _clone_sequential(model, input_tensors, _cloner(clone_function, None, recursive))
    elif model._graph is not None:
        own = type(model).call is not Model.call or type(model).__init__ is not Model.__init__
        if own and clone_function is None and input_tensors is None and call_function is None:
            return type(model).from_config(model.get_config())
        cloned = _clone_graph(model, input_tensors, _cloner(clone_function, call_function, recursive), call_function)
    else:
        if input_tensors is not None or clone_function is not None or call_function is not None:
            raise ValueError(
                f"clone_model: {type(model).__name__} is a subclass with its own call; arguments `clone_function`, "
                f"`call_function` and `input_tensors` are for Sequential models and graphs only."
            )
        return type(model).from_config(model.get_config())
    if model.compiled:
        cloned.compile_from_config(model.get_compile_config())
    return cloned


def _cloner(clone: Any, call: Any, recursive: bool) -> Callable[[Any], Any]:
    """How a layer is cloned; models inside in the same way if ``recursive``."""

    def again(layer: Any) -> Any:
        return deserialize_keras_object(serialize_keras_object(layer), {type(layer).__name__: type(layer)})

    def cloner(layer: Any) -> Any:
        if recursive and isinstance(layer, Model):
            options = {} if isinstance(layer, Sequential) else {"call_function": call}
            return clone_model(layer, clone_function=clone or again, recursive=True, **options)
        return (clone or again)(layer)

    return cloner


def _fresh_input(tensor: KerasTensor) -> KerasTensor:
    operation = tensor.node.operation if tensor.node is not None else None
    optional = getattr(operation, "optional", False)
    return InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name, optional=optional).output


def _clone_sequential(model: Sequential, input_tensors: Any, cloner: Callable[[Any], Any]) -> Any:
    layers = [cloner(layer) for layer in model.layers]
    first = model._layer_list[0] if model._layer_list else None
    if input_tensors is not None:
        tensors = flatten(input_tensors)
        if len(tensors) != 1:
            raise ValueError(f"clone_model: Argument `input_tensors` must contain a single tensor, got {len(tensors)}.")
        tensor = tensors[0]
        if not isinstance(tensor, KerasTensor):
            raise ValueError(f"clone_model: Argument `input_tensors` must be a KerasTensor, got {tensor!r}.")
        if tensor.node is None or not isinstance(tensor.node.operation, InputLayer):
            tensor = _fresh_input(tensor)
        layers.insert(0, tensor.node.operation)  # type: ignore[union-attr]
    elif isinstance(first, InputLayer):
        layers.insert(0, _fresh_input(first.output).node.operation)  # type: ignore[union-attr]
    return type(model)(layers, name=model.name, trainable=model.trainable)


def _clone_graph(model: Model, input_tensors: Any, cloner: Callable[[Any], Any], call: Any) -> Any:
    graph = model._graph
    assert graph is not None
    if input_tensors is None:
        inputs = map_structure(_fresh_input, graph.inputs)
    else:
        inputs = input_tensors
        if isinstance(inputs, (list, tuple)) and len(inputs) == 1 and isinstance(graph.inputs, KerasTensor):
            inputs = inputs[0]
        try:
            assert_same_structure(inputs, graph.inputs)
        except ValueError as error:
            raise ValueError(
                "clone_model: `input_tensors` must have the same structure as model.input. "
                f"Expected structure: {map_structure(lambda _: '*', graph.inputs)}, "
                f"got: {map_structure(lambda _: '*', inputs)}."
            ) from error
        inputs = map_structure(
            lambda t: t if isinstance(t, KerasTensor) and t.node is not None else _fresh_input(t), inputs
        )
    values = {id(old): new for old, new in zip(graph.input_tensors, flatten(inputs), strict=True)}

    def value(leaf: Any) -> Any:
        return values[id(leaf)] if isinstance(leaf, KerasTensor) else leaf

    clones: dict[int, Any] = {}
    for node in graph.nodes:
        operation = node.operation
        if isinstance(operation, Layer):
            if id(operation) not in clones:
                clones[id(operation)] = cloner(operation)
            operation = clones[id(operation)]
        args, kwargs = map_structure(value, node.args), map_structure(value, node.kwargs)
        if call is not None and isinstance(operation, Layer):
            results = call(operation, *args, **kwargs)
        else:
            results = operation(*args, **kwargs)
        for tensor, result in zip(node.output_tensors, flatten(results), strict=True):
            values[id(tensor)] = result
    outputs = map_structure(value, graph.outputs)
    cls = Model if type(model).__init__ is not Model.__init__ else type(model)
    return cls(inputs=inputs, outputs=outputs, name=model.name)

"""Graph models as configurations, in Keras 3's form: the layers, and where each call of one takes its inputs from."""

from __future__ import annotations

import inspect
from typing import Any

from ..registry import deserialize_keras_object, serialize_keras_object
from ..symbolic import FunctionOperation, KerasTensor, flatten, map_structure

_TENSOR = "__keras_tensor__"


def graph_config(model: Any) -> dict[str, Any]:
    """The configuration of a graph model."""
    graph = model._graph
    place: dict[int, list[Any]] = {}  # of each symbolic tensor: [operation, number of its call, number of the output]
    calls: dict[int, list[Any]] = {id(operation): [] for operation in graph.operations}
    for tensor in graph.input_tensors:
        name = tensor.node.operation.name if tensor.node is not None else tensor.name
        place[id(tensor)] = [name, 0, 0]
    for node in graph.nodes:
        number = len(calls[id(node.operation)])
        calls[id(node.operation)].append(node)
        for tensor in node.output_tensors:
            place[id(tensor)] = [node.operation.name, number, tensor.index]

    def reference(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return serialize_keras_object(leaf)
        config = {"shape": list(leaf.shape), "dtype": leaf.dtype, "keras_history": place[id(leaf)]}
        return {"class_name": _TENSOR, "config": config}

    layers = []
    for operation in graph.operations:
        if isinstance(operation, FunctionOperation):
            entry, nodes = _operation_config(operation, calls[id(operation)], reference)
        else:
            entry = serialize_keras_object(operation)
            nodes = [
                {"args": map_structure(reference, list(node.args)), "kwargs": map_structure(reference, node.kwargs)}
                for node in calls[id(operation)]
            ]
        layers.append({**entry, "name": operation.name, "inbound_nodes": nodes})
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": map_structure(lambda t: place[id(t)], graph.inputs),
        "output_layers": map_structure(lambda t: place[id(t)], graph.outputs),
    }


def _operation_config(operation: FunctionOperation, nodes: list[Any], reference: Any) -> tuple[dict[str, Any], Any]:
    """A function of keras.ops: its tensors are the call's arguments, its options the configuration."""
    function = operation.function
    signature = inspect.signature(function)
    (node,) = nodes
    bound = signature.bind(*node.args, **node.kwargs).arguments
    tensors, options = [], {}
    for name, value in bound.items():
        symbolic = any(isinstance(leaf, KerasTensor) for leaf in flatten(value))
        if symbolic or name in ("x1", "x2"):
            tensors.append(map_structure(reference, value))
        else:
            options[name] = serialize_keras_object(value)
    class_name = "".join(part.capitalize() for part in function.__name__.split("_"))
    entry = {
        "module": "keras.src.ops.nn" if "neural" in function.__module__ else "keras.src.ops.numpy",
        "class_name": class_name,
        "config": {"name": operation.name, **options},
        "registered_name": class_name,
    }
    return entry, [{"args": tensors, "kwargs": {}}]


def graph_from_config(config: dict[str, Any], custom_objects: dict[str, Any] | None = None, cls: Any = None) -> Any:
    """The model that :func:`graph_config` (or Keras) described, with new weights."""
    from ..models import Model

    operations: dict[str, Any] = {}
    waiting: list[tuple[str, int, Any]] = []
    results: dict[tuple[str, int], list[Any]] = {}
    for entry in config["layers"]:
        name = entry.get("name") or entry["config"]["name"]
        operation = _operation(entry, custom_objects)
        operations[name] = operation
        if not entry["inbound_nodes"]:
            results[name, 0] = [operation.output]
        waiting += [(name, number, node) for number, node in enumerate(entry["inbound_nodes"])]
    while waiting:
        ready = [call for call in waiting if all(source in results for source in _sources(call[2]))]
        if not ready:
            missing = sorted({s[0] for call in waiting for s in _sources(call[2]) if s not in results})
            raise ValueError(f"The configuration of model {config.get('name')!r} lacks the outputs of {missing}.")
        for name, number, node in ready:
            args, kwargs = _arguments(node, results)
            outputs = flatten(operations[name](*args, **kwargs))
            if isinstance(outputs[0].node.operation, FunctionOperation):
                outputs[0].node.operation.name = name
            results[name, number] = outputs
        waiting = [call for call in waiting if (call[0], call[1]) not in results]

    def find(structure: Any) -> Any:
        if _is_place(structure):
            return results[structure[0], structure[1]][structure[2]]
        if isinstance(structure, dict):
            return {key: find(value) for key, value in structure.items()}
        found = [find(item) for item in structure]
        return found[0] if len(found) == 1 and _is_place(structure[0]) else found

    model = (cls or Model)(
        inputs=find(config["input_layers"]), outputs=find(config["output_layers"]), name=config.get("name")
    )
    model._trainable = bool(config.get("trainable", True))
    return model


def _operation(entry: dict[str, Any], custom_objects: dict[str, Any] | None) -> Any:
    module = entry.get("module") or ""
    if not module.startswith("keras.src.ops"):
        return deserialize_keras_object(entry, custom_objects)
    from .. import ops
    from ..naming import snake_case

    name = snake_case(entry["class_name"])
    function = getattr(ops, name, None)
    if function is None:
        raise ValueError(f"The model uses keras.ops.{name}, which chainrule doesn't have.")
    options = {k: v for k, v in entry["config"].items() if k not in ("name", "dtype")}
    return lambda *args, **kwargs: function(*args, **kwargs, **options)


def _is_place(item: Any) -> bool:
    return isinstance(item, (list, tuple)) and len(item) == 3 and isinstance(item[0], str)


def _sources(node: Any) -> list[tuple[str, int]]:
    """The calls whose outputs a call needs."""
    if isinstance(node, list):  # Keras 2: [[layer, call, output, options], ...]
        return [(item[0], item[1]) for item in node]
    if isinstance(node, dict):
        if node.get("class_name") == _TENSOR:
            history = node["config"]["keras_history"]
            return [(history[0], history[1])]
        return [source for value in node.values() for source in _sources_in(value)]
    return []


def _sources_in(value: Any) -> list[tuple[str, int]]:
    if isinstance(value, list):
        return [source for item in value for source in _sources_in(item)]
    return _sources(value) if isinstance(value, dict) else []


def _arguments(node: Any, results: dict[tuple[str, int], list[Any]]) -> tuple[list[Any], dict[str, Any]]:
    if isinstance(node, list):
        tensors = [results[item[0], item[1]][item[2]] for item in node]
        options = node[0][3] if len(node[0]) > 3 else {}
        return [tensors[0] if len(tensors) == 1 else tensors], options

    def find(value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("class_name") == _TENSOR:
                name, number, index = value["config"]["keras_history"]
                return results[name, number][index]
            if "class_name" in value:
                return deserialize_keras_object(value)
            return {key: find(item) for key, item in value.items()}
        return [find(item) for item in value] if isinstance(value, list) else value

    return find(node["args"]), find(node["kwargs"])

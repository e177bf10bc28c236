"""Weights in files, and graphs as configurations.

A weights file is a NumPy ``.npz`` archive: ``<number>|<path>`` for each weight in the model's order. It is written
beside its place and renamed, so a crash never leaves half a file.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from typing import Any

import numpy as np

from .registry import (
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from .symbolic import KerasTensor, map_structure

CustomObjectScope = custom_object_scope


def save_weights(model: Any, filepath: Any, overwrite: bool = True, max_shard_size: Any = None, **kwargs: Any) -> None:
    """Writes the model's weights to ``filepath`` (``.npz``, usually ``.weights.npz``).

    Raises:
        ValueError: an unbuilt model, or a path that asks for another format.
        FileExistsError: the file exists and ``overwrite`` is False.
    """
    path = os.fspath(filepath)
    if max_shard_size is not None or kwargs:
        raise ValueError(
            "save_weights: the weights go to one file; max_shard_size and other options are not supported."
        )
    _check_path(path)
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{path} exists already; save_weights(..., overwrite=True) replaces it.")
    if not model.weights and not model.built:
        raise ValueError(f"Model {model.name!r} has no weights yet: call it on data or give its input shape first.")
    arrays = {f"{i}|{v.path}": v.numpy() for i, v in enumerate(model.weights)}
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".weights-", suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Reads weights that :func:`save_weights` wrote into a model of the same structure.

    ``skip_mismatch``: weights whose shapes differ keep their values.

    Raises:
        ValueError: not a weights file, another number of weights or other shapes; then nothing is changed.
    """
    path = os.fspath(filepath)
    if kwargs:
        raise ValueError(f"load_weights: unexpected arguments {sorted(kwargs)}.")
    _check_path(path)
    variables = model.weights
    if not variables and not model.built:
        raise ValueError(f"Model {model.name!r} has no weights yet: call it on data or give its input shape first.")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            names = sorted(archive.files, key=lambda name: int(name.split("|", 1)[0]))
            values = [archive[name] for name in names]
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is not a weights file of chainrule, or it is damaged ({error}).") from None
    if len(values) != len(variables):
        raise ValueError(
            f"{path} holds {len(values)} weights {[n.split('|', 1)[1] for n in names]}, model {model.name!r} has "
            f"{len(variables)} {[v.path for v in variables]}: the models differ."
        )
    unfit = [
        f"{v.path}: {v.shape} in the model, {value.shape} in the file"
        for v, value in zip(variables, values, strict=True)
        if v.shape != value.shape
    ]
    if unfit and not skip_mismatch:
        raise ValueError(f"{path} doesn't fit model {model.name!r}: " + "; ".join(unfit) + ".")
    for variable, value in zip(variables, values, strict=True):
        if variable.shape == value.shape:
            variable.assign(value)


def _check_path(path: str) -> None:
    if path.endswith((".h5", ".hdf5", ".keras", ".index", ".ckpt")):
        raise ValueError(
            f"{path!r}: that format is not supported; weights are kept in NumPy archives: use a path that ends in "
            f"'.weights.npz'."
        )


# ---- graphs --------------------------------------------------------------------------------------------------------


def graph_config(model: Any) -> dict[str, Any]:
    """The configuration of a graph model: its layers, and where each of their calls takes its inputs from."""
    graph = model._graph
    operations = graph.operations
    number = {id(node): i for i, node in enumerate(graph.nodes)}

    def reference(leaf: Any) -> Any:
        if not isinstance(leaf, KerasTensor):
            return serialize_keras_object(leaf)
        if leaf.node is None or id(leaf.node) not in number:
            return {"input": next(i for i, t in enumerate(graph.input_tensors) if t is leaf)}
        return {"node": number[id(leaf.node)], "index": leaf.index}

    for operation in operations:
        if not hasattr(operation, "get_config"):
            raise ValueError(
                f"Model {model.name!r} uses keras.ops.{operation.function.__name__} directly on symbolic tensors, "
                f"which can't "
                f"be described; put it into a Lambda or a Layer of your own."
            )
    layers = [serialize_keras_object(operation) for operation in operations]
    place = {id(operation): i for i, operation in enumerate(operations)}
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": map_structure(lambda t: {"layer": place[id(t.node.operation)]}, graph.inputs),
        "nodes": [
            {
                "layer": place[id(node.operation)],
                "args": map_structure(reference, list(node.args)),
                "kwargs": map_structure(reference, node.kwargs),
            }
            for node in graph.nodes
        ],
        "output_layers": map_structure(reference, graph.outputs),
    }


def graph_from_config(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that :func:`graph_config` described, with new weights."""
    from .models import Model

    layers = [deserialize_keras_object(layer, custom_objects) for layer in config["layers"]]
    results: list[list[Any]] = []

    def find(part: Any) -> Any:
        if isinstance(part, dict):
            if set(part) == {"layer"}:
                return layers[part["layer"]].output
            if set(part) == {"input"}:
                return inputs[part["input"]]
            if set(part) == {"node", "index"}:
                return results[part["node"]][part["index"]]
            return {key: find(value) for key, value in part.items()}
        if isinstance(part, (list, tuple)):
            return [find(item) for item in part]
        return part

    from .symbolic import flatten

    structure = find(config["input_layers"])
    inputs = flatten(structure)
    for node in config["nodes"]:
        outputs = layers[node["layer"]](*find(node["args"]), **find(node["kwargs"]))
        results.append(flatten(outputs))
    model = Model(inputs=structure, outputs=find(config["output_layers"]), name=config["name"])
    model.trainable = config.get("trainable", True)
    return model


__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_weights",
    "register_keras_serializable",
    "save_weights",
    "serialize_keras_object",
]

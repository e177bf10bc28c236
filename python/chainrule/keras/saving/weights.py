"""Weights in files.

``.weights.h5`` is Keras 3's format: a group for each layer, at the path of attributes that leads to it
(``layers/dense_1``, ``encoder/blocks/dense``), with its variables in ``vars/0``, ``vars/1``, ... ``.npz`` is a NumPy
archive: ``<number>|<path>`` for each weight in the model's order.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..layers.base import Layer
from ..metrics import Metric
from ..naming import snake_case
from ..optimizers import Optimizer
from ..variables import Variable
from .files import hdf5, replacing


def save_weights(model: Any, filepath: Any, overwrite: bool = True, max_shard_size: Any = None, **kwargs: Any) -> None:
    """Writes the model's weights to ``filepath``, which ends in ``.weights.h5`` or ``.npz``.

    ``objects_to_skip``: layers whose own weights are left out (of an HDF5 file); those of layers inside of them, too,
    unless another way leads there.

    Raises:
        ValueError: an unbuilt model, or a path that asks for another format.
        FileExistsError: the file exists and ``overwrite`` is False.
        ImportError: HDF5 is asked for and h5py isn't installed.
    """
    path = os.fspath(filepath)
    skip = _skipped("save_weights", path, kwargs)
    if max_shard_size is not None or kwargs:
        raise ValueError(
            "save_weights: the weights go to one file; max_shard_size and other options are not supported."
        )
    if not path.endswith((".npz", ".weights.h5")):
        raise ValueError(f"save_weights: the path must end in '.weights.h5' or '.weights.npz', got {path!r}.")
    require_weights(model)
    if path.endswith(".npz"):
        with replacing(path, overwrite) as file:
            np.savez(file, **{f"{i}|{v.path}": v.numpy() for i, v in enumerate(model.weights)})
    else:
        h5py = hdf5(path)
        with replacing(path, overwrite) as file, h5py.File(file, "w") as archive:
            write_variables(archive, model, skip)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Reads weights that :func:`save_weights` or Keras wrote into a model of the same structure.

    ``skip_mismatch``: weights that the file doesn't have, or in another shape, keep their values.
    ``objects_to_skip``: layers whose weights keep their values, as in :func:`save_weights`.

    Raises:
        ValueError: not a weights file, other weights or other shapes; then nothing is changed.
        ImportError: an HDF5 file, and h5py isn't installed.
    """
    path = os.fspath(filepath)
    skip = _skipped("load_weights", path, kwargs)
    if kwargs:
        raise ValueError(f"load_weights: unexpected arguments {sorted(kwargs)}.")
    require_weights(model)
    if path.endswith((".h5", ".hdf5", ".keras")):
        h5py = hdf5(path)
        with open_weights(path) as file, open_hdf5(h5py, file, path) as archive:
            pairs = read_variables(archive, model, path, skip_mismatch, skip=skip)
    else:
        pairs = _read_npz(model, path, skip_mismatch)
    for variable, value in pairs:
        variable.assign(value)


def _skipped(where: str, path: str, options: dict[str, Any]) -> set[int]:
    """The identities of the objects to skip, taken out of the options. ValueError for another kind of file."""
    given = options.pop("objects_to_skip", None)
    if given is not None and not path.endswith(".weights.h5"):
        raise ValueError(f"{where}: objects_to_skip works for '.weights.h5' files only, got {path!r}.")
    return {id(one) for one in given or ()}


def open_weights(path: str) -> Any:
    """The bytes of the weights: the file itself, or the member of a ``.keras`` archive."""
    if not path.endswith(".keras"):
        return open(path, "rb")
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read("model.weights.h5"))


def open_hdf5(h5py: Any, file: Any, path: str) -> Any:
    try:
        return h5py.File(file, "r")
    except OSError as error:
        raise ValueError(f"{path} is not an HDF5 file, or it is damaged ({error}).") from None


def require_weights(model: Any) -> None:
    if not model.weights and not model.built:
        raise ValueError(f"Model {model.name!r} has no weights yet: call it on data or give its input shape first.")


def _read_npz(model: Any, path: str, skip_mismatch: bool) -> list[tuple[Variable, Any]]:
    if not path.endswith(".npz"):
        raise ValueError(f"load_weights: the path must end in '.weights.h5', '.keras' or '.npz', got {path!r}.")
    variables = model.weights
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
    return _fitting(list(zip(variables, values, strict=True)), model, path, [], skip_mismatch)


def _fitting(
    pairs: list[tuple[Variable, Any]], model: Any, path: str, missing: list[str], skip_mismatch: bool
) -> list[tuple[Variable, Any]]:
    """The pairs whose shapes agree; ValueError for the others and for what is missing, unless they may be skipped."""
    unfit = missing + [
        f"{v.path}: {v.shape} in the model, {tuple(value.shape)} in the file"
        for v, value in pairs
        if v.shape != tuple(value.shape)
    ]
    if unfit and not skip_mismatch:
        raise ValueError(f"{path} doesn't fit model {model.name!r}: " + "; ".join(unfit) + ".")
    return [(v, value) for v, value in pairs if v.shape == tuple(value.shape)]


# ---- the tree of layers, as Keras walks it -------------------------------------------------------------------------

_PARTS = (Layer, Metric, Optimizer)


def walk(target: Any, skip: Iterable[int] = ()) -> Iterator[tuple[str, Any, list[Variable]]]:
    """(path, layer, metric or optimizer, its own variables) for ``target`` and all that hangs on its attributes.

    ``skip``: identities of objects that are passed over.
    """
    yield from _walk(target, "", set(skip))


def _walk(target: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any, list[Variable]]]:
    if id(target) in seen:
        return
    seen.add(id(target))
    yield path, target, _own(target)
    for name, value in _attributes(target):
        inner = f"{path}/{name}" if path else name
        if isinstance(value, _PARTS):
            yield from _walk(value, inner, seen)
        else:
            yield from _walk_container(value, inner, seen)


def _walk_container(container: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any, list[Variable]]]:
    """The parts in a list, tuple, set or dictionary, named by their classes and numbered."""
    from ..models import Model

    count: dict[str, int] = {}
    for place, item in enumerate(container.values() if isinstance(container, dict) else container):
        if isinstance(item, (list, tuple, dict)):
            yield from _walk_container(item, f"{path}/{place}", seen)
        elif isinstance(item, _PARTS):
            name = snake_case(item._config_name if isinstance(item, Model) else type(item).__name__)
            number = count.get(name, 0)
            count[name] = number + 1
            yield from _walk(item, f"{path}/{name}_{number}" if number else f"{path}/{name}", seen)


def _own(part: Any) -> list[Variable]:
    if isinstance(part, Layer):
        return part._stored_variables()
    return list(part._variables)


def _attributes(part: Any) -> list[tuple[str, Any]]:
    """The attributes that may lead to parts, by name; not the bookkeeping that every layer or model has."""
    if isinstance(part, Optimizer):
        return []
    values = dict(vars(part))
    if isinstance(part, Layer):
        from ..models import Model

        plain = Model(name="plain") if isinstance(part, Model) else Layer(name="plain")
        for name in vars(plain):
            values.pop(name, None)
        if isinstance(part, Model):
            for name in ("_own_layers", "_layer_list"):
                values.pop(name, None)
            if part._is_graph:
                values["layers"] = part.layers
            if isinstance(getattr(part, "optimizer", None), Optimizer):
                values["optimizer"] = part.optimizer
    named = {}
    for name, value in values.items():
        public = name.lstrip("_")
        shown = isinstance(getattr(type(part), public, None), property) and getattr(part, public, None) is value
        named[public if shown else name] = value
    return [(n, v) for n, v in sorted(named.items()) if isinstance(v, (*_PARTS, list, tuple, set, dict))]


# ---- HDF5 ----------------------------------------------------------------------------------------------------------


def write_variables(archive: Any, model: Any, skip: Iterable[int] = ()) -> None:
    """Writes all variables of the model (and of its optimizer, if it has one) into an open HDF5 file."""
    for path, part, variables in walk(model, skip):
        group = archive.create_group(f"{path}/vars" if path else "vars")
        group.attrs["name"] = part.name
        if isinstance(part, Layer):
            part.save_own_variables(group)
        else:
            for i, variable in enumerate(variables):
                group.create_dataset(str(i), data=variable.numpy())


def read_variables(
    archive: Any,
    model: Any,
    path: str,
    skip_mismatch: bool = False,
    optimizer: bool = False,
    skip: Iterable[int] = (),
) -> list[tuple[Variable, np.ndarray]]:
    """(variable, its value in the file) for the model, and for its optimizer if asked for."""
    if "layer_names" in archive.attrs or "model_weights" in archive:
        return _read_layers(archive.get("model_weights", archive), model, path, skip_mismatch)
    pairs: list[tuple[Variable, np.ndarray]] = []
    custom: list[Any] = []
    missing = []
    for place, part, variables in walk(model, skip):
        if isinstance(part, Optimizer) and not optimizer:
            continue
        group = archive.get(f"{place}/vars" if place else "vars", {})
        if isinstance(part, Layer) and type(part).load_own_variables is not Layer.load_own_variables:
            custom.append((_Reader(part), {name: np.asarray(group[name]) for name in group}))
            continue
        if len(group) != len(variables):
            if variables or not isinstance(part, Metric):
                missing.append(
                    f"{place or model.name} ({part.name}) has {len(variables)} variables, {len(group)} in the file"
                )
            continue
        pairs += [(variable, np.asarray(group[str(i)])) for i, variable in enumerate(variables)]
    return _fitting(pairs, model, path, missing, skip_mismatch) + custom


class _Reader:
    """A layer with a ``load_own_variables`` of its own, assigned to like a variable."""

    def __init__(self, layer: Layer) -> None:
        self.assign = layer.load_own_variables


def _read_layers(archive: Any, model: Any, path: str, skip_mismatch: bool) -> list[tuple[Variable, np.ndarray]]:
    """Keras 2's format: the layers that have weights, in order, each with a list of names of its weights."""
    names = [_text(name) for name in archive.attrs["layer_names"]]
    groups = [archive[name] for name in names]
    groups = [group for group in groups if len(group.attrs["weight_names"])]
    layers = [layer for layer in model.layers if layer.weights]
    if len(groups) != len(layers):
        raise ValueError(
            f"{path} holds {len(groups)} layers with weights {[g.name for g in groups]}, model {model.name!r} has "
            f"{len(layers)} {[layer.name for layer in layers]}: the models differ."
        )
    pairs: list[tuple[Variable, np.ndarray]] = []
    missing = []
    for group, layer in zip(groups, layers, strict=True):
        values = [np.asarray(group[_text(name)]) for name in group.attrs["weight_names"]]
        trained = [v for v in layer.weights if v.trained] + [v for v in layer.weights if not v.trained]
        if len(values) != len(trained):
            missing.append(f"{layer.name} has {len(trained)} weights, {len(values)} in the file")
        else:
            pairs += list(zip(trained, values, strict=True))
    return _fitting(pairs, model, path, missing, skip_mismatch)


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)

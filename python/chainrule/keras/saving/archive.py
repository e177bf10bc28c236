"""A whole model in one file, in Keras 3's ``.keras`` format.

A zip archive of ``metadata.json`` (who wrote it), ``config.json`` (the model as a configuration, with what ``compile``
was told) and ``model.weights.h5`` (the variables of layers and optimizer). No code is stored and none is run.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import warnings
import zipfile
from typing import Any

from ..functions import safe_mode_scope
from ..registry import custom_object_scope, deserialize_keras_object, serialize_keras_object
from .files import hdf5, replacing
from .legacy import load_legacy, save_legacy
from .weights import open_hdf5, read_variables, write_variables

_KERAS_VERSION = "3.15.1"  # the version whose format this is


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
    """Writes the model to ``filepath``, which ends in ``.keras`` (or, in the format of Keras 2, in ``.h5``).

    Raises:
        ValueError: another ending, an unbuilt model, or a layer that can't be described (it needs a ``get_config``).
        FileExistsError: the file exists and ``overwrite`` is False.
        ImportError: h5py isn't installed.

    Example::

        model.save("digits.keras")
        model = keras.models.load_model("digits.keras")
    """
    path = os.fspath(filepath)
    if kwargs or zipped is False:
        raise ValueError(f"save: only zipped .keras files are written; got {kwargs or {'zipped': zipped}}.")
    if path.endswith((".h5", ".hdf5")) and not path.endswith(".weights.h5"):
        save_legacy(hdf5(path), model, path, overwrite, _KERAS_VERSION)
        return
    if not path.endswith(".keras"):
        raise ValueError(
            f"save: the path must end in '.keras' (or '.h5'), got {path!r}. For weights alone use "
            f"save_weights('name.weights.h5')."
        )
    h5py = hdf5(path)
    config = serialize_keras_object(model)
    config["build_config"] = model.get_build_config()
    if model.compiled:
        config["compile_config"] = model.get_compile_config()
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        write_variables(file, model)
    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    with replacing(path, overwrite) as target, zipfile.ZipFile(target, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": _KERAS_VERSION, "date_saved": now}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())


class _MissingFileError(FileNotFoundError, ValueError):
    """What the system would raise, and what Keras raises."""


def load_model(
    filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model that ``model.save`` (of chainrule or of Keras 3) wrote: its structure, weights and training state.

    Args:
        custom_objects: classes and functions of your own by name, unless they are registered.
        compile: whether to compile it as it was, with the state of its optimizer.
        safe_mode: whether to refuse nameless functions in the file, which are code.

    Raises:
        ValueError: not such a file, or a class that isn't known.
        ImportError: h5py isn't installed.
    """
    path = os.fspath(filepath)
    if not os.path.exists(path):
        raise _MissingFileError(f"File not found: filepath={path}. Give the path of a '.keras' file.")
    h5py = hdf5(path)
    if path.endswith((".h5", ".hdf5")):
        with safe_mode_scope(safe_mode):
            return load_legacy(h5py, path, custom_objects, compile)
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            weights = archive.read("model.weights.h5")
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a .keras file, or it is damaged ({error}).") from None
    with custom_object_scope(custom_objects or {}), safe_mode_scope(safe_mode):
        model = deserialize_keras_object(config)
        if not model.built:
            model.build_from_config(config.get("build_config") or {})
        settings = config.get("compile_config")
        if compile and settings:
            model.compile_from_config(settings)
    with open_hdf5(h5py, io.BytesIO(weights), path) as file:
        stateful = bool(compile and settings and "optimizer" in file)
        if stateful:
            stored = len(file["optimizer"].get("vars", ()))
            if stored != len(model.optimizer._variables):  # it was saved after a step
                model.optimizer.build(model.trainable_variables)
            if stored != len(model.optimizer._variables):
                warnings.warn(
                    f"Skipping variable loading for optimizer {model.optimizer.name!r}: it has "
                    f"{len(model.optimizer._variables)} variables, {stored} are stored in {path}.",
                    stacklevel=2,
                )
                stateful = False
        for variable, value in read_variables(file, model, path, optimizer=stateful):
            variable.assign(value)
    return model

"""Models in the HDF5 format of Keras 2 and of Keras 3's ``model.save("m.h5")``: structure, weights, compile's words.

The configuration stands in the attribute ``model_config``; ``model_weights`` has a group for each layer, whose
attribute ``weight_names`` lists its arrays.
"""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import numpy as np

from ..registry import custom_object_scope, deserialize_keras_object, serialize_keras_object
from .files import replacing
from .weights import open_hdf5, read_variables, require_weights


def save_legacy(h5py: Any, model: Any, path: str, overwrite: bool, version: str) -> None:
    """Writes the model, without the state of its optimizer."""
    require_weights(model)
    warnings.warn(
        "You are saving your model as an HDF5 file, a format that is considered legacy; model.save('my_model.keras') "
        "keeps the optimizer's state too.",
        stacklevel=4,
    )
    config = serialize_keras_object(model)
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = version, "chainrule"
        file.attrs["model_config"] = json.dumps({"class_name": config["class_name"], "config": config["config"]})
        if model.compiled:
            settings = model.get_compile_config()
            settings["optimizer_config"] = settings.pop("optimizer")
            file.attrs["training_config"] = json.dumps(settings)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([layer.name for layer in model.layers], dtype="S")
        group.attrs["keras_version"], group.attrs["backend"] = version, "chainrule"
        for layer in model.layers:
            part = group.create_group(layer.name)
            variables = [v for v in layer.weights if v.trained] + [v for v in layer.weights if not v.trained]
            names = [
                f"{layer.name}/{i}_{v.name}" if len({w.path for w in variables}) < len(variables) else v.path
                for i, v in enumerate(variables)
            ]
            part.attrs["weight_names"] = np.array(names, dtype="S")
            for name, variable in zip(names, variables, strict=True):
                part.create_dataset(name, data=variable.numpy())
        top = group.create_group("top_level_model_weights")
        top.attrs["weight_names"] = np.array([], dtype="S")
    with replacing(path, overwrite) as target:
        target.write(content.getvalue())


def load_legacy(h5py: Any, path: str, custom_objects: dict[str, Any] | None, compile: bool) -> Any:
    """A model in that format; the state of its optimizer is not read."""
    with open(path, "rb") as handle, open_hdf5(h5py, handle, path) as file:
        if "model_config" not in file.attrs:
            raise ValueError(f"{path} holds no model, perhaps weights alone: make the model, then load_weights(path).")
        text = file.attrs["model_config"]
        config = json.loads(text.decode() if isinstance(text, bytes) else text)
        with custom_object_scope(custom_objects or {}):
            model = deserialize_keras_object(config)
            pairs = read_variables(file, model, path)
            training = file.attrs.get("training_config")
            if compile and training is not None:
                text = training.decode() if isinstance(training, bytes) else training
                settings = json.loads(text)
                settings["optimizer"] = settings.pop("optimizer_config", settings.get("optimizer"))
                model.compile_from_config(settings)
        for variable, value in pairs:
            variable.assign(value)
    return model

"""``keras.saving``: models and weights in files, and objects as configurations.

- :func:`save_model`, :func:`load_model`: a whole model in Keras 3's ``.keras`` format (a zip archive of the
  configuration and an HDF5 file of the weights), both ways with Keras itself.
- ``save_weights``, ``load_weights``: weights alone, in Keras' ``.weights.h5`` or in a NumPy archive (``.npz``).

HDF5 needs h5py: ``pip install 'chainrule[keras-files]'``. Files are written beside their place and renamed.
"""

from ..registry import (
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from .archive import load_model, save_model
from .graph import graph_config, graph_from_config
from .weights import load_weights, save_weights

CustomObjectScope = custom_object_scope

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "graph_config",
    "graph_from_config",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

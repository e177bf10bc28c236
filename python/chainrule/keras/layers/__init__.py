"""``keras.layers``."""

from .activation import ELU, LeakyReLU, PReLU, ReLU, Softmax
from .base import Layer, registry
from .core import Activation, Dense, Identity, Input, InputLayer, Lambda
from .input_spec import InputSpec
from .merge import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from .regularization import ActivityRegularization, Dropout, GaussianDropout, GaussianNoise
from .reshape import Flatten, Permute, RepeatVector, Reshape

serialize = registry.serialize
deserialize = registry.deserialize

__all__ = [
    "ELU",
    "Activation",
    "ActivityRegularization",
    "Add",
    "Average",
    "Concatenate",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "Lambda",
    "Layer",
    "LeakyReLU",
    "Maximum",
    "Minimum",
    "Multiply",
    "PReLU",
    "Permute",
    "ReLU",
    "RepeatVector",
    "Reshape",
    "Softmax",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]

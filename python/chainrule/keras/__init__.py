"""The Keras 3 interface of chainrule: ``import chainrule.keras as keras`` runs Keras programs.

Modules load when they are first used.

Example::

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    model.fit(x, y, epochs=10)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        datasets,
        distillation,
        dtype_policies,
        initializers,
        layers,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        tree,
        utils,
        wrappers,
    )
    from .constraints import Constraint
    from .dtype_policies import DTypePolicy, FloatDTypePolicy
    from .function import Function
    from .initializers import Initializer
    from .layers import Input, InputSpec, Layer
    from .losses import Loss
    from .metrics import Metric
    from .models import Model, Sequential
    from .naming import device, name_scope
    from .optimizers import Optimizer
    from .regularizers import Regularizer
    from .scopes import RematScope, StatelessScope, remat
    from .symbolic import KerasTensor, Operation
    from .variables import Variable

_MODULES = [
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "distillation",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
    "wrappers",
]
_NAMES = {
    "Constraint": "constraints",
    "DTypePolicy": "dtype_policies",
    "FloatDTypePolicy": "dtype_policies",
    "Function": "function",
    "Initializer": "initializers",
    "Input": "layers",
    "InputSpec": "layers",
    "KerasTensor": "symbolic",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Operation": "symbolic",
    "Optimizer": "optimizers",
    "Regularizer": "regularizers",
    "RematScope": "scopes",
    "StatelessScope": "scopes",
    "Sequential": "models",
    "Variable": "variables",
    "device": "naming",
    "name_scope": "naming",
    "remat": "scopes",
}

__version__ = "3.15.1"  # of the interface
__all__ = [
    "Constraint",
    "DTypePolicy",
    "FloatDTypePolicy",
    "Function",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Operation",
    "Optimizer",
    "Regularizer",
    "RematScope",
    "StatelessScope",
    "Sequential",
    "Variable",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "device",
    "distillation",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "name_scope",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "remat",
    "saving",
    "tree",
    "utils",
    "wrappers",
    "version",
]


def version() -> str:
    """The version of the Keras interface that is followed."""
    return __version__


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _NAMES:
        value = getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
        globals()[name] = value
        return value
    from .registry import suggest

    raise AttributeError(f"module 'keras' has no attribute {name!r}.{suggest(name, __all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""``keras.optimizers``."""

from ..registry import Registry
from . import schedules
from .base import Optimizer
from .composed import Adadelta, Adagrad, Adamax, Nadam
from .fused import SGD, Adam, AdamW, RMSprop

_registry = Registry("optimizer", "keras.optimizers", Optimizer)
for _class in (SGD, RMSprop, Adam, AdamW, Adagrad, Adadelta, Adamax, Nadam):
    _registry.add(_class)

get = _registry.get
serialize = _registry.serialize
deserialize = _registry.deserialize

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

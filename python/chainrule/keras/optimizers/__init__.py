"""``keras.optimizers``."""

from ..registry import Registry
from . import schedules
from .base import Optimizer
from .composed import Adadelta, Adagrad, Adamax, Ftrl, Lamb, Lion, Nadam, ScheduleFreeAdamW
from .fused import SGD, Adam, AdamW, RMSprop
from .matrices import Adafactor, Muon
from .wrappers import LossScaleOptimizer, MultiOptimizer, OptimizerMap

_registry = Registry("optimizer", "keras.optimizers", Optimizer)
for _class in (
    *(SGD, RMSprop, Adam, AdamW),
    *(Adagrad, Adadelta, Adamax, Nadam, Lion, Ftrl, Lamb, ScheduleFreeAdamW),
    *(Adafactor, Muon, LossScaleOptimizer, MultiOptimizer, OptimizerMap),
):
    _registry.add(_class)

get = _registry.get
serialize = _registry.serialize
deserialize = _registry.deserialize

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

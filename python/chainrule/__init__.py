"""Deep learning from its mathematics, on a plain CPU.

``Tensor`` is an n-dimensional array with NumPy's semantics; ``grad``, ``vjp`` and ``GradientTape`` differentiate
functions of it; ``jit`` records one as a program that runs without Python. The faces are loaded on first use:
``chainrule.keras`` (Keras 3), ``chainrule.numpy`` (NumPy 2), ``chainrule.nn`` (functions of networks),
``chainrule.datasets``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import _core, threadpool
from ._core import (
    Tensor,
    TraceError,
    asarray,
    empty_cache,
    from_dlpack,
    from_numpy,
    memory_stats,
    set_num_threads,
)
from ._core import num_threads as get_num_threads
from .dtypes import bfloat16
from .seeds import seed
from .transforms import (
    GradientTape,
    check_gradients,
    custom_gradient,
    grad,
    jit,
    no_grad,
    stop_gradient,
    value_and_grad,
    vjp,
)

if TYPE_CHECKING:
    from .profiling import explain, profile

__version__ = "0.1.0"

__all__ = [
    "GradientTape",
    "Tensor",
    "TraceError",
    "asarray",
    "bfloat16",
    "check_gradients",
    "custom_gradient",
    "empty_cache",
    "explain",
    "from_dlpack",
    "from_numpy",
    "get_num_threads",
    "grad",
    "jit",
    "memory_stats",
    "no_grad",
    "profile",
    "seed",
    "set_num_threads",
    "show_config",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]

_core.start_runtime()  # ValueError: a variable of the environment that is no such setting
threadpool.watch()

_LAZY = ("datasets", "keras", "nn", "numpy", "plot", "tree")
_LAZY_FUNCTIONS = ("explain", "profile")  # of .profiling


def show_config() -> dict[str, Any]:
    """Returns the version, the instruction-set level in use and those available, the numbers of threads and processors.

    Example:
        >>> chainrule.show_config()["threads"] >= 1
        True
    """
    return {
        "version": __version__,
        "isa": _core.isa(),
        "available_isas": _core.available_isas(),
        "threads": _core.num_threads(),
        "usable_cpus": _core.usable_cpus(),
    }


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f".{name}", __name__)
    if name in _LAZY_FUNCTIONS:
        return getattr(importlib.import_module(".profiling", __name__), name)
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_LAZY_FUNCTIONS})

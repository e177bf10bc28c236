"""NumPy's namespace on chainrule's tensors: ``import chainrule.numpy as np``.

Same names, values, dtypes, shapes, views and errors as NumPy 2 (and the Array API standard 2024.12); arrays are
:class:`chainrule.Tensor`, so functions written with them can be differentiated (``chainrule.grad``) and recorded
(``chainrule.jit``). What has no kernel of ours runs NumPy on the same memory. docs/numpy.md lists what is which, and
the differences.

Example:
    >>> import chainrule, chainrule.numpy as np
    >>> x = np.linspace(0.0, 1.0, 5)
    >>> chainrule.grad(lambda x: np.sum(np.sin(x) ** 2))(x)
    array([0.        , 0.47942554, 0.84147098, 0.99749499, 0.90929743])
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as _numpy

from . import delegation as _delegation
from . import submodules as _submodules
from .array_type import flatiter, ndarray  # noqa: F401
from .contraction import *  # noqa: F403
from .creation import *  # noqa: F403
from .element_types import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .index import *  # noqa: F403
from .products import *  # noqa: F403
from .reduce import *  # noqa: F403
from .shape import *  # noqa: F403
from .statistics import *  # noqa: F403
from .ufunc import Ufunc as ufunc  # noqa: F401

__version__ = _numpy.__version__
__array_api_version__ = "2024.12"
if hasattr(_numpy, "__array_namespace_info__"):  # since NumPy 2.1
    __array_namespace_info__ = _numpy.__array_namespace_info__

_submodules.install()
_SUBMODULES = frozenset(
    [
        "char",
        "core",
        "ctypeslib",
        "dtypes",
        "emath",
        "exceptions",
        "fft",
        "lib",
        "linalg",
        "ma",
        "polynomial",
        "random",
        "rec",
        "strings",
        "testing",
        "typing",
    ]
)


def __getattr__(name: str) -> Any:
    """Submodules and what NumPy computes, made when first asked for."""
    if name in _SUBMODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        value = _delegation.find(name)
        if value is _delegation.MISSING:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({name for name in globals() if not name.startswith("_")} | _SUBMODULES | _delegation.NAMES)


__all__ = __dir__()

"""NumPy's submodules under this package's name: ``from chainrule.numpy.polynomial import Polynomial``.

They are NumPy's own code, which takes our arrays as any others. The functions of ``polynomial`` ask whether an argument
is a ``numpy.ndarray``, so they get one, unless a gradient or a program follows it. What this package has itself
(``linalg``, ``fft``, ``random``, ``lib``, ``emath``) is found first.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from .fallback import needs_ops, to_numpy

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder

    class _FinderAndLoader(MetaPathFinder, Loader):
        pass

else:  # nothing is inherited that matters, and importlib.abc takes a tenth of the time that NumPy does
    _FinderAndLoader = object

_PREFIX = __package__ + "."
# Of a module itself, not of what it holds.
_OWN = frozenset({"__name__", "__package__", "__path__", "__spec__", "__loader__", "__file__", "__cached__"})


def numpys_name(name: str) -> str:
    """``chainrule.numpy.ma`` -> ``numpy.ma``."""
    return "numpy." + name.removeprefix(_PREFIX)


def _asks_for_arrays(value: Any) -> bool:
    return isinstance(value, FunctionType) and value.__module__.startswith("numpy.polynomial")


def _of_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not needs_ops(*args, *kwargs.values()):
            args, kwargs = to_numpy(args), to_numpy(kwargs)
        return function(*args, **kwargs)

    return wrapper


class NumpySubmodules(_FinderAndLoader):
    """Finds ``chainrule.numpy.X`` where there is a ``numpy.X`` and no file of ours."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(_PREFIX):
            return None
        source = numpys_name(fullname)
        if importlib.util.find_spec(source) is None:
            return None
        return ModuleSpec(
            fullname, self, origin=source, is_package=hasattr(importlib.import_module(source), "__path__")
        )

    def create_module(self, spec: ModuleSpec) -> None:
        """Python makes an ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        source = importlib.import_module(numpys_name(module.__name__))
        for name, value in vars(source).items():
            # Submodules are imported under our name, too.
            if name not in _OWN and not isinstance(value, ModuleType):
                setattr(module, name, _of_arrays(value) if _asks_for_arrays(value) else value)

        def find(name: str) -> Any:
            value = getattr(source, name)
            if isinstance(value, ModuleType) and value.__name__ == f"{source.__name__}.{name}":
                return importlib.import_module(f"{module.__name__}.{name}")
            return value

        setattr(module, "__getattr__", find)  # noqa: B010


def install() -> None:
    """Makes the import statement know them; after all other finders."""
    if not any(isinstance(finder, NumpySubmodules) for finder in sys.meta_path):
        sys.meta_path.append(NumpySubmodules())

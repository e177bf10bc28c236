"""Elementary functions whose results are complex where real ones don't exist: numpy.emath, on the same memory."""

from __future__ import annotations

import numpy

from .fallback import delegated

_NAMES = ["arccos", "arcsin", "arctanh", "log", "log10", "log2", "logn", "power", "sqrt"]

for _name in _NAMES:
    globals()[_name] = delegated(f"emath.{_name}", getattr(numpy.emath, _name))

__all__ = list(_NAMES)

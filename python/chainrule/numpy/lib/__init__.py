"""What is public of ``numpy.lib``: :mod:`chainrule.numpy.lib.stride_tricks`, and NumPy's own modules."""

from __future__ import annotations

from numpy.lib import Arrayterator, NumpyVersion, array_utils, format, introspect, mixins, npyio, scimath

from . import stride_tricks

__all__ = [
    "Arrayterator",
    "NumpyVersion",
    "array_utils",
    "format",
    "introspect",
    "mixins",
    "npyio",
    "scimath",
    "stride_tricks",
]

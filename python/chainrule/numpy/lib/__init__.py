"""The part of ``numpy.lib`` that is public: :mod:`chainrule.numpy.lib.stride_tricks`."""

from . import stride_tricks

__all__ = ["stride_tricks"]

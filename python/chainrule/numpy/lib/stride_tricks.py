"""Views made of strides."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.lib.array_utils import normalize_axis_tuple

from ... import _core
from ..fallback import needs_ops, tensor, to_tensors

ops = _core.ops


def as_strided(x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True) -> Any:
    """A view with any shape and strides (in bytes); nothing is checked. Not while recording."""
    x = tensor(x)
    if needs_ops(x):
        raise NotImplementedError(
            "as_strided has no gradient and can't be recorded by jit; use sliding_window_view or indexing"
        )
    return to_tensors(numpy.lib.stride_tricks.as_strided(x.numpy(), shape, strides, subok, writeable))


def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """All windows of a shape, as new last axes: a view, or elements picked by ops while a gradient is recorded."""
    x = tensor(x)
    if not needs_ops(x):
        view = numpy.lib.stride_tricks.sliding_window_view(x.numpy(), window_shape, axis, writeable=writeable)
        return to_tensors(view)
    lengths = (window_shape,) if isinstance(window_shape, int) else tuple(window_shape)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)
    if len(lengths) != len(axes):
        raise ValueError("Must provide matching length window_shape and axis")
    for length, along in zip(lengths, axes, strict=True):
        if length > x.shape[along]:
            raise ValueError("window shape cannot be larger than input array shape")
        places = numpy.arange(x.shape[along] - length + 1)[:, None] + numpy.arange(length)
        picked = ops.take(x, places, along)
        order = [i for i in range(picked.ndim) if i != along + 1]
        x = ops.transpose(picked, [*order, along + 1])
    return x

"""What a layer's methods take, and the shapes of nested structures of tensors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..symbolic import KerasTensor, flatten, map_structure
from ..variables import Tensor


@functools.cache
def argument_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a method's parameters in order, without self."""
    return tuple(inspect.signature(function).parameters)[1:]


@functools.cache
def parameters_of(function: Callable[..., Any]) -> tuple[frozenset[str], bool]:
    """(names of the parameters, whether there is a ``**kwargs``)."""
    parameters = inspect.signature(function).parameters.values()
    return frozenset(p.name for p in parameters), any(p.kind is p.VAR_KEYWORD for p in parameters)


@functools.cache
def default_training(function: Callable[..., Any]) -> bool | None:
    """The default of a ``call`` method's parameter ``training``, if it is a truth value."""
    default = inspect.signature(function).parameters["training"].default
    return default if isinstance(default, bool) else None


def is_tensors(x: Any) -> bool:
    """Whether ``x`` is a tensor or a structure of nothing but tensors (symbolic ones too)."""
    if isinstance(x, (list, tuple, dict)):
        leaves = [leaf for leaf in flatten(x) if leaf is not None]
        return bool(leaves) and all(isinstance(leaf, (Tensor, KerasTensor)) for leaf in leaves)
    return isinstance(x, (Tensor, KerasTensor))


def shape_of(x: Any) -> Any:
    """The shapes of the leaves of ``x``, in its structure."""
    return map_structure(lambda leaf: tuple(leaf.shape) if hasattr(leaf, "shape") else None, x)


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """The function applied to each shape of a nested structure of shapes."""
    if isinstance(shapes, dict):
        return {key: map_shapes(function, value) for key, value in shapes.items()}
    if isinstance(shapes, (list, tuple)) and any(isinstance(item, (list, tuple, dict)) for item in shapes):
        return type(shapes)(map_shapes(function, item) for item in shapes)
    return function(tuple(shapes))

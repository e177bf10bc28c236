"""How functions of ``keras.ops`` take their arguments: tensors, variables, arrays, lists and symbolic tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chainrule import _core

from ..config import standardize_dtype
from ..symbolic import any_symbolic, apply_function
from ..variables import Variable, convert_to_tensor

core = _core.ops


def symbolic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Lets a function of tensors be applied to symbolic tensors too: there it becomes a node of the graph."""

    @functools.wraps(function)
    def apply(*args: Any, **kwargs: Any) -> Any:
        if any_symbolic([list(args), kwargs]):
            return apply_function(apply, args, kwargs)
        return function(*args, **kwargs)

    return apply


def as_tensor(x: Any) -> Any:
    """What the core takes as it is; lists become tensors, Python scalars stay (weakly typed)."""
    if isinstance(x, Variable):
        return x.value
    return convert_to_tensor(x) if isinstance(x, (list, tuple)) else x


def as_pair(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Both as tensors; an integer tensor that meets a float tensor is cast to the float type."""
    x1, x2 = as_tensor(x1), as_tensor(x2)
    if hasattr(x1, "dtype") and hasattr(x2, "dtype") and x1.dtype != x2.dtype:
        kinds = x1.dtype.kind, x2.dtype.kind
        if kinds[0] == "f" and kinds[1] in "iub":
            x2 = core.cast(x2, x1.dtype)
        elif kinds[1] == "f" and kinds[0] in "iub":
            x1 = core.cast(x1, x2.dtype)
    return x1, x2


def as_real(x: Any) -> Any:
    """As a float tensor."""
    x = convert_to_tensor(x)
    return x if x.dtype.kind == "f" else core.cast(x, standardize_dtype(None))


def _named(name: str, function: Callable[..., Any], source: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = source.__doc__
    return symbolic(function)


def unary(name: str, function: Callable[..., Any]) -> Callable[[Any], Any]:
    """``name(x)``: an op of the core that keeps integers."""
    return _named(name, lambda x: function(as_tensor(x)), function)


def floating(name: str, function: Callable[..., Any]) -> Callable[[Any], Any]:
    """``name(x)``: an op of the core on floats; integers become floatx."""
    return _named(name, lambda x: function(as_real(x)), function)


def binary(name: str, function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """``name(x1, x2)``: an op of the core on two operands."""
    return _named(name, lambda x1, x2: function(*as_pair(x1, x2)), function)


def reduction(name: str, function: Callable[..., Any], floats: bool = False) -> Callable[..., Any]:
    """``name(x, axis=None, keepdims=False)``: a reduction of the core; with ``floats`` integers become floatx."""

    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = as_real(x) if floats else convert_to_tensor(x)
        return function(x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)

    return _named(name, reduce, function)

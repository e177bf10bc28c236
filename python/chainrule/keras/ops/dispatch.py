"""How functions of ``keras.ops`` take their arguments: tensors, variables, arrays, lists and symbolic tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chainrule import _core

from ..config import standardize_dtype
from ..dtypes import result_type
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
    """Both as tensors of one type, by Keras's promotion; Python scalars stay where the core treats them as weak."""
    x1, x2 = as_tensor(x1), as_tensor(x2)
    first, second = getattr(x1, "dtype", None), getattr(x2, "dtype", None)
    if first is not None and first == second:
        return x1, x2
    if first is None and second is None:
        x1, x2 = convert_to_tensor(x1), convert_to_tensor(x2)
        first, second = x1.dtype, x2.dtype
    target = result_type(
        type(x1) if first is None else first.name if hasattr(first, "name") else first,
        type(x2) if second is None else second.name if hasattr(second, "name") else second,
    )
    if first is not None and first != target:
        x1 = core.cast(x1, target)
    if second is not None and second != target:
        x2 = core.cast(x2, target)
    return x1, x2


def as_operands(*xs: Any) -> list[Any]:
    """Tensors in the type that all of them give together."""
    target = result_type(*(x.dtype.name for x in xs))
    return [x if x.dtype == target else core.cast(x, target) for x in xs]


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


def binary(name: str, function: Callable[..., Any], floats: bool = False) -> Callable[[Any, Any], Any]:
    """``name(x1, x2)``: an op of the core on two operands; with ``floats`` integers become floatx."""
    if floats:
        return _named(name, lambda x1, x2: function(*map(as_real, as_pair(x1, x2))), function)
    return _named(name, lambda x1, x2: function(*as_pair(x1, x2)), function)


def bitwise(name: str, function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """``name(x, y)``: a bitwise op of the core on two operands."""
    return _named(name, lambda x, y: function(*as_pair(x, y)), function)


def reduction(name: str, function: Callable[..., Any], floats: bool = False) -> Callable[..., Any]:
    """``name(x, axis=None, keepdims=False)``: a reduction of the core; with ``floats`` integers become floatx."""

    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = as_real(x) if floats else convert_to_tensor(x)
        return function(x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)

    return _named(name, reduce, function)

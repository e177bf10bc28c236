"""What has no kernel of ours: NumPy computes on the same memory, and its results come back as tensors.

One mechanism for all of them. Arrays of a dtype the core doesn't have (complex, strings, objects, dates) are
NumPy's own and stay so: every function takes them and gives back what NumPy gives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy

from .. import _core
from ..dtypes import bfloat16
from . import complex_tensor
from .complex_tensor import ComplexTensor

Tensor = _core.Tensor

SUPPORTED = frozenset(
    numpy.dtype(name)
    for name in [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "longlong",
        "ulonglong",
    ]
)


# The usual ways to name a dtype the core doesn't have: asking is cheaper than an exception.
FOREIGN_TYPES = frozenset(
    [complex, object, str, bytes, "complex64", "complex128", "complex", "object"]
    + [kind for name in ("complex64", "complex128", "object") for kind in (numpy.dtype(name), numpy.dtype(name).type)]
)

MAX_DIMS = 16  # of a tensor; NumPy's arrays of more axes stay NumPy's
DEEPEST = 200  # containers within each other, as in bind/python.h


def computes_itself(value: Any) -> bool:
    """Whether functions of the value are its own affair, which NumPy's functions leave to it: a masked array, a matrix
    and other subclasses of ndarray, columns of pandas and other types with an ``__array_ufunc__``."""
    kind = type(value)
    if kind is Tensor or kind in _NUMBERS or kind is numpy.ndarray or kind is list or kind is tuple:
        return False
    if isinstance(value, (numpy.generic, numpy.memmap, ComplexTensor)) or hasattr(kind, "__chainrule_tensor__"):
        return False
    return getattr(kind, "__array_ufunc__", None) is not None


def tensor(value: Any) -> Tensor:
    """The tensor of an array-like argument; TypeError where the core lacks its dtype, or where it computes itself."""
    if type(value) is Tensor:
        return value
    if computes_itself(value):
        raise TypeError(f"a {type(value).__name__} computes itself")
    return _core.asarray(value)


def is_supported(dtype: Any) -> bool:
    """Whether the core has arrays of this dtype (None: the default one)."""
    return dtype is None or dtype == bfloat16 or numpy.dtype(dtype) in SUPPORTED


def exports(names: Iterable[str]) -> list[str]:
    """Those names of a module that NumPy's namespace has, in NumPy 2.0 or later."""
    later = ("cumulative_prod", "cumulative_sum", "unstack")
    return sorted(name for name in names if not name.startswith("_") and (hasattr(numpy, name) or name in later))


def leaves(value: Any, level: int = 0) -> Iterator[Any]:
    """The objects in nested lists, tuples and dicts."""
    if isinstance(value, (list, tuple, dict)):
        if level == DEEPEST:
            raise ValueError(f"containers are nested more than {DEEPEST} levels deep; does one hold itself?")
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item, level + 1)
    else:
        yield value


_NUMBERS = frozenset({int, float, bool, type(None)})


def is_foreign(value: Any) -> bool:
    """Whether the value is data of a dtype the core doesn't have."""
    if computes_itself(value):
        return True
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return value.dtype not in SUPPORTED
    return isinstance(value, (complex, str, bytes, ComplexTensor)) and not isinstance(value, numpy.generic)


def takes_foreign(*values: Any) -> bool:
    """Whether any array or number among the values is of a dtype the core doesn't have."""
    for value in values:
        kind = type(value)
        if kind is Tensor or kind in _NUMBERS:
            continue
        if kind is numpy.ndarray:
            if value.dtype not in SUPPORTED:
                return True
        elif any(is_foreign(leaf) for leaf in leaves(value) if not isinstance(leaf, (str, bytes))):
            return True
    return False


needs_ops = _core.needs_ops


_PLAIN = frozenset({int, float, bool, str, complex, type(None), type(...), numpy.ndarray})


def to_numpy(value: Any) -> Any:
    """The value with every tensor in it as an ndarray on the same memory."""
    kind = type(value)
    if kind is Tensor:
        return value.numpy()
    if kind in _PLAIN:
        return value
    if kind is list or kind is tuple:
        return kind([to_numpy(item) for item in value])
    if kind is dict:
        return {key: to_numpy(item) for key, item in value.items()}
    if isinstance(value, Tensor):
        return value.numpy()
    array = getattr(value, "__chainrule_tensor__", None)
    return value if array is None else array().numpy()


def to_tensors(value: Any) -> Any:
    """The value with every array and NumPy scalar of a dtype of ours as a tensor."""
    kind = type(value)
    if kind is numpy.ndarray:
        return _core.from_numpy(value) if value.dtype in SUPPORTED and value.ndim <= MAX_DIMS else value
    if isinstance(value, numpy.generic):
        return _core.asarray(value) if value.dtype in SUPPORTED else value
    if kind is list or kind is tuple:
        return kind([to_tensors(item) for item in value])
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return kind(*[to_tensors(item) for item in value])
    return value


def check_not_traced(name: str, values: Any) -> None:
    """TraceError if a value is known only when a program runs."""
    if any(isinstance(leaf, Tensor) and leaf.is_traced for leaf in leaves(values)):
        raise _core.TraceError(
            f"chainrule.numpy.{name} is computed by NumPy and can't be recorded by jit; call it outside of the jitted "
            "function, or on arrays that aren't its arguments"
        )


def _takes_part(values: Any) -> bool:
    """Whether a value takes part in a gradient that is being recorded."""
    if not _core.recording():
        return False
    return any(
        _core.has_node(leaf) if isinstance(leaf, Tensor) else type(leaf) is ComplexTensor for leaf in leaves(values)
    )


def _check_outputs(name: str, result: Any) -> None:
    """Whole numbers and truth values have no derivative, so nothing is lost; floats would be constants unnoticed."""
    for leaf in leaves(result):
        if isinstance(leaf, (float, complex)) or getattr(getattr(leaf, "dtype", None), "kind", "b") in "fc":
            raise NotImplementedError(
                f"chainrule.numpy.{name} is computed by NumPy and has no gradient here; pass "
                "chainrule.stop_gradient(x) to use its result as a constant"
            )


def with_made_arrays(value: Any) -> Any:
    """The value with the arrays that objects' ``__array__`` makes: ours, which NumPy takes from no such method."""
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)([with_made_arrays(item) for item in value])
    if isinstance(value, dict):
        return {key: with_made_arrays(item) for key, item in value.items()}
    if isinstance(value, (Tensor, numpy.ndarray, numpy.generic, type)) or not hasattr(value, "__array__"):
        return value
    return to_numpy(value.__array__())


def call_numpy(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``function(*args, **kwargs)`` of NumPy, on the tensors' memory, its results as tensors."""
    watched = _takes_part((args, kwargs))
    if watched and complex_tensor.follows(name, args):
        return complex_tensor.call(name, args, kwargs)
    try:
        result = _core.call_numpy(function, args, kwargs)
    except ValueError as error:
        if "__array__ method not producing an array" not in str(error):
            raise
        result = _core.call_numpy(function, with_made_arrays(args), with_made_arrays(kwargs))
    except _core.TraceError:
        if complex_tensor.follows(name, args):
            return complex_tensor.call(name, args, kwargs)
        check_not_traced(name, (args, kwargs))
        raise
    if watched:
        _check_outputs(name, result)
    out = kwargs.get("out") if kwargs else None
    if out is None or (isinstance(out, tuple) and all(item is None for item in out)):
        return result
    # NumPy wrote into the caller's memory: the caller's own object is the result.
    return out[0] if isinstance(out, tuple) and len(out) == 1 else out


# ---- the functions of the namespace


def _decide(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], refused: bool) -> Any:
    """Computes a call that is neither ours nor NumPy's alone (cpp/bind/face_function.h).

    A gradient or a program follows its values, or ours has refused them with an error, which NotImplemented lets pass.
    """
    name, ours, theirs = function.path, function.ours, function.theirs
    if refused:
        if not needs_ops(args, tuple(kwargs.values())):
            return call_numpy(name, theirs, args, kwargs)
        return complex_tensor.call(name, args, kwargs) if complex_tensor.follows(name, args) else NotImplemented
    foreign = bool(args) and _leaves_to_numpy(args[0])
    if ours is None or foreign or function.ours_first or not needs_ops(args, tuple(kwargs.values())):
        return call_numpy(name, theirs, args, kwargs)
    try:
        return ours(*args, **kwargs)
    except (TypeError, AttributeError):
        if complex_tensor.follows(name, args):
            return complex_tensor.call(name, args, kwargs)
        raise


_core.set_decide(_decide)


def _leaves_to_numpy(first: Any) -> bool:
    """Whether a first argument leaves the call to NumPy: data of a dtype the core lacks, or what computes itself."""
    if type(first) is Tensor:
        return False
    return (
        type(first) is ComplexTensor
        or computes_itself(first)
        or (type(first) is numpy.ndarray and first.dtype not in SUPPORTED)
    )


def delegated(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's ``function`` as one of this namespace."""
    return _dressed(_core.Function(name, None, function, False), function, "delegated")


def native(function: Callable[..., Any] | None = None, *, of: Any = numpy) -> Any:
    """Marks a function written with ops; what it doesn't take (a dtype the core lacks, say) goes to NumPy's own, which
    computes or raises.

    Functions whose small calls count have a direct way to their op in a function of their own, and the rest in one of
    the same name with a leading underscore, which is marked.
    """
    return functools.partial(native, of=of) if function is None else _written(function, of, True)


def shortened(function: Callable[..., Any]) -> Any:
    """Marks a function that takes everything itself, and whose plainest calls the core answers
    (cpp/bind/shortcuts.cpp)."""
    name = function.__name__.lstrip("_")
    return _dressed(_core.Function(name, function, None, True), function, "native")


def recordable(function: Callable[..., Any] | None = None, *, of: Any = numpy) -> Any:
    """Marks a function that NumPy computes, and ops (``function``) where a gradient or a program follows a value."""
    return functools.partial(recordable, of=of) if function is None else _written(function, of, False)


def _written(ours: Callable[..., Any], of: Any, ours_first: bool) -> Any:
    theirs = getattr(of, ours.__name__.lstrip("_"), ours)  # ours: this NumPy is older than the function
    prefix = of.__name__.removeprefix("numpy").lstrip(".")
    name = f"{prefix}.{theirs.__name__}" if prefix else theirs.__name__
    return _dressed(_core.Function(name, ours, theirs, ours_first), ours, "native")


def _dressed(wrapper: Any, function: Any, kernel: str) -> Any:
    """The wrapper with the signature and text of the function that computes, and a note of who that is."""
    wrapper.__name__ = wrapper.__qualname__ = wrapper.path.rpartition(".")[2]
    wrapper.__module__ = ".".join(["chainrule.numpy", *wrapper.path.split(".")[:-1]])
    wrapper.__doc__ = function.__doc__
    wrapper.__wrapped__ = function
    wrapper.kernel = kernel
    return wrapper

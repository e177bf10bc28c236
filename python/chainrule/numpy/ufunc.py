"""NumPy's universal functions: what their calls can ask for beside the operands, and their methods.

An elementwise op of the core called with its operands alone goes straight to its kernel. Everything else that a ufunc
call may hold (``out``, ``where``, ``dtype``, ``casting``, operands of a dtype the core doesn't have) and the methods
``reduce``, ``accumulate``, ``outer``, ``at``, ``reduceat`` come here; ``_core.set_ufunc_protocol`` connects the two.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy

from .. import _core
from ..dtypes import bfloat16
from .fallback import SUPPORTED, Tensor, call_numpy, needs_ops, takes_foreign, tensor

ops = _core.ops
_OPTIONS = frozenset({"out", "where", "casting", "order", "dtype", "subok", "signature", "sig"})
_CASTS_DEFAULT = "same_kind"
# What is called instead of NumPy's ufunc of that name on data of a dtype the core lacks.
COMPLEX: dict[str, Callable[..., Any]] = {}


def _stand_in(x: Any) -> Any:
    """An operand for NumPy to judge: no elements, the same dtype; a Python number is weak and stays what it is."""
    if type(x) in (int, float):
        return x
    dtype = tensor(x).dtype
    return numpy.empty(0, numpy.float32 if dtype == bfloat16 else dtype)


def _loop_types(ufunc: numpy.ufunc, operands: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...] | None:
    """The dtypes of operands and results that the options ask for; None where they ask for nothing.

    Raises what NumPy raises for the options.
    """
    options = {name: value for name, value in options.items() if name not in ("out", "where")}
    if not options:
        return None
    stand_ins = [_stand_in(x) for x in operands]
    ufunc(*stand_ins, **options)
    dtype = options.get("dtype")
    signature = options.get("signature", options.get("sig"))
    if dtype is None and signature is None:
        return None
    if dtype is not None:
        signature = (None,) * ufunc.nin + (numpy.dtype(dtype),) * ufunc.nout
    # The casts have been judged above; resolve_dtypes crashes on strict ones of Python's numbers (NumPy 2.4).
    types = tuple(type(x) if type(x) in (int, float) else x.dtype for x in stand_ins) + (None,) * ufunc.nout
    return ufunc.resolve_dtypes(types, signature=signature, casting="unsafe")


def _outputs(nout: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...] | None:
    """The arrays to write into, None for each that was not given; None where NumPy has an objection."""
    given = kwargs.get("out")
    if args and given is not None:
        return None
    if args or "out" not in kwargs:
        given = args + (None,) * (nout - len(args))
    elif nout == 1 and not isinstance(given, tuple):
        given = (given,)
    right = isinstance(given, tuple) and len(given) == nout and all(_takes_results(out) for out in given)
    return given if right else None


def _takes_results(out: Any) -> bool:
    return out is None or type(out) is Tensor or (isinstance(out, numpy.ndarray) and not takes_foreign(out))


def _mask(where: Any) -> Any:
    """True, or the tensor of truth values; None where NumPy has an objection."""
    if where is True:
        return where
    try:
        mask = tensor(where)
    except TypeError:
        return None
    return mask if mask.dtype == bool else None


def write_out(name: str, result: Any, out: Any, where: Any = True, casting: Any = _CASTS_DEFAULT) -> Any:
    """Writes a result into the array the caller passed as ``out``; returns that."""
    if not isinstance(out, (Tensor, numpy.ndarray)):
        raise TypeError(f"return arrays must be of ArrayType, got {type(out).__name__}")
    if not isinstance(result, Tensor):  # NumPy's, of a number that no dtype of ours holds
        result = numpy.asarray(result, object if type(result) is int else None)
        result = tensor(result) if result.dtype in SUPPORTED else result
    if not numpy.can_cast(result.dtype, out.dtype, casting):
        raise TypeError(
            f"Cannot cast ufunc '{name}' output from {result.dtype!r} to {out.dtype!r} with casting rule '{casting}'"
        )
    if result.shape != out.shape:
        try:
            fits = numpy.broadcast_shapes(result.shape, out.shape) == out.shape
        except ValueError:
            fits = False
        if not fits:
            shapes = [str(shape).replace(" ", "") for shape in (out.shape, result.shape)]
            raise ValueError(
                f"non-broadcastable output operand with shape {shapes[0]} doesn't match the broadcast shape {shapes[1]}"
            )
    if where is not True:
        result = ops.where(where, ops.cast(result, out.dtype), out)
    if isinstance(out, numpy.ndarray):
        if not result.is_traced and needs_ops(result):
            raise NotImplementedError(
                f"chainrule.numpy.{name}: out= is a numpy.ndarray, in which the gradient would be lost; pass a tensor"
            )
        numpy.copyto(out, result.numpy(), casting=casting)
    else:
        out[...] = result
    return out


def _has_type(x: Any, dtype: Any) -> bool:
    return type(x) is Tensor and x.dtype == dtype


def apply_ufunc(ufunc: numpy.ufunc, compute: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: Any) -> Any:
    """A call of a ufunc with all its options. ``compute`` makes the result from the operands with ops.

    What isn't ours to compute, or is wrong, is NumPy's, which has the word on errors.
    """
    name, nin, nout = ufunc.__name__, ufunc.nin, ufunc.nout
    if len(kwargs) == 1 and len(args) == nin and compute is not None:
        out = kwargs.get("out")
        if type(out) is Tensor and not needs_ops(out, args) and all(_has_type(x, out.dtype) for x in args):
            result = compute(*args)
            if type(result) is Tensor and result.dtype == out.dtype and result.shape == out.shape:
                out[...] = result
                return out
    numpys = functools.partial(call_numpy, name, COMPLEX.get(name, ufunc), args, kwargs)
    plain = len(args) == nin and not kwargs  # such a call comes here when its operands aren't for ops
    if compute is None or plain or not nin <= len(args) <= nin + nout or not _OPTIONS.issuperset(kwargs):
        return numpys()
    try:
        operands = tuple(x if type(x) in (int, float) else tensor(x) for x in args[:nin])
    except TypeError:
        return numpys()
    outs, where = _outputs(nout, args[nin:], kwargs), _mask(kwargs.get("where", True))
    if outs is None or where is None or takes_foreign(kwargs):
        return numpys()
    casting = kwargs.get("casting", _CASTS_DEFAULT)
    types = _loop_types(ufunc, operands, kwargs)
    if types is not None:
        if not SUPPORTED.issuperset(types):
            return numpys()
        operands = tuple(ops.cast(tensor(x), dtype) for x, dtype in zip(operands, types, strict=False))
    results = compute(*operands)
    results = results if isinstance(results, tuple) else (results,)
    if types is not None:
        results = tuple(ops.cast(y, dtype) for y, dtype in zip(results, types[nin:], strict=True))
    final = []
    for result, out in zip(results, outs, strict=True):
        if out is not None:
            final.append(write_out(name, result, out, where, casting))
            continue
        if where is not True:
            result = ops.where(where, result, _core.zeros((), result.dtype))
        order = kwargs.get("order")
        final.append(result.copy(order) if order in ("C", "F") and not needs_ops(result) else result)
    return final[0] if nout == 1 else tuple(final)


# ---- methods


@functools.cache
def _reductions() -> dict[str, Any]:
    """Our reductions, by the names of ufuncs."""
    from . import reduce

    return {
        "add": reduce.sum,
        "multiply": reduce.prod,
        "maximum": reduce.max,
        "minimum": reduce.min,
        "logical_and": reduce.all,
        "logical_or": reduce.any,
    }


def _reduce(
    ufunc: numpy.ufunc,
    compute: Any,
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    function = _reductions().get(ufunc.__name__)
    if function is not None and type(array) is Tensor and dtype is out is initial is None and where is True:
        return function(array, axis=axis, keepdims=keepdims)
    options: dict[str, Any] = {"axis": axis, "out": out, "keepdims": keepdims}
    if function is None or takes_foreign(array) or (type(array) in (list, tuple) and not needs_ops(array)):
        options.update({"dtype": dtype} if dtype is not None else {})
        options.update({"initial": initial} if initial is not None else {})
        options.update({"where": where} if where is not True else {})
        return call_numpy(f"{ufunc.__name__}.reduce", ufunc.reduce, (array,), options)
    if dtype is not None:
        if ufunc.__name__ in ("add", "multiply"):
            options["dtype"] = dtype
        else:
            array = ops.cast(tensor(array), dtype)
    if initial is not None:
        options["initial"] = initial
    return function(array, where=where, **options)


def _accumulate(ufunc: numpy.ufunc, compute: Any, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    from . import reduce

    function = reduce.cumsum if ufunc.__name__ == "add" else reduce.cumprod
    if takes_foreign(array):
        return call_numpy(f"{ufunc.__name__}.accumulate", ufunc.accumulate, (array, axis, dtype, out), {})
    return function(array, axis, dtype, out)


def _outer(ufunc: numpy.ufunc, compute: Any, a: Any, b: Any, /, **kwargs: Any) -> Any:
    if takes_foreign(a, b):
        return call_numpy(f"{ufunc.__name__}.outer", ufunc.outer, (a, b), kwargs)
    b = tensor(b)
    a = tensor(a)
    a = ops.reshape(a, a.shape + (1,) * b.ndim)
    return compute(a, b) if compute is not None and not kwargs else apply_ufunc(ufunc, compute, (a, b), kwargs)


def _at(ufunc: numpy.ufunc, compute: Any, a: Any, indices: Any, b: Any = None, /) -> None:
    if needs_ops(a, b):
        raise NotImplementedError(
            f"{ufunc.__name__}.at changes its array in place, which neither a gradient nor jit can follow; use "
            "chainrule._core.ops.index_add, which makes a new tensor"
        )
    args = (a, indices) if b is None else (a, indices, b)
    call_numpy(f"{ufunc.__name__}.at", ufunc.at, args, {})


_METHODS: dict[str, Any] = {
    "reduce": _reduce,
    "accumulate": _accumulate,
    "outer": _outer,
    "at": _at,
    "reduceat": None,  # NumPy's
}
_ATTRIBUTES = frozenset({"nin", "nout", "nargs", "ntypes", "types", "identity", "signature", "resolve_dtypes"})


@functools.cache
def _bound_method(ufunc: numpy.ufunc, compute: Any, name: str) -> Any:
    if name == "reduceat" or (name == "accumulate" and ufunc.__name__ not in ("add", "multiply")):
        return _core.Function(f"{ufunc.__name__}.{name}", None, getattr(ufunc, name), False)
    return functools.partial(_METHODS[name], ufunc, compute)


def ufunc_attribute(ufunc: numpy.ufunc, compute: Any, name: str) -> Any:
    """A method or a fact of a ufunc; AttributeError where NumPy's has none of that name."""
    if name in _METHODS:
        return _bound_method(ufunc, compute, name)
    if name in _ATTRIBUTES:
        return getattr(ufunc, name)
    raise AttributeError(f"'ufunc' object has no attribute '{name}'")


# ---- ufuncs that are no op of the core


class Ufunc:
    """A ufunc made of ops, or NumPy's own where there are none (``compute`` is None)."""

    def __init__(self, numpy_ufunc: numpy.ufunc, compute: Callable[..., Any] | None = None) -> None:
        self.numpy_ufunc = numpy_ufunc
        self.compute = compute
        self._plain = _core.Function(
            numpy_ufunc.__name__, compute, COMPLEX.get(numpy_ufunc.__name__, numpy_ufunc), compute is not None
        )
        self.__name__ = numpy_ufunc.__name__
        self.__doc__ = compute.__doc__ if compute is not None and compute.__doc__ else numpy_ufunc.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.compute is None:
            return self._plain(*args, **kwargs)
        if not kwargs and len(args) == self.numpy_ufunc.nin:
            try:
                return self._plain(*args)
            except OverflowError:  # of a number that no dtype of ours holds
                pass
        return apply_ufunc(self.numpy_ufunc, self.compute, args, kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.numpy_ufunc)

    def __getattr__(self, name: str) -> Any:
        return ufunc_attribute(self.numpy_ufunc, self.compute, name)

    def __repr__(self) -> str:
        return f"<ufunc '{self.__name__}'>"

    def __reduce__(self) -> str:
        return self.__name__

    @property
    def kernel(self) -> str:
        """Who computes: "native" or "delegated"."""
        return "delegated" if self.compute is None else "native"


# Those that warn of floating-point errors: calls from other modules of ours are silent (cpp/bind/float_errors.h).


def divide_with_remainder(x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    """numpy.divmod."""
    quotient, rest = ops.floor_divide(x1, x2), ops.remainder(x1, x2)
    if type(quotient) is not Tensor:
        raise TypeError("divmod of operands that are no tensors")
    return quotient, rest


def reciprocal_of(x: Any) -> Any:
    """numpy.reciprocal, of whole numbers NumPy's own."""
    x = tensor(x)
    return ops.reciprocal(x) if x.dtype.kind == "f" else call_numpy("reciprocal", numpy.reciprocal, (x,), {})


# ---- the core's elementwise ops as ufuncs


def _numpy_ufunc(op: Any) -> numpy.ufunc | None:
    found = getattr(numpy, op.__name__, None)
    return found if isinstance(found, numpy.ufunc) else None


def _call(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of an elementwise op that is more than its operands."""
    ufunc = _numpy_ufunc(op)
    if ufunc is not None:
        return apply_ufunc(ufunc, op, args, kwargs)
    if op.__name__ == "where":
        from .index import where_options

        return where_options(args, kwargs)
    raise TypeError(f"[{op.__name__}] wrong arguments; the signature is {op.__doc__.splitlines()[0]}")


def _attribute(op: Any, name: str) -> Any:
    ufunc = _numpy_ufunc(op)
    if ufunc is None:
        raise AttributeError(f"'{type(op).__name__}' object has no attribute '{name}'")
    return ufunc_attribute(ufunc, op, name)


_core.set_ufunc_protocol(_call, _attribute, COMPLEX)

"""Variables: named tensors that layers, optimizers and metrics update in place.

Invariant: ``variable.value`` is one Tensor object for the variable's whole life. Recorded programs and gradients refer
to its memory, so assigning copies into it and never replaces it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

import chainrule
from chainrule import _core
from chainrule.transforms import watch_variable

from .config import floatx, is_float_dtype, standardize_dtype
from .dtypes import result_type
from .naming import current_scopes, unique_name

_op = _core.ops
Tensor = chainrule.Tensor


class _Autocast(threading.local):
    dtype: str | None = None  # in which the layer that is being called sees its float variables; None: their own

    def __init__(self) -> None:
        self.seen: dict[int, Any] = {}  # by variable, so that a call converts each once


_autocast = _Autocast()


def autocast_dtype() -> str | None:
    """The type in which float variables are seen here; None: each in its own."""
    return _autocast.dtype


@contextmanager
def autocast(dtype: str | None) -> Iterator[None]:
    """Within the block the values of float variables come in that type (None: in their own)."""
    before, kept = _autocast.dtype, _autocast.seen
    _autocast.dtype, _autocast.seen = dtype, {}
    try:
        yield
    finally:
        _autocast.dtype, _autocast.seen = before, kept


class _Open(threading.local):
    scope: Any = None  # the innermost open StatelessScope


_open = _Open()


def open_scope(scope: Any) -> Any:
    """From now on variables of this thread hold the scope's values (None: their own); returns the scope before."""
    outer, _open.scope = _open.scope, scope
    return outer


def current_scope() -> Any:
    """The innermost open :class:`StatelessScope`, or None."""
    return _open.scope


class Variable:
    """A tensor that training changes.

    Args:
        initializer: the values (array-like or scalar), or a function ``(shape, dtype) -> values`` or its name; a
        function
            needs ``shape``.
        shape: the shape, if ``initializer`` is a function.
        dtype: the type; by default that of the values if they are an array, else ``keras.config.floatx()``.
        trainable: whether training may change it.
        name: its name; by default ``variable``, ``variable_1``, ...

    Example::

        w = keras.Variable([[1.0, 2.0]], name="w")
        w.assign_add([[0.5, 0.5]])
        w.numpy()          # [[1.5, 2.5]]
    """

    __array_ufunc__ = None  # ndarray + Variable and Tensor + Variable ask Variable

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        layout: Any = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise TypeError(f"Variable: unexpected arguments {sorted(kwargs)}.")
        self.name = name or unique_name("variable")
        self.path = "/".join((*current_scopes(), self.name))
        self.trainable = bool(trainable)
        self.trained = self.trainable  # what it was made as: freezing a layer and thawing it restores that
        self.autocast = autocast
        self.aggregation = aggregation
        self.regularizer: Any = None
        self.constraint: Any = None
        self.overwrite_with_gradient = False  # whether an optimizer takes its gradient for its new value
        self.synchronization = synchronization
        if isinstance(initializer, str):
            from . import initializers

            initializer = initializers.get(initializer)
        if callable(initializer) and not hasattr(initializer, "__array__"):
            if shape is None:
                raise ValueError(f"Variable {self.name!r}: an initializer function needs shape=.")
            name_of_type = standardize_dtype(dtype)
            half = name_of_type in ("float16", "bfloat16")
            values = initializer(tuple(int(n) for n in shape), dtype="float32" if half else name_of_type)
            self._value = _own(convert_to_tensor(values, name_of_type), values)
        else:
            values = convert_to_tensor(initializer, dtype)
            self._value = _own(values, initializer)
            if shape is not None and tuple(shape) != self._value.shape:
                raise ValueError(
                    f"Variable {self.name!r}: values of shape {self._value.shape}, but shape={tuple(shape)}."
                )

    @property
    def value(self) -> Any:
        """The tensor itself (always the same object); in a layer that computes in another type, a copy in that type."""
        value, dtype = self.stored, _autocast.dtype
        if dtype is None or not self.autocast or value.dtype == dtype or value.dtype.kind != "f":
            return value
        seen = _autocast.seen.get(id(self))
        if seen is None:
            seen = _autocast.seen[id(self)] = _op.cast(value, dtype)
        return seen

    @property
    def stored(self) -> Any:
        """The tensor itself, in the variable's own type wherever it is read."""
        if _open.scope is not None:
            _open.scope.hold(self)
        if self.trainable:
            watch_variable(self._value)
        return self._value

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self._value.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._value.ndim

    @property
    def dtype(self) -> str:
        """The name of the type: that of :attr:`value`."""
        dtype = self._value.dtype
        return _autocast.dtype if _autocast.dtype and self.autocast and dtype.kind == "f" else dtype.name

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._value.size

    def numpy(self) -> np.ndarray:
        """The values as an ndarray of its own (float32 for bfloat16, which NumPy lacks)."""
        return to_array(self.stored).copy()

    def assign(self, value: Any) -> Variable:
        """Writes new values (cast to the variable's type). Raises ValueError if the shape differs."""
        value = self._convert(value)
        if tuple(value.shape) != self.shape:
            raise ValueError(
                f"Variable {self.path!r} has shape {self.shape}; it can't be assigned values of shape "
                f"{tuple(value.shape)}."
            )
        with chainrule.no_grad():
            _op.assign(self._value, value)
        self._changed()
        return self

    def assign_add(self, value: Any) -> Variable:
        """Adds to the values in place (the shapes may broadcast)."""
        with chainrule.no_grad():
            _op.assign_add(self._value, self._convert(value))
        self._changed()
        return self

    def assign_sub(self, value: Any) -> Variable:
        """Subtracts from the values in place (the shapes may broadcast)."""
        with chainrule.no_grad():
            _op.assign_add(self._value, _op.negative(self._convert(value)))
        self._changed()
        return self

    def _convert(self, value: Any) -> Any:
        if _open.scope is not None:
            _open.scope.hold(self)
        return convert_to_tensor(value, self._value.dtype.name)

    def _changed(self) -> None:
        if _autocast.dtype is not None:
            _autocast.seen.pop(id(self), None)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = to_array(self.stored)
        if dtype is not None and values.dtype != dtype:
            return values.astype(dtype)
        return values.copy() if copy else values

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __getattr__(self, name: str) -> Any:
        # Tensor's methods (sum, reshape, T, ...) work on variables.
        if name.startswith("_"):
            raise AttributeError(f"'Variable' object has no attribute {name!r}")
        return getattr(self.value, name)

    def __len__(self) -> int:
        return len(self._value)

    def __float__(self) -> float:
        return float(self._value)

    def __int__(self) -> int:
        return int(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        dtype = self._value.dtype.name
        copied = Variable(self.numpy(), None, dtype, self.trainable, autocast=self.autocast, name=self.name)
        copied.path, copied.regularizer, copied.constraint = self.path, self.regularizer, self.constraint
        memo[id(self)] = copied
        return copied

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, value={self._value!r}>"


def _binary(name: str, reflected: bool) -> Callable[[Variable, Any], Any]:
    function = getattr(_op, name)

    def apply(self: Variable, other: Any) -> Any:
        other = unwrap(other)
        return function(other, self.value) if reflected else function(self.value, other)

    return apply


for _method, _name in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "power",
    "matmul": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}.items():
    setattr(Variable, f"__{_method}__", _binary(_name, False))
    setattr(Variable, f"__r{_method}__", _binary(_name, True))
for _method, _name in {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}.items():
    setattr(Variable, f"__{_method}__", _binary(_name, False))
setattr(Variable, "__neg__", lambda self: _op.negative(self.value))  # noqa: B010
setattr(Variable, "__pos__", lambda self: self.value)  # noqa: B010
setattr(Variable, "__invert__", lambda self: _op.logical_not(self.value))  # noqa: B010
setattr(Variable, "__abs__", lambda self: _op.absolute(self.value))  # noqa: B010


def _own(value: Any, source: Any) -> Any:
    """Contiguous memory of its own: what shares the caller's array is copied (by NumPy, so also in a recording)."""
    if value.dtype == "bfloat16":
        return chainrule.asarray(np.array(value.view("uint16").numpy(), order="C")).view("bfloat16")
    values = value.numpy()
    if value is source or isinstance(source, (np.ndarray, Tensor, Variable)) or not values.flags.c_contiguous:
        return chainrule.asarray(np.array(values, order="C"))
    return value


@contextmanager
def values_in(variables: Sequence[Variable], values: Sequence[Any]) -> Iterator[list[Any]]:
    """Within the block the variables hold (copies of) the given values; yields these tensors, which assignments change.

    Raises ValueError for another number of values, or a shape that differs.
    """
    tensors = []
    for variable, value in zip(variables, values, strict=True):
        tensor = _op.copy(convert_to_tensor(value, variable.dtype))
        if tensor.shape != variable.shape:
            raise ValueError(f"{variable.path} has shape {variable.shape}, the value given {tensor.shape}.")
        tensors.append(tensor)
    kept = [variable._value for variable in variables]
    try:
        for variable, tensor in zip(variables, tensors, strict=True):
            variable._value = tensor
        yield tensors
    finally:
        for variable, tensor in zip(variables, kept, strict=True):
            variable._value = tensor


def to_array(x: Any) -> np.ndarray:
    """A tensor as an ndarray; bfloat16, which NumPy lacks, as float32."""
    return (_op.cast(x, "float32") if x.dtype == "bfloat16" else x).numpy()


def unwrap(x: Any) -> Any:
    """A variable's tensor; anything else as it is."""
    return x.value if isinstance(x, Variable) else x


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """A tensor of ``x``: ndarrays share memory; Python floats become floatx, Python integers int32.

    Raises:
        ValueError: strings, objects and ragged lists, with what to do about them.
    """
    if sparse or ragged:
        raise ValueError("convert_to_tensor: sparse and ragged tensors are not supported; use dense ones.")
    if isinstance(x, Variable):
        x = x.value
    if not isinstance(x, Tensor):
        if isinstance(x, (list, tuple)) and _holds_tensors(x):
            return _stacked(x, dtype)
        try:
            values = np.asarray(x)
        except ValueError:
            raise ValueError(
                "Can't make a tensor of lists of different lengths; pad them to one length first."
            ) from None
        check_numeric(values, "The value")
        if not hasattr(x, "__array__") and dtype is None:
            if values.dtype == np.float64:
                dtype = floatx()
            elif values.dtype == np.int64:
                dtype = "int32"
        dtype = None if dtype is None else standardize_dtype(dtype)
        if dtype == "bfloat16":
            return _op.cast(chainrule.asarray(values), dtype)
        return chainrule.asarray(values if dtype is None else values.astype(dtype, copy=False))
    if dtype is not None and x.dtype != (dtype := standardize_dtype(dtype)):
        return _op.cast(x, dtype)
    return x


def _holds_tensors(x: Any) -> bool:
    return any(isinstance(v, (Tensor, Variable)) or isinstance(v, (list, tuple)) and _holds_tensors(v) for v in x)


def _stacked(items: Any, dtype: Any) -> Any:
    """A tensor of a list with tensors in it, joined so that gradients and recorded programs go through it."""
    parts = [convert_to_tensor(item) for item in items]
    if len(shapes := {tuple(part.shape) for part in parts}) > 1:
        raise ValueError(f"Can't make a tensor of a list of tensors of different shapes: {sorted(shapes)}.")
    kinds = [type(item) if type(item) in (int, float) else part.dtype for item, part in zip(items, parts, strict=True)]
    dtype = result_type(*kinds) if dtype is None else standardize_dtype(dtype)
    return _op.stack([part if part.dtype == dtype else _op.cast(part, dtype) for part in parts], axis=0)


def check_numeric(values: np.ndarray, what: str) -> None:
    """ValueError if the dtype is not a number or truth value, with the remedy."""
    if values.dtype.kind in "biuf" or values.dtype.name == "bfloat16":
        return
    if values.dtype.kind == "O":
        raise ValueError(
            f"{what} has dtype object: it holds Python objects (often rows of different lengths, None or mixed types). "
            f"Make it a rectangular array of numbers, for instance x = np.asarray(x, dtype='float32')."
        )
    if values.dtype.kind in "US":
        raise ValueError(
            f"{what} holds text (dtype {values.dtype}). Models compute with numbers: convert numerals with "
            f"x.astype('float32'), or number the distinct words with np.unique(x, return_inverse=True)[1]."
        )
    raise ValueError(f"{what} has dtype {values.dtype}, which models can't compute with; cast it to 'float32'.")


def is_float(x: Any) -> bool:
    """Whether a tensor or variable has a floating-point type."""
    return is_float_dtype(x.dtype)


def as_float(x: Any, dtype: str) -> Any:
    """A tensor in the float type ``dtype`` (no copy if it is already)."""
    return x if x.dtype == dtype else _op.cast(x, dtype)

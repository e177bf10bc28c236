"""``chainrule.numpy.ndarray`` and ``flatiter``: the types that programs name.

Arrays are :class:`chainrule.Tensor`. Those of a dtype that the core lacks (complex, strings, objects, dates)
are ``numpy.ndarray``. A program written for NumPy knows one type for both, calls it with a shape, and derives its own
from it: such a subclass is one of ``numpy.ndarray``, and NumPy computes with its instances.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy

from .. import _core
from .fallback import Tensor, call_numpy, needs_ops, to_numpy, to_tensors

ops = _core.ops


class _OwnArray(numpy.ndarray):
    """The base of what a program derives from ``ndarray``."""

    def view(self, *args: Any, **kwargs: Any) -> Any:
        """numpy.ndarray.view, which knows no other name of ndarray."""
        args, kwargs = tuple(_numpys_type(value) for value in args), {k: _numpys_type(v) for k, v in kwargs.items()}
        return super().view(*args, **kwargs)


class _OwnUfuncArray(_OwnArray):
    """The same where the program's type has a say in ufuncs and leaves the rest to ``super()``."""

    def __array_ufunc__(self, ufunc: Any, method: Any, *inputs: Any, **kwargs: Any) -> Any:
        return super().__array_ufunc__(ufunc, method, *to_numpy(inputs), **to_numpy(kwargs))


def _numpys_type(value: Any) -> Any:
    return numpy.ndarray if value is ndarray or value is Tensor else value


@functools.cache
def _unbound_method(name: str, ours: Callable[..., Any]) -> Callable[..., Any]:
    """``ndarray.sum`` and its like, called with an array of either kind."""
    theirs = getattr(numpy.ndarray, name)

    @functools.wraps(theirs)
    def method(*args: Any, **kwargs: Any) -> Any:
        return (theirs if args and isinstance(args[0], numpy.ndarray) else ours)(*args, **kwargs)

    return method


_METHODS = (type(Tensor.sum), type(Tensor.__add__))


class _ArrayType(type):
    """Both kinds of arrays are instances of ``ndarray``; both classes count as its equals and subclasses."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        if any(base is Tensor for base in bases):  # ndarray itself
            return super().__new__(mcls, name, bases, namespace, **options)
        own = _OwnUfuncArray if "__array_ufunc__" in namespace else _OwnArray
        return type(name, tuple(own if base is ndarray else base for base in bases), namespace, **options)

    def __getattribute__(cls, name: str) -> Any:
        found = type.__getattribute__(cls, name)
        if isinstance(found, _METHODS) and hasattr(numpy.ndarray, name):
            return _unbound_method(name, found)
        return found

    def __instancecheck__(cls, instance: Any) -> bool:
        kind = type(instance)
        if cls is ndarray and (kind is Tensor or kind is numpy.ndarray):
            return True
        return type.__instancecheck__(cls, instance) or (
            cls is ndarray and isinstance(instance, (Tensor, numpy.ndarray))
        )

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return type.__subclasscheck__(cls, subclass) or (
            cls is ndarray and issubclass(subclass, (Tensor, numpy.ndarray))
        )

    def __eq__(cls, other: object) -> bool:
        return cls is other or (cls is ndarray and (other is Tensor or other is numpy.ndarray))

    def __hash__(cls) -> int:
        return type.__hash__(cls)


class ndarray(Tensor, metaclass=_ArrayType):  # noqa: N801 - NumPy's name
    """ndarray(shape, dtype=float, buffer=None, offset=0, strides=None, order=None): as numpy.ndarray makes an array.

    ``isinstance(x, ndarray)`` holds for tensors and for NumPy's own arrays.

    Example:
        >>> isinstance(np.zeros(3), np.ndarray), isinstance(np.fft.fft(np.zeros(3)), np.ndarray)
        (True, True)
    """

    def __new__(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if any(base is numpy.ndarray for base in cls.__mro__):
            return numpy.ndarray.__new__(cls, *args, **kwargs)
        return call_numpy("ndarray", numpy.ndarray, args, kwargs)

    def __class_getitem__(cls, parameters: Any) -> Any:
        """``ndarray[shape, dtype]`` in annotations."""
        numpy.ndarray[parameters]  # raises where their number is wrong
        return types.GenericAlias(cls, parameters)


class flagsobj:  # noqa: N801 - NumPy's name
    """``x.flags``: how the memory of an array is laid out, as attributes or by NumPy's names in capitals.

    ``x.flags.writeable = False`` makes the array read-only, and the views made of it from then on.
    """

    __slots__ = ("_array",)
    _array: Any

    def __init__(self, array: Any) -> None:
        _set_array(self, array)

    @property
    def c_contiguous(self) -> bool:
        """Whether the elements stand in row-major order without gaps."""
        return bool(self._array.numpy().flags.c_contiguous)

    @property
    def f_contiguous(self) -> bool:
        """Whether the elements stand in column-major order without gaps."""
        return bool(self._array.numpy().flags.f_contiguous)

    @property
    def writeable(self) -> bool:
        """Whether the array may be written into; can be set."""
        return bool(self._array.numpy().flags.writeable)

    def _seen(self) -> Any:
        """NumPy's flags of the same memory."""
        return self._array.numpy().flags

    @property
    def owndata(self) -> bool:
        """Whether the memory is the array's own: it is no view."""
        return self._array.base is None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._seen(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        options = {"writeable": "write", "aligned": "align", "writebackifcopy": "uic"}
        if name not in options:
            raise AttributeError(f"attribute {name!r} of 'numpy._core.multiarray.flagsobj' objects is not writable")
        self._array.setflags(**{options[name]: bool(value)})

    def __getitem__(self, key: Any) -> Any:
        return self.owndata if key in ("OWNDATA", "O") else self._seen()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        names = {"W": "writeable", "A": "aligned", "X": "writebackifcopy"}
        name = names.get(key, key.lower())
        if name not in names.values() or key.lower() == key:
            raise KeyError("Unknown flag")
        setattr(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (flagsobj, type(self._seen()))) and self.num == other.num

    __hash__ = None  # type: ignore[assignment]

    @property
    def num(self) -> int:
        """The flags as one number."""
        return self._seen().num & ~4 | (4 if self.owndata else 0)

    def __repr__(self) -> str:
        return repr(self._seen()).replace("OWNDATA : False", f"OWNDATA : {self.owndata}")


_set_array = flagsobj.__dict__["_array"].__set__


class flatiter(_core.FlatElements):  # noqa: N801 - NumPy's name
    """``x.flat``: the elements in row-major order, to read, to write and to go through, as numpy.flatiter."""

    __slots__ = ()

    @property
    def coords(self) -> tuple[int, ...]:
        """The index, one number for each axis, of the element that comes next."""
        return tuple(int(i) for i in numpy.unravel_index(self.index, self.base.shape))

    def _get(self, key: Any) -> Any:
        """The elements at whatever is no plain int (cpp/bind/flat.h)."""
        if needs_ops(self.base):
            return ops.reshape(self.base, (-1,))[key]
        return to_tensors(self.base.numpy().flat[to_numpy(key)])

    def _set(self, key: Any, value: Any) -> None:
        if needs_ops(self.base, value):
            flat = ops.copy(ops.reshape(self.base, (-1,)))
            flat[key] = value
            self.base[...] = ops.reshape(flat, self.base.shape)
            return
        self.base.numpy().flat[to_numpy(key)] = to_numpy(value)

    def copy(self) -> Any:
        """The elements as an array of one axis."""
        return self.base.flatten()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return numpy.asarray(self.base.numpy().ravel(), dtype)

    def _compare(self, other: Any, op: Any) -> Any:
        return op(self.copy(), other.copy() if isinstance(other, flatiter) else other)

    def __eq__(self, other: object) -> Any:
        return self._compare(other, ops.equal)

    def __ne__(self, other: object) -> Any:
        return self._compare(other, ops.not_equal)

    def __lt__(self, other: Any) -> Any:
        return self._compare(other, ops.less)

    def __le__(self, other: Any) -> Any:
        return self._compare(other, ops.less_equal)

    def __gt__(self, other: Any) -> Any:
        return self._compare(other, ops.greater)

    def __ge__(self, other: Any) -> Any:
        return self._compare(other, ops.greater_equal)

    __hash__ = None  # type: ignore[assignment]

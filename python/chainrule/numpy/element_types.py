"""Types of elements, their scalar types, constants and exceptions: NumPy's own objects."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy
from numpy import (  # noqa: F401
    ScalarType,
    byte,
    bytes_,
    can_cast,
    cdouble,
    character,
    clongdouble,
    complex64,
    complex128,
    complexfloating,
    csingle,
    datetime64,
    double,
    dtype,
    e,
    errstate,
    euler_gamma,
    exceptions,
    flexible,
    float16,
    float32,
    float64,
    floating,
    generic,
    half,
    inexact,
    inf,
    int8,
    int16,
    int32,
    int64,
    int_,
    intc,
    integer,
    intp,
    isdtype,
    issubdtype,
    little_endian,
    long,
    longdouble,
    longlong,
    mintypecode,
    nan,
    newaxis,
    number,
    object_,
    pi,
    promote_types,
    sctypeDict,
    short,
    signedinteger,
    single,
    str_,
    timedelta64,
    typecodes,
    typename,
    ubyte,
    uint,
    uint8,
    uint16,
    uint32,
    uint64,
    uintc,
    uintp,
    ulong,
    ulonglong,
    unsignedinteger,
    ushort,
    void,
)
from numpy import bool as bool  # noqa: PLC0414
from numpy import bool_ as bool_  # noqa: PLC0414


def _type_of(value: Any) -> Any:
    return value if isinstance(value, type) else getattr(value, "dtype", value)


class finfo(numpy.finfo):  # noqa: N801 - NumPy's name
    """numpy.finfo, of arrays too."""

    _finfo_cache: ClassVar[dict[Any, Any]] = {}  # of its own: NumPy's holds objects of NumPy's class

    def __new__(cls, kind: Any) -> Any:
        return super().__new__(cls, _type_of(kind))


class iinfo(numpy.iinfo):  # noqa: N801 - NumPy's name
    """numpy.iinfo, of arrays too."""

    def __init__(self, int_type: Any) -> None:
        super().__init__(_type_of(int_type))


True_ = bool_(True)
False_ = bool_(False)

__all__ = [
    name for name in globals() if not name.startswith("_") and name not in ("annotations", "Any", "ClassVar", "numpy")
]

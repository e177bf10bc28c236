"""Functions of single elements. What the core has as an op is that op's callable itself: no Python frame in between."""

from __future__ import annotations

import math
from typing import Any

import numpy

from .. import _core
from .fallback import Tensor, call_numpy, exports, native, tensor
from .ufunc import COMPLEX, Ufunc, divide_with_remainder, reciprocal_of, write_out

ops = _core.ops

# ---- ops of the core

add = ops.add
subtract = ops.subtract
multiply = ops.multiply
divide = true_divide = ops.divide
floor_divide = ops.floor_divide
remainder = mod = ops.remainder
fmod = ops.fmod
power = pow = ops.power
negative = ops.negative
absolute = abs = ops.absolute
sign = ops.sign
square = ops.square
sqrt = ops.sqrt
cbrt = ops.cbrt
hypot = ops.hypot
maximum = ops.maximum
minimum = ops.minimum
fmax = ops.fmax
fmin = ops.fmin
exp = ops.exp
exp2 = ops.exp2
expm1 = ops.expm1
log = ops.log
log2 = ops.log2
log10 = ops.log10
log1p = ops.log1p
logaddexp = ops.logaddexp
logaddexp2 = ops.logaddexp2
sin = ops.sin
cos = ops.cos
tan = ops.tan
arcsin = asin = ops.arcsin
arccos = acos = ops.arccos
arctan = atan = ops.arctan
arctan2 = atan2 = ops.arctan2
sinh = ops.sinh
cosh = ops.cosh
tanh = ops.tanh
arcsinh = asinh = ops.arcsinh
arccosh = acosh = ops.arccosh
arctanh = atanh = ops.arctanh
floor = ops.floor
ceil = ops.ceil
rint = ops.rint
trunc = ops.trunc
copysign = ops.copysign
heaviside = ops.heaviside
signbit = ops.signbit
isnan = ops.isnan
isinf = ops.isinf
isfinite = ops.isfinite
equal = ops.equal
not_equal = ops.not_equal
less = ops.less
less_equal = ops.less_equal
greater = ops.greater
greater_equal = ops.greater_equal
logical_and = ops.logical_and
logical_or = ops.logical_or
logical_xor = ops.logical_xor
logical_not = ops.logical_not
bitwise_and = ops.bitwise_and
bitwise_or = ops.bitwise_or
bitwise_xor = ops.bitwise_xor
invert = bitwise_not = bitwise_invert = ops.invert
left_shift = bitwise_left_shift = ops.left_shift
right_shift = bitwise_right_shift = ops.right_shift


# ---- ufuncs made of ops


def _float(x: Any) -> Any:
    """Numbers as floats, as NumPy's float ufuncs take them."""
    if type(x) is float:
        return x
    x = tensor(x)
    if x.dtype.kind == "f":
        return x
    return ops.cast(x, {1: "float16", 2: "float32"}.get(x.dtype.itemsize, "float64"))


def _float_power(x1: Any, x2: Any) -> Tensor:
    return ops.power(ops.cast(tensor(x1), "float64"), ops.cast(tensor(x2), "float64"))


def _fabs(x: Any) -> Tensor:
    return ops.absolute(_float(x))


def _scaled(factor: float) -> Any:
    return lambda x: ops.multiply(_float(x), factor)


def _complex_expm1(x: Any, /, *args: Any, **kwargs: Any) -> Any:
    """numpy.expm1, with C's values (exp(x) - 1) where a part of a complex number is zero or not finite."""
    if args or kwargs or not numpy.iscomplexobj(x):
        return numpy.expm1(x, *args, **kwargs)
    with numpy.errstate(invalid="ignore"):
        result = numpy.expm1(x)
        special = (x.imag == 0) | ~numpy.isfinite(x.real) | ~numpy.isfinite(x.imag)
        return numpy.where(special, numpy.exp(x) - 1, result)[()]


def _positive(x: Any) -> Tensor:
    return +tensor(x)


def _conjugate(x: Any) -> Tensor:
    x = tensor(x)
    return ops.cast(x, "int8") if x.dtype.kind == "b" else ops.copy(x)


COMPLEX["expm1"] = _complex_expm1
float_power = Ufunc(numpy.float_power, _float_power)
fabs = Ufunc(numpy.fabs, _fabs)
deg2rad = Ufunc(numpy.deg2rad, _scaled(math.pi / 180))
radians = Ufunc(numpy.radians, _scaled(math.pi / 180))
rad2deg = Ufunc(numpy.rad2deg, _scaled(180 / math.pi))
degrees = Ufunc(numpy.degrees, _scaled(180 / math.pi))
divmod = Ufunc(numpy.divmod, divide_with_remainder)
positive = Ufunc(numpy.positive, _positive)
conjugate = conj = Ufunc(numpy.conjugate, _conjugate)
reciprocal = Ufunc(numpy.reciprocal, reciprocal_of)

# ---- ufuncs computed by NumPy

gcd = Ufunc(numpy.gcd)
lcm = Ufunc(numpy.lcm)
frexp = Ufunc(numpy.frexp)
ldexp = Ufunc(numpy.ldexp)
modf = Ufunc(numpy.modf)
nextafter = Ufunc(numpy.nextafter)
spacing = Ufunc(numpy.spacing)
bitwise_count = Ufunc(numpy.bitwise_count)
isnat = Ufunc(numpy.isnat)


# ---- functions made of ops


def _finished(name: str, result: Any, out: Any) -> Any:
    return result if out is None else write_out(name, result, out)


@native
def clip(
    a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None, **kwargs: Any
) -> Any:
    """min(max(a, a_min), a_max). The gradient passes where a lies between the limits; on a limit it is shared."""
    lower = a_min if min is None else min
    upper = a_max if max is None else max
    if kwargs:
        return call_numpy("clip", numpy.clip, (a, lower, upper), kwargs | {"out": out})
    if (min is not None and a_min is not None) or (max is not None and a_max is not None):
        raise ValueError("Passing `min` or `max` keyword argument when `a_min` and `a_max` are provided is forbidden.")
    result = a = tensor(a)
    integers = result.dtype.kind in "iu"
    if lower is not None and not (integers and type(lower) is int and lower < numpy.iinfo(result.dtype).min):
        result = ops.maximum(result, lower)
    if upper is not None and not (integers and type(upper) is int and upper > numpy.iinfo(result.dtype).max):
        result = ops.minimum(result, upper)
    return _finished("clip", ops.copy(result) if result is a else result, out)


@native
def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Rounded to a number of decimals, halves to even."""
    a = tensor(a)
    if a.dtype.kind == "f":
        if decimals == 0:
            result = ops.rint(a)
        else:
            scale = 10.0 ** (decimals if decimals > 0 else -decimals)
            larger, smaller = (ops.multiply, ops.divide) if decimals > 0 else (ops.divide, ops.multiply)
            result = smaller(ops.rint(larger(a, scale)), scale)
    elif a.dtype.kind != "b" and decimals >= 0:
        result = ops.copy(a)
    else:
        return call_numpy("round", numpy.round, (a, decimals), {"out": out})
    return _finished("round", result, out)


@native
def around(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Another name of :func:`round`."""
    return round(a, decimals, out)


@native
def fix(x: Any, out: Any = None) -> Any:
    """Rounded towards zero."""
    return _finished("fix", ops.trunc(x), out)


@native
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), 1 at 0."""
    y = ops.multiply(x, math.pi)
    y = ops.where(ops.equal(y, 0), 1.0e-20 if y.itemsize > 2 else 2.0**-10, y)
    return ops.divide(ops.sin(y), y)


@native
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """With nan and the infinities replaced by numbers (the infinities by default by the largest of the dtype)."""
    x = tensor(x)
    if x.dtype.kind != "f":
        return ops.copy(x) if copy else x
    largest = float(numpy.finfo(x.dtype).max)
    result = ops.where(ops.isnan(x), nan, x)
    result = ops.where(ops.equal(x, math.inf), largest if posinf is None else posinf, result)
    result = ops.where(ops.equal(x, -math.inf), -largest if neginf is None else neginf, result)
    result = ops.cast(result, x.dtype)
    if copy:
        return result
    x[...] = result
    return x


@native
def isposinf(x: Any, out: Any = None) -> Any:
    """Whether the elements are +inf."""
    return _finished("isposinf", ops.equal(_float(x), math.inf), out)


@native
def isneginf(x: Any, out: Any = None) -> Any:
    """Whether the elements are -inf."""
    return _finished("isneginf", ops.equal(_float(x), -math.inf), out)


@native
def angle(z: Any, deg: bool = False) -> Any:
    """The angle of a number in the complex plane: 0, or pi for a negative one."""
    z = tensor(z)
    z = ops.cast(z, "float64") if z.dtype.kind == "b" else _float(z)
    half_turn = 180.0 if deg else math.pi
    negative = ops.less(ops.copysign(1.0, z), 0)  # -0.0 is, too
    result = ops.where(negative, ops.cast(tensor(half_turn), z.dtype), ops.cast(tensor(0.0), z.dtype))
    return ops.where(ops.isnan(z), z, result)


@native
def real(val: Any) -> Any:
    """The real part: the array itself."""
    return tensor(val)


@native
def imag(val: Any) -> Any:
    """The imaginary part: zeros."""
    return ops.multiply(tensor(val), 0) if isinstance(val, Tensor) and val.is_traced else tensor(val).imag


@native
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """|a - b| <= atol + rtol |b|; infinities are close to themselves."""
    b = ops.cast(tensor(b), "float64") if type(b) in (int, float) else _float(b)  # NumPy's isclose: no weak number
    near = ops.less_equal(ops.absolute(ops.subtract(a, b)), ops.add(atol, ops.multiply(rtol, ops.absolute(b))))
    near = ops.logical_or(ops.logical_and(near, ops.isfinite(b)), ops.equal(a, b))
    if equal_nan:
        near = ops.logical_or(near, ops.logical_and(ops.isnan(a), ops.isnan(b)))
    return near


@native
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Whether all elements are close; see :func:`isclose`."""
    return bool(ops.all(isclose(a, b, rtol, atol, equal_nan)))


@native
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether two arrays have one shape and equal elements."""
    a1, a2 = tensor(a1), tensor(a2)
    if a1.shape != a2.shape:
        return False
    same = ops.equal(a1, a2)
    if equal_nan:
        same = ops.logical_or(same, ops.logical_and(ops.isnan(a1), ops.isnan(a2)))
    return bool(ops.all(same))


@native
def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether two arrays are equal once broadcast."""
    a1, a2 = tensor(a1), tensor(a2)
    try:
        numpy.broadcast_shapes(a1.shape, a2.shape)
    except ValueError:
        return False
    return bool(ops.all(ops.equal(a1, a2)))


__all__ = exports(globals())

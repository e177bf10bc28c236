"""Elementwise functions. Where an integer meets a float tensor the float type wins (Keras's promotion)."""

from __future__ import annotations

import builtins
from typing import Any

from ..variables import convert_to_tensor
from .dispatch import as_pair, as_real, as_tensor, binary, bitwise, core, floating, symbolic, unary

abs = unary("abs", core.absolute)
absolute = unary("absolute", core.absolute)
negative = unary("negative", core.negative)
sign = unary("sign", core.sign)
square = unary("square", core.square)
logical_not = unary("logical_not", core.logical_not)
floor = unary("floor", core.floor)
ceil = unary("ceil", core.ceil)
trunc = unary("trunc", core.trunc)
bitwise_not = unary("bitwise_not", core.invert)
bitwise_invert = unary("bitwise_invert", core.invert)

exp = floating("exp", core.exp)
exp2 = floating("exp2", core.exp2)
expm1 = floating("expm1", core.expm1)
log = floating("log", core.log)
log2 = floating("log2", core.log2)
log10 = floating("log10", core.log10)
log1p = floating("log1p", core.log1p)
sqrt = floating("sqrt", core.sqrt)
rsqrt = floating("rsqrt", core.rsqrt)
cbrt = floating("cbrt", core.cbrt)
reciprocal = floating("reciprocal", core.reciprocal)
sin = floating("sin", core.sin)
cos = floating("cos", core.cos)
tan = floating("tan", core.tan)
arcsin = floating("arcsin", core.arcsin)
arccos = floating("arccos", core.arccos)
arctan = floating("arctan", core.arctan)
sinh = floating("sinh", core.sinh)
cosh = floating("cosh", core.cosh)
tanh = floating("tanh", core.tanh)
arcsinh = floating("arcsinh", core.arcsinh)
arccosh = floating("arccosh", core.arccosh)
arctanh = floating("arctanh", core.arctanh)
erf = floating("erf", core.erf)
erfc = floating("erfc", core.erfc)
isnan = floating("isnan", core.isnan)
isinf = floating("isinf", core.isinf)
isfinite = floating("isfinite", core.isfinite)
signbit = floating("signbit", core.signbit)

add = binary("add", core.add)
subtract = binary("subtract", core.subtract)
multiply = binary("multiply", core.multiply)
floor_divide = binary("floor_divide", core.floor_divide)
fmod = binary("fmod", core.fmod)
maximum = binary("maximum", core.maximum)
minimum = binary("minimum", core.minimum)
fmax = binary("fmax", core.fmax)
fmin = binary("fmin", core.fmin)
equal = binary("equal", core.equal)
not_equal = binary("not_equal", core.not_equal)
less = binary("less", core.less)
less_equal = binary("less_equal", core.less_equal)
greater = binary("greater", core.greater)
greater_equal = binary("greater_equal", core.greater_equal)
hypot = binary("hypot", core.hypot, floats=True)
logical_and = binary("logical_and", core.logical_and)
logical_or = binary("logical_or", core.logical_or)
logical_xor = binary("logical_xor", core.logical_xor)
logaddexp = binary("logaddexp", core.logaddexp, floats=True)
arctan2 = binary("arctan2", core.arctan2, floats=True)
copysign = binary("copysign", core.copysign, floats=True)
power = binary("power", core.power)
bitwise_and = bitwise("bitwise_and", core.bitwise_and)
bitwise_or = bitwise("bitwise_or", core.bitwise_or)
bitwise_xor = bitwise("bitwise_xor", core.bitwise_xor)
left_shift = bitwise("left_shift", core.left_shift)
right_shift = bitwise("right_shift", core.right_shift)
mod = binary("mod", core.remainder)
bitwise_left_shift = left_shift
bitwise_right_shift = right_shift


@symbolic
def divide(x1: Any, x2: Any) -> Any:
    """True quotient; integers give floatx."""
    x1, x2 = as_pair(x1, x2)
    if builtins.all(x.dtype.kind in "iub" for x in (x1, x2) if hasattr(x, "dtype")):
        x1, x2 = (as_real(x) if hasattr(x, "dtype") else x for x in (x1, x2))
    return core.divide(x1, x2)


true_divide = divide


@symbolic
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """x1 / x2, and 0 where x2 is 0."""
    x1, x2 = as_pair(as_real(x1), as_real(x2))
    zero = core.equal(x2, 0)
    return core.where(zero, 0.0, x1 / core.where(zero, 1.0, x2))


@symbolic
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """min(max(x, x_min), x_max)."""
    return core.minimum(core.maximum(as_tensor(x), as_tensor(x_min)), as_tensor(x_max))


@symbolic
def round(x: Any, decimals: int = 0) -> Any:
    """Rounded to that many decimals, halves to even."""
    x = convert_to_tensor(x)
    if x.dtype.kind not in "fV" and decimals >= 0:
        return core.cast(x, "int32") if x.dtype == "bool" else x
    if decimals == 0:
        return core.rint(x)
    scale = 10.0**decimals
    return core.rint(x * scale) / scale


@symbolic
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """x1 where the condition holds, else x2; with the condition alone, the indices where it holds."""
    if x1 is None and x2 is None:
        from .selection import nonzero

        return nonzero(condition)
    if x1 is None or x2 is None:
        raise ValueError("where: give both x1 and x2, or neither for the indices.")
    return core.where(convert_to_tensor(condition, "bool"), *as_pair(x1, x2))

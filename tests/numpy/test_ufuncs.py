"""Universal functions against NumPy's: every one over dtypes, shapes, strides, edge values, options and methods."""

from __future__ import annotations

import numpy
import pytest

import chainrule
import chainrule.numpy as np

DTYPES = ["bool", "int8", "int32", "int64", "uint8", "uint64", "float16", "float32", "float64"]
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.7, 100.25, 1e-30, -1e20, numpy.inf, -numpy.inf, numpy.nan]
UNARY = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "bitwise_invert",
    "bitwise_not",
    "cbrt",
    "ceil",
    "conj",
    "conjugate",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "floor",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log10",
    "log1p",
    "log2",
    "logical_not",
    "negative",
    "positive",
    "rad2deg",
    "radians",
    "reciprocal",
    "rint",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "spacing",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "frexp",
    "modf",
    "bitwise_count",
]
BINARY = [
    "add",
    "arctan2",
    "atan2",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "copysign",
    "divide",
    "divmod",
    "equal",
    "float_power",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "gcd",
    "greater",
    "greater_equal",
    "heaviside",
    "hypot",
    "lcm",
    "left_shift",
    "less",
    "less_equal",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "nextafter",
    "not_equal",
    "pow",
    "power",
    "remainder",
    "right_shift",
    "subtract",
    "true_divide",
]
SHIFTS = {"left_shift", "right_shift", "bitwise_left_shift", "bitwise_right_shift"}
# Functions of large arguments or near poles: a relative error of the argument's rounding is amplified.
LOOSE = {"tan": 8, "sinh": 4, "cosh": 4, "power": 16, "pow": 16, "float_power": 16, "logaddexp2": 4, "exp2": 4}


def sample(dtype: str, which: int) -> numpy.ndarray:
    """Values of one dtype, ordinary and extreme ones."""
    rng = numpy.random.default_rng(7 + which)
    kind = numpy.dtype(dtype).kind
    if kind == "b":
        return rng.random(24) < 0.5
    if kind in "iu":
        limits = numpy.iinfo(dtype)
        values = rng.integers(0 if kind == "u" else -9, 10, 24).astype(dtype)
        values[:4] = [limits.min, limits.max, 0, 1]
        return values if which == 0 else rng.permutation(values)
    edges = EDGES if dtype != "float16" else [max(x, -65504.0) if x == -1e20 else x for x in EDGES]
    values = (rng.standard_normal(10) * 3).tolist() + edges
    return rng.permutation(numpy.array(values, dtype)) if which else numpy.array(values, dtype)


def fits(name: str, dtype: str) -> numpy.ndarray:
    values = sample(dtype, 0)
    if name in ("sin", "cos", "tan") and dtype in ("float32", "float64"):
        values = numpy.where(numpy.abs(values) > 1e6, 3, values).astype(dtype)
    if dtype == "uint64" or dtype == "int64":
        values = values // (2**40 if name not in ("bitwise_count", "invert", "sign", "abs") else 1)
    return values


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_unary(name, dtype, paired):
    values = fits(name, dtype)
    scale = LOOSE.get(name, 1)
    for x in (values, values.reshape(4, 6), values.reshape(4, 6).T, values[::-2], values[:0], values[3]):
        paired(lambda np, x: getattr(np, name)(x), x, where=name, scale=scale)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_binary(name, dtype, paired):
    a, b = sample(dtype, 0), sample(dtype, 1)
    if name in SHIFTS and b.dtype.kind in "iu":
        b = abs(b) % 70  # NumPy leaves negative counts undefined
        b = b.astype(dtype)
    if name in ("power", "pow") and b.dtype.kind == "i":
        b = abs(b % 5).astype(dtype)
    if name in ("floor_divide", "remainder", "mod", "fmod", "divmod") and b.dtype.kind in "iu":
        b = numpy.where(b == 0, 3, b).astype(dtype)
        if b.dtype.kind == "i":
            a = numpy.maximum(a, -100)
    if name in ("gcd", "lcm") and a.dtype.kind in "iu":
        a, b = a // 7, b // 7
    scale = LOOSE.get(name, 1)

    def call(np, x, y):
        return getattr(np, name)(x, y)

    paired(call, a, b, where=name, scale=scale)
    paired(call, a.reshape(4, 6), b[:6], where=f"{name} broadcast", scale=scale)
    paired(call, a.reshape(4, 6).T, b[:4][::-1], where=f"{name} strides", scale=scale)
    paired(call, a[:5], b[:6], where=f"{name} mismatch", scale=scale)
    paired(call, a[5], b, where=f"{name} scalar", scale=scale)


PROMOTING = ["add", "multiply", "divide", "power", "maximum", "less", "floor_divide", "arctan2", "bitwise_or", "equal"]


@pytest.mark.parametrize("name", PROMOTING)
@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("right", DTYPES)
def test_promotion(name, left, right, paired):
    a, b = numpy.array([1, 2, 3]).astype(left), numpy.array([1, 1, 2]).astype(right)
    paired(lambda np, a, b: getattr(np, name)(a, b), a, b, where=name)


@pytest.mark.parametrize("number", [True, 2, 2.5, 300, -1])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["add", "multiply", "divide", "maximum", "less", "power"])
def test_weak_numbers(name, dtype, number, paired):
    a = numpy.array([1, 2, 3]).astype(dtype)
    if name == "power" and number == 300:
        pytest.skip("overflows: the sign of an overflow is nobody's promise")
    paired(lambda np, a: getattr(np, name)(a, number), a, where=name)
    paired(lambda np, a: getattr(np, name)(number, a), a, where=name)


@pytest.mark.parametrize("name", ["add", "maximum", "exp", "less", "logical_not", "arctan2", "matmul", "conj"])
def test_out(name, paired):
    x = numpy.arange(9.0).reshape(3, 3) / 7
    arity = getattr(numpy, name).nin

    def with_out(np, x, out):
        result = getattr(np, name)(*[x] * arity, out=out)
        assert result is out
        return result

    for dtype in ("float64", "float32", "bool", "int32"):
        paired(with_out, x, numpy.zeros((3, 3), dtype), where=f"{name} out {dtype}", changes=True)
    paired(with_out, x, numpy.zeros((6, 3))[::2], where=f"{name} out strided", changes=True)
    paired(with_out, x, numpy.zeros((2, 3, 3)), where=f"{name} out broadcast", changes=True)
    paired(with_out, x, numpy.zeros((3, 4)), where=f"{name} out wrong")
    paired(lambda np, x, out: getattr(np, name)(*[x] * arity, out), x, numpy.zeros((3, 3)), where=f"{name} positional")
    paired(
        lambda np, x, out: getattr(np, name)(*[x] * arity, out=(out,)), x, numpy.zeros((3, 3)), where=f"{name} tuple"
    )


def test_out_overlapping(paired):
    def shift(np, x):
        np.add(x[:-1], x[1:], out=x[1:])
        return x

    paired(shift, numpy.arange(10.0))

    def scale(np, x):
        np.multiply(x, 2, out=x)
        np.maximum(x, 5, out=x)
        return x

    paired(scale, numpy.arange(10.0))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "complex128", "bool", "float16"])
@pytest.mark.parametrize("name", ["add", "sqrt", "less", "multiply"])
def test_dtype(name, dtype, paired):
    arity = getattr(numpy, name).nin
    for source in ("int32", "float64", "float32"):
        x = numpy.arange(4).astype(source)
        paired(lambda np, x: getattr(np, name)(*[x] * arity, dtype=dtype), x, where=f"{name} {source}->{dtype}")


def test_casting_and_where(paired):
    x, mask = numpy.arange(6.0), numpy.array([1, 0, 1, 0, 1, 1], bool)
    paired(lambda np, x, m, o: np.sqrt(x, out=o, where=m), x, mask, numpy.full(6, -1.0))
    paired(lambda np, x, m, o: np.add(x, 1, o, where=m), x, mask, numpy.full(6, -1.0))
    paired(lambda np, x: np.add(x, x, dtype="float32", casting="safe"), x)
    paired(lambda np, x, o: np.add(x, x, out=o, casting="unsafe"), x, numpy.zeros(6, "int32"))
    paired(lambda np, x: np.add(x, nonsense=1), x)
    paired(lambda np, x: np.add(x), x)
    paired(lambda np, x: np.exp(x, x, x), x)


@pytest.mark.parametrize("casting", ["no", "equiv", "safe", "same_kind", "unsafe"])
@pytest.mark.parametrize("number", [2, 2.5, True])
def test_casting_of_numbers(casting, number, paired):
    for dtype in ("int32", "float32", "bool"):
        x = numpy.array([0, 1, 1]).astype(dtype)
        paired(lambda np, x: np.add(x, number, casting=casting), x)
        paired(lambda np, x: np.add(x, number, casting=casting, dtype="float64"), x)


def test_wrong_options(paired):
    x = numpy.arange(3.0)
    for options in ({"out": ()}, {"where": numpy.arange(3)}, {"where": 1}, {"order": "x"}, {"subok": 3}, {"sig": "xx"}):
        paired(lambda np, x, options: np.add(x, 1, **options), x, options)
    paired(lambda np, x, out: np.divmod(x, 2, out=out), x, x.copy())
    paired(lambda np, x, out: np.add(x, 1, out, out=out), x, x.copy())
    paired(lambda np, x: np.add(x, 1, dtype=float, sig="dd->d"), x)


@pytest.mark.parametrize("name", ["expm1", "exp", "heaviside", "fabs"])
@pytest.mark.parametrize("operand", ["text", None, {}])
def test_operands_that_are_no_numbers(name, operand, paired):
    paired(lambda np: getattr(np, name)(*[operand] * getattr(np, name).nin))


def test_wide_integers(paired):
    for a, b in ((1 << 63, 255), (1 << 70, 1), (1 << 63, 1 << 63), (-(1 << 70), 2.5)):
        for name in ("add", "multiply", "maximum", "less", "divide", "logical_and"):
            paired(lambda np, name, a, b: getattr(np, name)(a, b), name, a, b)
    paired(lambda np, x: np.logical_and(x, 255), numpy.array([0, 1, -1], "int8"))
    paired(lambda np, x: np.logical_xor(300, x), numpy.array([0, 1, -1], "int8"))
    paired(lambda np, x: np.power(x, -1), numpy.array([], "int64"))
    paired(lambda np, x: np.power(x, -1), numpy.array([2], "int64"))


@pytest.mark.parametrize(
    "name", ["add", "multiply", "maximum", "minimum", "logical_and", "logical_or", "hypot", "subtract"]
)
def test_methods(name, paired):
    x = numpy.arange(1.0, 13).reshape(3, 4) / 5
    paired(lambda np, x: getattr(np, name).reduce(x), x, where="reduce")
    paired(lambda np, x: getattr(np, name).reduce(x, axis=1, keepdims=True), x, where="reduce axis")
    paired(lambda np, x: getattr(np, name).accumulate(x), x, where="accumulate")
    paired(lambda np, x: getattr(np, name).accumulate(x, axis=1), x, where="accumulate axis")
    paired(lambda np, x: getattr(np, name).outer(x, x[0]), x, where="outer")
    paired(lambda np, x: getattr(np, name).reduceat(x, [0, 2]), x, where="reduceat")

    def at(np, x):
        getattr(np, name).at(x, [0, 0, 2], x[1])
        return x

    paired(at, x, where="at")
    for attribute in ("nin", "nout", "nargs", "identity", "__name__"):
        assert getattr(getattr(np, name), attribute) == getattr(getattr(numpy, name), attribute)


def test_reduce_options(paired):
    x = numpy.arange(12).reshape(3, 4)
    paired(lambda np, x: np.add.reduce(x, axis=None), x)
    paired(lambda np, x: np.add.reduce(x, axis=(0, 1), dtype="float32"), x)
    paired(lambda np, x: np.add.reduce(x, initial=10), x)
    paired(lambda np, x: np.maximum.reduce(x, axis=0, initial=5), x)
    paired(lambda np, x, o: np.add.reduce(x, axis=1, out=o), x, numpy.zeros(3, "int64"), changes=True)
    paired(lambda np, x: np.add.reduce(x, where=x > 3), x)


@pytest.mark.parametrize("name", ["exp", "abs", "add", "sqrt", "maximum", "equal", "positive", "conj"])
def test_foreign_dtypes_are_numpys(name):
    arity = getattr(numpy, name).nin
    for values in (numpy.array([1 + 2j, 3 - 1j]), numpy.array([1, 2], "complex64")):
        ours = getattr(np, name)(*[values] * arity)
        theirs = getattr(numpy, name)(*[values] * arity)
        assert ours.dtype == theirs.dtype
        numpy.testing.assert_array_equal(numpy.asarray(ours), theirs)


def test_ufuncs_take_lists_and_numbers(paired):
    paired(lambda np: np.add([1, 2], 3))
    paired(lambda np: np.exp(1))
    paired(lambda np: np.maximum([1.5, 2], [[1], [2]]))
    paired(lambda np: np.hypot(3, 4))


def test_numpys_own_ufuncs_on_our_arrays():
    x = np.arange(3.0)
    for result in (numpy.exp(x), numpy.add(x, numpy.ones(3)), numpy.float64(2) * x, numpy.add.reduce(x)):
        assert isinstance(result, chainrule.Tensor)
    out = np.zeros(3)
    assert numpy.multiply(x, 2, out=out) is out
    assert out.tolist() == [0, 2, 4]

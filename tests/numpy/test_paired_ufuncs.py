"""Every universal function of NumPy's namespace, called the same way on NumPy's arrays and on ours: the values, dtype
and shape must be equal, or the type of the error.

The calls are generated: pairs of dtypes over all pairs of edge values, layouts, Python's numbers, keywords. Values are
equal bit by bit (but for the payload of NaN) where the operation is exact; elementary functions may differ by the sum
of the two libraries' errors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

import chainrule
import chainrule.numpy

DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "e", "f", "d"]
FOREIGN = ["F", "D"]
UFUNCS = sorted(
    name
    for name in dir(numpy)
    if isinstance(getattr(numpy, name), numpy.ufunc) and getattr(numpy, name).signature is None
)
UNARY = [name for name in UFUNCS if getattr(numpy, name).nin == 1]
BINARY = [name for name in UFUNCS if getattr(numpy, name).nin == 2]

# Units in the last place. Ours errs by up to 4 (cpp/simd/math.h), NumPy's by up to 4 in its vector code.
ELEMENTARY = dict.fromkeys(
    [
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "arctan2",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
        "asin",
        "acos",
        "atan",
        "atan2",
        "asinh",
        "acosh",
        "atanh",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "logaddexp",
        "logaddexp2",
        "power",
        "pow",
        "float_power",
        "cbrt",
        "hypot",
    ],
    8,
) | dict.fromkeys(["deg2rad", "rad2deg", "degrees", "radians"], 2)
# Of sums that cancel the error is relative to their greatest term, here at most 1e3 times the result.
CANCELS = {"logaddexp": 1e-3, "logaddexp2": 1e-3}

# Which of two zeros is the greater is up to the processor, in NumPy too.
CHOICES = {"maximum", "minimum", "fmax", "fmin"}

_EDGES: dict[str, list[float]] = {
    "f": [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 7.25, -100.5, 1e-3, 3e4, numpy.inf, -numpy.inf, numpy.nan, 1.5, -0.75],
    "c": [0, 1, -1, 0.5 + 2j, 1j, -3 - 1j],
}


def edges(dtype: str) -> numpy.ndarray:
    """Ordinary and extreme values of a dtype."""
    kind = numpy.dtype(dtype).kind
    if kind == "b":
        return numpy.array([True, False, False, True, True])
    if kind in "iu":
        limits = numpy.iinfo(dtype)
        values = [limits.min, limits.max, limits.max - 1, 0, 1, 2, 3, 7, 10, 31, 64, 100]
        values += [-1, -2, -5, -64, limits.min + 1] if kind == "i" else [limits.max // 2 + 1]
        return numpy.array(values, dtype)
    if kind == "f":
        limits = numpy.finfo(dtype)
        extremes = [limits.max, limits.min, limits.tiny, limits.smallest_subnormal, -limits.smallest_subnormal]
        return numpy.array([*numpy.array(_EDGES["f"], dtype), *extremes], dtype)
    return numpy.array(_EDGES[kind], dtype)


def distance(ours: numpy.ndarray, theirs: numpy.ndarray) -> numpy.ndarray:
    """The steps between neighbouring floats from ours to theirs; the greatest integer where the signs differ."""
    signed = numpy.dtype(f"i{theirs.dtype.itemsize}")
    apart = numpy.abs(ours.view(signed).astype("i8") - theirs.view(signed).astype("i8"))
    return numpy.where(numpy.signbit(ours) == numpy.signbit(theirs), apart, numpy.iinfo("i8").max)


def same(ours: Any, theirs: Any, name: str, call: Any, loose: bool = False) -> None:
    """Asserts equal results: kind, dtype, shape, values (of elementary functions only roughly where ``loose``)."""
    if isinstance(theirs, tuple):
        assert isinstance(ours, tuple), call
        for a, b in zip(ours, theirs, strict=True):
            same(a, b, name, call, loose)
        return
    if not isinstance(theirs, (numpy.ndarray, numpy.generic)):
        assert (type(ours), ours) == (type(theirs), theirs), f"{call}: {ours!r}, expected {theirs!r}"
        return
    theirs = numpy.asarray(theirs)  # NumPy's numbers are arrays without axes here
    if theirs.dtype.kind in "biuf":
        assert isinstance(ours, chainrule.Tensor), f"{call}: a {type(ours).__name__}"
    ours = numpy.asarray(ours)
    assert ours.dtype == theirs.dtype, f"{call}: dtype {ours.dtype}, expected {theirs.dtype}"
    assert ours.shape == theirs.shape, f"{call}: shape {ours.shape}, expected {theirs.shape}"
    if ours.tobytes() == theirs.tobytes():
        return
    if theirs.dtype.kind != "f":
        wrong = numpy.atleast_1d((ours != theirs) & ((ours == ours) | (theirs == theirs)))
        ours, theirs = numpy.atleast_1d(ours, theirs)
        assert not wrong.any(), (
            f"{call}: {ours[wrong][:4]}, expected {theirs[wrong][:4]} at {numpy.argwhere(wrong)[:4]}"
        )
        return
    ours, theirs = numpy.atleast_1d(ours, theirs)
    same_sign = (numpy.signbit(ours) == numpy.signbit(theirs)) | (name in CHOICES)
    wrong = ~((ours == theirs) & same_sign | (ours != ours) & (theirs != theirs))
    if name in ELEMENTARY and wrong.any():
        bound = ELEMENTARY[name] if ours.dtype.itemsize > 2 else 1
        near = numpy.abs(theirs[wrong]) < CANCELS.get(name, 0)
        far = numpy.abs(ours[wrong] - theirs[wrong]) > 1e-6 * numpy.abs(theirs[wrong]) if loose else True
        wrong[wrong] = (distance(ours[wrong], theirs[wrong]) > bound) & ~near & far
    assert not wrong.any(), f"{call}: {ours[wrong][:4]}, expected {theirs[wrong][:4]} at {numpy.argwhere(wrong)[:4]}"


def to_ours(value: Any) -> Any:
    """An array as a tensor on the same memory."""
    if isinstance(value, numpy.ndarray) and value.dtype.kind in "biuf":
        return chainrule.from_numpy(value)
    if isinstance(value, (tuple, list)):
        return type(value)(to_ours(item) for item in value)
    return value


def both(name: str, call: Callable[..., Any], *args: Any, label: Any = "", loose: bool = False) -> None:
    """Makes the call with both namespaces and compares."""
    label = (name, label)
    error: Exception | None = None
    theirs: Any = None
    try:
        theirs = call(numpy, *args)
    except Exception as raised:
        error = raised
    if error is None:
        same(call(chainrule.numpy, *to_ours(args)), theirs, name, label, loose)
        return
    expected = next(kind for kind in type(error).__mro__ if kind.__module__ in ("builtins", "numpy.exceptions"))
    try:
        ours = call(chainrule.numpy, *to_ours(args))
    except expected:
        return
    except Exception as raised:
        raise AssertionError(f"{label}: {raised!r}, expected {error!r}") from raised
    raise AssertionError(f"{label}: {ours!r}, expected {error!r}")


def calling(name: str) -> Callable[..., Any]:
    """The function of that name in either namespace."""
    return lambda np, *operands: getattr(np, name)(*operands)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", UNARY)
def test_every_dtype(name):
    for dtype in DTYPES + FOREIGN:
        both(name, calling(name), edges(dtype), label=dtype)


@pytest.mark.parametrize("name", BINARY)
def test_every_pair_of_dtypes(name):
    for left in DTYPES + FOREIGN:
        for right in DTYPES + FOREIGN:
            x, y = edges(left)[:, None], edges(right)
            both(name, calling(name), x, y, label=(left, right))


NUMBERS = [True, 0, 1, -1, 2, 100, 255, 300, -200, 1 << 40, 1 << 63, 1 << 70, 0.0, -0.5, 2.5, 1e300, numpy.inf, 1 + 2j]


@pytest.mark.parametrize("name", UNARY)
def test_numbers_alone(name):
    for number in NUMBERS:
        both(name, calling(name), number, label=number)


@pytest.mark.parametrize("name", BINARY)
def test_numbers_with_arrays(name):
    for number in NUMBERS:
        if name not in ("pow", "power") or abs(number) < 1 << 63:  # a number of 2^70 digits
            both(name, calling(name), number, number, label=(number, number))
        both(name, calling(name), number, 3, label=(number, 3))
        for dtype in DTYPES:
            x = edges(dtype)
            for scalar in (x, x[3], x[3].reshape(())):
                label = (dtype, number, numpy.shape(scalar))
                both(name, calling(name), scalar, number, label=label)
                both(name, calling(name), number, scalar, label=(label, "number first"))


def layouts(values: numpy.ndarray) -> Iterator[tuple[str, numpy.ndarray]]:
    """Arrays of many shapes and strides made of the values."""
    line = numpy.resize(values, 2 * 67)
    plane = line[:120].reshape(10, 12)
    yield "number", numpy.array(line[0])
    for length in (0, 1, 3, 17, 67):
        yield f"{length}", line[:length]
    yield "reversed", line[66::-1]
    yield "every second", line[::2]
    yield "plane", plane
    yield "transposed", plane.T
    yield "Fortran", numpy.asfortranarray(plane)
    yield "part", plane[1:7, 2:11]
    yield "columns reversed", plane[::2, ::-3]
    yield "broadcast", numpy.broadcast_to(line[:12], (10, 12))
    yield "column", plane[:, 3:4]
    yield "no rows", plane[:0]
    yield "space", line[:24].reshape(2, 3, 4).transpose(2, 0, 1)


@pytest.mark.parametrize("name", UFUNCS)
def test_layouts(name):
    arity = getattr(numpy, name).nin
    for dtype in ("d", "f", "e", "i4", "u1", "?"):
        values = edges(dtype)
        for label, x in layouts(values):
            both(name, calling(name), *[x] * arity, label=(dtype, label))
            if arity < 2 or dtype not in "df":
                continue
            for other, y in layouts(values[::-1]):
                both(name, calling(name), x, y, label=(dtype, label, other))


def keywords(nout: int) -> Iterator[dict[str, Any]]:
    """Options of a call with operands of shape (3, 4), right ones and wrong ones."""
    mask = numpy.arange(12).reshape(3, 4) % 3 > 0
    masks = [True, False, mask, mask[0], mask[:, :1], mask.tolist(), numpy.bool_(False), mask.astype(int), 1, None]
    yield from ({"dtype": dtype} for dtype in ("?", "i1", "u2", "i8", "e", "f", "d", "D", "O", "nonsense", None, float))
    yield from ({"casting": casting} for casting in ("no", "equiv", "safe", "same_kind", "unsafe", "nonsense", None))
    yield from ({"order": order} for order in ("C", "F", "A", "K", "x", None))
    yield from ({"subok": subok} for subok in (True, False, 3))
    yield from ({"dtype": dtype, "casting": "unsafe"} for dtype in ("i1", "f", "d"))
    yield from ({"dtype": dtype, "casting": "safe"} for dtype in ("i1", "f", "d"))
    yield from ({"sig": signature} for signature in ("dd->d", "d->d", "ff->?", "xx", ("f", "f", "f"), ("f", "f")))
    yield {"dtype": "d", "sig": "dd->d"}
    yield {"nonsense": 1}
    outs: list[Any] = [(), None, "x", 3, (None,) * nout, (None,) * (nout + 1), [None] * nout]
    outs += [(numpy.ones((3, 4), dtype),) * nout for dtype in ("d", "f", "e", "i8", "i1", "?", "D")]
    outs += [(numpy.ones(shape),) * nout for shape in ((2, 3, 4), (3, 1), (4, 3), ())]
    outs.append((numpy.ones((4, 3)).T,) * nout)
    outs.append((numpy.ones((6, 8))[::2, ::-2],) * nout)
    for out in outs:
        yield {"out": out}
        yield {"out": out, "casting": "unsafe"}
    for where in masks:
        yield {"where": where, "out": (numpy.full((3, 4), 1.0),) * nout}
        yield {"where": where, "out": (numpy.full((3, 4), 1),) * nout, "casting": "unsafe"}
    for where in (1, mask.astype(int), "x", True):
        yield {"where": where}


@pytest.mark.parametrize("name", UFUNCS)
def test_keywords(name):
    ufunc = getattr(numpy, name)
    values = numpy.arange(1, 13).reshape(3, 4)
    options_of = list(keywords(ufunc.nout))

    def call(np: Any, options: dict[str, Any], *operands: Any) -> Any:
        if "out" not in options:
            return getattr(np, name)(*operands, **options)
        given = options["out"]
        if isinstance(given, tuple):
            given = tuple(x.copy() if isinstance(x, numpy.ndarray) else x for x in given)
        given = to_ours(given) if np is chainrule.numpy else given
        result = getattr(np, name)(*operands, **options | {"out": given})
        if isinstance(given, tuple) and all(isinstance(x, (numpy.ndarray, chainrule.Tensor)) for x in given):
            for x, y in zip(given, result if ufunc.nout > 1 else (result,), strict=True):
                assert x is y
        return result

    for dtype in ("d", "i4", "?"):
        operands = (values.astype(dtype),) * ufunc.nin
        mixed = (values.astype(dtype), 2)[: ufunc.nin]
        for options in options_of:
            both(
                name,
                call,
                options,
                *operands,
                label=(dtype, options),
                loose=True,
            )
            if ufunc.nin > 1 and dtype == "i4" and "out" not in options:
                both(
                    name,
                    call,
                    options,
                    *mixed,
                    label=(dtype, 2, options),
                    loose=True,
                )


@pytest.mark.parametrize("name", UFUNCS)
def test_wrong_operands(name):
    ufunc = getattr(numpy, name)
    x = numpy.arange(1.0, 4)
    for operand in ("text", None, {}, object(), [], [[1, 2], [3]], [1, 2.5], (True, False), b"ab", int, [1 << 70]):
        if name in ("pow", "power") and operand == [1 << 70]:  # a number of 2^70 digits
            continue
        both(name, calling(name), *[operand] * ufunc.nin, label=operand)
        if ufunc.nin > 1:
            both(name, calling(name), x, operand, label=("array", operand))
            both(name, calling(name), operand, x, label=(operand, "array"))
    for count in range(6):
        both(name, calling(name), *[x.copy() for _ in range(count)], label=(count, "arrays"))
    if ufunc.nin > 1:
        both(name, calling(name), x, x[:2], label="shapes that don't fit")

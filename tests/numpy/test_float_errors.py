"""RuntimeWarnings of divisions by zero, overflows and invalid values, and numpy.errstate: as NumPy's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy
import pytest

import chainrule
import chainrule.numpy as np

UNARY = (
    "sqrt square reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh "
    "arcsinh arccosh arctanh cbrt floor rint absolute negative sign"
)
BINARY = (
    "add subtract multiply divide floor_divide remainder fmod power hypot arctan2 copysign maximum heaviside equal less"
)
SIZES = (1, 3, 16, 19)  # with and without a rest of a vector


def called(name: str, *operands: Any, of: Any) -> tuple[Any, set[str]]:
    """The result of a call, and what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = getattr(of, name)(*operands)
    return result, {str(warning.message) for warning in caught}


def same_warnings(name: str, *operands: Any) -> None:
    """Asserts that both warn of the same; where the result is finite NumPy's loops may warn in vain."""
    result, theirs = called(name, *operands, of=numpy)
    ours = called(name, *[np.asarray(x) for x in operands], of=np)[1]
    assert ours == theirs or (not ours and numpy.isfinite(result).all()), (name, operands, ours, theirs)


def edges(dtype: str) -> numpy.ndarray:
    limits = numpy.finfo(dtype)
    extremes = [limits.max, -limits.max, limits.tiny, limits.smallest_subnormal]
    ordinary = [0.0, -0.0, 1, -1, 0.5, -2, 3, 100, -100, 1e3, 1e4, numpy.inf, -numpy.inf, numpy.nan]
    return numpy.array([*ordinary, *extremes], dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", UNARY.split())
def test_unary(name, dtype):
    for x in edges(dtype):
        for size in SIZES:
            same_warnings(name, numpy.full(size, x))
        same_warnings(name, numpy.array(x))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", BINARY.split())
def test_binary(name, dtype):
    for x in edges(dtype):
        for y in edges(dtype):
            same_warnings(name, numpy.full(3, x), numpy.full(3, y))
            same_warnings(name, numpy.full(16, x), numpy.array(y))
            same_warnings(name, numpy.array(x), numpy.array(y))


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64"])
@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod", "add", "multiply", "divide"])
def test_integers(name, dtype):
    limits = numpy.iinfo(dtype)
    for x in {0, 1, 5, limits.min, limits.max}:
        for y in {0, 1, 5, max(-1, limits.min), limits.max}:
            same_warnings(name, numpy.full(5, x, dtype), numpy.full(5, y, dtype))
            same_warnings(name, numpy.full(5, x, dtype), numpy.array(y, dtype))


def test_ordinary_numbers_warn_of_nothing():
    rng = numpy.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for dtype in ("float32", "float64"):
            for size in (1, 3, 7, 8, 17, 1000, 100_003):
                x = np.asarray(rng.uniform(0.1, 0.9, size).astype(dtype))
                for name in UNARY.split():
                    if name != "arccosh":
                        getattr(np, name)(x)
                for name in BINARY.split():
                    getattr(np, name)(x, x)
                    getattr(np, name)(x, 0.5)
                    getattr(np, name)(0.5, x)


def test_flags_left_by_others_are_not_ours():
    x = np.asarray([numpy.inf, numpy.nan, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert numpy.inf == float("1e308") * 10  # Python's own arithmetic leaves the processor's flag for overflow
        x + 1
        assert numpy.inf == float("1e308") * 10
        x += 1


@pytest.mark.parametrize("size", [5, 200_001])
def test_one_element_of_many(size):
    x = numpy.ones(size, "float32")
    x[size // 3] = 0
    x[-1] = -1
    for name in ("log", "sqrt", "reciprocal", "arccosh"):
        same_warnings(name, x)
    same_warnings("divide", numpy.ones(size, "float32"), x)


def test_divmod():
    for dtype in ("int32", "float64"):
        x = np.asarray(numpy.array([1, 2], dtype))
        with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
            np.divmod(x, 0)
        with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="divide by zero"):
            divmod(x, 0)


def test_in_place():
    for update in ("x /= 0", "x *= 1e300", "x += 1.7e308", "x -= -1.7e308", "x /= x - x"):
        texts = []
        for module in (numpy, np):
            x = module.asarray(numpy.array([1e308, 1.5e308]))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                exec(update, {"x": x})
            texts.append([str(warning.message) for warning in caught])
        assert texts[0] == texts[1], update
    x = np.asarray([1, 2])
    with pytest.warns(RuntimeWarning, match="divide by zero encountered in floor_divide"):
        x //= 0


def test_in_place_powers_and_invalid_values():
    updates = ("x **= 2", "x **= 0.5", "x **= -1", "x **= 3", "x -= x", "x *= 0", "x += -x")
    for update in updates:
        for values in ([1e300, 4.0, 0.0], [-4.0, 1.0, 2.0], [numpy.inf, 1.0, 2.0], [1.0, 2.0, 3.0]):
            texts, results = [], []
            for module in (numpy, np):
                x = module.asarray(numpy.array(values))
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    exec(update, {"x": x})
                texts.append({str(warning.message) for warning in caught})
                results.append(numpy.asarray(x))
            assert texts[0] == texts[1], (update, values)
            numpy.testing.assert_allclose(results[1], results[0], rtol=1e-15)


REDUCTIONS = {
    "sum": [[1e308, 1e308, 1.0], [numpy.inf, -numpy.inf], [numpy.nan, 1.0], [1.0, 2.0]],
    "prod": [[1e300, 1e300], [numpy.inf, 0.0], [1.0, 2.0]],
    "mean": [[1e308, 1e308], [], [1.0, numpy.nan]],
    "var": [[1e200, -1e200], [], [1.0, numpy.inf]],
    "std": [[1e200, -1e200], [], [1.0]],
    "cumsum": [[1e308, 1e308, 1.0], [numpy.inf, -numpy.inf]],
    "cumprod": [[1e300, 1e300], [numpy.inf, 0.0]],
    "max": [[1.0, numpy.nan]],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name, dtype):
    for values in REDUCTIONS[name]:
        with numpy.errstate(over="ignore"):
            x = numpy.array(values).astype(dtype)
        theirs = called(name, x, of=numpy)[1]
        assert called(name, np.asarray(x), of=np)[1] == theirs, values
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(np.asarray(x), name)()
        assert {str(warning.message) for warning in caught} == theirs, values


@pytest.mark.parametrize("name", ["var", "std"])
def test_degrees_of_freedom(name):
    texts = []
    for module in (numpy, np):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(module, name)(module.asarray(numpy.ones(1)), ddof=1)
        texts.append({str(warning.message) for warning in caught})
    assert texts[0] == texts[1]
    assert "Degrees of freedom <= 0 for slice" in texts[0]


def test_products():
    x = np.full((3, 3), 1e200)
    with pytest.warns(RuntimeWarning, match="overflow encountered in matmul"):
        x @ x
    with np.errstate(all="raise"):
        with pytest.raises(FloatingPointError, match="overflow encountered in matmul"):
            np.matmul(x, x)
        with pytest.raises(FloatingPointError, match="overflow encountered in reduce"):
            np.sum(x * 1e108)


def test_casts():
    for size in (1, 3, 16, 19, 1000):
        x = np.full(size, 1e300)
        with pytest.warns(RuntimeWarning, match="overflow encountered in cast"):
            x.astype("float32")
        with pytest.warns(RuntimeWarning, match="overflow encountered in cast"):
            np.zeros(size, "float32")[...] = x
        with pytest.warns(RuntimeWarning, match="overflow encountered in cast"):
            np.full(size, 1e6).astype("float16")
        for value in (numpy.nan, numpy.inf, 1e300):
            for dtype in ("int8", "int32", "int64", "uint32"):
                with pytest.warns(RuntimeWarning, match="invalid value encountered in cast"):
                    np.full(size, value).astype(dtype)
                with pytest.warns(RuntimeWarning, match="invalid value encountered in cast"):
                    np.asarray(np.full(size, value), dtype=dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.full(size, -3.7).astype("uint8")
            np.full(size, 3.7).astype("int64")
            np.full(size, numpy.inf).astype("float32")
            np.full(size, numpy.nan).astype("bool")


def test_underflow():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.full(5, 1e-200) * 1e-200
    with np.errstate(under="raise"):
        for call in (
            lambda: np.full(5, 1e-200) * 1e-200,
            lambda: np.full(5, 1e-300) / 1e100,
            lambda: np.full(5, 1e-200) ** 2,
            lambda: np.full(5, 1e-200).prod(),
            lambda: np.full(5, 1e-300).astype("float32"),
            lambda: np.exp(np.full(5, -1000.0)),
        ):
            with pytest.raises(FloatingPointError, match="underflow"):
                call()
        x = np.full(5, 1e-200)
        with pytest.raises(FloatingPointError, match="underflow encountered in multiply"):
            x *= x
        np.full(5, 0.0) * 1e-200
        np.sin(np.full(5, 1e-3))


def test_out():
    x, out = np.asarray([0.0, 1.0]), np.zeros(2)
    with pytest.warns(RuntimeWarning, match="divide by zero encountered in log"):
        np.log(x, out=out)
    assert out.tolist() == [-numpy.inf, 0]


def test_errstate():
    zero, one = np.zeros(3), np.ones(3)
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError, match="divide by zero encountered in divide"):
        one / zero
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="invalid value encountered in sqrt"):
        np.sqrt(-one)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        one / zero
        np.log(zero)
    heard: list[Any] = []

    def hear(text: str, flag: int) -> None:
        heard.append((text, flag))

    with np.errstate(over="call", call=hear):
        np.exp(one * 1e4)
    assert heard == [("overflow", 2)]
    with pytest.warns(RuntimeWarning, match="invalid value encountered in subtract"):
        one / np.asarray(3.0) * numpy.inf - one * numpy.inf


def test_a_warning_points_to_the_line_that_caused_it():
    with pytest.warns(RuntimeWarning) as caught:
        np.ones(2) / np.zeros(2)
    assert caught[0].filename == __file__


def test_silent_where_something_is_recorded():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chainrule.grad(lambda x: np.sum(np.log(x)))(np.zeros(2))
        chainrule.jit(lambda x: 1 / x)(np.zeros(2))


def test_silent_where_our_own_code_computes():
    from chainrule.keras import ops

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ops.erfinv(np.asarray([-1.0, 0.5, 1.0, 2.0]))
        assert np.isclose(np.asarray([numpy.inf]), numpy.inf).all()

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

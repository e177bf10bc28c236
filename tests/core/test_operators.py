"""Operators of Tensor, their promotion and their in-place forms, against NumPy."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pairs import DTYPES, assert_same, result_of, values

import chainrule
from chainrule import _core

ops = _core.ops

# ---- operators and promotion ----------------------------------------------------------------------------------------

BINARY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "lshift": operator.lshift,
    "rshift": operator.rshift,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
# Powers and quotients of floats may differ in the last places.
RTOL = {"pow": 2e-6, "mod": 1e-6, "truediv": 3e-7}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("a", DTYPES)
def test_binary_operators_promote_as_numpy(name: str, a: str) -> None:
    f = BINARY[name]
    for b in DTYPES:
        x, y = values(a), values(b, seed=1)
        expected = result_of(lambda x=x, y=y: f(x, y))
        got = result_of(lambda x=x, y=y: f(chainrule.asarray(x), chainrule.asarray(y)))
        assert_same(got, expected, RTOL.get(name, 0.0))
        assert_same(result_of(lambda x=x, y=y: f(chainrule.asarray(x), y)), expected, RTOL.get(name, 0.0))
        assert_same(result_of(lambda x=x, y=y: f(x, chainrule.asarray(y))), expected, RTOL.get(name, 0.0))


SCALARS = [True, 2, -3, 300, 70000, 2**40, 2**70, 2.5, np.float32(2.5), np.float64(2.5), np.int8(3), np.uint64(3)]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_scalars_promote_as_numpy(name: str, dtype: str) -> None:
    f = BINARY[name]
    x = values(dtype)
    for scalar in SCALARS:
        if scalar == 2**70 and (dtype == "bool" or name == "pow"):
            continue  # NumPy computes these with Python objects
        if name in ("lshift", "rshift") and not isinstance(scalar, np.generic) and abs(scalar) > 60:
            continue  # shifts by more than the width are undefined in C
        for g in (f, lambda a, b: f(b, a)):
            expected = result_of(lambda s=scalar, g=g: g(x, s))
            if isinstance(expected, np.ndarray) and expected.dtype == object:
                continue
            if name in ("lshift", "rshift") and scalar == -3:
                continue
            assert_same(result_of(lambda s=scalar, g=g: g(chainrule.asarray(x), s)), expected, RTOL.get(name, 0.0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("f", [operator.neg, operator.pos, operator.invert, abs], ids=["neg", "pos", "invert", "abs"])
def test_unary_operators(f: Callable[[Any], Any], dtype: str) -> None:
    x = values(dtype)
    assert_same(result_of(lambda: f(chainrule.asarray(x))), result_of(lambda: f(x)))


@pytest.mark.parametrize(
    "name",
    ["arctan2", "hypot", "copysign", "fmod", "maximum", "fmin", "logical_and", "logaddexp", "divide", "power"],
)
def test_op_functions_promote_as_numpy(name: str) -> None:
    function, numpy_function = getattr(ops, name), getattr(np, name)
    for a in DTYPES:
        for b in [values(t, seed=1) for t in DTYPES] + [3, 2.5, True]:
            x = values(a)
            expected = result_of(lambda x=x, b=b: numpy_function(x, b))
            assert_same(result_of(lambda x=x, b=b: function(x, b)), expected, 2e-6)


@pytest.mark.parametrize(
    "name", ["sqrt", "exp", "log", "sin", "tanh", "isnan", "signbit", "square", "sign", "logical_not"]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_unary_ops_promote_as_numpy(name: str, dtype: str) -> None:
    x = values(dtype)
    expected = result_of(lambda: getattr(np, name)(x))
    assert_same(result_of(lambda: getattr(ops, name)(x)), expected, 1e-6)


def test_comparisons_of_widest_integers_are_exact() -> None:
    signed = np.array([-1, 0, 1, 2**63 - 1, -(2**63)], np.int64)
    unsigned = np.array([2**64 - 1, 0, 1, 2**63 - 1, 2**63], np.uint64)
    for f in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        assert_same(f(chainrule.asarray(signed), chainrule.asarray(unsigned)), f(signed, unsigned))
        assert_same(f(chainrule.asarray(unsigned), chainrule.asarray(signed)), f(unsigned, signed))


def test_integers_to_negative_powers_raise() -> None:
    x = chainrule.asarray([1, 2])
    with pytest.raises(ValueError, match="negative integer powers"):
        x**-1
    with pytest.raises(ValueError, match="negative integer powers"):
        x ** chainrule.asarray([1, -1])


def test_divmod_and_matmul() -> None:
    x, y = values("float64", (3, 4)), values("float64", (4, 2), seed=1)
    q, r = divmod(chainrule.asarray(x), 1.5)
    expected_q, expected_r = divmod(x, 1.5)
    assert_same(q, expected_q)
    assert_same(r, expected_r, 1e-12)
    assert_same(chainrule.asarray(x) @ chainrule.asarray(y), x @ y, 1e-14)
    assert_same(chainrule.asarray(x) @ y.astype("float32"), x @ y.astype("float32"), 1e-14)
    assert_same(x @ chainrule.asarray(y), x @ y, 1e-14)


def test_complex_numbers_are_left_to_numpy() -> None:
    x = values("float64")
    for got in (chainrule.asarray(x) * 1j, 1j * chainrule.asarray(x), chainrule.asarray(x) * (x * 1j)):
        assert isinstance(got, np.ndarray)
        assert got.dtype == np.complex128
    np.testing.assert_array_equal(chainrule.asarray(x) + 2j, x + 2j)


def test_foreign_operands_answer_themselves() -> None:
    class Other:
        def __radd__(self, other: Any) -> str:
            return "other"

    class Refuses:
        __array_ufunc__ = None

        def __rmul__(self, other: Any) -> str:
            return "refuses"

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            raise AssertionError("must not be asked")

    class Held:
        def __init__(self, tensor: chainrule.Tensor) -> None:
            self.tensor = tensor

        def __chainrule_tensor__(self) -> chainrule.Tensor:
            return self.tensor

    x = chainrule.asarray([1.0, 2.0])
    assert (x + Other()).tolist() == (np.array([1.0, 2.0]) + Other()).tolist() == ["other", "other"]  # as NumPy does
    assert x[0] + Other() == "other"
    assert x * Refuses() == "refuses"
    assert_same(x + Held(x), np.array([2.0, 4.0]))
    assert_same(ops.exp(Held(x)), np.exp([1.0, 2.0]), 1e-15)
    with pytest.raises(TypeError, match="unsupported operand"):
        x + object()
    assert (x == None).tolist() == [False, False]  # noqa: E711


# ---- in place -------------------------------------------------------------------------------------------------------

IN_PLACE = {
    "iadd": operator.iadd,
    "isub": operator.isub,
    "imul": operator.imul,
    "itruediv": operator.itruediv,
    "ifloordiv": operator.ifloordiv,
    "imod": operator.imod,
    "ipow": operator.ipow,
    "iand": operator.iand,
    "ior": operator.ior,
    "ixor": operator.ixor,
    "ilshift": operator.ilshift,
    "irshift": operator.irshift,
}


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("a", DTYPES)
def test_in_place_operators(name: str, a: str) -> None:
    f = IN_PLACE[name]
    for other in [values(b, seed=1) for b in DTYPES] + [values("float64", (3,)), 2, 1.5]:
        x = values(a)
        t = chainrule.asarray(x.copy())
        memory = t.numpy()
        expected = result_of(lambda x=x, o=other: f(x, o))
        got = result_of(lambda t=t, o=other: f(t, o))
        if isinstance(expected, np.ndarray):
            assert got is t
            np.testing.assert_allclose(memory, expected, rtol=2e-6)  # the memory that views share
        assert_same(got, expected, 2e-6)


def test_in_place_on_overlapping_views() -> None:
    x = np.arange(8.0)
    t = chainrule.asarray(x.copy())
    x[1:] += x[:-1]
    view = t[1:]
    view += t[:-1]
    assert_same(t, x)


def test_in_place_errors() -> None:
    x = chainrule.asarray([1, 2])
    with pytest.raises(TypeError, match="Cannot cast ufunc 'add' output"):
        x += 1.5
    with pytest.raises(ValueError, match="non-broadcastable output operand"):
        x += np.ones((2, 2), int)
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    t = chainrule.asarray(frozen)
    with pytest.raises(ValueError, match="read-only"):
        t += 1
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        t[0] = 1
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        ops.broadcast_to(x, (3, 2))[0] = 1

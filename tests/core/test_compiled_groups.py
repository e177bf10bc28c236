"""Runs of plain float arithmetic that are compiled: the bits of the kernels, at every level that this machine has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule
import chainrule.numpy as cnp
from chainrule import _core

Array = Any

UNARY = [
    lambda x: -x,
    abs,
    cnp.square,
    cnp.sqrt,
    cnp.reciprocal,
    _core.ops.rsqrt,
    _core.ops.relu,
    cnp.exp,  # a kernel of its own between two runs
]
BINARY = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / y,
    cnp.maximum,
    cnp.minimum,
    _core.ops.relu_grad,
]
COMPARISONS = [
    lambda x, y: x < y,
    lambda x, y: x <= y,
    lambda x, y: x > y,
    lambda x, y: x >= y,
    lambda x, y: x == y,
    lambda x, y: x != y,
]
SPECIAL = [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e-40, -1e-310, 3e38]


@pytest.fixture(params=_core.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.isa()
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa(before)


def random_program(rng: np.random.Generator, length: int) -> Any:
    """A function of three arrays: what there is is combined at random, also with numbers; several are returned."""
    steps = []
    for _ in range(length):
        kind = rng.choice(["unary", "binary", "number", "where"], p=[0.25, 0.45, 0.15, 0.15])
        steps.append((kind, rng.integers(0, 1 << 30, 6), float(rng.choice([0.5, -2.0, 3.25, 0.0, 1e-3]))))
    returned = rng.integers(1, 4)

    def program(*arrays: Array) -> tuple[Array, ...]:
        values = list(arrays)
        for kind, picks, number in steps:
            x, y, z = (values[-1 - pick % min(len(values), 6)] for pick in picks[:3])
            if kind == "unary":
                values.append(UNARY[picks[3] % len(UNARY)](x))
            elif kind == "binary":
                values.append(BINARY[picks[3] % len(BINARY)](x, y))
            elif kind == "number":
                values.append(BINARY[picks[3] % 4](*((x, number) if picks[4] % 2 else (number, x))))
            else:
                values.append(cnp.where(COMPARISONS[picks[3] % len(COMPARISONS)](x, y), y, z))
        return tuple(values[-returned:])

    return program


def bits(values: tuple[Array, ...]) -> list[bytes]:
    results = []
    for value in values:
        x = np.array(value)
        x[np.isnan(x)] = np.nan  # which of several NaNs goes on is not said
        results.append(x.tobytes())
    return results


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of infinite and undefined results, as NumPy gives
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_programs_have_the_bits_of_eager_calls(dtype: str, isa: str) -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        program = random_program(rng, int(rng.integers(2, 60)))
        for n in (int(rng.integers(1, 70)), 3000):
            arrays = []
            for _ in range(3):
                x = rng.normal(size=n)
                special = rng.random(n) < 0.2
                x[special] = rng.choice(SPECIAL, special.sum())
                arrays.append(cnp.asarray(x.astype(dtype)))
            assert bits(chainrule.jit(program)(*arrays)) == bits(program(*arrays)), (seed, n)


@pytest.mark.parametrize("shapes", [((40, 33), (33,), (40, 1)), ((7, 5, 18), (5, 1), (18,)), ((300,), (), (300,))])
def test_broadcast_operands(shapes: Any, isa: str) -> None:
    rng = np.random.default_rng(1)
    arrays = [cnp.asarray(rng.uniform(0.5, 2, shape).astype("float32")) for shape in shapes]

    def program(a: Array, b: Array, c: Array) -> tuple[Array, ...]:
        d = (a * b + c) / (a + 0.5) - cnp.maximum(b, c) * a
        return d, cnp.where(d > b, d * c, -d) + cnp.sqrt(a)

    assert bits(chainrule.jit(program)(*arrays)) == bits(program(*arrays))


def test_strided_operands_and_writes_into_slices(isa: str) -> None:
    rng = np.random.default_rng(2)
    x = cnp.asarray(rng.normal(size=(50, 60)).astype("float32"))

    def program(x: Array) -> Array:
        y = x * 0 + 1
        y[1:-1, 1:-1] = (x[:-2, 1:-1] + x[2:, 1:-1] - 4 * x[1:-1, 1:-1]) * 0.1 + y[1:-1, 1:-1]
        return y * x.T[:50, :1] - x[:, ::-1] * 0.5

    assert bits((chainrule.jit(program)(x),)) == bits((program(x),))


def test_more_arrays_and_numbers_than_registers(isa: str) -> None:
    rng = np.random.default_rng(3)
    arrays = [cnp.asarray(rng.normal(size=100)) for _ in range(20)]

    def program(*arrays: Array) -> Array:
        total = arrays[0]
        for k, x in enumerate(arrays[1:]):
            total = total * (0.1 + k / 7) + x * (k - 0.3)
        products = [x * y for x, y in zip(arrays, arrays[1:], strict=False)]
        for x in products:
            total = total + x
        return total

    assert bits((chainrule.jit(program)(*arrays),)) == bits((program(*arrays),))

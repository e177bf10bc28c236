"""Reductions of all elements that end a recorded group: the bits of the eager calls, whatever the group is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule
import chainrule.numpy as cnp

PIECE = 65536  # elements; shorter than two, a tensor is reduced at once and the reduction stays apart


def array(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return cnp.asarray(rng.random(shape) < 0.5)
    if dtype.startswith("float"):
        return cnp.asarray(rng.normal(size=shape).astype(dtype))
    return cnp.asarray(rng.integers(-9, 9, shape).astype(dtype))


def check(function: Callable[..., Any], *arguments: Any, joined: bool = True) -> None:
    expected = function(*arguments)
    recorded = chainrule.jit(function)
    before = chainrule.get_num_threads()
    try:
        for threads in (1, 2, 3):
            chainrule.set_num_threads(threads)
            got = recorded(*arguments)
            for a, b in zip(expected, got, strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape)
                assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    finally:
        chainrule.set_num_threads(before)
    steps = int(chainrule.explain(recorded).split()[0])
    assert (steps == 1) == joined


@pytest.mark.parametrize("n", [2 * PIECE, 2 * PIECE + 1, 3 * PIECE - 7, 5 * PIECE + 12345])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["sum", "mean", "max", "min", "prod"])
def test_floats(reduction: str, dtype: str, n: int) -> None:
    reduce = getattr(cnp, reduction)
    check(lambda a, b: (reduce(cnp.exp(0.001 * (a - b))),), array((n,), dtype), array((n,), dtype, 1))


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint16", "int64", "bool"])
def test_whole_numbers_and_truth_values(dtype: str) -> None:
    x, y = array((3, PIECE), dtype), array((3, PIECE), dtype, 1)
    check(lambda a, b: (cnp.sum((a != b) & (a > 0)), cnp.max(a | b), cnp.any(a < b), cnp.all(a == a)), x, y)


def test_dtypes_mixed_in_one_group() -> None:
    x, y = array((200, 1000), "float32"), array((200, 1000), "int32", 1)
    check(lambda a, b: (cnp.sum(cnp.where(b > 2, a, 0)), cnp.mean(a * b), cnp.sum(b * 2)), x, y)


def test_operands_that_are_broadcast_strided_or_short_of_a_row() -> None:
    x, row, column = array((400, 500), "float32"), array((500,), "float32", 1), array((400, 1), "float32", 2)
    check(lambda a, b, c: (cnp.sum((a - b) * c), cnp.max(a + c)), x, row, column)
    wide = array((500, 800), "float64", 3)
    check(lambda a, b: (cnp.sum((a.T[::2] - b) ** 2),), wide, array((400, 500), "float64", 4))
    narrow = array((60000, 3), "float32", 5)
    check(lambda a, b: (cnp.sum((a - b) ** 2, keepdims=True),), narrow, array((3,), "float32", 6))


def test_values_that_others_read_too() -> None:
    x, y = array((PIECE * 3,), "float32"), array((PIECE * 3,), "float32", 1)
    check(lambda a, b: (difference := a - b, cnp.sum(difference)), x, y, joined=False)
    check(lambda a, b: (a - b, cnp.sum((a - b) ** 2), cnp.max(cnp.abs(a - b))), x, y)
    check(lambda a, b: ((a - b) * cnp.sum((a - b) ** 2),), x, y, joined=False)
    check(lambda a, b: (cnp.sum(a * b) + cnp.sum(a + b), cnp.sum(cnp.tanh(cnp.sum(a * b) + a))), x, y, joined=False)


def test_rows_and_all_elements() -> None:
    x = array((300, 700), "float32")

    def function(a: Any) -> tuple[Any, ...]:
        e = cnp.exp(a - cnp.max(a, axis=1, keepdims=True))
        return cnp.sum(e * e), e / cnp.sum(e, axis=1, keepdims=True), cnp.mean(a * a)

    check(function, x, joined=False)


def test_gradients_of_a_loss_and_a_write_into_a_slice() -> None:
    x, y = array((PIECE * 2 + 5,), "float64"), array((PIECE * 2 + 5,), "float64", 1)
    check(chainrule.value_and_grad(lambda a, b: cnp.mean((a - b) ** 2)), x, y, joined=False)

    def function(a: Any, b: Any) -> tuple[Any, ...]:
        z = cnp.zeros(2 * len(a))
        z[::2] = a * b
        return z, cnp.sum(a * b), cnp.sum(a * b + 1)

    expected, got = function(x, y), chainrule.jit(function)(x, y)
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_special_values() -> None:
    x = np.random.default_rng(0).normal(size=3 * PIECE).astype("float32")
    x[[5, PIECE + 3]] = np.inf, np.nan
    check(lambda a: (cnp.max(a * 1.5), cnp.sum(a * 1.5), cnp.any(cnp.isnan(a * 1.5))), cnp.asarray(x))


def test_short_tensors_are_reduced_apart() -> None:
    check(lambda a: (cnp.sum(a * a),), array((2 * PIECE - 1,), "float32"), joined=False)

"""Results that no cache holds are made block by block and written past the caches: the same numbers everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule
import chainrule.numpy as cnp

ROWS, COLUMNS = 3001, 1001  # float64: 24 MB an array


@pytest.fixture(scope="module")
def arrays() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.random((ROWS, COLUMNS)) + 0.5, rng.random((ROWS, COLUMNS)) + 0.5


def test_elementwise_ops(arrays: tuple[Any, Any]) -> None:
    a, b = arrays
    x, y = cnp.asarray(a), cnp.asarray(b)
    np.testing.assert_array_equal(np.asarray(x + y), a + b)
    np.testing.assert_array_equal(np.asarray(x * y[0]), a * b[0])
    np.testing.assert_array_equal(np.asarray(x - y[:, :1]), a - b[:, :1])
    np.testing.assert_array_equal(np.asarray(x[:, ::-1] + 2), a[:, ::-1] + 2)
    np.testing.assert_array_equal(np.asarray(x.reshape(-1)[1:] + y.reshape(-1)[:-1]), a.ravel()[1:] + b.ravel()[:-1])
    np.testing.assert_array_equal(np.asarray(x > y), a > b)


def test_results_written_over_an_operand(arrays: tuple[Any, Any]) -> None:
    a, b = arrays
    x, y = cnp.asarray(a.copy()), cnp.asarray(b)
    x += y
    np.testing.assert_array_equal(np.asarray(x), a + b)
    cnp.multiply(x, y, out=x)
    np.testing.assert_array_equal(np.asarray(x), (a + b) * b)
    into = cnp.zeros((ROWS + 1, COLUMNS))
    cnp.subtract(x, y, out=into[1:])
    np.testing.assert_array_equal(np.asarray(into[1:]), (a + b) * b - b)
    assert not np.asarray(into[0]).any()


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "bool"])
def test_copies_and_casts(arrays: tuple[Any, Any], dtype: str) -> None:
    a = arrays[0] * 10 - 5
    x = cnp.asarray(a)
    np.testing.assert_array_equal(np.asarray(x.astype(dtype)), a.astype(dtype))
    np.testing.assert_array_equal(np.asarray(x.ravel()[3:].astype(dtype)), a.ravel()[3:].astype(dtype))
    np.testing.assert_array_equal(np.asarray(x.T.astype(dtype)), a.T.astype(dtype))


def test_recorded_groups(arrays: tuple[Any, Any]) -> None:
    def function(a: Any, b: Any) -> tuple[Any, ...]:
        centred = a - cnp.mean(a, axis=1, keepdims=True)
        rows = centred / cnp.sqrt(cnp.mean(centred * centred, axis=1, keepdims=True) + 1e-5)
        both = (a + b) * 0.5 - a
        return rows, both, both > 0, cnp.sum(both * b), (a.T + b.T) * 2 - 1

    x, y = (cnp.asarray(each) for each in arrays)
    for eager, recorded in zip(function(x, y), chainrule.jit(function)(x, y), strict=True):
        np.testing.assert_array_equal(np.asarray(eager), np.asarray(recorded))


def test_a_recorded_update_of_a_large_state(arrays: tuple[Any, Any]) -> None:
    state, x = cnp.asarray(arrays[0].copy()), cnp.asarray(arrays[1])

    @chainrule.jit
    def step(a: Any) -> None:
        state[...] = (state - a) * 0.5 + 1

    step(x)
    np.testing.assert_array_equal(np.asarray(state), (arrays[0] - arrays[1]) * 0.5 + 1)

"""Products of half types and of bytes: every unit, every layout, against float64 and exact integers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule
import chainrule.numpy
from chainrule import _core, nn

ops = _core.ops
SHAPES = [(4, 4, 4), (16, 32, 16), (33, 65, 47), (70, 1100, 50), (5, 784, 10), (1, 50, 40), (40, 50, 1), (17, 3, 300)]


@pytest.fixture(params=["none", "vectors", "tiles"])
def unit(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each unit as the cap; a processor without it runs the next lower one."""
    before = _core.dot_cap()
    _core.set_dot_cap(request.param)
    yield request.param
    _core.set_dot_cap(before)


def layouts(values: np.ndarray) -> Iterator[np.ndarray]:
    """The same matrix by rows, by columns, and with gaps, backwards."""
    yield np.ascontiguousarray(values)
    yield np.asfortranarray(values)
    gaps = np.zeros((2 * values.shape[0], 3 * values.shape[1]), values.dtype)
    view = gaps[::-2, ::-3]
    view[...] = values
    yield view


def half(values: np.ndarray, dtype: str) -> Any:
    """A tensor of the half type with the strides of the array."""
    if dtype == "float16":
        return chainrule.asarray(values.astype(dtype, order="K") if values.base is None else values.astype(dtype))
    rounded = values.astype(np.float32).view(np.uint32) >> 16
    return chainrule.asarray(rounded.astype(np.uint16)).view("bfloat16")


def check(a: Any, b: Any, dtype: str) -> None:
    """k roundings of the float32 sum, then one of the result, to unit roundoff u."""
    wide_a, wide_b = a.astype("float64").numpy(), b.astype("float64").numpy()
    exact = wide_a @ wide_b
    u = 2.0**-8 if dtype == "bfloat16" else 2.0**-11
    bound = (1 + u) * a.shape[-1] * 2.0**-23 * (np.abs(wide_a) @ np.abs(wide_b)) + u * np.abs(exact) + 1e-7
    y = ops.matmul(a, b)
    assert y.dtype == dtype
    assert np.all(np.abs(y.astype("float64").numpy() - exact) <= bound)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_products(unit: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    for m, k, n in SHAPES:
        a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
        for x in layouts(a):
            check(half(x, dtype), half(b, dtype), dtype)
        for y in layouts(b):
            check(half(a, dtype), half(y, dtype), dtype)
            check(half(a, dtype), half(y.T.copy(), dtype).T, dtype)
            check(half(a.T.copy(), dtype).T, half(y, dtype), dtype)
    stacked = half(rng.standard_normal((3, 2, 33, 20)), dtype)
    check(stacked, half(rng.standard_normal((2, 20, 40)), dtype), dtype)
    check(stacked, half(rng.standard_normal((20, 40)), dtype), dtype)
    assert ops.matmul(half(np.zeros((3, 0)), dtype), half(np.zeros((0, 2)), dtype)).tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_products_of_bytes_are_exact(unit: str, kind: str) -> None:
    rng = np.random.default_rng(1)
    for m, k, n in [*SHAPES, (8, 3000, 8)]:
        a = rng.integers(np.iinfo(kind).min, np.iinfo(kind).max + 1, (m, k)).astype(kind)
        b = rng.integers(-128, 128, (k, n)).astype("int8")
        if k == 3000:
            a[...], b[...] = np.iinfo(kind).max, -128
        wanted = a.astype(np.int64) @ b.astype(np.int64)
        for x in layouts(a):
            for y in layouts(b):
                np.testing.assert_array_equal(nn.int8_matmul(x, y).numpy(), wanted)


def test_numpy_matmul_of_bytes_still_wraps() -> None:
    a, b = np.full((2, 3), 100, np.int8), np.full((3, 2), 5, np.int8)
    np.testing.assert_array_equal(chainrule.numpy.matmul(a, b).numpy(), np.matmul(a, b))
    with pytest.raises(TypeError, match=r"a must be int8 or uint8 and b int8, got int8 and uint8"):
        nn.int8_matmul(a, b.astype(np.uint8))


def test_bias_and_activation_are_those_of_separate_ops(unit: str) -> None:
    rng = np.random.default_rng(2)
    a, b, bias = (half(rng.standard_normal(shape), "bfloat16") for shape in ((70, 90), (90, 45), (45,)))
    for activation in (ops.relu, ops.tanh):
        jitted = chainrule.jit(lambda a, b, bias, f=activation: f(ops.matmul(a, b) + bias))
        assert jitted(a, b, bias).tolist() == activation(ops.matmul(a, b) + bias).tolist()


def test_threads_give_the_same_bits(unit: str) -> None:
    rng = np.random.default_rng(3)
    a, b = (half(rng.standard_normal(shape), "bfloat16") for shape in ((300, 700), (700, 200)))
    c, d = (rng.integers(-128, 128, shape).astype("int8") for shape in ((300, 700), (700, 200)))
    results = []
    for threads in (1, 2, 3):
        chainrule.set_num_threads(threads)
        results.append((ops.matmul(a, b).tolist(), nn.int8_matmul(c, d).tolist()))
    assert results[0] == results[1] == results[2]


def test_gradients_of_a_half_product(unit: str) -> None:
    rng = np.random.default_rng(4)
    a, b = (half(rng.standard_normal(shape), "bfloat16") for shape in ((20, 30), (30, 40)))
    da, db = chainrule.grad(lambda a, b: ops.sum(ops.matmul(a, b)), argnums=(0, 1))(a, b)
    assert da.dtype == db.dtype == "bfloat16"
    wanted = np.ones((20, 40)) @ b.astype("float64").numpy().T
    np.testing.assert_allclose(da.astype("float64").numpy(), wanted, rtol=2**-8, atol=1e-4)


def test_nan_and_infinity(unit: str) -> None:
    a = np.ones((8, 40))
    a[1, 3], a[2, 5] = np.nan, np.inf
    y = ops.matmul(half(a, "bfloat16"), half(np.ones((40, 8)), "bfloat16")).astype("float32").numpy()
    assert np.isnan(y[1]).all()
    assert (y[2] == np.inf).all()
    assert (y[3:] == 40).all()

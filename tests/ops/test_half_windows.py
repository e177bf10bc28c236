"""Pooling and convolution of half types, which run on what float32 does: the same values, rounded once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule import _core

ops = _core.ops
HALF = ["bfloat16", "float16"]


def tensor(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Any:
    # A coarse grid, so that windows have ties.
    values = np.random.default_rng(seed).integers(-12, 12, shape).astype(np.float32) / 4
    return ops.cast(_core.asarray(values), dtype=dtype)


def wide(x: Any) -> Any:
    return ops.cast(x, dtype="float32")


def same(half: Any, single: Any) -> None:
    """`half` is `single` rounded to its dtype."""
    np.testing.assert_array_equal(np.asarray(wide(half)), np.asarray(wide(ops.cast(single, dtype=half.dtype))))


POOLS = [
    {"window": (2, 2), "strides": (2, 2), "padding_low": (0, 0), "padding_high": (0, 0)},
    {"window": (3, 3), "strides": (2, 2), "padding_low": (1, 0), "padding_high": (1, 1)},
    {"window": (2, 1), "strides": (3, 2), "padding_low": (0, 0), "padding_high": (0, 0)},
]


@pytest.mark.parametrize("pool", POOLS, ids=["apart", "overlap", "gaps"])
@pytest.mark.parametrize("channels", [1, 5, 16, 37])
@pytest.mark.parametrize("dtype", HALF)
def test_pools(dtype: str, channels: int, pool: dict[str, Any]) -> None:
    x = tensor((3, 9, 11, channels), dtype)
    y = ops.max_pool(x, **pool)
    same(y, ops.max_pool(wide(x), **pool))
    g = tensor(y.shape, dtype, 1)
    same(ops.max_pool_grad(x, y, g, **pool), ops.max_pool_grad(wide(x), wide(y), wide(g), **pool))
    u = tensor(x.shape, dtype, 2)
    same(ops.max_pool_pick(x, y, u, **pool), ops.max_pool_pick(wide(x), wide(y), wide(u), **pool))
    same(ops.avg_pool(x, **pool), ops.avg_pool(wide(x), **pool))
    same(ops.avg_pool_grad(g, shape=x.shape, **pool), ops.avg_pool_grad(wide(g), shape=x.shape, **pool))


def test_a_pool_meets_nan() -> None:
    values = np.zeros((1, 4, 4, 20), np.float32)
    values[0, 1, 1, 3] = np.nan
    values[0, 2, 3, 17] = -np.inf
    x = ops.cast(_core.asarray(values), dtype="bfloat16")
    y = ops.max_pool(x, **POOLS[0])
    same(y, ops.max_pool(wide(x), **POOLS[0]))
    g = tensor(y.shape, "bfloat16")
    same(ops.max_pool_grad(x, y, g, **POOLS[0]), ops.max_pool_grad(wide(x), wide(y), wide(g), **POOLS[0]))


@pytest.mark.parametrize("dtype", HALF)
def test_the_gradient_of_relu_moves_behind_pools_without_changing_a_bit(dtype: str) -> None:
    shape, kernel, bias = (4, 10, 10, 3), tensor((3, 3, 3, 24), dtype, 1), tensor((24,), dtype, 2)

    def step(x: Any, kernel: Any, bias: Any) -> Any:
        conv = {"strides": (1, 1), "padding_low": (0, 0), "padding_high": (0, 0), "dilation": (1, 1)}
        y = ops.relu(ops.add(ops.conv(x, kernel, **conv), bias))
        return ops.sum(wide(ops.square(ops.max_pool(y, **POOLS[0]))))

    eager = chainrule.grad(step, argnums=(0, 1, 2))
    recorded = chainrule.jit(eager)
    x = tensor(shape, dtype)
    for a, b in zip(eager(x, kernel, bias), recorded(x, kernel, bias), strict=True):
        np.testing.assert_array_equal(np.asarray(wide(a)), np.asarray(wide(b)))
    plan = chainrule.explain(recorded)
    assert "relu_grad" in plan
    assert plan.index("relu_grad") < plan.index("max_pool_grad")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("images", [1, 7, 50])
@pytest.mark.parametrize("dtype", HALF)
def test_convolutions_of_few_channels(dtype: str, images: int, channels: int) -> None:
    conv = {"strides": (1, 1), "padding_low": (1, 1), "padding_high": (0, 1), "dilation": (1, 1)}
    x, kernel = tensor((images, 28, 28, channels), dtype), tensor((3, 3, channels, 32), dtype, 1)
    y = ops.conv(x, kernel, **conv)
    same(y, ops.conv(wide(x), wide(kernel), **conv))
    g = tensor(y.shape, dtype, 2)
    same(
        ops.conv_input_grad(g, kernel, shape=x.shape, **conv),
        ops.conv_input_grad(wide(g), wide(kernel), shape=x.shape, **conv),
    )
    same(
        ops.conv_kernel_grad(x, g, shape=kernel.shape, **conv),
        ops.conv_kernel_grad(wide(x), wide(g), shape=kernel.shape, **conv),
    )

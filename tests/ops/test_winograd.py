"""Winograd's convolution (3 x 3 windows, many channels, float32) against the sum over the window in float64."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule
from chainrule import _core

ops = _core.ops
Array = np.ndarray

# images, height, width, channels in, channels out, padding before and behind (rows, then columns)
SHAPES = {
    "same": (8, 16, 16, 32, 48, (1, 1), (1, 1)),
    "valid": (7, 22, 18, 64, 33, (0, 0), (0, 0)),
    "odd": (5, 19, 23, 37, 50, (1, 1), (1, 1)),
    "full": (9, 14, 15, 40, 32, (2, 2), (2, 2)),
    "uneven": (9, 15, 16, 32, 32, (0, 2), (1, 0)),
    "one row of tiles": (1, 2, 1100, 32, 32, (1, 1), (1, 1)),
    "many tiles": (9, 32, 30, 32, 32, (1, 1), (1, 1)),
    "wide": (8, 16, 17, 160, 170, (1, 1), (1, 1)),
}


def attributes(shape: tuple) -> dict:
    *_, low, high = shape
    return {"strides": (1, 1), "padding_low": low, "padding_high": high, "dilation": (1, 1)}


def data(shape: tuple) -> tuple[Array, Array, Array, Array]:
    images, height, width, channels, filters, low, high = shape
    rng = np.random.default_rng(height)
    x = rng.standard_normal((images, height, width, channels)).astype("float32")
    kernel = rng.standard_normal((3, 3, channels, filters)).astype("float32")
    bias = rng.standard_normal(filters).astype("float32")
    out = (height + low[0] + high[0] - 2, width + low[1] + high[1] - 2)
    g = rng.standard_normal((images, *out, filters)).astype("float32")
    return x, kernel, bias, g


def convolved(x: Array, kernel: Array, low: tuple, high: tuple) -> Array:
    x, kernel = x.astype("float64"), kernel.astype("float64")
    padded = np.pad(x, ((0, 0), (low[0], high[0]), (low[1], high[1]), (0, 0)))
    height, width = padded.shape[1] - 2, padded.shape[2] - 2
    return sum(padded[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3))


def turned(kernel: Array) -> Array:
    return kernel[::-1, ::-1].swapaxes(2, 3)


def check(got: Array, want: Array, terms: Array) -> None:
    """Rounding is measured by the largest sum of the terms' sizes: the results of a tile share it."""
    assert got.dtype == np.float32
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) < 4 * np.finfo("float32").eps * np.max(terms)


@pytest.mark.parametrize("name", SHAPES)
def test_forward(name: str) -> None:
    shape = SHAPES[name]
    x, kernel, bias, _ = data(shape)
    got = ops.conv(x, kernel, **attributes(shape))
    want, terms = (convolved(f(x), f(kernel), *shape[-2:]) for f in (np.asarray, np.abs))
    check(got.numpy(), want, terms)
    layer = {
        f: chainrule.jit(lambda x, k, b, f=f: f(ops.conv(x, k, **attributes(shape)) + b)) for f in (ops.relu, ops.tanh)
    }
    check(layer[ops.relu](x, kernel, bias).numpy(), np.maximum(want + bias, 0), terms + np.abs(bias))
    check(layer[ops.tanh](x, kernel, bias).numpy(), np.tanh(want + bias), terms + np.abs(bias))


@pytest.mark.parametrize("name", SHAPES)
def test_gradient_of_the_input(name: str) -> None:
    shape = SHAPES[name]
    x, kernel, _, g = data(shape)
    low, high = ([2 - n for n in side] for side in shape[-2:])
    got = ops.conv_input_grad(g, kernel, shape=x.shape, **attributes(shape))
    want, terms = (convolved(f(g), turned(f(kernel)), low, high) for f in (np.asarray, np.abs))
    check(got.numpy(), want, terms)


@pytest.mark.parametrize("name", SHAPES)
def test_gradient_of_the_kernel(name: str) -> None:
    shape = SHAPES[name]
    x, kernel, _, g = data(shape)
    low, high = shape[-2:]
    got = ops.conv_kernel_grad(x, g, shape=kernel.shape, **attributes(shape))

    def gradient(x: Array, g: Array) -> Array:
        x, g = x.astype("float64"), g.astype("float64")
        padded = np.pad(x, ((0, 0), (low[0], high[0]), (low[1], high[1]), (0, 0)))
        parts = [padded[:, i : i + g.shape[1], j : j + g.shape[2]] for i in range(3) for j in range(3)]
        return np.stack([np.tensordot(part, g, ((0, 1, 2), (0, 1, 2))) for part in parts]).reshape(kernel.shape)

    check(got.numpy(), gradient(x, g), gradient(np.abs(x), np.abs(g)))


def test_bits_do_not_depend_on_threads() -> None:
    shape = SHAPES["many tiles"]
    x, kernel, bias, g = data(shape)
    before = _core.num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            _core.set_num_threads(threads)
            results.append(
                [
                    ops.conv_bias_act(x, kernel, bias, **attributes(shape)).numpy(),
                    ops.conv_input_grad(g, kernel, shape=x.shape, **attributes(shape)).numpy(),
                    ops.conv_kernel_grad(x, g, shape=kernel.shape, **attributes(shape)).numpy(),
                ]
            )
    finally:
        _core.set_num_threads(before)
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)

"""Convolution of half types and its gradients: every unit, against float64 sums of the same rounded operands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import windows

import chainrule
from chainrule import _core

ops = _core.ops
GEOMETRIES: dict[str, tuple[Any, ...]] = {  # x, kernel, strides, low, high, dilation, groups
    "padded": ((3, 9, 10, 8), (3, 3, 8, 16), (1, 1), (1, 1), (1, 1), (1, 1), 1),
    "odd channels": ((2, 11, 7, 5), (3, 2, 5, 37), (1, 1), (0, 1), (2, 0), (1, 1), 1),
    "one channel": ((4, 12, 12, 1), (3, 3, 1, 32), (1, 1), (0, 0), (0, 0), (1, 1), 1),
    "strides": ((2, 12, 13, 16), (3, 3, 16, 20), (2, 2), (1, 0), (1, 2), (1, 1), 1),
    "wide strides": ((2, 12, 13, 6), (2, 3, 6, 7), (3, 2), (0, 0), (0, 0), (1, 1), 1),
    "dilation": ((2, 14, 15, 9), (3, 3, 9, 11), (1, 1), (2, 1), (2, 3), (2, 3), 1),
    "strides and dilation": ((2, 14, 15, 4), (3, 3, 4, 8), (2, 1), (2, 1), (2, 3), (3, 2), 1),
    "padding beyond the window": ((1, 4, 4, 4), (2, 2, 4, 4), (1, 1), (3, 4), (4, 3), (1, 1), 1),
    "one axis": ((5, 40, 12), (5, 12, 33), (1,), (2,), (2,), (1,), 1),
    "three axes": ((2, 5, 6, 7, 4), (2, 3, 3, 4, 6), (1, 2, 1), (1, 0, 1), (0, 1, 1), (1, 1, 1), 1),
    "groups": ((2, 8, 8, 12), (3, 3, 4, 9), (1, 1), (1, 1), (1, 1), (1, 1), 3),
    "each channel": ((2, 8, 8, 6), (3, 3, 1, 6), (2, 2), (1, 1), (1, 1), (1, 1), 6),
    "one to one": ((2, 8, 8, 40), (1, 1, 40, 70), (1, 1), (0, 0), (0, 0), (1, 1), 1),
    "many blocks": ((6, 20, 22, 16), (3, 3, 16, 36), (1, 1), (1, 1), (1, 1), (1, 1), 1),
    "few columns": ((2, 6, 6, 2), (3, 3, 2, 3), (1, 1), (0, 0), (0, 0), (1, 1), 1),
    "nothing": ((0, 6, 6, 8), (3, 3, 8, 8), (1, 1), (0, 0), (0, 0), (1, 1), 1),
}


@pytest.fixture(params=["none", "vectors", "tiles"])
def unit(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each unit as the cap; a processor without it runs the next lower one."""
    before = _core.dot_cap()
    _core.set_dot_cap(request.param)
    yield request.param
    _core.set_dot_cap(before)


def operands(name: str, dtype: str) -> tuple[Any, Any, Any, dict[str, Any]]:
    """x, kernel and a gradient of the result, rounded to `dtype`; the attributes."""
    x, kernel, strides, low, high, dilation, groups = GEOMETRIES[name]
    lengths, _ = windows.window_views(x[1:-1], kernel[: len(strides)], strides, low, high, dilation)
    rng = np.random.default_rng(len(name))
    arrays = [rng.uniform(-1, 1, s).astype("float32") for s in (x, kernel, (x[0], *lengths, kernel[-1]))]
    attrs = {"strides": strides, "padding_low": low, "padding_high": high, "dilation": dilation, "groups": groups}
    a, b, c = (chainrule.asarray(array).astype(dtype) for array in arrays)
    return a, b, c, attrs


def wide(x: Any) -> np.ndarray:
    return x.astype("float64").numpy()


def check(op: str, reference: Any, a: Any, b: Any, attrs: dict[str, Any], dtype: str) -> None:
    """Within one rounding of the result (unit roundoff u) of a float32 sum of up to some thousand terms."""
    u = 2.0**-8 if dtype == "bfloat16" else 2.0**-11
    exact, size = reference(wide(a), wide(b), **attrs), reference(np.abs(wide(a)), np.abs(wide(b)), **attrs)
    results = []
    for threads in (1, 2):
        chainrule.set_num_threads(threads)
        y = getattr(ops, op)(a, b, **attrs)
        assert y.dtype == dtype
        np.testing.assert_array_less(np.abs(wide(y) - exact), u * np.abs(exact) + 2.0**-19 * size + 1e-7)
        results.append(wide(y))
    np.testing.assert_array_equal(*results)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = chainrule.get_num_threads()
    yield
    chainrule.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_convolution_and_gradients(unit: str, name: str, dtype: str) -> None:
    x, kernel, g, attrs = operands(name, dtype)
    check("conv", windows.conv, x, kernel, attrs, dtype)
    check("conv_input_grad", windows.conv_input_grad, g, kernel, {"shape": x.shape, **attrs}, dtype)
    check("conv_kernel_grad", windows.conv_kernel_grad, x, g, {"shape": kernel.shape, **attrs}, dtype)


@pytest.mark.parametrize("activation", ["relu", "tanh", None])
@pytest.mark.parametrize("name", ["padded", "odd channels", "groups", "many blocks"])
def test_bias_and_activation_round_as_separate_ops(unit: str, name: str, activation: str | None) -> None:
    x, kernel, _, attrs = operands(name, "bfloat16")
    bias = chainrule.asarray(np.linspace(-1, 1, kernel.shape[-1], dtype="float32")).astype("bfloat16")

    def layer(x: Any, kernel: Any, bias: Any) -> Any:
        y = ops.conv(x, kernel, **attrs) + bias
        return y if activation is None else getattr(ops, activation)(y)

    fused = chainrule.jit(layer)
    eager = layer(x, kernel, bias)
    assert "conv_bias_act" in str(chainrule.explain(fused, x, kernel, bias))
    np.testing.assert_array_equal(wide(fused(x, kernel, bias)), wide(eager))

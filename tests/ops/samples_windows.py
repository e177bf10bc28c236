"""Samples of convolution and pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
import windows
from samples_elementwise import FORMULAS
from sampling import BIG, FLOATS, SAMPLES, Array, Case, Samples, case, generator

from chainrule import _core

_OPCODES = [name for name in _core.op_names() if _core.op_info(name)["elementwise"]]

# ---- convolution ---------------------------------------------------------------------------------------------------

_Geometry = tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]  # shapes of x and the kernel, attributes


def _geometry(
    x: tuple[int, ...], kernel: tuple[int, ...], strides: Any, low: Any, high: Any, dilation: Any, groups: int = 1
) -> _Geometry:
    attrs = {"strides": strides, "padding_low": low, "padding_high": high, "dilation": dilation, "groups": groups}
    return x, kernel, attrs


_CONVOLUTIONS = [
    _geometry((2, 5, 3), (3, 3, 4), (1,), (0,), (0,), (1,)),
    _geometry((1, 7, 2), (2, 2, 3), (2,), (1,), (2,), (2,)),
    _geometry((2, 5, 4, 2), (3, 2, 2, 3), (1, 1), (1, 0), (1, 1), (1, 1)),
    _geometry((1, 5, 6, 4), (3, 3, 2, 4), (2, 3), (1, 1), (0, 2), (1, 2), 2),  # groups
    _geometry((2, 4, 4, 3), (2, 3, 1, 3), (1, 1), (0, 1), (1, 1), (1, 1), 3),  # depthwise
    _geometry((1, 4, 3, 2), (1, 1, 2, 3), (1, 1), (0, 0), (0, 0), (1, 1)),  # a matrix product
    _geometry((1, 5, 5, 2), (1, 2, 2, 1), (3, 3), (0, 0), (0, 0), (1, 1)),  # cells that no window holds
    _geometry((1, 3, 3, 4, 2), (2, 2, 3, 2, 2), (1, 2, 1), (1, 0, 1), (0, 1, 1), (1, 1, 1)),
    _geometry((0, 4, 4, 2), (3, 3, 2, 2), (1, 1), (0, 0), (0, 0), (1, 1)),
]
_BIG_CONVOLUTION = _geometry((6, 20, 22, 16), (3, 3, 16, 36), (1, 1), (1, 1), (1, 1), (1, 1))


def _convolution_case(kind: str, geometry: _Geometry, **more: Any) -> Case:
    x, kernel, attrs = geometry
    rank = len(x) - 2
    lengths, _ = windows.window_views(x[1:-1], kernel[:rank], *(attrs[k] for k in list(attrs)[:4]))
    y = (x[0], *lengths, kernel[-1])
    rng = generator(f"{kind} {geometry}")
    shapes = {"conv": (x, kernel), "bias": (x, kernel, y[-1:]), "input_grad": (y, kernel), "kernel_grad": (x, y)}[kind]
    shape = {"input_grad": {"shape": x}, "kernel_grad": {"shape": kernel}}.get(kind, {})
    return case(*(rng.uniform(-1, 1, s) for s in shapes), **shape, **attrs, **more)


for _name, _kind, _reference in (
    ("conv", "conv", windows.conv),
    ("conv_input_grad", "input_grad", windows.conv_input_grad),
    ("conv_kernel_grad", "kernel_grad", windows.conv_kernel_grad),
):
    SAMPLES[_name] = Samples(
        _reference,
        [_convolution_case(_kind, geometry) for geometry in _CONVOLUTIONS],
        _convolution_case(_kind, _BIG_CONVOLUTION),
        FLOATS,
        gradients=(0, 1),
        tolerance=16,
    )


def conv_bias_act(x: Array, kernel: Array, bias: Array | None = None, activation: int = -1, **attrs: Any) -> Array:
    y = windows.conv(x, kernel, **attrs) + (0 if bias is None else bias)
    return y if activation < 0 else FORMULAS.get(_OPCODES[activation], getattr(np, _OPCODES[activation], None))(y)


SAMPLES["conv_bias_act"] = Samples(
    conv_bias_act,
    [
        _convolution_case("conv", _CONVOLUTIONS[2]),
        _convolution_case("bias", _CONVOLUTIONS[2], activation=_OPCODES.index("relu")),
        _convolution_case("bias", _CONVOLUTIONS[3], activation=_OPCODES.index("tanh")),
        _convolution_case("bias", _CONVOLUTIONS[4]),
        _convolution_case("bias", _CONVOLUTIONS[5], activation=_OPCODES.index("sigmoid")),
    ],
    _convolution_case("bias", _BIG_CONVOLUTION, activation=_OPCODES.index("sigmoid")),
    FLOATS,
    tolerance=16,
)

# ---- pooling -------------------------------------------------------------------------------------------------------

# Shape of x, window, strides, padding before and after.
_POOLS: list[tuple[tuple[int, ...], Any, Any, Any, Any]] = [
    ((2, 6, 3), (2,), (2,), (0,), (0,)),
    ((1, 5, 5, 2), (2, 2), (2, 2), (0, 0), (0, 0)),
    ((2, 5, 4, 3), (3, 2), (1, 2), (1, 0), (1, 1)),
    ((1, 7, 5, 17), (2, 3), (3, 1), (1, 2), (0, 2)),
    ((1, 3, 4, 3, 2), (2, 2, 2), (1, 2, 1), (0, 1, 0), (1, 0, 1)),
    ((0, 4, 4, 2), (2, 2), (2, 2), (0, 0), (0, 0)),
]


def _pool_case(name: str, shape: Any, window: Any, strides: Any, low: Any, high: Any) -> Case:
    attrs = {"window": window, "strides": strides, "padding_low": low, "padding_high": high}
    rng = generator(f"{name} {shape}")
    x = rng.permutation(int(np.prod(shape))).reshape(shape) / max(1, np.prod(shape))  # no two are nearly the same
    y = windows.max_pool(x, **attrs)
    if name in ("max_pool", "avg_pool"):
        return case(x, **attrs)
    if name == "avg_pool_grad":
        return case(rng.uniform(-1, 1, y.shape), shape=shape, **attrs)
    y = windows.max_pool(x.astype("float32").astype("float64"), **attrs)
    x = x.astype("float32").astype("float64")  # so that y is found in x in both dtypes
    return case(x, y, rng.uniform(-1, 1, (y if name == "max_pool_grad" else x).shape), **attrs)


for _name, _which in (
    ("max_pool", (0,)),
    ("max_pool_grad", (2,)),
    ("max_pool_pick", (2,)),
    ("avg_pool", (0,)),
    ("avg_pool_grad", (0,)),
):
    SAMPLES[_name] = Samples(
        getattr(windows, _name),
        [_pool_case(_name, *geometry) for geometry in _POOLS],
        _pool_case(_name, (9, 31, 30, 20), (3, 3), (2, 2), (1, 0), (1, 1)),
        FLOATS,
        gradients=_which,
    )

# ---- resampling ----------------------------------------------------------------------------------------------------

_FIRST = np.array([0, 1, 1, 3], "int64")
_WEIGHTS = generator("weights").uniform(-1, 1, (4, 2))
_MANY_FIRST = generator("first").integers(0, 38, 70)
_MANY_WEIGHTS = generator("more weights").uniform(-1, 1, (70, 3))


def _matrix(first: Array, weights: Array, length: int) -> Array:
    matrix = np.zeros((len(first), length), weights.dtype)
    for row, (begin, line) in enumerate(zip(first, weights, strict=True)):
        matrix[row, begin : begin + len(line)] = line
    return matrix


def resample(x: Array, first: Array, weights: Array, axis: int) -> Array:
    return np.moveaxis(np.tensordot(_matrix(first, weights, x.shape[axis]), x, (1, axis)), 0, axis)


def resample_grad(g: Array, first: Array, weights: Array, axis: int, length: int) -> Array:
    return np.moveaxis(np.tensordot(_matrix(first, weights, length).T, g, (1, axis)), 0, axis)


SAMPLES["resample"] = Samples(
    resample,
    [
        case(generator("a").uniform(-1, 1, (2, 5, 3)), _FIRST, _WEIGHTS, axis=1),
        case(generator("b").uniform(-1, 1, (2, 6)), _FIRST, _WEIGHTS, axis=-1),
        case(generator("c").uniform(-1, 1, (5, 2, 0)), _FIRST, _WEIGHTS, axis=0),
    ],
    case(BIG, _MANY_FIRST, _MANY_WEIGHTS, axis=0),
    FLOATS,
    data=(0, 2),
    gradients=(0,),
    tolerance=4,
)
SAMPLES["resample_grad"] = Samples(
    resample_grad,
    [
        case(generator("a").uniform(-1, 1, (2, 4, 3)), _FIRST, _WEIGHTS, axis=1, length=5),
        case(generator("b").uniform(-1, 1, (4,)), _FIRST, _WEIGHTS, axis=-1, length=7),
    ],
    case(generator("c").uniform(-1, 1, (70, 50, 60)), _MANY_FIRST, _MANY_WEIGHTS, axis=0, length=40),
    FLOATS,
    data=(0, 2),
    gradients=(0,),
    tolerance=8,
)

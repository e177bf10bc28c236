"""Samples of reductions, matrix products, softmax and its losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from samples_elementwise import FORMULAS
from sampling import ALL, FLOATS, NUMBERS, SAMPLES, Array, Case, Samples, along_cases, case, generator
from scipy import special

from chainrule import _core

# ---- reductions ----------------------------------------------------------------------------------------------------


def reduction_cases(name: str) -> list[Case]:
    rng = generator(name)
    x = rng.uniform(0.4, 2, (2, 3, 4))
    return [
        case(x),
        case(x, axis=0),
        case(x, axis=(1,), keepdims=True),
        case(x, axis=-1),
        case(x, axis=(0, 2)),
        case(x, axis=(2, 0, 1), keepdims=True),
        case(x, axis=()),
        case(rng.uniform(0.4, 2, (2, 1, 3, 1, 2)), axis=(1, 2)),
        case(rng.uniform(0.4, 2, (2, 3, 2, 2)), axis=(1, 3)),
        case(rng.uniform(0.4, 2, ())),
        case(rng.uniform(0.4, 2, (3, 0)), axis=0),
    ]


def reduction(name: str, reference: Callable[..., Any], dtypes: tuple[str, ...], differentiable: bool) -> None:
    rng = generator(name)
    SAMPLES[name] = Samples(
        reference,
        reduction_cases(name),
        case(rng.uniform(0.8, 1.2, (40, 30, 200)), axis=1 if name == "prod" else (0, 2)),
        dtypes,
        gradients=(0,) if differentiable else (),
        tolerance=4,
    )


reduction("sum", np.sum, ALL, True)
reduction("mean", np.mean, ALL, True)
reduction("prod", np.prod, ALL, True)
reduction("max", np.max, ALL, True)
reduction("min", np.min, ALL, True)
reduction("any", np.any, ALL, False)
reduction("all", np.all, ALL, False)
reduction("logsumexp", special.logsumexp, FLOATS, True)

SAMPLES["variance"] = Samples(
    lambda x, axis=None, keepdims=False, ddof=0.0: np.var(x, axis, keepdims=keepdims, ddof=ddof),
    [
        *reduction_cases("variance"),
        case(generator("variance").uniform(0.4, 2, (3, 5)), axis=1, ddof=1.5),
    ],
    case(generator("variance").uniform(0.4, 2, (40, 30, 200)), axis=(0, 2)),
    ALL,
    gradients=(0,),
    tolerance=8,
)


for _name in ("argmax", "argmin"):
    _x = generator(_name).integers(0, 100, (3, 40, 300)).astype("float64")
    SAMPLES[_name] = Samples(
        getattr(np, _name), [*along_cases(_name)[:5], case(_x[0], axis=0, keepdims=True)], case(_x, axis=1), ALL
    )
for _name in ("cumsum", "cumprod"):
    _x = generator(_name).uniform(0.99, 1.01, (50, 30, 40))
    SAMPLES[_name] = Samples(
        getattr(np, _name), along_cases(_name), case(_x, axis=1), NUMBERS, gradients=(0,), tolerance=20
    )


def linear_recurrence(a: Array, b: Array, axis: int) -> Array:
    a, s = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0).copy()
    for i in range(1, len(s)):
        s[i] += a[i] * s[i - 1]
    return np.moveaxis(s, 0, axis)


def _recurrence_case(shape: tuple[int, ...], axis: int) -> Case:
    rng = generator("linear_recurrence")
    return case(rng.uniform(-1, 1, shape), rng.uniform(-1, 1, shape), axis=axis)


SAMPLES["linear_recurrence"] = Samples(
    linear_recurrence,
    [_recurrence_case((5,), 0), _recurrence_case((2, 3, 4), 1), _recurrence_case((2, 3), -1)],
    _recurrence_case((50, 30, 40), 1),
    FLOATS,
    gradients=(0, 1),
    tolerance=20,
)


# ---- matrix products -----------------------------------------------------------------------------------------------


def product_case(*shapes: tuple[int, ...], **attrs: Any) -> Case:
    rng = generator(str(shapes))
    return case(*(rng.uniform(-1.5, 1.5, shape) for shape in shapes), **attrs)


SAMPLES["matmul"] = Samples(
    np.matmul,
    [
        product_case((3, 4), (4, 5)),
        product_case((4,), (4,)),
        product_case((4,), (4, 3)),
        product_case((3, 4), (4,)),
        product_case((2, 3, 4), (4, 2)),
        product_case((2, 1, 4), (4,)),
        product_case((4,), (2, 4, 3)),
        product_case((2, 3, 4), (2, 4, 2)),
        product_case((2, 1, 2, 3), (3, 3, 2)),
        product_case((3, 0), (0, 2)),
        product_case((0, 3), (3, 2)),
    ],
    product_case((130, 90), (90, 110)),
    ALL,
    gradients=(0, 1),
    tolerance=8,
    same_bits=False,
)

_OPCODES = [name for name in _core.op_names() if _core.op_info(name)["elementwise"]]


def apply_opcode(opcode: int, *arguments: Array) -> Array:
    return FORMULAS.get(_OPCODES[opcode], getattr(np, _OPCODES[opcode], None))(*arguments)


def matmul_bias_act(
    a: Array,
    b: Array,
    bias: Array | None = None,
    d: Array | None = None,
    activation: int = -1,
    combine: int = -1,
    combine_place: int = 0,
) -> Array:
    y = a @ b if bias is None else a @ b + bias
    if activation >= 0:
        y = apply_opcode(activation, y)
    return y if d is None else apply_opcode(combine, *((d, y) if combine_place else (y, d)))


def combined_case(a: tuple[int, ...], b: tuple[int, ...], op: str, place: int = 0, **attrs: Any) -> Case:
    rng = generator(f"{a} {b} {op}")
    x, y, bias = (rng.uniform(-1.5, 1.5, shape) for shape in (a, b, b[-1:]))
    d = rng.uniform(-1.5, 1.5, (x @ y).shape)
    return case(x, y, bias, d, combine=_OPCODES.index(op), combine_place=place, **attrs)


SAMPLES["matmul_bias_act"] = Samples(
    matmul_bias_act,
    [
        product_case((3, 4), (4, 5)),
        product_case((3, 4), (4, 5), (5,)),
        product_case((3, 4), (4, 5), activation=_OPCODES.index("relu")),
        product_case((2, 3, 4), (4, 5), (5,), activation=_OPCODES.index("tanh")),
        combined_case((3, 4), (4, 5), "add"),
        combined_case((3, 4), (4, 5), "relu_grad", 1),
        combined_case((2, 3, 4), (4, 5), "subtract", 1, activation=_OPCODES.index("tanh")),
        combined_case((3, 2, 3, 4), (2, 4, 5), "subtract", activation=_OPCODES.index("relu")),
        combined_case((140, 300), (300, 50), "multiply"),
    ],
    product_case((130, 90), (90, 110), (110,), activation=_OPCODES.index("sigmoid")),
    FLOATS,
    tolerance=8,
)


def bytes_case(*shapes: tuple[int, ...], kind: str = "int8") -> Case:
    rng = generator(f"bytes {shapes} {kind}")
    a, b = (
        rng.integers(np.iinfo(t).min, np.iinfo(t).max + 1, s).astype(t)
        for t, s in zip((kind, "int8"), shapes, strict=True)
    )
    return case(a, b)


SAMPLES["int8_matmul"] = Samples(
    lambda a, b: np.matmul(a.astype("int32"), b.astype("int32")),
    [
        bytes_case((3, 4), (4, 5)),
        bytes_case((4,), (4,)),
        bytes_case((2, 3, 4), (4, 2), kind="uint8"),
        bytes_case((2, 1, 2, 3), (3, 3, 2)),
        bytes_case((3, 0), (0, 2)),
    ],
    bytes_case((130, 700), (700, 110)),
    ("int8",),
    data=(),
)


# ---- softmax and losses --------------------------------------------------------------------------------------------


def softmax_grad(y: Array, g: Array, axis: int = -1) -> Array:
    return y * (g - np.sum(g * y, axis, keepdims=True))


def log_softmax_grad(y: Array, g: Array, axis: int = -1) -> Array:
    return g - np.exp(y) * np.sum(g, axis, keepdims=True)


def _rows(name: str, count: int, low: float = -3.0) -> tuple[list[Case], Case]:
    rng = generator(name)

    def draw(*shape: int, axis: int = -1) -> Case:
        return case(*(rng.uniform(low, 3 if low < 0 else 1, shape) for _ in range(count)), axis=axis)

    return [draw(3, 5), draw(2, 3, 4, axis=1), draw(4, 2, axis=0), draw(7), draw(0, 3)], draw(40, 30, 50, axis=1)


def _row_op(name: str, reference: Callable[..., Any], count: int, low: float = -3.0) -> None:
    cases, big = _rows(name, count, low)
    SAMPLES[name] = Samples(reference, cases, big, FLOATS, gradients=tuple(range(count)), tolerance=4)


_row_op("softmax", lambda x, axis=-1: special.softmax(x, axis), 1)
_row_op("log_softmax", lambda x, axis=-1: special.log_softmax(x, axis), 1)
_row_op("softmax_grad", softmax_grad, 2, 0.0)
_row_op("log_softmax_grad", log_softmax_grad, 2)


def _one_hot(labels: Array, classes: int) -> Array:
    return (labels[..., None] == np.arange(classes)).astype("float64")


def _cross_entropy(logits: Array, targets: Array) -> Array:
    return -np.sum(targets * special.log_softmax(logits, -1), -1)


def _cross_entropy_grad(p: Array, targets: Array, g: Array) -> Array:
    return (p * np.sum(targets, -1, keepdims=True) - targets) * g[..., None]


def _loss_case(*shape: int, sparse: bool, gradient: bool) -> Case:
    rng = generator(f"loss {shape}")
    logits, targets = rng.uniform(-3, 3, shape), rng.uniform(0, 1, shape)
    labels = rng.integers(0, shape[-1], shape[:-1])
    inputs = [special.softmax(logits, -1) if gradient else logits, labels if sparse else targets]
    return case(*inputs, *([rng.uniform(-1, 1, shape[:-1])] if gradient else []))


for _name, _sparse, _gradient, _reference in (
    ("sparse_softmax_cross_entropy", True, False, lambda x, t: _cross_entropy(x, _one_hot(t, x.shape[-1]))),
    ("softmax_cross_entropy", False, False, _cross_entropy),
    (
        "sparse_softmax_cross_entropy_grad",
        True,
        True,
        lambda p, t, g: _cross_entropy_grad(p, _one_hot(t, p.shape[-1]), g),
    ),
    ("softmax_cross_entropy_grad", False, True, _cross_entropy_grad),
):
    _floats = tuple(i for i in range(3 if _gradient else 2) if not (_sparse and i == 1))
    SAMPLES[_name] = Samples(
        _reference,
        [_loss_case(*shape, sparse=_sparse, gradient=_gradient) for shape in ((3, 5), (2, 2, 3), (4,), (0, 3))],
        _loss_case(1500, 40, sparse=_sparse, gradient=_gradient),
        FLOATS,
        data=_floats,
        gradients=_floats,
        tolerance=4,
    )

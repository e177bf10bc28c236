"""Samples of the elementwise ops: one rule for all lines of cpp/kernels/elementwise.def."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sampling import ALL, BOOL, FLOATS, INTEGERS, NUMBERS, SAMPLES, Case, Samples, generator
from scipy import special

from chainrule import _core

# ---- elementwise ---------------------------------------------------------------------------------------------------

# Where the inputs of float ops lie, if not in (-2, 2): a range for each.
DOMAINS: dict[str, tuple[tuple[float, float], ...]] = {
    "divide": ((-2, 2), (0.5, 2)),
    "floor_divide": ((-8, 8), (1, 3)),
    "remainder": ((-8, 8), (1.5, 3)),
    "fmod": ((-8, 8), (1.5, 3)),
    "power": ((0.3, 2), (0.5, 3)),
    "reciprocal": ((0.5, 2),),
    "sqrt": ((0.3, 4),),
    "rsqrt": ((0.3, 4),),
    "cbrt": ((0.3, 4),),
    "log": ((0.3, 4),),
    "log2": ((0.3, 4),),
    "log10": ((0.3, 4),),
    "log1p": ((-0.7, 4),),
    "tan": ((-1.2, 1.2),),
    "arcsin": ((-0.9, 0.9),),
    "arccos": ((-0.9, 0.9),),
    "arccosh": ((1.2, 4),),
    "arctanh": ((-0.9, 0.9),),
    "elu": ((-2, 2), (0.5, 1.5)),
    "leaky_relu": ((-2, 2), (0.1, 0.5)),
}

FORMULAS: dict[str, Callable[..., Any]] = {
    "rsqrt": lambda a: 1 / np.sqrt(a),
    "erf": special.erf,
    "erfc": special.erfc,
    "sigmoid": special.expit,
    "relu": lambda a: np.maximum(a, 0),
    "relu_grad": lambda a, b: np.where(a > 0, b, 0),
    "softplus": lambda a: np.logaddexp(0, a),
    "silu": lambda a: a * special.expit(a),
    "gelu": lambda a: a * special.ndtr(a),
    "elu": lambda a, b: np.where(a > 0, a, b * np.expm1(a)),
    "leaky_relu": lambda a, b: np.where(a > 0, a, b * a),
}

# The dtypes each op is native to; every other elementwise op computes in floats.
NATIVE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("add", "multiply", "absolute", "maximum", "minimum", "fmax", "fmin", "where")
        + ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
        + ("logical_and", "logical_or", "logical_xor", "logical_not", "floor", "ceil", "trunc"),
        ALL,
    ),
    **dict.fromkeys(
        ("subtract", "floor_divide", "remainder", "fmod", "power", "negative", "sign", "square", "relu"),
        NUMBERS,
    ),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor", "invert"), BOOL + INTEGERS),
    **dict.fromkeys(("left_shift", "right_shift"), INTEGERS),
}


def elementwise_samples(name: str, arity: int, differentiable: bool) -> Samples:
    rng = generator(name)
    select = name == "where"

    def draw(*shapes: tuple[int, ...]) -> Case:
        inputs = []
        for i, shape in enumerate(shapes):
            if select and i == 0:
                inputs.append(rng.random(shape) < 0.5)
                continue
            low, high = DOMAINS.get(name, ((-2, 2),) * arity)[i - select if name not in DOMAINS else i]
            if "float64" not in NATIVE.get(name, FLOATS):
                inputs.append(rng.integers(1, 7, shape).astype("int64"))
            else:
                inputs.append(rng.uniform(low, high, shape))
        return Case(tuple(inputs))

    if arity == 1:
        cases = [draw((3, 5)), draw(()), draw((2, 0))]
    elif arity == 2:
        cases = [
            draw((3, 5), (3, 5)),
            draw((3, 5), (5,)),
            draw((2, 1, 3), (4, 1)),
            draw((4,), ()),
            draw((0, 3), (1, 3)),
        ]
    else:
        cases = [draw((3, 5), (3, 5), (3, 5)), draw((5,), (3, 1), ())]
    return Samples(
        FORMULAS.get(name) or getattr(np, name),
        cases,
        draw(*((70_001,),) * arity),
        NATIVE.get(name, FLOATS),
        data=(1, 2) if select else None,
        gradients=tuple(range(1 if select else 0, arity)) if differentiable else (),
    )


for _name in _core.op_names():
    _info = _core.op_info(_name)
    if _info["elementwise"]:
        SAMPLES[_name] = elementwise_samples(_name, len(_info["tensors"]), _info["differentiable"])

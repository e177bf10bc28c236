"""For every op of the core: example calls and what NumPy (or SciPy, or the formula) says they give.

A new op needs an entry in SAMPLES; test_every_op.py does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from chainrule import _core

Array = NDArray[Any]

BOOL = ("bool",)
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
FLOATS = ("float32", "float64")
NUMBERS = INTEGERS + FLOATS
ALL = BOOL + NUMBERS


@dataclass(frozen=True)
class Case:
    """One call: its inputs (float64, or the dtype they must have) and its attributes."""

    inputs: tuple[Array, ...]
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Samples:
    """What the tests need to know of an op.

    reference   the same call in NumPy; gives an array or a tuple of arrays: in place, the changed inputs.
    cases       small calls, for values and gradients.
    big         a call large enough for several threads.
    dtypes      dtypes that the inputs `data` may have; all of them get the same one.
    data        inputs that take those dtypes; None: all. The others keep the dtype of the sample.
    gradients   inputs with a derivative, for float dtypes.
    mutated     inputs that are changed in place.
    tolerance   of the values, relative to their size, in units of a few roundings; more for long sums and products.
    narrow      the reference works on float32 itself, not on the same values in float64.
    same_bits   whether strided inputs give the same bits; matrix times vector adds in the order that is fast.
    """

    reference: Callable[..., Any]
    cases: Sequence[Case]
    big: Case | None = None
    dtypes: tuple[str, ...] = NUMBERS
    data: tuple[int, ...] | None = None
    gradients: tuple[int, ...] = ()
    mutated: tuple[int, ...] = ()
    tolerance: float = 1.0
    narrow: bool = False
    same_bits: bool = True


def generator(text: str) -> np.random.Generator:
    return np.random.default_rng(list(text.encode()))


def case(*inputs: Any, **attrs: Any) -> Case:
    return Case(tuple(np.asarray(x) for x in inputs), attrs)


SAMPLES: dict[str, Samples] = {}


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
    "rint": lambda a: np.rint(a).astype(a.dtype),  # NumPy makes floats of whole numbers
    "rsqrt": lambda a: 1 / np.sqrt(a),
    "erf": special.erf,
    "erfc": special.erfc,
    "sigmoid": special.expit,
    "relu": lambda a: np.maximum(a, 0),
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
        + ("logical_and", "logical_or", "logical_xor", "logical_not"),
        ALL,
    ),
    **dict.fromkeys(
        ("subtract", "floor_divide", "remainder", "fmod", "power", "negative", "sign", "square", "relu")
        + ("floor", "ceil", "rint", "trunc"),
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


def along_cases(name: str) -> list[Case]:
    rng = generator(name)
    x = rng.permutation(np.arange(24.0)).reshape(2, 3, 4) / 8
    return [case(x), case(x, axis=0), case(x, axis=1), case(x, axis=-1), case(x[:, 0, 0], axis=0), case(x[:0], axis=1)]


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


def matmul_bias_act(a: Array, b: Array, bias: Array | None = None, activation: int = -1) -> Array:
    y = a @ b if bias is None else a @ b + bias
    return y if activation < 0 else FORMULAS.get(_OPCODES[activation], getattr(np, _OPCODES[activation], None))(y)


SAMPLES["matmul_bias_act"] = Samples(
    matmul_bias_act,
    [
        product_case((3, 4), (4, 5)),
        product_case((3, 4), (4, 5), (5,)),
        product_case((3, 4), (4, 5), activation=_OPCODES.index("relu")),
        product_case((2, 3, 4), (4, 5), (5,), activation=_OPCODES.index("tanh")),
    ],
    product_case((130, 90), (90, 110), (110,), activation=_OPCODES.index("sigmoid")),
    FLOATS,
    tolerance=8,
)


# ---- views and moves -----------------------------------------------------------------------------------------------

_X = np.arange(24.0).reshape(2, 3, 4)
_BIG = generator("moves").uniform(-1, 1, (40, 50, 60))


def slice_(x: Array, starts: Any, stops: Any, steps: Any) -> Array:
    return x[tuple(slice(a, None if b == -1 and c < 0 else b, c) for a, b, c in zip(starts, stops, steps, strict=True))]


def slice_grad(g: Array, shape: Any, starts: Any, steps: Any) -> Array:
    out = np.zeros(shape, g.dtype)
    places = [a + c * np.arange(n) for a, c, n in zip(starts, steps, g.shape, strict=True)]
    out[np.ix_(*places)] = g
    return out


def slice_update(x: Array, value: Array, starts: Any, stops: Any, steps: Any) -> Array:
    out = x.copy()
    slice_(out, starts, stops, steps)[...] = value
    return out


def pad(x: Array, before: Any, after: Any, value: float = 0.0) -> Array:
    out = np.full([b + n + a for b, n, a in zip(before, x.shape, after, strict=True)], value).astype(x.dtype)
    out[tuple(slice(b, b + n) for b, n in zip(before, x.shape, strict=True))] = x
    return out


SAMPLES["reshape"] = Samples(
    lambda x, shape: np.reshape(x, shape),
    [case(_X, shape=(6, 4)), case(_X, shape=-1), case(_X, shape=(4, -1, 2)), case(_X[:1, 1, 1], shape=())],
    case(_BIG, shape=(50, 2400)),
    ALL,
    gradients=(0,),
)
SAMPLES["transpose"] = Samples(
    np.transpose,
    [case(_X), case(_X, axes=(1, 2, 0)), case(_X, axes=(0, -1, 1)), case(_X[0, 0, 0])],
    case(_BIG),
    ALL,
    gradients=(0,),
)
SAMPLES["broadcast_to"] = Samples(
    np.broadcast_to,
    [case(_X[0], shape=(2, 3, 4)), case(_X[:, :1], shape=(5, 2, 3, 4)), case(_X[0, 0, 0], shape=(2, 2))],
    case(_BIG[0], shape=(40, 50, 60)),
    ALL,
    gradients=(0,),
)
SAMPLES["slice"] = Samples(
    slice_,
    [
        case(_X, starts=(0, 1, 0), stops=(2, 3, 4), steps=(1, 1, 2)),
        case(_X, starts=(1, 2, 3), stops=(-1, -1, 0), steps=(-1, -2, -2)),
        case(_X, starts=(0, 0, 2), stops=(2, 3, 2), steps=(1, 1, 1)),
    ],
    case(_BIG, starts=(1, 49, 0), stops=(40, 0, 60), steps=(1, -1, 1)),
    ALL,
    gradients=(0,),
)
SAMPLES["expand_dims"] = Samples(
    np.expand_dims,
    [case(_X, axis=0), case(_X, axis=(1, -1)), case(_X[0, 0, 0], axis=0)],
    case(_BIG, axis=1),
    ALL,
    gradients=(0,),
)
SAMPLES["squeeze"] = Samples(
    np.squeeze,
    [case(_X[:1, :, :1]), case(_X[:1, :, :1], axis=0), case(_X[:1, :, :1], axis=(0, -1)), case(_X)],
    case(_BIG[:, :, None]),
    ALL,
    gradients=(0,),
)
SAMPLES["flip"] = Samples(
    np.flip,
    [case(_X), case(_X, axis=1), case(_X, axis=(0, -1)), case(_X[:, :0])],
    case(_BIG, axis=1),
    ALL,
    gradients=(0,),
)
SAMPLES["copy"] = Samples(np.copy, [case(_X), case(_X[0, 0, 0]), case(_X[:0])], case(_BIG), ALL, gradients=(0,))
SAMPLES["cast"] = Samples(
    lambda x, dtype: x.astype(dtype),
    [case(_X, dtype=dtype) for dtype in ("float32", "float64", "int8", "uint16", "int64", "bool")],
    case(_BIG, dtype="float32"),
    ALL,
    gradients=(0,),
)
SAMPLES["concatenate"] = Samples(
    lambda *tensors, axis=0: np.concatenate(tensors, axis),
    [case(_X, _X[:1], _X[1:]), case(_X, _X[:, :1], _X[:, :0], axis=1), case(_X, axis=-1)],
    case(_BIG, _BIG[:, :, :7], axis=2),
    ALL,
    gradients=(0, 1, 2),
)
SAMPLES["stack"] = Samples(
    lambda *tensors, axis=0: np.stack(tensors, axis),
    [case(_X, -_X), case(_X, _X * 2, axis=-1), case(_X[0, 0, 0], _X[0, 0, 1]), case(_X, _X, axis=1)],
    case(_BIG, -_BIG, axis=1),
    FLOATS + SIGNED,
    gradients=(0, 1),
)
SAMPLES["pad"] = Samples(
    pad,
    [
        case(_X, before=(1, 0, 2), after=(0, 1, 1)),
        case(_X, before=(0, 0, 0), after=(0, 0, 1), value=3.0),
        case(_X[0, 0, 0], before=(), after=()),
        case(_X[:, :0], before=(1, 1, 1), after=(0, 1, 0), value=1.0),
    ],
    case(_BIG, before=(1, 2, 3), after=(3, 2, 1), value=1.0),
    ALL,
    gradients=(0,),
)
SAMPLES["slice_grad"] = Samples(
    slice_grad,
    [
        case(_X, shape=(4, 3, 8), starts=(1, 2, 0), steps=(2, -1, 2)),
        case(_X[:, :, :1], shape=(2, 5, 3), starts=(1, 0, 2), steps=(-1, 2, -1)),
    ],
    case(_BIG, shape=(40, 101, 60), starts=(0, 100, 0), steps=(1, -2, 1)),
    ALL,
    gradients=(0,),
)
SAMPLES["slice_update"] = Samples(
    slice_update,
    [
        case(_X, -_X[:, 1:, ::2], starts=(0, 1, 0), stops=(2, 3, 4), steps=(1, 1, 2)),
        case(_X, -_X[:1, :1, :2], starts=(1, 2, 3), stops=(0, 1, 0), steps=(-1, -1, -2)),
    ],
    case(_BIG, -_BIG[1:], starts=(1, 49, 0), stops=(40, -1, 60), steps=(1, -1, 1)),
    FLOATS + SIGNED,
    gradients=(0, 1),
)


# ---- indices -------------------------------------------------------------------------------------------------------

_I = np.array([[2, 0, -1], [1, 1, -3]])
_J = np.array([0, 3, -1])
_MANY = generator("indices").integers(-40, 40, (90,))


def scatter(shape: Any, places: tuple[Any, ...], values: Array) -> Array:
    out = np.zeros(shape, values.dtype)
    np.add.at(out, places, values)
    return out


def take_grad(g: Array, indices: Array, shape: Any, axis: int = 0) -> Array:
    return scatter(shape, (slice(None),) * (axis % len(shape)) + (indices,), g)


def index_add(x: Array, values: Array, *indices: Array) -> Array:
    out = x.copy()
    np.add.at(out, indices, values)
    return out


def put_along_axis_add(x: Array, indices: Array, values: Array, axis: int) -> Array:
    out = x.copy()
    shape = [indices.shape[i] if i == axis % x.ndim else x.shape[i] for i in range(x.ndim)]
    places = list(np.indices(shape, sparse=True))
    places[axis] = np.broadcast_to(indices, shape)
    np.add.at(out, tuple(places), np.broadcast_to(values, shape))
    return out


SAMPLES["take"] = Samples(
    lambda x, indices, axis=0: np.take(x, indices, axis),
    [
        case(_X, _I % 2),
        case(_X, _I, axis=1),
        case(_X, _J.astype("int8"), axis=-1),
        case(_X, np.array(2), axis=1),
        case(_X, np.zeros((0, 2), int), axis=1),
    ],
    case(_BIG, _MANY, axis=0),
    ALL,
    data=(0,),
    gradients=(0,),
)
SAMPLES["take_grad"] = Samples(
    take_grad,
    [
        case(generator("a").uniform(-1, 1, (2, 3, 5)), _I, shape=(4, 5)),
        case(generator("b").uniform(-1, 1, (3, 2, 3)), _I, shape=(3, 4), axis=1),
    ],
    case(generator("c").uniform(-1, 1, (90, 50, 60)), _MANY, shape=(40, 50, 60)),
    NUMBERS,
    data=(0,),
    gradients=(0,),
    tolerance=4,
)
SAMPLES["index"] = Samples(
    lambda x, *indices: x[indices],
    [case(_X, _I % 2), case(_X, _J % 2, _J % 3), case(_X, _I[:, :1] % 2, _I, _I.astype("uint8") % 4)],
    case(_BIG, _MANY, _MANY),
    ALL,
    data=(0,),
    gradients=(0,),
)
SAMPLES["index_grad"] = Samples(
    lambda g, *indices, shape: scatter(shape, indices, g),
    [
        case(generator("a").uniform(-1, 1, (2, 3, 5)), _I, shape=(4, 5)),
        case(generator("b").uniform(-1, 1, (2, 3)), _I, _I[:, :1], shape=(3, 4)),
    ],
    case(generator("c").uniform(-1, 1, (90, 60)), _MANY, _MANY, shape=(40, 50, 60)),
    NUMBERS,
    data=(0,),
    gradients=(0,),
    tolerance=4,
)
SAMPLES["index_add"] = Samples(
    index_add,
    [
        case(_X, generator("a").uniform(-1, 1, (3, 3, 4)), _J % 2),
        case(_X, generator("b").uniform(-1, 1, (4,)), _J % 2, _J % 3),
        case(_X[0], np.array(1.5), _I, _J),
    ],
    case(_BIG, generator("c").uniform(-1, 1, (90, 50, 60)), _MANY),
    NUMBERS,
    data=(0, 1),
    gradients=(0, 1),
    tolerance=4,
)
SAMPLES["take_along_axis"] = Samples(
    np.take_along_axis,
    [
        case(_X, _I.reshape(2, 3, 1), axis=1),
        case(_X, _I.reshape(2, 3, 1), axis=-1),
        case(_X, _J.reshape(1, 1, 3), axis=2),
        case(_X[:, 0], np.array([[0, 1, 1, -1]]), axis=0),
    ],
    case(_BIG, np.broadcast_to(_MANY[:, None, None] % 40, (90, 50, 60)), axis=0),
    ALL,
    data=(0,),
    gradients=(0,),
)
SAMPLES["put_along_axis_add"] = Samples(
    put_along_axis_add,
    [
        case(_X, _I.reshape(2, 3, 1), generator("a").uniform(-1, 1, (2, 3, 1)), axis=-1),
        case(_X, _I[:1].reshape(1, 1, 3), generator("b").uniform(-1, 1, (2, 3, 3)), axis=2),
        case(_X[:, 0], np.array([[0, 1, 1, -1]] * 3), np.array(0.5), axis=0),
    ],
    case(_BIG, _MANY.reshape(1, 90, 1) % 50, generator("c").uniform(-1, 1, (40, 90, 60)), axis=1),
    NUMBERS,
    data=(0, 2),
    gradients=(0, 2),
    tolerance=4,
)
SAMPLES["one_hot"] = Samples(
    lambda indices, depth, dtype="float32": (np.asarray(indices)[..., None] == np.arange(depth)).astype(dtype),
    [case(_I, depth=3), case(np.array(1), depth=2, dtype="float64"), case(_J, depth=4, dtype="int32")],
    case(generator("d").integers(-2, 12, (9000,)), depth=10),
    INTEGERS,
)

_DRAWN = generator("sort").permutation(np.arange(60000.0)).reshape(3, 200, 100)
SAMPLES["sort"] = Samples(np.sort, along_cases("sort"), case(_DRAWN, axis=1), ALL, gradients=(0,))
SAMPLES["argsort"] = Samples(
    lambda x, axis=-1: np.argsort(x, axis, kind="stable"),
    [*along_cases("argsort"), case(generator("t").integers(0, 3, (4, 40)).astype("float64"))],
    case(_DRAWN // 7, axis=1),
    ALL,
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


# ---- random numbers: the layout of base/philox.h and kernels/random.cpp --------------------------------------------

_KEY = np.array([0x123456789ABCDEF, 7], "uint64")


def philox_words(key: Array, count: int) -> Array:
    """The first `count` 32-bit words of stream (seed, counter), Philox 4x32-10 of Salmon et al., 2011."""
    seed, counter = int(key[0]), int(key[1])
    low = 0xFFFFFFFF
    words = []
    for block in range(-(-count // 4)):
        c = [block & low, block >> 32, counter & low, counter >> 32]
        k = [seed & low, seed >> 32]
        for _ in range(10):
            p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(q >> 32) ^ c[1] ^ k[0], q & low, (p >> 32) ^ c[3] ^ k[1], p & low]
            k = [(k[0] + 0x9E3779B9) & low, (k[1] + 0xBB67AE85) & low]
        words += c
    return np.array(words[:count], "uint64")


def random_bits(key: Array, shape: Any) -> Array:
    words = philox_words(key, 2 * int(np.prod(shape)))
    return (words[::2] | words[1::2] << np.uint64(32)).reshape(shape)


def _fractions(key: Array, shape: Any, dtype: str) -> tuple[Array, int]:
    """Random whole numbers, and how many bits they have."""
    if dtype == "float32":
        return philox_words(key, int(np.prod(shape))).reshape(shape), 32
    return random_bits(key, shape) >> np.uint64(11), 53


def random_uniform(key: Array, shape: Any, dtype: str = "float32") -> Array:
    whole, bits = _fractions(key, shape, dtype)
    drop = bits - 24 if dtype == "float32" else 0
    return ((whole >> np.uint64(drop)).astype("float64") * 2.0 ** (drop - bits)).astype(dtype)


def random_normal(key: Array, shape: Any, dtype: str = "float32") -> Array:
    whole, bits = _fractions(key, shape, dtype)
    return special.ndtri((whole.astype("float64") + 0.5) * 2.0**-bits).astype(dtype)


def dropout(x: Array, key: Array, rate: float) -> Array:
    keep = random_uniform(key, x.shape, "float32" if x.dtype == np.float32 else "float64") >= rate
    return np.where(keep, x / (1 - rate) if rate < 1 else 0 * x, 0).astype(x.dtype)


def advance_key(key: Array) -> Array:
    return key + np.array([0, 1], "uint64")


for _name, _reference in (("random_uniform", random_uniform), ("random_normal", random_normal)):
    SAMPLES[_name] = Samples(
        _reference,
        [case(_KEY, shape=shape, dtype=dtype) for shape in ((3, 5), (), (0, 2)) for dtype in FLOATS],
        case(_KEY, shape=(12_001,)),
        ("uint64",),
        tolerance=16,
    )
SAMPLES["random_bits"] = Samples(
    random_bits, [case(_KEY, shape=(3, 5)), case(_KEY, shape=())], case(_KEY, shape=(12_001,)), ("uint64",)
)
SAMPLES["dropout"] = Samples(
    dropout,
    [case(_X + 1, _KEY, rate=rate) for rate in (0.0, 0.3, 1.0)],
    case(_BIG[:10], _KEY, rate=0.4),
    FLOATS,
    data=(0,),
    gradients=(0,),
    narrow=True,
)
SAMPLES["advance_key"] = Samples(advance_key, [case(_KEY)], None, ("uint64",), mutated=(0,))


# ---- in place ------------------------------------------------------------------------------------------------------


def assign(dst: Array, src: Array) -> Array:
    dst[...] = src
    return dst


def assign_add(dst: Array, src: Array) -> Array:
    return np.add(dst, src, casting="unsafe").astype(dst.dtype)


for _name, _reference in (("assign", assign), ("assign_add", assign_add)):
    SAMPLES[_name] = Samples(
        _reference,
        [
            case(_X, -_X),
            case(_X, _X[0, 0]),
            case(_X, _X[:, :1]),
            case(_X, np.array(2.0)),
            case(_X[:, 0], np.array([3])),
        ],
        case(_BIG, _BIG[0]),
        FLOATS + SIGNED,
        mutated=(0,),
    )


def _weights_first(inputs: Sequence[Array], first: int, lists: int) -> list[list[Array]]:
    count = (len(inputs) - first) // lists
    return [list(inputs[first + k * count : first + (k + 1) * count]) for k in range(lists)]


def _gradient(g: Array, clip_value: float) -> Array:
    return np.clip(g, -clip_value, clip_value) if clip_value else g


def sgd_update(
    *inputs: Array,
    count: int,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    clip_value: float = 0.0,
) -> tuple[Array, ...]:
    lr = inputs[0]
    lists = _weights_first(inputs, 1, 3 if momentum else 2)
    for i in range(count):
        w, g = lists[0][i] * (1 - lr * weight_decay), _gradient(lists[1][i], clip_value)
        if momentum:
            v = momentum * lists[2][i] - lr * g
            lists[2][i] = v
            w = w + (momentum * v - lr * g if nesterov else v)
        else:
            w = w - lr * g
        lists[0][i] = w
    return tuple(x for group in lists for x in group)


def adam_update(
    *inputs: Array,
    count: int,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
    weight_decay: float = 0.0,
    clip_value: float = 0.0,
) -> tuple[Array, ...]:
    lr, t = inputs[0], inputs[1] + 1
    lists = _weights_first(inputs, 2, 5 if amsgrad else 4)
    for i in range(count):
        w, g = lists[0][i] * (1 - lr * weight_decay), _gradient(lists[1][i], clip_value)
        m = lists[2][i] = beta1 * lists[2][i] + (1 - beta1) * g
        v = lists[3][i] = beta2 * lists[3][i] + (1 - beta2) * g * g
        if amsgrad:
            v = lists[4][i] = np.maximum(lists[4][i], v)
        lists[0][i] = w - lr * np.sqrt(1 - beta2**t) / (1 - beta1**t) * m / (np.sqrt(v) + epsilon)
    return tuple(x for group in lists for x in group)


def rmsprop_update(
    *inputs: Array,
    count: int,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
    weight_decay: float = 0.0,
    clip_value: float = 0.0,
) -> tuple[Array, ...]:
    lr = inputs[0]
    lists = _weights_first(inputs, 1, 3 + centered + (momentum != 0))
    for i in range(count):
        w, g = lists[0][i] * (1 - lr * weight_decay), _gradient(lists[1][i], clip_value)
        s = lists[2][i] = rho * lists[2][i] + (1 - rho) * g * g
        if centered:
            mean = lists[3][i] = rho * lists[3][i] + (1 - rho) * g
            s = s - mean * mean
        step = lr * g / np.sqrt(s + epsilon)
        if momentum:
            step = lists[-1][i] = momentum * lists[-1][i] + step
        lists[0][i] = w - step
    return tuple(x for group in lists for x in group)


def _update_case(lists: int, *first: Any, shapes: Sequence[tuple[int, ...]] = ((3, 4), (5,), ()), **attrs: Any) -> Case:
    rng = generator(f"update {lists} {shapes}")
    tensors = []
    for k in range(lists):  # weights and gradients of any sign, then state: mean squares above squared means
        low, high = ((-1, 1), (-1, 1), (0.5, 1), (0.1, 0.5), (0.5, 1))[k]
        tensors += [rng.uniform(low, high, shape) for shape in shapes]
    return case(*(np.asarray(x) for x in first), *tensors, count=len(shapes), **attrs)


_LARGE = ((300, 100), (7,), (40_000,), (100,))
_ALL_INPUTS = tuple(range(64))
SAMPLES["sgd_update"] = Samples(
    sgd_update,
    [
        _update_case(2, 0.1),
        _update_case(3, 0.1, momentum=0.9),
        _update_case(3, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01, clip_value=0.5),
    ],
    _update_case(3, 0.1, shapes=_LARGE, momentum=0.9),
    FLOATS,
    mutated=_ALL_INPUTS[1:],
)
SAMPLES["adam_update"] = Samples(
    adam_update,
    [
        _update_case(4, 0.1, 0),
        _update_case(5, 0.01, 6, amsgrad=True, beta1=0.8, beta2=0.99, epsilon=1e-3),
        _update_case(4, 0.1, 2, weight_decay=0.01, clip_value=0.5),
    ],
    _update_case(4, 0.1, 0, shapes=_LARGE),
    FLOATS,
    data=_ALL_INPUTS[2:],
    mutated=_ALL_INPUTS[2:],
    tolerance=8,
)
SAMPLES["rmsprop_update"] = Samples(
    rmsprop_update,
    [
        _update_case(3, 0.1),
        _update_case(4, 0.1, centered=True, rho=0.8),
        _update_case(4, 0.1, momentum=0.9, epsilon=1e-3),
        _update_case(5, 0.1, momentum=0.9, centered=True, weight_decay=0.01, clip_value=0.5),
    ],
    _update_case(3, 0.1, shapes=_LARGE),
    FLOATS,
    mutated=_ALL_INPUTS[1:],
    tolerance=8,
)

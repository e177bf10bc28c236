"""Samples of random numbers and of ops that work in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sampling import BIG, FLOATS, SAMPLES, SIGNED, Array, Case, Samples, X, case, generator
from scipy import special

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
    [case(X + 1, _KEY, rate=rate) for rate in (0.0, 0.3, 1.0)],
    case(BIG[:10], _KEY, rate=0.4),
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
            case(X, -X),
            case(X, X[0, 0]),
            case(X, X[:, :1]),
            case(X, np.array(2.0)),
            case(X[:, 0], np.array([3])),
        ],
        case(BIG, BIG[0]),
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


# ---- updates that take in what their gradient is made of -----------------------------------------------------------


def _of_product(a: Array, b: Array) -> Array:
    return a @ b


def _of_rows(g: Array, indices: Array, like: Array) -> Array:
    out = np.zeros_like(like)
    np.add.at(out, indices, g)
    return out


def _joined(gradient: Callable[..., Array], rule: Callable[..., tuple[Array, ...]], numbers: int) -> Any:
    """The update of one weight by a gradient made of two inputs, in the order of the op's inputs."""

    def update(a: Array, b: Array, *inputs: Array, **attrs: Any) -> tuple[Array, ...]:
        first, (weight, *states) = inputs[:numbers], inputs[numbers:]
        g = gradient(a, b) if gradient is _of_product else gradient(a, b, weight)
        weight, _, *states = rule(*first, weight, g, *states, count=1, **attrs)
        return weight, *states

    return update


def _joined_case(kind: str, shape: tuple[int, int, int], states: int, *first: Any, **attrs: Any) -> Case:
    """`shape`: of a product (m, k, n), of a table its rows, how many are looked up, its columns."""
    rng = generator(f"{kind} update {states} {shape}")
    m, k, n = shape
    if kind == "matmul":
        pair = [rng.uniform(-1, 1, (k, m)).T, rng.uniform(-1, 1, (k, n))]
    else:
        pair = [rng.uniform(-1, 1, (2, k, n)), rng.integers(-m, m, (2, k))]
    tensors = [rng.uniform(*((-1, 1), (0.5, 1), (0.1, 0.5), (0.5, 1))[i], (m, n)) for i in range(1 + states)]
    return case(*pair, *(np.asarray(x) for x in first), *tensors, **attrs)


def _add_joined(name: str, reference: Any, data: tuple[int, ...], big: Case, *cases: Case) -> None:
    mutated = tuple(place for place in data if place > 1)
    SAMPLES[name] = Samples(
        reference, list(cases), big, ("float32", "float64"), data=data, mutated=mutated, tolerance=16
    )


# A product of few elements is made whole before the update, a larger one part by part.
for _kind, _gradient_of, _small, _many, _floats in (
    ("matmul", _of_product, (5, 3, 4), (300, 40, 100), (0, 1)),
    ("embedding", _of_rows, (5, 3, 4), (700, 40, 100), (0,)),
):
    _add_joined(
        f"{_kind}_sgd_update",
        _joined(_gradient_of, sgd_update, 1),
        (*_floats, *_ALL_INPUTS[3:]),
        _joined_case(_kind, _many, 0, 0.1),
        _joined_case(_kind, _small, 0, 0.1),
        _joined_case(_kind, _small, 1, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01, clip_value=0.5),
        _joined_case(_kind, _many, 1, 0.1, momentum=0.9),
    )
    _add_joined(
        f"{_kind}_adam_update",
        _joined(_gradient_of, adam_update, 2),
        (*_floats, *_ALL_INPUTS[4:]),
        _joined_case(_kind, _many, 2, 0.1, 0),
        _joined_case(_kind, _small, 2, 0.1, 0),
        _joined_case(_kind, _small, 3, 0.01, 6, amsgrad=True, beta1=0.8, beta2=0.99, epsilon=1e-3),
        _joined_case(_kind, _many, 2, 0.1, 2, weight_decay=0.01, clip_value=0.5),
    )
    _add_joined(
        f"{_kind}_rmsprop_update",
        _joined(_gradient_of, rmsprop_update, 1),
        (*_floats, *_ALL_INPUTS[3:]),
        _joined_case(_kind, _many, 1, 0.1),
        _joined_case(_kind, _small, 1, 0.1),
        _joined_case(_kind, _small, 3, 0.1, momentum=0.9, centered=True, weight_decay=0.01, clip_value=0.5),
    )

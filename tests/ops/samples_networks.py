"""Samples of embedding, normalisation and attention."""

from __future__ import annotations

from typing import Any

import numpy as np
from sampling import ALL, FLOATS, NUMBERS, SAMPLES, Array, Case, Samples, case, generator
from scipy import special

# ---- embedding -----------------------------------------------------------------------------------------------------

_ROWS = np.array([[2, 0, -1], [1, 1, -3]])
_MANY = generator("embedding").integers(-300, 300, (40, 30))
_TABLE = np.arange(15.0).reshape(5, 3)


def _numbers(indices: Array) -> Array:
    return np.trunc(indices).astype("int64")


def embedding_grad(g: Array, indices: Array, rows: int) -> Array:
    out = np.zeros((rows, g.shape[-1]), g.dtype)
    np.add.at(out, _numbers(indices), g)
    return out


SAMPLES["embedding"] = Samples(
    lambda table, indices: table[_numbers(indices)],
    [
        case(_TABLE, _ROWS),
        case(_TABLE, np.array([4, 0], "uint8")),
        case(_TABLE, np.array([[4.9], [-0.5]])),
        case(_TABLE, np.array(3, "int32")),
        case(_TABLE, np.zeros((0, 2), "int16")),
    ],
    case(generator("table").uniform(-1, 1, (300, 70)), _MANY),
    ALL,
    data=(0,),
    gradients=(0,),
)
SAMPLES["embedding_grad"] = Samples(
    embedding_grad,
    [
        case(generator("a").uniform(-1, 1, (2, 3, 5)), _ROWS, rows=4),
        case(generator("b").uniform(-1, 1, (2, 3)), np.array([2, 2], "uint16"), rows=3),
        case(generator("c").uniform(-1, 1, (0, 3)), np.zeros(0, "int64"), rows=2),
    ],
    case(generator("d").uniform(-1, 1, (40, 30, 70)), _MANY, rows=300),
    NUMBERS,
    data=(0,),
    gradients=(0,),
    tolerance=4,
)

# ---- normalisation -------------------------------------------------------------------------------------------------


def _over(x: Array, axes: int) -> tuple[int, ...]:
    return tuple(range(x.ndim - axes, x.ndim))


def layer_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    axes: int = 1,
    epsilon: float = 1e-3,
    centered: bool = True,
) -> Array:
    d = x - np.mean(x, _over(x, axes), keepdims=True) if centered else x
    y = d / np.sqrt(np.mean(d * d, _over(x, axes), keepdims=True) + epsilon)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta


def layer_norm_grad(
    g: Array, x: Array, gamma: Array | None = None, axes: int = 1, epsilon: float = 1e-3, centered: bool = True
) -> tuple[Array, ...]:
    over, lead = _over(x, axes), tuple(range(x.ndim - axes))
    d = x - np.mean(x, over, keepdims=True) if centered else x
    r = 1 / np.sqrt(np.mean(d * d, over, keepdims=True) + epsilon)
    h = g if gamma is None else g * gamma
    dx = r * (h - d * r * np.mean(h * d * r, over, keepdims=True))
    if centered:
        dx = dx - r * np.mean(h, over, keepdims=True)
    return dx, np.sum(g * d * r, lead), np.sum(g, lead)


def _norm_case(name: str, shape: tuple[int, ...], parts: int, like: tuple[int, ...], /, **attrs: Any) -> Case:
    rng = generator(f"{name} {shape} {parts}")
    first = (rng.uniform(-1, 1, shape),) if name.endswith("grad") else ()
    return case(*first, rng.uniform(-2, 3, shape), *(rng.uniform(0.5, 1.5, like) for _ in range(parts)), **attrs)


for _name in ("layer_norm", "layer_norm_grad"):
    _grad = _name.endswith("grad")
    SAMPLES[_name] = Samples(
        layer_norm_grad if _grad else layer_norm,
        [
            _norm_case(_name, (3, 5), 0, (5,)),
            _norm_case(_name, (2, 3, 20), 1, (20,), epsilon=1e-5),
            _norm_case(_name, (4, 3, 17), 1 if _grad else 2, (17,)),
            _norm_case(_name, (3, 4, 6), 1 if _grad else 2, (4, 6), axes=2),
            _norm_case(_name, (3, 19), 1, (19,), centered=False),
            _norm_case(_name, (2, 3), 0, (3,), centered=False),
            _norm_case(_name, (0, 3), 1, (3,)),
        ],
        _norm_case(_name, (700, 150), 1, (150,)),
        FLOATS,
        gradients=() if _grad else (0, 1, 2),
        tolerance=64 if _grad else 16,
    )


def _blocks(x: Array, groups: int | None) -> tuple[Array, tuple[int, ...]]:
    """x with its channels as (groups, width) and the axes that share statistics."""
    if groups is None:
        return x[..., None], (*range(x.ndim - 1), x.ndim)
    y = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    return y, (*range(1, x.ndim - 1), x.ndim)


def channel_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float = 1e-3,
    groups: int | None = None,
) -> tuple[Array, ...]:
    blocks, over = _blocks(x, groups)
    mean, variance = np.mean(blocks, over, keepdims=True), np.var(blocks, over, keepdims=True)
    y = ((blocks - mean) / np.sqrt(variance + epsilon)).reshape(x.shape)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta, np.squeeze(mean, over), np.squeeze(variance, over)


def channel_norm_grad(
    g: Array,
    x: Array,
    mean: Array,
    variance: Array,
    gamma: Array | None = None,
    epsilon: float = 1e-3,
    groups: int | None = None,
) -> tuple[Array, ...]:
    blocks, over = _blocks(x, groups)
    shape = [1 if axis in over else n for axis, n in enumerate(blocks.shape)]
    r = 1 / np.sqrt(variance.reshape(shape) + epsilon)
    xhat = (blocks - mean.reshape(shape)) * r
    h = (g if gamma is None else g * gamma).reshape(blocks.shape)
    dx = r * (h - np.mean(h, over, keepdims=True) - xhat * np.mean(h * xhat, over, keepdims=True))
    lead = tuple(range(x.ndim - 1))
    return dx.reshape(x.shape), np.sum(g * xhat.reshape(x.shape), lead), np.sum(g, lead)


def _channel_case(name: str, shape: tuple[int, ...], parts: int, **attrs: Any) -> Case:
    rng = generator(f"{name} {shape} {parts}")
    x, channels = rng.uniform(-2, 3, shape), shape[-1]
    weights = [rng.uniform(0.5, 1.5, channels) for _ in range(parts)]
    if not name.endswith("grad"):
        return case(x, *weights, **attrs)
    _, mean, variance = channel_norm(x, **attrs)
    return case(rng.uniform(-1, 1, shape), x, mean, variance, *weights, **attrs)


for _name in ("batch_norm", "batch_norm_grad", "group_norm", "group_norm_grad"):
    _grad, _grouped = _name.endswith("grad"), _name.startswith("group")
    SAMPLES[_name] = Samples(
        channel_norm_grad if _grad else channel_norm,
        [
            _channel_case(_name, (5, 6), 0, **({"groups": 2} if _grouped else {})),
            _channel_case(_name, (3, 4, 18), 1, epsilon=1e-5, **({"groups": 6} if _grouped else {})),
            _channel_case(_name, (2, 3, 4, 69), 1 if _grad else 2, **({"groups": 1} if _grouped else {})),
            _channel_case(_name, (4, 3, 5), 1, **({"groups": 5} if _grouped else {})),
        ],
        _channel_case(_name, (6, 50, 60, 12), 1, **({"groups": 4} if _grouped else {})),
        FLOATS,
        tolerance=64 if _grad else 16,
    )

SAMPLES["scale_shift"] = Samples(
    lambda x, scale, shift: x * scale + shift,
    [
        case(*(generator(f"scale {n} {k}").uniform(-1, 1, s) for k, s in enumerate(((3, 2, n), (n,), (n,)))))
        for n in (3, 16, 37)
    ],
    case(*(generator(f"big {k}").uniform(-1, 1, s) for k, s in enumerate(((900, 100), (100,), (100,))))),
    FLOATS,
    gradients=(0, 1, 2),
    tolerance=2,
)

# ---- attention -----------------------------------------------------------------------------------------------------


def attention_weights(
    q: Array,
    k: Array,
    mask: Array | None = None,
    bias: Array | None = None,
    scale: float = 1.0,
    causal: bool = False,
    offset: int = 0,
    uniform: bool = False,
) -> Array:
    share = q.shape[2] // k.shape[2]
    scores = np.einsum("bthd,bshd->bhts", q, np.repeat(k, share, 2)) * scale
    scores = scores if bias is None else scores + bias
    seen = np.tril(np.ones(scores.shape[2:], bool), offset) if causal else np.ones(scores.shape[2:], bool)
    scores = np.where(seen if mask is None else seen & mask, scores, -np.inf)
    blind = 1 / scores.shape[-1] if uniform else 0
    return np.where(np.isneginf(np.max(scores, -1, keepdims=True)), blind, special.softmax(scores, -1))


def attention(
    q: Array, k: Array, v: Array, mask: Array | None = None, bias: Array | None = None, **attrs: Any
) -> Array:
    p = attention_weights(q, k, mask, bias, **attrs)
    return np.einsum("bhts,bshe->bthe", p, np.repeat(v, q.shape[2] // k.shape[2], 2))


def attention_grad(
    g: Array,
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    bias: Array | None = None,
    bias_grad: bool = False,
    **attrs: Any,
) -> tuple[Array, ...]:
    share, scale = q.shape[2] // k.shape[2], attrs.get("scale", 1.0)
    wide_k, wide_v = np.repeat(k, share, 2), np.repeat(v, share, 2)
    p = attention_weights(q, k, mask, bias, **attrs)
    dp = np.einsum("bthe,bshe->bhts", g, wide_v)
    alive = np.sum(attention_weights(q, k, mask, bias, **{**attrs, "uniform": False}), -1, keepdims=True)
    ds = alive * p * (dp - np.sum(p * dp, -1, keepdims=True))
    dk, dv = np.einsum("bhts,bthd->bshd", ds * scale, q), np.einsum("bhts,bthe->bshe", p, g)
    by_group = [d.reshape(*d.shape[:2], k.shape[2], share, -1).sum(3) for d in (dk, dv)]
    return np.einsum("bhts,bshd->bthd", ds * scale, wide_k), *by_group, *((ds,) if bias_grad else ())


def _attention_case(name: str, sizes: tuple[int, ...], mask: Any = None, bias: Any = None, **attrs: Any) -> Case:
    b, t, s, h, g, d, e = sizes
    rng = generator(f"{name} {sizes} {mask} {bias}")
    inputs = [rng.uniform(-1, 1, shape) for shape in ((b, t, h, d), (b, s, g, d), (b, s, g, e))]
    if name == "attention_grad":
        inputs.insert(0, rng.uniform(-1, 1, (b, t, h, e)))
    if name == "attention_weights":
        inputs.pop()
    if mask is not None:
        inputs.append(rng.uniform(0, 1, mask) < 0.7)
    if bias is not None:
        inputs.append(rng.uniform(-1, 1, bias))
    return case(*inputs, scale=d**-0.5, **attrs)


for _name, _reference in (
    ("attention", attention),
    ("attention_weights", attention_weights),
    ("attention_grad", attention_grad),
):
    _first = 1 if _name == "attention_grad" else 0
    _floats = {"attention": (0, 1, 2, 4), "attention_grad": (0, 1, 2, 3, 5), "attention_weights": (0, 1, 3)}[_name]
    SAMPLES[_name] = Samples(
        _reference,
        [
            _attention_case(_name, (2, 3, 4, 2, 2, 3, 2)),
            _attention_case(_name, (1, 5, 5, 2, 1, 4, 3), causal=True),
            _attention_case(_name, (2, 2, 5, 4, 2, 3, 3), causal=True, offset=3),
            _attention_case(_name, (2, 3, 4, 1, 1, 3, 2), mask=(2, 1, 1, 4)),
            _attention_case(_name, (1, 4, 4, 2, 2, 2, 2), mask=(1, 1, 4, 4), bias=(2, 1, 4), causal=True),
            _attention_case(_name, (2, 4, 4, 2, 1, 2, 2), mask=(2, 2, 4, 4), causal=True, uniform=True),
        ],
        _attention_case(_name, (2, 150, 170, 4, 2, 16, 24), mask=(2, 1, 150, 170)),
        FLOATS,
        data=_floats,
        gradients=() if _name == "attention_grad" else _floats,
        tolerance=32,
        same_bits=False,
    )

"""Samples of ops that move elements: views, copies, indices, sorting."""

from __future__ import annotations

from typing import Any

import numpy as np
from sampling import (
    ALL,
    BIG,
    FLOATS,
    INTEGERS,
    NUMBERS,
    SAMPLES,
    SIGNED,
    Array,
    Samples,
    X,
    along_cases,
    case,
    generator,
)

# ---- views and moves -----------------------------------------------------------------------------------------------


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
    [case(X, shape=(6, 4)), case(X, shape=-1), case(X, shape=(4, -1, 2)), case(X[:1, 1, 1], shape=())],
    case(BIG, shape=(50, 2400)),
    ALL,
    gradients=(0,),
)
SAMPLES["transpose"] = Samples(
    np.transpose,
    [case(X), case(X, axes=(1, 2, 0)), case(X, axes=(0, -1, 1)), case(X[0, 0, 0])],
    case(BIG),
    ALL,
    gradients=(0,),
)
SAMPLES["broadcast_to"] = Samples(
    np.broadcast_to,
    [case(X[0], shape=(2, 3, 4)), case(X[:, :1], shape=(5, 2, 3, 4)), case(X[0, 0, 0], shape=(2, 2))],
    case(BIG[0], shape=(40, 50, 60)),
    ALL,
    gradients=(0,),
)
SAMPLES["slice"] = Samples(
    slice_,
    [
        case(X, starts=(0, 1, 0), stops=(2, 3, 4), steps=(1, 1, 2)),
        case(X, starts=(1, 2, 3), stops=(-1, -1, 0), steps=(-1, -2, -2)),
        case(X, starts=(0, 0, 2), stops=(2, 3, 2), steps=(1, 1, 1)),
    ],
    case(BIG, starts=(1, 49, 0), stops=(40, 0, 60), steps=(1, -1, 1)),
    ALL,
    gradients=(0,),
)
SAMPLES["expand_dims"] = Samples(
    np.expand_dims,
    [case(X, axis=0), case(X, axis=(1, -1)), case(X[0, 0, 0], axis=0)],
    case(BIG, axis=1),
    ALL,
    gradients=(0,),
)
SAMPLES["squeeze"] = Samples(
    np.squeeze,
    [case(X[:1, :, :1]), case(X[:1, :, :1], axis=0), case(X[:1, :, :1], axis=(0, -1)), case(X)],
    case(BIG[:, :, None]),
    ALL,
    gradients=(0,),
)
SAMPLES["flip"] = Samples(
    np.flip,
    [case(X), case(X, axis=1), case(X, axis=(0, -1)), case(X[:, :0])],
    case(BIG, axis=1),
    ALL,
    gradients=(0,),
)
SAMPLES["copy"] = Samples(np.copy, [case(X), case(X[0, 0, 0]), case(X[:0])], case(BIG), ALL, gradients=(0,))
SAMPLES["cast"] = Samples(
    lambda x, dtype: x.astype(dtype),
    [case(X, dtype=dtype) for dtype in ("float32", "float64", "int8", "uint16", "int64", "bool")],
    case(BIG, dtype="float32"),
    ALL,
    gradients=(0,),
)
SAMPLES["concatenate"] = Samples(
    lambda *tensors, axis=0: np.concatenate(tensors, axis),
    [case(X, X[:1], X[1:]), case(X, X[:, :1], X[:, :0], axis=1), case(X, axis=-1)],
    case(BIG, BIG[:, :, :7], axis=2),
    ALL,
    gradients=(0, 1, 2),
)
SAMPLES["stack"] = Samples(
    lambda *tensors, axis=0: np.stack(tensors, axis),
    [case(X, -X), case(X, X * 2, axis=-1), case(X[0, 0, 0], X[0, 0, 1]), case(X, X, axis=1)],
    case(BIG, -BIG, axis=1),
    FLOATS + SIGNED,
    gradients=(0, 1),
)
SAMPLES["pad"] = Samples(
    pad,
    [
        case(X, before=(1, 0, 2), after=(0, 1, 1)),
        case(X, before=(0, 0, 0), after=(0, 0, 1), value=3.0),
        case(X[0, 0, 0], before=(), after=()),
        case(X[:, :0], before=(1, 1, 1), after=(0, 1, 0), value=1.0),
    ],
    case(BIG, before=(1, 2, 3), after=(3, 2, 1), value=1.0),
    ALL,
    gradients=(0,),
)
SAMPLES["slice_grad"] = Samples(
    slice_grad,
    [
        case(X, shape=(4, 3, 8), starts=(1, 2, 0), steps=(2, -1, 2)),
        case(X[:, :, :1], shape=(2, 5, 3), starts=(1, 0, 2), steps=(-1, 2, -1)),
    ],
    case(BIG, shape=(40, 101, 60), starts=(0, 100, 0), steps=(1, -2, 1)),
    ALL,
    gradients=(0,),
)
SAMPLES["slice_update"] = Samples(
    slice_update,
    [
        case(X, -X[:, 1:, ::2], starts=(0, 1, 0), stops=(2, 3, 4), steps=(1, 1, 2)),
        case(X, -X[:1, :1, :2], starts=(1, 2, 3), stops=(0, 1, 0), steps=(-1, -1, -2)),
    ],
    case(BIG, -BIG[1:], starts=(1, 49, 0), stops=(40, -1, 60), steps=(1, -1, 1)),
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
        case(X, _I % 2),
        case(X, _I, axis=1),
        case(X, _J.astype("int8"), axis=-1),
        case(X, np.array(2), axis=1),
        case(X, np.zeros((0, 2), int), axis=1),
    ],
    case(BIG, _MANY, axis=0),
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
    [case(X, _I % 2), case(X, _J % 2, _J % 3), case(X, _I[:, :1] % 2, _I, _I.astype("uint8") % 4)],
    case(BIG, _MANY, _MANY),
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
        case(X, generator("a").uniform(-1, 1, (3, 3, 4)), _J % 2),
        case(X, generator("b").uniform(-1, 1, (4,)), _J % 2, _J % 3),
        case(X[0], np.array(1.5), _I, _J),
    ],
    case(BIG, generator("c").uniform(-1, 1, (90, 50, 60)), _MANY),
    NUMBERS,
    data=(0, 1),
    gradients=(0, 1),
    tolerance=4,
)
SAMPLES["take_along_axis"] = Samples(
    np.take_along_axis,
    [
        case(X, _I.reshape(2, 3, 1), axis=1),
        case(X, _I.reshape(2, 3, 1), axis=-1),
        case(X, _J.reshape(1, 1, 3), axis=2),
        case(X[:, 0], np.array([[0, 1, 1, -1]]), axis=0),
    ],
    case(BIG, np.broadcast_to(_MANY[:, None, None] % 40, (90, 50, 60)), axis=0),
    ALL,
    data=(0,),
    gradients=(0,),
)
SAMPLES["put_along_axis_add"] = Samples(
    put_along_axis_add,
    [
        case(X, _I.reshape(2, 3, 1), generator("a").uniform(-1, 1, (2, 3, 1)), axis=-1),
        case(X, _I[:1].reshape(1, 1, 3), generator("b").uniform(-1, 1, (2, 3, 3)), axis=2),
        case(X[:, 0], np.array([[0, 1, 1, -1]] * 3), np.array(0.5), axis=0),
    ],
    case(BIG, _MANY.reshape(1, 90, 1) % 50, generator("c").uniform(-1, 1, (40, 90, 60)), axis=1),
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

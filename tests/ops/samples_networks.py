"""Samples of embedding, normalisation and attention."""

from __future__ import annotations

import numpy as np
from sampling import ALL, NUMBERS, SAMPLES, Array, Samples, case, generator

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

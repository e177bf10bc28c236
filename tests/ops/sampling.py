"""What samples are made of: calls, and all that the tests need to know of an op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    results     how many of the op's results are compared; None: all.
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
    results: int | None = None


def generator(text: str) -> np.random.Generator:
    return np.random.default_rng(list(text.encode()))


def case(*inputs: Any, **attrs: Any) -> Case:
    return Case(tuple(np.asarray(x) for x in inputs), attrs)


SAMPLES: dict[str, Samples] = {}

# Tensors that more than one module uses.
X = np.arange(24.0).reshape(2, 3, 4)
BIG = generator("moves").uniform(-1, 1, (40, 50, 60))


def along_cases(name: str) -> list[Case]:
    rng = generator(name)
    x = rng.permutation(np.arange(24.0)).reshape(2, 3, 4) / 8
    return [case(x), case(x, axis=0), case(x, axis=1), case(x, axis=-1), case(x[:, 0, 0], axis=0), case(x[:0], axis=1)]

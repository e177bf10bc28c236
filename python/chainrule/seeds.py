"""The global stream of seeds: what draws random numbers without a seed of its own (weights, dropout, shuffling) takes
the next.

Seed number i of the stream started by ``seed(n)`` is a function of n and i alone (SplitMix64: Steele, Lea, Flood
2014), so a program gets the same numbers on every machine and for any number of threads.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

_MASK = 2**64 - 1
_start: int = int.from_bytes(os.urandom(8), "little")
_count: Iterator[int] = itertools.count()


def seed(value: int) -> None:
    """Starts the stream again: from here on the same program draws the same random numbers.

    Raises:
        ValueError: not a whole number from 0 to 2**64 - 1.

    Example:
        >>> chainrule.seed(0)
    """
    global _start, _count
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= value <= _MASK:
        raise ValueError(f"seed: expected a whole number from 0 to 2**64 - 1, got {value!r}")
    _start, _count = int(value), itertools.count()


def draw() -> int:
    """The next seed of the stream, a whole number from 0 to 2**64 - 1."""
    z = (_start * 0xD1342543DE82EF95 + (next(_count) + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)

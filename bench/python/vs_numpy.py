"""Eager calls against NumPy's: the cost of a small call, and elementwise functions and reductions over large arrays.

python bench/python/vs_numpy.py [--only "a + b" exp] [--rounds 15] [--out results.json]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import harness
import numpy as np

import chainrule
from chainrule import _core

ops = _core.ops


def pair(*arrays: Any) -> tuple[list[Any], list[Any]]:
    """The same values as our tensors and as NumPy's arrays, in memory of their own."""
    return [chainrule.asarray(x.copy()) for x in arrays], list(arrays)


def small_calls() -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    rng = np.random.default_rng(0)
    (a, b), (p, q) = pair(rng.random(4, np.float32), rng.random(4, np.float32))
    (m, n), (r, s) = pair(rng.random((8, 8), np.float32), rng.random((8, 8), np.float32))
    (c, zero), (u, v) = pair(np.ones(4, np.float32), np.zeros(4, np.float32))
    return {
        "a + b, 4 floats": (lambda: a + b, lambda: p + q),
        "a * 2, 4 floats": (lambda: a * 2, lambda: p * 2),
        "a += 0, 4 floats": (lambda: c.__iadd__(zero), lambda: u.__iadd__(v)),
        "exp(a), 4 floats": (lambda: ops.exp(a), lambda: np.exp(p)),
        "a < b, 4 floats": (lambda: a < b, lambda: p < q),
        "a.sum(), 4 floats": (lambda: a.sum(), lambda: p.sum()),
        "a[1:3]": (lambda: a[1:3], lambda: p[1:3]),
        "m[2, 3]": (lambda: m[2, 3], lambda: r[2, 3]),
        "m.reshape(64)": (lambda: m.reshape(64), lambda: r.reshape(64)),
        "m.T": (lambda: m.T, lambda: r.T),
        "m + row, 8x8": (lambda: m + n[0], lambda: r + s[0]),
        "m @ n, 8x8": (lambda: m @ n, lambda: r @ s),
    }


def large_arrays() -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    work = {}
    for size in (1_000, 100_000, 4_000_000):
        rng = np.random.default_rng(0)
        (a, b), (p, q) = pair(rng.random(size, np.float32) + 0.1, rng.random(size, np.float32) + 0.1)
        for name in ("add", "multiply", "divide", "maximum"):
            work[f"{name}, {size:,}"] = _binary(getattr(ops, name), getattr(np, name), a, b, p, q)
        for name in ("sqrt", "exp", "log", "sin", "tanh"):
            work[f"{name}, {size:,}"] = _unary(getattr(ops, name), getattr(np, name), a, p)
        for name in ("sum", "max", "argmax"):
            work[f"{name}, {size:,}"] = _unary(getattr(ops, name), getattr(np, name), a, p)
    return work


def _unary(ours: Any, theirs: Any, a: Any, p: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    return lambda: ours(a), lambda: theirs(p)


def _binary(ours: Any, theirs: Any, a: Any, b: Any, p: Any, q: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    return lambda: ours(a, b), lambda: theirs(p, q)


def main() -> None:
    options = harness.parser(__doc__).parse_args()
    rows = []
    for name, (ours, theirs) in {**small_calls(), **large_arrays()}.items():
        if harness.wanted(options, name):
            rows.append(harness.measure(name, {"chainrule": ours, "numpy": theirs}, options.rounds))
    harness.report(rows, options.out)


if __name__ == "__main__":
    main()

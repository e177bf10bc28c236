"""Measures a float32 function of the built library against float64, over all 2^32 inputs or a sample of them.

    python tools/ulp.py exp tanh            # every input; minutes a function
    python tools/ulp.py --all --sample 97   # every 97th input of each function

Prints the greatest error in units in the last place (ULP) and where it is. The reference is NumPy's (or SciPy's)
function in float64 on the same inputs, so it is good to about 1e-8 ULP of float32. CHAINRULE_ISA chooses the level.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import chainrule

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


def sigmoid(x: Doubles) -> Doubles:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1.0 + e)


def softplus(x: Doubles) -> Doubles:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def references() -> dict[str, Callable[[Doubles], Doubles]]:
    names = (
        "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh "
        "cbrt sqrt reciprocal floor ceil rint trunc square"
    )
    table: dict[str, Callable[[Doubles], Doubles]] = {name: getattr(np, name) for name in names.split()}
    table["sigmoid"] = sigmoid
    table["softplus"] = softplus
    table["rsqrt"] = lambda x: 1.0 / np.sqrt(x)
    try:
        from scipy import special
    except ImportError:
        print("erf, erfc, gelu need SciPy: left out", file=sys.stderr)
        return table
    table["erf"] = special.erf
    table["erfc"] = special.erfc
    table["gelu"] = lambda x: np.where(np.isneginf(x), -0.0, 0.5 * x * special.erfc(-x * np.sqrt(0.5)))
    return table


def ulp_errors(got: Floats, want: Doubles) -> Doubles:
    """|got - want| in units in the last place of float32 at want; infinite where they differ in kind."""
    limits = np.finfo(np.float32)
    size = np.clip(np.abs(want), float(limits.tiny), float(limits.max))
    unit = np.ldexp(1.0, np.frexp(size)[1] - 24)
    rounded = want.astype(np.float32)
    same = (got == rounded) & ~np.isfinite(rounded) | np.isnan(got) & np.isnan(want)
    value = np.where(np.isinf(got), np.copysign(float(limits.max) + 2.0**104, got), got.astype(np.float64))
    error = np.abs(value - want) / unit
    return np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))


def sweep(name: str, reference: Callable[[Doubles], Doubles], stride: int) -> tuple[float, float]:
    """The greatest error of chainrule's `name` and the input where it is."""
    function = getattr(chainrule._core.ops, name)
    block = 1 << 16  # what it makes stays in the caches
    worst, at = 0.0, 0.0
    for first in range(0, 1 << 32, block * stride):
        last = min(first + block * stride, 1 << 32)
        bits = np.arange(first, last, stride, dtype=np.uint64).astype(np.uint32)
        x = bits.view(np.float32)
        got = np.asarray(function(chainrule._core.asarray(x)))
        with np.errstate(all="ignore"):
            error = ulp_errors(got, reference(x.astype(np.float64)))
        i = int(np.argmax(error))
        if error[i] > worst:
            worst, at = float(error[i]), float(x[i])
    return worst, at


def main() -> int:
    table = references()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="*", metavar="function", help="names: " + " ".join(sorted(table)))
    parser.add_argument("--all", action="store_true", help="every function of the list")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="every N-th input only (default: all)")
    arguments = parser.parse_args()
    functions = sorted(table) if arguments.all else arguments.functions
    unknown = [name for name in functions if name not in table]
    if unknown or not functions or arguments.sample < 1:
        parser.error(
            f"unknown function {unknown[0]!r}" if unknown else "name a function or give --all; N is at least 1"
        )
    for name in functions:
        worst, at = sweep(name, table[name], arguments.sample)
        print(f"{name:12} {worst:8.3f} ULP at {at:.9g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

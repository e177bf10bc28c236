"""Runs eight NumPy programs with numpy, with chainrule.numpy and recorded by chainrule.jit; compares results, times.

python examples/numpy_dropin/compare.py [--scale 4] [--json results.json]
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
from programs import inputs

import chainrule
import chainrule.numpy


def seconds(call: Callable[[], Any], budget: float) -> float:
    """The median time of a call, over about ``budget`` seconds."""
    call()
    times: list[float] = []
    while sum(times) < budget or len(times) < 3:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(name: str, program: Callable[..., Any], arrays: tuple[Any, ...], budget: float) -> dict[str, float]:
    """Seconds of a program by each way of running it, after a check that the results agree."""
    tensors = [chainrule.numpy.array(x) for x in arrays]
    ways: dict[str, Callable[[], Any]] = {
        "numpy": lambda: program(numpy, *arrays),
        "ours": lambda: program(chainrule.numpy, *tensors),
    }
    if name != "principal_components":  # its eigenvectors are LAPACK's, which jit can't record
        recorded = chainrule.jit(lambda *xs: program(chainrule.numpy, *xs))
        ways["jit"] = lambda: recorded(*tensors)
    expected = ways["numpy"]()
    for way, call in ways.items():
        numpy.testing.assert_allclose(numpy.asarray(call()), expected, rtol=1e-3, atol=1e-4, err_msg=f"{name} {way}")
    return {way: seconds(call, budget) for way, call in ways.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, default=4, help="how many times the smallest size")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each measurement")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()

    figures = {}
    print(f"{'program':22}{'numpy ms':>10}{'ours ms':>10}{'jit ms':>10}{'ours':>8}{'jit':>8}")
    for name, (program, arrays) in inputs(numpy, options.scale).items():
        row = figures[name] = measure(name, program, arrays, options.seconds)
        times = "".join(f"{1000 * row[key]:10.2f}" if key in row else f"{'-':>10}" for key in ("numpy", "ours", "jit"))
        gains = "".join(f"{row['numpy'] / row[key]:7.2f}x" if key in row else f"{'-':>8}" for key in ("ours", "jit"))
        print(f"{name:22}{times}{gains}")
    for key in ("ours", "jit"):
        ratios = [row["numpy"] / row[key] for row in figures.values() if key in row]
        print(f"geometric mean, {key}: {math.exp(statistics.fmean(map(math.log, ratios))):.2f}x")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

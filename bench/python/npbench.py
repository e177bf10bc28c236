"""The kernels of npbench and the programs of examples/numpy_dropin, by NumPy and by chainrule.numpy, in one process.

python bench/python/npbench.py CHECKOUT [--preset S] [--only gemm nbody] [--rounds 5] [--no-jit] [--out results.json]

CHECKOUT is a folder with a clone of https://github.com/spcl/npbench; nothing of it is kept here. A kernel's text is
executed twice, the second time with `import numpy as np` read as `import chainrule.numpy as np`, on arrays that its own
initialiser made. Every call gets fresh copies of them, made outside of the measurement. The ways are measured in turn,
round by round; a ratio is the median of the rounds' own ratios of NumPy's time to ours.

Recorded by chainrule.jit, a kernel is a function of its arrays that returns its result and the arrays it has written;
kernels that branch on values can't be recorded, and those whose recording takes longer than --patience seconds aren't.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy

import chainrule
import chainrule.numpy

PROGRAMS = Path(__file__).parents[2] / "examples" / "numpy_dropin"
WAYS = ("numpy", "eager", "jit")
# Threads of NumPy's BLAS go on spinning for 30 to 150 ms after a product; they'd take a processor from what follows.
SETTLE = 0.25


class Kernel:
    """One program by NumPy and by chainrule.numpy, with the arguments it is called with."""

    def __init__(self, name: str, plain: Any, ours: Any, arguments: list[Any], written: list[int]) -> None:
        self.name = name
        self.functions = {"numpy": plain, "eager": ours, "jit": ours}
        self.arguments = arguments
        self.arrays = [i for i, x in enumerate(arguments) if isinstance(x, numpy.ndarray)]
        copies = [x.copy() if i in self.arrays else x for i, x in enumerate(arguments)]
        plain(*copies)
        changed = [i for i in self.arrays if not numpy.array_equal(copies[i], arguments[i], equal_nan=True)]
        self.written = sorted({*changed, *written})  # what is written may happen to be what was there
        self.recorded = chainrule.jit(self._pure)

    def _pure(self, *arrays: Any) -> Any:
        """The kernel as a function of its arrays: its result, and those arrays that it writes."""
        arguments = list(self.arguments)
        for i, array in zip(self.arrays, arrays, strict=True):
            arguments[i] = array
        result = self.functions["jit"](*arguments)
        return result, [arguments[i] for i in self.written]

    def prepare(self, way: str) -> Callable[[], Any]:
        """A call on fresh copies of the arguments; it returns the result and the arrays written."""
        arguments = list(self.arguments)
        for i in self.arrays:
            arguments[i] = arguments[i].copy() if way == "numpy" else chainrule.numpy.array(arguments[i])
        if way == "jit":
            arrays = [arguments[i] for i in self.arrays]
            return lambda: self.recorded(*arrays)
        function = self.functions[way]
        return lambda: (function(*arguments), [arguments[i] for i in self.written])


def npbench_kernel(checkout: Path, file: Path, preset: str) -> Kernel:
    """The kernel that a file of bench_info describes."""
    info = json.loads(file.read_text())["benchmark"]
    folder = checkout / "npbench" / "benchmarks" / info["relative_path"]
    data: dict[str, Any] = dict(info["parameters"][preset])
    if info.get("init"):
        made = _executed((folder / f"{info['module_name']}.py").read_text())[info["init"]["func_name"]]
        results = made(*[data[name] for name in info["init"]["input_args"]])
        names = info["init"]["output_args"]
        data.update(zip(names, results if len(names) > 1 else [results], strict=True))
    text = (folder / f"{info['module_name']}_numpy.py").read_text()
    changed = text.replace("import numpy as np", "import chainrule.numpy as np")
    plain, ours = (_executed(version)[info["func_name"]] for version in (text, changed))
    arguments = [data[name] for name in info["input_args"]]
    written = [info["input_args"].index(name) for name in info["output_args"]]
    return Kernel(file.stem, plain, ours, arguments, written)


def _executed(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text, "<npbench>", "exec"), names)
    return names


def example_kernels() -> list[Kernel]:
    sys.path.insert(0, str(PROGRAMS))
    inputs = importlib.import_module("programs").inputs

    kernels = []
    for name, (program, arrays) in inputs(numpy, 4).items():
        plain, ours = _with(program, numpy), _with(program, chainrule.numpy)
        kernels.append(Kernel(name, plain, ours, list(arrays), []))
    return kernels


def _with(program: Any, namespace: Any) -> Any:
    return lambda *arrays: program(namespace, *arrays)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _flat(item)]
    return [] if value is None else [value]


def check(kernel: Kernel, way: str) -> None:
    """AssertionError where a way's results aren't NumPy's to 1e-3 of the largest element, as npbench itself asks."""
    expected, ours = (_flat(kernel.prepare(other)()) for other in ("numpy", way))
    assert len(expected) == len(ours), f"{len(ours)} results for {len(expected)}"
    for x, y in zip(ours, expected, strict=True):
        y = numpy.asarray(y)
        scale = float(numpy.nanmax(numpy.abs(y), initial=0.0)) if y.size else 0.0
        numpy.testing.assert_allclose(
            numpy.asarray(x), y, rtol=1e-3, atol=1e-5 * (scale if math.isfinite(scale) else 1)
        )


class Patience:
    """Raises TimeoutError in its block after some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        signal.signal(signal.SIGALRM, self._over)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *exception: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _over(self, *_: object) -> None:
        raise TimeoutError(f"more than {self.seconds:g} s")


def seconds_of(kernel: Kernel, way: str, shortest: float) -> float:
    """Seconds a call: calls on fresh arguments until they add up to `shortest`, after one that warms the caches."""
    time.sleep(SETTLE)
    kernel.prepare(way)()
    spent, calls = 0.0, 0
    while spent < shortest:
        call = kernel.prepare(way)
        start = time.perf_counter()
        call()
        spent += time.perf_counter() - start
        calls += 1
    return spent / calls


def measure(kernel: Kernel, options: argparse.Namespace) -> dict[str, Any]:
    """Samples by way, and why a way is missing."""
    row: dict[str, Any] = {"samples": {}, "notes": {}}
    ways = ["numpy"]
    for way in ("eager", "jit")[: 1 if options.no_jit else 2]:
        try:
            with Patience(options.patience):
                start = time.perf_counter()
                check(kernel, way)
                if way == "jit":
                    row["first_call"] = time.perf_counter() - start
            ways.append(way)
        except Exception as error:
            row["notes"][way] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    for _ in range(options.rounds):
        for way in ways:
            row["samples"].setdefault(way, []).append(seconds_of(kernel, way, options.seconds))
    return row


def gain(row: dict[str, Any], way: str) -> float | None:
    samples = row["samples"]
    if way not in samples:
        return None
    return statistics.median(a / b for a, b in zip(samples["numpy"], samples[way], strict=True))


def report(rows: dict[str, dict[str, Any]]) -> None:
    print("| program | NumPy | eager | jit | eager gain | jit gain | |\n| --- |" + " ---: |" * 5 + " --- |")
    for name, row in sorted(rows.items(), key=lambda item: gain(item[1], "eager") or 0.0):
        times = [harness.readable(statistics.median(row["samples"][w])) if w in row["samples"] else "" for w in WAYS]
        gains = ["" if (g := gain(row, way)) is None else f"{g:.2f}" for way in WAYS[1:]]
        notes = "; ".join(f"{way}: {text[:60]}" for way, text in row["notes"].items())
        print(f"| {name} | " + " | ".join([*times, *gains, notes]) + " |")
    for way in WAYS[1:]:
        factors = [g for row in rows.values() if (g := gain(row, way)) is not None]
        if factors:
            mean = math.exp(statistics.fmean(map(math.log, factors)))
            print(
                f"\n{way}: geometric mean of {len(factors)}: {mean:.2f}x; below 0.9x: {sum(g < 0.9 for g in factors)}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--preset", default="S", choices=["S", "M"])
    parser.add_argument("--only", nargs="+", default=[], help="programs of these names")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.02, help="the least time of a sample")
    parser.add_argument("--patience", type=float, default=20.0, help="seconds after which a way is given up")
    parser.add_argument("--no-jit", action="store_true")
    parser.add_argument("--out", type=Path, help="a JSON file; rows already there stay, so that runs add up")
    options = parser.parse_args()

    rows: dict[str, dict[str, Any]] = {}
    if options.out and options.out.exists():
        rows = json.loads(options.out.read_text())["rows"]
    examples = {kernel.name: kernel for kernel in example_kernels()}
    files = {file.stem: file for file in sorted((options.checkout / "bench_info").glob("*.json"))}
    for name in options.only or [*examples, *files]:
        kernel = examples.get(name) or npbench_kernel(options.checkout, files[name], options.preset)
        with numpy.errstate(all="ignore"):
            rows[name] = measure(kernel, options)
        print(f"{name}: {gain(rows[name], 'eager')} {gain(rows[name], 'jit')} {rows[name]['notes']}", file=sys.stderr)
    report(rows)
    if options.out:
        options.out.write_text(json.dumps({"machine": harness.machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

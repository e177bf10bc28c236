"""Compares two result files of the benchmarks, before and after a change.

    python bench/compare.py before.json after.json

Reads the files that bench/python/*.py write with --out, and those of Google Benchmark (--benchmark_out=file
--benchmark_out_format=json). For each row in both: the medians, the change, and whether it exceeds the spread that the
samples of either file show by themselves (half the distance between their quartiles); a smaller change says nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "python"))
from harness import readable  # noqa: E402

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def samples_of(path: Path) -> dict[str, list[float]]:
    """Seconds by row: ours alone."""
    content: dict[str, Any] = json.loads(path.read_text())
    if "rows" in content:
        return {name: candidates["chainrule"] for name, candidates in content["rows"].items()}
    if "benchmarks" not in content:
        raise SystemExit(f"{path} is neither a file of bench/python nor one of Google Benchmark")
    found: dict[str, list[float]] = {}
    for run in content["benchmarks"]:
        if run.get("run_type", "iteration") == "iteration":
            found.setdefault(run["name"], []).append(run["real_time"] * UNITS[run["time_unit"]])
    return found


def spread(samples: list[float]) -> float:
    """Half the distance between the quartiles, relative to the median; 0 for a single sample."""
    if len(samples) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(samples, n=4)
    return (high - low) / 2 / middle


def table(before: dict[str, list[float]], after: dict[str, list[float]]) -> list[str]:
    lines = ["| what | before | after | after / before | |", "| --- | ---: | ---: | ---: | --- |"]
    for name in before:
        if name not in after:
            continue
        old, new = statistics.median(before[name]), statistics.median(after[name])
        change = new / old
        noise = spread(before[name]) + spread(after[name])
        verdict = "faster" if change < 1 - noise else "slower" if change > 1 + noise else "no difference seen"
        lines.append(f"| {name} | {readable(old)} | {readable(new)} | {change:.2f} (noise {noise:.2f}) | {verdict} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    before, after = samples_of(options.before), samples_of(options.after)
    print("\n".join(table(before, after)))
    for name in sorted(before.keys() ^ after.keys()):
        print(f"only in {options.before if name in before else options.after}: {name}")


if __name__ == "__main__":
    main()

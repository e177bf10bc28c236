"""Timing by interleaved rounds, so that what else the machine does hits every candidate alike.

A row is one piece of work done by several candidates. A round runs each candidate once, for long enough to be measured;
figures are medians over rounds, and ratios are medians of each round's own ratio.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OURS = "chainrule"


@dataclass
class Row:
    """Seconds a call, round by round, of every candidate; `samples["chainrule"]` is ours."""

    name: str
    samples: dict[str, list[float]] = field(default_factory=dict)

    def median(self, candidate: str) -> float:
        return statistics.median(self.samples[candidate])

    def ratio(self, other: str) -> float:
        """Our time over the other's: below 1 is faster."""
        return statistics.median(a / b for a, b in zip(self.samples[OURS], self.samples[other], strict=True))


def measure(name: str, candidates: dict[str, Callable[[], Any]], rounds: int = 15, seconds: float = 0.01) -> Row:
    """Times the candidates in turn: `rounds` rounds of about `seconds` each."""
    repeats = {candidate: _repeats(run, seconds) for candidate, run in candidates.items()}
    row = Row(name, {candidate: [] for candidate in candidates})
    for _ in range(rounds):
        for candidate, run in candidates.items():
            row.samples[candidate].append(_time(run, repeats[candidate]))
    return row


def _time(run: Callable[[], Any], repeats: int) -> float:
    indices = range(repeats)
    start = time.perf_counter()
    for _ in indices:
        run()
    return (time.perf_counter() - start) / repeats


def _repeats(run: Callable[[], Any], seconds: float) -> int:
    repeats = 1
    run()
    while (once := _time(run, repeats) * repeats) < seconds / 4:
        repeats *= 2 if once > seconds / 100 else 10
    return max(1, round(repeats * seconds / once))


def parser(text: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    options = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", nargs="+", default=[], help="rows whose name contains one of these")
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--out", type=Path, help="a JSON file for bench/compare.py")
    return options


def wanted(options: argparse.Namespace, name: str) -> bool:
    return not options.only or any(part in name for part in options.only)


def report(rows: list[Row], out: Path | None) -> None:
    """Prints a Markdown table and writes the samples with machine and commit."""
    others = sorted({candidate for row in rows for candidate in row.samples} - {OURS})
    print("| what | " + " | ".join([OURS, *(f"{other} | x {other}" for other in others)]) + " |")
    print("| --- |" + " ---: |" * (1 + 2 * len(others)))
    for row in rows:
        cells = [readable(row.median(OURS))]
        for other in others:
            if other in row.samples:
                cells += [readable(row.median(other)), f"{row.ratio(other):.2f}"]
            else:
                cells += ["", ""]
        print(f"| {row.name} | " + " | ".join(cells) + " |")
    if out:
        record = {"machine": machine(), "rows": {row.name: row.samples for row in rows}}
        out.write_text(json.dumps(record, indent=1) + "\n")


def readable(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def machine() -> dict[str, Any]:
    """What a reader needs to judge the figures."""
    import numpy

    import chainrule

    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return {
        "commit": commit.stdout.strip(),
        "chainrule": chainrule.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "processor": _processor(),
        "threads": chainrule.get_num_threads(),
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

"""Which names of NumPy chainrule.numpy has, and who computes them: the table of docs/numpy.md.

    python tools/numpy_coverage.py inventory.tsv            # a summary, and what is missing
    python tools/numpy_coverage.py inventory.tsv --write    # writes the table into docs/numpy.md too

The inventory is a tab-separated list of NumPy's public names with the columns name, kind, signature, priority and note.
Every function's parameters are compared with NumPy's own. Exit status 1: a name of priority A or B is absent or lacks a
parameter.
"""

from __future__ import annotations

import argparse
import csv
import inspect
import sys
from pathlib import Path
from typing import Any

import numpy

import chainrule.numpy as np
from chainrule import _core
from chainrule.numpy import delegation

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "numpy.md"
BEGIN, END = "<!-- coverage: written by tools/numpy_coverage.py -->", "<!-- end of coverage -->"
# Parameters of NumPy's that have no meaning here.
IGNORED = {"like", "subok", "device"}
MISSING = object()


def find(root: Any, name: str) -> Any:
    """The object of a dotted name below numpy, or MISSING."""
    value = root
    for part in name.split(".")[1:]:
        value = getattr(value, part, MISSING)
        if value is MISSING:
            return MISSING
    return value


def parameters(value: Any) -> set[str] | None:
    """The names of the parameters that can be passed by keyword; None where Python can't tell."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return None
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name for p in signature.parameters.values() if p.kind in by_name}


def kernel_of(name: str, kind: str, value: Any) -> str:
    """Who computes: "native", "delegated" (NumPy on the same memory) or "NumPy's" (the very same object)."""
    if value is find(numpy, name):
        return "NumPy's"
    if getattr(value, "kernel", None):
        return str(value.kernel)
    if name.startswith("numpy.random.") or name in ("numpy.mgrid", "numpy.ogrid", "numpy.r_", "numpy.c_"):
        return "delegated"
    if name.split(".")[1] in delegation.NAMES:
        return "delegated"
    return "native"


def lacking(name: str, kind: str, value: Any) -> set[str]:
    """Parameters of NumPy's that ours can't take by keyword."""
    if kind not in ("function", "method") or isinstance(value, type(_core.ops.add)) or not callable(value):
        return set()
    wanted, given = parameters(find(numpy, name)), parameters(value)
    return set() if wanted is None or given is None else wanted - given - IGNORED


def rows(inventory: Path) -> list[dict[str, str]]:
    """The inventory with the columns ``state`` and ``lacks``."""
    with inventory.open(newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in table:
        value = find(np, row["name"])
        absent = value is MISSING
        row["state"] = "absent" if absent else kernel_of(row["name"], row["kind"], value)
        row["lacks"] = "" if absent else ", ".join(sorted(lacking(row["name"], row["kind"], value)))
    return table


def summary(table: list[dict[str, str]]) -> str:
    """How many names of each priority are what."""
    states = ["native", "delegated", "NumPy's", "absent"]
    lines = ["| priority | names | " + " | ".join(states) + " |", "|---|---|" + "---|" * len(states)]
    for priority in "ABCX":
        chosen = [row for row in table if row["priority"] == priority]
        counts = [sum(row["state"] == state for row in chosen) for state in states]
        lines.append(f"| {priority} | {len(chosen)} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def groups(table: list[dict[str, str]]) -> str:
    """The names, by part of the namespace and who computes them."""
    lines = []
    parts = sorted({row["name"].rpartition(".")[0] for row in table})
    for part in parts:
        inside = [row for row in table if row["name"].rpartition(".")[0] == part]
        lines.append(f"\n### {part}\n")
        for state in ("native", "delegated", "NumPy's", "absent"):
            names = [row["name"].rpartition(".")[2] for row in inside if row["state"] == state]
            if names and state != "absent":
                lines.append(f"**{state}**: {', '.join(f'`{name}`' for name in names)}\n")
            elif names:
                reasons = {
                    row["name"].rpartition(".")[2]: row["note"] or "not asked for"
                    for row in inside
                    if row["state"] == state
                }
                lines.append("**absent**: " + "; ".join(f"`{name}` ({why})" for name, why in reasons.items()) + "\n")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inventory", type=Path)
    parser.add_argument("--write", action="store_true", help="write the table into docs/numpy.md")
    options = parser.parse_args()
    table = rows(options.inventory)
    print(summary(table))
    wanting = [row for row in table if row["priority"] in "AB" and (row["state"] == "absent" or row["lacks"])]
    for row in wanting:
        print(f"{row['priority']} {row['name']}: {'absent' if row['state'] == 'absent' else 'lacks ' + row['lacks']}")
    if options.write:
        text = DOCUMENT.read_text()
        before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
        DOCUMENT.write_text(f"{before}\n\n{summary(table)}\n{groups(table)}\n{after}")
    return 1 if wanting else 0


if __name__ == "__main__":
    sys.exit(main())

"""What an import costs in a fresh process, less what Python itself needs to start, against importing NumPy.

python bench/python/import_time.py [--rounds 15] [--out results.json]
"""

from __future__ import annotations

import subprocess
import sys
import time

import harness

MODULES = {"chainrule": "chainrule", "chainrule.keras": "chainrule.keras"}


def start(code: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begin


def main() -> None:
    options = harness.parser(__doc__).parse_args()
    names = [name for name in MODULES if harness.wanted(options, name)]
    rows = {name: harness.Row(f"import {name}", {"chainrule": [], "numpy": []}) for name in names}
    for name in names:
        start(f"import {name}")  # compiles and reads from disk once
    for _ in range(options.rounds):
        for name in names:
            bare = start("pass")
            rows[name].samples["chainrule"].append(start(f"import {MODULES[name]}") - bare)
            rows[name].samples["numpy"].append(start("import numpy") - bare)
    harness.report(list(rows.values()), options.out)


if __name__ == "__main__":
    main()

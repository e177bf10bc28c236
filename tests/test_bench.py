"""The benchmarks' own arithmetic: ratios are taken round by round, and a change within the noise is called none."""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def harness():
    return load(BENCH / "python" / "harness.py")


@pytest.fixture(scope="module")
def compare(harness):
    return load(BENCH / "compare.py")


def test_ratio_is_taken_round_by_round(harness):
    # The machine is three times slower in the last round: both candidates are, so the ratio stays.
    row = harness.Row("x", {"chainrule": [1.0, 1.0, 3.0, 3.0], "numpy": [2.0, 2.0, 6.0, 6.0]})
    assert row.ratio("numpy") == 0.5
    assert row.median("numpy") == 4.0


def test_measure_interleaves(harness):
    calls = []
    row = harness.measure("x", {"chainrule": lambda: calls.append("a"), "numpy": lambda: calls.append("b")}, 3, 1e-4)
    assert [len(samples) for samples in row.samples.values()] == [3, 3]
    assert all(second > 0 for samples in row.samples.values() for second in samples)
    # Repeats aside: each candidate's calibration, then the rounds.
    turns = [name for name, _ in itertools.groupby(calls)]
    assert turns == ["a", "b"] * 4


def test_report(harness, tmp_path, capsys):
    row = harness.Row("add", {"chainrule": [2e-7], "numpy": [4e-7]})
    harness.report([row], tmp_path / "out.json")
    assert "| add | 200 ns | 400 ns | 0.50 |" in capsys.readouterr().out
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["rows"] == {"add": row.samples}
    assert record["machine"]["threads"] >= 1


def test_readable(harness):
    assert [harness.readable(x) for x in (2, 0.05, 3.25e-5, 4e-8)] == ["2 s", "50 ms", "32.5 us", "40 ns"]


def test_compare_calls_noise_noise(compare):
    before = {"steady": [1.0, 1.01, 0.99, 1.0], "noisy": [1.0, 2.0, 0.5, 1.5], "gone": [1.0]}
    after = {"steady": [0.8, 0.81, 0.79, 0.8], "noisy": [0.9, 1.9, 0.5, 1.3], "new": [1.0]}
    lines = compare.table(before, after)
    assert len(lines) == 4
    assert "| steady | 1 s | 800 ms | 0.80" in lines[2]
    assert lines[2].endswith("| faster |")
    assert lines[3].endswith("| no difference seen |")


def test_compare_reads_both_formats(compare, tmp_path):
    ours = tmp_path / "ours.json"
    ours.write_text(json.dumps({"machine": {}, "rows": {"add": {"chainrule": [1e-6], "numpy": [2e-6]}}}))
    assert compare.samples_of(ours) == {"add": [1e-6]}
    google = tmp_path / "google.json"
    runs = [
        {"name": "gemm", "run_type": "iteration", "real_time": 5.0, "time_unit": "us"},
        {"name": "gemm", "run_type": "iteration", "real_time": 7.0, "time_unit": "us"},
        {"name": "gemm_mean", "run_type": "aggregate", "real_time": 6.0, "time_unit": "us"},
    ]
    google.write_text(json.dumps({"benchmarks": runs}))
    assert compare.samples_of(google) == {"gemm": [5.0 * 1e-6, 7.0 * 1e-6]}

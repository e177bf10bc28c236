"""What the project says about itself in several places agrees."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule

ROOT = Path(__file__).resolve().parent.parent


def commands(text: str) -> list[str]:
    """The shell blocks of a Markdown text."""
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]


def test_version_is_one():
    assert chainrule.__version__ == importlib.metadata.version("chainrule")
    assert f"## {chainrule.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_numpy_is_the_only_dependency():
    needed = [line for line in importlib.metadata.requires("chainrule") or [] if "extra ==" not in line]
    assert [re.match(r"[\w-]+", line).group() for line in needed] == ["numpy"]  # type: ignore[union-attr]


def test_ci_runs_the_second_command_of_the_readme():
    _, second, *_ = commands((ROOT / "README.md").read_text())
    assert "pytest" in second
    assert second in (ROOT / ".ci" / "run").read_text()


def test_extras_are_those_promised():
    extras = set(importlib.metadata.metadata("chainrule").get_all("Provides-Extra") or [])
    assert extras == {"keras-files", "onnx", "sklearn", "plot", "mpi", "test", "bench", "docs"}


def test_presets():
    presets = json.loads((ROOT / "CMakePresets.json").read_text())
    names = {preset["name"] for preset in presets["configurePresets"] if not preset.get("hidden")}
    assert names == {"dev", "release", "asan", "tsan", "aarch64", "bench"}


def test_pinned_tools_agree_with_pre_commit():
    pins = set(re.findall(r'"((?:ruff|mypy|clang-format)==[\d.]+)"', (ROOT / "pyproject.toml").read_text()))
    assert len(pins) == 3
    assert pins == set(
        re.findall(r'"((?:ruff|mypy|clang-format)==[\d.]+)"', (ROOT / ".pre-commit-config.yaml").read_text())
    )


def test_links_of_the_documentation():
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert not broken, "\n".join(broken)


def test_files_named_in_the_documentation_exist():
    """Paths in `code` of docs/ that start with a folder of the project."""
    folders = "cpp|python|tests|bench|docs|examples|tools"
    missing = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for name in re.findall(rf"`((?:{folders})/[\w./-]+\.\w+)`", page.read_text()):
            if not (ROOT / name).exists():
                missing.append(f"{page.relative_to(ROOT)}: {name}")
    assert not missing, "\n".join(missing)


def test_stub_is_current():
    script = ROOT / "tools" / "stubs.py"
    if not script.exists():
        pytest.skip("tools/stubs.py is not part of this tree")
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

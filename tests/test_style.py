"""The sources as the linters want them; versions are pinned in pyproject.toml's extra `test`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tool(name: str) -> str:
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.skip(f"{name} is not installed: pip install '.[test]' brings it")
    return str(path)


def check(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-8000:]}"


def test_ruff_check():
    check(tool("ruff"), "check", ".")


def test_ruff_format():
    check(tool("ruff"), "format", "--check", ".")


def test_mypy():
    check(tool("mypy"))


def test_clang_format():
    sources = [
        str(path.relative_to(ROOT))
        for folder in ("cpp", "tests/cpp", "bench/cpp")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".cpp", ".h"}
    ]
    assert sources
    check(tool("clang-format"), "--dry-run", "--Werror", *sources)

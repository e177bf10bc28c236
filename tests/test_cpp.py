"""Builds the C++ tests and runs them through CTest, so that one command runs every test of the project."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "cpp-tests"
GOOGLETEST = "/usr/src/googletest/googletest"  # as in tests/cpp/CMakeLists.txt


def run(*command: str) -> str:
    # The environment's own scripts first: cmake and ninja may come from PyPI.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which(command[0], path=path)
    if program is None:
        pytest.fail(f"{command[0]} is not installed: pip install '.[test]' brings it")
    done = subprocess.run(
        [program, *command[1:]],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-20000:]}"
    return done.stdout


def has_googletest() -> bool:
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        return False
    source = "#include <gtest/gtest.h>\n"
    command = [compiler, "-std=c++17", "-E", "-x", "c++", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True).returncode == 0


def test_cpp_tests():
    if not has_googletest():
        reason = "GoogleTest is not installed (Debian: libgtest-dev)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # In CI warnings are errors; elsewhere a newer compiler's new warnings don't stop the tests.
    werror = "ON" if os.environ.get("CI") else "OFF"
    run("cmake", "--preset", "release", "-B", str(BUILD), f"-DCHAINRULE_WERROR={werror}")
    run("cmake", "--build", str(BUILD), "--parallel", str(os.cpu_count() or 1))
    check(run("ctest", "--test-dir", str(BUILD), "--output-on-failure", "--no-tests=error"))


def test_cpp_tests_on_arm_in_an_emulator():
    """The aarch64 kernels, cross-compiled: on x86-64, where the compiler, the emulator and GoogleTest's sources are."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("cross-compiling from x86-64 alone; on Arm test_cpp_tests runs these kernels")
    needed = [shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64"), Path(GOOGLETEST).is_dir()]
    if not all(needed):
        pytest.skip("needs aarch64-linux-gnu-g++, qemu-aarch64 and GoogleTest's sources (.ci/run names the packages)")
    jobs = str(os.cpu_count() or 1)
    run("cmake", "--preset", "aarch64")
    run("cmake", "--build", "--preset", "aarch64", "--parallel", jobs)
    check(run("ctest", "--preset", "aarch64", "--no-tests=error", "--parallel", jobs))


def check(output: str) -> None:
    summary = re.search(r"100% tests passed.* out of \d+", output)  # with or without ", 0 tests failed", by version
    assert summary, output[-5000:]
    print(summary.group(0))

"""A forked child doesn't hang, whatever other threads of its parent were doing with the library at that moment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")

# The child must end by itself; a parent that waits in vain kills it and exits with 9.
FORK = """
import os, sys, threading, time

def forked(child):
    pid = os.fork()
    if pid == 0:
        child()
        os._exit(0)
    for _ in range(3000):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    os.kill(pid, 9)
    os._exit(9)
"""

FIRST_USE = """
import ctypes
import chainrule

library = ctypes.CDLL(chainrule._core.__file__)
user = threading.Thread(target=library.chainrule_threads)  # the first use, without the interpreter's lock
user.start()
time.sleep(0.1)
def child():
    assert library.chainrule_threads() >= 1
    x = chainrule.Tensor([1.0] * 300_000)
    assert (x + x).sum().item() == 600_000
status = forked(child)
user.join()
sys.exit(status)
"""

RUNNING_PROGRAM = """
import chainrule

@chainrule.jit
def f(x):
    for _ in range(20):
        x = x @ x
    return x

x = chainrule.Tensor([[0.001] * 600] * 600)
expected = f(x)
stop = False
def run():
    while not stop:
        f(x)
runner = threading.Thread(target=run)
runner.start()
status = 0
for _ in range(3):
    time.sleep(0.05)
    status = status or forked(lambda: os._exit(int(f(x).tobytes() != expected.tobytes())))
stop = True
runner.join()
sys.exit(status)
"""

UNUSED_POOL = """
import chainrule

chainrule.set_num_threads(2)
sys.exit(forked(lambda: os._exit(chainrule.get_num_threads() != 2)))
"""

# Every atfork handler takes half a second to register, so the one who makes the pool is caught at it.
SLOW_REGISTRATION = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void* library) {
  usleep(500000);
  int (*real)(void (*)(void), void (*)(void), void (*)(void), void*) = dlsym(RTLD_NEXT, "__register_atfork");
  return real(prepare, parent, child, library);
}
"""


def run(code: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK + code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"exit status {done.returncode} (9: the child hung)\n{done.stderr}"


def test_while_another_thread_makes_the_first_use(tmp_path: Path):
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("the moment is held by a library that a C compiler on Linux has to build")
    source, library = tmp_path / "slow.c", tmp_path / "slow.so"
    source.write_text(SLOW_REGISTRATION)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    run(FIRST_USE, LD_PRELOAD=f"{os.environ.get('LD_PRELOAD', '')} {library}".strip())


def test_while_another_thread_runs_the_same_program():
    run(RUNNING_PROGRAM)


def test_a_child_may_use_a_pool_that_the_parent_has_not():
    run(UNUSED_POOL)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHAINRULE_NUM_THREADS", "many"),
        ("CHAINRULE_NUM_THREADS", "0"),
        ("CHAINRULE_CACHE_LIMIT", "1 GB"),
        ("CHAINRULE_ISA", "x87"),
        ("CHAINRULE_DOT", "squares"),
    ],
)
def test_a_setting_that_is_none_is_told_by_the_import(variable, value):
    code = f"""
try:
    import chainrule
except ValueError as error:
    assert {variable!r} in str(error) and {value!r} in str(error), error
    del os.environ[{variable!r}]
    import chainrule
    sys.exit(chainrule.Tensor([1.0, 2.0]).sum().item() != 3)
sys.exit(3)
"""
    run(code, **{variable: value})

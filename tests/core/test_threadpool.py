"""threadpoolctl sees and limits our threads, whichever of the two is imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest

threadpoolctl = pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")

LIMIT = """
chainrule.set_num_threads(2)
with threadpoolctl.threadpool_limits(1):
    inside = chainrule.get_num_threads()
with threadpoolctl.threadpool_limits({"chainrule": 3}):
    ours = chainrule.get_num_threads()
found = [lib for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "chainrule"]
assert len(found) == 1, found
assert found[0]["version"] == chainrule.__version__, found
assert found[0]["num_threads"] == 2, found
assert (inside, ours, chainrule.get_num_threads()) == (1, 3, 2), (inside, ours)
"""


@pytest.mark.parametrize("order", ["import chainrule, threadpoolctl", "import threadpoolctl, chainrule"])
def test_limits(order):
    done = subprocess.run([sys.executable, "-c", order + LIMIT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_import_does_not_load_it():
    code = "import sys, chainrule; assert 'threadpoolctl' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

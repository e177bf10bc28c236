"""What can be counted, not timed: the installed size, and the modules that an import loads."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

FACES = ("numpy", "keras", "onnx", "sklearn", "distributed")


def modules_after(code: str) -> set[str]:
    """The modules loaded in a fresh process by `code`, beyond those that Python itself loads."""
    script = f"import sys; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def outside(modules: set[str]) -> set[str]:
    """The top-level packages among them that are neither ours nor the standard library's."""
    top = {name.split(".")[0] for name in modules}
    return {
        name for name in top if name not in sys.stdlib_module_names and name != "chainrule" and not name.startswith("_")
    }


def test_import_chainrule_loads_no_face_and_not_numpy():
    modules = modules_after("import chainrule")
    assert "chainrule._core" in modules
    assert outside(modules) == set()
    ours = {name for name in modules if name.startswith("chainrule.")}
    assert not {name for name in ours if name.split(".")[1] in {*FACES, "nn", "datasets", "cli", "plot"}}
    # What Python needs anyway for typing and functools; a slow module that creeps in shows here.
    assert not modules & {"asyncio", "inspect", "subprocess", "importlib.metadata", "argparse", "unittest", "ctypes"}


def test_lazy_attributes():
    done = modules_after("import chainrule; chainrule.keras.layers.Dense; chainrule.datasets.digits; chainrule.nn")
    assert {"chainrule.keras", "chainrule.datasets", "chainrule.nn"} <= done


def test_import_keras_loads_numpy_and_nothing_else_from_outside():
    modules = modules_after("import chainrule.keras")
    assert outside(modules) <= {"numpy"}
    beside_numpy = {name for name in modules if name.split(".")[0] not in {"chainrule", "numpy"}}
    numpys = {name for name in modules_after("import numpy") if not name.startswith("numpy")}
    # Standard library modules beyond NumPy's own: each costs a fraction of a millisecond.
    assert len(beside_numpy - numpys) <= 40, sorted(beside_numpy - numpys)
    assert not modules & {"h5py", "matplotlib", "asyncio", "unittest", "multiprocessing", "email"}


def test_keras_loads_no_other_face():
    faces = {name.split(".")[1] for name in modules_after("import chainrule.keras") if name.startswith("chainrule.")}
    assert faces & set(FACES) == {"keras"}


def test_installed_size():
    files = importlib.metadata.files("chainrule")
    assert files
    paths = [Path(str(file.locate())) for file in files if not str(file).endswith(".pyc")]
    size = sum(path.stat().st_size for path in paths if path.is_file())
    # An editable install lists no library; then the one in use counts.
    import chainrule._core

    library = Path(chainrule._core.__file__)
    if library not in [path.resolve() for path in paths] and library not in paths:
        size += library.stat().st_size
    assert 100_000 < size <= 15_000_000


def test_nothing_but_the_package_is_installed():
    files = importlib.metadata.files("chainrule")
    assert files
    top = {file.parts[0] for file in files if file.parts[0] != ".."}
    assert {name for name in top if not name.startswith(("chainrule", "_chainrule_editable"))} <= {"__pycache__"}
    assert not [str(file) for file in files if Path(str(file)).suffix in {".a", ".o", ".h", ".cpp"}]

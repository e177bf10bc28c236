"""The direction rules of docs/design.md, section 3, checked in the sources and in the kernels' objects."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CPP = ROOT / "cpp"
PACKAGE = ROOT / "python" / "chainrule"

# Each may include what stands left of it, and itself.
LAYERS = ["base", "runtime", "tensor", "ops", "graph", "bind"]
# What the layers from runtime on see of the kernels: the table, what its signatures need, the list of elementwise ops.
KERNEL_INTERFACE = {"kernels/table.h", "kernels/gemm.h", "kernels/elementwise.def"}
# What kernel and simd sources see of the rest: constants and inline functions over C types.
KERNEL_BASE = {"base/dtype.h", "base/half.h", "base/philox.h"}
C_HEADERS = {"stddef.h", "stdint.h", "string.h", "math.h"}
INTRINSICS = {"immintrin.h", "arm_neon.h"}
FACES = {"numpy", "keras", "onnx", "sklearn", "distributed"}
MAX_LINES = 800


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".cpp", ".h", ".def"})


def includes(path: Path) -> Iterator[tuple[str, bool]]:
    """The files a source includes, and whether they were named in quotes."""
    for opening, name in re.findall(r'^\s*#\s*include\s*(["<])([^">]+)[">]', path.read_text(), re.MULTILINE):
        yield name, opening == '"'


def kept_files() -> list[Path]:
    """The text files of the project: what git keeps, or everything outside build folders where there is no git."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
        )
        if listing.returncode == 0:
            paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
            return [path for path in paths if path.is_file() and is_text(path)]
    skipped = {"build", "dist", ".git", ".cache"}
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not any(part in skipped or part.startswith(".venv") for part in path.relative_to(ROOT).parts)
        and is_text(path)
    ]


def is_text(path: Path) -> bool:
    return b"\0" not in path.read_bytes()[:4096]


# ---- C++


def test_layers_include_only_what_stands_below():
    wrong = []
    for rank, layer in enumerate(LAYERS):
        allowed = set(LAYERS[: rank + 1])
        for path in sources(CPP / layer):
            for name, quoted in includes(path):
                if not quoted:
                    continue
                if name.startswith("kernels/"):
                    fits = layer != "base" and name in KERNEL_INTERFACE
                else:
                    fits = name.split("/")[0] in allowed
                if not fits:
                    wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong, "\n".join(wrong)


def test_every_folder_of_cpp_is_known():
    assert {path.name for path in CPP.iterdir()} == {*LAYERS, "kernels", "simd"}


def test_quoted_includes_exist_and_start_at_cpp():
    wrong = [
        f"{path.relative_to(ROOT)} includes {name}"
        for path in sources(CPP)
        for name, quoted in includes(path)
        if quoted and not (CPP / name).is_file()
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["kernels", "simd"])
def test_kernels_include_only_c_headers(folder):
    """An inline function of a C++ header, compiled for AVX-512, could be the copy that the linker keeps for all."""
    wrong = []
    for path in sources(CPP / folder):
        for name, quoted in includes(path):
            if quoted:
                own = name.split("/")[0]
                fits = name in KERNEL_BASE or own == "simd" or (own == "kernels" and folder == "kernels")
            else:
                fits = name in C_HEADERS or (name in INTRINSICS and path == CPP / "simd" / "dot.h")
            if not fits:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong, "\n".join(wrong)


def test_headers_that_kernels_see_include_only_c_headers():
    for name in KERNEL_BASE:
        if (CPP / name).exists():
            assert {include for include, _ in includes(CPP / name)} <= C_HEADERS, name


def test_only_bind_knows_python():
    wrong = [
        f"{path.relative_to(ROOT)} includes {name}"
        for layer in [*LAYERS[:-1], "kernels", "simd"]
        for path in sources(CPP / layer)
        for name, _ in includes(path)
        if name == "Python.h" or name.startswith(("pybind11", "numpy/"))
    ]
    assert not wrong, "\n".join(wrong)


def kernel_objects() -> list[tuple[str, Path]]:
    """(level, object file) of the kernels built in this checkout, without sanitizers."""
    found = []
    for path in sorted((ROOT / "build").rglob("kernels_*.dir/**/*.o")):
        folder = next(part for part in path.parts if part.startswith("kernels_"))
        build = Path(*path.parts[: path.parts.index("CMakeFiles")])
        cache = build / "CMakeCache.txt"
        if cache.exists() and re.search(r"^CHAINRULE_SANITIZE:STRING=.+$", cache.read_text(), re.MULTILINE):
            continue
        found.append((folder.removeprefix("kernels_").removesuffix(".dir"), path))
    return found


def test_kernel_symbols_carry_their_level():
    """All that a kernel object shows to the linker is named for its level, so that no two levels share a symbol."""
    objects = kernel_objects()
    if not objects:
        pytest.skip("no kernel objects: nothing was built under build/")
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    wrong, seen = [], 0
    for level, path in objects:
        listing = subprocess.run(["nm", "-C", "--defined-only", str(path)], capture_output=True, text=True, check=True)
        for line in listing.stdout.splitlines():
            _, kind, name = line.split(maxsplit=2)
            if not (kind.isupper() or kind in {"u", "v", "w"}):
                continue
            seen += 1
            if f"chainrule::{level}::" not in name and not name.startswith("DW.ref."):
                wrong.append(f"{path.relative_to(ROOT)}: {kind} {name}")
    assert seen > 0
    assert not wrong, "\n".join(wrong)


# ---- Python


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_at_module_level(path: Path) -> set[str]:
    """Full names of everything imported when the module is (not in functions, not for type checkers)."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                module = ".".join([*package[: len(package) - node.level + 1], *([module] if module else [])])
            names.update(f"{module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return names


def part_of(name: str) -> str | None:
    """The part of the package that a module's full name belongs to; None outside the package."""
    parts = name.split(".")
    if parts[0] != "chainrule":
        return None
    return parts[1] if len(parts) > 1 else ""


def python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_faces_dont_import_each_other():
    wrong = []
    for path in python_files():
        own = part_of(module_name(path))
        for name in imports_at_module_level(path):
            other = part_of(name)
            if other in FACES and other != own:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_nn_and_the_core_modules_stay_below_the_faces():
    """transforms, tree and their like see _core; nn sees those; only faces, datasets and commands see more."""
    core = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__", "cli", "plot"} | {"_core", ""}
    wrong = []
    for path in python_files():
        own = part_of(module_name(path)) or ""
        if own in core:
            allowed = core
        elif own == "nn":
            allowed = core | {"nn"}
        else:
            continue
        for name in imports_at_module_level(path):
            other = part_of(name)
            # `from chainrule import Tensor`: a name of the package itself, not a part of it
            is_part = other is not None and ((PACKAGE / other).is_dir() or (PACKAGE / f"{other}.py").exists())
            if is_part and other not in allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


# ---- all files


def test_no_code_for_this_very_machine():
    flag = "-march=" + "native"
    build_files = [
        path
        for path in kept_files()
        if path.name in {"CMakeLists.txt", "CMakePresets.json", "pyproject.toml", "run"}
        or path.suffix in {".yml", ".sh"}
    ]
    assert ROOT / "CMakeLists.txt" in build_files
    assert [str(path) for path in build_files if flag in path.read_text()] == []


def test_no_machine_paths():
    pattern = re.compile(
        r"(?<![\w.])/(" + "|".join(["ro" + "ot", "wo" + "rk", "home/" + r"\w+", "Users/" + r"\w+"]) + ")/"
    )
    wrong = []
    for path in kept_files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)


def test_files_are_short():
    code = {".py", ".pyi", ".cpp", ".h", ".def"}
    written = {PACKAGE / "_core.pyi"}  # by tools/stubs.py
    long = {
        str(path.relative_to(ROOT)): lines
        for path in kept_files()
        if path.suffix in code and path not in written and (lines := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert not long

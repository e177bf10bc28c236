"""Writes python/chainrule/_core.pyi, the types of the compiled core, from the ops' registry and the module's functions.

python tools/stubs.py            writes the file
python tools/stubs.py --check    exits with 1 if the file is not what would be written
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "python" / "chainrule" / "_core.pyi"

HEADER = '''\
"""Types of the compiled core. Written by tools/stubs.py from the registry of ops: don't edit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

ArrayLike = Tensor | npt.ArrayLike

'''

# NumPy's operators take and give anything that array-likes can hold; comparisons are elementwise.
BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
UNARY = ("neg", "pos", "abs", "invert")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")

ATTRIBUTE_TYPES = {
    "shape": "tuple[int, ...]",
    "strides": "tuple[int, ...]",
    "dtype": "np.dtype[Any]",
    "ndim": "int",
    "size": "int",
    "itemsize": "int",
    "nbytes": "int",
    "device": "str",
    "is_traced": "bool",
    "flags": "Any",
    "__array_priority__": "float",
    "__array_interface__": "dict[str, Any]",
}
METHOD_TYPES = {
    "numpy": "(self) -> npt.NDArray[Any]",
    "tolist": "(self) -> Any",
    "item": "(self, *index: int) -> Any",
    "tobytes": "(self, order: str | None = 'C') -> bytes",
    "fill": "(self, value: Any) -> None",
    "sort": "(self, axis: int = -1) -> None",
    "nonzero": "(self) -> tuple[Tensor, ...]",
    "astype": "(self, dtype: Any, order: str = 'K', casting: str = 'unsafe', subok: bool = True, "
    "copy: bool = True) -> Any",
    "__array__": "(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]",
    "__complex__": "(self) -> complex",
    "__round__": "(self, ndigits: int | None = None) -> Any",
    "__format__": "(self, specification: str, /) -> str",
    "__dlpack__": "(self, *, stream: None = None, max_version: tuple[int, int] | None = None, "
    "dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any",
    "__dlpack_device__": "(self) -> tuple[int, int]",
    "__copy__": "(self) -> Tensor",
    "__deepcopy__": "(self, memo: Any, /) -> Tensor",
    "__reduce__": "(self) -> tuple[Any, ...]",
    "__array_namespace__": "(self, api_version: str | None = None) -> Any",
    "__array_ufunc__": "(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any",
    "__array_function__": "(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any",
}
OTHER_METHODS = [
    "def __init__(self, data: Any, dtype: Any = None) -> None: ...",
    "def __getitem__(self, key: Any) -> Tensor: ...",
    "def __setitem__(self, key: Any, value: Any) -> None: ...",
    "def __getattr__(self, name: str) -> Any: ...",
    "def __len__(self) -> int: ...",
    "def __iter__(self) -> Any: ...",
    "def __contains__(self, value: Any) -> bool: ...",
    "def __bool__(self) -> bool: ...",
    "def __int__(self) -> int: ...",
    "def __float__(self) -> float: ...",
    "def __index__(self) -> int: ...",
    "def __buffer__(self, flags: int, /) -> memoryview: ...",
    "__hash__: None  # type: ignore[assignment]",
]

ATTR_TYPES = {
    "integer": "int",
    "real": "float",
    "boolean": "bool",
    "integers": "int | Sequence[int]",
    "dtype": "Any",
    "text": "str",
}


def tensor_class(tensor: type) -> list[str]:
    lines = ["class Tensor:"]
    lines += [f"    {line}" for line in OTHER_METHODS]
    for name, member in vars(tensor).items():
        kind = type(member).__name__
        if kind == "getset_descriptor" and name not in ("__class__", "__dict__"):
            lines += ["    @property", f"    def {name}(self) -> {ATTRIBUTE_TYPES.get(name, 'Tensor')}: ..."]
        elif kind == "method_descriptor":
            types = METHOD_TYPES.get(name, "(self, *args: Any, **options: Any) -> Tensor")
            lines.append(f"    def {name}{types}: ...")
    for name in BINARY:
        lines += [f"    def __{form}{name}__(self, other: Any) -> Tensor: ..." for form in ("", "r", "i")]
    lines += [f"    def __{name}__(self) -> Tensor: ..." for name in UNARY]
    for name in COMPARISONS:
        ignore = "  # type: ignore[override]" if name in ("eq", "ne") else ""
        lines.append(f"    def __{name}__(self, other: Any) -> Tensor: ...{ignore}")
    lines.append("    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]: ...")
    lines.append("    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]: ...")
    return lines


def op_function(info: dict[str, Any]) -> list[str]:
    parameters = []
    for tensor in info["tensors"]:
        if tensor["kind"] == "list":
            parameters.append(f"*{tensor['name']}: ArrayLike | Sequence[ArrayLike]")
        elif tensor["kind"] == "optional":
            parameters.append(f"{tensor['name']}: ArrayLike | None = None")
        else:
            parameters.append(f"{tensor['name']}: {'Tensor' if tensor['mutated'] else 'ArrayLike'}")
    if any(tensor["kind"] == "optional" for tensor in info["tensors"]) and any(a["required"] for a in info["attrs"]):
        parameters.append("*")  # without a default after one with a default: by keyword
    for attr in info["attrs"]:
        kind = ATTR_TYPES[attr["kind"]]
        if attr["nullable"] or (attr["default"] is None and not attr["required"]):
            kind += " | None"
        parameters.append(f"{attr['name']}: {kind}" + ("" if attr["required"] else f" = {attr['default']!r}"))
    mutates = any(tensor["mutated"] for tensor in info["tensors"])
    result = "Any" if mutates or info["name"].endswith("_grad") else "Tensor"
    return [f"def {info['name']}({', '.join(parameters)}) -> {result}:", f'    """{info["doc"]}"""']


def plain_function(name: str, function: Any) -> list[str]:
    doc = (function.__doc__ or "").strip().splitlines()
    text = doc[-1] if doc else ""
    return [f"def {name}(*args: Any, **options: Any) -> Any:", f'    """{text}"""' if text else "    ..."]


def stub() -> str:
    from chainrule import _core

    lines = tensor_class(_core.Tensor) + ["", "class TraceError(TypeError): ...", "", "class Op:"]
    lines += ["    __name__: str", "    def __call__(self, *args: Any, **options: Any) -> Any: ...", ""]
    for name, member in sorted(vars(_core).items()):
        if name.startswith("__") or name in ("Tensor", "TraceError", "ops"):
            continue
        if isinstance(member, type):
            lines += [f"class {name}:", "    def __init__(self, *args: Any, **options: Any) -> None: ..."]
            lines += ["    def __call__(self, *args: Any, **options: Any) -> Any: ..."]
            lines += ["    def __getattr__(self, name: str) -> Any: ...", ""]
        elif callable(member):
            lines += [*plain_function(name, member), ""]
    lines.append("class ops:")
    for name in sorted(_core.op_names()):
        head, doc = op_function(_core.op_info(name))
        lines += ["    @staticmethod", f"    {head}", f"    {doc}", ""]
    return HEADER + "\n".join(lines).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    text = stub()
    if not options.check:
        TARGET.write_text(text)
        return 0
    if TARGET.exists() and TARGET.read_text() == text:
        return 0
    print(f"{TARGET.name} is not what the registry gives; run python tools/stubs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())

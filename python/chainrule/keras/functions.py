"""Nameless functions in configurations, as Keras writes them: the compiled code, of use to one version of Python only.

Reading them runs code of the file, so it is refused unless it is asked for (``safe_mode=False``).
"""

from __future__ import annotations

import base64
import marshal
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Mode(threading.local):
    unsafe = False


_mode = _Mode()


def enable_unsafe_deserialization() -> None:
    """Lets nameless functions be read from files in this thread, as ``safe_mode=False`` does for one file."""
    _mode.unsafe = True


@contextmanager
def safe_mode_scope(safe: bool) -> Iterator[None]:
    """Within the block nameless functions are read, unless ``safe``."""
    before, _mode.unsafe = _mode.unsafe, _mode.unsafe or not safe
    try:
        yield
    finally:
        _mode.unsafe = before


def describe_lambda(function: Any) -> dict[str, Any]:
    """The configuration of a nameless function."""
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")
    cells = function.__closure__
    closure = None if not cells else [cell.cell_contents for cell in cells]
    return {"class_name": "__lambda__", "config": {"code": code, "defaults": function.__defaults__, "closure": closure}}


def revive_lambda(config: Any) -> Any:
    """The function of such a configuration.

    Raises:
        ValueError: code isn't to be run (``safe_mode``), or it is of another version of Python.
    """
    if not _mode.unsafe:
        raise ValueError(
            "The configuration holds a nameless function (lambda), that is, code that would be run. If you trust where "
            "it comes from, load it with safe_mode=False or after keras.config.enable_unsafe_deserialization()."
        )
    if isinstance(config.get("value"), (list, tuple)):
        code, defaults, closure = config["value"]
    else:
        code, defaults, closure = config["code"], config.get("defaults"), config.get("closure")
    try:
        compiled = marshal.loads(base64.decodebytes(code.encode("ascii")))
    except (ValueError, EOFError, TypeError) as error:
        raise ValueError(
            f"The code of a nameless function can't be read; another version of Python wrote it? ({error})"
        ) from error
    from .. import keras

    names = {"__builtins__": __builtins__, "keras": keras, "ops": keras.ops}
    cells = tuple(types.CellType(item) for item in closure) if closure else None
    return types.FunctionType(compiled, names, compiled.co_name, tuple(defaults) if defaults else None, cells)

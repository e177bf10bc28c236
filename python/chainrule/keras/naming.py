"""Names of layers, models and variables: ``Dense`` -> ``dense``, ``dense_1``, ... as long as the session lasts."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_counts: defaultdict[str, int] = defaultdict(int)


def snake_case(name: str) -> str:
    """``Conv2DTranspose`` -> ``conv2d_transpose``, ``ReLU`` -> ``re_lu`` (Keras's convention)."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(prefix: str) -> str:
    """The prefix itself the first time, then ``prefix_1``, ``prefix_2``, ..."""
    count = _counts[prefix]
    _counts[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


class _Scopes(threading.local):
    names: tuple[str, ...] = ()


_scopes = _Scopes()


def current_scopes() -> tuple[str, ...]:
    """The names of the open :func:`name_scope` blocks, outermost first."""
    return _scopes.names


@contextmanager
def name_scope(name: str, **kwargs: Any) -> Iterator[None]:
    """Within the block the paths of new variables begin with the name.

    Example: ``with keras.name_scope("encoder"): w = keras.Variable(0.0, name="w")`` makes ``w.path == "encoder/w"``.
    """
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError(f"name_scope: Argument `name` must be a non-empty string without '/', got {name!r}.")
    outer, _scopes.names = _scopes.names, (*_scopes.names, name)
    try:
        yield
    finally:
        _scopes.names = outer


@contextmanager
def device(device_name: str) -> Iterator[None]:
    """Within the block variables and tensors are on the device; there is none but ``"cpu"`` (or ``"cpu:0"``)."""
    if str(device_name).lower() not in ("cpu", "cpu:0"):
        raise ValueError(f"device: there is only 'cpu', got {device_name!r}.")
    yield


def get_uid(prefix: str = "") -> int:
    """A number that counts up from 1 for each prefix."""
    _counts[prefix] += 1
    return _counts[prefix]


def clear_session(free_memory: bool = True) -> None:
    """Names start again, the global dtype policy is forgotten; ``free_memory`` returns cached memory to the system."""
    from .dtype_policies import forget_policy

    _counts.clear()
    forget_policy()
    if free_memory:
        import gc

        from chainrule import _core

        gc.collect()
        _core.empty_cache()

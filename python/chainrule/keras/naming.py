"""Names of layers, models and variables: ``Dense`` -> ``dense``, ``dense_1``, ... as long as the session lasts."""

from __future__ import annotations

import re
from collections import defaultdict

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


def get_uid(prefix: str = "") -> int:
    """A number that counts up from 1 for each prefix."""
    _counts[prefix] += 1
    return _counts[prefix]


def clear_session(free_memory: bool = True) -> None:
    """Starts the automatic names again and, with ``free_memory``, returns cached memory to the system."""
    _counts.clear()
    if free_memory:
        import gc

        from chainrule import _core

        gc.collect()
        _core.empty_cache()

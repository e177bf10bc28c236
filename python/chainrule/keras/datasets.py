"""``keras.datasets``: the loaders of :mod:`chainrule.datasets`, found without a network."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    import chainrule.datasets as loaders

    try:
        return importlib.import_module(f"chainrule.datasets.{name}")
    except ModuleNotFoundError:
        try:
            return getattr(loaders, name)
        except AttributeError:
            known = [entry for entry in dir(loaders) if not entry.startswith("_")]
            raise AttributeError(f"keras.datasets has no {name!r}; there are {', '.join(known)}.") from None

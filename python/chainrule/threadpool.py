"""threadpoolctl sees and limits our threads: ``threadpoolctl.threadpool_limits(1)`` holds for chainrule too.

:func:`watch` is called when chainrule is imported. It registers a controller with threadpoolctl, at once if that is
loaded, else when it is; it never loads it.

Source: threadpoolctl's ``LibController``, version 3.2 and newer.
"""

from __future__ import annotations

import sys
from typing import Any

from . import _core

NAME = "threadpoolctl"


def watch() -> None:
    """Registers the controller, now or when threadpoolctl is imported."""
    if NAME in sys.modules:
        register(sys.modules[NAME])
    else:
        sys.meta_path.insert(0, _WhenImported())


def register(threadpoolctl: Any) -> None:
    """Makes our threads known to this module, if it is new enough to be told."""
    if not hasattr(threadpoolctl, "register"):
        return

    class ChainruleController(threadpoolctl.LibController):
        user_api = internal_api = "chainrule"
        filename_prefixes = ("_core",)
        check_symbols = ("chainrule_threads",)  # other packages have a library _core too

        def get_num_threads(self) -> int:
            return _core.num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            _core.set_num_threads(num_threads)

        def get_version(self) -> str:
            from . import __version__

            return __version__

    threadpoolctl.register(ChainruleController)


class _WhenImported:
    """A finder that finds nothing itself: it lets the others find threadpoolctl and has it registered once loaded."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != NAME:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_register(module: Any) -> None:
                run(module)
                register(module)

            spec.loader.exec_module = run_and_register  # type: ignore[method-assign]
        return spec

"""numpy.testing on tensors: its assertions take them, alone or in lists, as they take NumPy's arrays.

Example:
    >>> import chainrule.numpy as np
    >>> np.testing.assert_equal(np.arange(3), [0, 1, 2])
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy.testing as _testing
from numpy.testing import *  # noqa: F403

from .fallback import to_numpy

__all__ = list(_testing.__all__)


def _of_tensors(check: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(check)
    def checked(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # as NumPy's own do in pytest
        return check(*(to_numpy(value) for value in args), **{key: to_numpy(value) for key, value in kwargs.items()})

    return checked


# Those that compare values; assert_raises and its like call a function, whose arguments are its own.
for _name in __all__:
    if _name.startswith("assert_") and not _name.startswith(("assert_raises", "assert_warns", "assert_no_")):
        globals()[_name] = _of_tensors(getattr(_testing, _name))


def __getattr__(name: str) -> Any:
    return getattr(_testing, name)

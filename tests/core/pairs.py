"""NumPy beside chainrule: the same call on both, compared in value, dtype, shape and kind of error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64"]
ops = _core.ops


def values(dtype: str, shape: tuple[int, ...] = (2, 3), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("float"):
        return rng.uniform(0.5, 4, shape).astype(dtype)
    return rng.integers(1, 5, shape).astype(dtype)


def result_of(function: Callable[[], Any]) -> Any:
    """The function's value, or the class of the exception it raises."""
    try:
        with np.errstate(all="ignore"):
            return function()
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        return type(error)


def base_error(error: type) -> type:
    """NumPy raises subclasses of its own; what counts is the standard class."""
    for standard in (OverflowError, IndexError, TypeError, ValueError):
        if issubclass(error, standard):
            return standard
    return error


def assert_same(got: Any, expected: Any, rtol: float = 0.0) -> None:
    if isinstance(expected, type):
        assert isinstance(got, type), f"expected {expected}, got {got!r}"
        assert base_error(got) is base_error(expected)
        return
    assert not isinstance(got, type), f"raised {got}, NumPy gives {expected!r}"
    expected = np.asarray(expected)
    assert isinstance(got, chainrule.Tensor)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    if expected.dtype == np.float16 and rtol > 0:  # both round a float32 that is right within rtol
        rtol = max(rtol, 2**-10)
    np.testing.assert_allclose(got.numpy(), expected, rtol=rtol, atol=0)

"""The paired test: one function of a namespace, run with NumPy and with chainrule.numpy, must do the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy
import pytest

import chainrule
import chainrule.numpy

# Elementary functions are correct to a few units in the last place; sums differ by their order.
TOLERANCE = {"float16": (1e-3, 1e-3), "float32": (2e-6, 1e-6), "float64": (1e-13, 1e-14)}


def converted(value: Any) -> Any:
    """Arrays as tensors with the same strides, on memory of their own; containers gone through."""
    if isinstance(value, numpy.ndarray) and value.dtype.kind in "biuf":
        copy = numpy.lib.stride_tricks.as_strided(_own_memory(value), value.shape, value.strides)
        return chainrule.from_numpy(copy)
    if isinstance(value, (list, tuple)):
        return type(value)([converted(item) for item in value])
    if isinstance(value, dict):
        return {key: converted(item) for key, item in value.items()}
    return value


def _own_memory(array: numpy.ndarray) -> numpy.ndarray:
    """The first element of a copy of the array's memory, laid out as in the original."""
    if array.size == 0 or all(stride >= 0 for stride in array.strides) is False:
        return array.copy() if array.size == 0 else array
    low, high = numpy.lib.array_utils.byte_bounds(array)
    memory = numpy.empty(high - low, dtype=numpy.uint8)
    view = numpy.ndarray(array.shape, array.dtype, memory, 0, array.strides)
    view[...] = array
    return view


def compare(ours: Any, theirs: Any, where: str, scale: float = 1.0) -> None:
    """Asserts that two results are the same: kind, shape, dtype, values."""
    if isinstance(theirs, (list, tuple)):
        assert isinstance(ours, (list, tuple)), f"{where}: {type(ours)} for {type(theirs)}"
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            compare(a, b, f"{where}[{i}]", scale)
        return
    if not isinstance(theirs, (numpy.ndarray, numpy.generic)):
        if isinstance(ours, chainrule.Tensor):  # NumPy's functions made of Python give Python's numbers now and then
            assert ours.shape == (), where
            ours = ours.item()
        assert type(ours) is type(theirs) or isinstance(theirs, (numpy.dtype, type)), (
            f"{where}: {ours!r} for {theirs!r}"
        )
        assert ours == theirs or (ours != ours and theirs != theirs) or ours == pytest.approx(theirs, rel=1e-12), where
        return
    expected = numpy.asarray(theirs)
    if expected.dtype.kind in "biuf":
        assert isinstance(ours, chainrule.Tensor), f"{where}: a {type(ours).__name__} for {type(theirs).__name__}"
    assert ours.shape == expected.shape, f"{where}: shape {ours.shape}, expected {expected.shape}"
    assert ours.dtype == expected.dtype, f"{where}: dtype {ours.dtype}, expected {expected.dtype}"
    if expected.dtype.kind in "fc":
        rtol, atol = TOLERANCE.get(expected.dtype.name, (1e-12, 1e-12))
        actual = numpy.asarray(ours)
        numpy.testing.assert_allclose(actual, expected, rtol=rtol * scale, atol=atol * scale, err_msg=where)
    else:
        numpy.testing.assert_array_equal(numpy.asarray(ours), expected, err_msg=where)


def run_both(
    function: Callable[..., Any], *args: Any, where: str = "", scale: float = 1.0, changes: bool = False
) -> None:
    """Runs ``function(np, *args)`` with both namespaces and compares results (or the type of the exception)."""
    mine = converted(args)
    theirs: Any = None
    error: BaseException | None = None
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            theirs = function(numpy, *args)
        except Exception as raised:
            error = raised
        if error is not None:
            expected = next(kind for kind in type(error).__mro__ if kind.__module__ in ("builtins", "numpy.exceptions"))
            with pytest.raises(expected):
                function(chainrule.numpy, *mine)
            return
        ours = function(chainrule.numpy, *mine)
    compare(ours, theirs, where or function.__name__, scale)
    if changes:
        compare(mine, args, f"{where} arguments", scale)


@pytest.fixture
def paired() -> Callable[..., None]:
    return run_both

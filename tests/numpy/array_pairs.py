"""Inputs and runner of the generated paired tests (test_paired_*.py).

A case is an expression in ``np`` and ``x`` (one of many arrays), evaluated with NumPy on an ndarray and with
chainrule.numpy on a tensor on a copy of it. Values, dtype, shape, containers and the type of an error must be the same.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy
import pytest

import chainrule
import chainrule.numpy

DTYPES = ["bool", "int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64"]
# Relative to the greatest value of a result: sums are made in another order, half precision is computed in float32.
TOLERANCE = {"float16": 4e-3, "float32": 3e-6, "float64": 1e-13, "complex64": 3e-6, "complex128": 1e-13}
LAYOUTS = {
    "C": lambda make, shape: make(shape),
    "F": lambda make, shape: make(shape[::-1]).T,
    "reversed": lambda make, shape: make(shape)[(slice(None, None, -1),) * len(shape)],
    "step 2": lambda make, shape: make(tuple(2 * n for n in shape))[(slice(1, None, 2),) * len(shape)],
    "swapped": lambda make, shape: make((*shape[1:], shape[0])).transpose(-1, *range(len(shape) - 1)),
}
SHAPES = [
    ((), "C"),
    ((0,), "C"),
    ((1,), "C"),
    ((7,), "reversed"),
    ((17,), "C"),
    ((33,), "step 2"),
    ((3, 4), "C"),
    ((3, 4), "F"),
    ((4, 4), "reversed"),
    ((0, 3), "C"),
    ((2, 3, 4), "C"),
    ((2, 3, 4), "swapped"),
    ((3, 1, 5), "step 2"),
]


def elements(dtype: str, shape: tuple[int, ...]) -> numpy.ndarray:
    """Small numbers with ties among them, of both signs where there are two."""
    size = int(numpy.prod(shape))
    numbers = (numpy.arange(size) * 7919 + 3) % 11 - (0 if dtype == "bool" or dtype.startswith("u") else 4)
    if dtype == "bool":
        numbers = numbers % 3 == 0
    values = numbers.astype(dtype)
    if dtype.startswith("f"):
        values = values + numpy.asarray(0.25, dtype)
    return values.reshape(shape)


def edges(dtype: str) -> numpy.ndarray:
    """The least, the greatest and the special values of a dtype."""
    if dtype == "bool":
        return numpy.array([True, False, True])
    if dtype.startswith("f"):
        info = numpy.finfo(dtype)
        return numpy.array([1, numpy.nan, -numpy.inf, 0.0, -0.0, info.tiny, numpy.inf, numpy.nan, -2], dtype)
    whole = numpy.iinfo(dtype)
    return numpy.array([whole.max, 1, whole.min, whole.max, 0], dtype)


def inputs(
    dtypes: Iterable[str] = DTYPES, with_edges: bool = True, least: int = 0, most: int = 9
) -> Iterator[tuple[str, numpy.ndarray]]:
    """Arrays of ``least`` to ``most`` axes, each with its description; a dtype has every other shape."""
    for turn, dtype in enumerate(dtypes):
        for i, (shape, layout) in enumerate(SHAPES):
            if least <= len(shape) <= most and (i + turn) % 2:
                array = LAYOUTS[layout](lambda shape, dtype=dtype: elements(dtype, shape), shape)
                yield f"{dtype} {shape} {layout}", array
        if with_edges and least <= 1 <= most:
            yield f"{dtype} edges", edges(dtype)


def expand(template: str, **choices: Iterable[Any]) -> list[str]:
    """The template with every combination of the choices in its braces."""
    return [
        template.format(**dict(zip(choices, values, strict=True))) for values in itertools.product(*choices.values())
    ]


def ours_of(value: Any) -> Any:
    """Arrays as tensors of the same strides on a copy of their memory."""
    if isinstance(value, numpy.ndarray):
        memory = value
        while isinstance(memory.base, numpy.ndarray):
            memory = memory.base
        copy = memory.copy(order="K")
        offset = value.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
        seen = numpy.ndarray(value.shape, value.dtype, copy.data, offset, value.strides) if value.size else value.copy()
        return chainrule.numpy.asarray(seen)
    return value


def evaluate(code: Any, names: dict[str, Any]) -> tuple[Any, BaseException | None]:
    """The value of an expression or the exception it raises."""
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return eval(code, names), None
        except Exception as raised:
            return None, raised


def public(error: BaseException) -> type:
    """The first class of an exception that a program can name."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ in ("builtins", "numpy.exceptions"))


def difference(ours: Any, theirs: Any) -> str:
    """What distinguishes two results; empty if nothing does."""
    if isinstance(theirs, (list, tuple)):
        if not isinstance(ours, type(theirs)) and not hasattr(theirs, "_fields"):
            return f"a {type(ours).__name__} for a {type(theirs).__name__}"
        if len(ours) != len(theirs):
            return f"{len(ours)} results for {len(theirs)}"
        return next(filter(None, map(difference, ours, theirs)), "")
    if not isinstance(theirs, (numpy.ndarray, numpy.generic)):
        same = type(ours) is type(theirs) and (ours == theirs or theirs != theirs)
        return "" if same else f"{ours!r} of {type(ours).__name__} for {theirs!r} of {type(theirs).__name__}"
    if not isinstance(ours, (chainrule.Tensor, numpy.ndarray, numpy.generic)):
        return f"{ours!r} for {theirs!r}"
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f"{ours.dtype} {ours.shape} for {theirs.dtype} {theirs.shape}"
    actual, expected = numpy.asarray(ours), numpy.asarray(theirs)
    if expected.dtype.kind in "fc":
        finite = numpy.abs(expected[numpy.isfinite(expected)])
        scale = float(finite.max()) if finite.size else 0.0
        close = numpy.allclose(
            actual, expected, rtol=0, atol=TOLERANCE[expected.dtype.name] * max(scale, 1e-30), equal_nan=True
        )
    else:
        close = numpy.array_equal(actual, expected)
    return "" if close else f"{actual!r} for {expected!r}"


def check(cases: Iterable[str], arrays: Iterable[tuple[str, numpy.ndarray]], changes: bool = False) -> None:
    """Evaluates every case on every array, both ways; AssertionError with the first differences. ``changes``: the
    array afterwards must be the same, too."""
    if numpy.lib.NumpyVersion(numpy.__version__) < "2.2.0":
        pytest.skip("we follow the rules of NumPy 2.2 and later where older ones differ")
    codes = [(case, compile(case, case, "eval")) for case in cases]
    found: dict[str, list[str]] = {}
    count = 0
    for description, array in arrays:
        mine = ours_of(array)
        for case, code in codes:
            count += 1
            x = array
            if changes:
                mine, x = ours_of(array), ours_of(array).numpy()
            theirs, error = evaluate(code, {"np": numpy, "x": x})
            ours, raised = evaluate(code, {"np": chainrule.numpy, "x": mine})
            if isinstance(error, AttributeError) and "module 'numpy'" in str(error):
                continue  # an older NumPy
            if error is not None or raised is not None:
                expected = None if error is None else public(error)
                if expected is None or raised is None or not isinstance(raised, expected):
                    got, wanted = ours if raised is None else repr(raised), theirs if error is None else repr(error)
                    found.setdefault(case, []).append(f"[{description}]: {got} for {wanted}")
                continue
            what = difference(ours, theirs) or (changes and difference(mine, x))
            if what:
                found.setdefault(case, []).append(f"[{description}]: {what}")
    assert count > 0
    lines = [f"{case}  {where[0]} and on {len(where) - 1} more" for case, where in found.items()]
    assert not found, f"{len(found)} of {len(codes)} cases differ:\n" + "\n".join(lines)

"""Control flow as functions: branches, loops, scans and maps. Loops run in Python; a recording holds their turns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import chainrule

from ..symbolic import KerasTensor, any_symbolic, flatten, map_structure, pack_like
from ..variables import convert_to_tensor, unwrap
from .dispatch import core, symbolic
from .elementwise import where
from .shapes import stack


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """``true_fn()`` if the value is true, else ``false_fn()``.

    Needs the value: models that use it run unrecorded. With a symbolic ``pred`` both are computed, and chosen from.
    """
    if not isinstance(pred, KerasTensor):
        return true_fn() if pred else false_fn()
    chosen, other = true_fn(), false_fn()
    leaves = zip(flatten(chosen), flatten(other), strict=True)
    return pack_like(chosen, [None if a is None else where(pred, a, b) for a, b in leaves])


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """``branches[index](*operands)``, the index clipped to the list. Needs its value."""
    if isinstance(index, KerasTensor):
        return branches[0](*operands)
    return branches[max(0, min(int(unwrap(index)), len(branches) - 1))](*operands)


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Repeats ``loop_vars = body(*loop_vars)`` while ``cond(*loop_vars)``. Needs values at each turn."""
    several = isinstance(loop_vars, (list, tuple))
    state = tuple(loop_vars) if several else (loop_vars,)
    if any_symbolic(list(state)):
        result = map_structure(lambda leaf: KerasTensor(leaf.shape, leaf.dtype), body(*state))
        return result if several or not isinstance(result, (list, tuple)) else result[0]
    turns = 0
    while (maximum_iterations is None or turns < maximum_iterations) and cond(*state):
        result = body(*state)
        state = tuple(result) if isinstance(result, (list, tuple)) else (result,)
        turns += 1
    return state if several else state[0]


@symbolic
def fori_loop(lower: int, upper: int, body_fun: Callable[[int, Any], Any], init_val: Any) -> Any:
    """``value = body_fun(i, value)`` for i from lower to upper - 1."""
    value = init_val
    for i in range(int(unwrap(lower)), int(unwrap(upper))):
        value = body_fun(i, value)
    return value


def _entries(xs: Any, i: int) -> Any:
    return map_structure(lambda leaf: None if leaf is None else leaf[i], xs)


def _stacked(results: list[Any]) -> Any:
    """A list of like structures as one structure of stacked tensors."""
    columns = zip(*(flatten(result) for result in results), strict=True)
    return pack_like(results[0], [None if column[0] is None else stack(list(column)) for column in columns])


def _tensors(xs: Any) -> Any:
    return map_structure(lambda leaf: None if leaf is None else convert_to_tensor(leaf), xs)


def _length(name: str, xs: Any) -> int:
    lengths = {leaf.shape[0] for leaf in flatten(xs) if leaf is not None}
    if len(lengths) != 1:
        raise ValueError(f"{name}: the first axes must have one length, got {sorted(lengths)}.")
    return int(lengths.pop())


@symbolic
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """``f`` of each entry along the first axis (of a tensor or nested structure of them), results stacked."""
    xs = _tensors(xs)
    return _stacked([f(_entries(xs, i)) for i in range(_length("map", xs))])


@symbolic
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """:func:`map` under its second name."""
    return map(function, elements)


@symbolic
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
) -> tuple[Any, Any]:
    """Repeats ``carry, y = f(carry, x)`` over the entries of ``xs``; returns the last carry and the stacked ys.

    Without ``xs`` it takes ``length`` turns with x None; ``reverse`` goes from the last entry to the first.
    """
    if not callable(f):
        raise TypeError(f"scan: f must be callable, got {f!r}.")
    if xs is None and length is None:
        raise ValueError("scan: give xs or length.")
    if not (isinstance(unroll, bool) or (isinstance(unroll, int) and unroll > 0)):
        raise ValueError(f"scan: unroll must be a positive integer or a bool, got {unroll!r}.")
    carry, xs = _tensors(init), None if xs is None else _tensors(xs)
    turns = int(length) if xs is None and length is not None else _length("scan", xs)
    if length is not None and int(length) != turns:
        raise ValueError(f"scan: length={length}, but xs has {turns} entries.")
    results = []
    for i in reversed(range(turns)) if reverse else range(turns):
        carry, y = f(carry, None if xs is None else _entries(xs, i))
        results.append(y)
    if reverse:
        results.reverse()
    empty = not results or all(leaf is None for leaf in flatten(results[0]))
    return carry, None if empty else _stacked(results)


@symbolic
def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Running results of an associative ``f(a, b)`` along an axis, for all entries at once.

    f is applied to slices that keep the axis, log2(length) times (Hillis and Steele, 1986).
    """
    if not callable(f):
        raise TypeError(f"associative_scan: f must be callable, got {f!r}.")
    running = _tensors(elems)
    leaves = flatten(running)
    axis %= leaves[0].ndim
    lengths = {leaf.shape[axis] for leaf in leaves}
    if len(lengths) != 1:
        raise ValueError(f"associative_scan: axis {axis} must have one length, got {sorted(lengths)}.")
    length = lengths.pop()

    def part(structure: Any, start: int, stop: int) -> Any:
        return map_structure(lambda leaf: leaf[(slice(None),) * axis + (slice(start, stop),)], structure)

    def joined(a: Any, b: Any) -> Any:
        pairs = zip(flatten(a), flatten(b), strict=True)
        return pack_like(a, [core.concatenate(list(pair), axis=axis) for pair in pairs])

    step = 1
    while step < length:
        if reverse:
            merged = f(part(running, step, length), part(running, 0, length - step))
            running = joined(merged, part(running, length - step, length))
        else:
            merged = f(part(running, 0, length - step), part(running, step, length))
            running = joined(part(running, 0, step), merged)
        step *= 2
    return running


def custom_gradient(f: Callable[..., tuple[Any, Callable[..., Any]]]) -> Callable[..., Any]:
    """Gives a function a gradient of its own: ``f(*tensors)`` returns (result, ``gradient(*upstream)``).

    Example::

        @keras.ops.custom_gradient
        def clipped(x):
            return x, lambda upstream: keras.ops.clip(upstream, -1.0, 1.0)
    """
    step = chainrule.custom_gradient(f)

    @functools.wraps(f)
    def apply(*args: Any) -> Any:
        return step(*(convert_to_tensor(arg) for arg in args))

    return symbolic(apply)

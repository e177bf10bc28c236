"""Einstein's sums: any einsum as a list of transposes, reshapes and matrix products.

The list depends on the subscripts and the shapes alone. It is worked out once for each of these, and kept.
"""

from __future__ import annotations

import functools
import math
import operator
import string
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy

from .. import _core
from .fallback import call_numpy, exports, native, tensor, to_numpy
from .index import diagonal
from .ufunc import write_out

ops = _core.ops
_LETTERS = string.ascii_letters


# ---- subscripts


def _text(items: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) as subscripts and operands."""

    def letters(axes: Any) -> str:
        places = [axis if axis is Ellipsis else operator.index(axis) for axis in axes]
        if any(axis is not Ellipsis and not 0 <= axis < len(_LETTERS) for axis in places):
            raise ValueError(f"einsum: axes are numbers from 0 to {len(_LETTERS) - 1}, not {list(axes)}")
        return "".join("..." if axis is Ellipsis else _LETTERS[axis] for axis in places)

    count = len(items) // 2
    text = ",".join(letters(items[2 * i + 1]) for i in range(count))
    if len(items) % 2:
        text += "->" + letters(items[-1])
    return text, tuple(items[2 * i] for i in range(count))


def _parse(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[str], str]:
    """The terms of the inputs and of the output, one letter an axis, the ellipsis written out."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"einsum: {len(terms)} terms in '{subscripts}', but {len(shapes)} operands")
    spare = [letter for letter in reversed(_LETTERS) if letter not in subscripts]
    most = 0
    for i, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        named = len(term.replace("...", ""))
        hidden = len(shape) - named
        if hidden < 0 or (hidden > 0 and "..." not in term):
            raise ValueError(f"einsum: the term '{term}' names {named} axes, the operand has shape {shape}")
        if "..." in term:
            most = max(most, hidden)
            terms[i] = term.replace("...", "".join(reversed(spare[:hidden])))
    ellipsis = "".join(reversed(spare[:most]))
    joined = "".join(terms)
    if arrow:
        right = right.replace("...", ellipsis)
    else:
        right = ellipsis + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in ellipsis))
    for letter in right:
        if letter not in joined:
            raise ValueError(f"einsum: the output names the axis '{letter}', which no input has")
        if right.count(letter) > 1:
            raise ValueError(f"einsum: the output names the axis '{letter}' twice")
    return terms, right


# ---- plans


class _Value(NamedTuple):
    """An array of a plan: where it will stand, the letters of its axes, their lengths."""

    place: int
    term: str
    shape: tuple[int, ...]


class _Plan:
    """Steps (function, places of the inputs, further arguments); each result takes the next place."""

    def __init__(self, count: int) -> None:
        self.steps: list[tuple[Callable[..., Any], tuple[int, ...], tuple[Any, ...]]] = []
        self._places = count

    def _add(self, function: Any, inputs: tuple[_Value, ...], args: Any, term: str, shape: Sequence[int]) -> _Value:
        self.steps.append((function, tuple(x.place for x in inputs), args))
        self._places += 1
        return _Value(self._places - 1, term, tuple(shape))

    def transpose(self, x: _Value, term: str) -> _Value:
        if x.term == term:
            return x
        axes = [x.term.index(letter) for letter in term]
        return self._add(ops.transpose, (x,), (axes,), term, [x.shape[axis] for axis in axes])

    def reshape(self, x: _Value, shape: Sequence[int], term: str) -> _Value:
        if x.shape == tuple(shape):
            return _Value(x.place, term, x.shape)
        return self._add(ops.reshape, (x,), (tuple(shape),), term, shape)

    def stretch(self, x: _Value, shape: Sequence[int]) -> _Value:
        if x.shape == tuple(shape):
            return x
        return self._add(ops.broadcast_to, (x,), (tuple(shape),), x.term, shape)

    def sum_away(self, x: _Value, keep: str) -> _Value:
        """Without the axes that nobody names."""
        gone = [i for i, letter in enumerate(x.term) if letter not in keep]
        if not gone:
            return x
        term = "".join(letter for letter in x.term if letter in keep)
        return self._add(_sum, (x,), (gone,), term, [n for i, n in enumerate(x.shape) if i not in gone])

    def join_repeated(self, x: _Value) -> _Value:
        """Axes named twice joined into their diagonal."""
        for letter in dict.fromkeys(x.term):
            while x.term.count(letter) > 1:
                first = x.term.index(letter)
                second = x.term.index(letter, first + 1)
                if x.shape[first] != x.shape[second]:
                    lengths = f"{x.shape[first]} and {x.shape[second]}"
                    raise ValueError(f"einsum: the axes named '{letter}' have lengths {lengths}")
                rest = [i for i in range(len(x.term)) if i not in (first, second)]
                term = "".join(x.term[i] for i in rest) + letter
                shape = [*(x.shape[i] for i in rest), x.shape[first]]
                x = self._add(diagonal, (x,), (0, first, second), term, shape)
        return x

    def contract(self, a: _Value, b: _Value, keep: str) -> _Value:
        """Two operands joined: a batched matrix product over the letters that both have and that nobody keeps."""
        a, b = self.sum_away(a, keep + b.term), self.sum_away(b, keep + a.term)
        lengths = _lengths(a, b)
        shared = [letter for letter in a.term if letter in b.term]
        batch = "".join(letter for letter in shared if letter in keep)
        summed = "".join(letter for letter in shared if letter not in keep)
        rows = "".join(letter for letter in a.term if letter not in shared)
        columns = "".join(letter for letter in b.term if letter not in shared)
        result = batch + rows + columns
        shape = [lengths[letter] for letter in result]
        if not summed:  # a product of elements
            pair = tuple(self._spread(x, result) for x in (a, b))
            return self._add(ops.multiply, pair, (), result, shape)
        left = self._matrix(a, lengths, batch, rows, summed)
        right = self._matrix(b, lengths, batch, summed, columns)
        product = self._add(ops.matmul, (left, right), (), "", [*left.shape[:-1], right.shape[-1]])
        return self.reshape(product, shape, result)

    def _spread(self, x: _Value, term: str) -> _Value:
        x = self.transpose(x, "".join(letter for letter in term if letter in x.term))
        return self.reshape(x, [x.shape[x.term.index(c)] if c in x.term else 1 for c in term], term)

    def _matrix(self, x: _Value, lengths: dict[str, int], batch: str, first: str, second: str) -> _Value:
        x = self.stretch(self.transpose(x, batch + first + second), [lengths[c] for c in batch + first + second])
        sizes = [math.prod(lengths[c] for c in group) for group in (first, second)]
        return self.reshape(x, [*(lengths[c] for c in batch), *sizes], "")


def _sum(x: Any, axes: list[int]) -> Any:
    return ops.cast(ops.sum(x, axes), x.dtype)


def _lengths(a: _Value, b: _Value) -> dict[str, int]:
    lengths: dict[str, int] = {}
    for x in (a, b):
        for letter, n in zip(x.term, x.shape, strict=True):
            known = lengths.get(letter, 1)
            if known != n and 1 not in (known, n):
                raise ValueError(
                    f"einsum: operands could not be broadcast together: the axis '{letter}' has lengths {known} and {n}"
                )
            lengths[letter] = n if known == 1 else known
    return lengths


@functools.lru_cache(maxsize=1024)
def _planned(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> _Plan:
    terms, right = _parse(subscripts, shapes)
    plan = _Plan(len(shapes))
    values = [
        plan.join_repeated(_Value(i, term, shape)) for i, (term, shape) in enumerate(zip(terms, shapes, strict=True))
    ]
    for step in _path(values, right):
        chosen = [values[i] for i in step]
        values = [x for i, x in enumerate(values) if i not in step]
        joined = chosen[0]
        for i, other in enumerate(chosen[1:], 1):
            waiting = "".join(x.term for x in values + chosen[i + 1 :])
            joined = plan.contract(joined, other, right + waiting)
        values.append(joined)
    plan.transpose(plan.sum_away(values[0], right), right)
    return plan


def _path(values: list[_Value], right: str) -> list[tuple[int, ...]]:
    """Which operands to join, step by step: the cheapest order that numpy.einsum_path knows."""
    if len(values) <= 2:
        return [(0, 1)] if len(values) == 2 else []
    shapes = [numpy.broadcast_to(numpy.float64(0), x.shape) for x in values]
    text = ",".join(x.term for x in values) + "->" + right
    return numpy.einsum_path(text, *shapes, optimize="optimal" if len(values) <= 5 else "greedy")[0][1:]


# ---- the functions


@native
def einsum(
    *operands: Any,
    out: Any = None,
    optimize: Any = False,
    dtype: Any = None,
    order: Any = "K",
    casting: Any = "safe",
) -> Any:
    """Sums of products by Einstein's convention: "ij,jk->ik" is the matrix product.

    Operands are joined two at a time, each time by a matrix product; three or more in the order that numpy.einsum_path
    finds, whatever ``optimize`` says.

    Example:
        >>> np.einsum("ij,ij->i", np.ones((2, 3)), np.ones((2, 3)))
        array([3., 3.])
    """
    if not operands:
        raise ValueError("must specify the einstein sum subscripts string and at least one operand, or the operands")
    subscripts, operands = (operands[0], operands[1:]) if isinstance(operands[0], str) else _text(operands)
    tensors = [tensor(x) for x in operands]
    kind = numpy.dtype(dtype) if dtype is not None else tensors[0].dtype if tensors else None
    if dtype is None and any(x.dtype != kind for x in tensors):
        kind = numpy.result_type(*[x.dtype for x in tensors])
    if kind is None or kind.kind == "b":
        return call_numpy(
            "einsum", numpy.einsum, (subscripts, *operands), {"out": out, "dtype": dtype, "casting": casting}
        )
    plan = _planned(subscripts, tuple([x.shape for x in tensors]))
    values = [x if x.dtype == kind else ops.cast(x, kind) for x in tensors]
    for function, places, args in plan.steps:
        values.append(function(*[values[place] for place in places], *args))
    result = values[-1] if plan.steps else ops.copy(values[-1])
    if out is None:
        return result
    # NumPy's default "safe" lets a result of its own kind into ``out``; only what was asked for is looser.
    return write_out("einsum", result, out, casting=casting if casting == "unsafe" else "same_kind")


def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: Any = False) -> Any:
    """The cheapest order to join the operands in, and a text about it."""
    return numpy.einsum_path(*to_numpy(operands), optimize=optimize, einsum_call=einsum_call)


__all__ = exports(globals())

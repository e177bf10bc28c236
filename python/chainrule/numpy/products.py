"""Products of arrays: matrices, tensors, Einstein's sums, convolutions."""

from __future__ import annotations

import math
from typing import Any

import numpy
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from .. import _core
from .fallback import Tensor, call_numpy, exports, native, needs_ops, tensor, to_numpy
from .shape import moveaxis
from .ufunc import Ufunc, write_out

ops = _core.ops
_matmul = ops.matmul


def _vecdot(x1: Any, x2: Any) -> Tensor:
    """The sums of products along the last axis."""
    x1, x2 = tensor(x1), tensor(x2)
    if x1.ndim == 0 or x2.ndim == 0 or x1.shape[-1] != x2.shape[-1]:
        raise ValueError(f"vecdot: the last axes of shapes {x1.shape} and {x2.shape} differ")
    product = _matmul(ops.expand_dims(x1, -2), ops.expand_dims(x2, -1))
    return ops.reshape(product, product.shape[:-2])


def _matvec(x1: Any, x2: Any) -> Tensor:
    """Matrices times vectors."""
    return ops.squeeze(_matmul(x1, ops.expand_dims(x2, -1)), -1)


def _vecmat(x1: Any, x2: Any) -> Tensor:
    """Vectors times matrices."""
    return ops.squeeze(_matmul(ops.expand_dims(x1, -2), x2), -2)


matmul = Ufunc(numpy.matmul, _matmul)
vecdot = Ufunc(numpy.vecdot, _vecdot)
matvec = Ufunc(numpy.matvec, _matvec)
vecmat = Ufunc(numpy.vecmat, _vecmat)


@native
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """The sum of products over the last axis of ``a`` and the last but one of ``b`` (its only one)."""
    a, b = tensor(a), tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        result = ops.multiply(a, b)
    elif b.ndim <= 2:
        if a.shape[-1] != b.shape[-2 if b.ndim == 2 else -1]:
            raise ValueError(
                f"shapes {a.shape} and {b.shape} not aligned: {a.shape[-1]} (dim {a.ndim - 1}) != "
                f"{b.shape[-2 if b.ndim == 2 else -1]} (dim {max(b.ndim - 2, 0)})"
            )
        result = _matmul(a, b)
    else:
        result = tensordot(a, b, ((a.ndim - 1,), (b.ndim - 2,)))
    return result if out is None else write_out("dot", result, out)


@native
def vdot(a: Any, b: Any, /) -> Any:
    """The sum of the products of the elements."""
    a, b = ops.reshape(a, (-1,)), ops.reshape(b, (-1,))
    if a.size != b.size:
        raise ValueError("cannot reshape array: vdot needs arrays of one size")
    return _matmul(a, b)


@native
def inner(a: Any, b: Any, /) -> Any:
    """The sum of products over the last axes."""
    a, b = tensor(a), tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return ops.multiply(a, b)
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"shapes {a.shape} and {b.shape} not aligned: {a.shape[-1]} (dim {a.ndim - 1}) != {b.shape[-1]} "
            f"(dim {b.ndim - 1})"
        )
    return tensordot(a, b, ((a.ndim - 1,), (b.ndim - 1,)))


@native
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """The products of every element of ``a`` with every one of ``b``, a matrix."""
    result = ops.multiply(ops.reshape(a, (-1, 1)), ops.reshape(b, (1, -1)))
    return result if out is None else write_out("outer", result, out)


@native
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes: the last of ``a`` with the first of ``b``, or those named."""
    a, b = tensor(a), tensor(b)
    try:
        axes_a, axes_b = axes
        axes_a = [axes_a] if isinstance(axes_a, int) else [int(i) for i in axes_a]
        axes_b = [axes_b] if isinstance(axes_b, int) else [int(i) for i in axes_b]
    except TypeError:
        axes_a, axes_b = list(range(-int(axes), 0)), list(range(int(axes)))
    if len(axes_a) != len(axes_b) or any(
        a.shape[normalize_axis_index(i, a.ndim)] != b.shape[normalize_axis_index(j, b.ndim)]
        for i, j in zip(axes_a, axes_b, strict=False)
    ):
        raise ValueError("shape-mismatch for sum")
    axes_a, axes_b = list(normalize_axis_tuple(axes_a, a.ndim)), list(normalize_axis_tuple(axes_b, b.ndim))
    free_a = [i for i in range(a.ndim) if i not in axes_a]
    free_b = [i for i in range(b.ndim) if i not in axes_b]
    summed = math.prod(a.shape[i] for i in axes_a)
    shape_a, shape_b = [a.shape[i] for i in free_a], [b.shape[i] for i in free_b]
    left = ops.reshape(ops.transpose(a, free_a + axes_a), (math.prod(shape_a), summed))
    right = ops.reshape(ops.transpose(b, axes_b + free_b), (summed, math.prod(shape_b)))
    return ops.reshape(_matmul(left, right), (*shape_a, *shape_b))


@native
def kron(a: Any, b: Any) -> Any:
    """Kronecker's product: a's elements, each replaced by its product with ``b``."""
    a, b = tensor(a), tensor(b)
    n = max(a.ndim, b.ndim)
    shape_a, shape_b = (1,) * (n - a.ndim) + a.shape, (1,) * (n - b.ndim) + b.shape
    spread_a = ops.reshape(a, [length for axis in shape_a for length in (axis, 1)])
    spread_b = ops.reshape(b, [length for axis in shape_b for length in (1, axis)])
    return ops.reshape(ops.multiply(spread_a, spread_b), [i * j for i, j in zip(shape_a, shape_b, strict=True)])


@native
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors of length 3."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(tensor(a), axisa, -1), moveaxis(tensor(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        return call_numpy("cross", numpy.cross, (a, b), {"axisc": axisc})
    a1, a2, a3 = a[..., 0], a[..., 1], a[..., 2]
    b1, b2, b3 = b[..., 0], b[..., 1], b[..., 2]
    parts = [a2 * b3 - a3 * b2, a3 * b1 - a1 * b3, a1 * b2 - a2 * b1]
    return moveaxis(ops.stack(parts, parts[0].ndim), -1, axisc)


@native
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    """The sum of a diagonal."""
    from .index import diagonal
    from .reduce import sum

    return sum(diagonal(a, offset, axis1, axis2), -1, dtype, out)


# ---- Einstein's sums


def _parse(subscripts: Any, operands: tuple[Any, ...]) -> tuple[list[str], str, list[Tensor]]:
    """Inputs and output of an einsum, one letter an axis, the ellipsis written out."""
    if not isinstance(subscripts, str):  # the form einsum(a, [0, 1], b, [1, 2], [0, 2])
        items = (subscripts, *operands)
        count = len(items) // 2
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

        def text(axes: Any) -> str:
            return "".join("..." if axis is Ellipsis else letters[axis] for axis in axes)

        subscripts = ",".join(text(items[2 * i + 1]) for i in range(count))
        if len(items) % 2:
            subscripts += "->" + text(items[-1])
        operands = tuple(items[2 * i] for i in range(count))
    tensors = [tensor(x) for x in operands]
    subscripts = subscripts.replace(" ", "")
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        raise ValueError(f"einsum: {len(terms)} terms in '{subscripts}', but {len(tensors)} operands")
    used = set(subscripts)
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in used]
    most = 0
    for i, (term, x) in enumerate(zip(terms, tensors, strict=True)):
        named = len(term.replace("...", ""))
        hidden = x.ndim - named
        if hidden < 0 or (hidden > 0 and "..." not in term):
            raise ValueError(f"einsum: the term '{term}' names {named} axes, the operand has shape {x.shape}")
        if "..." in term:
            most = max(most, hidden)
            terms[i] = term.replace("...", "".join(spare[:hidden][::-1]))
    ellipsis = "".join(spare[:most][::-1])
    if arrow:
        right = right.replace("...", ellipsis)
    else:
        joined = "".join(terms)
        right = ellipsis + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in ellipsis))
    for letter in right:
        if not any(letter in term for term in terms):
            raise ValueError(f"einsum: the output names the axis '{letter}', which no input has")
        if right.count(letter) > 1:
            raise ValueError(f"einsum: the output names the axis '{letter}' twice")
    return terms, right, tensors


def _diagonals(term: str, x: Tensor) -> tuple[str, Tensor]:
    """Axes named twice joined into their diagonal."""
    from .index import diagonal

    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            first = term.index(letter)
            second = term.index(letter, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ValueError(
                    f"einsum: the axes named '{letter}' have lengths {x.shape[first]} and {x.shape[second]}"
                )
            x = diagonal(x, 0, first, second)
            term = "".join(c for i, c in enumerate(term) if i not in (first, second)) + letter
    return term, x


def _sum_away(term: str, x: Tensor, keep: str) -> tuple[str, Tensor]:
    gone = [i for i, letter in enumerate(term) if letter not in keep]
    if gone:
        x = ops.cast(ops.sum(x, gone, False), x.dtype)
    return "".join(letter for letter in term if letter in keep), x


def _contract(term_a: str, a: Tensor, term_b: str, b: Tensor, keep: str) -> tuple[str, Tensor]:
    """Two operands joined: a batched matrix product over the letters that only they have and that nobody keeps."""
    term_a, a = _sum_away(term_a, a, keep + term_b)
    term_b, b = _sum_away(term_b, b, keep + term_a)
    lengths: dict[str, int] = {}
    for term, x in ((term_a, a), (term_b, b)):
        for letter, n in zip(term, x.shape, strict=True):
            known = lengths.get(letter, 1)
            if 1 not in (known, n) and known != n:
                raise ValueError(
                    f"einsum: the axis '{letter}' has lengths {known} and {n}: operands could not be broadcast together"
                )
            lengths[letter] = max(known, n) if 0 not in (known, n) else 0
    shared = [c for c in term_a if c in term_b]
    batch = [c for c in shared if c in keep]
    summed = [c for c in shared if c not in keep]
    rows, columns = [c for c in term_a if c not in shared], [c for c in term_b if c not in shared]
    if not summed:  # nothing to sum: a product of elements
        order = batch + rows + columns

        def spread(term: str, x: Tensor) -> Tensor:
            present = [c for c in order if c in term]
            x = ops.transpose(x, [term.index(c) for c in present])
            return ops.reshape(x, [x.shape[present.index(c)] if c in term else 1 for c in order])

        return "".join(order), ops.multiply(spread(term_a, a), spread(term_b, b))

    def arranged(term: str, x: Tensor, groups: tuple[list[str], list[str]]) -> Tensor:
        order = [*batch, *groups[0], *groups[1]]
        x = ops.transpose(x, [term.index(c) for c in order])
        wide = [lengths[c] for c in order]
        x = ops.broadcast_to(x, wide) if list(x.shape) != wide else x
        return ops.reshape(x, [lengths[c] for c in batch] + [math.prod(lengths[c] for c in group) for group in groups])

    product = _matmul(arranged(term_a, a, (rows, summed)), arranged(term_b, b, (summed, columns)))
    order = batch + rows + columns
    return "".join(order), ops.reshape(product, [lengths[c] for c in order])


@native
def einsum(
    subscripts: Any, *operands: Any, out: Any = None, optimize: Any = False, dtype: Any = None, **kwargs: Any
) -> Any:
    """Sums of products by Einstein's convention: "ij,jk->ik" is the matrix product.

    Operands are joined two at a time, in the order numpy.einsum_path finds for three or more (whatever ``optimize``
    says), each time by a matrix product.

    Example:
        >>> np.einsum("ij,ij->i", x, y)
    """
    if kwargs and any(type(x) is not Tensor for x in operands):
        return call_numpy(
            "einsum",
            numpy.einsum,
            (subscripts, *operands),
            {"out": out, "optimize": optimize, "dtype": dtype, **kwargs},
        )
    terms, right, tensors = _parse(subscripts, operands)
    if dtype is not None:
        tensors = [ops.cast(x, dtype) for x in tensors]
    kind = numpy.result_type(*[x.dtype for x in tensors])
    if kind == numpy.dtype(bool):
        return call_numpy("einsum", numpy.einsum, (subscripts, *operands), {"out": out})
    items = [_diagonals(term, ops.cast(x, kind)) for term, x in zip(terms, tensors, strict=True)]
    path: list[tuple[int, ...]] = [(0, 1)] if len(items) == 2 else []
    if len(items) > 2:
        shapes = [numpy.broadcast_to(numpy.float64(0), x.shape) for _, x in items]
        text = ",".join(term for term, _ in items) + "->" + right
        path = numpy.einsum_path(text, *shapes, optimize="optimal" if len(items) <= 5 else "greedy")[0][1:]
    for step in path:
        chosen = [items[i] for i in step]
        items = [item for i, item in enumerate(items) if i not in step]
        term, x = chosen[0]
        for position, (other, y) in enumerate(chosen[1:], 1):
            waiting = "".join(t for t, _ in items) + "".join(t for t, _ in chosen[position + 1 :])
            term, x = _contract(term, x, other, y, right + waiting)
        items.append((term, x))
    term, x = _sum_away(*items[0], right)
    result = ops.transpose(x, [term.index(letter) for letter in right]) if term != right else x
    return result if out is None else write_out("einsum", result, out)


# ---- convolutions


def _sliding(name: str, a: Tensor, v: Tensor, mode: Any) -> Tensor:
    """sum_m a[k + m] v[m] for all k of the mode: every window of ``a`` times ``v``."""
    n, m = a.shape[0], v.shape[0]
    modes = {"valid": (0, 0), "same": (m // 2, m - 1 - m // 2), "full": (m - 1, m - 1)}
    if mode not in modes:
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    before, after = modes[mode]
    padded = ops.pad(a, [before], [after])
    count = n + before + after - m + 1
    windows = numpy.arange(count)[:, None] + numpy.arange(m)[None, :]
    return _matmul(ops.take(padded, windows, 0), v)


def _prepared(name: str, a: Any, v: Any) -> tuple[Tensor, Tensor]:
    a, v = tensor(a), tensor(v)
    if a.size == 0:
        raise ValueError("first array argument cannot be empty" if name == "correlate" else "a cannot be empty")
    if v.size == 0:
        raise ValueError("second array argument cannot be empty" if name == "correlate" else "v cannot be empty")
    if a.ndim > 1 or v.ndim > 1:
        raise ValueError("object too deep for desired array")
    return ops.reshape(a, (-1,)), ops.reshape(v, (-1,))


@native
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """sum_m a[m] v[k - m], for all k ("full"), those in the middle ("same") or those without an edge ("valid")."""
    if not needs_ops(a, v):
        return call_numpy("convolve", numpy.convolve, (a, v, mode), {})
    a, v = _prepared("convolve", a, v)
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    if mode == "same":  # the middle of the full result, as NumPy cuts it
        full = _sliding("convolve", a, ops.flip(v, 0), "full")
        start = (v.shape[0] - 1) // 2
        return full[start : start + a.shape[0]]
    return _sliding("convolve", a, ops.flip(v, 0), mode)


@native
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """sum_m a[m + k] v[m]; see :func:`convolve`."""
    if not needs_ops(a, v):
        return call_numpy("correlate", numpy.correlate, (a, v, mode), {})
    a, v = _prepared("correlate", a, v)
    if v.shape[0] > a.shape[0]:
        return ops.flip(convolve(v, ops.flip(a, 0), mode) if mode != "same" else _sliding("correlate", v, a, "same"), 0)
    return _sliding("correlate", a, v, mode)


def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    """The cheapest order to join the operands in, and a text about it."""
    return numpy.einsum_path(*to_numpy(operands), optimize=optimize, einsum_call=einsum_call)


__all__ = exports(globals())

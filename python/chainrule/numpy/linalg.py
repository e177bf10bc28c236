"""Linear algebra: values by NumPy's LAPACK, gradients by formulas in ops.

Formulas: M. Giles, *Collected matrix derivative results for forward and reverse mode algorithmic differentiation*
(2008); J. Townsend, *Differentiating the singular value decomposition* (2016); S. F. Walter and L. Lehmann,
arXiv:1001.1654 (QR); G. Golub and V. Pereyra, *The differentiation of pseudo-inverses* (1973). A^T is the transpose of
the last two axes, g the cotangent of a result.

Vectors of decompositions have a gradient where the eigenvalues or singular values are distinct.
What LAPACK computes can't be recorded by ``chainrule.jit``; norms, products and powers can.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple
from numpy.linalg import LinAlgError

from .. import _core
from ..transforms import no_grad
from . import products, reduce
from .contraction import einsum
from .fallback import Tensor, call_numpy, check_not_traced, delegated, native, needs_ops, recordable, tensor
from .index import diagonal as _diagonal

ops = _core.ops
_matmul = ops.matmul


class SlogdetResult(NamedTuple):
    sign: Any
    logabsdet: Any


class EighResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    Q: Any
    R: Any


class SVDResult(NamedTuple):
    U: Any
    S: Any
    Vh: Any


def _linalg(function: Callable[..., Any]) -> Any:
    return native(function, of=numpy.linalg)


def _lapack(function: Callable[..., Any]) -> Any:
    """Marks what LAPACK computes where nothing is recorded; the function gives the value with its gradient."""
    return recordable(function, of=numpy.linalg)


def _eye(n: int, dtype: Any) -> Tensor:
    return _core.from_numpy(numpy.eye(n, dtype=dtype))


def _diagonal_matrix(x: Tensor) -> Tensor:
    """Vectors (the last axis) as diagonals of matrices."""
    return ops.multiply(ops.expand_dims(x, -1), _eye(x.shape[-1], x.dtype))


def _column(x: Tensor) -> Tensor:
    return ops.expand_dims(x, -1)


def _recorded(name: str, compute: Callable[..., Any], inputs: list[Any], gradient: Callable[..., Any]) -> list[Tensor]:
    """``compute(*inputs)`` with a gradient: ``gradient(inputs, outputs, cotangents)`` gives one cotangent per input.

    For a gradient of the gradient the outputs are computed once more, as functions of the inputs.
    """
    tensors = [tensor(x) for x in inputs]
    check_not_traced(f"linalg.{name}", tensors)
    with no_grad():
        result = compute(*tensors)
    outputs = list(result) if isinstance(result, tuple) else [result]

    def backward(cotangents: list[Tensor]) -> list[Any]:
        values = outputs
        if needs_ops(tensors):
            again = compute(*tensors)
            values = list(again) if isinstance(again, tuple) else [again]
        return gradient(tensors, values, cotangents)

    return list(_core.custom_step(tensors, outputs, backward))


# ---- systems, inverses, determinants


def _solve_gradient(inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
    """A X = B: gB = A^-T gX, gA = -gB X^T, summed over the axes that were broadcast."""
    (a, b), (x,), (g,) = inputs, outputs, cotangents
    grad_b = solve(a.mT, g)
    left, right = (_column(grad_b), _column(x)) if b.ndim == 1 else (grad_b, x)
    grad_a = ops.negative(_matmul(left, right.mT))
    return [_sum_to(grad_a, a.shape), _sum_to(grad_b, b.shape)]


def _sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    extra = x.ndim - len(shape)
    axes = [i for i in range(x.ndim) if i < extra or (shape[i - extra] == 1 and x.shape[i] != 1)]
    return ops.reshape(ops.sum(x, axes, False), shape) if axes else x


@_lapack
def solve(a: Any, b: Any) -> Any:
    """The solution of a x = b for square matrices ``a`` (..., n, n) and ``b`` (n,) or (..., n, k).

    Raises:
        LinAlgError: a is singular or not square.
    """
    return _recorded("solve", solve, [a, b], _solve_gradient)[0]


@_lapack
def inv(a: Any) -> Any:
    """The inverse of square matrices; gA = -Y^T gY Y^T."""

    def gradient(inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        turned = outputs[0].mT
        return [ops.negative(_matmul(_matmul(turned, cotangents[0]), turned))]

    return _recorded("inv", inv, [a], gradient)[0]


@_lapack
def det(a: Any) -> Any:
    """The determinants of square matrices; gA = g det(A) A^-T."""

    def gradient(inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        scale = ops.multiply(cotangents[0], outputs[0])
        return [ops.multiply(_column(_column(scale)), inv(inputs[0]).mT)]

    return _recorded("det", det, [a], gradient)[0]


@_lapack
def slogdet(a: Any) -> Any:
    """The sign and the logarithm of the absolute value of determinants; gA = g A^-T for the logarithm."""

    def gradient(inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [ops.multiply(_column(_column(cotangents[1])), inv(inputs[0]).mT)]

    return SlogdetResult(*_recorded("slogdet", slogdet, [a], gradient))


@_lapack
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """The pseudo-inverse P of Moore and Penrose.

    gA = -P^T g P^T + (I - A P) g^T P P^T + P^T P g^T (I - P A), for matrices of constant rank.
    """

    def compute(a: Any) -> Any:
        return pinv(a, rcond, hermitian, rtol=rtol)

    def gradient(inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        (a,), (p,), (g,) = inputs, outputs, cotangents
        rows, columns = a.shape[-2:]
        first = _matmul(_matmul(p.mT, g), p.mT)
        outside = ops.subtract(_eye(rows, a.dtype), _matmul(a, p))
        second = _matmul(_matmul(outside, g.mT), _matmul(p, p.mT))
        inside = ops.subtract(_eye(columns, a.dtype), _matmul(p, a))
        third = _matmul(_matmul(_matmul(p.mT, p), g.mT), inside)
        return [ops.subtract(ops.add(second, third), first)]

    return _recorded("pinv", compute, [a], gradient)[0]


@_linalg
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """The x of least norm that makes |b - a x| least; also the squared residuals, the rank, the singular values."""
    with no_grad():
        x, residuals, rank, s = call_numpy("linalg.lstsq", numpy.linalg.lstsq, (a, b, rcond), {})
    if not needs_ops(a, b):
        return x, residuals, rank, s
    x = _matmul(pinv(a, rcond), b)
    if residuals.size:
        difference = ops.square(ops.subtract(b, _matmul(a, x)))
        residuals = ops.reshape(ops.sum(difference, 0, False), residuals.shape)
    return x, residuals, rank, svdvals(a)


# ---- decompositions


def _symmetric(x: Tensor) -> Tensor:
    return ops.multiply(ops.add(x, x.mT), 0.5)


def _lower_half(x: Tensor) -> Tensor:
    """The lower triangle with the diagonal halved."""
    mask = numpy.tri(x.shape[-1], dtype=x.dtype) - 0.5 * numpy.eye(x.shape[-1], dtype=x.dtype)
    return ops.multiply(x, mask)


@_lapack
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """L with A = L L^T (or L^T if ``upper``); gA = sym(L^-T Phi(L^T g) L^-1), Phi the lower half."""
    if upper and needs_ops(a):
        return cholesky(a).mT

    def gradient(inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        (lower,), (g,) = outputs, cotangents
        inner = solve(lower.mT, _lower_half(_matmul(lower.mT, g)))
        return [_symmetric(solve(lower.mT, inner.mT).mT)]

    return _recorded("cholesky", cholesky, [a], gradient)[0]


def _inverse_gaps(values: Tensor) -> Tensor:
    """1 / (v_j - v_i) off the diagonal, 0 on it."""
    gaps = ops.subtract(ops.expand_dims(values, -2), _column(values))
    itself = numpy.eye(values.shape[-1], dtype=bool)
    return ops.where(itself, 0.0, ops.reciprocal(ops.where(itself, 1.0, gaps)))


def _eigh_gradient(inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
    """gA = V (diag(gw) + F * (V^T gV)) V^T, F_ij = 1 / (w_j - w_i)."""
    (w, v), (gw, gv) = outputs, cotangents
    inner = ops.add(_diagonal_matrix(gw), ops.multiply(_inverse_gaps(w), _matmul(v.mT, gv)))
    return [_symmetric(_matmul(_matmul(v, inner), v.mT))]


@_lapack
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues in rising order and orthonormal eigenvectors of symmetric matrices."""
    return EighResult(*_recorded("eigh", lambda a: eigh(a, UPLO), [a], _eigh_gradient))


@_lapack
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of symmetric matrices in rising order."""
    return eigh(a, UPLO).eigenvalues


def _svd_gradient(inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
    """gA = U ((J + J^T) S + S (K + K^T) + diag(gs)) V^T + (I - U U^T) gU S^-1 V^T + U S^-1 gV^T (I - V V^T)

    with J = F * (U^T gU), K = F * (V^T gV), F_ij = 1 / (s_j^2 - s_i^2).
    """
    (a,), (u, s, vh), (gu, gs, gvh) = inputs, outputs, cotangents
    factors = _inverse_gaps(ops.square(s))
    j = ops.multiply(factors, _matmul(u.mT, gu))
    k = ops.multiply(factors, _matmul(vh, gvh.mT))
    row, column = ops.expand_dims(s, -2), _column(s)
    inner = ops.add(ops.multiply(ops.add(j, j.mT), row), ops.multiply(column, ops.add(k, k.mT)))
    result = _matmul(_matmul(u, ops.add(inner, _diagonal_matrix(gs))), vh)
    rows, columns = a.shape[-2:]
    if rows > s.shape[-1]:
        outside = ops.subtract(gu, _matmul(u, _matmul(u.mT, gu)))
        result = ops.add(result, _matmul(ops.divide(outside, row), vh))
    if columns > s.shape[-1]:
        outside = ops.subtract(gvh, _matmul(_matmul(gvh, vh.mT), vh))
        result = ops.add(result, _matmul(u, ops.divide(outside, column)))
    return [result]


@_lapack
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """U, S, Vh with A = U diag(S) Vh, S falling; S alone without ``compute_uv``."""
    if not compute_uv:
        return svdvals(a)
    a = tensor(a)
    if full_matrices and a.shape[-1] != a.shape[-2]:
        raise NotImplementedError(
            f"linalg.svd: the gradient of full_matrices=True is not defined for matrices of shape {a.shape[-2:]}; pass "
            "full_matrices=False"
        )
    return SVDResult(*_recorded("svd", lambda a: svd(a, False, True, hermitian), [a], _svd_gradient))


@_lapack
def svdvals(x: Any, /) -> Any:
    """Singular values, falling; gA = U diag(gs) V^T."""
    return svd(x, False).S


@_lapack
def qr(a: Any, mode: str = "reduced") -> Any:
    """Q with orthonormal columns and R upper triangular, A = Q R.

    gA = (gQ + Q C(M)) R^-T with M = R gR^T - gQ^T Q and C the symmetric matrix of the lower triangle, for no fewer rows
    than columns.
    """
    a = tensor(a)
    rows, columns = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and rows <= columns):
        raise NotImplementedError(
            f"linalg.qr: mode='{mode}' of a matrix of shape {a.shape[-2:]} has no gradient; take mode='reduced'"
        )
    if rows < columns:  # Q belongs to the first columns alone
        q, r = qr(a[..., :rows])
        r = ops.concatenate([r, _matmul(q.mT, a[..., rows:])], -1)
        return r if mode == "r" else QRResult(q, r)

    def gradient(inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        (q, r), (gq, gr) = outputs, cotangents
        m = ops.subtract(_matmul(r, gr.mT), _matmul(gq.mT, q))
        lower = _lower_half(m)
        total = ops.add(gq, _matmul(q, ops.add(lower, lower.mT)))
        return [solve(r, total.mT).mT]

    result = _recorded("qr", lambda a: qr(a, "reduced"), [a], gradient)
    return result[1] if mode == "r" else QRResult(*result)


eig = delegated("linalg.eig", numpy.linalg.eig)
eigvals = delegated("linalg.eigvals", numpy.linalg.eigvals)
matrix_rank = delegated("linalg.matrix_rank", numpy.linalg.matrix_rank)


@_lapack
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of the matrix whose rows are the first ``ind`` axes and whose columns are the others."""
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    lengths = a.shape
    return ops.reshape(inv(ops.reshape(a, (math.prod(lengths[:ind]), -1))), (*lengths[ind:], *lengths[:ind]))


@_lapack
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The tensor x with ``tensordot(a, x, x.ndim) = b``."""
    a, b = tensor(a), tensor(b)
    if axes is not None:
        last = [axis for axis in range(a.ndim) if axis not in axes]
        a = ops.transpose(a, [*last, *axes])
    unknown = a.shape[b.ndim :]
    if math.prod(unknown) != b.size:
        raise LinAlgError(f"tensorsolve: {a.shape} has {math.prod(unknown)} unknowns for {b.size} equations")
    return ops.reshape(solve(ops.reshape(a, (b.size, b.size)), ops.reshape(b, (-1,))), unknown)


# ---- norms


@_lapack
def cond(x: Any, p: Any = None) -> Any:
    """How much a matrix magnifies relative errors: |x| |x^-1| in the norm ``p``, by default s_max / s_min."""
    if p in (None, 2, -2):
        s = svdvals(x)
        return ops.divide(s[..., -1], s[..., 0]) if p == -2 else ops.divide(s[..., 0], s[..., -1])
    return ops.multiply(norm(x, p, axis=(-2, -1)), norm(inv(x), p, axis=(-2, -1)))


def _float(x: Any) -> Tensor:
    x = tensor(x)
    return x if x.dtype.kind == "f" else ops.cast(x, "float64")


def _greatest(x: Any, axis: Any, keepdims: bool) -> Any:
    """The greatest of numbers that aren't negative; 0 where there are none."""
    return ops.max(x, axis, keepdims) if x.size else ops.sum(x, axis, keepdims)


def _vector_norm(x: Tensor, ord: Any, axis: Any, keepdims: bool) -> Tensor:
    if ord is None or ord == 2:
        if x.ndim == 1 and not keepdims and axis in (None, 0, -1, (0,)):
            return ops.sqrt(_matmul(x, x))
        return ops.sqrt(ops.sum(ops.square(x), axis, keepdims))
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord == 0:
        return ops.cast(ops.sum(ops.not_equal(x, 0), axis, keepdims), x.dtype)
    size = ops.absolute(x)
    if ord == math.inf:
        return _greatest(size, axis, keepdims)
    if ord == -math.inf:
        return ops.min(size, axis, keepdims)
    if ord == 1:
        return ops.sum(size, axis, keepdims)
    return ops.power(ops.sum(ops.power(size, float(ord)), axis, keepdims), 1.0 / ord)


def _matrix_norm(x: Tensor, ord: Any, axes: tuple[int, int], keepdims: bool) -> Tensor:
    row, column = axes
    if row == column:
        raise ValueError("Duplicate axes given.")
    if ord in (None, "fro", "f"):
        return ops.sqrt(ops.sum(ops.square(x), axes, keepdims))
    if ord in ("nuc", 2, -2):
        rest = [i for i in range(x.ndim) if i not in axes]
        values = svdvals(ops.transpose(x, [*rest, row, column]))
        pick = {"nuc": ops.sum, 2: _greatest, -2: ops.min}[ord]
        result = pick(values, -1, False)
    elif ord in (1, -1, math.inf, -math.inf):
        first, second = (row, column) if ord in (1, -1) else (column, row)
        sums = ops.sum(ops.absolute(x), first, True)
        result = (_greatest if ord > 0 else ops.min)(sums, second, True)
        return result if keepdims else ops.squeeze(result, axes)
    else:
        raise ValueError(
            "Invalid norm order for matrices."
            if not isinstance(ord, str)
            else f"Invalid norm order '{ord}' for matrices"
        )
    return ops.expand_dims(result, axes) if keepdims else result


@_linalg
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors (one axis) or matrices (two); of all elements without ``axis`` and ``ord``.

    Orders of vectors: a number p for (sum |x|^p)^(1/p), inf, -inf, 0. Orders of matrices: "fro", "nuc", 1, -1, 2, -2,
    inf, -inf.
    """
    x = _float(x)
    if axis is None:
        if ord is None or (ord in ("fro", "f") and x.ndim == 2) or (ord == 2 and x.ndim == 1):
            flat = ops.reshape(x, (-1,))
            result = ops.sqrt(_matmul(flat, flat))
            return ops.reshape(result, (1,) * x.ndim) if keepdims else result
        if x.ndim not in (1, 2):
            raise ValueError("Improper number of dimensions to norm.")
        axis = tuple(range(x.ndim))
    try:
        axes = normalize_axis_tuple(axis, x.ndim)
    except TypeError as error:
        raise TypeError("'axis' must be None, an integer or a tuple of integers") from error
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, (axes[0], axes[1]), keepdims)
    raise ValueError("Improper number of dimensions to norm.")


@_linalg
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of vectors along axes, of all elements by default."""
    x = _float(x)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return _vector_norm(x, ord, axes, keepdims)


@_linalg
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of matrices, the last two axes."""
    x = _float(x)
    first, second = normalize_axis_tuple((-2, -1), x.ndim)
    return _matrix_norm(x, ord, (first, second), keepdims)


# ---- products


@_linalg
def matrix_power(a: Any, n: int) -> Any:
    """The n-th power of square matrices, by repeated squaring."""
    a = tensor(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise LinAlgError("Last 2 dimensions of the array must be square")
    if not isinstance(n, (int, numpy.integer)):
        raise TypeError("exponent must be an integer")
    if n < 0:
        a, n = inv(a), -n
    if n == 0:
        return ops.copy(ops.broadcast_to(_eye(a.shape[-1], a.dtype), a.shape))
    result = None
    while n:
        n, odd = divmod(int(n), 2)
        if odd:
            result = a if result is None else _matmul(result, a)
        a = _matmul(a, a) if n else a
    return result


@_linalg
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """The product of several matrices in the cheapest order; the first and the last may be vectors."""
    tensors = [tensor(x) for x in arrays]
    if len(tensors) < 2:
        raise ValueError("Expecting at least two arrays.")
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    terms = [letters[i : i + 2] for i in range(len(tensors))]
    if tensors[0].ndim == 1:
        terms[0] = terms[0][1]
    if tensors[-1].ndim == 1:
        terms[-1] = terms[-1][0]
    for term, x in zip(terms, tensors, strict=True):
        if x.ndim != len(term):
            raise LinAlgError(f"{x.ndim}-dimensional array given. Array must be two-dimensional")
    if len(tensors) <= 3 and out is None and len({x.dtype for x in tensors}) == 1:
        a, b, *last = tensors
        if not last:
            return _matmul(a, b)
        c = last[0]
        rows, columns = (1 if a.ndim == 1 else a.shape[0]), (1 if c.ndim == 1 else c.shape[1])
        # The multiplications of (a b) c and of a (b c), a vector being one row or one column.
        if rows * (b.size + c.size) <= columns * (a.size + b.size):
            return _matmul(_matmul(a, b), c)
        return _matmul(a, _matmul(b, c))
    right = "".join(c for c in (letters[0], letters[len(tensors)]) if any(c in term for term in terms))
    return einsum(",".join(terms) + "->" + right, *tensors, out=out)


@_linalg
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product of vectors of length 3."""
    x1, x2 = tensor(x1), tensor(x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, but they are "
            f"{x1.shape[axis]} and {x2.shape[axis]} dimensional instead."
        )
    return products.cross(x1, x2, axis=axis)


@_linalg
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of matrices, the last two axes."""
    return _diagonal(x, offset, -2, -1)


@_linalg
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums of the diagonals of matrices, the last two axes."""
    return reduce.sum(_diagonal(x, offset, -2, -1), -1, dtype)


@_linalg
def matmul(x1: Any, x2: Any, /) -> Any:
    """The product of matrices."""
    return _matmul(x1, x2)


@_linalg
def matrix_transpose(x: Any, /) -> Any:
    """A view with the last two axes swapped."""
    return tensor(x).mT


@_linalg
def outer(x1: Any, x2: Any, /) -> Any:
    """The products of every element of one vector with every one of another."""
    x1, x2 = tensor(x1), tensor(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"Input arrays must be one-dimensional, but they are x1.ndim={x1.ndim} and x2.ndim={x2.ndim}.")
    return products.outer(x1, x2)


@_linalg
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes."""
    return products.tensordot(x1, x2, axes)


@_linalg
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The sums of products along an axis."""
    x1, x2 = tensor(x1), tensor(x2)
    first, second = normalize_axis_index(axis, x1.ndim), normalize_axis_index(axis, x2.ndim)
    return products.vecdot(products.moveaxis(x1, first, -1), products.moveaxis(x2, second, -1))

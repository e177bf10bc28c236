"""``keras.ops.linalg``: matrices are the last two axes; :mod:`chainrule.numpy.linalg` computes them, with gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule

from ..symbolic import any_symbolic, apply_function
from ..variables import convert_to_tensor
from .arrays import face
from .dispatch import as_operands, as_real, core, symbolic

__all__ = [
    "cdist",
    "cholesky",
    "cholesky_inverse",
    "det",
    "eig",
    "eigh",
    "inv",
    "jvp",
    "logdet",
    "lstsq",
    "lu_factor",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
]


def _identities(shape: list[int], dtype: str) -> np.ndarray:
    """Unit matrices: what every function here is defined on."""
    ones = np.ones(shape, dtype)
    return ones * np.eye(shape[-2], shape[-1], dtype=dtype) if len(shape) > 1 else ones


def _matrices(square: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function whose first argument holds (square) matrices; symbolic arguments are tried as unit matrices."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def apply(*args: Any, **kwargs: Any) -> Any:
            first = args[0] if args else next(iter(kwargs.values()))
            shape = tuple(first.shape) if hasattr(first, "shape") else np.shape(first)
            name = function.__name__
            if len(shape) < 2:
                raise ValueError(f"{name}: needs matrices in the last two axes, got shape {shape}.")
            if square and shape[-1] != shape[-2] and None not in shape[-2:]:
                raise ValueError(f"{name}: needs square matrices in the last two axes, got shape {shape}.")
            if any_symbolic([list(args), kwargs]):
                return apply_function(apply, args, kwargs, _identities)
            return function(*args, **kwargs)

        return apply

    return decorate


@_matrices(square=True)
def cholesky(x: Any, upper: bool = False) -> Any:
    """The lower (or upper) triangular L with L L^T = x. ValueError where x is not positive definite."""
    try:
        return face().linalg.cholesky(as_real(x), upper=upper)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"cholesky: {error}") from None


@_matrices(square=True)
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """The inverse of the matrix whose Cholesky factor is ``x``."""
    factor = as_real(x)
    inverse = face().linalg.inv(factor)
    turned = face().swapaxes(inverse, -1, -2)
    return core.matmul(inverse, turned) if upper else core.matmul(turned, inverse)


@_matrices(square=True)
def det(x: Any) -> Any:
    """Determinant."""
    return face().linalg.det(as_real(x))


@_matrices(square=True)
def slogdet(x: Any) -> tuple[Any, Any]:
    """(sign, logarithm of the absolute value) of the determinant."""
    return tuple(face().linalg.slogdet(as_real(x)))


@_matrices(square=True)
def logdet(x: Any) -> Any:
    """Logarithm of the determinant of positive definite matrices."""
    return face().linalg.slogdet(as_real(x))[1]


@_matrices(square=True)
def inv(x: Any) -> Any:
    """Inverse."""
    return face().linalg.inv(as_real(x))


@_matrices()
def pinv(x: Any, rcond: Any = None) -> Any:
    """Moore-Penrose pseudo-inverse; singular values below ``rcond`` times the greatest count as 0."""
    x = as_real(x)
    if rcond is None:
        rcond = max(x.shape[-2:]) * float(np.finfo(x.dtype).eps)
    return face().linalg.pinv(x, rcond=rcond)


@_matrices()
def matrix_rank(x: Any, tol: Any = None) -> Any:
    """Number (int32) of singular values above ``tol``."""
    return chainrule.asarray(np.asarray(np.linalg.matrix_rank(as_real(x).numpy(), tol), "int32"))


@_matrices(square=True)
def eigh(x: Any) -> tuple[Any, Any]:
    """(eigenvalues upwards, eigenvectors as columns) of symmetric matrices."""
    return tuple(face().linalg.eigh(as_real(x)))


@_matrices(square=True)
def eig(x: Any) -> tuple[Any, Any]:
    """(eigenvalues, eigenvectors as columns) of matrices whose eigenvalues are real: there are no complex types."""
    values, vectors = np.linalg.eig(as_real(x).numpy())
    if np.iscomplexobj(values):
        raise ValueError("eig: some eigenvalues are complex, and there are no complex types; use NumPy's linalg.eig.")
    return chainrule.asarray(values), chainrule.asarray(vectors)


@_matrices()
def qr(x: Any, mode: str = "reduced") -> tuple[Any, Any]:
    """(Q, R) with orthonormal columns and an upper triangle; mode "reduced" or "complete"."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode must be 'reduced' or 'complete', got {mode!r}.")
    return tuple(face().linalg.qr(as_real(x), mode=mode))


@_matrices()
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """(U, singular values downwards, V^T), or the values alone."""
    found = face().linalg.svd(as_real(x), full_matrices=full_matrices, compute_uv=compute_uv)
    return tuple(found) if compute_uv else found


def _columns(a: Any, b: Any, function: Callable[[Any, Any], Any]) -> Any:
    """``function(a, b)`` where b, with one axis less than a, holds single columns."""
    a, b = as_operands(as_real(a), as_real(b))
    if b.ndim == a.ndim - 1:
        return core.squeeze(function(a, core.expand_dims(b, -1)), axis=-1)
    return function(a, b)


@_matrices(square=True)
def solve(a: Any, b: Any) -> Any:
    """x with a x = b, for columns b of shape (..., n) or (..., n, k)."""
    return _columns(a, b, face().linalg.solve)


@_matrices(square=True)
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """x with a x = b, of a only the upper (or lower) triangle being read."""

    def solve(a: Any, b: Any) -> Any:
        return face().linalg.solve(face().tril(a) if lower else face().triu(a), b)

    return _columns(a, b, solve)


@_matrices()
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """The x of least norm that minimises ||a x - b||, for one matrix a."""
    a, b = as_operands(as_real(a), as_real(b))
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ValueError(f"lstsq: needs a (m, n) and b (m,) or (m, k), got {tuple(a.shape)} and {tuple(b.shape)}.")
    return face().linalg.lstsq(a, b, rcond=rcond)[0]


@_matrices()
def lu_factor(x: Any) -> tuple[Any, Any]:
    """(LU, pivots): L (unit diagonal) and U in one matrix; row i was exchanged with row pivots[i] (int32).

    Doolittle's elimination with partial pivoting (Golub and Van Loan, Matrix Computations, 3.4).
    """
    factors = np.array(as_real(x).numpy())
    rows, columns = factors.shape[-2:]
    matrices = factors.reshape(-1, rows, columns)
    pivots = np.zeros((len(matrices), min(rows, columns)), "int32")
    for matrix, pivot in zip(matrices, pivots, strict=True):
        for k in range(len(pivot)):
            pivot[k] = best = k + int(np.argmax(np.abs(matrix[k:, k])))
            matrix[[k, best]] = matrix[[best, k]]
            if matrix[k, k] != 0:
                matrix[k + 1 :, k] /= matrix[k, k]
                matrix[k + 1 :, k + 1 :] -= np.outer(matrix[k + 1 :, k], matrix[k, k + 1 :])
    return (
        chainrule.asarray(matrices.reshape(factors.shape)),
        chainrule.asarray(pivots.reshape(*factors.shape[:-2], pivots.shape[-1])),
    )


@symbolic
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norm of vectors (``axis`` one axis, or None for all entries) or of matrices (two axes).

    ``ord`` as in ``numpy.linalg.norm``: None Euclidean or Frobenius, 1, 2, inf, -inf, any p, "fro", "nuc".
    """
    if isinstance(axis, list):
        axis = tuple(axis)
    return face().linalg.norm(as_real(x), None if ord == "euclidean" else ord, axis=axis, keepdims=keepdims)


def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(outputs, their derivative along ``tangents``[, aux]) of ``fun`` at ``primals`` (lists of tensors).

    Forward mode by two reverse ones: the transpose of the linear map that the reverse sweep is.
    """
    points, directions = ([as_real(x) for x in xs] for xs in (primals, tangents))
    aux: list[Any] = []

    def function(*xs: Any) -> Any:
        result = fun(*xs)
        if has_aux:
            result, extra = result
            aux[:] = [extra]
        return result

    outputs = function(*points)
    several = isinstance(outputs, (list, tuple))
    heads = [core.multiply(convert_to_tensor(y), 0.0) for y in (outputs if several else [outputs])]

    def pulled(*cotangents: Any) -> Any:
        gradients = chainrule.vjp(function, *points)[1](type(outputs)(cotangents) if several else cotangents[0])
        return tuple(gradients) if isinstance(gradients, (list, tuple)) else (gradients,)

    derivatives = chainrule.vjp(pulled, *heads)[1](tuple(directions))
    derivatives = derivatives if isinstance(derivatives, (list, tuple)) else (derivatives,)
    along = type(outputs)(derivatives) if several else derivatives[0]
    return (outputs, along, aux[0]) if has_aux else (outputs, along)


@_matrices()
def cdist(x: Any, y: Any) -> Any:
    """Euclidean distances between the rows of x (..., m, d) and those of y (..., n, d): (..., m, n)."""
    x, y = as_operands(as_real(x), as_real(y))
    gaps = core.expand_dims(x, -2) - core.expand_dims(y, -3)
    square = core.sum(core.square(gaps), axis=-1)
    apart = core.greater(square, 0.0)  # the root has no derivative at 0
    return core.where(apart, core.sqrt(core.where(apart, square, 1.0)), 0.0)

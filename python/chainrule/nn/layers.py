"""The dense layer, embedding and dropout as functions."""

from __future__ import annotations

from typing import Any

from chainrule import _core

_op = _core.ops


def dense(x: Any, kernel: Any, bias: Any = None) -> Any:
    """z = x W + b: x of shape (..., n_in), kernel (n_in, n_out), bias (n_out,) -> (..., n_out)."""
    z = _op.matmul(x, kernel)
    return z if bias is None else _op.add(z, bias)


def int8_matmul(a: Any, b: Any) -> Any:
    """The matrix product of 8-bit integers with exact 32-bit sums, for quantised inference.

    ``a`` is int8 or uint8, ``b`` int8, with the shapes of ``numpy.matmul``; the result is int32 (it wraps beyond that).
    ``numpy.matmul`` of int8 keeps NumPy's meaning: a result in int8, which wraps. Not differentiable.

    Raises:
        TypeError: other dtypes.
        ValueError: shapes that don't fit.

    Example: ``nn.int8_matmul(np.int8([[100, 100]]), np.int8([[2], [1]]))  # [[300]]``
    """
    return _op.int8_matmul(a, b)


def dropout(x: Any, key: Any, rate: float) -> Any:
    """x * mask / (1 - rate), the mask 0 with probability ``rate``; ``key``: a uint64 tensor (seed, counter)."""
    return _op.dropout(x, key, rate)


def embedding(indices: Any, table: Any) -> Any:
    """Rows of a table (rows, columns) by number: indices of any shape -> (..., columns).

    Indices are of an integer type, or floats, which are truncated; a negative one counts from the end.

    Raises:
        IndexError: an index outside the table.

    Example: ``nn.embedding([2, 0], [[1.0], [2.0], [3.0]])  # [[3.], [1.]]``
    """
    return _op.embedding(table, indices)

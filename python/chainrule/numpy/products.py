"""Products of arrays: matrices, tensors, Einstein's sums, convolutions."""

from __future__ import annotations

import math
from typing import Any

import numpy
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from .. import _core
from .fallback import Tensor, call_numpy, exports, native, recordable, tensor
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
    x1, x2 = tensor(x1), tensor(x2)
    if x1.ndim < 2 or x2.ndim < 1:
        raise ValueError(f"matvec: matrices and vectors are needed, got shapes {x1.shape} and {x2.shape}")
    return ops.squeeze(_matmul(x1, ops.expand_dims(x2, -1)), -1)


def _vecmat(x1: Any, x2: Any) -> Tensor:
    """Vectors times matrices."""
    x1, x2 = tensor(x1), tensor(x2)
    if x1.ndim < 1 or x2.ndim < 2:
        raise ValueError(f"vecmat: vectors and matrices are needed, got shapes {x1.shape} and {x2.shape}")
    return ops.squeeze(_matmul(ops.expand_dims(x1, -2), x2), -2)


matmul = Ufunc(numpy.matmul, _matmul)


class _VectorProduct(Ufunc):
    """vecdot: a ufunc of vectors, whose axis may be any."""

    def __call__(self, x1: Any, x2: Any, /, *args: Any, axis: int = -1, **kwargs: Any) -> Any:
        if axis != -1:
            x1, x2 = moveaxis(x1, axis, -1), moveaxis(x2, axis, -1)
        return super().__call__(x1, x2, *args, **kwargs)


vecdot = _VectorProduct(numpy.vecdot, _vecdot)
if hasattr(numpy, "matvec"):  # since NumPy 2.2
    matvec = Ufunc(numpy.matvec, _matvec)
    vecmat = Ufunc(numpy.vecmat, _vecmat)


@native
def _dot(a: Any, b: Any, out: Any = None) -> Any:
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
    if out is None:
        return result
    known = not getattr(out, "is_traced", False)
    if (
        getattr(out, "shape", None) != result.shape
        or out.dtype != result.dtype
        or (known and not out.flags.c_contiguous)
    ):
        raise ValueError(f"dot: out must be a row-major array of shape {result.shape} and dtype {result.dtype}")
    return write_out("dot", result, out)


_core.set_dot(_dot)
dot = _core.dot


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
    a, b = tensor(a), tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError("At least one array has zero dimension")
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        return call_numpy("cross", numpy.cross, (a, b), {"axisc": axisc})
    a1, a2, a3 = a[..., 0], a[..., 1], a[..., 2]
    b1, b2, b3 = b[..., 0], b[..., 1], b[..., 2]
    parts = [a2 * b3 - a3 * b2, a3 * b1 - a1 * b3, a1 * b2 - a2 * b1]
    return moveaxis(ops.stack(parts, parts[0].ndim), -1, axisc)


@recordable
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    """The sum of a diagonal."""
    from .index import diagonal
    from .reduce import sum

    return sum(diagonal(a, offset, axis1, axis2), -1, dtype, out)


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


@recordable
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """sum_m a[m] v[k - m], for all k ("full"), those in the middle ("same") or those without an edge ("valid")."""
    a, v = _prepared("convolve", a, v)
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    if mode == "same":  # the middle of the full result, as NumPy cuts it
        full = _sliding("convolve", a, ops.flip(v, 0), "full")
        start = (v.shape[0] - 1) // 2
        return full[start : start + a.shape[0]]
    return _sliding("convolve", a, ops.flip(v, 0), mode)


@recordable
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """sum_m a[m + k] v[m]; see :func:`convolve`."""
    a, v = _prepared("correlate", a, v)
    if v.shape[0] > a.shape[0]:
        return ops.flip(convolve(v, ops.flip(a, 0), mode) if mode != "same" else _sliding("correlate", v, a, "same"), 0)
    return _sliding("correlate", a, v, mode)


__all__ = exports(globals())

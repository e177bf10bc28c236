"""Every function of floats has the right derivative, or says that it has none.

A row of a table is a function and its inputs, away from kinks. The derivative along a random direction is compared with
central differences in float64; for elementwise functions the second derivative is, too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy
import pytest

import chainrule
import chainrule.numpy as np

RNG = numpy.random.default_rng(5)
X = RNG.uniform(0.3, 0.9, (3, 4))  # within every domain but arccosh's
Y = RNG.uniform(0.3, 0.9, (3, 4)) + 0.05
S = RNG.normal(size=(3, 4))  # of both signs, all different
V, W = RNG.normal(size=5), RNG.normal(size=5)
M, N = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))
TALL, WIDE = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 5))
STACK = RNG.normal(size=(2, 3, 3))
N8 = RNG.normal(size=(2, 3, 3))
INDEX = numpy.array([2, 0, 2])
MASK = S > 0


ELEMENTWISE: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{
        name: (getattr(np, name), (X,))
        for name in [
            "acos", "arccos", "arcsin", "arcsinh", "arctan", "arctanh", "asin", "asinh", "atan", "atanh", "cbrt", "cos",
            "cosh", "deg2rad", "degrees", "exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "negative",
            "positive", "rad2deg", "radians", "reciprocal", "sin", "sinc", "sinh", "sqrt", "square", "tan", "tanh",
        ]
    },
    **{name: (getattr(np, name), (S,)) for name in ["abs", "absolute", "fabs", "nan_to_num", "real", "conj", "sinc"]},
    **{name: (getattr(np, name), (X + 1,)) for name in ["acosh", "arccosh"]},
    **{
        name: (getattr(np, name), (X, Y))
        for name in [
            "add", "arctan2", "atan2", "divide", "float_power", "hypot", "logaddexp", "logaddexp2", "maximum",
            "minimum", "fmax", "fmin", "multiply", "pow", "power", "subtract", "true_divide", "copysign",
        ]
    },
    "remainder": (np.remainder, (S * 5, X)),
    "mod": (np.mod, (S * 5, X)),
    "fmod": (np.fmod, (S * 5, X)),
    "clip": (lambda x: np.clip(x, -0.5, 0.5), (S,)),
    "clip bounds": (np.clip, (S, X - 0.7, X + 0.1)),
    "where": (lambda x, y: np.where(MASK, x * y, x - y), (X, Y)),
    "x ** 2": (lambda x: x**2, (S,)),
    "x ** -1.5": (lambda x: x**-1.5, (X,)),
    "2 ** x": (lambda x: 2.0**x, (S,)),
    "a mix": (lambda x, y: np.exp(-x * y) / (1 + np.tanh(x)) - x // 2, (X, Y)),
    "piecewise by select": (lambda x: np.select([MASK, ~MASK], [x**3, np.sin(x)]), (S,)),
}  # fmt: skip

OTHERS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    # reductions
    **{
        name: (getattr(np, name), (S,))
        for name in ["sum", "prod", "mean", "std", "var", "max", "min", "amax", "amin", "ptp", "median", "nansum",
                     "nanmean", "nanprod", "nanvar", "nanstd", "nanmax", "nanmin", "cumsum", "cumprod", "nancumsum",
                     "nancumprod"]
    },
    "sum axis": (lambda x: np.sum(x, axis=0, keepdims=True), (S,)),
    "prod axis": (lambda x: np.prod(x, axis=1), (S,)),
    "prod with a zero": (lambda x: np.prod(x, axis=1), (S * (numpy.arange(4) != 1),)),
    "prod with zeros": (lambda x: np.prod(x, axis=1), (S * (numpy.arange(4) > 1),)),
    "cumprod with a zero": (lambda x: np.cumprod(x, axis=1), (S * (numpy.arange(4) != 1),)),
    "var ddof": (lambda x: np.var(x, axis=1, ddof=1), (S,)),
    "std axis": (lambda x: np.std(x, axis=(0, 1), keepdims=True), (S,)),
    "max axes": (lambda x: np.max(x, axis=(0, 1)), (S,)),
    "sum where": (lambda x: np.sum(x * x, where=MASK), (S,)),
    "max initial": (lambda x: np.max(x, axis=0, initial=0.1), (S,)),
    "average": (lambda x, w: np.average(x, axis=1, weights=w), (S, X)),
    "quantile": (lambda x: np.quantile(x, [0.2, 0.7], axis=1), (S,)),
    "percentile": (lambda x: np.percentile(x, 35), (S,)),
    "cumulative_sum": (lambda x: np.cumulative_sum(x, axis=1, include_initial=True), (S,)),
    "cumulative_prod": (lambda x: np.cumulative_prod(x, axis=1, include_initial=True), (S,)),
    "cumsum axis": (lambda x: np.cumsum(x, axis=0), (S,)),
    "diff": (lambda x: np.diff(x, n=2, axis=1), (S,)),
    "gradient": (lambda x: np.gradient(x, axis=1), (S,)),
    "trapezoid": (lambda y, x: np.trapezoid(y, x), (V, numpy.sort(W))),
    "cov": (np.cov, (S,)),
    "corrcoef": (np.corrcoef, (S,)),
    # sorting and choosing
    "sort": (lambda x: np.sort(x, axis=0), (S,)),
    "sort all": (lambda x: np.sort(x, axis=None), (S,)),
    "sort descending": (lambda x: np.sort(x, descending=True), (S,)),
    "partition": (lambda x: np.partition(x, 2), (S,)),
    "take by argsort": (lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1), (S,)),
    "take_along_axis": (lambda x: np.take_along_axis(x, numpy.array([[0, 0], [3, 1], [2, 2]]), axis=1), (S,)),
    "take": (lambda x: np.take(x, INDEX, axis=1), (S,)),
    "choose": (lambda x, y: np.choose(numpy.array([0, 1, 1, 0]), [x, y]), (V[:4], W[:4])),
    "compress": (lambda x: np.compress([True, False, True], x, axis=0), (S,)),
    "extract": (lambda x: np.extract(MASK, x), (S,)),
    "argmax": (lambda x: x[np.arange(3), np.argmax(x, axis=1)], (S,)),
    # indexing
    "x[i]": (lambda x: x[1], (S,)),
    "x[i, j]": (lambda x: x[1, 2], (S,)),
    "x[slices]": (lambda x: x[::2, -1:0:-2], (S,)),
    "x[None, ..., i]": (lambda x: x[None, ..., 1], (S,)),
    "x[array]": (lambda x: x[INDEX], (S,)),
    "x[array, array]": (lambda x: x[INDEX, INDEX], (S,)),
    "x[:, array]": (lambda x: x[:, INDEX], (S,)),
    "x[mask]": (lambda x: x[MASK], (S,)),
    "x.flat, iteration": (lambda x: sum(row[0] * row[1] for row in x), (S,)),
    "x[i] = v": (lambda x, v: _assigned(x, 1, v * v), (S, V[:4])),
    "x[slice] = v": (lambda x, v: _assigned(x, (slice(None), slice(0, 4, 2)), v[:2]), (S, V)),
    "x[array] = v": (lambda x, v: _assigned(x, INDEX[:2], v[:4]), (S, V)),
    "x[mask] = number": (lambda x: _assigned(x, MASK, 3.0), (S,)),
    "x[mask] = v": (lambda x, v: _assigned(x, numpy.sort(S, axis=None)[-6] < S, v), (S, V)),
    "x[i] += v": (lambda x, v: _increased(x, 1, v), (S, V[:4])),
    "x *= v": (lambda x, y: _scaled(x, y), (X, Y)),
    # shapes
    "reshape": (lambda x: np.reshape(x, (2, 6)), (S,)),
    "reshape F": (lambda x: np.reshape(x, (2, 6), order="F"), (S,)),
    "ravel": (np.ravel, (S,)),
    "transpose": (np.transpose, (S,)),
    "moveaxis": (lambda x: np.moveaxis(x, 0, 2), (STACK,)),
    "swapaxes": (lambda x: np.swapaxes(x, 0, 2), (STACK,)),
    "expand_dims": (lambda x: np.expand_dims(x, 1), (S,)),
    "squeeze": (lambda x: np.squeeze(x[:, None]), (S,)),
    "flip": (lambda x: np.flip(x, axis=1), (S,)),
    "rot90": (np.rot90, (S,)),
    "roll": (lambda x: np.roll(x, (1, -2), axis=(0, 1)), (S,)),
    "roll flat": (lambda x: np.roll(x, 3), (S,)),
    "tile": (lambda x: np.tile(x, (2, 1)), (S,)),
    "repeat": (lambda x: np.repeat(x, 2, axis=1), (S,)),
    "repeat counts": (lambda x: np.repeat(x, [1, 0, 3], axis=0), (S,)),
    "broadcast_to": (lambda x: np.broadcast_to(x, (3, 5)), (V,)),
    "concatenate": (lambda x, y: np.concatenate([x, y, x], axis=1), (X, Y)),
    "concatenate flat": (lambda x, y: np.concatenate([x, y], axis=None), (X, V)),
    "stack": (lambda x, y: np.stack([x, y], axis=-1), (X, Y)),
    "hstack": (lambda x, y: np.hstack([x, y]), (X, Y)),
    "vstack": (lambda x, y: np.vstack([x, y]), (X, Y)),
    "dstack": (lambda x, y: np.dstack([x, y]), (X, Y)),
    "column_stack": (lambda x, y: np.column_stack([x, y]), (V, W)),
    "block": (lambda x, y: np.block([[x, y], [y, x]]), (X, Y)),
    "split": (lambda x: np.split(x, 2, axis=1)[1], (S,)),
    "unstack": (lambda x: np.unstack(x)[2], (S,)),
    "append": (lambda x, y: np.append(x, y), (X, V)),
    "array of numbers": (lambda x: np.array([x[0], x[1] * x[2], 1.0]), (V,)),
    "meshgrid": (lambda x, y: np.meshgrid(x, y)[0] * np.meshgrid(x, y)[1], (V, W)),
    "linspace": (lambda a, b: np.linspace(a, b, 5), (numpy.array(0.3), numpy.array(1.7))),
    "pad": (lambda x: np.pad(x, ((1, 2), (0, 1))), (S,)),
    "pad edge": (lambda x: np.pad(x, 2, mode="edge"), (S,)),
    "pad reflect": (lambda x: np.pad(x, 2, mode="reflect"), (S,)),
    "pad symmetric": (lambda x: np.pad(x, 2, mode="symmetric"), (S,)),
    "pad wrap": (lambda x: np.pad(x, 2, mode="wrap"), (S,)),
    "tril": (lambda x: np.tril(x, -1), (M,)),
    "triu": (np.triu, (M,)),
    "diag": (np.diag, (V,)),
    "diag of a matrix": (lambda x: np.diag(x, 1), (M,)),
    "diagonal": (np.diagonal, (STACK,)),
    "trace": (np.trace, (M,)),
    "vander": (np.vander, (V,)),
    "astype": (lambda x: np.astype(x, "float64"), (S,)),
    "copy": (np.copy, (S,)),
    "nan_to_num": (np.nan_to_num, (S,)),
    "sliding_window_view": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 3), (V,)),
    # products
    "matmul": (np.matmul, (TALL, WIDE)),
    "matmul stacks": (np.matmul, (STACK, STACK[0])),
    "matrix @ vector": (lambda x, v: x @ v, (TALL, V[:3])),
    "vector @ vector": (lambda x, v: x @ v, (V, W)),
    "dot": (np.dot, (TALL, WIDE)),
    "vdot": (np.vdot, (V, W)),
    "vecdot": (np.vecdot, (X, Y)),
    "matvec": (np.matvec, (STACK, V[:3])),
    "vecmat": (np.vecmat, (V[:3], STACK)),
    "inner": (np.inner, (X, Y)),
    "outer": (np.outer, (V, W)),
    "kron": (np.kron, (V, M)),
    "cross": (np.cross, (STACK[0], STACK[1])),
    "tensordot": (lambda x, y: np.tensordot(x, y, axes=([1, 2], [2, 1])), (STACK, STACK)),
    "einsum": (lambda x, y: np.einsum("ij,kj->ik", x, y), (X, Y)),
    "einsum diagonal": (lambda x: np.einsum("ii->i", x), (M,)),
    "einsum three": (lambda x, y, v: np.einsum("ij,jk,k", x, y, v), (TALL, WIDE, V)),
    "convolve": (lambda x, y: np.convolve(x, y, "same"), (V, W[:3])),
    "correlate": (lambda x, y: np.correlate(x, y, "full"), (V, W[:3])),
    "polyval": (np.polyval, (V[:3], X)),
    "interp": (lambda y: np.interp([0.5, 2.25, 9.0], numpy.arange(5.0), y), (V,)),
    "interp places": (lambda x, y: np.interp(x, numpy.arange(5.0), y), (X[0] * 4, V)),
    # linear algebra
    "linalg.inv": (np.linalg.inv, (STACK,)),
    "linalg.det": (np.linalg.det, (STACK,)),
    "linalg.slogdet": (lambda x: np.linalg.slogdet(x)[1], (M,)),
    "linalg.solve": (np.linalg.solve, (M, TALL[:4])),
    "linalg.solve vector": (np.linalg.solve, (M, V[:4])),
    "linalg.cholesky": (lambda x: np.linalg.cholesky(x @ x.T + 4 * np.eye(4)), (M,)),
    "linalg.cholesky upper": (lambda x: np.linalg.cholesky(x @ x.T + 4 * np.eye(4), upper=True), (M,)),
    "linalg.qr q": (lambda x: np.linalg.qr(x)[0], (TALL,)),
    "linalg.qr r": (lambda x: np.linalg.qr(x)[1], (TALL,)),
    "linalg.qr wide r": (lambda x: np.linalg.qr(x)[1], (WIDE,)),
    "linalg.qr mode r": (lambda x: np.linalg.qr(x, mode="r"), (TALL,)),
    "linalg.eigh values": (lambda x: np.linalg.eigh(x + x.T)[0], (M,)),
    "linalg.eigh vectors": (lambda x: np.linalg.eigh(x + x.T)[1] ** 2, (M,)),
    "linalg.eigvalsh": (lambda x: np.linalg.eigvalsh(x + x.T), (M,)),
    "linalg.svd values": (lambda x: np.linalg.svd(x, compute_uv=False), (TALL,)),
    "linalg.svd": (lambda x: _put_together(np.linalg.svd(x, full_matrices=False)), (TALL,)),
    "linalg.svd u": (lambda x: np.linalg.svd(x, full_matrices=False)[0] ** 2, (TALL,)),
    "linalg.svd vh": (lambda x: np.linalg.svd(x, full_matrices=False)[2] ** 2, (WIDE,)),
    "linalg.svdvals": (np.linalg.svdvals, (WIDE,)),
    "linalg.pinv": (np.linalg.pinv, (TALL,)),
    "linalg.lstsq": (lambda a, b: np.linalg.lstsq(a, b)[0], (TALL, V)),
    "linalg.norm": (np.linalg.norm, (S,)),
    **{
        f"linalg.norm {o}": (lambda x, o=o: np.linalg.norm(x, o), (S,))
        for o in [1, -1, 2, -2, "fro", "nuc", numpy.inf, -numpy.inf]
    },
    **{f"linalg.norm of a vector {o}": (lambda x, o=o: np.linalg.norm(x, o), (V,)) for o in [1, 2, 3, -2, numpy.inf]},
    "linalg.matrix_norm": (np.linalg.matrix_norm, (STACK,)),
    "linalg.vector_norm": (lambda x: np.linalg.vector_norm(x, axis=1, ord=3), (S,)),
    "linalg.matrix_power": (lambda x: np.linalg.matrix_power(x, 3), (M,)),
    "linalg.matrix_power inverse": (lambda x: np.linalg.matrix_power(x, -2), (M,)),
    "linalg.multi_dot": (lambda x, y, z: np.linalg.multi_dot([x, y, z]), (TALL, WIDE, TALL)),
    "linalg.trace": (np.linalg.trace, (STACK,)),
    "linalg.outer": (np.linalg.outer, (V, W)),
    "linalg.cross": (np.linalg.cross, (STACK[0], STACK[1])),
    "linalg.qr complete wide": (lambda x: np.linalg.qr(x, mode="complete")[0], (WIDE,)),
    "linalg.cond": (np.linalg.cond, (M,)),
    "linalg.cond 1": (lambda x: np.linalg.cond(x, 1), (M,)),
    "linalg.cond of a stack": (lambda x: np.linalg.cond(x, -2), (STACK,)),
    "linalg.tensorsolve": (lambda a, b: np.linalg.tensorsolve(a, b), (M.reshape(2, 2, 4), N[:2, :2])),
    "linalg.tensorinv": (lambda a: np.linalg.tensorinv(a, ind=1), (M.reshape(4, 2, 2),)),
}  # fmt: skip

# Through complex numbers: from real ones to real ones.
LENGTHS = {"": (S, {}), " n": (S, {"n": 5}), " short": (S, {"n": 3, "axis": 0}), " ortho": (WIDE, {"norm": "ortho"})}
COMPLEX: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{
        f"fft.{name}{case}": (lambda x, name=name, k=k: _both(getattr(np.fft, name)(x, **k)), (x,))
        for name in ["fft", "ifft", "rfft", "ihfft"]
        for case, (x, k) in LENGTHS.items()
    },
    **{
        f"fft.{name}{case}": (lambda x, y, name=name, k=k: _both(getattr(np.fft, name)(x + 1j * y, **k)), (x, x[::-1]))
        for name in ["fft", "ifft", "irfft", "hfft"]
        for case, (x, k) in LENGTHS.items()
    },
    **{
        f"fft.{name}{k}": (lambda x, y, name=name, k=k: _both(getattr(np.fft, name)(x - 1j * y, **k)), (STACK, N8))
        for name in ["fft2", "ifft2", "irfft2", "fftn", "ifftn", "irfftn"]
        for k in [{}, {"s": (4, 3), "axes": (0, 2)}, {"norm": "forward"}]
    },
    **{
        f"fft.{name}{k}": (lambda x, name=name, k=k: _both(getattr(np.fft, name)(x, **k)), (STACK,))
        for name in ["rfft2", "rfftn"]
        for k in [{}, {"s": (4, 3), "axes": (0, 2)}, {"norm": "forward"}]
    },
    "fft.fftshift": (lambda x: np.fft.fftshift(x), (STACK,)),
    "fft.ifftshift": (lambda x: _both(np.fft.ifftshift(np.fft.fft(x), axes=1)), (S,)),
    "power spectrum": (lambda x: np.abs(np.fft.rfft(x)) ** 2, (S,)),
    "convolution": (lambda x, y: np.fft.irfft(np.fft.rfft(x) * np.conj(np.fft.rfft(y)), 5), (V, W)),
    "a filter": (lambda x: np.fft.irfft(np.fft.rfft(x) * numpy.exp(1j * numpy.arange(3)), n=x.shape[-1]), (S,)),
    "phase": (lambda x: np.angle(np.fft.rfft(x)[1:2]), (V,)),
    "a complex power": (lambda x, y: _both((x + 1j * y) ** 3 / (2 - 1j * x)), (X, Y)),
    "functions": (lambda x, y: _both(np.exp(x + 1j * y) + np.log(x - 1j * y) * np.sqrt(1j * x)), (X, Y)),
    "sine, cosine": (lambda x, y: _both(np.sin(x + 1j * y) - np.cos(y + 1j * x)), (X, Y)),
    "quotients": (lambda x, y: _both((1 + 1j) / (x + 1j * y) - (x - 1j) / y), (X, Y)),
    "products": (lambda x, y: _both((x + 1j * y) @ (y + 2j).T), (X, Y)),
    "with arrays": (lambda x: _both(numpy.full(4, 1j) * x - x * numpy.full((3, 1), 2 - 1j)), (X,)),
    "parts": (lambda x, y: np.real(x * 1j * y) + np.imag((x + 2j) * (y - 1j)), (X, Y)),
    "sums and shapes": (lambda x, y: _both(np.sum(np.reshape(x + 1j * y, (2, 6)), axis=0)), (X, Y)),
    "einsum": (lambda x, y: _both(np.einsum("ij,kj->ik", x * 1j, y + 2j * x)), (X, Y)),
    "outer": (lambda x, y: _both(np.outer(np.fft.rfft(x), y)), (V, W)),
    "norm": (lambda x: np.linalg.norm(np.fft.fft(x)), (S,)),
    "array": (lambda x: _both(np.array([[x[0] * 1j, 2.0], [x[1], x[2] * (1 - 1j)]])), (V,)),
    "where": (lambda x: _both(np.where(MASK, np.fft.fft(x), x)), (S,)),
    "joined": (lambda x, y: _both(np.concatenate([x + 1j * y, y * 1j])), (X, Y)),
}  # fmt: skip

# Whole numbers and steps: constant almost everywhere, so that zero is the derivative.
FLAT = {name: (getattr(np, name), (S * 3,)) for name in ["ceil", "floor", "rint", "round", "sign", "trunc", "fix"]} | {
    "floor_divide": (np.floor_divide, (S * 3, X)),
    "heaviside": (np.heaviside, (S, X)),
}

# These have no derivative here, and say so.
WITHOUT = {
    "histogram": lambda x: np.histogram(x, weights=x)[0],
    "i0": np.i0,
    "unwrap": np.unwrap,
    "linalg.eig": lambda x: np.linalg.eig(x + x.T)[0],
    "linalg.eigvals": lambda x: np.linalg.eigvals(x + x.T),
    "spacing": np.spacing,
    "nextafter": lambda x: np.nextafter(x, 1.0),
    "modf": lambda x: np.modf(x)[0],
    "ldexp": lambda x: np.ldexp(x, 2),
    "frexp": lambda x: np.frexp(x)[0],
    "nanmedian": np.nanmedian,
    "insert": lambda x: np.insert(x, 1, 0.0, axis=0),
    "delete": lambda x: np.delete(x, 1, axis=0),
    "unique": lambda x: np.unique(x),
    "apply_along_axis": lambda x: np.apply_along_axis(lambda row: row * 2, 0, x),
    "polyfit": lambda x: np.polyfit(numpy.arange(4.0), x[0], 1),
    "ediff1d": np.ediff1d,
}


def _both(z: Any) -> Any:
    """Real and imaginary part, one after the other."""
    return np.stack([np.real(z), np.imag(z)])


def _assigned(x: Any, key: Any, value: Any) -> Any:
    x = x * 1.5
    x[key] = value
    return x * x


def _increased(x: Any, key: Any, value: Any) -> Any:
    x = x * 1.5
    x[key] += value
    return x * x


def _scaled(x: Any, y: Any) -> Any:
    x = np.sin(x)
    x *= y
    return x * x


def _put_together(parts: Any) -> Any:
    u, s, vh = parts
    return (u * s**2) @ vh


def _scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """The sum of the results, each times a number of its own."""

    def loss(*inputs: Any) -> Any:
        result = function(*inputs)
        weights = numpy.random.default_rng(1).uniform(0.5, 1.5, result.shape)
        return np.sum(result * weights)

    return loss


def _check(name: str, loss: Callable[..., Any], inputs: tuple[Any, ...], second: bool = False) -> None:
    rng = numpy.random.default_rng(zlib.crc32(name.encode()))
    directions = [rng.normal(size=x.shape) for x in inputs]
    count = tuple(range(len(inputs)))
    grad = chainrule.grad(loss, argnums=count)

    def along(*point: Any) -> Any:
        parts = [np.sum(g * d) for g, d in zip(grad(*point), directions, strict=True)]
        return sum(parts[1:], parts[0])

    tensors = [np.asarray(x) for x in inputs]
    _compare(loss, float(along(*tensors)), inputs, directions)
    if second:
        gradients = chainrule.grad(along, argnums=count)(*tensors)
        slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, directions, strict=True))
        _compare(along, slope, inputs, directions)


def _compare(function: Callable[..., Any], slope: float, inputs: tuple[Any, ...], directions: list[Any]) -> None:
    """Central differences at steps h and h / 2, extrapolated: the error is of the order h ** 4."""
    h = 1e-4

    def difference(step: float) -> float:
        ends = [
            float(function(*[np.asarray(x + sign * step * d) for x, d in zip(inputs, directions, strict=True)]))
            for sign in (1, -1)
        ]
        return (ends[0] - ends[1]) / (2 * step)

    expected = (4 * difference(h / 2) - difference(h)) / 3
    numpy.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name):
    function, inputs = ELEMENTWISE[name]
    _check(name, _scalar(function), inputs, second=True)


@pytest.mark.parametrize("name", OTHERS)
def test_others(name):
    function, inputs = OTHERS[name]
    _check(name, _scalar(function), inputs)


# Called by NumPy's own names, on arrays that a gradient follows.
NUMPYS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "ufunc": (lambda x: numpy.hypot(x, 2.0), (X,)),
    "function": (lambda x: numpy.linalg.norm(x, axis=0), (S,)),
    "reduce": (lambda x: numpy.add.reduce(x * x), (S,)),
    "accumulate": (lambda x: numpy.multiply.accumulate(x, axis=1), (S,)),
    "outer": (lambda x, y: numpy.subtract.outer(x, y), (V, W)),
    "where": (lambda x: numpy.multiply(x, x, where=MASK, out=np.ones((3, 4))), (S,)),
}


@pytest.mark.parametrize("name", NUMPYS)
def test_called_by_numpy(name):
    function, inputs = NUMPYS[name]
    _check(name, _scalar(function), inputs)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: numpy.spacing(x),
        lambda x: numpy.hypot.reduce(x),
        lambda x: numpy.frompyfunc(abs, 1, 1)(x),
        lambda x: numpy.multiply(x, x, out=numpy.zeros((3, 4))),
        lambda x: np.multiply(x, x, out=numpy.zeros((3, 4))),
        lambda x: np.add(x, x, out=numpy.zeros((3, 4)), where=MASK),
    ],
)
def test_what_numpy_computes_alone_is_no_silent_constant(function):
    with pytest.raises(NotImplementedError, match="gradient"):
        chainrule.grad(lambda x: np.sum(function(x)))(np.asarray(S))


@pytest.mark.parametrize("name", COMPLEX)
def test_complex(name):
    function, inputs = COMPLEX[name]
    _check(name, _scalar(function), inputs)
    tensors = [np.asarray(x) for x in inputs]
    numpy.testing.assert_allclose(
        numpy.asarray(chainrule.jit(function)(*tensors)), numpy.asarray(function(*tensors)), rtol=1e-10, atol=1e-12
    )


def test_recorded_complex_result():
    result = chainrule.jit(lambda x: {"spectrum": np.fft.rfft(x), "n": 4})(np.asarray(S))
    assert type(result["spectrum"]) is numpy.ndarray
    assert result["n"] == 4
    numpy.testing.assert_allclose(result["spectrum"], numpy.fft.rfft(S), rtol=1e-12, atol=1e-14)


def test_what_complex_numbers_cannot():
    x = np.asarray(V)
    with pytest.raises(NotImplementedError, match="tan of complex"):
        chainrule.grad(lambda x: np.sum(np.abs(np.tan(x * 1j))))(x)
    with pytest.raises(TypeError, match="must return a scalar"):
        chainrule.grad(lambda x: np.sum(np.fft.fft(x)))(x)
    with pytest.raises(TypeError, match="real"):
        chainrule.grad(lambda x: np.sum(np.abs(np.fft.rfft(x * 1j))))(x)
    with pytest.raises(chainrule.TraceError):
        chainrule.grad(lambda x: np.sum(numpy.asarray(np.fft.fft(x)).real))(x)


def test_absolute_value_of_complex_zero_has_gradient_zero():
    assert not numpy.asarray(chainrule.grad(lambda x: np.sum(np.abs(x * 1j)))(np.zeros(3))).any()


@pytest.mark.parametrize("name", FLAT)
def test_steps(name):
    function, inputs = FLAT[name]
    gradients = chainrule.grad(_scalar(function), argnums=tuple(range(len(inputs))))(*[np.asarray(x) for x in inputs])
    if name == "heaviside":
        gradients = gradients[:1]  # by its value at 0 it is one where x is 0, and S has no 0
    assert all(not numpy.asarray(g).any() for g in gradients)


# The conventions of docs/numpy.md: a function of numbers, where, and its gradient there.
NAN = numpy.nan
KINKS: dict[str, tuple[Callable[..., Any], tuple[float, ...], tuple[float, ...]]] = {
    "abs": (np.abs, (0,), (0,)),
    "sinc": (np.sinc, (0,), (0,)),
    "maximum": (np.maximum, (1, 1), (0.5, 0.5)),
    "minimum": (np.minimum, (1, 1), (0.5, 0.5)),
    "fmax of nan": (np.fmax, (NAN, 1), (0, 1)),
    "clip": (lambda x: np.clip(x, 0, 1), (0,), (0.5,)),
    "max": (lambda x, y: np.max(np.stack([x, y])), (1, 1), (0.5, 0.5)),
    "median": (lambda x, y: np.median(np.stack([x, y])), (1, 1), (0.5, 0.5)),
    "sort": (lambda x, y: np.sort(np.stack([x, y]))[0], (1, 1), (1, 0)),
    "remainder": (np.remainder, (5, 2), (1, -2)),
    "copysign": (np.copysign, (2, -1), (-1, 0)),
    "power": (np.power, (0, 2), (0, 0)),
    "power of a negative": (np.power, (-1, 2), (-2, 0)),
    "nan_to_num": (np.nan_to_num, (NAN,), (0,)),
    "nansum": (lambda x, y: np.nansum(np.stack([x, y])), (NAN, 1), (0, 1)),
    "logaddexp": (np.logaddexp, (-numpy.inf, 1), (0, 1)),
    "interp": (lambda x: np.interp(x, [0.0, 1, 2], [0.0, 1, 3]), (1,), (2,)),
    "sqrt": (np.sqrt, (0,), (numpy.inf,)),
    "hypot": (np.hypot, (0, 0), (NAN, NAN)),
    "std": (lambda x, y: np.std(np.stack([x, y])), (1, 1), (NAN, NAN)),
}


@pytest.mark.parametrize("name", KINKS)
def test_conventions(name):
    function, place, expected = KINKS[name]
    gradients = chainrule.grad(function, argnums=tuple(range(len(place))))(*[np.asarray(float(x)) for x in place])
    numpy.testing.assert_array_equal([float(g) for g in gradients], expected)


@pytest.mark.parametrize("name", WITHOUT)
def test_what_has_no_gradient_says_so(name):
    with pytest.raises(NotImplementedError, match="no gradient"):
        chainrule.grad(_scalar(WITHOUT[name]))(np.asarray(S if not name.startswith("linalg") else M))

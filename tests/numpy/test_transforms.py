"""Gradients and recording of the functions of the namespace."""

from __future__ import annotations

import numpy
import pytest

import chainrule
import chainrule.numpy as np


def values(*shape, seed=0):
    return numpy.random.default_rng(seed).standard_normal(shape)


V, M, T, S = values(6), values(3, 4, seed=1), values(2, 3, 4, seed=2), values(3, 3, seed=3) + 3 * numpy.eye(3)
WEIGHTS = {}


def weighed(result):
    """A scalar that every element of a result has its own part in."""
    total = 0.0
    for part in result if isinstance(result, (tuple, list)) else [result]:
        if part.dtype.kind == "f":
            weights = numpy.cos(1.0 + numpy.arange(part.size)).reshape(part.shape)
            total = total + np.sum(part * weights)
    return total


FUNCTIONS = {
    "var": (lambda x: np.var(x, axis=0), M),
    "std": (lambda x: np.std(x, axis=1, ddof=1), M),
    "mean where": (lambda x: np.mean(x, axis=0, where=numpy.array([[True], [False], [True]])), M),
    "sum": (lambda x: np.sum(x, axis=(0, 2)), T),
    "prod": (lambda x: np.prod(x, axis=0), M),
    "max": (lambda x: np.max(x, axis=1), M),
    "ptp": (lambda x: np.ptp(x, axis=0), M),
    "average": (lambda x: np.average(x, axis=1, weights=x[0] ** 2), M),
    "median": (lambda x: np.median(x, axis=0), M),
    "median of even": (lambda x: np.median(x, axis=1), M),
    "percentile": (lambda x: np.percentile(x, [10, 40], axis=1), M),
    "quantile": (lambda x: np.quantile(x, 0.3), M),
    "cumsum": (lambda x: np.cumsum(x, axis=0), M),
    "cumprod": (lambda x: np.cumprod(x, axis=1), M),
    "diff": (lambda x: np.diff(x, n=2, prepend=0), M),
    "trapezoid": (lambda x: np.trapezoid(x, V[:4].cumsum(), axis=1), M),
    "gradient": (lambda x: np.gradient(x), M),
    "interp": (lambda x: np.interp(x, numpy.array([-2.0, 0.1, 1.3]), numpy.array([1.0, 4, 2])), V),
    "cov": (np.cov, M),
    "corrcoef": (np.corrcoef, M),
    "nansum": (lambda x: np.nansum(np.where(x > 0, x, np.nan), axis=0), M),
    "nanmean": (lambda x: np.nanmean(np.where(x > -9, x, np.nan), axis=0), M),
    "nanstd": (lambda x: np.nanstd(x, axis=0), M),
    "nanmax": (lambda x: np.nanmax(x, axis=0), M),
    "sort": (lambda x: np.sort(x, axis=0), M),
    "partition": (lambda x: np.partition(x, 1)[..., 0:1].sum(), M),
    "clip": (lambda x: np.clip(x, -0.5, 0.7), M),
    "nan_to_num": (np.nan_to_num, M),
    "sinc": (np.sinc, M),
    "heaviside": (lambda x: np.heaviside(x, 0.5) * x, M),
    "logaddexp2": (lambda x: np.logaddexp2(x, x.T.reshape(3, 4)), M),
    "float_power": (lambda x: np.float_power(np.abs(x), 1.7), M),
    "deg2rad": (lambda x: np.sin(np.deg2rad(x * 50)), M),
    "hypot": (lambda x: np.hypot(x, 2.0), M),
    "arctan2": (lambda x: np.arctan2(x, 1.5), M),
    "dot": (lambda x: np.dot(x, x.T), M),
    "dot of tensors": (lambda x: np.dot(x, x.swapaxes(1, 2)), T),
    "inner": (lambda x: np.inner(x, x), M),
    "outer": (lambda x: np.outer(x, x), V),
    "tensordot": (lambda x: np.tensordot(x, x, axes=([0, 2], [0, 2])), T),
    "kron": (lambda x: np.kron(x, x[:2]), M),
    "cross": (lambda x: np.cross(x[:3], x[3:]), V),
    "trace": (np.trace, M),
    "einsum": (lambda x: np.einsum("bij,bkj,ki->b", x, x, numpy.ones((3, 3))), T),
    "einsum of a diagonal": (lambda x: np.einsum("ii->i", x), S),
    "vecdot": (lambda x: np.vecdot(x, x), M),
    "convolve": (lambda x: np.convolve(x, x[:3], "same"), V),
    "correlate": (lambda x: np.correlate(x, x[:2], "full"), V),
    "concatenate": (lambda x: np.concatenate([x, x * x], axis=1), M),
    "stack": (lambda x: np.stack([x, x * x], axis=-1), M),
    "hstack": (lambda x: np.hstack([x, x]), M),
    "block": (lambda x: np.block([[x, x], [x, 2 * x]]), M),
    "split": (lambda x: np.array_split(x * x, 3, axis=1), M),
    "tile": (lambda x: np.tile(x, (2, 2)), M),
    "repeat": (lambda x: np.repeat(x, [1, 2, 0], axis=0), M),
    "roll": (lambda x: np.roll(x, 2, axis=1) * x, M),
    "rot90": (lambda x: np.rot90(x) ** 2, M),
    "pad": (lambda x: np.pad(x, 2, mode="reflect"), M),
    "pad with zeros": (lambda x: np.pad(x, ((1, 2), (0, 1))), M),
    "moveaxis": (lambda x: np.moveaxis(x, 0, -1) ** 2, T),
    "diag": (lambda x: np.diag(x, 1), V),
    "diagonal": (lambda x: np.diagonal(x, 1, 1, 2), T),
    "tril": (lambda x: np.tril(x) @ np.triu(x).T, M),
    "take": (lambda x: np.take(x, [[0, -1]], axis=1), M),
    "take_along_axis": (lambda x: np.take_along_axis(x, numpy.argsort(M, axis=0), axis=0), M),
    "choose": (lambda x: np.choose(numpy.array([0, 1, 0, 1]), [x[0], x[1]]), M),
    "select": (lambda x: np.select([x > 1, x > 0], [x, x * x], 0.0), M),
    "compress": (lambda x: np.compress([True, False, True], x, axis=0), M),
    "mask": (lambda x: np.where(x > 0, x, 0.1 * x), M),
    "sliding_window_view": (lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3)) ** 2, M),
    "linspace": (lambda x: np.linspace(x, 3.0, 4), V),
    "polyval": (lambda x: np.polyval(x[:3], x), V),
    "meshgrid": (lambda x: np.meshgrid(x, x[:2]), V),
    "vander": (lambda x: np.vander(x, 3), V),
    "norm": (lambda x: np.linalg.norm(x, axis=0), M),
    "norm of order 3": (lambda x: np.linalg.norm(x, 3, axis=0), M),
    "matrix_norm": (lambda x: np.linalg.matrix_norm(x), T),
    "matrix_power": (lambda x: np.linalg.matrix_power(x, 5), S / 3),
    "multi_dot": (lambda x: np.linalg.multi_dot([x, x.T, x]), M),
    "add with where": (lambda x: np.add(x, x, where=M > 0), M),
    "assignment": (lambda x: assigned(x), M),
    "outer of a ufunc": (lambda x: np.subtract.outer(x, x), V),
    "reduce of a ufunc": (lambda x: np.multiply.reduce(x, axis=1), M),
}
LAPACK = {
    "solve": (lambda x: np.linalg.solve(x, numpy.array([1.0, 2, 3])), S),
    "solve by the right side": (lambda x: np.linalg.solve(S, x), M),
    "inv": (np.linalg.inv, S),
    "det": (np.linalg.det, S),
    "slogdet": (lambda x: np.linalg.slogdet(x).logabsdet, S),
    "cholesky": (lambda x: np.linalg.cholesky(x @ x.T + numpy.eye(3)), S),
    "upper cholesky": (lambda x: np.linalg.cholesky(x @ x.T + numpy.eye(3), upper=True), S),
    "eigvalsh": (lambda x: np.linalg.eigvalsh(x + x.T), S),
    "eigh": (lambda x: np.abs(np.linalg.eigh(x + x.T).eigenvectors), S),
    "svdvals": (np.linalg.svdvals, M),
    "svd": (lambda x: [np.abs(part) for part in np.linalg.svd(x, full_matrices=False)], M),
    "svd of tall": (lambda x: [np.abs(part) for part in np.linalg.svd(x.T, full_matrices=False)], M),
    "qr": (lambda x: [np.abs(part) for part in np.linalg.qr(x.T)], M),
    "pinv": (np.linalg.pinv, M),
    "pinv of tall": (lambda x: np.linalg.pinv(x.T), M),
    "lstsq": (lambda x: np.linalg.lstsq(x.T, V[:4], rcond=None)[0], M),
    "nuclear norm": (lambda x: np.linalg.norm(x, "nuc"), M),
    "spectral norm": (lambda x: np.linalg.norm(x, 2), M),
    "batched det": (lambda x: np.linalg.det(x @ x.swapaxes(1, 2)), T),
}


def assigned(x):
    x = x * 2.0
    x[1] = x[2] + 1
    x[:, 0] = 3.0
    return x


@pytest.mark.parametrize("name", [*FUNCTIONS, *LAPACK])
def test_gradient(name):
    function, x = (FUNCTIONS | LAPACK)[name]
    chainrule.check_gradients(lambda x: weighed(function(x)), x, rtol=2e-5, atol=2e-7)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ("nanmax",)])
def test_recorded_as_eager(name):
    function, x = FUNCTIONS[name]
    eager = function(np.array(x))
    recorded = chainrule.jit(lambda x: function(x))(np.array(x))
    for ours, theirs in zip(*([r] if not isinstance(r, (tuple, list)) else r for r in (recorded, eager)), strict=True):
        assert ours.dtype == theirs.dtype
        numpy.testing.assert_allclose(numpy.asarray(ours), numpy.asarray(theirs), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["inv", "det", "solve", "cholesky"])
def test_second_derivative(name):
    function, x = LAPACK[name]

    def slope(x):
        return weighed(chainrule.grad(lambda x: weighed(function(x)) ** 2)(x))

    chainrule.check_gradients(slope, x, rtol=2e-5, atol=2e-6)


def test_recorded_gradient():
    def loss(x):
        return np.mean(np.tanh(np.dot(x, x.T)) ** 2) + np.var(x)

    x = np.array(M)
    expected = chainrule.grad(loss)(x)
    recorded = chainrule.jit(chainrule.grad(loss))(x)
    numpy.testing.assert_allclose(numpy.asarray(recorded), numpy.asarray(expected), rtol=1e-12)


def test_computed_by_numpy_says_so():
    with pytest.raises(chainrule.TraceError, match="linalg.eig"):
        chainrule.jit(np.linalg.eig)(np.eye(4))
    with pytest.raises(chainrule.TraceError, match="linalg.inv"):
        chainrule.jit(np.linalg.inv)(np.eye(2))
    with pytest.raises(NotImplementedError, match="histogram"):
        chainrule.grad(lambda x: np.sum(np.histogram(x, weights=x)[0]))(np.array(V))
    with pytest.raises(NotImplementedError, match="put"):
        chainrule.grad(lambda x: np.put(x * 2, [0], 1.0) or np.sum(x))(np.array(V))


def test_whole_numbers_from_numpy_are_constants():
    """What has no derivative anyway may be computed by NumPy inside of a gradient."""
    x = np.array(V)
    gradient = chainrule.grad(lambda x: np.sum(x * np.searchsorted(np.sort(chainrule.stop_gradient(x)), x)))(x)
    numpy.testing.assert_array_equal(numpy.asarray(gradient), numpy.argsort(numpy.argsort(V)))

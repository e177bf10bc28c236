"""Functions of arrays against NumPy's: values, dtypes, shapes and the types of errors, over dtypes and strides."""

from __future__ import annotations

import numpy
import pytest

# Every case is called as case(np, v, m, t) with arrays of shapes (6,), (3, 4) and (2, 3, 4).
CASES = {
    # creation
    "array": [
        lambda np, v, m, t: np.array([v, v]),
        lambda np, v, m, t: np.array(v, ndmin=3),
        lambda np, v, m, t: np.array([[1, 2.5], [3, 4]]),
        lambda np, v, m, t: np.array(m, dtype="float32"),
        lambda np, v, m, t: np.array([[1, 2], [3]]),
        lambda np, v, m, t: np.array(m, order="F").strides,
        lambda np, v, m, t: np.array([]),
        lambda np, v, m, t: np.array([True, 2]),
        lambda np, v, m, t: np.array(3),
    ],
    "asarray": [
        lambda np, v, m, t: np.asarray(m) is m,
        lambda np, v, m, t: np.asarray([1, 2], "int8"),
        lambda np, v, m, t: np.asarray(m, order="F").strides,
        lambda np, v, m, t: np.asarray([1.0], copy=False),
        lambda np, v, m, t: np.asarray(m.T, order="C").strides,
        lambda np, v, m, t: np.asarray(v, device="gpu"),
    ],
    "zeros": [
        lambda np, v, m, t: np.zeros(3),
        lambda np, v, m, t: np.zeros((2, 3), "int32"),
        lambda np, v, m, t: np.zeros((2, 3), order="F").strides,
        lambda np, v, m, t: np.zeros(()),
        lambda np, v, m, t: np.zeros(-1),
        lambda np, v, m, t: np.zeros([2, 3], bool),
    ],
    "ones": [lambda np, v, m, t: np.ones((2, 3)), lambda np, v, m, t: np.ones(3, dtype=int)],
    "full": [
        lambda np, v, m, t: np.full((2, 3), 7),
        lambda np, v, m, t: np.full(3, 2.5, "int32"),
        lambda np, v, m, t: np.full((3, 6), v),
        lambda np, v, m, t: np.full((2, 2), True),
    ],
    "likes": [
        lambda np, v, m, t: np.zeros_like(m),
        lambda np, v, m, t: np.ones_like(m, dtype="int8"),
        lambda np, v, m, t: np.full_like(m, 1),
        lambda np, v, m, t: np.zeros_like(m, shape=(2,)),
        lambda np, v, m, t: np.zeros_like(m.T).strides,
        lambda np, v, m, t: np.empty_like(t).shape,
        lambda np, v, m, t: np.zeros_like([1, 2]),
    ],
    "arange": [
        lambda np, v, m, t: np.arange(5),
        lambda np, v, m, t: np.arange(1, 2, 0.25),
        lambda np, v, m, t: np.arange(3, dtype="float32"),
        lambda np, v, m, t: np.arange(5, 0, -2),
    ],
    "linspace": [
        lambda np, v, m, t: np.linspace(0, 1, 5),
        lambda np, v, m, t: np.linspace(0, 1, 5, endpoint=False),
        lambda np, v, m, t: np.linspace(v, 3, 4),
        lambda np, v, m, t: np.linspace(0, 9, 4, dtype=int, retstep=True),
    ],
    "logspace": [lambda np, v, m, t: np.logspace(0, 2, 5), lambda np, v, m, t: np.geomspace(1, 100, 4)],
    "eye": [
        lambda np, v, m, t: np.eye(3),
        lambda np, v, m, t: np.eye(2, 3, 1, "int32"),
        lambda np, v, m, t: np.identity(2),
    ],
    "diag": [
        lambda np, v, m, t: np.diag(v),
        lambda np, v, m, t: np.diag(v, 2),
        lambda np, v, m, t: np.diag(v, -1),
        lambda np, v, m, t: np.diag(m),
        lambda np, v, m, t: np.diag(m, 1),
        lambda np, v, m, t: np.diag(t),
        lambda np, v, m, t: np.diagflat(m, 1),
    ],
    "tri": [
        lambda np, v, m, t: np.tril(m),
        lambda np, v, m, t: np.triu(m, 1),
        lambda np, v, m, t: np.tril(t, -1),
        lambda np, v, m, t: np.tri(3, 4, 1),
        lambda np, v, m, t: np.vander([1, 2, 3]),
    ],
    "meshgrid": [
        lambda np, v, m, t: np.meshgrid(v, v[:3]),
        lambda np, v, m, t: np.meshgrid(v, v[:3], indexing="ij"),
        lambda np, v, m, t: np.meshgrid(v, v[:2], sparse=True),
        lambda np, v, m, t: np.indices((2, 3)),
        lambda np, v, m, t: np.mgrid[0:2, 0:3],
        lambda np, v, m, t: np.ogrid[0:2, 0:1:3j],
        lambda np, v, m, t: np.r_[v, 0, v[:2]],
        lambda np, v, m, t: np.c_[v, v],
        lambda np, v, m, t: np.fromfunction(lambda i, j: i + j, (2, 3)),
    ],
    # shapes
    "reshape": [
        lambda np, v, m, t: np.reshape(m, (2, 6)),
        lambda np, v, m, t: np.reshape(m, -1),
        lambda np, v, m, t: np.reshape(m, (5, 5)),
        lambda np, v, m, t: np.reshape(m, (4, 3), order="F"),
        lambda np, v, m, t: np.reshape(t, (-1, 4)),
        lambda np, v, m, t: np.reshape(m, (-1, -1)),
        lambda np, v, m, t: np.reshape(m.T, (6, 2)),
        lambda np, v, m, t: np.reshape(m, 12, copy=True),
        lambda np, v, m, t: np.reshape(m.T, 12, copy=False),
    ],
    "ravel": [
        lambda np, v, m, t: np.ravel(t),
        lambda np, v, m, t: np.ravel(m, "F"),
        lambda np, v, m, t: np.ravel(m.T, "K"),
    ],
    "transpose": [
        lambda np, v, m, t: np.transpose(t),
        lambda np, v, m, t: np.transpose(t, (1, 0, 2)),
        lambda np, v, m, t: np.transpose(t, (0, 0, 1)),
        lambda np, v, m, t: np.permute_dims(t, (2, 0, 1)),
        lambda np, v, m, t: np.matrix_transpose(t),
        lambda np, v, m, t: np.matrix_transpose(v),
        lambda np, v, m, t: np.swapaxes(t, 0, -1),
        lambda np, v, m, t: np.swapaxes(t, 0, 3),
        lambda np, v, m, t: np.moveaxis(t, 0, -1),
        lambda np, v, m, t: np.moveaxis(t, [0, 1], [-1, 0]),
        lambda np, v, m, t: np.moveaxis(t, [0, 1], [0]),
        lambda np, v, m, t: np.rollaxis(t, 2),
        lambda np, v, m, t: np.rollaxis(t, 0, 3),
    ],
    "squeeze": [
        lambda np, v, m, t: np.squeeze(m[None, :, None]),
        lambda np, v, m, t: np.squeeze(m[None], 0),
        lambda np, v, m, t: np.squeeze(m, 0),
        lambda np, v, m, t: np.expand_dims(m, (0, 2)),
        lambda np, v, m, t: np.expand_dims(m, 5),
    ],
    "flip": [
        lambda np, v, m, t: np.flip(t),
        lambda np, v, m, t: np.flip(t, (0, 2)),
        lambda np, v, m, t: np.fliplr(m),
        lambda np, v, m, t: np.flipud(v),
        lambda np, v, m, t: np.fliplr(v),
        lambda np, v, m, t: np.rot90(m),
        lambda np, v, m, t: np.rot90(t, 3, (1, 2)),
        lambda np, v, m, t: np.rot90(m, 2),
        lambda np, v, m, t: np.rot90(v),
    ],
    "broadcast": [
        lambda np, v, m, t: np.broadcast_to(m, (2, 3, 4)),
        lambda np, v, m, t: np.broadcast_to(m, (3, 5)),
        lambda np, v, m, t: np.broadcast_arrays(m, t),
        lambda np, v, m, t: np.broadcast_arrays(m, v),
        lambda np, v, m, t: np.broadcast_shapes((3, 1), (4,)),
        lambda np, v, m, t: np.broadcast_to(v, 6),
    ],
    "atleast": [
        lambda np, v, m, t: np.atleast_1d(3),
        lambda np, v, m, t: np.atleast_2d(v, m),
        lambda np, v, m, t: np.atleast_3d(v, m, t),
    ],
    "concatenate": [
        lambda np, v, m, t: np.concatenate([m, m]),
        lambda np, v, m, t: np.concatenate([m, t[0]], axis=1),
        lambda np, v, m, t: np.concatenate((m, v), axis=None),
        lambda np, v, m, t: np.concatenate([m, v]),
        lambda np, v, m, t: np.concatenate([v, [1.5]]),
        lambda np, v, m, t: np.concatenate([]),
        lambda np, v, m, t: np.concat([m, m], axis=-1),
        lambda np, v, m, t: np.concatenate([v], dtype="float32"),
        lambda np, v, m, t: np.concatenate([m, m], axis=2),
    ],
    "stack": [
        lambda np, v, m, t: np.stack([m, m]),
        lambda np, v, m, t: np.stack([m, m], axis=-1),
        lambda np, v, m, t: np.stack([m, v]),
        lambda np, v, m, t: np.vstack([v, v]),
        lambda np, v, m, t: np.hstack([v, v]),
        lambda np, v, m, t: np.hstack([m, m]),
        lambda np, v, m, t: np.dstack([v, v]),
        lambda np, v, m, t: np.column_stack([v, v]),
        lambda np, v, m, t: np.block([[m, m], [m, m]]),
        lambda np, v, m, t: np.stack([]),
        lambda np, v, m, t: np.append(v, [1, 2]),
        lambda np, v, m, t: np.append(m, m, axis=0),
    ],
    "split": [
        lambda np, v, m, t: np.split(v, 3),
        lambda np, v, m, t: np.split(v, 4),
        lambda np, v, m, t: np.split(v, [2, 3]),
        lambda np, v, m, t: np.array_split(v, 4),
        lambda np, v, m, t: np.hsplit(m, 2),
        lambda np, v, m, t: np.vsplit(m, 3),
        lambda np, v, m, t: np.dsplit(t, 2),
        lambda np, v, m, t: np.vsplit(v, 2),
        lambda np, v, m, t: np.unstack(t, axis=1),
        lambda np, v, m, t: np.split(m, [1], axis=1),
    ],
    "tile": [
        lambda np, v, m, t: np.tile(v, 2),
        lambda np, v, m, t: np.tile(m, (2, 1, 2)),
        lambda np, v, m, t: np.tile(t, 2),
        lambda np, v, m, t: np.repeat(v, 2),
        lambda np, v, m, t: np.repeat(m, 2, axis=1),
        lambda np, v, m, t: np.repeat(m, [1, 0, 2], axis=0),
        lambda np, v, m, t: np.repeat(v, -1),
        lambda np, v, m, t: np.tile(v, 0),
    ],
    "roll": [
        lambda np, v, m, t: np.roll(v, 2),
        lambda np, v, m, t: np.roll(m, 1),
        lambda np, v, m, t: np.roll(m, -1, axis=1),
        lambda np, v, m, t: np.roll(m, (1, 2), axis=(0, 1)),
        lambda np, v, m, t: np.roll(v, 13),
    ],
    "pad": [
        lambda np, v, m, t: np.pad(m, 1),
        lambda np, v, m, t: np.pad(m, ((1, 0), (2, 3))),
        lambda np, v, m, t: np.pad(v, 2, mode="edge"),
        lambda np, v, m, t: np.pad(m, 2, mode="reflect"),
        lambda np, v, m, t: np.pad(m, 2, "wrap"),
        lambda np, v, m, t: np.pad(v, 2, "symmetric"),
        lambda np, v, m, t: np.pad(v, (1, 2), constant_values=3),
        lambda np, v, m, t: np.pad(v, -1),
        lambda np, v, m, t: np.pad(v, 1, mode="nonsense"),
        lambda np, v, m, t: np.pad(v, (1, 2), constant_values=(3, 4)),
    ],
    "resize": [lambda np, v, m, t: np.resize(v, (2, 5)), lambda np, v, m, t: np.resize(m, 3)],
    "insert": [
        lambda np, v, m, t: np.insert(v, 1, 2),
        lambda np, v, m, t: np.delete(m, 1, axis=0),
        lambda np, v, m, t: np.trim_zeros(v),
    ],
    "sizes": [
        lambda np, v, m, t: np.ndim(m),
        lambda np, v, m, t: np.shape(t),
        lambda np, v, m, t: np.size(t, 1),
        lambda np, v, m, t: np.size([1, 2]),
    ],
    # choosing
    "where": [
        lambda np, v, m, t: np.where(m > 1, m, 0),
        lambda np, v, m, t: np.where(m > 1),
        lambda np, v, m, t: np.where(m, 1, 2.5),
        lambda np, v, m, t: np.where([True, False], 1, 2),
        lambda np, v, m, t: np.where(m > 1, v, m),
    ],
    "nonzero": [
        lambda np, v, m, t: np.nonzero(m),
        lambda np, v, m, t: np.flatnonzero(m),
        lambda np, v, m, t: np.argwhere(m),
        lambda np, v, m, t: np.count_nonzero(m),
        lambda np, v, m, t: np.count_nonzero(m, axis=0),
        lambda np, v, m, t: np.count_nonzero(t, axis=(0, 2), keepdims=True),
        lambda np, v, m, t: np.nonzero(3),
    ],
    "take": [
        lambda np, v, m, t: np.take(m, [0, 5]),
        lambda np, v, m, t: np.take(m, [[0, -1]], axis=1),
        lambda np, v, m, t: np.take(v, 9),
        lambda np, v, m, t: np.take(v, [9, -9], mode="wrap"),
        lambda np, v, m, t: np.take(v, [9, -9], mode="clip"),
        lambda np, v, m, t: np.take(v, [0.5]),
        lambda np, v, m, t: np.take(v, []),
        lambda np, v, m, t: np.take(t, 1, axis=2),
        lambda np, v, m, t: np.take_along_axis(m, np.argsort(m, axis=1), axis=1),
        lambda np, v, m, t: np.take_along_axis(v, np.array([1, 0]), None),
        lambda np, v, m, t: np.compress([True, False, True], m, axis=0),
        lambda np, v, m, t: np.extract(m > 1, m),
        lambda np, v, m, t: np.choose([0, 1, 0, 1], [m[0], m[1]]),
        lambda np, v, m, t: np.choose([0, 3], [v[:2], v[:2]]),
        lambda np, v, m, t: np.select([m > 2, m > 1], [m, -m if m.dtype != bool else m], 7),
    ],
    "diagonal": [
        lambda np, v, m, t: np.diagonal(m),
        lambda np, v, m, t: np.diagonal(t, 1, 1, 2),
        lambda np, v, m, t: np.diagonal(v),
        lambda np, v, m, t: np.trace(m),
        lambda np, v, m, t: np.trace(t, 0, 1, 2),
    ],
    "sort": [
        lambda np, v, m, t: np.sort(v),
        lambda np, v, m, t: np.sort(m, axis=0),
        lambda np, v, m, t: np.sort(m, axis=None),
        lambda np, v, m, t: np.argsort(m, kind="stable"),
        lambda np, v, m, t: np.sort(m, axis=2),
        lambda np, v, m, t: np.argsort(v, stable=True),
        lambda np, v, m, t: np.partition(v, 2)[2],
        lambda np, v, m, t: v[np.argpartition(v, 2)][2],
        lambda np, v, m, t: np.lexsort((v, v)),
        lambda np, v, m, t: np.searchsorted(np.sort(v), v[2]),
        lambda np, v, m, t: np.digitize(v, [0, 1, 2]),
    ],
    "sets": [
        lambda np, v, m, t: np.unique(m),
        lambda np, v, m, t: np.unique(v, return_counts=True, return_inverse=True),
        lambda np, v, m, t: np.isin(v, [1, 2]),
        lambda np, v, m, t: np.union1d(v, [9]),
        lambda np, v, m, t: np.intersect1d(v, v[:2]),
        lambda np, v, m, t: np.setdiff1d(v, v[:2]),
        lambda np, v, m, t: np.unique_values(v),
        lambda np, v, m, t: tuple(np.unique_counts(v)),
        lambda np, v, m, t: np.bincount([1, 2, 2]),
        lambda np, v, m, t: np.unravel_index(5, (2, 3)),
        lambda np, v, m, t: np.ix_([0, 1], [2]),
        lambda np, v, m, t: np.histogram([1.0, 2, 2, 3], bins=3),
    ],
    # reductions
    "sum": [
        lambda np, v, m, t: np.sum(t),
        lambda np, v, m, t: np.sum(t, axis=(0, 2)),
        lambda np, v, m, t: np.sum(t, -1, keepdims=True),
        lambda np, v, m, t: np.sum(m, dtype="float32"),
        lambda np, v, m, t: np.sum(m, 3),
        lambda np, v, m, t: np.sum(m, initial=5),
        lambda np, v, m, t: np.sum(m, where=m > 1),
        lambda np, v, m, t: np.sum(m, axis=0, where=[True, False, True, True]),
        lambda np, v, m, t: np.sum(m[:0]),
        lambda np, v, m, t: np.sum(m[:0], axis=0),
        lambda np, v, m, t: np.sum([[1, 2], [3, 4]], 0),
        lambda np, v, m, t: np.sum(m, axis=(0, 0)),
        lambda np, v, m, t: np.sum(m, axis=()),
        lambda np, v, m, t: np.sum(5),
    ],
    "prod": [
        lambda np, v, m, t: np.prod(v),
        lambda np, v, m, t: np.prod(t, axis=(0, 1)),
        lambda np, v, m, t: np.prod(m[:0]),
        lambda np, v, m, t: np.prod(m, 1, initial=2, where=m > 1),
    ],
    "max": [
        lambda np, v, m, t: np.max(t),
        lambda np, v, m, t: np.max(t, axis=1),
        lambda np, v, m, t: np.min(t, axis=(0, 2), keepdims=True),
        lambda np, v, m, t: np.max(m[:0]),
        lambda np, v, m, t: np.max(m[:0], axis=1, initial=3) if m.dtype != bool else 0,
        lambda np, v, m, t: np.max(m, where=m > 1, initial=0),
        lambda np, v, m, t: np.max(m, where=m > 1),
        lambda np, v, m, t: np.amax(m),
        lambda np, v, m, t: np.amin(m, 0),
        lambda np, v, m, t: np.ptp(m, 1) if m.dtype != bool else 0,
    ],
    "mean": [
        lambda np, v, m, t: np.mean(t),
        lambda np, v, m, t: np.mean(t, axis=1),
        lambda np, v, m, t: np.mean(m, (0, 1), keepdims=True),
        lambda np, v, m, t: np.mean(m, dtype="float64"),
        lambda np, v, m, t: np.mean(m, where=m > 1),
        lambda np, v, m, t: np.mean([1, 2]),
        lambda np, v, m, t: np.average(m, axis=0),
        lambda np, v, m, t: np.average(m, axis=1, weights=[1, 2, 3, 4]),
        lambda np, v, m, t: np.average(v, weights=[1, 2, 3, 4, 5, 6], returned=True),
        lambda np, v, m, t: np.average(m, weights=v),
        lambda np, v, m, t: np.average(v[:2], weights=[1, -1]),
    ],
    "var": [
        lambda np, v, m, t: np.var(t),
        lambda np, v, m, t: np.var(t, axis=(0, 2)),
        lambda np, v, m, t: np.std(t, axis=(2, 1), keepdims=True),
        lambda np, v, m, t: np.var(np.tile(v, 100000).astype("float64")),
        lambda np, v, m, t: np.var(np.tile(m.T, (1, 40000)).T.astype("float32"), axis=0),
        lambda np, v, m, t: np.var(np.array([3e38, 3e38, 3e38], "float32")),
        lambda np, v, m, t: np.var(m, axis=0, ddof=1),
        lambda np, v, m, t: np.std(m, 1, keepdims=True),
        lambda np, v, m, t: np.std(t, axis=(0, 1)),
        lambda np, v, m, t: np.var(m, correction=1),
        lambda np, v, m, t: np.var(m, where=m > 1),
        lambda np, v, m, t: np.std(m, axis=0, mean=np.mean(m, axis=0, keepdims=True)),
    ],
    "logic": [
        lambda np, v, m, t: np.any(m > 2),
        lambda np, v, m, t: np.all(m, axis=0),
        lambda np, v, m, t: np.any(t, axis=(0, 1), keepdims=True),
        lambda np, v, m, t: np.all(m > 0, where=m > 1),
        lambda np, v, m, t: np.any([]),
    ],
    "arg": [
        lambda np, v, m, t: np.argmax(t),
        lambda np, v, m, t: np.argmin(t, axis=1),
        lambda np, v, m, t: np.argmax(m, 0, keepdims=True),
        lambda np, v, m, t: np.argmax(m[:0]),
        lambda np, v, m, t: np.argmax([1, 3, 3]),
    ],
    "running": [
        lambda np, v, m, t: np.cumsum(m),
        lambda np, v, m, t: np.cumsum(m, axis=1),
        lambda np, v, m, t: np.cumprod(m, 0),
        lambda np, v, m, t: np.cumsum(m, dtype="float32"),
        lambda np, v, m, t: np.cumulative_sum(v, include_initial=True),
        lambda np, v, m, t: np.cumulative_sum(m),
        lambda np, v, m, t: np.cumulative_prod(m, axis=1, include_initial=True),
        lambda np, v, m, t: np.diff(v),
        lambda np, v, m, t: np.diff(m, axis=0),
        lambda np, v, m, t: np.diff(v, n=2),
        lambda np, v, m, t: np.diff(v, prepend=0, append=v[:2]),
        lambda np, v, m, t: np.diff(5),
        lambda np, v, m, t: np.trapezoid(m),
        lambda np, v, m, t: np.trapezoid(m, dx=0.5, axis=0),
        lambda np, v, m, t: np.trapezoid(m, [1, 2, 4, 5]),
        lambda np, v, m, t: np.ediff1d(v),
    ],
    "nan": [
        lambda np, v, m, t: np.nansum(m),
        lambda np, v, m, t: np.nanprod(m, 0),
        lambda np, v, m, t: np.nanmax(m, 1),
        lambda np, v, m, t: np.nanmin(m),
        lambda np, v, m, t: np.nanmean(m, 0),
        lambda np, v, m, t: np.nanvar(m),
        lambda np, v, m, t: np.nanstd(m, 1),
        lambda np, v, m, t: np.nancumsum(m),
        lambda np, v, m, t: np.nancumprod(m, 1),
        lambda np, v, m, t: np.nanargmax(m),
        lambda np, v, m, t: np.nanmedian(m),
        lambda np, v, m, t: np.nan_to_num(m),
    ],
    "order": [
        lambda np, v, m, t: np.median(m),
        lambda np, v, m, t: np.median(m, axis=0, keepdims=True),
        lambda np, v, m, t: np.percentile(m, 30) if m.dtype != bool else 0,
        lambda np, v, m, t: np.quantile(m, [0.1, 0.5], axis=1) if m.dtype != bool else 0,
        lambda np, v, m, t: np.percentile(m, 130) if m.dtype != bool else 0,
    ],
    "statistics": [
        lambda np, v, m, t: np.cov(m),
        lambda np, v, m, t: np.corrcoef(m[0], m[2]),
        lambda np, v, m, t: np.interp(v, [0, 1, 2], [1, 5, 2]),
        lambda np, v, m, t: np.gradient(v) if v.dtype != bool else 0,
        lambda np, v, m, t: np.polyval([1, 2, 3], v),
        lambda np, v, m, t: np.polyfit([0.0, 1, 2], [1.0, 3, 5], 1),
    ],
    # products
    "dot": [
        lambda np, v, m, t: np.dot(m, m.T),
        lambda np, v, m, t: np.dot(v, v),
        lambda np, v, m, t: np.dot(m, v),
        lambda np, v, m, t: np.dot(3, v),
        lambda np, v, m, t: np.dot(t, m.T),
        lambda np, v, m, t: np.dot(m, np.swapaxes(t, 1, 2)),
        lambda np, v, m, t: np.vdot(m, m),
        lambda np, v, m, t: np.inner(m, t),
        lambda np, v, m, t: np.outer(v, m),
        lambda np, v, m, t: np.matmul(m, m.T),
        lambda np, v, m, t: np.matmul(t, t),
        lambda np, v, m, t: np.matmul(t, np.swapaxes(t, 1, 2)),
        lambda np, v, m, t: np.matmul(3, m),
        lambda np, v, m, t: np.vecdot(m, m),
        lambda np, v, m, t: np.matvec(m, v[:4]),
        lambda np, v, m, t: np.vecmat(v[:3], m),
        lambda np, v, m, t: np.vdot(v, m),
        lambda np, v, m, t: np.inner(v, m),
    ],
    "tensordot": [
        lambda np, v, m, t: np.tensordot(t, m, axes=([1, 2], [0, 1])),
        lambda np, v, m, t: np.tensordot(m, m, axes=2),
        lambda np, v, m, t: np.tensordot(v, v, 0),
        lambda np, v, m, t: np.tensordot(m, v),
        lambda np, v, m, t: np.tensordot(t, m.T, 1),
    ],
    "kron": [lambda np, v, m, t: np.kron(m, v), lambda np, v, m, t: np.kron(v, t)],
    "cross": [
        lambda np, v, m, t: np.cross(v[:3], v[3:]) if v.dtype != bool else 0,
        lambda np, v, m, t: np.cross(m.T, m.T) if v.dtype != bool else 0,
        lambda np, v, m, t: np.cross(m, m, axis=0) if v.dtype != bool else 0,
    ],
    "einsum": [
        lambda np, v, m, t: np.einsum("ij,kj->ik", m, m),
        lambda np, v, m, t: np.einsum("ij->ji", m),
        lambda np, v, m, t: np.einsum("ij->", m),
        lambda np, v, m, t: np.einsum("ii->i", m[:, :3]),
        lambda np, v, m, t: np.einsum("ii", m[:, :3]),
        lambda np, v, m, t: np.einsum("...j,...j->...", t, t),
        lambda np, v, m, t: np.einsum("ijk,jk,lk->il", t, m, m),
        lambda np, v, m, t: np.einsum("i,j->ij", v, v),
        lambda np, v, m, t: np.einsum("ij,jk", m.T, m),
        lambda np, v, m, t: np.einsum("ij,jk", m, m),
        lambda np, v, m, t: np.einsum(m, [0, 1], m, [2, 1], [0, 2]),
        lambda np, v, m, t: np.einsum("ij,ij->i", m, m),
        lambda np, v, m, t: np.einsum("ij->k", m),
        lambda np, v, m, t: np.einsum("ijk->kj", t),
        lambda np, v, m, t: np.einsum("i,i,i->i", v, v, v),
        lambda np, v, m, t: np.einsum("bij,bkj->bik", t, t),
        lambda np, v, m, t: np.einsum("ij,ij", m, m),
    ],
    "convolve": [
        lambda np, v, m, t: np.convolve(v, [1, 2, 3]),
        lambda np, v, m, t: np.convolve(v, [1, 2], "same"),
        lambda np, v, m, t: np.correlate(v, [1, 2], "full"),
        lambda np, v, m, t: np.convolve(v, v, "valid"),
        lambda np, v, m, t: np.convolve(m, v),
    ],
    # the rest
    "clip": [
        lambda np, v, m, t: np.clip(m, 1, 2),
        lambda np, v, m, t: np.clip(m, None, 2),
        lambda np, v, m, t: np.clip(m, v[:4], None),
        lambda np, v, m, t: np.clip(m, min=1, max=2),
        lambda np, v, m, t: np.clip(m, -1000, 1000) if m.dtype != bool else 0,
    ],
    "round": [
        lambda np, v, m, t: np.round(m),
        lambda np, v, m, t: np.round(m, 1),
        lambda np, v, m, t: np.around(m, -1),
        lambda np, v, m, t: np.fix(m) if m.dtype != bool else 0,
    ],
    "parts": [
        lambda np, v, m, t: np.real(m),
        lambda np, v, m, t: np.imag(m),
        lambda np, v, m, t: np.angle(m),
        lambda np, v, m, t: np.sinc(m),
        lambda np, v, m, t: np.i0(v),
        lambda np, v, m, t: np.isposinf(m),
        lambda np, v, m, t: np.isneginf(m),
        lambda np, v, m, t: np.isreal(m),
        lambda np, v, m, t: np.iscomplexobj(m),
        lambda np, v, m, t: np.isscalar(3),
    ],
    "close": [
        lambda np, v, m, t: np.isclose(m, 1),
        lambda np, v, m, t: np.allclose(m, m),
        lambda np, v, m, t: np.array_equal(m, m.copy()),
        lambda np, v, m, t: np.array_equal(m, v),
        lambda np, v, m, t: np.array_equiv(m, m[None]),
        lambda np, v, m, t: np.isclose([1, np.nan], [1, np.nan], equal_nan=True),
    ],
    "types": [
        lambda np, v, m, t: np.result_type(m, 1.5),
        lambda np, v, m, t: np.can_cast(np.float64, np.int32),
        lambda np, v, m, t: np.astype(m, "int16"),
        lambda np, v, m, t: np.astype(m, "complex64"),
        lambda np, v, m, t: np.promote_types("i4", "f4"),
        lambda np, v, m, t: np.isdtype(m.dtype, "real floating"),
    ],
    "windows": [
        lambda np, v, m, t: np.lib.stride_tricks.sliding_window_view(v, 3),
        lambda np, v, m, t: np.lib.stride_tricks.sliding_window_view(m, (2, 2)),
    ],
    "functional": [
        lambda np, v, m, t: np.apply_along_axis(lambda x: x.sum(), 1, m),
        lambda np, v, m, t: np.vectorize(lambda x: x + 1.5)(v),
        lambda np, v, m, t: np.piecewise(v * 1.0, [v > 1, v <= 1], [1.0, lambda x: x]),
        lambda np, v, m, t: np.apply_over_axes(np.sum, t, [0, 2]),
    ],
    "fft": [
        lambda np, v, m, t: np.fft.fft(v),
        lambda np, v, m, t: np.fft.irfft(np.fft.rfft(v)),
        lambda np, v, m, t: np.fft.fft2(m),
        lambda np, v, m, t: np.fft.fftfreq(6),
        lambda np, v, m, t: np.fft.fftshift(v),
        lambda np, v, m, t: np.abs(np.fft.rfft(m)),
    ],
    # linear algebra
    "norm": [
        lambda np, v, m, t: np.linalg.norm(v),
        lambda np, v, m, t: np.linalg.norm(m),
        lambda np, v, m, t: np.linalg.norm(v, 1),
        lambda np, v, m, t: np.linalg.norm(v, np.inf),
        lambda np, v, m, t: np.linalg.norm(v, 3),
        lambda np, v, m, t: np.linalg.norm(v, 0),
        lambda np, v, m, t: np.linalg.norm(m, axis=1),
        lambda np, v, m, t: np.linalg.norm(m, "nuc"),
        lambda np, v, m, t: np.linalg.norm(m, 2),
        lambda np, v, m, t: np.linalg.norm(m, 1, keepdims=True),
        lambda np, v, m, t: np.linalg.norm(t, axis=(1, 2)),
        lambda np, v, m, t: np.linalg.norm(t, 2),
        lambda np, v, m, t: np.linalg.norm(m, -np.inf),
        lambda np, v, m, t: np.linalg.norm(v, "fro"),
        lambda np, v, m, t: np.linalg.vector_norm(m),
        lambda np, v, m, t: np.linalg.matrix_norm(t),
        lambda np, v, m, t: np.linalg.norm(m, ord="fro", axis=(0, 1), keepdims=True),
    ],
}
# Sums over many terms in another order, powers, and LAPACK on other memory.
SCALE = {
    "prod": 8,
    "running": 16,
    "nan": 16,
    "var": 8,
    "statistics": 64,
    "kron": 4,
    "norm": 8,
    "einsum": 16,
    "dot": 16,
    "tensordot": 8,
    "fft": 4,
}


def arrays(dtype: str) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    rng = numpy.random.default_rng(11)
    if dtype == "bool":
        return rng.random(6) < 0.5, rng.random((3, 4)) < 0.5, rng.random((2, 3, 4)) < 0.5
    if dtype.startswith(("int", "uint")):
        low = 0 if dtype.startswith("u") else -3
        return tuple(rng.integers(low, 5, shape).astype(dtype) for shape in ((6,), (3, 4), (2, 3, 4)))
    return tuple((rng.standard_normal(shape) * 2).astype(dtype) for shape in ((6,), (3, 4), (2, 3, 4)))


def strided(arrays: tuple[numpy.ndarray, ...]) -> tuple[numpy.ndarray, ...]:
    """The same values, each array a view of every second element, axes in reverse order in memory."""
    result = []
    for x in arrays:
        memory = numpy.zeros([2 * n for n in x.shape[::-1]], x.dtype)
        view = memory[(slice(None, None, 2),) * x.ndim].T
        view[...] = x
        result.append(view)
    return tuple(result)


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_function(name, dtype, paired):
    for number, case in enumerate(CASES[name]):
        paired(case, *arrays(dtype), where=f"{name}[{number}]", scale=SCALE.get(name, 2))


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("asarray", "likes", "windows")])
def test_function_of_strided_arrays(name, paired):
    for number, case in enumerate(CASES[name]):
        paired(case, *strided(arrays("float64")), where=f"{name}[{number}] strided", scale=SCALE.get(name, 2))


def test_nan_among_the_elements(paired):
    m = numpy.array([[1.0, numpy.nan, 3.0], [numpy.nan, numpy.nan, numpy.nan], [numpy.inf, 2.0, -1.0]])

    def check(name, **options):
        paired(lambda np, m: getattr(np, name)(m, **options), m, where=f"{name} {options}")

    for name in [
        "max",
        "min",
        "sum",
        "mean",
        "argmax",
        "nansum",
        "nanmax",
        "nanmin",
        "nanmean",
        "nanstd",
        "sort",
        "median",
        "unique",
    ]:
        check(name)
    for name in ["max", "sum", "nansum", "nanmean", "nanmax", "argmin", "sort", "median"]:
        check(name, axis=1)
    check("nan_to_num", posinf=7)


def test_changing_in_place(paired):
    def put(np, x):
        np.put(x, [0, 2], 9)
        np.place(x, x > 8, 3)
        np.putmask(x, x < 0, 1)
        np.copyto(x, 2, where=x > 4)
        return x

    paired(put, numpy.arange(-3.0, 9).reshape(3, 4), changes=True)

    def diagonal(np, x):
        np.fill_diagonal(x, 7)
        np.put_along_axis(x, np.argmax(x, axis=1, keepdims=True), 0, axis=1)
        return x

    paired(diagonal, numpy.arange(12.0).reshape(3, 4), changes=True)
    paired(lambda np, x: np.copyto(x, [1.5, 2, 3]), numpy.zeros(3, int))
    paired(lambda np, x: np.nan_to_num(x, copy=False), numpy.array([1, numpy.nan]), changes=True)


@pytest.mark.parametrize(
    "name", ["sum", "max", "mean", "var", "cumsum", "argmax", "any", "clip", "round", "dot", "take", "concatenate"]
)
def test_out(name, paired):
    calls = {
        "clip": lambda np, m, o: np.clip(m, 1, 2, o),
        "round": lambda np, m, o: np.round(m, 1, o),
        "dot": lambda np, m, o: np.dot(m, m, o),
        "take": lambda np, m, o: np.take(m, [0, 1, 2], 0, o),
        "concatenate": lambda np, m, o: np.concatenate([m[:1], m[1:]], out=o),
        "cumsum": lambda np, m, o: np.cumsum(m, 0, out=o),
    }
    call = calls.get(name, lambda np, m, o: getattr(np, name)(m, axis=0, out=o))
    whole = name in calls
    dtype = {"argmax": "int64", "any": "bool"}.get(name, "float64")

    def returns_out(np, m, o):
        result = call(np, m, o)
        assert result is o
        return result

    paired(returns_out, numpy.arange(9.0).reshape(3, 3) / 4, numpy.zeros((3, 3) if whole else 3, dtype), changes=True)


def square() -> numpy.ndarray:
    return numpy.random.default_rng(3).standard_normal((2, 3, 3)) + 3 * numpy.eye(3)


LINALG = [
    lambda np, a, b: np.linalg.solve(a, b),
    lambda np, a, b: np.linalg.solve(a[0], b[0, :, 0]),
    lambda np, a, b: np.linalg.inv(a),
    lambda np, a, b: np.linalg.det(a),
    lambda np, a, b: tuple(np.linalg.slogdet(a)),
    lambda np, a, b: np.linalg.cholesky(a @ a.mT),
    lambda np, a, b: np.linalg.cholesky(a @ a.mT, upper=True),
    lambda np, a, b: np.linalg.eigh(a + a.mT).eigenvalues,
    lambda np, a, b: np.linalg.eigvalsh(a),
    lambda np, a, b: np.linalg.svd(b).S,
    lambda np, a, b: np.linalg.svd(b, compute_uv=False),
    lambda np, a, b: np.linalg.svdvals(b),
    lambda np, a, b: np.linalg.pinv(b),
    lambda np, a, b: np.linalg.qr(b).R,
    lambda np, a, b: np.linalg.matrix_rank(b),
    lambda np, a, b: np.linalg.matrix_power(a, 3),
    lambda np, a, b: np.linalg.matrix_power(a, -2),
    lambda np, a, b: np.linalg.matrix_power(a, 0),
    lambda np, a, b: np.linalg.multi_dot([a[0], b[0], b[0].T, a[0, 0]]),
    lambda np, a, b: np.linalg.lstsq(b[0], a[0], rcond=None),
    lambda np, a, b: np.linalg.cond(a),
    lambda np, a, b: np.linalg.eigvals(a[0] + a[0].T),
    lambda np, a, b: np.linalg.inv(b),
    lambda np, a, b: np.linalg.inv(a * 0),
    lambda np, a, b: np.linalg.cholesky(-(a @ a.mT)),
    lambda np, a, b: np.linalg.cross(a[0], a[1]),
    lambda np, a, b: np.linalg.diagonal(a, offset=1),
    lambda np, a, b: np.linalg.trace(a),
    lambda np, a, b: np.linalg.outer(a[0, 0], a[0, 1]),
    lambda np, a, b: np.linalg.matmul(a, b),
    lambda np, a, b: np.linalg.matrix_transpose(b),
    lambda np, a, b: np.linalg.tensordot(a, b, axes=([0, 1], [0, 1])),
    lambda np, a, b: np.linalg.vecdot(a, a),
    lambda np, a, b: np.linalg.tensorinv(np.eye(4).reshape(2, 2, 2, 2)),
]


@pytest.mark.parametrize("number", range(len(LINALG)))
def test_linalg(number, paired):
    a, b = square(), numpy.random.default_rng(4).standard_normal((2, 3, 2))
    paired(LINALG[number], a, b, where=f"linalg[{number}]", scale=64)
    paired(LINALG[number], a.astype("float32"), b.astype("float32"), where=f"linalg[{number}] float32", scale=64)


RANDOM = [
    lambda r: r.normal(size=(2, 3)),
    lambda r: r.uniform(1, 2, 4),
    lambda r: r.permutation(5),
    lambda r: r.choice([1, 2, 3], 4),
    lambda r: r.poisson(3, 3),
    lambda r: r.exponential(size=2),
    lambda r: r.standard_normal(3),
    lambda r: r.beta(1, 2),
]


@pytest.mark.parametrize("number", range(len(RANDOM)))
def test_random_streams(number, paired):
    draw = RANDOM[number]
    paired(lambda np: draw(np.random.default_rng(5)))
    paired(lambda np: draw(np.random.RandomState(5)))

    def legacy(np):
        np.random.seed(5)
        return draw(np.random)

    paired(legacy)


def test_random_generators(paired):
    paired(lambda np: np.random.default_rng(1).integers(0, 9, 5))
    paired(lambda np: np.random.default_rng(1).random(3, dtype="float32"))
    paired(lambda np: np.random.Generator(np.random.MT19937(3)).random(2))
    paired(lambda np: [child.random() for child in np.random.default_rng(1).spawn(2)])
    paired(lambda np: np.random.rand(2, 3).shape)
    paired(lambda np: np.random.default_rng(1).choice(5, size=3, replace=False))
    paired(lambda np: np.random.default_rng(1).normal(scale=-1))

    def shuffle(np, x):
        np.random.default_rng(2).shuffle(x)
        return x

    paired(shuffle, numpy.arange(6))

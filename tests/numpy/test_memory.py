"""What arrays know of their memory, and what numbers share with NumPy's scalars."""

from __future__ import annotations

import math
import numbers
import pickle

import numpy
import pytest

import chainrule
import chainrule.numpy as np


def test_base_is_the_owner():
    x = np.arange(12.0).reshape(3, 4).copy()
    assert x.base is None
    views = [x[...], x[1], x[1:], x[:, ::2], x.T, x.mT, x.reshape(4, 3), x.ravel(), x.transpose(), x.swapaxes(0, 1)]
    views += [
        x.view(),
        np.reshape(x, -1),
        np.expand_dims(x, 0),
        x[None],
        x.T[1:],
        x.view(np.ndarray),
        np.squeeze(x[None]),
    ]
    for view in views:
        assert view.base is x
    for made in (x.copy(), x + 1, x[[0, 1]], x[x > 3], x.flatten(), x.T.ravel(), x.sum(), x[0, 0]):
        assert made.base is None
    array = numpy.zeros(3)
    assert np.asarray(array).base is array
    del x
    assert views[0].base.shape == (3, 4)


def test_a_view_of_a_watched_array_does_not_hold_the_tape():
    def loss(x):
        y = x * 2.0
        assert y[1:].base is None
        return np.sum(y[1:])

    assert chainrule.grad(loss)(np.ones(3)).tolist() == [0, 2, 2]


def test_shape_is_set_in_place(paired):
    def reshaped(np, x):
        x.shape = (2, -1)
        return x, x.strides

    x = numpy.arange(6.0)
    paired(reshaped, x)
    paired(reshaped, x[::2])
    paired(reshaped, numpy.arange(6.0).reshape(2, 3).T)
    paired(reshaped, numpy.arange(6.0).reshape(3, 2)[:, ::-1].T[:, :2])
    y = np.arange(6)
    alias = y
    y.shape = (2, 3)
    assert alias.shape == (2, 3)


def test_reshape_into_more_elements_than_there_are_numbers(paired):
    paired(lambda np, x: x.reshape((2, 13, 419, 691, 823, 2977518503)), numpy.ones(20)[::2])
    paired(lambda np, x: np.reshape(x, (2**32, 2**32)), numpy.ones(4))


def test_view_of_other_types(paired):
    x = numpy.arange(4, dtype="float64")
    paired(lambda np, x: x.view(dtype="int32"), x)
    paired(lambda np, x: x.view("uint8"), x)
    paired(lambda np, x: x.view(np.ndarray), x)
    paired(lambda np, x: x.view(type=np.ndarray), x)
    paired(lambda np, x: x.view("int32"), x[::2])
    assert type(np.array([x]).view(type=numpy.matrix)) is numpy.matrix
    with pytest.raises(ValueError, match="[Tt]ype"):
        np.array(x).view(type=int)


def test_flat(paired):
    def use(np, x):
        x.flat[3] = 30
        x.flat[[0, -1]] = [7, 8]
        first = [value for value, _ in zip(x.flat, range(3), strict=False)]
        return x, first, x.flat[2:5], len(x.flat), list(x.flat)

    x = numpy.arange(12.0).reshape(3, 4)
    for view in (x, x.T, x[:, ::2]):
        paired(use, view, changes=True)


def test_values_of_other_dtypes_are_converted_by_numpy(paired):
    def assign(np, x, value):
        x[1] = value
        x[[0, 2]] = value
        return x

    for value in ("3", numpy.float16(2.5), None, 1j, numpy.complex64(2), "text", numpy.array("5"), b"4"):
        paired(assign, numpy.zeros(4), value)
        paired(assign, numpy.zeros(4, "int32"), value)


def test_lists_must_fit_the_dtype(paired):
    for dtype in ("int8", "uint8", "int64", "uint64"):
        paired(lambda np, dtype=dtype: np.array([numpy.iinfo(dtype).max + 1], dtype=dtype))
        paired(lambda np, dtype=dtype: np.array([[numpy.iinfo(dtype).max]], dtype=dtype))
    paired(lambda np: np.array(["1", "-2"], dtype="int16"))


def test_objects_whose_array_is_ours():
    class Holder:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    assert np.sum(Holder()).item() == 3
    assert (np.ones(3) * Holder()).tolist() == [0, 1, 2]


def test_numbers_are_instances_of_what_numpys_scalars_are():
    x = np.arange(3.0)
    for number in (x.sum(), x[1], np.mean(x), np.dot(x, x)):
        assert isinstance(number, float)
        assert isinstance(number, numbers.Real)
        assert isinstance(number, numpy.floating)
        assert isinstance(number, chainrule.Tensor)
        assert isinstance(number, np.ndarray)
        assert np.isscalar(number)
    assert isinstance(np.arange(3).sum(), numbers.Integral)
    assert not isinstance(np.arange(3).sum(), float)
    assert not isinstance(x, (float, numbers.Number))
    assert not isinstance(np.array(1.0), float)
    assert not np.isscalar(x)
    assert not np.isscalar(np.array(1.0))
    assert pickle.loads(pickle.dumps(x.sum())) == 3

    def loss(x):
        assert not isinstance(np.sum(x), float)  # float() of it would lose the gradient
        return np.sum(x)

    chainrule.grad(loss)(x)
    chainrule.jit(loss)(x)


def test_numbers_as_numbers():
    x = np.array([2.5, -3.5])
    assert x[0].is_integer() is False
    assert x[0].as_integer_ratio() == (5, 2)
    assert x[0].hex() == (2.5).hex()
    assert math.floor(x[0]) == 2
    assert math.sqrt(np.sum(x * x)) == math.sqrt(18.5)
    assert f"{x[0]:.3f} {x.sum():+.1e}" == "2.500 -1.0e+00"
    assert round(x[0]) == 2
    assert divmod(x[0], 1) == (2, 0.5)
    assert "%.1f %d" % (x[0], np.arange(3).sum()) == "2.5 3"  # noqa: UP031


def test_numpys_own_methods_on_the_same_memory(tmp_path):
    x = np.arange(4, dtype="int16")
    assert isinstance(x.byteswap(), chainrule.Tensor)
    assert x.byteswap().tolist() == x.numpy().byteswap().tolist()
    x.byteswap(inplace=True)
    assert x.tolist() == [0, 256, 512, 768]
    x.tofile(tmp_path / "x")
    assert np.fromfile(tmp_path / "x", dtype="int16").tolist() == x.tolist()
    assert pickle.loads(x.dumps()).tolist() == x.tolist()
    assert x.ctypes.data == x.__array_interface__["data"][0]
    assert x.getfield("int8", 1).tolist() == [0, 1, 2, 3]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(x, protocol)).tolist() == x.tolist()


@pytest.mark.parametrize("axes", [(1, 0, 2), (2, 1, 0), (2, 0, 1), (0, 2, 1)])
def test_elementwise_results_keep_a_dense_layout(axes):
    a = numpy.arange(2.0 * 30 * 40).reshape(2, 30, 40)
    plain, ours = a.transpose(axes), np.asarray(a).transpose(axes)
    for function in (lambda x: x + 1.0, lambda x: x * x, lambda x: x > 7, lambda x: 2 - x):
        expected, result = function(plain), function(ours)
        numpy.testing.assert_array_equal(numpy.asarray(result), expected)
        assert result.strides == expected.strides
    mixed = ours + np.asarray(numpy.ascontiguousarray(plain))  # of two layouts
    numpy.testing.assert_array_equal(numpy.asarray(mixed), plain + plain)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int16", "bool"])
@pytest.mark.parametrize("length", [2, 3, 5, 8, 15, 17])
def test_short_last_axes(length, dtype):
    rng = numpy.random.default_rng(length)
    x = rng.integers(0, 5, (70, 90, length)).astype(dtype)
    y, row, column = x[::-1, :, ::-1], x[0, 0], x[:, :, :1]
    parts = [lambda x, y, row, column: x | y, lambda x, y, row, column: y ^ row] if dtype == "bool" else []
    programs = [
        *parts,
        lambda x, y, row, column: (x != y) & (row >= column),
        lambda x, y, row, column: x[:, 3:4] == y[:1, :, ::-1],
        lambda x, y, row, column: x[1:-1, 1:-1, 1:] * y[:-2, 2:, :-1],
    ]
    plain = (x, y, row, column)
    ours = [np.asarray(each) for each in plain]
    for program in programs:
        expected = program(*plain)
        numpy.testing.assert_array_equal(numpy.asarray(program(*ours)), expected)
        numpy.testing.assert_array_equal(numpy.asarray(chainrule.jit(program)(*ours)), expected)
    for axis in (-1, 1):
        expected = numpy.concatenate([x, y, x[..., ::-1]], axis)
        numpy.testing.assert_array_equal(numpy.asarray(np.concatenate([*ours[:2], ours[0][..., ::-1]], axis)), expected)
    numpy.testing.assert_array_equal(numpy.asarray(np.stack([*ours[:2]], -1)), numpy.stack([x, y], -1))
    target = np.zeros((70, 90, 20), dtype)
    target[:, ::-1, 1 : length + 1] = ours[1]
    numpy.testing.assert_array_equal(numpy.asarray(target[:, ::-1, 1 : length + 1]), y)


def test_recorded_sums_of_short_rows():
    x = numpy.random.default_rng(3).normal(size=(200, 1, 3))
    program = lambda x, y: np.sum((x - y) ** 2, axis=2) * 2 + np.max(np.exp(x - y), axis=-1)  # noqa: E731
    y = x.transpose(1, 0, 2)
    ours = [np.asarray(x), np.asarray(y)]
    numpy.testing.assert_allclose(
        numpy.asarray(chainrule.jit(program)(*ours)), numpy.asarray(program(*ours)), rtol=1e-14
    )
    empty = [np.zeros((20, 0)), np.zeros((20, 0))]
    recorded = chainrule.jit(lambda x, y: np.sum(x + y, axis=-1))(*empty)
    assert not numpy.asarray(recorded).any()

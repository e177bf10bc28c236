"""Programs that derive their own classes from ``np.ndarray``: as with NumPy's."""

from __future__ import annotations

import copy
import pickle

import numpy
import pytest

import chainrule.numpy as np


class Named(np.ndarray):
    """Carries a name along."""

    def __new__(cls, values, name=None):
        array = np.asarray(values).view(cls)
        array.name = name
        return array

    def __array_finalize__(self, source):
        if source is not None:
            self.name = getattr(source, "name", None)


class Counted(np.ndarray):
    """Made with a shape, as ndarray itself."""

    def __new__(cls, shape, dtype=float, buffer=None, offset=0, strides=None, order=None, count=0):
        array = super().__new__(cls, shape, dtype, buffer, offset, strides, order)
        array.count = count
        return array

    def __getitem__(self, key):
        self.count += 1
        return np.ndarray.__getitem__(self, key)


class Logged(np.ndarray):
    """Has its say in ufuncs and leaves the rest to ndarray."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        inputs = [x.view(np.ndarray) if isinstance(x, Logged) else x for x in inputs]
        result = super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
        return result if result is NotImplemented else np.asarray(result).view(Logged)


def test_views_and_slices_keep_the_class_and_its_attributes():
    x = Named(np.arange(6.0).reshape(2, 3), "six")
    assert isinstance(x, np.ndarray)
    assert issubclass(Named, np.ndarray)
    for y in (x[1:], x.T, x.reshape(3, 2), x + 1, 2 * x, np.sin(x), x.sum(axis=0), x @ x.T, x.copy(), np.ones(3) * x):
        assert type(y) is Named
        assert y.name == "six"
    assert numpy.asarray(x + np.ones(3)).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert float(x.sum()) == 15


def test_a_view_shares_the_memory():
    values = np.zeros(3)
    x = values.view(Named)
    x[1] = 5
    assert values.tolist() == [0, 5, 0]
    plain = x.view(np.ndarray)
    assert isinstance(plain, np.ndarray)
    assert not isinstance(plain, Named)
    plain[0] = 1
    assert values.tolist() == [1, 5, 0]
    assert type(values.view(type=Named)) is Named
    assert values.view("int64", Named).dtype == "int64"
    assert type(values.view(np.ndarray)) is type(values)


def test_made_with_a_shape():
    x = Counted((2, 2), "int64", count=3)
    x[...] = 7
    assert type(x) is Counted
    assert x.shape == (2, 2)
    assert x[0, 0] == 7
    assert x.count == 4
    assert np.ndarray.__new__(Named, (3,)).shape == (3,)
    assert np.ndarray((2, 3)).shape == (2, 3)
    assert type(np.ndarray.__new__(np.ndarray, 3)) == np.ndarray  # noqa: E721 - what programs write


def test_its_say_in_ufuncs():
    x = np.arange(3.0).view(Logged)
    for y in (x + 1, x + np.ones(3), np.ones(3) - x, np.sin(x), np.add(np.ones(3), x)):
        assert type(y) is Logged
    assert (x + np.ones(3)).tolist() == [1, 2, 3]


def test_functions_take_and_give_it():
    x = Named([[2.0, 1.0], [1.0, 3.0]], "matrix")
    assert type(np.linalg.inv(x)) is Named
    assert np.allclose(np.linalg.inv(x) @ x, np.eye(2))
    assert not isinstance(np.asarray(x), Named)
    assert type(np.asanyarray(x)) is Named
    assert type(np.array(x, subok=True)) is Named
    assert not isinstance(np.array(x), Named)


def test_copies():
    x = Named([1.0, 2.0], "pair")
    assert type(copy.deepcopy(x)) is Named
    assert type(pickle.loads(pickle.dumps(x))) is Named


def test_methods_called_on_the_class():
    for x in (np.arange(4.0), Named(np.arange(4.0)), numpy.arange(4.0)):
        assert np.ndarray.sum(x) == 6
        assert np.ndarray.__getitem__(x, 2) == 2
    with pytest.raises(TypeError):
        np.ndarray.sum([1, 2])

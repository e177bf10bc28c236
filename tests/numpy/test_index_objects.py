"""What else may stand in brackets: ranges, named tuples, objects with __array__; and what may not."""

from collections import namedtuple

import numpy
import pytest

import chainrule.numpy as np

Place = namedtuple("Place", "row column")


class ArrayLike:
    def __array__(self, dtype=None, copy=None):
        return numpy.array([0, 2])


@pytest.mark.parametrize("key", [range(2), (range(2), slice(None)), Place(1, 2), Place([0, 1], [2, 3]), ArrayLike()])
def test_other_indices(key):
    results = []
    for module in (np, numpy):
        x = module.arange(12).reshape(3, 4)
        part = numpy.asarray(x[key])
        x[key] = 7
        results.append((part, numpy.asarray(x)))
    for ours, theirs in zip(*results, strict=True):
        numpy.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize("key", [((..., ...),), "a", b"a", {0}, {"a": 0}, [[0], [1, 2]], ["a"], object()])
def test_no_indices(key):
    with pytest.raises((IndexError, ValueError)):
        np.arange(12).reshape(3, 4)[key]


def test_a_truth_value_is_no_length():
    with pytest.raises(TypeError, match="integer"):
        np.arange(3).reshape(True, -1)


def test_clip_never_returns_its_argument():
    x = np.arange(3).astype("uint8")
    np.clip(x, -1, 300)[0] = 9
    assert x[0] == 0


def test_more_axes_than_tensors_have():
    x = np.zeros((1,) * 40)
    assert isinstance(x, numpy.ndarray)
    assert x.ndim == 40
    with pytest.raises(ValueError):
        np.ones((1,) * 65)

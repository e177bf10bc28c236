"""S5: tutorial 5's tensor operations; A - B and A / B as they are, not as its comments say."""

import numpy
import pytest

import chainrule.numpy as np

A = np.array([[1, 2], [3, 4]])
B = np.array([[5, 6], [5, 6]])


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (A + B, [[6, 8], [8, 10]]),
        (A - B, [[-4, -4], [-2, -2]]),
        (A * B, [[5, 12], [15, 24]]),
        (A / B, [[1 / 5, 2 / 6], [3 / 5, 4 / 6]]),
    ],
    ids=["sum", "difference", "product", "quotient"],
)
def test_s5(result, expected):
    assert numpy.asarray(result).tolist() == expected

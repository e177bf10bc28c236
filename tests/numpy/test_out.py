"""Results written where the caller says: the caller's own array is the result."""

from __future__ import annotations

import numpy
import pytest

import chainrule.numpy as cnp


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("median", ()),
        ("percentile", (50,)),
        ("quantile", (0.5,)),
        ("nanmedian", ()),
        ("mean", ()),
        ("ptp", ()),
        ("std", ()),
    ],
)
def test_a_given_out_is_the_result(name, arguments):
    x, out = cnp.arange(6.0).reshape(2, 3), cnp.empty(3)
    assert getattr(cnp, name)(x, *arguments, axis=0, out=out) is out
    numpy.testing.assert_array_equal(out.numpy(), getattr(numpy, name)(x.numpy(), *arguments, axis=0))

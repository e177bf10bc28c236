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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum", "negative", "absolute", "square"])
def test_any_length_in_place_and_not(name, dtype):
    """Arrays that end within a vector: nothing is read again after it was written, nothing beyond the end touched."""
    rng = numpy.random.default_rng(0)
    for length in range(1, 75):
        both = rng.normal(size=(2, length + 3)).astype(dtype)
        results = []
        for module in (numpy, cnp):
            x, y = (module.array(row) for row in both)
            others = [] if getattr(numpy, name).nin == 1 else [y[1 : length + 1]]
            inner = x[1 : length + 1]
            plain = getattr(module, name)(inner, *others)
            getattr(module, name)(inner, *others, out=inner)
            wide = module.array(both[:, 1:]) * module.array(both[:, :1])
            results.append((plain, x, wide))
        for theirs, ours in zip(*results, strict=True):
            numpy.testing.assert_array_equal(ours.numpy(), theirs, strict=True)

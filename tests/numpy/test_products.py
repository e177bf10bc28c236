"""Products with vectors, against float64: any length and stride, the same bits for any number of threads."""

from __future__ import annotations

import numpy
import pytest

import chainrule
import chainrule.numpy as np


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 2, 7, 33, 1000, 16384, 16385, 200_001])
def test_dot_products(length, dtype):
    rng = numpy.random.default_rng(length)
    x, y = rng.normal(size=(2, length, 3)).astype(dtype)
    for a, b in ((x[:, 0].copy(), y[:, 1].copy()), (x[:, 0], y[::-1, 2]), (x[:, 1].copy(), y[:, 1])):
        bits = []
        for threads in (1, 2):
            before = chainrule.show_config()["threads"]
            chainrule.set_num_threads(threads)
            bits.append(np.asarray(a) @ np.asarray(b))
            chainrule.set_num_threads(before)
        assert float(bits[0]) == float(bits[1])
        exact = numpy.dot(a.astype("float64"), b.astype("float64"))
        bound = 8 * numpy.finfo(dtype).eps * numpy.sum(numpy.abs(a.astype("float64") * b))
        assert abs(float(bits[0]) - exact) <= bound * max(1, length / 1000)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 3, 8, 15, 16, 20, 31, 47, 63, 65])
def test_short_rows_times_a_vector(columns, dtype):
    rng = numpy.random.default_rng(columns)
    a, x = rng.normal(size=(101, columns)).astype(dtype), rng.normal(size=columns).astype(dtype)
    exact = a.astype("float64") @ x.astype("float64")
    bound = 8 * columns * numpy.finfo(dtype).eps * (numpy.abs(a).astype("float64") @ numpy.abs(x))
    assert (numpy.abs(numpy.asarray(np.asarray(a) @ np.asarray(x)) - exact) <= bound).all()
    one_by_one = [np.asarray(a[i : i + 1]) @ np.asarray(x) for i in range(101)]
    numpy.testing.assert_allclose(numpy.asarray(np.concatenate(one_by_one)), exact, atol=bound.max())

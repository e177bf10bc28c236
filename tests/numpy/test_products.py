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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "terms"), [(17, 900), (97, 64), (200, 1500), (401, 200), (700, 90)])
def test_a_matrix_times_its_own_transpose(rows, terms, dtype):
    """Half of it is computed, with the bits of the product of two matrices: eager and recorded, for any layout."""
    rng = numpy.random.default_rng(rows)
    threads = chainrule.show_config()["threads"]
    recorded = chainrule.jit(lambda x: x @ x.T)
    gapped = rng.normal(size=(2 * rows, terms + 3)).astype(dtype)[::2, :terms]
    for x in (rng.normal(size=(rows, terms)).astype(dtype), rng.normal(size=(terms, rows)).astype(dtype).T, gapped):
        a, copied = np.asarray(x), np.asarray(x.copy(order="K").T)
        whole = (a @ copied).numpy()
        exact = x.astype("float64") @ x.astype("float64").T
        bound = 2 * terms * numpy.finfo(dtype).eps * (numpy.abs(x).astype("float64") @ numpy.abs(x).T)
        assert (numpy.abs(whole - exact) <= bound).all()
        for count in (1, 2, 3):
            chainrule.set_num_threads(count)
            product = (a @ a.T).numpy()
            chainrule.set_num_threads(threads)
            numpy.testing.assert_array_equal(product, product.T)
            if x is not gapped:  # a copy of it lies otherwise in memory
                numpy.testing.assert_array_equal(product, whole)
        numpy.testing.assert_allclose(recorded(a).numpy(), product, rtol=0, atol=bound.max())


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "uint16"])
@pytest.mark.parametrize("turned", [False, True])
def test_products_of_whole_numbers_and_truth_values(turned, dtype):
    rng = numpy.random.default_rng(0)
    x = rng.integers(0, 2 if dtype == "bool" else 100, (37, 53)).astype(dtype)
    y = rng.integers(0, 2 if dtype == "bool" else 100, (53, 41)).astype(dtype) * (rng.random((53, 41)) < 0.05)
    y = numpy.asfortranarray(y.astype(dtype)) if turned else y.astype(dtype)
    numpy.testing.assert_array_equal((np.asarray(x) @ np.asarray(y)).numpy(), x @ y, strict=True)


@pytest.mark.parametrize(
    "shapes",
    [
        [(3,), (3, 4), (4,)],
        [(2, 3), (3, 9), (9, 1)],
        [(1, 50), (50, 60), (60, 2)],
        [(3,), (3, 2)],
        [(0, 3), (3, 2), (2, 5)],
        [(2, 3), (3, 0), (0, 4)],
        [(2, 3), (3, 4), (4, 0)],
        [(2, 3), (3, 4), (4, 5), (5, 6)],
    ],
)
def test_products_of_several(shapes):
    rng = numpy.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    ours, theirs = np.linalg.multi_dot([np.asarray(x) for x in arrays]), numpy.linalg.multi_dot(arrays)
    assert ours.shape == theirs.shape
    numpy.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-12)

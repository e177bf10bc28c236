"""One type of arrays for a program, whoever holds the elements; what goes beyond NumPy for the Array API standard."""

from __future__ import annotations

import fractions
import math
import statistics

import numpy
import pytest

import chainrule
import chainrule.numpy as np

COMPLEX = numpy.array([1 + 2j, 3 - 4j])


def test_arrays_of_every_dtype_are_instances():
    ours = [np.zeros(2), np.array([1j]), np.fft.fft(np.zeros(3)), np.array(["a"]), np.array([1.0], "float16")]
    assert all(isinstance(x, np.ndarray) for x in ours)
    assert not any(isinstance(x, np.ndarray) for x in (1.0, [1.0], None, numpy.float64(1)))
    assert issubclass(chainrule.Tensor, np.ndarray)
    assert not issubclass(float, np.ndarray)
    assert not isinstance(np.array([1j]), chainrule.Tensor)


def test_the_type_makes_arrays_of_a_shape(paired):
    paired(lambda np: np.ndarray((2, 3), dtype="int32", buffer=numpy.arange(6, dtype="int32")))
    paired(lambda np: np.ndarray(2, buffer=numpy.arange(6.0), offset=8, strides=(16,)))
    paired(lambda np: np.ndarray((-1,)))
    assert isinstance(np.ndarray((2, 3)), chainrule.Tensor)


def test_complex_arrays_with_ours():
    x = np.array([1.0, 2.0])
    z = np.array(COMPLEX)
    z += x
    numpy.testing.assert_array_equal(z, COMPLEX + [1, 2])
    for result, expected in (
        (z * x, (COMPLEX + [1, 2]) * [1, 2]),
        (x * z, (COMPLEX + [1, 2]) * [1, 2]),
        (np.abs(COMPLEX), numpy.abs(COMPLEX)),
        (np.sum(COMPLEX.real), 4.0),
        (np.fft.ifft(np.fft.fft(x) * COMPLEX).real + x, numpy.fft.ifft(numpy.fft.fft([1, 2]) * COMPLEX).real + [1, 2]),
        (np.concatenate([x, COMPLEX]), numpy.concatenate([[1, 2], COMPLEX])),
        (np.where(x > 1, COMPLEX, 0), [0, 3 - 4j]),
        (np.full(2, 1j), [1j, 1j]),
        (np.full(2, 1, dtype=complex), [1, 1]),
    ):
        numpy.testing.assert_allclose(numpy.asarray(result), expected)


def test_complex_expm1_has_cs_values():
    values = numpy.array([0j, complex(-0.0, 0), complex(numpy.inf, 0), complex(-numpy.inf, numpy.inf), 1 + 1j])
    expected = [0j, 0j, complex(numpy.inf, 0), -1 + 0j, numpy.expm1(1 + 1j)]
    assert [str(x) for x in np.expm1(values)] == [str(numpy.complex128(x)) for x in expected]


@pytest.mark.parametrize("values", [[3, 1, 2, 1], [2.5, -1.0, 7.0, 2.5]])
def test_descending(values):
    x = numpy.array(values)
    numpy.testing.assert_array_equal(numpy.asarray(np.sort(x, descending=True)), numpy.sort(x)[::-1])
    order = numpy.asarray(np.argsort(np.array(x), descending=True))
    numpy.testing.assert_array_equal(order, numpy.argsort(-x, stable=True))
    m = numpy.array([values, values[::-1]])
    numpy.testing.assert_array_equal(numpy.asarray(np.sort(m, axis=0, descending=True)), numpy.sort(m, 0)[::-1])


def test_facts_of_dtypes_of_arrays():
    assert np.finfo(np.zeros(1, "float32")).eps == numpy.finfo("float32").eps
    assert np.finfo(COMPLEX).max == numpy.finfo("float64").max
    assert np.iinfo(np.zeros(1, "int8")).max == 127
    assert np.iinfo(int).min == numpy.iinfo(int).min
    assert isinstance(np.finfo(float), np.finfo)


def test_extensions_of_the_standard(paired):
    assert np.fft.rfftfreq(4, 0.5, dtype="float32").dtype == numpy.float32
    paired(lambda np: np.fft.fftfreq(5, d=0.1))
    paired(lambda np, x: np.vecdot(x, x, axis=0), numpy.arange(6.0).reshape(2, 3))
    paired(lambda np, x: np.vecdot(x, x), numpy.arange(6.0).reshape(2, 3))
    paired(lambda np: np.emath.sqrt([-1.0, 4.0]))


def test_gradient_of_vecdot_along_an_axis():
    x = numpy.arange(6.0).reshape(2, 3)
    chainrule.check_gradients(lambda x: np.sum(np.vecdot(x, np.sin(x), axis=0)), np.array(x))


def test_flat_is_an_iterator(paired):
    def use(np, x):
        flat = np.flatiter(x) if np is not numpy else x.flat
        flat[1] = 50
        flat[[2, 3]] = [7, 8]
        flat[4:] = 0
        return x, flat[2:4], next(flat), flat.coords, len(flat), list(flat), flat == 50, flat.copy()

    x = numpy.arange(12.0).reshape(3, 4)
    for view in (x, x.T, x[::2, ::2]):
        paired(use, view, changes=True)


def test_what_ours_does_not_take_goes_to_numpy(paired):
    paired(lambda np: np.full(3, 2, dtype=object).tolist())
    paired(lambda np: np.clip(numpy.array([1, 5, 9], object), 2, 6).tolist())
    paired(lambda np: np.einsum([1.0], [0], [2.0], [60]))
    paired(lambda np: np.einsum())
    with pytest.raises(TypeError):
        chainrule.grad(lambda x: np.sum(np.diff(x, n=1.5)))(np.ones(3))


def test_numbers_where_python_asks_for_its_own():
    x, i, f = np.array([1.5, 2.5]), np.array([3, -7]), np.array([0.1], "float32")
    assert fractions.Fraction(i[0]) == 3
    assert fractions.Fraction(x[0]) == fractions.Fraction(3, 2)
    assert (i[0].numerator, i[1].denominator) == (3, 1)
    assert (math.trunc(x[1]), math.floor(x[1]), math.ceil(x[1])) == (2, 2, 3)
    assert f"{f[0]}" == f"{numpy.float32(0.1)}"
    assert str(f[0]) == str(numpy.float32(0.1))
    assert statistics.mean(x) == 2
    assert statistics.stdev(x) == statistics.stdev([1.5, 2.5])
    with pytest.raises(AttributeError):
        assert x.numerator
    assert np.asarray(x[0]).shape == ()
    made = np.asarray(x.sum())
    made[...] = 5  # an array, not a number
    assert made == 5

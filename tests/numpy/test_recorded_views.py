"""Writes through one name of an array are seen by its other names, under jit and by gradients, as they are eagerly."""

from __future__ import annotations

import numpy
import pytest

import chainrule
import chainrule.numpy as np

# Programs of x (four numbers) and the module; NumPy runs them, too.


def parts_of_zeros(x, xp):
    y = xp.zeros(4)
    y[1] = x[0]
    v = y[2:]
    v[:] = x[2:] * 2
    w = v[1:]
    w *= x[1]
    return (y * y).sum() + v.sum()


def rows(x, xp):
    y = (x * 2).reshape(2, 2)
    for row in y:
        row *= x[0]
    y[0][1] = x[3] ** 2
    return (y * y).sum()


def array_after_view(x, xp):
    y = x * x
    v = y[1:]
    y[:] = x * 3
    return (v * v).sum()


def view_of_view(x, xp):
    y = x * x
    w = y[1:][::-1]
    w += x[0]
    y[2] *= 2
    return (w * xp.arange(3.0)).sum() + y[1]


def views_that_overlap(x, xp):
    y = x * x
    v = y[:2]
    u = y[1:]
    v *= 3
    u += v[1]
    return (v * xp.arange(2.0)).sum() + (u * u).sum()


def new_axes_and_numbers(x, xp):
    y = x * 1
    v = y[None, 1:3]
    v[0, 1] = x[0]
    v *= 2
    return (y * y).sum()


def places_from_arrays(x, xp):
    y = x * 1
    y[1:] *= x[0]
    y[numpy.array([0, 1])] += 2
    v = y[::2]
    v[numpy.array([0, 1])] = x[1:3]
    return (y * y).sum()


def sum_in_zeros(x, xp):
    y = xp.zeros(4)
    y += x
    return (y * y).sum()


def product_in_ones(x, xp):
    y = xp.ones(4)
    y *= x
    y *= x
    y[0] = 3
    return (y * y).sum()


def scatter_into_zeros(x, xp):
    y = xp.zeros(4)
    y[numpy.array([0, 1])] = x[:2]
    return (y * y).sum()


PROGRAMS = (
    parts_of_zeros,
    rows,
    array_after_view,
    view_of_view,
    views_that_overlap,
    new_axes_and_numbers,
    places_from_arrays,
    sum_in_zeros,
    product_in_ones,
    scatter_into_zeros,
)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_values_and_gradients_are_numpys(program):
    at = numpy.array([1.5, -2.0, 0.7, 3.0])
    want = program(at.copy(), numpy)
    step = 1e-6
    slope = [(program(at + step * e, numpy) - program(at - step * e, numpy)) / (2 * step) for e in numpy.eye(4)]

    def f(x):
        return program(x, np)

    x = np.asarray(at.copy())
    gradient = chainrule.value_and_grad(f)
    jitted = chainrule.jit(gradient)
    numpy.testing.assert_allclose(f(x), want, rtol=1e-14)
    numpy.testing.assert_allclose(chainrule.jit(f)(x), want, rtol=1e-14)
    for compute in (gradient, jitted, jitted):
        value, slopes = compute(x)
        numpy.testing.assert_allclose(value, want, rtol=1e-14)
        numpy.testing.assert_allclose(slopes, slope, rtol=1e-7, atol=1e-6)
    numpy.testing.assert_array_equal(x, at)


def test_a_write_that_would_be_lost_is_an_error():
    def f(x):
        y = x.reshape(2, 2) * 1
        y.T[0] = 5.0
        return (y * y).sum()

    x = np.arange(4.0)
    assert float(f(x)) == 25.0 + 1.0 + 25.0 + 9.0
    with pytest.raises(TypeError, match=r"without a name.*y\[:, 0\]"):
        chainrule.jit(f)(x)
    with pytest.raises(RuntimeError, match="without a name"):
        chainrule.grad(f)(x)


def test_views_may_outlive_the_array_and_the_recording():
    kept = []

    def f(x):
        v = (x * 2)[1:]
        w = v[1:]
        del v
        w *= 3
        kept.append(w)
        return w.sum()

    numpy.testing.assert_array_equal(chainrule.grad(f)(np.arange(4.0)), [0.0, 0.0, 6.0, 6.0])
    kept[0][0] = 1.0
    numpy.testing.assert_array_equal(kept[0], [1.0, 18.0])


def test_a_long_chain_of_views():
    def f(x):
        y = x * 2
        for _ in range(100_000):
            y = y[:]
        return y.sum()

    numpy.testing.assert_array_equal(chainrule.grad(f)(np.arange(3.0)), [2.0, 2.0, 2.0])


@pytest.mark.parametrize("value", [lambda x: 3.0, lambda x: x[1]], ids=["number", "followed"])
def test_a_write_over_what_the_gradient_needs_is_an_error(value):
    def f(x):
        y = np.ones(4)
        z = y * x
        y[0] = value(x)
        return (z * y).sum()

    for gradient in (chainrule.grad(f), chainrule.jit(chainrule.grad(f))):
        with pytest.raises(RuntimeError, match="changed in place"):
            gradient(np.arange(4.0))

"""S4: tutorial 4's gradient descent from scratch, corrected: means over the batch keep the parameters scalars."""

import numpy
import pytest

import chainrule
import chainrule.numpy as np

rng = numpy.random.default_rng(0)
X = np.asarray(rng.random(100))
Y = 1 + 2 * X + 0.01 * np.asarray(rng.standard_normal(100))


def test_by_hand():
    theta_0, theta_1, a = 0.0, 0.0, 0.1
    for _ in range(2000):
        err = theta_1 * X + theta_0 - Y
        theta_0 -= a * err.mean()
        theta_1 -= a * (err * X).mean()
    assert np.ndim(theta_0) == 0
    assert np.ndim(theta_1) == 0
    assert float(theta_0) == pytest.approx(1, abs=0.02)
    assert float(theta_1) == pytest.approx(2, abs=0.04)


def test_by_grad():
    def half_mse(theta):
        return 0.5 * np.mean((theta[1] * X + theta[0] - Y) ** 2)

    step = chainrule.jit(
        lambda theta: [t - 0.1 * g for t, g in zip(theta, chainrule.grad(half_mse)(theta), strict=True)]
    )
    theta = [np.asarray(0.0), np.asarray(0.0)]
    err = 0 * X + 0 - Y
    first = chainrule.grad(half_mse)(theta)
    assert float(first[0]) == pytest.approx(float(err.mean()))
    assert float(first[1]) == pytest.approx(float((err * X).mean()))
    for _ in range(2000):
        theta = step(theta)
    assert float(theta[0]) == pytest.approx(1, abs=0.02)
    assert float(theta[1]) == pytest.approx(2, abs=0.04)

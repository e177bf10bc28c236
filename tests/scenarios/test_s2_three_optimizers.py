"""S2: tutorial 2's optimizers by hand, corrected, against the built-in ones.

The data has a bias that the model lacks, so the least-squares slope is near 3.75.
"""

import numpy
import pytest

import chainrule.keras as keras
import chainrule.numpy as np

rng = numpy.random.default_rng(0)
X = rng.random((100, 1))
Y = 3 * X + rng.random((100, 1))
BEST = numpy.linalg.solve(X.T @ X, X.T @ Y).item()


def gradient(w, x, y):
    return 2 / len(x) * x.T @ (x @ w - y)


class GD:
    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def update(self, w, g):
        return w - self.learning_rate * g


class Adam:
    def __init__(self, learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.learning_rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.m = self.v = None
        self.t = 0

    def update(self, w, g):
        if self.m is None:
            self.m, self.v = np.zeros_like(g), np.zeros_like(g)
        self.t += 1
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * g
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * g**2
        m_hat = self.m / (1 - self.beta_1**self.t)
        v_hat = self.v / (1 - self.beta_2**self.t)
        return w - self.learning_rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


def test_the_slope_is_not_3():
    assert 3.6 < BEST < 3.9


def test_gradient_descent_by_hand():
    x, y, w = np.asarray(X), np.asarray(Y), np.zeros((1, 1))
    optimizer = GD(0.1)
    for _ in range(1000):
        w = optimizer.update(w, gradient(w, x, y))
    assert w.shape == (1, 1)
    assert float(w[0, 0]) == pytest.approx(BEST, abs=1e-6)


def test_stochastic_gradient_descent_by_hand():
    x, y, w = np.asarray(X), np.asarray(Y), np.zeros((1, 1))
    order, tail = numpy.random.default_rng(1), []
    for step in range(3000):
        i = int(order.integers(100))
        w = w - 0.02 * gradient(w, x[i : i + 1], y[i : i + 1])
        if step >= 1000:
            tail.append(float(w[0, 0]))
    assert numpy.mean(tail) == pytest.approx(BEST, abs=0.1)


def test_adam_by_hand():
    x, y, w = np.asarray(X), np.asarray(Y), np.zeros((1, 1))
    optimizer = Adam(0.1)
    for _ in range(1000):
        w = optimizer.update(w, gradient(w, x, y))
    assert float(w[0, 0]) == pytest.approx(BEST, abs=1e-4)


@pytest.mark.parametrize(
    ("optimizer", "batch", "tolerance"),
    [
        (keras.optimizers.SGD(0.1), 100, 1e-4),
        (keras.optimizers.SGD(0.02), 1, 0.2),
        (keras.optimizers.Adam(0.1), 100, 1e-3),
    ],
)
def test_built_in(optimizer, batch, tolerance):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer, "mse")
    model.fit(X, Y, batch_size=batch, epochs=1000 if batch > 1 else 20, verbose=0)
    assert model.get_weights()[0].item() == pytest.approx(BEST, abs=tolerance)


def test_adam_agrees_step_by_step():
    """Float64, epsilon small enough that its place in the formula does not show."""
    hand, w = Adam(0.05, epsilon=1e-12), np.zeros((1, 1))
    built_in = keras.optimizers.Adam(0.05, epsilon=1e-12)
    variable = keras.Variable(numpy.zeros((1, 1)), dtype="float64")
    x, y = np.asarray(X), np.asarray(Y)
    for step in range(200):
        w = hand.update(w, gradient(w, x, y))
        built_in.apply([gradient(variable.value, x, y)], [variable])
        assert float(variable.numpy()[0, 0]) == pytest.approx(float(w[0, 0]), abs=1e-6), step

"""S8: the mathematics, each formula against finite differences and an independent computation."""

import math

import numpy
import pytest

import chainrule
import chainrule.keras as keras
import chainrule.numpy as np
from chainrule import nn

rng = numpy.random.default_rng(0)
Z = numpy.concatenate([rng.standard_normal(30) * 3, [-30.0, 30.0]])


def vectorized(f):
    return numpy.vectorize(f, otypes=[float])


def sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


NEURONS = {
    "sigmoid": (nn.sigmoid, sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "tanh": (nn.tanh, math.tanh, lambda z: 1 / math.cosh(z) ** 2),
    "relu": (nn.relu, lambda z: max(0.0, z), lambda z: float(z > 0)),
    "leaky_relu": (nn.leaky_relu, lambda z: z if z > 0 else 0.2 * z, lambda z: 1.0 if z > 0 else 0.2),
    "elu": (nn.elu, lambda z: z if z > 0 else math.expm1(z), lambda z: 1.0 if z > 0 else math.exp(z)),
    "selu": (
        nn.selu,
        lambda z: 1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * math.expm1(z)),
        lambda z: 1.0507009873554805 * (1.0 if z > 0 else 1.6732632423543772 * math.exp(z)),
    ),
    "gelu": (
        nn.gelu,
        lambda z: z * 0.5 * math.erfc(-z / math.sqrt(2)),
        lambda z: 0.5 * math.erfc(-z / math.sqrt(2)) + z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    ),
    "silu": (nn.silu, lambda z: z * sigmoid(z), lambda z: sigmoid(z) + z * sigmoid(z) * sigmoid(-z)),
    "softplus": (nn.softplus, lambda z: max(z, 0.0) + math.log1p(math.exp(-abs(z))), sigmoid),
    "softsign": (nn.softsign, lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    "mish": (
        nn.mish,
        lambda z: z * math.tanh(max(z, 0.0) + math.log1p(math.exp(-abs(z)))),
        lambda z: (
            math.tanh(max(z, 0.0) + math.log1p(math.exp(-abs(z))))
            + z * sigmoid(z) / math.cosh(max(z, 0.0) + math.log1p(math.exp(-abs(z)))) ** 2
        ),
    ),
}


@pytest.mark.parametrize("name", NEURONS)
def test_neuron_functions(name):
    function, value, slope = NEURONS[name]
    z = np.asarray(Z)
    numpy.testing.assert_allclose(numpy.asarray(function(z)), vectorized(value)(Z), rtol=1e-12, atol=1e-14)
    gradient = chainrule.grad(lambda x: np.sum(function(x)))(z)
    numpy.testing.assert_allclose(numpy.asarray(gradient), vectorized(slope)(Z), rtol=1e-10, atol=1e-12)
    smooth = np.asarray(Z[numpy.abs(Z) > 1e-3])
    chainrule.check_gradients(lambda x: np.sum(function(x)), smooth)
    small = np.asarray(Z.astype("float32"))
    numpy.testing.assert_allclose(numpy.asarray(function(small)), vectorized(value)(Z), rtol=2e-6, atol=1e-6)


def test_softmax_jacobian():
    z = rng.standard_normal(5)
    p = numpy.exp(z - z.max()) / numpy.exp(z - z.max()).sum()
    rows = [chainrule.grad(lambda x, i=i: nn.softmax(x)[i])(np.asarray(z)) for i in range(5)]
    numpy.testing.assert_allclose(
        numpy.stack([numpy.asarray(r) for r in rows]), numpy.diag(p) - numpy.outer(p, p), atol=1e-14
    )
    numpy.testing.assert_allclose(numpy.asarray(nn.softmax(np.asarray([1000.0, 1001.0]))), [sigmoid(-1), sigmoid(1)])


def test_dense_layer():
    x, w, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 2)), rng.standard_normal(2)
    expected = [[sum(x[n, i] * w[i, j] for i in range(3)) + b[j] for j in range(2)] for n in range(4)]
    numpy.testing.assert_allclose(numpy.asarray(nn.dense(*map(np.asarray, (x, w, b)))), expected)
    chainrule.check_gradients(lambda *a: np.sum(nn.tanh(nn.dense(*a))), *map(np.asarray, (x, w, b)))


Y, P = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
ONE_HOT = numpy.eye(4)[[0, 1, 2, 3, 1, 2]]
SOFT = numpy.exp(P) / numpy.exp(P).sum(1, keepdims=True)
BITS = (Y > 0).astype(float)
PROBABILITIES = 1 / (1 + numpy.exp(-P))
DIFFERENCE = P - Y
LOSSES = {
    "mean_squared_error": (Y, P, (DIFFERENCE**2).mean()),
    "mean_absolute_error": (Y, P, abs(DIFFERENCE).mean()),
    "huber": (Y, P, numpy.where(abs(DIFFERENCE) <= 1, DIFFERENCE**2 / 2, abs(DIFFERENCE) - 0.5).mean()),
    "hinge": (2 * BITS - 1, P, numpy.maximum(0, 1 - (2 * BITS - 1) * P).mean()),
    "binary_crossentropy": (
        BITS,
        PROBABILITIES,
        -(BITS * numpy.log(PROBABILITIES) + (1 - BITS) * numpy.log(1 - PROBABILITIES)).mean(),
    ),
    "categorical_crossentropy": (ONE_HOT, SOFT, -(ONE_HOT * numpy.log(SOFT)).sum(1).mean()),
    "kl_divergence": (SOFT[::-1], SOFT, (SOFT[::-1] * numpy.log(SOFT[::-1] / SOFT)).sum(1).mean()),
    "categorical_focal_crossentropy": (
        ONE_HOT,
        SOFT,
        -(0.25 * (1 - SOFT) ** 2 * ONE_HOT * numpy.log(SOFT)).sum(1).mean(),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    y, p, expected = LOSSES[name]
    loss = getattr(keras.losses, name)
    assert float(np.mean(loss(np.asarray(y), np.asarray(p)))) == pytest.approx(expected, rel=1e-12)
    chainrule.check_gradients(lambda x: np.mean(loss(np.asarray(y), x)), np.asarray(p))
    single = float(np.mean(loss(y.astype("float32"), p.astype("float32"))))
    assert single == pytest.approx(expected, rel=3e-6)


def test_gradient_of_mse():
    gradient = chainrule.grad(lambda p: np.mean((p - np.asarray(Y)) ** 2))(np.asarray(P))
    numpy.testing.assert_allclose(numpy.asarray(gradient), 2 / P.size * (P - Y))


def test_gradient_of_cross_entropy_from_logits():
    """(softmax(z) - y) / n, also where the softmax rounds to 0."""
    for z in (P, 100 * P):
        soft = numpy.exp(z - z.max(1, keepdims=True))
        soft /= soft.sum(1, keepdims=True)
        labels = ONE_HOT.argmax(1)
        expected = (soft - ONE_HOT) / 6
        for loss, y in ((nn.softmax_cross_entropy, ONE_HOT), (nn.sparse_softmax_cross_entropy, labels)):
            gradient = chainrule.grad(lambda x, loss=loss, y=y: np.mean(loss(x, np.asarray(y))))(np.asarray(z))
            numpy.testing.assert_allclose(numpy.asarray(gradient), expected, rtol=1e-12, atol=1e-15)


def test_backpropagation_recursion():
    """delta_l = (delta_(l+1) W^T) * f'(z_l), dC/dW_l = a_(l-1)^T delta_l, dC/db_l = the sum of delta_l."""
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    w1, b1, w2, b2 = (
        rng.standard_normal((3, 4)),
        rng.standard_normal(4),
        rng.standard_normal((4, 2)),
        rng.standard_normal(2),
    )

    def cost(w1, b1, w2, b2):
        return np.mean((nn.dense(nn.sigmoid(nn.dense(np.asarray(x), w1, b1)), w2, b2) - np.asarray(y)) ** 2)

    got = chainrule.grad(cost, argnums=(0, 1, 2, 3))(*map(np.asarray, (w1, b1, w2, b2)))
    a1 = 1 / (1 + numpy.exp(-(x @ w1 + b1)))
    delta2 = 2 / y.size * (a1 @ w2 + b2 - y)
    delta1 = (delta2 @ w2.T) * a1 * (1 - a1)
    for g, expected in zip(got, (x.T @ delta1, delta1.sum(0), a1.T @ delta2, delta2.sum(0)), strict=True):
        numpy.testing.assert_allclose(numpy.asarray(g), expected, rtol=1e-12, atol=1e-14)


def hand_optimizers():
    """name -> (optimizer, function from the list of gradients to the weight)"""

    def sgd(gs, lr=0.1):
        w = 0.0
        for g in gs:
            w -= lr * g
        return w

    def momentum(gs, lr=0.1, mu=0.9, nesterov=False):
        w = v = 0.0
        for g in gs:
            v = mu * v - lr * g
            w += mu * v - lr * g if nesterov else v
        return w

    def rmsprop(gs, lr=0.1, rho=0.9, eps=1e-7):
        w = s = 0.0
        for g in gs:
            s = rho * s + (1 - rho) * g * g
            w -= lr * g / math.sqrt(s + eps)
        return w

    def adam(gs, lr=0.1, b1=0.9, b2=0.999, eps=0.0):
        w = m = v = 0.0
        for t, g in enumerate(gs, 1):
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
            w -= lr * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + eps)
        return w

    k = keras.optimizers
    return {
        "gd": (k.SGD(0.1), sgd),
        "momentum": (k.SGD(0.1, momentum=0.9), momentum),
        "nesterov": (k.SGD(0.1, momentum=0.9, nesterov=True), lambda gs: momentum(gs, nesterov=True)),
        "rmsprop": (k.RMSprop(0.1), rmsprop),
        "adam": (k.Adam(0.1, epsilon=1e-30), adam),
    }


@pytest.mark.parametrize("name", hand_optimizers())
def test_optimizers(name):
    optimizer, by_hand = hand_optimizers()[name]
    gradients = rng.standard_normal(20)
    variable = keras.Variable(numpy.zeros(1), dtype="float64")
    for g in gradients:
        optimizer.apply([np.asarray([g])], [variable])
    # The learning rate itself is held in float32.
    assert variable.numpy()[0] == pytest.approx(by_hand(gradients), rel=1e-6)

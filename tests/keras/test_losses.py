"""Losses against their formulas in NumPy, and what is wrong with targets."""

import numpy as np
import pytest

import chainrule.keras as keras

GENERATOR = np.random.default_rng(3)


def test_generalized_cross_entropy():
    p = GENERATOR.dirichlet(np.ones(4), 6)
    labels = GENERATOR.integers(0, 4, (6, 1))
    loss = keras.losses.CategoricalGeneralizedCrossEntropy(q=0.7)
    np.testing.assert_allclose(loss(labels, p), np.mean((1 - p[range(6), labels[:, 0]] ** 0.7) / 0.7), rtol=1e-6)
    with pytest.raises(ValueError, match="class numbers"):
        loss(np.eye(4)[labels[:, 0]], p)


def test_circle():
    x = GENERATOR.normal(size=(5, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    labels, gamma, margin = np.array([1, 1, 2, 2, 3]), 4.0, 0.4
    distance = np.maximum(1 - x @ x.T, 0)
    values = []
    for i in range(4):  # the last one has no partner and doesn't count
        same = [distance[i, j] for j in range(5) if j != i and labels[j] == labels[i]]
        other = [distance[i, j] for j in range(5) if labels[j] != labels[i]]
        near = sum(np.exp(gamma * (margin + d) * (d - margin)) for d in same)
        far = sum(np.exp(gamma * (1 + margin - d) * (1 - margin - d)) for d in other)
        values.append(np.log1p(near * far))
    np.testing.assert_allclose(keras.losses.Circle(gamma=gamma)(labels, x), np.mean(values), rtol=1e-6)
    np.testing.assert_allclose(keras.losses.get("circle")(labels, x, gamma=gamma)[:4], values, rtol=1e-6)


def test_options_are_attributes():
    loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    assert (loss.from_logits, loss.label_smoothing) == (True, 0.1)


def test_own_mask():
    """What a loss function masks doesn't enter the mean."""

    class Ignoring(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, ignore_class=0)

    y, p = np.array([0, 1, 2]), np.full((3, 4), 0.25)
    np.testing.assert_allclose(Ignoring()(y, p), np.log(4), rtol=1e-6)


def test_shapes():
    with pytest.raises(ValueError, match="must have the same shape"):
        keras.losses.BinaryCrossentropy()(np.zeros((3, 1)), np.full((3, 2), 0.5))
    with pytest.raises(ValueError, match="must have the same shape"):
        keras.losses.CategoricalCrossentropy()(np.zeros((3, 1)), np.full((3, 2), 0.5))
    with pytest.warns(SyntaxWarning, match="binary_crossentropy"):
        keras.losses.CategoricalCrossentropy()(np.ones((3, 1)), np.ones((3, 1)))
    with pytest.raises(ValueError, match="Invalid value for argument `reduction`"):
        keras.losses.Hinge(reduction="abc")

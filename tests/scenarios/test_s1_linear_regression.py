"""S1: tutorial 1's linear regression, unchanged. The noise is uniform on [0, 1): its mean .5 is the bias."""

import numpy as np
import pytest

import chainrule.keras as keras


def test_s1():
    keras.utils.set_random_seed(0)
    X = np.random.rand(100, 1)
    y = 3 * X + np.random.rand(100, 1)
    model = keras.models.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile(optimizer="sgd", loss="mse")
    model.fit(X, y, epochs=1000, verbose=0)
    pred = model.predict(X)

    assert pred.shape == (100, 1)
    (slope,), bias = (w.reshape(-1) for w in model.get_weights())
    assert slope == pytest.approx(3.0, abs=0.3)
    assert bias[0] == pytest.approx(0.5, abs=0.15)
    # 4,000 steps come as close to the least-squares loss as float32 and a learning rate of .01 allow.
    design = np.hstack([X, np.ones_like(X)])
    best = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    least = ((best - y) ** 2).mean()
    loss = ((pred - y) ** 2).mean()
    assert least <= loss < 1.03 * least
    assert model.evaluate(X, y, verbose=0) == pytest.approx(loss, rel=1e-4)
    assert len(model.history.history["loss"]) == 1000

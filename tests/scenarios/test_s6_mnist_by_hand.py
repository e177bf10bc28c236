"""S6: tutorial 5's MNIST program, right; and as printed, where it must help three times."""

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras.datasets import mnist as mnist_loader


def test_s6(mnist):
    (x_train, y_train), (x_test, y_test) = mnist_loader.load_data()
    x_train, x_test = x_train.reshape(-1, 784) / 255, x_test.reshape(-1, 784) / 255
    keras.utils.set_random_seed(0)
    model = keras.Sequential()
    model.add(keras.layers.Dense(512, activation="relu", input_shape=(784,)))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.001),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(x_train, y_train, epochs=10, batch_size=256, verbose=0)
    predictions = model.predict(x_test)
    assert predictions.shape == (10000, 10)
    np.testing.assert_allclose(predictions.sum(1), 1, rtol=1e-5)
    assert (predictions.argmax(1) == y_test).mean() >= 0.975


def test_as_printed():
    x, y = np.random.default_rng(0).random((64, 28, 28)), np.arange(64) % 10
    model = keras.Sequential(
        [keras.layers.Dense(512, activation="relu", input_shape=(784,)), keras.layers.Dense(10, activation="softmax")]
    )
    with pytest.warns(UserWarning, match="learning_rate"):  # harmless, so it works
        optimizer = keras.optimizers.Adam(lr=0.001)
    accuracy = keras.metrics.accuracy  # `from keras.metrics import accuracy`
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    with pytest.raises(ValueError, match=r"layers.Flatten\(\)"):  # no Flatten
        model.fit(x, y, epochs=10, batch_size=256)
    with pytest.raises(ValueError, match="sparse_categorical_crossentropy.*to_categorical"):  # integer labels
        model.fit(x.reshape(-1, 784), y, epochs=10, batch_size=256)
    model.fit(x.reshape(-1, 784), keras.utils.to_categorical(y, 10), verbose=0)
    assert np.asarray(accuracy(np.array([1, 2]), np.array([1, 3]))).tolist() == [1, 0]

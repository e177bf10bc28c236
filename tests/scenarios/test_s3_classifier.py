"""S3: tutorial 3's digit classifier."""

import numpy as np
import pytest

import chainrule.keras as keras


def build():
    model = keras.models.Sequential(
        [
            keras.layers.Dense(128, activation="relu", input_shape=(784,)),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_s3(mnist):
    (x_train, y_train), (x_test, y_test) = mnist
    x_train, x_test = x_train.reshape(-1, 784) / 255.0, x_test.reshape(-1, 784) / 255.0
    keras.utils.set_random_seed(0)
    model = build()
    history = model.fit(x_train, y_train, epochs=5, verbose=0)
    test_loss, test_accuracy = model.evaluate(x_test, y_test, verbose=0)
    assert test_accuracy >= 0.97, test_accuracy
    assert history.history["accuracy"][-1] > test_accuracy - 0.01
    assert model.predict(x_test).argmax(1)[:5].tolist() == [7, 2, 1, 0, 4]
    assert 0 < test_loss < 0.12


def test_images_are_refused_before_any_step():
    model = build()
    before = model.get_weights()
    with pytest.raises(ValueError) as error:
        model.fit(np.zeros((60000, 28, 28), np.uint8), np.zeros(60000, np.uint8), epochs=5)
    text = str(error.value)
    for part in ("dense", "(None, 784)", "(60000, 28, 28)", "layers.Flatten()", "x.reshape(-1, 784)"):
        assert part in text
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_with_flatten():
    model = keras.Sequential(
        [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(np.zeros((64, 28, 28), np.uint8), np.zeros(64, np.uint8), verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 2

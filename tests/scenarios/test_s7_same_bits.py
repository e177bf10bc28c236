"""S7: S1, S3 and S6 give bit-identical weights for the same seed with 1, 2 or 8 threads, and after save and load."""

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras


def s1():
    x = np.random.rand(100, 1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, 3 * x + np.random.rand(100, 1), epochs=200, verbose=0)
    return model, x


def classifier(units, batch, rows=3000):
    generator = np.random.default_rng(0)
    x = generator.random((rows, 784), dtype=np.float32)
    y = generator.integers(0, 10, rows)
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=batch, epochs=2, verbose=0)
    return model, x


def s3(mnist):
    (x, y), _ = mnist
    x = x.reshape(-1, 784) / 255.0
    model = keras.Sequential(
        [
            keras.layers.Dense(128, activation="relu", input_shape=(784,)),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=5, verbose=0)
    return model, x


def s6(mnist):
    (x, y), _ = mnist
    x = x.reshape(-1, 784) / 255.0
    model = keras.Sequential(
        [
            keras.layers.Dense(512, activation="relu", input_shape=(784,)),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(learning_rate=0.001)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=10, batch_size=256, verbose=0)
    return model, x


# With dropout and a last batch of another size, which the tutorials' own runs below don't have.
SMALL = {"S1": s1, "S3": lambda: classifier(128, 32), "S6": lambda: classifier(512, 256)}


@pytest.mark.parametrize("name", SMALL)
def test_s7(name, tmp_path):
    check_same_bits(SMALL[name], tmp_path)


@pytest.mark.parametrize("scenario", [s3, s6])
def test_s7_on_all_of_mnist(scenario, mnist, tmp_path):
    check_same_bits(lambda: scenario(mnist), tmp_path)


def check_same_bits(scenario, tmp_path):
    runs = []
    for threads in (1, 2, 8):
        chainrule.set_num_threads(threads)
        keras.utils.set_random_seed(11)
        model, x = scenario()
        runs.append((model.get_weights(), model.predict(x), model.history.history))
    for weights, predictions, history in runs[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(weights, runs[0][0], strict=True))
        assert predictions.tobytes() == runs[0][1].tobytes()
        assert history == runs[0][2]

    model.save_weights(tmp_path / "w.weights.npz")
    predictions = model.predict(x)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.load_weights(tmp_path / "w.weights.npz")
    assert all(a.tobytes() == b.tobytes() for a, b in zip(model.get_weights(), runs[0][0], strict=True))
    assert model.predict(x).tobytes() == predictions.tobytes()


def test_another_seed_gives_other_weights():
    weights = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        weights.append(keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)]).get_weights()[0])
    assert not np.allclose(*weights)

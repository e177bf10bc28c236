"""Steps of a model's own, and the utilities that prepare data."""

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = X @ np.array([[1.0], [2.0], [-1.0]], "float32")


def weights_after(cls):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    model = cls(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, epochs=3, batch_size=5, verbose=0).history
    return model, history


class Plain(keras.Model):
    pass


class Tape(keras.Model):
    def train_step(self, data):
        x, y = data
        with chainrule.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=len(x))
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


class Parent(keras.Model):
    def train_step(self, data):
        return {**super().train_step(data), "twice": 2.0 * self.metrics[0].result()}

    def test_step(self, data):
        return super().test_step(data)

    def predict_step(self, data):
        return super().predict_step(data) + 100.0


@pytest.mark.parametrize("cls", [Tape, Parent])
def test_a_step_of_its_own_trains_alike(cls):
    plain, expected = weights_after(Plain)
    model, history = weights_after(cls)
    for a, b in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), plain.evaluate(X, Y, verbose=0), rtol=1e-5)
    if cls is Parent:
        np.testing.assert_allclose(model.predict(X), plain.predict(X) + 100, rtol=1e-6)
        assert "twice" in history


def test_pad_sequences():
    pad = keras.utils.pad_sequences
    lists = [[1], [2, 3], [4, 5, 6]]
    assert pad(lists).tolist() == [[0, 0, 1], [0, 2, 3], [4, 5, 6]]
    assert pad(lists, padding="post", value=9).tolist() == [[1, 9, 9], [2, 3, 9], [4, 5, 6]]
    assert pad(lists, maxlen=2).tolist() == [[0, 1], [2, 3], [5, 6]]
    assert pad(lists, maxlen=2, truncating="post").tolist() == [[0, 1], [2, 3], [4, 5]]
    assert pad([[], [[1.0, 2.0]]], dtype="float32").shape == (2, 1, 2)
    assert pad([]).shape == (0, 0)
    with pytest.raises(ValueError, match="'pre' or 'post'"):
        pad(lists, padding="left")
    with pytest.raises(ValueError, match="entry 0"):
        pad([1, 2])


def test_windows_over_a_series():
    make = keras.utils.timeseries_dataset_from_array
    series = np.arange(20)
    batches = list(make(series, series * 10, 5, sequence_stride=3, sampling_rate=2, batch_size=2, start_index=2))
    assert [b[0].tolist() for b in batches] == [
        [[2, 4, 6, 8, 10], [5, 7, 9, 11, 13]],
        [[8, 10, 12, 14, 16], [11, 13, 15, 17, 19]],
    ]
    assert [b[1].tolist() for b in batches] == [[20, 50], [80, 110]]
    assert [len(b[0]) for b in make(series[:10], series[:7], 3, batch_size=4, end_index=8)] == [4, 2]
    shuffled = [make(series, series, 3, shuffle=True, seed=1)[0][1].tolist() for _ in range(2)]
    assert shuffled[0] == shuffled[1] != sorted(shuffled[0])
    with pytest.raises(ValueError, match="reaches over 30 steps"):
        make(series, None, 30)

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = make((series / 20).astype("float32"), (series / 20).astype("float32"), 4, batch_size=8)
    assert len(model.fit(data, epochs=2, verbose=0).history["loss"]) == 2
    assert model.predict(make((series / 20).astype("float32"), None, 4)).shape == (17, 1)


def test_split_dataset():
    (x1, y1), (x2, y2) = keras.utils.split_dataset((X, Y), left_size=0.75)
    np.testing.assert_array_equal(np.concatenate([x1, x2]), X)
    assert (len(y1), len(y2)) == (15, 5)
    left, right = keras.utils.split_dataset(X, right_size=4, shuffle=True, seed=3)
    assert (len(left), len(right)) == (16, 4)
    assert sorted(np.concatenate([left, right])[:, 0]) == sorted(X[:, 0])
    with pytest.raises(ValueError, match="left_size or right_size"):
        keras.utils.split_dataset(X)
    with pytest.raises(ValueError, match="share in"):
        keras.utils.split_dataset(X, left_size=1.5)


@pytest.mark.parametrize("built", [True, False])
def test_a_model_without_call(built):
    """All is in train_step: the model can't be called, nor tried out."""

    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = keras.Sequential([*([keras.Input((3,))] if built else []), keras.layers.Dense(2)])
            self.decoder = keras.Sequential([*([keras.Input((2,))] if built else []), keras.layers.Dense(3)])
            self.tracker = keras.metrics.Mean(name="loss")

        @property
        def metrics(self):
            return [self.tracker]

        def train_step(self, data):
            with chainrule.GradientTape() as tape:
                loss = keras.ops.mean(keras.ops.square(self.decoder(self.encoder(data)) - data))
            gradients = tape.gradient(loss, self.trainable_weights)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
            self.tracker.update_state(loss)
            return {"loss": self.tracker.result()}

    model = Pair()
    model.compile(keras.optimizers.Adam(0.05))
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    losses = model.fit(x, epochs=5, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]

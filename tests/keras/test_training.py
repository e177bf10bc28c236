"""fit, evaluate, predict: recorded and op by op, weights, validation, sources of batches, interruption."""

import logging
import signal
import threading
import time

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule.keras import layers, ops

rng = np.random.default_rng(0)
X = rng.standard_normal((70, 5)).astype("float32")
LABELS = rng.integers(0, 3, 70)


def make(**options):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(7, activation="tanh", kernel_regularizer="l2"),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )
    settings = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **options}
    model.compile(**settings)
    return model


def same_weights(a, b):
    return all((x == y).all() for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


def test_eager_gives_the_same_numbers():
    """Dropout, shuffling, regularization, sample weights and a remainder batch included."""
    histories = []
    models = [make(run_eagerly=eager) for eager in (False, True)]
    for model in models:
        keras.utils.set_random_seed(5)
        history = model.fit(X, LABELS, batch_size=16, epochs=4, verbose=0, sample_weight=np.linspace(0, 2, 70))
        histories.append(history.history)
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-5)
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_epoch_by_epoch_gives_the_same_bits():
    """All epochs in one run, epoch by epoch, and step by step are the same training."""
    per_epoch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    per_batch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    models, histories = [], []
    for callbacks in (None, [per_epoch], [per_batch]):
        models.append(make())
        histories.append(models[-1].fit(X, LABELS, batch_size=16, epochs=3, verbose=0, callbacks=callbacks).history)
    assert same_weights(models[0], models[1])
    assert same_weights(models[0], models[2])
    assert histories[1] == histories[2]
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-6)


def test_manual_step():
    """One recorded SGD step against the formulas of the chain rule in float64."""
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, activation="relu"), layers.Dense(3, activation="softmax")]
    )
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    w1, b1, w2, b2 = (w.astype("float64") for w in model.get_weights())
    x, y = X.astype("float64"), np.eye(3)[LABELS]
    loss = model.train_on_batch(X, LABELS)
    a = np.maximum(x @ w1 + b1, 0)
    z = a @ w2 + b2
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    assert loss == pytest.approx(-np.log(p[np.arange(70), LABELS]).mean(), rel=1e-5)
    delta = (p - y) / 70
    hidden = (delta @ w2.T) * (a > 0)
    expected = [w1 - 0.1 * x.T @ hidden, b1 - 0.1 * hidden.sum(0), w2 - 0.1 * a.T @ delta, b2 - 0.1 * delta.sum(0)]
    for got, want in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-6)


def test_evaluate_and_predict():
    model = make()
    p = model.predict(X, verbose=0)
    assert p.shape == (70, 3)
    assert p.dtype == np.float32
    assert isinstance(p, np.ndarray)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    for batch_size in (None, 7, 70, 1000):
        np.testing.assert_allclose(model.predict(X, batch_size=batch_size, verbose=0), p, rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(X), p, rtol=1e-5)
    for _ in range(3):
        np.testing.assert_allclose(np.asarray(model(X)), p, rtol=1e-5)
    assert isinstance(model(X), chainrule.Tensor)
    penalty = 0.01 * (model.get_weights()[0] ** 2).sum()
    loss, accuracy = model.evaluate(X, LABELS, verbose=0)
    assert loss == pytest.approx(-np.log(p[np.arange(70), LABELS]).mean() + penalty, rel=1e-5)
    assert accuracy == pytest.approx((p.argmax(1) == LABELS).mean())
    assert model.evaluate(X, LABELS, verbose=0, return_dict=True) == pytest.approx({"loss": loss, "accuracy": accuracy})
    assert model.test_on_batch(X, LABELS)[0] > 0


def test_one_row():
    model = make()
    full = model.predict(X, verbose=0)
    for _ in range(3):
        np.testing.assert_allclose(model.predict(X[:1], verbose=0), full[:1], rtol=1e-5)
        np.testing.assert_allclose(np.asarray(model(X[:1])), full[:1], rtol=1e-5)


def test_predictions_follow_the_weights():
    """Recorded programs read the weights' memory, they don't copy it."""
    model = make()
    first = model.predict(X, verbose=0)
    model(X), model(X)
    model.set_weights([2 * w for w in model.get_weights()])
    second = model.predict(X, verbose=0)
    assert not np.allclose(first, second)
    np.testing.assert_allclose(np.asarray(model(X)), second, rtol=1e-5)


def test_training_call_and_gradients():
    model = make()
    calm, noisy = np.asarray(model(X)), np.asarray(model(X, training=True))
    assert not np.allclose(calm, noisy)
    model(X)
    with chainrule.GradientTape() as tape:
        loss = ops.mean(model(X) ** 2)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    assert all(g is not None and np.abs(np.asarray(g)).max() > 0 for g in gradients)


def test_types_of_data():
    keras.utils.set_random_seed(0)
    for x in (
        X,
        X.astype("float64"),
        chainrule.asarray(X),
        X.tolist(),
        np.asfortranarray(X),
        np.repeat(X, 2, 1)[:, ::2],
    ):
        model = make()
        model.fit(x, LABELS, verbose=0, shuffle=False)
        reference = make()
        reference.fit(X, LABELS, verbose=0, shuffle=False)
        for a, b in zip(model.get_weights(), reference.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)
    images = rng.integers(0, 256, (20, 5)).astype("uint8")
    np.testing.assert_allclose(make().predict(images), make().predict(images.astype("float32")), rtol=1e-5)
    for labels in (LABELS, LABELS.astype("uint8"), LABELS.astype("float32"), LABELS.reshape(-1, 1), LABELS.tolist()):
        history = make().fit(X, labels, verbose=0, shuffle=False).history
        assert history == make().fit(X, LABELS, verbose=0, shuffle=False).history


def test_one_hot_is_the_same_as_sparse():
    h1 = make().fit(X, LABELS, epochs=2, verbose=0).history
    h2 = make(loss="categorical_crossentropy").fit(X, keras.utils.to_categorical(LABELS), epochs=2, verbose=0).history
    assert h1["accuracy"] == h2["accuracy"]
    np.testing.assert_allclose(h1["loss"], h2["loss"], rtol=1e-5)


def test_fused_losses_are_exact_for_extreme_logits():
    """From probabilities, e^-200 would be 0 and its logarithm lost; the gradient would vanish."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(2, activation="softmax", use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    model.set_weights([np.array([[200.0, 0.0]], np.float32)])
    assert model.train_on_batch(np.ones((1, 1)), np.array([1])) == pytest.approx(200)
    np.testing.assert_allclose(model.get_weights()[0], [[199.0, 1.0]])
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, activation="sigmoid", use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
    model.set_weights([np.array([[200.0]], np.float32)])
    assert model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1))) == pytest.approx(200)
    np.testing.assert_allclose(model.get_weights()[0], [[199.0]])


def test_validation():
    model = make()
    history = model.fit(X, LABELS, epochs=3, verbose=0, validation_split=0.3).history
    assert sorted(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    loss, accuracy = model.evaluate(X[49:], LABELS[49:], verbose=0)
    assert history["val_loss"][-1] == pytest.approx(loss)
    assert history["val_accuracy"][-1] == pytest.approx(accuracy)
    history = make().fit(X, LABELS, epochs=4, verbose=0, validation_data=(X, LABELS), validation_freq=2).history
    assert len(history["loss"]) == 4
    assert len(history["val_loss"]) == 2
    weighted = make()
    weighted.fit(X, LABELS, verbose=0, validation_data=(X, LABELS, np.zeros(70)))
    assert weighted.history.history["val_loss"][0] == pytest.approx(
        0.01 * (weighted.get_weights()[0] ** 2).sum(), rel=1e-4
    )


def test_class_weight_is_sample_weight():
    a = make()
    a.fit(X, LABELS, verbose=0, class_weight={0: 3.0, 2: 0.5})
    b = make()
    b.fit(X, LABELS, verbose=0, sample_weight=np.array([3.0, 1.0, 0.5])[LABELS])
    assert same_weights(a, b)


def test_sources_of_batches():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            rows = slice(index * 16, (index + 1) * 16)
            return X[rows], LABELS[rows]

    reference = make()
    expected = reference.fit(X, LABELS, batch_size=16, epochs=2, shuffle=False, verbose=0).history

    def generator():
        while True:
            for i in range(5):
                yield X[16 * i : 16 * i + 16], LABELS[16 * i : 16 * i + 16]

    for source, steps in ((Batches(), None), (generator(), 5)):
        model = make()
        history = model.fit(source, epochs=2, verbose=0, steps_per_epoch=steps).history
        assert same_weights(model, reference)
        np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    assert make().evaluate(Batches(), verbose=0) == pytest.approx(make().evaluate(X, LABELS, batch_size=16, verbose=0))
    np.testing.assert_allclose(make().predict(Batches()), make().predict(X), rtol=1e-5)
    with pytest.warns(UserWarning, match="steps_per_epoch"):
        assert make().fit(iter([(X, LABELS)]), epochs=2, verbose=0).epoch == [0]


def test_fit_goes_on():
    """Two fits of one epoch use fresh orders; initial_epoch counts from there."""
    model = make()
    model.fit(X, LABELS, epochs=2, verbose=0)
    history = model.fit(X, LABELS, epochs=5, initial_epoch=2, verbose=0)
    assert history.epoch == [2, 3, 4]
    assert int(model.optimizer.iterations.numpy()) == 3 * 5


def test_steps_per_epoch():
    model = make()
    with pytest.warns(UserWarning, match="ran out of data after 1 of 2 steps"):  # at the end of the five batches
        history = model.fit(X, LABELS, batch_size=16, epochs=3, steps_per_epoch=2, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 5
    assert len(history.history["loss"]) == 3


def test_frozen_layers():
    model = make()
    model.layers[0].trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.get_weights()
    model.fit(X, LABELS, epochs=2, verbose=0)
    after = model.get_weights()
    assert (before[0] == after[0]).all()
    assert not (before[2] == after[2]).all()
    model.layers[0].trainable = True
    assert len(model.trainable_weights) == 4


def test_schedule_inside_the_program():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.5, 0.0])
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(schedule), "mse")
    y = X[:, :1]
    model.fit(X, y, batch_size=35, epochs=1, verbose=0)
    middle = model.get_weights()
    model.fit(X, y, batch_size=70, epochs=1, verbose=0)  # step 2 (from 0): still 0.5
    assert not (middle[0] == model.get_weights()[0]).all()
    last = model.get_weights()
    model.fit(X, y, batch_size=35, epochs=5, verbose=0)
    assert (last[0] == model.get_weights()[0]).all()
    assert float(model.optimizer.learning_rate) == 0.0


def test_learning_rate_can_be_set_between_fits():
    model = make(optimizer="sgd")
    model.fit(X, LABELS, verbose=0)
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.fit(X, LABELS, verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_changing_an_attribute_records_again():
    model = make(optimizer="sgd")
    model.fit(X, LABELS, verbose=0)
    first = model.predict(X)
    model.layers[0].activation = keras.activations.relu
    assert not np.allclose(first, model.predict(X))


def test_custom_loss_metric_and_layer():
    class Scale(layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")

        def call(self, inputs):
            self.add_loss(0.5 * ops.sum(ops.square(self.factor)))
            return inputs * self.factor

    def loss(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) ** 3, axis=-1)

    def worst(y_true, y_pred):
        return ops.max(ops.abs(y_true - y_pred), axis=-1)

    model = keras.Sequential([keras.Input((5,)), Scale(), layers.Dense(2)])
    model.compile("sgd", loss, metrics=[worst, "mae"])
    y = X[:, :2]
    p = model.predict(X)
    logs = model.train_on_batch(X, y, return_dict=True)
    assert logs["loss"] == pytest.approx((np.abs(y - p) ** 3).mean() + 0.5 * 5, rel=1e-5)
    assert logs["worst"] == pytest.approx(np.abs(y - p).max(1).mean(), rel=1e-5)
    assert logs["mae"] == pytest.approx(np.abs(y - p).mean(), rel=1e-5)
    assert not (model.layers[0].factor.numpy() == 1).all()


def test_a_model_that_cannot_be_recorded(caplog):
    """It runs step by step, with one log line that quotes the line of code."""

    class Branch(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3, activation="softmax")

        def call(self, x):
            y = self.dense(x)
            if float(ops.sum(y)) > 0:
                return y
            return -y

    keras.utils.set_random_seed(1)
    model = Branch()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with caplog.at_level(logging.WARNING, logger="chainrule.keras"):
        history = model.fit(X, LABELS, epochs=2, verbose=0, batch_size=32)
        model.predict(X)
        model.evaluate(X, LABELS, verbose=0)
    assert len(caplog.records) == 1
    assert "float(ops.sum(y)) > 0" in caplog.text
    assert "test_training.py" in caplog.text
    keras.utils.set_random_seed(1)
    plain = keras.Sequential([layers.Dense(3, activation="softmax")])
    plain.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    expected = plain.fit(X, LABELS, epochs=2, verbose=0, batch_size=32)
    np.testing.assert_allclose(history.history["loss"], expected.history["loss"], rtol=1e-5)


def test_interrupt():
    """Ctrl-C ends fit between two steps: no epoch of the many is waited for, the weights are good to go on with."""
    big = rng.standard_normal((4000, 200)).astype("float32")
    model = keras.Sequential([keras.Input((200,)), layers.Dense(64, activation="relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    y = big[:, :1]
    model.fit(big, y, verbose=0)

    def interrupt():
        while model.optimizer.iterations.numpy() < 300:  # the second fit is under way
            time.sleep(0.001)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # runs in the background ignore it
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            model.fit(big, y, epochs=100_000_000, verbose=0)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert all(np.isfinite(w).all() for w in model.get_weights())
    reached = int(model.optimizer.iterations.numpy())
    assert reached >= 300
    assert np.isfinite(model.fit(big, y, verbose=0).history["loss"][0])
    assert int(model.optimizer.iterations.numpy()) == reached + 125


def test_out_of_memory_leaves_the_model_intact():
    model = make()
    before = model.get_weights()
    huge = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (2**40, 5), (0, 0))
    with pytest.raises(MemoryError):
        model.fit(
            huge, np.lib.stride_tricks.as_strided(np.zeros(1, np.int64), (2**40,), (0,)), verbose=0, batch_size=2**38
        )
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    model.fit(X, LABELS, verbose=0)


@pytest.mark.parametrize("verbose", [1, 2, "auto"])
def test_logs_get_one_line_an_epoch(capsys, verbose):
    make().fit(X, LABELS, epochs=3, verbose=verbose, validation_split=0.2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("Epoch 3/3 - 2/2")
    assert "loss: " in lines[2]
    assert "val_accuracy: " in lines[2]
    assert "\r" not in "".join(lines)


def test_terminal_gets_a_bar(capsys, monkeypatch):
    from chainrule.keras import progress

    monkeypatch.setattr(progress, "is_interactive", lambda: True)
    make().fit(X, LABELS, epochs=2)
    text = capsys.readouterr().out
    assert "Epoch 1/2\n" in text
    assert "━" * 20 in text
    assert text.endswith("\n")


def test_silence(capsys):
    model = make()
    model.fit(X, LABELS, verbose=0)
    model.evaluate(X, LABELS, verbose=0)
    model.predict(X)
    assert capsys.readouterr().out == ""


def test_train_on_batch_accumulates():
    model = make(optimizer=keras.optimizers.SGD(0.0))
    model.layers[1].rate = 0.0
    first = model.train_on_batch(X[:10], LABELS[:10], return_dict=True)
    second = model.train_on_batch(X[10:20], LABELS[10:20], return_dict=True)
    model.reset_metrics()
    alone = model.train_on_batch(X[10:20], LABELS[10:20], return_dict=True)
    assert second["accuracy"] == pytest.approx((first["accuracy"] + alone["accuracy"]) / 2)


@pytest.mark.parametrize("eager", [False, True])
def test_own_train_step(eager):
    """A model's own train_step (with a GradientTape) is recorded like the built-in one and gives the same numbers."""

    class Own(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with chainrule.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(y=y, y_pred=y_pred)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss, sample_weight=len(x))
                else:
                    metric.update_state(y, y_pred)
            return {**{m.name: m.result() for m in self.metrics}, "greatest": ops.max(y_pred)}

    def build(cls):
        keras.utils.set_random_seed(0)
        model = cls([keras.Input((5,)), layers.Dense(4, activation="relu"), layers.Dense(3, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=eager)
        return model, model.fit(X, LABELS, epochs=3, verbose=0).history

    (own, h1), (plain, h2) = build(Own), build(keras.Sequential)
    assert set(h1) - set(h2) == {"greatest"}
    np.testing.assert_allclose(h1["loss"], h2["loss"], rtol=1e-5)
    for a, b in zip(own.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert 1 / 3 < h1["greatest"][-1] <= 1


def test_loop_by_hand():
    """The tutorials' loop: tape, gradient, apply_gradients."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1)])
    optimizer, loss_of = keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError()
    y = X @ np.array([[1.0], [2.0], [0.0], [-1.0], [0.5]], np.float32)
    first = None
    for _ in range(200):
        with chainrule.GradientTape() as tape:
            loss = loss_of(y, model(X, training=True))
        first = float(loss) if first is None else first
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    assert float(loss) < 1e-3 * first
    np.testing.assert_allclose(model.get_weights()[0].ravel(), [1, 2, 0, -1, 0.5], atol=0.05)


def test_threads_predict_while_another_trains():
    """Whether dropout acts is a matter of each thread's own call."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), layers.Dropout(0.5), layers.Dense(3, activation="softmax")])
    expected = model.predict(X)
    other = make()
    wrong = []

    def predict():
        for rows in range(1, 60):
            if not np.allclose(np.asarray(model(X[:rows])), expected[:rows], rtol=1e-5):
                wrong.append(rows)

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    other.run_eagerly = True
    other.fit(X, LABELS, epochs=3, verbose=0)
    for thread in threads:
        thread.join()
    assert not wrong


def test_moments_decay_to_zero():
    """Weights that no longer get a gradient: their moments don't linger as subnormal numbers, which are slow."""
    states = []
    for way in ("fit", "train_on_batch", "eager"):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, use_bias=False, kernel_initializer="ones")])
        model.compile(keras.optimizers.Adam(0.1), "mse", run_eagerly=way == "eager")
        x, y = np.ones((8, 4), "float32"), np.zeros((8, 2), "float32")
        model.fit(x, y, epochs=3, verbose=0)
        x = np.zeros_like(x)  # from here on every gradient is zero
        if way == "fit":
            model.fit(x, y, batch_size=8, epochs=1200, verbose=0)
        else:
            for _ in range(1200):
                model.train_on_batch(x, y)
        momentum = model.optimizer.variables[2].numpy()
        assert (momentum.view("uint32") << 1 == 0).all(), (way, momentum)
        states.append([np.asarray(v.value) for v in model.optimizer.variables] + model.get_weights())
    for other in states[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(states[0], other, strict=True))

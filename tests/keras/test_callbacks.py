"""Callbacks: order of the hooks, what the logs say, when training ends."""

import csv

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import callbacks, layers

rng = np.random.default_rng(0)
X = rng.standard_normal((48, 4)).astype("float32")
Y = (X @ np.array([1.0, -2.0, 0.5, 0.0], np.float32))[:, None]


def make(rate=0.05):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse", metrics=["mae"])
    return model


def test_order_of_hooks():
    calls = []

    class Recorder(callbacks.Callback):
        pass

    for name in dir(callbacks.Callback):
        if name.startswith("on_") and "_batch_" in name and not name.startswith("on_batch"):
            setattr(Recorder, name, lambda self, batch, logs=None, name=name: calls.append((name, batch)))
        elif name.startswith("on_epoch"):
            setattr(Recorder, name, lambda self, epoch, logs=None, name=name: calls.append((name, epoch)))
        elif name.startswith("on_") and not name.startswith("on_batch"):
            setattr(Recorder, name, lambda self, logs=None, name=name: calls.append(name))
    make().fit(X, Y, batch_size=24, epochs=1, verbose=0, validation_data=(X[:24], Y[:24]), callbacks=[Recorder()])
    assert calls == [
        "on_train_begin",
        ("on_epoch_begin", 0),
        ("on_train_batch_begin", 0),
        ("on_train_batch_end", 0),
        ("on_train_batch_begin", 1),
        ("on_train_batch_end", 1),
        "on_test_begin",
        ("on_test_batch_begin", 0),
        ("on_test_batch_end", 0),
        "on_test_end",
        ("on_epoch_end", 0),
        "on_train_end",
    ]


def test_params_and_batch_logs():
    seen = []

    class Watch(callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.params_seen = dict(self.params)

        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs)

    watch = Watch()
    model = make(0.0)
    history = model.fit(X, Y, batch_size=16, epochs=1, shuffle=False, verbose=0, callbacks=watch)
    assert watch.params_seen == {"epochs": 1, "steps": 3, "verbose": 0}
    assert watch.model is model
    p = model.predict(X)
    assert [logs["loss"] for logs in seen] == pytest.approx(
        [((p[:n] - Y[:n]) ** 2).mean() for n in (16, 32, 48)], rel=1e-5
    )
    assert history.history["loss"][0] == seen[-1]["loss"]


def test_callbacks_of_evaluate_and_predict_see_batches_of_32():
    seen = []

    class Seen(callbacks.Callback):
        def on_test_begin(self, logs=None):
            seen.append(self.params)

        def on_predict_begin(self, logs=None):
            seen.append(self.params)

        def on_predict_batch_end(self, batch, logs=None):
            seen.append((batch, logs["outputs"].shape))

    model = make()
    model.evaluate(X, Y, verbose=0, callbacks=[Seen()])
    model.predict(X, verbose=0, callbacks=[Seen()])
    params = {"verbose": 0, "epochs": 1, "steps": 2}
    assert seen[:2] == [params, params]
    assert [(batch, shape[0]) for batch, shape in seen[2:]] == [(0, 32), (1, 16)]


def test_early_stopping():
    values = iter([5.0, 4.0, 4.5, 3.9, 4.2, 4.3, 4.4, 1.0])

    class Script(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = next(values)
            if epoch == 3:
                self.best = self.model.get_weights()

    script, stop = Script(), callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    model = make()
    history = model.fit(X, Y, epochs=20, verbose=0, callbacks=[script, stop])
    assert history.epoch == list(range(6))
    assert stop.stopped_epoch == 5
    assert stop.best_epoch == 3
    assert all((a == b).all() for a, b in zip(model.get_weights(), script.best, strict=True))


def test_early_stopping_modes():
    stop = callbacks.EarlyStopping(monitor="val_accuracy", patience=1)
    stop.set_model(make())
    stop.on_train_begin()
    for epoch, value in enumerate([0.5, 0.6, 0.7]):
        stop.on_epoch_end(epoch, {"val_accuracy": value})
    assert not stop.model.stop_training
    stop.on_epoch_end(3, {"val_accuracy": 0.6})
    assert stop.model.stop_training


def test_stop_training_in_a_batch():
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.stop_training = True

    model = make()
    model.fit(X, Y, batch_size=8, epochs=5, verbose=0, callbacks=[Stop()])
    assert int(model.optimizer.iterations.numpy()) == 2


def test_checkpoint(tmp_path):
    model = make()
    best = callbacks.ModelCheckpoint(
        tmp_path / "w-{epoch:02d}-{loss:.1f}.npz", monitor="loss", save_best_only=True, save_weights_only=True
    )
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[best])
    files = sorted(p.name for p in tmp_path.iterdir())
    assert len(files) == 3
    assert files[0].startswith("w-01-")
    last = model.get_weights()
    model.load_weights(tmp_path / files[2])
    assert all((a == b).all() for a, b in zip(model.get_weights(), last, strict=True))
    every = callbacks.ModelCheckpoint(tmp_path / "b{epoch}.npz", save_weights_only=True, save_freq=2)
    model.fit(X, Y, batch_size=12, epochs=1, verbose=0, callbacks=[every])
    assert (tmp_path / "b1.npz").exists()
    with pytest.raises(ValueError, match="save_weights_only"):
        callbacks.ModelCheckpoint("x.npz")


def test_learning_rate_scheduler():
    rates = []
    model = make()
    history = model.fit(
        X,
        Y,
        epochs=3,
        verbose=0,
        callbacks=[
            callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch else rate),
            callbacks.LambdaCallback(
                on_epoch_end=lambda e, logs: rates.append(float(model.optimizer.learning_rate.numpy()))
            ),
        ],
    )
    assert rates == pytest.approx([0.05, 0.025, 0.0125])
    assert history.history["learning_rate"] == pytest.approx(rates)


def test_reduce_on_plateau():
    model = make(1.0)
    reduce = callbacks.ReduceLROnPlateau(monitor="loss", factor=0.1, patience=2, min_lr=0.05)
    reduce.set_model(model)
    reduce.on_train_begin()
    rates = []
    for epoch, loss in enumerate([1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.4]):
        reduce.on_epoch_end(epoch, {"loss": loss})
        rates.append(round(float(model.optimizer.learning_rate.numpy()), 4))
    assert rates == [1.0, 1.0, 1.0, 0.1, 0.1, 0.05, 0.05]


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    model = make()
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.CSVLogger(path)])
    model.fit(X, Y, epochs=3, initial_epoch=2, verbose=0, callbacks=[callbacks.CSVLogger(path, append=True)])
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[1]["loss"]) == history.history["loss"][1]
    assert set(rows[0]) == {"epoch", "loss", "mae", "val_loss", "val_mae"}  # validation may begin later
    assert rows[0]["val_loss"] == "NA"


def test_terminate_on_nan_raises():
    model = make(1e30)
    with pytest.raises(RuntimeError, match="check_nan"):
        model.fit(X, Y, batch_size=8, epochs=20, verbose=0, callbacks=[callbacks.TerminateOnNaN(raise_error=True)])


def test_history_of_a_metric_without_table():
    """A metric of one's own is read each epoch; a subclass of Mean with another result isn't taken for a mean."""

    class Last(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="last")
            self.value = self.add_variable((2,), "zeros", name="value")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.value.assign(keras.ops.stack([keras.ops.max(y_pred), keras.ops.min(y_pred)]))

        def result(self):
            return {"greatest": self.value[0], "least": self.value[1]}

    class Double(keras.metrics.MeanSquaredError):
        def result(self):
            return 2 * super().result()

    model = make()
    model.compile("sgd", "mse", metrics=[Last(), Double()])
    history = model.fit(X, Y, epochs=2, verbose=0).history
    assert set(history) == {"loss", "greatest", "least", "mean_squared_error"}
    assert history["mean_squared_error"] == pytest.approx([2 * v for v in history["loss"]], rel=1e-5)
    assert history["greatest"][0] > history["least"][0]

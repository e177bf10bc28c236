"""Sources of batches and the ends of epochs: generators, PyDatasets, steps, stops, limits."""

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import callbacks, layers

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = (X.sum(axis=1, keepdims=True) > 0).astype("float32")


def make(built=True):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([*([keras.Input((3,))] if built else []), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


class Batches(keras.utils.PyDataset):
    """Batches of 4 rows, in order."""

    def __init__(self, endless=False):
        super().__init__()
        self.endless = endless

    @property
    def num_batches(self):
        return None if self.endless else 5

    def __getitem__(self, i):
        rows = slice(4 * (i % 5), 4 * (i % 5) + 4)
        return X[rows], Y[rows]


class Count(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append([])

    def on_train_batch_begin(self, batch, logs=None):
        self.calls[-1].append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.calls[-1].append(batch)


def test_batch_methods_tell_of_their_batch():
    model = make()
    first = model.train_on_batch(X[:10], Y[:10])
    np.testing.assert_allclose(first[0], make().evaluate(X[:10], Y[:10], verbose=0)[0], rtol=1e-6)
    losses = [model.test_on_batch(x, y)[0] for x, y in ((X[:10], Y[:10]), (X[10:], Y[10:]), (X[:10], Y[:10]))]
    assert losses[0] == losses[2] != losses[1]


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("source", ["generator", "dataset", "endless", "list"])
def test_sources_are_alike(source, built):
    expected = make()
    expected.fit(X, Y, batch_size=4, shuffle=False, verbose=0, class_weight={0: 1.0, 1: 3.0})
    model, data, steps = make(built), Batches(), None
    if source == "generator":
        data = (Batches()[i] for i in range(5))
    elif source == "list":
        data = type("Loader", (), {"__iter__": lambda self: (Batches()[i] for i in range(5))})()
    elif source == "endless":
        data, steps = Batches(endless=True), 5
    model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0, class_weight={0: 1.0, 1: 3.0})
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_an_epoch_ends_with_the_data():
    model, count = make(), Count()
    with pytest.warns(UserWarning, match="ran out of data"):
        model.fit(X, Y, batch_size=4, epochs=2, steps_per_epoch=7, verbose=0, callbacks=[count])
    assert [len(calls) for calls in count.calls] == [10, 10]
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(X, Y, batch_size=4, epochs=3, steps_per_epoch=3, verbose=0)
    assert int(model.optimizer.iterations) == 10 + 3 + 2 + 3
    assert history.epoch == [0, 1, 2]


def test_a_generator_is_used_up():
    with pytest.warns(UserWarning, match="Training ends after 1 epochs"):
        history = make().fit((Batches()[i] for i in range(5)), epochs=3, verbose=0)
    assert history.epoch == [0]
    with pytest.raises(ValueError, match="no batch"):
        make().fit(iter([]), verbose=0)


def test_several_steps_for_a_call_of_callbacks():
    model, count = make(), Count()
    model.compile("sgd", "mse", steps_per_execution=2)
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=[count])
    assert count.calls == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("phase", ["evaluate", "predict"])
def test_stop_of_endless_data(phase):
    class Stop(callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.count = 0
            setattr(self, f"on_{'test' if phase == 'evaluate' else 'predict'}_batch_end", self.stop)

        def stop(self, batch, logs=None):
            self.count += 1
            if self.count == 3:
                setattr(self.model, "stop_evaluating" if phase == "evaluate" else "stop_predicting", True)

    stop, model = Stop(), make()
    result = getattr(model, phase)(Batches(endless=True), verbose=0, callbacks=[stop])
    assert stop.count == 3
    assert len(result) == (2 if phase == "evaluate" else 12)


def test_compute_loss_without_training():
    class Doubled(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return 2 * super().compute_loss(x, y, y_pred, sample_weight)

    model = Doubled([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mse"])
    logs = model.fit(X, Y, batch_size=20, verbose=0).history
    np.testing.assert_allclose(logs["loss"], 2 * np.array(logs["mse"]), rtol=1e-6)


def test_limits_for_trying_out():
    keras.config.set_max_epochs(2)
    keras.config.set_max_steps_per_epoch(3)
    try:
        with pytest.warns(UserWarning, match="Limiting"):
            history = make().fit(Batches(endless=True), epochs=9, verbose=0)
        assert history.epoch == [0, 1]
        assert history.params["steps"] == 3
    finally:
        keras.config.set_max_epochs(None)
        keras.config.set_max_steps_per_epoch(None)

"""Callbacks that keep, swap or send: backups, averaged weights, event files, a server of logs."""

import http.server
import json
import struct
import threading
import urllib.parse

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import callbacks, layers

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def make(optimizer="adam"):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


class Interrupt(callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("damaged", [False, True])
def test_training_goes_on(tmp_path, damaged):
    folder = tmp_path / "backup"
    options = {"epochs": 5, "batch_size": 4, "shuffle": False, "verbose": 0}
    whole = make()
    whole.fit(X, Y, **options)
    with pytest.raises(KeyboardInterrupt):
        make().fit(
            X, Y, callbacks=[callbacks.BackupAndRestore(folder, double_checkpoint=True), Interrupt(2)], **options
        )
    if damaged:
        (folder / "latest.npz").write_bytes(b"half a file")
    again = make("adam")
    history = again.fit(X, Y, callbacks=[callbacks.BackupAndRestore(folder)], **options)
    assert history.epoch == ([2, 3, 4] if damaged else [3, 4])
    for a, b in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not folder.exists()


def test_backup_of_another_model(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make().fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path / "b"), Interrupt(1)])
    other = keras.Sequential([keras.Input((3,)), layers.Dense(1, use_bias=False)])
    other.compile("adam", "mse")
    with pytest.raises(ValueError, match="another model"):
        other.fit(X, Y, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path / "b")])
    for options in ({"backup_dir": ""}, {"backup_dir": "b", "save_freq": 0.5}):
        with pytest.raises(ValueError, match="backup_dir|save_freq"):
            callbacks.BackupAndRestore(**options)


def test_averages_are_evaluated():
    model = make(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    swap = callbacks.SwapEMAWeights()
    model.fit(X, Y, epochs=2, batch_size=4, verbose=0)
    averages = [v.numpy() for v in model.optimizer._model_variables_moving_average]
    np.testing.assert_array_equal(model.get_weights()[0], averages[0])  # fit leaves them in the model
    model.set_weights([w + 1 for w in averages])
    loss = model.evaluate(X, Y, verbose=0, callbacks=[swap])
    np.testing.assert_allclose(loss, np.mean((X @ averages[0] + averages[1] - Y) ** 2), rtol=1e-5)
    np.testing.assert_array_equal(model.get_weights()[0], averages[0] + 1)
    with pytest.raises(ValueError, match="use_ema"):
        make().evaluate(X, Y, verbose=0, callbacks=[swap])


def fields(data):
    """The fields of a protocol buffer: [(number, value), ...]."""
    found, i = [], 0

    def varint():
        nonlocal i
        number = shift = 0
        while True:
            byte = data[i]
            i += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while i < len(data):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
            continue
        size = {1: 8, 5: 4}[key & 7] if key & 7 != 2 else varint()
        value = data[i : i + size]
        i += size
        found.append((key >> 3, value if key & 7 == 2 else struct.unpack("<d" if size == 8 else "<f", value)[0]))
    return found


def events(folder):
    (path,) = folder.glob("events.out.tfevents.*")
    data, found = path.read_bytes(), []
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        event = dict(fields(data[12 : 12 + size]))
        data = data[16 + size :]
        if 5 in event:
            value = dict(fields(dict(fields(event[5]))[1]))
            found.append((value[1].decode(), event.get(2, 0), value.get(2)))
    return found


def test_event_files(tmp_path):
    board = callbacks.TensorBoard(tmp_path, histogram_freq=1, update_freq=2)
    model = make("sgd")
    history = model.fit(X, Y, epochs=2, batch_size=4, validation_data=(X, Y), verbose=0, callbacks=[board]).history
    written = {(tag, step): value for tag, step, value in events(tmp_path / "train")}
    for epoch in range(2):
        assert written["epoch_loss", epoch] == pytest.approx(history["loss"][epoch])
        assert written["epoch_learning_rate", epoch] == pytest.approx(0.01)
    assert [step for tag, step in written if tag == "batch_loss"] == [2, 4, 6]
    assert any(tag.endswith("kernel") for tag, _ in written)
    written = {(tag, step): value for tag, step, value in events(tmp_path / "validation")}
    assert written["epoch_loss", 1] == pytest.approx(history["val_loss"][1])
    assert written["evaluation_loss_vs_iterations", 6] == pytest.approx(history["val_loss"][1])


def test_checksum_of_event_files():
    from chainrule.keras.callbacks.tensorboard import _checksum

    crc = 0xE3069283  # CRC-32C of "123456789", RFC 3720's polynomial
    rotated = ((crc >> 15) | (crc << 17)) + 0xA282EAD8 & 0xFFFFFFFF
    assert _checksum(b"123456789") == struct.pack("<I", rotated)


def test_logs_are_sent():
    received = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        for as_json in (True, False):
            remote = callbacks.RemoteMonitor(root, send_as_json=as_json)
            history = make().fit(X, Y, verbose=0, callbacks=[remote]).history
            text = received.pop() if as_json else urllib.parse.parse_qs(received.pop())["data"][0]
            assert json.loads(text) == {"epoch": 0, "loss": history["loss"][0]}
        server.shutdown()
    with pytest.warns(UserWarning, match="Could not reach"):
        make().fit(X, Y, verbose=0, callbacks=[remote])


def test_what_is_better():
    model = make()
    model.compile("sgd", "mse", metrics=["mae", keras.metrics.F1Score(name="f1", average="micro")])

    def odd(y_true, y_pred):
        return y_pred

    for name, better in (("val_mae", keras.ops.less), ("f1", keras.ops.greater), ("val_loss", keras.ops.less)):
        stop = callbacks.EarlyStopping(name)
        stop.set_model(model)
        assert stop.monitor_op is better
    model.compile("sgd", "mse", metrics=[odd])
    with pytest.raises(ValueError, match="mode="):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping("odd")])
    model.fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping("odd", mode="max")])


def test_trying_a_model_out_leaves_its_state():
    class Counter(layers.Layer):
        def __init__(self):
            super().__init__()
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x):
            self.calls.assign_add(1)
            return x

    counter = Counter()
    model = keras.Sequential([keras.Input((3,), batch_size=4), counter, layers.Dense(1)])
    model.compile("sgd", "mse")
    assert float(counter.calls) == 0
    model.fit(X, Y, verbose=0)  # in batches of the declared size
    assert float(counter.calls) == 3
    assert model.predict(X, verbose=0).shape == (12, 1)

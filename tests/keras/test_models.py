"""Sequential, graphs and subclasses: structure, names, several inputs and outputs, configurations, weights in files."""

import json

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import layers, ops

rng = np.random.default_rng(0)
X = rng.standard_normal((40, 6)).astype("float32")


def test_names_and_counts():
    keras.utils.clear_session()
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.ReLU(), layers.Dense(2)])
    assert model.name == "sequential"
    assert [x.name for x in model.layers] == ["dense", "re_lu", "dense_1"]
    paths = ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
    assert [w.path for w in model.weights] == [f"sequential/{path}" for path in paths]
    assert model.count_params() == 6 * 4 + 4 + 4 * 2 + 2
    assert model.input_shape == (None, 6)
    assert model.output_shape == (None, 2)
    assert model.get_layer("dense") is model.layers[0]
    assert model.get_layer(index=-1) is model.layers[-1]
    with pytest.raises(ValueError, match="dense_1"):
        model.get_layer("nothing")


def test_summary(capsys):
    keras.utils.clear_session()
    model = keras.Sequential([keras.Input((784,)), layers.Dense(128), layers.Dense(10)])
    lines = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    for part in ('Model: "sequential"', "dense (Dense)", "(None, 128)", "100,480", "Total params: 101,770 (397.54 KB)"):
        assert part in text
    model.layers[0].trainable = False
    model.summary(show_trainable=True)
    assert "Trainable params: 1,290" in capsys.readouterr().out


def test_summary_counts_the_optimizer_and_knows_shapes_of_subclassed_models():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Dense(2)

        def call(self, x):
            return self.head(x)

    model = Model()
    model.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    model.fit(np.zeros((4, 3)), np.zeros((4, 2)), verbose=0)
    parts = []
    model.summary(print_fn=parts.append)
    for part in ("2)", "Total params: 18", "Trainable params: 8 (32.00 B)", "Optimizer params: 10"):
        assert part in parts[0]


def test_deferred_build():
    model = keras.Sequential([layers.Dense(4, activation="relu"), layers.Dense(2)])
    assert not model.built
    assert model.weights == []
    with pytest.raises(AttributeError, match="input shape isn't known"):
        _ = model.inputs
    assert model(X).shape == (40, 2)
    assert model.built
    assert len(model.weights) == 4
    other = keras.Sequential([layers.Dense(4)])
    other.build((None, 6))
    assert other.weights[0].shape == (6, 4)


def test_add_and_pop():
    model = keras.Sequential()
    model.add(keras.Input((6,)))
    model.add(layers.Dense(4))
    model.add(layers.Dense(2))
    assert model.output_shape == (None, 2)
    assert model.predict(X).shape == (40, 2)
    model.pop()
    assert model.output_shape == (None, 4)
    assert model.predict(X).shape == (40, 4)


def two_towers():
    a, b = keras.Input((6,), name="a"), keras.Input((3,), name="b")
    left = layers.Dense(4, activation="relu", name="left")(a)
    right = layers.Dense(4, name="right")(b)
    joined = layers.Concatenate()([left, right * 2.0])
    return keras.Model(
        [a, b], {"number": layers.Dense(1, name="n")(joined), "kind": layers.Dense(3, activation="softmax")(left)}
    )


def test_several_inputs_and_outputs():
    model = two_towers()
    b = rng.standard_normal((40, 3)).astype("float32")
    y = {"number": X[:, 0], "kind": rng.integers(0, 3, 40)}
    model.compile(
        "adam",
        {"number": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"number": 0.5, "kind": 2.0},
        metrics={"kind": ["accuracy"], "number": "mae"},
    )
    history = model.fit([X, b], y, epochs=2, verbose=0).history
    assert sorted(history) == ["kind_accuracy", "kind_loss", "loss", "number_loss", "number_mae"]
    p = model.predict({"a": X, "b": b})
    assert p["number"].shape == (40, 1)
    assert p["kind"].shape == (40, 3)
    logs = model.evaluate([X, b], y, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(0.5 * logs["number_loss"] + 2 * logs["kind_loss"], rel=1e-5)
    assert logs["number_loss"] == pytest.approx(((p["number"][:, 0] - X[:, 0]) ** 2).mean(), rel=1e-4)
    assert logs["kind_accuracy"] == pytest.approx((p["kind"].argmax(1) == y["kind"]).mean())


def test_values_of_a_graph():
    model = two_towers()
    b = rng.standard_normal((40, 3)).astype("float32")
    w = {v.path: v.numpy() for v in model.weights}
    left = np.maximum(X @ w["left/kernel"] + w["left/bias"], 0)
    right = 2 * (b @ w["right/kernel"] + w["right/bias"])
    expected = np.concatenate([left, right], 1) @ w["n/kernel"] + w["n/bias"]
    np.testing.assert_allclose(model.predict([X, b])["number"], expected, rtol=1e-4, atol=1e-5)


def test_shared_layers_and_parts():
    shared = layers.Dense(4)
    x = keras.Input((6,))
    h = shared(x)
    model = keras.Model(x, layers.Add()([h, shared(ops.relu(x))]))
    assert len(model.weights) == 2
    w, b = model.get_weights()
    np.testing.assert_allclose(model.predict(X), X @ w + b + np.maximum(X, 0) @ w + b, rtol=1e-4, atol=1e-5)
    part = keras.Model(model.input, h)
    np.testing.assert_allclose(part.predict(X), X @ w + b, rtol=1e-4, atol=1e-5)
    nested = keras.Sequential([keras.Input((6,)), part, layers.Dense(2)])
    assert nested.predict(X).shape == (40, 2)
    assert len(nested.weights) == 4


def test_missing_input_is_named():
    a, b = keras.Input((2,), name="first"), keras.Input((2,), name="second")
    with pytest.raises(ValueError, match="second"):
        keras.Model(a, layers.Add()([a, b]))


def test_symbolic_tensors_have_no_values():
    x = keras.Input((2,))
    for use in (np.asarray, float, list, bool):
        with pytest.raises(TypeError, match="symbolic"):
            use(x)
    assert (x + 1).shape == (None, 2)
    assert ops.mean(x, axis=1).shape == (None,)
    assert (x @ np.ones((2, 3))).shape == (None, 3)
    assert x[:, 0].shape == (None,)


class Net(keras.Model):
    def __init__(self, units=5):
        super().__init__()
        self.blocks = [layers.Dense(units, activation="relu") for _ in range(2)]
        self.head = layers.Dense(2)
        self.drop = layers.Dropout(0.5)

    def call(self, x, training=False):
        for block in self.blocks:
            x = block(x)
        return self.head(self.drop(x, training=training))


def test_subclass():
    keras.utils.set_random_seed(0)
    model = Net()
    model.compile("adam", "mse", metrics=["mae"])
    history = model.fit(X, X[:, :2], epochs=3, verbose=0)
    assert len(model.weights) == 6
    assert history.history["loss"][-1] < history.history["loss"][0]
    np.testing.assert_allclose(model.predict(X), np.asarray(model(X)), rtol=1e-5)
    assert not np.allclose(np.asarray(model(X, training=True)), np.asarray(model(X)))
    assert Net.from_config(model.get_config()).head.units == 2
    assert [x.name for x in model.layers][-1] == model.drop.name
    built = Net()
    built.build((None, 6))
    assert len(built.weights) == 6


def test_config_round_trip():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(
                4,
                activation="relu",
                kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2),
                kernel_initializer="he_normal",
            ),
            layers.LeakyReLU(0.1),
            layers.PReLU(),
            layers.Reshape((2, 2)),
            layers.Flatten(),
            layers.Dropout(0.2, seed=3),
            layers.Dense(2, activation="softmax"),
        ]
    )
    copy = keras.models.model_from_json(model.to_json())
    assert json.loads(copy.to_json()) == json.loads(model.to_json())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    clone = keras.models.clone_model(model)
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]


def test_graph_config_round_trip():
    a, b = keras.Input((6,), name="a"), keras.Input((3,), name="b")
    shared = layers.Dense(3)
    model = keras.Model({"a": a, "b": b}, [layers.Add()([shared(a), b]), layers.Dense(1)(shared(a))])
    copy = keras.Model.from_config(json.loads(json.dumps(model.get_config())))
    copy.set_weights(model.get_weights())
    data = {"a": X, "b": X[:, :3]}
    for p, q in zip(copy.predict(data), model.predict(data), strict=True):
        np.testing.assert_array_equal(p, q)


def test_weights_in_files(tmp_path):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dense(2)])
    path = tmp_path / "model.weights.npz"
    model.save_weights(path)
    other = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dense(2)])
    assert not np.allclose(other.predict(X), model.predict(X))
    other.load_weights(path)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    assert [p.name for p in tmp_path.iterdir()] == ["model.weights.npz"]
    with pytest.raises(FileExistsError):
        model.save_weights(path, overwrite=False)
    narrow = keras.Sequential([keras.Input((6,)), layers.Dense(5), layers.Dense(2)])
    before = narrow.get_weights()
    with pytest.raises(ValueError, match=r"\(6, 5\) in the model, \(6, 4\) in the file"):
        narrow.load_weights(path)
    assert all((a == b).all() for a, b in zip(before, narrow.get_weights(), strict=True))
    narrow.load_weights(path, skip_mismatch=True)
    np.testing.assert_array_equal(narrow.get_weights()[3], model.get_weights()[3])
    with pytest.raises(ValueError, match="2 weights|holds 4 weights"):
        keras.Sequential([keras.Input((6,)), layers.Dense(4)]).load_weights(path)
    with pytest.raises(ValueError, match="weights.npz"):
        model.save_weights(tmp_path / "model.ckpt")
    (tmp_path / "bad.npz").write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        model.load_weights(tmp_path / "bad.npz")
    with pytest.raises(FileNotFoundError):
        model.load_weights(tmp_path / "none.npz")


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4)])
    path = tmp_path / "w.npz"
    model.save_weights(path)
    content = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save_weights(path)
    assert path.read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 1


def test_import_is_quick_and_lazy():
    import subprocess
    import sys

    code = "import sys, chainrule.keras; print([m for m in sys.modules if m.startswith('chainrule.keras.')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_own_build_is_called_first() -> None:
    """A subclass that makes its weights and layers in build; super().build() may stand before or after them."""

    class After(keras.Model):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
            self.dense = keras.layers.Dense(3)
            super().build(input_shape)

        def call(self, inputs):
            return self.dense(inputs * self.scale)

    class Before(After):
        def build(self, input_shape):
            keras.Model.build(self, input_shape)
            After.build(self, input_shape)

    for kind in (After, Before):
        model = kind()
        model.compile("sgd", "mse")
        model.fit(np.ones((8, 2)), np.ones((8, 3)), validation_split=0.25, verbose=0)
        assert [tuple(w.shape) for w in model.weights] == [(2,), (2, 3), (3,)]
        assert kind()(np.ones((4, 2))).shape == (4, 3)


def test_a_model_may_keep_its_own_loss() -> None:
    """``loss`` is what compile got; before, it is the model's to use, as in Keras."""

    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.loss = keras.losses.MeanAbsoluteError()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    model = Own()
    assert isinstance(model.loss, keras.losses.MeanAbsoluteError)
    model.compile("sgd", loss=model.loss)
    model.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0)
    model.compile("sgd", loss="mse")
    assert model.loss == "mse"

"""Whole models in files: here and back, and both ways with Keras itself."""

import json
import os
import zipfile

import numpy as np
import pytest

import chainrule.keras as keras

h5py = pytest.importorskip("h5py", reason="h5py is not installed: .keras files need it")
GENERATOR = np.random.default_rng(0)


@pytest.fixture(scope="module")
def real():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras", reason="Keras 3 is not installed: files are exchanged with it where it is")


def row(k):
    """A Sequential with and without an Input."""
    layers = k.layers
    return k.Sequential(
        [
            k.Input((8,)),
            layers.Dense(6, activation="relu", kernel_regularizer=k.regularizers.L2(1e-3)),
            layers.Dropout(0.2),
            layers.Dense(5, activation="tanh", use_bias=False),
            layers.Dense(3, activation="softmax"),
        ]
    )


def graph(k):
    """Shared layers, operators, several inputs, nested models."""
    layers = k.layers
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    shared = layers.Dense(5, activation="relu")
    inner = k.Sequential([k.Input((5,)), layers.Dense(5)])
    x, y = shared(a), inner(shared(b))
    z = layers.Concatenate()([x + y, x * 2.0])
    return k.Model(
        [a, b], [layers.Dense(3, name="p")(z), layers.Dense(1, name="q")(k.ops.mean(z, axis=-1, keepdims=True))]
    )


def convolutional(k):
    layers = k.layers
    return k.Sequential(
        [
            k.Input((8, 8, 2)),
            layers.Conv2D(4, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(),
            layers.SeparableConv2D(3, 3),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def inputs_of(name):
    if name == "graph":
        return [GENERATOR.normal(size=(6, 4)).astype("float32") for _ in range(2)]
    shape = (6, 8) if name == "row" else (6, 8, 8, 2)
    return GENERATOR.normal(size=shape).astype("float32")


MODELS = {"row": row, "graph": graph, "convolutional": convolutional}


def close(a, b, tolerance=1e-5):
    a, b = (x if isinstance(x, list) else [x] for x in (a, b))
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=tolerance, atol=tolerance)


def trained(k, name, optimizer="adam"):
    model = MODELS[name](k)
    model.compile(optimizer, "mse", metrics=["mae"] if name != "graph" else None)
    x = inputs_of(name)
    y = (
        [GENERATOR.normal(size=shape) for shape in ((6, 3), (6, 1))]
        if name == "graph"
        else GENERATOR.normal(size=(6, 2 if name != "row" else 3))
    )
    model.fit(x, y, epochs=2, batch_size=3, verbose=0)
    return model, x, y


@pytest.mark.parametrize("name", MODELS)
def test_here_and_back(name, tmp_path):
    model, x, y = trained(keras, name)
    path = tmp_path / "m.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == {"metadata.json", "config.json", "model.weights.h5"}
    again = keras.models.load_model(path)
    assert again.name == model.name
    close(again.predict(x, verbose=0), model.predict(x, verbose=0), 0)
    assert again.get_config() == model.get_config()
    if name == "row":  # its dropout draws from another stream
        return
    for one in (model, again):  # the optimizer goes on where it was
        one.fit(x, y, epochs=1, batch_size=3, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_read_by_keras(real, name, tmp_path):
    model, x, _ = trained(keras, name)
    model.save(tmp_path / "m.keras")
    theirs = real.models.load_model(tmp_path / "m.keras")
    close(theirs.predict(x, verbose=0), model.predict(x, verbose=0))
    assert int(theirs.optimizer.iterations) == int(model.optimizer.iterations)
    model.save_weights(tmp_path / "m.weights.h5")
    fresh = MODELS[name](real)
    fresh.load_weights(tmp_path / "m.weights.h5")
    close(fresh.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_written_by_keras(real, name, tmp_path):
    theirs, x, y = trained(real, name)
    expected = theirs.predict(x, verbose=0)
    theirs.save(tmp_path / "m.keras")
    model = keras.models.load_model(tmp_path / "m.keras")
    close(model.predict(x, verbose=0), expected)
    if name != "row":  # dropout draws other numbers there
        for one in (theirs, model):
            one.fit(x, y, epochs=1, batch_size=6, shuffle=False, verbose=0)
        close(model.predict(x, verbose=0), theirs.predict(x, verbose=0), 2e-5)
    fresh = MODELS[name](keras)
    theirs.save_weights(tmp_path / "m.weights.h5")
    fresh.load_weights(tmp_path / "m.weights.h5")
    close(fresh.predict(x, verbose=0), theirs.predict(x, verbose=0), 2e-5)
    if name == "row":
        theirs.save(tmp_path / "m.h5")
        close(keras.models.load_model(tmp_path / "m.h5").predict(x, verbose=0), expected)


OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("Adagrad", {}),
    ("Adadelta", {}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Ftrl", {}),
    ("Lion", {}),
    ("Adafactor", {}),
    ("Muon", {}),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "arguments"), OPTIMIZERS, ids=str)
def test_state_of_optimizers_is_keras(real, name, arguments, tmp_path):
    """Keras goes on with our optimizer's state, and we with Keras'."""
    x, y = GENERATOR.normal(size=(6, 3)).astype("float32"), GENERATOR.normal(size=(6, 2)).astype("float32")
    for writer, reader in ((keras, real), (real, keras)):
        model = writer.Sequential([writer.Input((3,)), writer.layers.Dense(2)])
        model.compile(getattr(writer.optimizers, name)(learning_rate=0.1, **arguments), "mse")
        model.fit(x, y, epochs=3, batch_size=6, verbose=0)
        model.save(tmp_path / "m.keras")
        other = reader.models.load_model(tmp_path / "m.keras")
        for one in (model, other):
            one.fit(x, y, epochs=3, batch_size=6, shuffle=False, verbose=0)
        close([np.asarray(w) for w in other.get_weights()], [np.asarray(w) for w in model.get_weights()], 1e-4)


@keras.saving.register_keras_serializable(package="test")
class Scale(keras.layers.Layer):
    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * self.w * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Own(keras.Model):
    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.first = keras.layers.Dense(units)
        self.blocks = [keras.layers.Dense(units), Scale(3.0)]
        self.table = {"a": keras.layers.Dense(1)}

    def call(self, inputs):
        x = self.first(inputs)
        for block in self.blocks:
            x = block(x)
        return self.table["a"](x)


def test_own_classes(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), Scale(0.5)])
    x = GENERATOR.normal(size=(5, 3)).astype("float32")
    model.save(tmp_path / "m.keras")
    close(keras.models.load_model(tmp_path / "m.keras").predict(x), model.predict(x), 0)

    own = Own(units=6)
    own(x)
    own.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras", custom_objects={"Own": Own})
    close(np.asarray(again(x)), np.asarray(own(x)), 0)
    with pytest.raises(ValueError, match=r"Unknown object 'Own'.*custom_objects"):
        keras.models.load_model(tmp_path / "own.keras")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        from chainrule.keras.saving.weights import write_variables

        write_variables(file, own)
        assert set(file) == {"first", "blocks", "table", "vars"}
        assert set(file["blocks"]) == {"dense", "scale"}


def test_frozen_layers_stay_frozen_and_in_order(tmp_path):
    model = row(keras)
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert [layer.trainable for layer in again.layers] == [layer.trainable for layer in model.layers]
    close(again.get_weights(), model.get_weights(), 0)


def test_checkpoint_of_the_whole_model(tmp_path):
    model, x, y = trained(keras, "row")
    path = tmp_path / "{epoch}.keras"
    model.fit(x, y, epochs=2, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.keras", "2.keras"]
    close(keras.models.load_model(tmp_path / "2.keras").get_weights(), model.get_weights(), 0)
    with pytest.raises(ValueError, match=r"must end in '.keras'"):
        keras.callbacks.ModelCheckpoint("best.ckpt")


def test_saved_before_training(tmp_path):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    close(again.get_weights(), model.get_weights(), 0)
    again.fit(np.ones((4, 8)), np.ones((4, 2)), verbose=0)


def test_nothing_is_lost(tmp_path):
    model, x, y = trained(keras, "row")
    path = tmp_path / "m.keras"
    model.save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        model.save(path, overwrite=False)

    class Own(keras.layers.Layer):
        def __init__(self, thing):
            super().__init__()

        def call(self, x):
            return x

    with pytest.raises(NotImplementedError, match="get_config"):
        keras.Sequential([keras.Input((2,)), Own(object())]).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]

    other = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    model.save_weights(tmp_path / "m.weights.h5")
    kept = other.get_weights()
    with pytest.raises(ValueError, match="doesn't fit model"):
        other.load_weights(tmp_path / "m.weights.h5")
    close(other.get_weights(), kept, 0)
    other.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)


@pytest.mark.parametrize("name", ["x", "x.onnx"])
def test_other_endings_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match=r"must end in '.keras'"):
        row(keras).save(tmp_path / name)


def test_damaged_files(tmp_path):
    path = tmp_path / "m.keras"
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="not a .keras file"):
        keras.models.load_model(path)
    weights = tmp_path / "m.weights.h5"
    weights.write_bytes(b"no hdf")
    with pytest.raises(ValueError, match="not an HDF5 file"):
        row(keras).load_weights(weights)
    with pytest.raises(FileNotFoundError):
        keras.models.load_model(tmp_path / "none.keras")


def test_an_option_that_is_on_and_unknown_is_refused():
    config = keras.saving.serialize_keras_object(keras.layers.Dense(2))
    config["config"]["quantization_config"] = None
    assert keras.layers.deserialize(config).units == 2
    config["config"]["quantization_config"] = {"mode": "int8"}
    with pytest.raises((TypeError, ValueError), match="quantization_config"):
        keras.layers.deserialize(config)


def test_configuration_is_json_of_keras_form():
    config = json.loads(graph(keras).to_json())
    assert config["class_name"] == "Functional"
    by_name = {layer["name"]: layer for layer in config["config"]["layers"]}
    assert by_name["p"]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][1:] == [0, 0]
    assert config["config"]["input_layers"] == [["a", 0, 0], ["b", 0, 0]]
    assert max(len(layer["inbound_nodes"]) for layer in by_name.values()) == 2  # of the layer that is used twice


def test_own_class_gets_its_configuration_as_it_wrote_it(tmp_path):
    """Options that are off, keys that the constructor lacks: from_config of a user's class reads what it likes."""

    @keras.saving.register_keras_serializable("tests")
    class Choosy(keras.layers.Layer):
        def __init__(self, parts=2, **kwargs):
            super().__init__(**kwargs)
            self.parts, self.read = parts, {}

        def call(self, x):
            return x * self.parts

        def get_config(self):
            return {**super().get_config(), "parts": self.parts, "flag": False, "nothing": None}

        @classmethod
        def from_config(cls, config):
            config = dict(config)
            read = {key: config.pop(key) for key in ("flag", "nothing")}
            layer = cls(**config)
            layer.read = read
            return layer

    config = keras.saving.serialize_keras_object(Choosy(3))
    config["config"]["dtype"] = {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": "float64"},
        "registered_name": None,
    }
    layer = keras.saving.deserialize_keras_object(config)
    assert layer.read == {"flag": False, "nothing": None}
    assert layer.parts == 3
    assert layer.dtype == "float64"


def test_names_of_the_users_attributes_are_free(tmp_path):
    class Busy(keras.Model):
        def __init__(self):
            super().__init__()
            self.class_name, self.is_graph, self.defines = "busy", 7, {"a": 1}
            self.dense = keras.layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    model, again = Busy(), Busy()
    x = np.ones((4, 3), "float32")
    for each in (model, again):
        each.compile("sgd", "mse")
        each.fit(x, np.zeros((4, 2)), verbose=0)
    path = tmp_path / "busy.weights.npz"
    model.save_weights(path)
    again.load_weights(path)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert (model.class_name, model.is_graph, model.defines) == ("busy", 7, {"a": 1})

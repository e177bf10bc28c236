"""What layers keep in files beyond their weights; drawing models; and other corners of programs written for Keras."""

import json
import stat

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import layers, ops


@keras.saving.register_keras_serializable("tests")
class Remembering(layers.Layer):
    """A layer that keeps an array of its own in the model's file."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.scale

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["seen"] = np.array(self.seen)

    def load_own_variables(self, store):
        self.seen = np.asarray(store["seen"]).tolist()
        super().load_own_variables({"0": store["0"]})


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_own_variables(tmp_path, ending):
    pytest.importorskip("h5py", reason="writes model files")
    model = keras.Sequential([keras.Input((3,)), Remembering(), layers.Dense(2)])
    model.layers[0].seen = [4, 5]
    model.layers[0].set_weights([np.arange(3.0)])
    path = tmp_path / f"model.{ending}"
    if ending == "keras":
        model.save(path)
        again = keras.models.load_model(path)
    else:
        model.save_weights(path)
        again = keras.models.clone_model(model)
        again.load_weights(path)
    assert again.layers[0].seen == [4, 5]
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_variables_in_a_mapping():
    layer = layers.BatchNormalization()
    layer.build((None, 2))
    store = {}
    layer.save_own_variables(store)
    assert sorted(store) == ["0", "1", "2", "3"]
    store["2"] = np.array([5.0, 6.0])
    layer.load_own_variables(store)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), [5, 6])
    del store["3"]
    with pytest.raises(ValueError, match="has 4 variables, 3 are stored"):
        layer.load_own_variables(store)


def test_optional_input_keeps_its_option():
    config = layers.InputLayer((3,), optional=True).get_config()
    assert layers.InputLayer.from_config(config).optional is True


def test_custom_functions_belong_to_no_family():
    def own(x):
        return x + 1

    with keras.saving.custom_object_scope({"own": own}):
        described = keras.saving.serialize_keras_object(own)
    assert described == {"module": None, "class_name": "function", "config": "own", "registered_name": "own"}


def test_base_layer_as_a_configuration():
    stored = json.dumps(keras.saving.serialize_keras_object(layers.Layer(name="plain")))
    assert type(keras.saving.deserialize_keras_object(json.loads(stored))) is layers.Layer


def test_windows_are_chained_like_other_sets():
    series = np.arange(50.0).reshape(25, 2)
    batches = keras.utils.timeseries_dataset_from_array(series, series[:, 0], sequence_length=4, batch_size=8)
    ((x, y),) = batches.take(1)
    assert x.numpy().shape == (8, 4, 2)
    np.testing.assert_array_equal(y.numpy(), series[:8, 0])
    assert sum(len(y) for _, y in batches.skip(1).map(lambda x, y: (x * 2, y))) == 22 - 8


def test_second_round_of_truncated_numbers_takes_no_other_draws_numbers(monkeypatch):
    """Rejected numbers are replaced from a stream of their own, not from the counter that the next draw uses."""
    from chainrule.keras import random

    counters = []
    real = random._op.random_normal

    def spoiled(key, shape, dtype):
        counters.append(tuple(int(k) for k in key.numpy()))
        values = real(key, shape, dtype)
        return values * 0 + 9 if len(counters) == 1 else values  # none of the first round is kept

    monkeypatch.setattr(random._op, "random_normal", spoiled)
    generator = keras.random.SeedGenerator(3)
    assert np.abs(keras.random.truncated_normal((20,), seed=generator).numpy()).max() <= 2
    keras.random.normal((20,), seed=generator)
    assert len(counters) == 3
    assert len(set(counters)) == 3
    assert counters[1][0] != counters[0][0]


# ---- pictures of models ---------------------------------------------------------------------------------------------


def two_inputs():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = layers.Dense(3, activation="relu", name="left")(a)
    return keras.Model([a, b], ops.concatenate([x, layers.Dense(2, name='ri"ght|')(b)], axis=-1))


def test_graph_of_a_model(tmp_path):
    text = keras.utils.model_to_dot(two_inputs(), show_shapes=True, show_layer_activations=True).to_string()
    assert text.startswith("digraph model {")
    assert "left (Dense) | relu | input shape: (None, 4) | output shape: (None, 3)" in text
    assert r"ri\"ght\| (Dense)" in text
    assert text.count("->") == 4
    keras.utils.plot_model(two_inputs(), tmp_path / "model.dot", show_dtype=True)
    assert "output dtype: float32" in (tmp_path / "model.dot").read_text()
    sequential = keras.Sequential([keras.Input((4,)), layers.Dense(2), layers.Dense(1)])
    assert keras.utils.model_to_dot(sequential, rankdir="LR").to_string().count("->") == 2


def test_pictures_are_drawn_by_graphviz(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="apt-get install graphviz"):
        keras.utils.plot_model(two_inputs(), tmp_path / "model.png")
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\necho "$@"\nexec /bin/cat\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    keras.utils.plot_model(two_inputs(), tmp_path / "model.svg", dpi=50)
    assert (tmp_path / "model.svg").read_text().startswith("-Tsvg -Gdpi=50\ndigraph model {")


def test_graphs_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="isn't built"):
        keras.utils.model_to_dot(keras.Sequential([layers.Dense(2)]))
    with pytest.raises(ValueError, match="rankdir"):
        keras.utils.model_to_dot(two_inputs(), rankdir="up")
    with pytest.raises(ValueError, match="expand_nested"):
        keras.utils.model_to_dot(two_inputs(), expand_nested=True)


def test_export_says_what_to_do(tmp_path):
    with pytest.raises(NotImplementedError, match=r"model\.save"):
        two_inputs().export(tmp_path / "model", format="onnx")

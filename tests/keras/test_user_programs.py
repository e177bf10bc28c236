"""What programs written for Keras do that no other test does: found by running such programs with both libraries."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule.keras import layers, ops


def test_a_list_of_tensors_is_a_tensor_with_gradients():
    v = keras.Variable(np.float32(2.0))
    with chainrule.GradientTape() as tape:
        y = ops.sum([v * v, v * 3, 1])
    assert float(y) == 11.0
    assert float(tape.gradient(y, v)) == 7.0
    assert str(ops.convert_to_tensor([ops.ones((2,), "int64"), [1, 2]]).dtype) == "int64"
    assert ops.convert_to_tensor([[ops.ones(()), 2], [3, 4.5]]).shape == (2, 2)
    with pytest.raises(ValueError, match="different shapes"):
        ops.convert_to_tensor([ops.ones((2,)), ops.ones((3,))])


def test_build_config_makes_the_weights_again():
    layer = layers.Dense(3)
    assert layer.get_build_config() is None
    layer.build((None, 4))
    assert layer.get_build_config() == {"input_shape": (None, 4)}
    description = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert keras.saving.deserialize_keras_object(description).kernel.shape == (4, 3)
    other = layers.Dense(2)
    other.build_from_config({"input_shape": [None, 5]})
    assert other.kernel.shape == (5, 2)
    unbuilt = layers.Dense(2)
    unbuilt.build_from_config(None)
    assert not unbuilt.built


def test_build_config_of_a_build_with_several_shapes():
    class Bilinear(layers.Layer):
        def build(self, left_shape, right_shape):
            self.kernel = self.add_weight((left_shape[-1], right_shape[-1]))

        def call(self, left, right):
            return ops.sum(ops.matmul(left, self.kernel) * right, axis=-1)

    layer = Bilinear()
    layer(np.ones((2, 3)), np.ones((2, 4)))
    config = layer.get_build_config()
    assert config == {"shapes_dict": {"left_shape": (2, 3), "right_shape": (2, 4)}}
    again = Bilinear()
    again.build_from_config(json.loads(json.dumps(config)))
    assert again.kernel.shape == (3, 4)


def test_slices_ellipsis_and_bytes_are_described():
    value = [slice(1, None), ..., b"abc"]
    description = json.loads(json.dumps(keras.saving.serialize_keras_object(value)))
    assert keras.saving.deserialize_keras_object(description) == value


def test_layers_stand_in_the_order_of_keras():
    title, body, tags = (
        keras.Input(shape, name=name) for name, shape in [("title", (5,)), ("body", (5,)), ("tags", (2,))]
    )
    first = layers.LSTM(3, name="read_title")(layers.Embedding(9, 4, name="embed_title")(title))
    second = layers.LSTM(3, name="read_body")(layers.Embedding(9, 4, name="embed_body")(body))
    joined = layers.Concatenate(name="join")([first, second, tags])
    outputs = [layers.Dense(1, name="priority")(joined), layers.Dense(4, name="department")(joined)]
    model = keras.Model([title, body, tags], outputs)
    assert [layer.name for layer in model.layers] == (
        [
            "title",
            "body",
            "embed_title",
            "embed_body",
            "read_title",
            "read_body",
            "tags",
            "join",
            "priority",
            "department",
        ]
    )
    assert [v.path.split("/")[0] for v in model.weights][:2] == ["embed_title", "embed_body"]
    shared = layers.Dense(5, name="shared")
    x = keras.Input((5,), name="x")
    twice = keras.Model(x, layers.Dense(1, name="last")(shared(layers.Dense(5, name="between")(shared(x)))))
    assert [layer.name for layer in twice.layers] == ["x", "shared", "between", "last"]


def test_layers_order_against_keras():
    other = pytest.importorskip("keras", reason="Keras isn't installed")

    def names(k):
        a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
        h = k.layers.Dense(4, name="h")
        deep = h(k.layers.Dense(4, name="p")(h(a)))
        side = k.layers.Add(name="side")([b, a])
        late = k.layers.Multiply(name="late")([deep, side])
        model = k.Model([a, b], {"u": k.layers.Dense(1, name="u")(late), "t": k.layers.Dense(2, name="t")(side)})
        return [layer.name for layer in model.layers], [v.path for v in model.weights]

    assert names(keras) == names(other)


def test_history_and_logs_are_sorted_by_name():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC(name="auc")])
    x, y = np.random.default_rng(0).random((8, 3)), np.array([0, 1] * 4)
    history = model.fit(x, y, validation_data=(x, y), verbose=0).history
    names = ["accuracy", "auc", "loss"]
    assert list(history) == [*names, *(f"val_{name}" for name in names)]
    assert list(model.evaluate(x, y, verbose=0, return_dict=True)) == names


def test_repeats_of_tile_may_be_a_tensor():
    # the mask of the text generation examples
    sizes = ops.concatenate([ops.expand_dims(2, -1), ops.convert_to_tensor([1, 1])], 0)
    mask = ops.tile(ops.reshape(ops.arange(3)[:, None] >= ops.arange(3), [1, 3, 3]), sizes)
    assert np.array_equal(mask, np.tile(np.tri(3, dtype=bool), (2, 1, 1)))


def test_summary_names_nested_models_and_sources(capsys):
    x = keras.Input((4,), name="x")
    inner = keras.Model(x, [layers.Dense(2)(x), layers.Dense(3)(x)], name="inner")
    y = keras.Input((4,), name="y")
    keras.Model(y, layers.Concatenate()(inner(y))).summary(line_length=140)
    text = capsys.readouterr().out
    for part in ("y (InputLayer)", "inner (Functional)", "[(None, 2), (None, 3)]", "inner[0][0], inner[0][1]"):
        assert part in text.replace("inner[1]", "inner[0]")

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

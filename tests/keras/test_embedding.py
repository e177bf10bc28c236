"""Embedding: values, gradients, training, masks and errors; against NumPy and, where it is installed, real Keras."""

import os

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule import nn
from chainrule.keras import layers

rng = np.random.default_rng(0)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # real Keras on torch raises its own

DTYPES = ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_by_indices_of_any_type(dtype):
    layer = layers.Embedding(20, 5)
    indices = rng.integers(0, 20, (3, 7)).astype(dtype)
    y = layer(indices)
    table = layer.get_weights()[0]
    assert table.shape == (20, 5)
    assert [w.path for w in layer.weights] == [f"{layer.name}/embeddings"]
    np.testing.assert_array_equal(y.numpy(), table[indices.astype("int64")])
    assert str(y.dtype) == "float32"
    np.testing.assert_array_equal(nn.embedding(indices, table).numpy(), y.numpy())


def test_gradient_adds_up_repeated_rows():
    table = chainrule.asarray(rng.standard_normal((6, 3)))
    indices = np.array([[1, 4, 1], [5, 1, 0]])
    weight = rng.standard_normal((2, 3, 3))
    gradient = chainrule.grad(lambda t: (nn.embedding(indices, t) * weight).sum())(table)
    expected = np.zeros((6, 3))
    np.add.at(expected, indices, weight)
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_training_is_that_of_a_one_hot_product(optimizer):
    """Rows that no index names follow the optimizer's formula too: Adam's moments move them on."""
    indices = rng.integers(0, 12, (64, 6))
    targets = rng.standard_normal((64, 4)).astype("float32")
    start = rng.standard_normal((30, 4)).astype("float32")

    def train(first, x):
        model = keras.Sequential([first, layers.GlobalAveragePooling1D()])
        model.compile(optimizer, "mse")
        model.build((None, *x.shape[1:]))
        first.set_weights([start])
        model.fit(x, targets, batch_size=16, epochs=3, shuffle=False, verbose=0)
        return first.get_weights()[0]

    one_hot = np.eye(30, dtype="float32")[indices]
    actual, expected = train(layers.Embedding(30, 4), indices), train(layers.Dense(4, use_bias=False), one_hot)
    assert np.abs(actual[12:] - start[12:]).max() == 0 or optimizer != "sgd"
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=1e-6)


def test_bits_do_not_depend_on_threads():
    results = []
    for threads in (1, 2):
        chainrule.set_num_threads(threads)
        keras.utils.set_random_seed(3)
        model = keras.Sequential([layers.Embedding(500, 32), layers.Flatten(), layers.Dense(1)])
        model.compile("adam", "mse")
        x = np.random.default_rng(1).integers(0, 500, (128, 20))
        model.fit(x, x[:, 0] / 500, batch_size=32, epochs=2, verbose=0)
        results.append(model.get_weights()[0].tobytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("value", [10, -11, 10.5, float("nan")])
def test_an_index_outside_the_table_is_named(value):
    layer = layers.Embedding(10, 2, name="words")
    with pytest.raises(IndexError, match=r"words.*index .*\[0, 10\)"):
        layer(np.array([[1, value]]))


def test_an_index_outside_the_table_stops_training():
    model = keras.Sequential([layers.Embedding(10, 2, name="words"), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(IndexError, match="words.*index 12"):
        model.fit(np.full((4, 3), 12), np.zeros(4), verbose=0)


def test_mask():
    x = np.array([[3, 0, 2], [0, 0, 1]])
    np.testing.assert_array_equal(layers.Embedding(5, 2, mask_zero=True).compute_mask(x).numpy(), x != 0)
    assert layers.Embedding(5, 2).compute_mask(x) is None


def test_configuration_and_weights():
    layer = layers.Embedding(7, 3, embeddings_regularizer="l2", embeddings_constraint="max_norm", mask_zero=True)
    again = layers.Embedding.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    start = rng.standard_normal((7, 3)).astype("float32")
    np.testing.assert_array_equal(layers.Embedding(7, 3, weights=[start])(np.array([2])).numpy(), start[[2]])
    for wrong in ({"input_dim": 0, "output_dim": 2}, {"input_dim": 3, "output_dim": 2.5}):
        with pytest.raises(ValueError, match="positive integer"):
            layers.Embedding(**wrong)


def test_same_as_keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    reference = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")
    theirs = reference.layers.Embedding(9, 4, mask_zero=True)
    x = rng.integers(0, 9, (3, 5))
    expected = reference.ops.convert_to_numpy(theirs(x))
    mine = layers.Embedding(9, 4, mask_zero=True)
    mine.build()
    mine.set_weights(theirs.get_weights())
    np.testing.assert_array_equal(mine(x).numpy(), expected)
    np.testing.assert_array_equal(mine.compute_mask(x), reference.ops.convert_to_numpy(theirs.compute_mask(x)))
    config, wanted = mine.get_config(), theirs.get_config()
    assert set(wanted) - set(config) <= {"quantization_config"}
    plain = [k for k, v in wanted.items() if isinstance(v, (int, float, bool)) or v is None]
    assert {k: config[k] for k in plain if k in config} == {k: wanted[k] for k in plain if k in config}

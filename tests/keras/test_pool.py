"""Pooling, up-sampling, padding and cropping layers: values against NumPy and real Keras, gradients, errors."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import chainrule
import chainrule.keras as keras
from chainrule import _core
from chainrule.keras import layers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # real Keras on torch raises its own

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape).astype("float32")


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.tuples(st.integers(4, 11), st.integers(4, 11)),
    channels=st.sampled_from([1, 3, 16, 19]),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.sampled_from(["valid", "same"]),
)
def test_values(lengths, channels, window, strides, padding):
    x = normal(2, *lengths, channels)
    sizes = list(zip(lengths, window, strides, strict=True))
    counts = [-(-n // s) if padding == "same" else (n - w) // s + 1 for n, w, s in sizes]
    totals = [max((c - 1) * s + w - n, 0) for c, (n, w, s) in zip(counts, sizes, strict=True)]
    around = [(0, 0), *((t // 2, t - t // 2) for t in totals), (0, 0)]
    views = sliding_window_view(np.pad(x, around, constant_values=np.nan), window, (1, 2))
    views = views[:, :: strides[0], :: strides[1]][:, : counts[0], : counts[1]]
    greatest, mean = layers.MaxPooling2D(window, strides, padding), layers.AveragePooling2D(window, strides, padding)
    np.testing.assert_array_equal(greatest(x).numpy(), np.nanmax(views, (-2, -1)))
    np.testing.assert_allclose(mean(x).numpy(), np.nanmean(views, (-2, -1)), rtol=1e-5, atol=1e-6)
    assert greatest.compute_output_shape(x.shape) == (2, *counts, channels)


def test_nan_and_infinity():
    x = np.array([1, np.nan, -np.inf, -np.inf, np.inf, 2], "float32").reshape(1, 6, 1)
    np.testing.assert_array_equal(layers.MaxPooling1D(2)(x).numpy().ravel(), [np.nan, -np.inf, np.inf])


def test_the_first_of_equal_entries_gets_the_gradient():
    x = chainrule.asarray(np.zeros((1, 4, 4, 1), "float32"))
    gradient = chainrule.grad(lambda x: layers.MaxPooling2D(2)(x).sum())(x).numpy()
    expected = np.zeros((4, 4))
    expected[::2, ::2] = 1
    np.testing.assert_array_equal(gradient[0, :, :, 0], expected)


def test_overlapping_windows_add_their_gradients():
    x = chainrule.asarray(np.arange(5, dtype="float32").reshape(1, 5, 1))
    gradient = chainrule.grad(lambda x: layers.MaxPooling1D(3, 1, "same")(x).sum())(x).numpy()
    np.testing.assert_array_equal(gradient.ravel(), [0, 1, 1, 1, 2])
    gradient = chainrule.grad(lambda x: layers.AveragePooling1D(3, 1, "same")(x).sum())(x).numpy()
    np.testing.assert_allclose(gradient.ravel(), [5 / 6, 7 / 6, 1, 7 / 6, 5 / 6], rtol=1e-6)


def test_global():
    x = normal(2, 4, 5, 3)
    np.testing.assert_array_equal(layers.GlobalMaxPooling2D()(x).numpy(), x.max((1, 2)))
    np.testing.assert_allclose(layers.GlobalAveragePooling2D()(x).numpy(), x.mean((1, 2)), rtol=1e-5, atol=1e-6)
    first = layers.GlobalMaxPooling2D(data_format="channels_first", keepdims=True)
    np.testing.assert_array_equal(first(x).numpy(), x.max((2, 3), keepdims=True))
    assert first.compute_output_shape((None, 4, 5, 3)) == (None, 4, 1, 1)
    np.testing.assert_array_equal(layers.GlobalMaxPooling1D()(x[0]).numpy(), x[0].max(1))


def test_resizing():
    x = normal(2, 3, 4, 2)
    np.testing.assert_array_equal(layers.UpSampling2D((2, 3))(x).numpy(), x.repeat(2, 1).repeat(3, 2))
    np.testing.assert_array_equal(
        layers.ZeroPadding2D(((1, 0), (2, 3)))(x).numpy(), np.pad(x, [(0, 0), (1, 0), (2, 3), (0, 0)])
    )
    np.testing.assert_array_equal(layers.Cropping2D(((1, 0), (2, 1)))(x).numpy(), x[:, 1:, 2:3])
    np.testing.assert_array_equal(layers.UpSampling1D(3)(x[0]).numpy(), x[0].repeat(3, 1))


# ---- against real Keras --------------------------------------------------------------------------------------------

CONFIGS = [
    ("MaxPooling1D", (2, 9, 3), {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("MaxPooling2D", (2, 7, 8, 3), {"pool_size": (2, 3), "padding": "same"}),
    ("MaxPooling2D", (2, 7, 8, 3), {"pool_size": 3, "strides": (1, 2), "data_format": "channels_first"}),
    ("MaxPooling3D", (2, 5, 4, 6, 2), {}),
    ("AveragePooling1D", (2, 9, 3), {"pool_size": 2}),
    ("AveragePooling2D", (2, 7, 8, 3), {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("AveragePooling3D", (2, 5, 4, 6, 2), {"pool_size": (2, 2, 3), "padding": "same"}),
    ("GlobalMaxPooling1D", (2, 9, 3), {}),
    ("GlobalMaxPooling3D", (2, 3, 4, 3, 2), {"keepdims": True}),
    ("GlobalAveragePooling1D", (2, 9, 3), {"data_format": "channels_first"}),
    ("GlobalAveragePooling2D", (2, 4, 5, 3), {}),
    ("UpSampling1D", (2, 4, 3), {"size": 3}),
    ("UpSampling2D", (2, 4, 5, 3), {"size": (2, 1), "data_format": "channels_first"}),
    ("UpSampling3D", (2, 2, 3, 2, 3), {}),
    ("ZeroPadding1D", (2, 4, 3), {"padding": (1, 2)}),
    ("ZeroPadding2D", (2, 4, 5, 3), {"padding": (1, 2)}),
    ("ZeroPadding3D", (2, 2, 3, 2, 3), {"padding": 1}),
    ("Cropping1D", (2, 6, 3), {"cropping": (1, 2)}),
    ("Cropping2D", (2, 6, 6, 3), {"cropping": 1}),
    ("Cropping3D", (2, 5, 6, 5, 3), {"cropping": ((1, 1), (0, 2), (2, 2))}),
]


@pytest.mark.parametrize(("name", "shape", "config"), CONFIGS)
def test_same_as_keras(name, shape, config):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    reference = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")
    if name == "AveragePooling2D" and config.get("padding") == "same" and reference.backend.backend() == "torch":
        pytest.skip("Keras on torch averages otherwise at the border than on JAX, with which we agree")
    x = normal(*shape)
    layer, theirs = getattr(layers, name)(**config), getattr(reference.layers, name)(**config)
    expected = reference.ops.convert_to_numpy(theirs(x))
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert layer.compute_output_shape(shape) == expected.shape
    assert not set(theirs.get_config()) - set(layer.get_config())


@pytest.mark.parametrize(("name", "shape", "config"), CONFIGS)
def test_configuration_and_shapes(name, shape, config):
    layer = getattr(layers, name)(**config)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert layer(keras.Input(shape[1:])).shape == (None, *layer(normal(*shape)).shape[1:])


@pytest.mark.parametrize(("name", "shape", "config"), CONFIGS)
def test_gradients(name, shape, config):
    keras.config.set_floatx("float64")
    try:
        layer = getattr(layers, name)(**config)
    finally:
        keras.config.set_floatx("float32")
    x = rng.permutation(np.prod(shape)).reshape(shape) / np.prod(shape)  # no two entries are nearly the same
    chainrule.check_gradients(lambda x: (layer(x) ** 2).sum(), x)


def test_threads_give_the_same_bits():
    x = normal(8, 33, 31, 24)
    layer = layers.MaxPooling2D(3, 2, "same")
    before = _core.num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            _core.set_num_threads(threads)
            y, pull = chainrule.vjp(layer, chainrule.asarray(x))
            results.append((y.numpy().tobytes(), pull(y)[0].numpy().tobytes()))
    finally:
        _core.set_num_threads(before)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MaxPooling2D((2, 2, 2)), "pool_size must be one or 2 integers"),
        (lambda: layers.MaxPooling2D(0), "at least 1"),
        (lambda: layers.MaxPooling2D(2, padding="causal"), "padding must be 'valid' or 'same'"),
        (lambda: layers.MaxPooling2D(2)(normal(2, 8, 8)), "4 axes"),
        (lambda: layers.MaxPooling2D(5)(keras.Input((4, 4, 1))), "larger than the input"),
        (lambda: layers.AveragePooling2D(5)(normal(1, 4, 4, 1)), "doesn't fit"),
        (lambda: layers.UpSampling2D(2, interpolation="area"), "interpolation must be one of"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "padding must be one integer, 2 integers or 2 pairs"),
        (lambda: layers.Cropping2D(2)(normal(1, 4, 4, 1)), "larger than the input"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()

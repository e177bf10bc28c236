"""Convolution layers: values against SciPy and real Keras, shapes, gradients, threads, errors."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

import chainrule
import chainrule.keras as keras
from chainrule import _core
from chainrule.keras import layers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # real Keras on torch raises its own

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape).astype("float32")


def give_weights(layer, shape):
    layer.build((None, *shape[1:]))
    layer.set_weights([normal(*w.shape) for w in layer.weights])
    return layer


def correlate(x, kernel, groups=1):
    """Valid convolution with stride 1, channels last, in float64."""
    out = []
    size = x.shape[-1] // groups
    for j in range(kernel.shape[-1]):
        first = j // (kernel.shape[-1] // groups) * size
        window = kernel[..., j].astype("float64")[None]
        out.append(signal.correlate(x[..., first : first + size].astype("float64"), window, "valid")[..., 0])
    return np.stack(out, -1)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_values(rank, groups):
    x = normal(2, *(7, 6, 5)[:rank], 4)
    layer = give_weights(
        getattr(layers, f"Conv{rank}D")(6, (3, 2, 2)[:rank], groups=groups, activation="relu"), x.shape
    )
    kernel, bias = layer.get_weights()
    assert kernel.shape == (*(3, 2, 2)[:rank], 4 // groups, 6)
    expected = np.maximum(correlate(x, kernel, groups) + bias, 0)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(5, 20),
    window=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.sampled_from(["valid", "same", "causal"]),
)
def test_strides_dilation_and_padding(length, window, stride, dilation, padding):
    """A window with holes is a longer one with zeros; strides take every second, third, ... result."""
    reach = (window - 1) * dilation
    if (padding == "valid" and length <= reach) or (stride > 1 and dilation > 1):
        return
    x = normal(2, length, 3)
    layer = give_weights(layers.Conv1D(4, window, stride, padding, dilation_rate=dilation), x.shape)
    kernel, bias = layer.get_weights()
    wide = np.zeros((reach + 1, 3, 4))
    wide[::dilation] = kernel
    count = {"valid": (length - reach - 1) // stride + 1}.get(padding, -(-length // stride))
    total = {"valid": 0, "causal": reach}.get(padding, max((count - 1) * stride + reach + 1 - length, 0))
    low = {"valid": 0, "causal": reach}.get(padding, total // 2)
    padded = np.pad(x, [(0, 0), (low, total - low), (0, 0)])
    expected = (correlate(padded, wide) + bias)[:, ::stride]
    result = layer(x).numpy()
    assert result.shape == (2, count, 4) == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_depthwise_and_separable():
    x = normal(2, 6, 5, 3)
    layer = give_weights(layers.DepthwiseConv2D((3, 2), depth_multiplier=2), x.shape)
    kernel, bias = layer.get_weights()
    assert kernel.shape == (3, 2, 3, 2)
    each = [correlate(x[..., c : c + 1], kernel[:, :, c : c + 1]) for c in range(3)]
    expected = np.concatenate(each, -1) + bias
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-5, atol=1e-5)

    separable = give_weights(layers.SeparableConv2D(4, (3, 2), depth_multiplier=2), x.shape)
    depthwise, pointwise, bias = separable.get_weights()
    assert pointwise.shape == (1, 1, 6, 4)
    each = [correlate(x[..., c : c + 1], depthwise[:, :, c : c + 1]) for c in range(3)]
    expected = np.concatenate(each, -1) @ pointwise[0, 0] + bias
    np.testing.assert_allclose(separable(x).numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_transposed_is_the_adjoint(padding, stride):
    """<conv(x), y> = <x, transposed(y)> with the same kernel."""
    y = normal(2, 4, 3, 5)
    transposed = give_weights(layers.Conv2DTranspose(2, 3, stride, padding, use_bias=False), y.shape)
    x = normal(2, *transposed.compute_output_shape(y.shape)[1:])
    conv = layers.Conv2D(5, 3, stride, padding, use_bias=False)
    conv.build(x.shape)
    conv.set_weights(transposed.get_weights())
    left = np.sum(conv(x).numpy().astype("float64") * y)
    right = np.sum(transposed(y).numpy().astype("float64") * x)
    # Both sums are of terms of either sign: their rounding is relative to the sum of the terms' sizes.
    size = np.sum(np.abs(conv(x).numpy()) * np.abs(y))
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-6 * size)


# ---- against real Keras --------------------------------------------------------------------------------------------

CONFIGS = [
    ("Conv1D", (3, 12, 4), {"filters": 5, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}),
    ("Conv1D", (3, 12, 4), {"filters": 6, "kernel_size": 4, "padding": "same", "strides": 3, "groups": 2}),
    ("Conv2D", (2, 9, 8, 3), {"filters": 7, "kernel_size": 3, "padding": "same", "strides": 2, "activation": "relu"}),
    ("Conv2D", (2, 9, 8, 3), {"filters": 7, "kernel_size": (1, 4), "padding": "same", "dilation_rate": (1, 2)}),
    ("Conv2D", (2, 9, 8, 3), {"filters": 20, "kernel_size": 1, "activation": "tanh", "use_bias": False}),
    ("Conv3D", (2, 5, 6, 7, 2), {"filters": 3, "kernel_size": 3, "padding": "same", "strides": (1, 2, 1)}),
    ("DepthwiseConv1D", (2, 9, 3), {"kernel_size": 3, "padding": "same", "depth_multiplier": 2}),
    ("DepthwiseConv2D", (2, 9, 8, 20), {"kernel_size": 3, "padding": "same", "strides": 2, "activation": "relu"}),
    ("DepthwiseConv2D", (2, 9, 8, 3), {"kernel_size": (3, 2), "depth_multiplier": 3}),
    ("SeparableConv1D", (2, 9, 3), {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}),
    ("SeparableConv2D", (2, 9, 8, 3), {"filters": 4, "kernel_size": 3, "depth_multiplier": 2, "activation": "elu"}),
    ("Conv1DTranspose", (2, 5, 3), {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}),
    ("Conv2DTranspose", (2, 5, 4, 3), {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}),
    ("Conv2DTranspose", (2, 5, 4, 3), {"filters": 4, "kernel_size": (2, 5), "strides": 3, "padding": "valid"}),
    ("Conv2DTranspose", (2, 5, 4, 3), {"filters": 4, "kernel_size": 4, "strides": 2, "padding": "same"}),
    ("Conv3DTranspose", (2, 3, 4, 3, 2), {"filters": 2, "kernel_size": 2, "strides": 2}),
]


@pytest.mark.parametrize(("name", "shape", "config"), CONFIGS)
def test_same_as_keras(name, shape, config):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    reference = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")
    x = normal(*shape)
    layer = give_weights(getattr(layers, name)(**config), shape)
    theirs = getattr(reference.layers, name).from_config(getattr(reference.layers, name)(**config).get_config())
    theirs.build(shape)
    assert [tuple(w.shape) for w in theirs.weights] == [tuple(w.shape) for w in layer.weights]
    theirs.set_weights(layer.get_weights())
    expected = reference.ops.convert_to_numpy(theirs(x))
    assert layer.compute_output_shape(shape) == expected.shape
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert not set(theirs.get_config()) - set(layer.get_config())


# ---- shapes, configuration, layout ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape", "config"), CONFIGS)
def test_configuration_and_shapes(name, shape, config):
    layer = getattr(layers, name)(**config)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    symbolic = layer(keras.Input(shape[1:]))
    assert symbolic.shape == (None, *layer(normal(*shape)).shape[1:])
    unknown = layer.compute_output_shape((None, *(None,) * (len(shape) - 2), shape[-1]))
    assert unknown == (None, *(None,) * (len(shape) - 2), symbolic.shape[-1])


@pytest.mark.parametrize(("name", "shape", "config"), [c for c in CONFIGS if c[2].get("padding") != "causal"])
def test_channels_first(name, shape, config):
    x = normal(*shape)
    last = give_weights(getattr(layers, name)(**config), shape)
    first = getattr(layers, name)(**config, data_format="channels_first")
    moved = np.moveaxis(x, -1, 1)
    assert first.compute_output_shape(moved.shape) == np.moveaxis(last(x).numpy(), -1, 1).shape
    first.build(moved.shape)
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(np.moveaxis(first(moved).numpy(), 1, -1), last(x).numpy(), rtol=1e-6, atol=1e-6)


def test_initial_weights():
    layer = layers.Conv2D(64, 3)
    layer.build((None, 8, 8, 32))
    kernel, bias = layer.get_weights()
    limit = np.sqrt(6 / (9 * 32 + 9 * 64))  # Glorot: the window counts for both fans
    assert not bias.any()
    assert 0.95 * limit < np.abs(kernel).max() <= limit
    np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.05)


# ---- gradients, training, threads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SeparableConv2D", "Conv2DTranspose"])
def test_gradients(name):
    keras.config.set_floatx("float64")
    try:
        layer = getattr(layers, name)(2, 3, strides=2, padding="same", activation="tanh")
        layer.build((None, 5, 4, 2))
    finally:
        keras.config.set_floatx("float32")
    x = rng.standard_normal((2, 5, 4, 2))
    chainrule.check_gradients(lambda x: (layer(x) ** 2).sum(), x)


def convnet():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.AveragePooling2D(2, padding="same"),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def patterns(n):
    """Images with a bright quarter, which is their class."""
    draw = np.random.default_rng(1)
    y = draw.integers(0, 4, n)
    x = draw.standard_normal((n, 12, 12, 1)).astype("float32")
    for image, label in zip(x, y, strict=True):
        image[label // 2 * 6 : label // 2 * 6 + 6, label % 2 * 6 : label % 2 * 6 + 6] += 1
    return x, y


def test_convnet_learns():
    x, y = patterns(512)
    model = convnet()
    model.fit(x, y, batch_size=32, epochs=8, verbose=0)
    fresh, labels = patterns(700)
    assert np.mean(model.predict(fresh[512:], verbose=0).argmax(-1) == labels[512:]) > 0.95


def test_threads_give_the_same_bits():
    x, y = patterns(256)
    before = _core.num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            _core.set_num_threads(threads)
            model = convnet()
            model.fit(x, y, batch_size=64, epochs=2, verbose=0)
            results.append([w.tobytes() for w in model.get_weights()])
    finally:
        _core.set_num_threads(before)
    assert results[0] == results[1] == results[2]


# ---- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Conv2D(0, 3), "filters must be a positive integer"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), "kernel_size must be one or 2 integers"),
        (lambda: layers.Conv2D(4, 3, padding="full"), "padding must be 'valid' or 'same'"),
        (lambda: layers.Conv2D(4, 3, padding="causal"), "padding must be 'valid' or 'same'"),
        (lambda: layers.Conv2D(4, 3, data_format="nchw"), "data_format must be"),
        (lambda: layers.Conv2D(4, 3, groups=3), "groups must divide filters"),
        (lambda: layers.Conv2DTranspose(4, 3, strides=2, output_padding=2), "output_padding must be less"),
        (lambda: layers.Conv2D(4, 3)(normal(2, 8, 8)), "4 axes"),
        (lambda: layers.Conv2D(4, 3, groups=2)(normal(2, 8, 8, 3)), "must divide the 3 channels"),
        (lambda: layers.Conv2D(4, 5)(keras.Input((4, 4, 1))), "larger than the input.*padding='same'"),
        (lambda: layers.Conv2D(4, 5)(normal(1, 4, 4, 1)), "doesn't fit into spatial axis 0 of length 4"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_other_channels_than_built_for():
    layer = layers.Conv2D(4, 3)
    layer(normal(1, 8, 8, 3))
    with pytest.raises(ValueError, match="length 3 on axis -1.*\\(1, 8, 8, 1\\)"):
        layer(normal(1, 8, 8, 1))


def test_only_one_of_strides_and_dilation() -> None:
    for kind in (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.Conv2DTranspose):
        with pytest.raises(ValueError, match="strides"):
            kind(2, 3, strides=2, dilation_rate=2)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_own_convolution_op(data_format: str) -> None:
    """A subclass that changes the kernel, as Keras's example of standardized weights does."""

    class Doubled(layers.Conv2D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, kernel * 2)

    x = np.random.default_rng(0).normal(size=(2, 5, 5, 5)).astype("float32")
    plain = layers.Conv2D(4, 3, data_format=data_format, bias_initializer="ones", activation="relu")
    doubled = Doubled(4, 3, data_format=data_format, bias_initializer="ones", activation="relu")
    plain.build(x.shape)
    doubled.build(x.shape)
    plain.set_weights([2 * plain.get_weights()[0], plain.get_weights()[1]])
    doubled.set_weights([plain.get_weights()[0] / 2, plain.get_weights()[1]])
    np.testing.assert_allclose(doubled(x), plain(x), rtol=1e-6)

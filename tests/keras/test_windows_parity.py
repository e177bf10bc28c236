"""Layers and functions with windows against real Keras: random configurations, outputs, gradients, configurations."""

import os

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule.keras import layers, ops

os.environ.setdefault("KERAS_BACKEND", "jax")
reference = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")
if reference.backend.backend() != "jax":
    pytest.skip("gradients of real Keras are taken by JAX: set KERAS_BACKEND=jax", allow_module_level=True)
jax = pytest.importorskip("jax", reason="JAX isn't installed: nothing to compare gradients with")


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


def shape_for(rng, rank, channels, data_format, least=6):
    lengths = [int(rng.integers(least, least + 5 - rank)) for _ in range(rank)]
    batch = int(rng.integers(1, 4))
    return (batch, *lengths, channels) if data_format == "channels_last" else (batch, channels, *lengths)


def window_options(rng, rank, paddings):
    """kernel_size, strides, padding, dilation_rate: Keras allows one of strides and dilation above 1."""
    options = {
        "kernel_size": tuple(int(n) for n in rng.integers(1, 4, rank)),
        "padding": pick(rng, paddings),
        "data_format": pick(rng, ("channels_last", "channels_first")),
    }
    if options["padding"] == "causal":
        options["data_format"] = "channels_last"
    if rng.random() < 0.5:
        options["strides"] = tuple(int(n) for n in rng.integers(1, 4, rank))
    elif rng.random() < 0.6:
        options["dilation_rate"] = tuple(int(n) for n in rng.integers(1, 3, rank))
    return options


def conv_case(rng, rank):
    groups = pick(rng, (1, 1, 2, 3))
    options = window_options(rng, rank, ("valid", "same", "causal") if rank == 1 else ("valid", "same"))
    options.update(
        filters=groups * int(rng.integers(1, 4)),
        groups=groups,
        use_bias=bool(rng.random() < 0.7),
        activation=pick(rng, (None, "tanh", "sigmoid")),
    )
    return f"Conv{rank}D", shape_for(rng, rank, groups * int(rng.integers(1, 4)), options["data_format"]), options


def transpose_case(rng, rank):
    options = window_options(rng, rank, ("valid", "same"))
    options["filters"] = int(rng.integers(1, 5))
    strides = options.get("strides", (1,) * rank)
    if rng.random() < 0.3 and min(strides) > 1:
        options["output_padding"] = tuple(int(rng.integers(0, s)) for s in strides)
    return f"Conv{rank}DTranspose", shape_for(rng, rank, int(rng.integers(1, 4)), options["data_format"], 3), options


def uniform_strides(rng, options, rank):
    """Depthwise layers take one stride for all axes in Keras."""
    if "strides" in options:
        options["strides"] = (int(rng.integers(1, 4)),) * rank
    return options


def depthwise_case(rng, rank):
    options = uniform_strides(rng, window_options(rng, rank, ("valid", "same")), rank)
    options["depth_multiplier"] = int(rng.integers(1, 4))
    return f"DepthwiseConv{rank}D", shape_for(rng, rank, int(rng.integers(1, 6)), options["data_format"]), options


def separable_case(rng, rank):
    paddings = ("valid", "same", "causal") if rank == 1 else ("valid", "same")
    options = uniform_strides(rng, window_options(rng, rank, paddings), rank)
    options.update(depth_multiplier=int(rng.integers(1, 3)), filters=int(rng.integers(1, 5)))
    return f"SeparableConv{rank}D", shape_for(rng, rank, int(rng.integers(1, 5)), options["data_format"]), options


def pool_case(rng, rank):
    options = {
        "pool_size": tuple(int(n) for n in rng.integers(1, 4, rank)),
        "padding": pick(rng, ("valid", "same")),
        "data_format": pick(rng, ("channels_last", "channels_first")),
    }
    if rng.random() < 0.6:
        options["strides"] = tuple(int(n) for n in rng.integers(1, 4, rank))
    kind = pick(rng, ("Max", "Average"))
    return f"{kind}Pooling{rank}D", shape_for(rng, rank, int(rng.integers(1, 6)), options["data_format"]), options


def adaptive_case(rng, rank):
    options = {
        "output_size": tuple(int(n) for n in rng.integers(1, 6, rank)),
        "data_format": pick(rng, ("channels_last", "channels_first")),
    }
    kind = pick(rng, ("Max", "Average"))
    return f"Adaptive{kind}Pooling{rank}D", shape_for(rng, rank, 3, options["data_format"]), options


def upsampling_case(rng, _):
    options = {
        "size": tuple(int(n) for n in rng.integers(1, 4, 2)),
        "interpolation": pick(rng, ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")),
        "data_format": pick(rng, ("channels_last", "channels_first")),
    }
    return "UpSampling2D", shape_for(rng, 2, 3, options["data_format"]), options


CASES = [
    (maker, rank, seed)
    for maker, ranks, count in (
        (conv_case, (1, 2, 3), 3),
        (transpose_case, (1, 2, 3), 3),
        (depthwise_case, (1, 2), 2),
        (separable_case, (1, 2), 2),
        (pool_case, (1, 2, 3), 2),
        (adaptive_case, (1, 2, 3), 2),
        (upsampling_case, (2,), 3),
    )
    for rank in ranks
    for seed in range(count)
]


@pytest.mark.parametrize(("maker", "rank", "seed"), CASES, ids=lambda p: getattr(p, "__name__", str(p)))
def test_layer(maker, rank, seed):
    rng = np.random.default_rng([rank, seed])
    name, shape, options = maker(rng, rank)
    x = rng.standard_normal(shape).astype("float32")
    mine, theirs = getattr(layers, name)(**options), getattr(reference.layers, name)(**options)
    mine.build(shape)
    theirs.build(shape)
    assert [tuple(w.shape) for w in mine.weights] == [tuple(w.shape) for w in theirs.weights]
    values = [rng.standard_normal(w.shape).astype("float32") for w in mine.weights]
    mine.set_weights(values)

    def apply(weights, x):
        return theirs.stateless_call(weights, [], x)[0]

    expected, pull = jax.vjp(apply, values, x)
    expected = np.asarray(expected)
    cotangent = rng.standard_normal(expected.shape).astype("float32")
    weight_gradients, input_gradient = pull(cotangent)
    with chainrule.GradientTape() as tape:
        tensor = chainrule.asarray(x)
        tape.watch(tensor)
        y = mine(tensor)
    gradients = tape.gradient(y, [tensor, *mine.trainable_weights], output_gradients=chainrule.asarray(cotangent))
    assert y.shape == expected.shape == mine.compute_output_shape(shape), (name, shape, options)
    for found, wanted in zip([y, *gradients], [expected, input_gradient, *weight_gradients], strict=True):
        wanted = np.asarray(wanted)
        scale = max(1.0, np.abs(wanted).max())  # float32 rounding is relative to the terms of a sum
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-5 * scale, err_msg=f"{name} {options}")

    config = mine.get_config()
    for key, value in theirs.get_config().items():
        if key not in ("name", "dtype", "registered_name") and not isinstance(value, dict):
            mine_value = config[key]
            assert mine_value == value or list(np.ravel(mine_value)) == list(np.ravel(value)), (key, mine_value, value)
    again = getattr(layers, name).from_config(config)
    assert again.get_config() == config


# ---- keras.ops ------------------------------------------------------------------------------------------------------

draw = np.random.default_rng(0)


def array(*shape):
    return draw.standard_normal(shape).astype("float32")


CALLS = [
    ("conv", (array(2, 8, 7, 4), array(3, 2, 2, 6)), {"padding": "same", "strides": 2}),
    ("conv", (array(2, 4, 9), array(3, 4, 5)), {"data_format": "channels_first", "dilation_rate": 2}),
    ("conv_transpose", (array(2, 4, 3, 5), array(3, 3, 2, 5)), {"strides": 2, "padding": "same"}),
    ("conv_transpose", (array(2, 4, 5), array(3, 2, 5)), {"strides": 3, "output_padding": 1}),
    ("depthwise_conv", (array(2, 8, 7, 4), array(3, 2, 4, 2)), {"padding": "same"}),
    ("separable_conv", (array(2, 8, 7, 4), array(3, 2, 4, 2), array(1, 1, 8, 3)), {}),
    ("max_pool", (array(2, 8, 7, 4), 2), {"strides": 2, "padding": "same"}),
    ("max_pool", (array(2, 4, 8), 3), {"strides": 2, "data_format": "channels_first"}),
    ("average_pool", (array(2, 8, 7, 4), (3, 2)), {"strides": 1, "padding": "same"}),
    ("adaptive_average_pool", (array(2, 8, 7, 4), (3, 2)), {}),
    ("adaptive_max_pool", (array(2, 4, 8, 7), 3), {"data_format": "channels_first"}),
    ("depth_to_space", (array(2, 3, 4, 12), 2), {}),
    ("depth_to_space", (array(2, 12, 3, 4), 2), {"data_format": "channels_first"}),
    ("space_to_depth", (array(2, 6, 4, 3), 2), {}),
    ("space_to_depth", (array(2, 3, 6, 4), 2), {"data_format": "channels_first"}),
    ("unfold", (array(2, 3, 7, 6), (2, 3)), {"stride": (2, 1), "padding": 1, "dilation": (1, 2)}),
    ("fold", (array(2, 12, 12), (4, 6), 2), {"stride": (1, 2), "padding": (0, 1)}),
    ("multi_hot", (np.array([[0, 2, 2], [1, 3, 0]]), 4), {}),
    ("psnr", (array(3, 4), array(3, 4), 2.0), {}),
    *[
        ("image.resize", (array(2, 7, 6, 3), size), {"interpolation": method, "antialias": antialias})
        for method in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        for size in ((3, 11), (14, 4))
        for antialias in (False, True)
    ],
    ("image.resize", (array(7, 6, 3), (4, 9)), {"crop_to_aspect_ratio": True}),
    ("image.resize", (array(2, 7, 12, 3), (5, 5)), {"pad_to_aspect_ratio": True, "fill_value": 0.5}),
    ("image.resize", (array(2, 3, 7, 6), (4, 9)), {"data_format": "channels_first"}),
    ("image.resize", (draw.integers(0, 255, (2, 5, 6, 3)).astype("uint8"), (7, 4)), {}),
    (
        "image.scale_and_translate",
        (array(2, 7, 6, 3), (2, 9, 5, 3), np.array([1.5, 0.7], "float32"), np.array([0.5, -1], "float32"), (1, 2)),
        {"method": "linear"},
    ),
    ("image.rgb_to_grayscale", (draw.random((2, 4, 5, 3)).astype("float32"),), {}),
    ("image.rgb_to_hsv", (draw.random((2, 4, 5, 3)).astype("float32"),), {}),
    ("image.hsv_to_rgb", (draw.random((2, 3, 4, 5)).astype("float32"),), {"data_format": "channels_first"}),
    ("image.extract_patches", (array(2, 7, 6, 3), (3, 2)), {"strides": (2, 1), "padding": "same"}),
    ("image.extract_patches", (array(2, 3, 7, 6), 2), {"data_format": "channels_first"}),
    ("image.extract_patches_3d", (array(2, 4, 5, 6, 2), 2), {}),
    ("image.pad_images", (array(2, 4, 5, 3), 1, 2), {"target_height": 8, "target_width": 9}),
    ("image.crop_images", (array(4, 5, 3), 1), {"right_cropping": 2, "target_height": 2, "target_width": 2}),
    ("image.gaussian_blur", (array(2, 8, 7, 3), (5, 3), (1.5, 0.8)), {"data_format": "channels_last"}),
]


@pytest.mark.parametrize(("name", "inputs", "options"), CALLS, ids=lambda p: p if isinstance(p, str) else "")
def test_function(name, inputs, options):
    def find(module):
        for part in name.split("."):
            module = getattr(module, part)
        return module

    expected = np.asarray(find(reference.ops)(*inputs, **options))
    found = find(ops)(*inputs, **options)
    assert found.shape == expected.shape
    assert str(found.dtype) == str(expected.dtype)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=2e-6 * scale)
    if "." not in name:
        assert getattr(ops.nn, name) is find(ops)
    symbolic = [keras.Input(a.shape[1:], dtype=a.dtype.name) if np.ndim(a) > 2 else a for a in inputs[:1]]
    if symbolic[0] is not inputs[0] and not name.endswith(("_images", "patches")):
        assert find(ops)(*symbolic, *inputs[1:], **options).shape[1:] == expected.shape[1:]

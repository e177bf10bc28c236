"""Functions and layers with windows against NumPy and SciPy: adaptive pooling, resizing, shuffles, patches, dropout."""

import numpy as np
import pytest
from scipy import ndimage

import chainrule
import chainrule.keras as keras
from chainrule import _core, nn
from chainrule.keras import layers, ops

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape).astype("float32")


# ---- chainrule.nn ---------------------------------------------------------------------------------------------------


def test_convolutions_are_sums_over_windows():
    x, kernel, bias = normal(2, 6, 5, 4), normal(3, 2, 2, 6), normal(6)
    y = nn.conv(x, kernel, bias, strides=(2, 1), padding=((1, 0), (0, 1)), dilation=(1, 2), groups=2).numpy()
    wide = np.pad(x, ((0, 0), (1, 0), (0, 1), (0, 0))).astype("float64")
    assert y.shape == (2, 3, 4, 6)
    for p, q, k in ((0, 0, 0), (2, 3, 5), (1, 2, 3)):
        part = wide[:, 2 * p : 2 * p + 3, q : q + 3 : 2, k // 3 * 2 : k // 3 * 2 + 2]
        expected = np.einsum("nijc,ijc->n", part, kernel[..., k].astype("float64")) + bias[k]
        np.testing.assert_allclose(y[:, p, q, k], expected, rtol=1e-5, atol=1e-5)


def test_depthwise_and_separable():
    x, depthwise, pointwise = normal(2, 6, 5, 3), normal(3, 3, 3, 2), normal(1, 1, 6, 4)
    y = nn.depthwise_conv(x, depthwise, padding="same").numpy()
    for c in range(3):
        for m in range(2):
            expected = np.stack(
                [ndimage.correlate(i[..., c].astype("float64"), depthwise[:, :, c, m], mode="constant") for i in x]
            )
            np.testing.assert_allclose(y[..., 2 * c + m], expected, rtol=1e-5, atol=1e-5)
    both = nn.separable_conv(x, depthwise, pointwise, padding="same").numpy()
    np.testing.assert_allclose(both, y @ pointwise[0, 0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_transposed_convolution_spreads_each_entry(stride):
    x, kernel = normal(2, 4, 3), normal(5, 2, 3)
    expected = np.zeros((2, 3 * stride + 5, 2))
    for i in range(4):
        expected[:, i * stride : i * stride + 5] += np.einsum("nc,wkc->nwk", x[:, i].astype("float64"), kernel)
    y = nn.conv_transpose(x, kernel, strides=stride).numpy()
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def adaptive(x, sizes, reduce):
    for axis, size in enumerate(sizes, 1):
        n = x.shape[axis]
        windows = [np.arange(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]
        x = np.stack([reduce(np.take(x, w, axis), axis) for w in windows], axis)
    return x


@pytest.mark.parametrize(
    ("lengths", "sizes"), [((7,), (3,)), ((6, 9), (4, 3)), ((5, 4, 6), (2, 4, 5)), ((3, 3), (5, 3))]
)
def test_adaptive_pools(lengths, sizes):
    x = normal(2, *lengths, 3)
    rank = len(lengths)
    for kind, reduce in (("Max", np.max), ("Average", np.mean)):
        layer = getattr(layers, f"Adaptive{kind}Pooling{rank}D")(sizes)
        expected = adaptive(x.astype("float64"), sizes, reduce)
        np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-6, atol=1e-6)
        assert layer.compute_output_shape(x.shape) == expected.shape
        assert layer(keras.Input(x.shape[1:])).shape == (None, *expected.shape[1:])


def test_resizing_reproduces_polynomials():
    """Away from the border bilinear interpolation is exact for lines, the cubic for parabolas."""
    at = (np.arange(40) + 0.5) * 20 / 40 - 0.5
    for method, degree, margin in (("bilinear", 1, 1), ("bicubic", 2, 2)):
        x = (np.arange(20.0) ** degree).reshape(1, 20, 1)
        y = nn.resize(x, 40, method).numpy()[0, :, 0]
        inside = (at >= margin) & (at <= 19 - margin)
        np.testing.assert_allclose(y[inside], at[inside] ** degree, rtol=1e-12, atol=1e-12)


def test_resizing_by_whole_factors():
    x = normal(2, 4, 6, 3)
    np.testing.assert_array_equal(nn.resize(x, (8, 18), "nearest").numpy(), x.repeat(2, 1).repeat(3, 2))
    np.testing.assert_array_equal(nn.upsample(x, (2, 3)).numpy(), x.repeat(2, 1).repeat(3, 2))
    halves = nn.resize(x, (2, 6), "bilinear").numpy()  # at s = 1/2: the mean of two rows
    np.testing.assert_allclose(halves, (x[:, ::2] + x[:, 1::2]) / 2, rtol=1e-6)
    for method in ("bilinear", "bicubic", "lanczos3", "lanczos5"):
        for antialias in (False, True):
            flat = nn.resize(np.full((1, 11, 7, 2), 3.0), (5, 13), method, antialias).numpy()
            np.testing.assert_allclose(flat, 3.0, rtol=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: nn.resize(x, (3, 9), "bicubic", antialias=True),
        lambda x: nn.upsample(x, 2, "bilinear"),
        lambda x: nn.adaptive_avg_pool(x, (3, 2)),
        lambda x: nn.adaptive_max_pool(x, (3, 2)),
        lambda x: nn.depth_to_space(x, 2),
        lambda x: ops.unfold(x, 2, padding=1, stride=2),
        lambda x: ops.fold(ops.reshape(x, (2, 4, 30)), (6, 7), 2),
        lambda x: ops.image.rgb_to_hsv(x[..., :3] * 0.1 + 0.5),
        lambda x: ops.image.gaussian_blur(x, (3, 3), (1.0, 0.7)),
    ],
)
def test_gradients(function):
    x = rng.permutation(2 * 5 * 6 * 4).reshape(2, 5, 6, 4) / 40 - 3.0
    if function(x).shape == (2, 1, 6, 7):
        x = x.reshape(2, 4, 30)
    chainrule.check_gradients(lambda x: (function(x) ** 2).sum(), x)


def test_threads_give_the_same_bits():
    x = normal(8, 61, 63, 16)
    before = _core.num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            _core.set_num_threads(threads)
            y = nn.resize(x, (50, 90), "bicubic")
            results.append((y.numpy().tobytes(), nn.adaptive_avg_pool(y, 7).numpy().tobytes()))
    finally:
        _core.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_resizing_integers_rounds():
    x = np.array([[0, 10, 255, 7]], "uint8").reshape(1, 4, 1)
    y = ops.image.resize(x, (1, 9), "bicubic")
    assert y.dtype == "uint8"
    exact = nn.resize(x[None].astype("float64"), (1, 9), "bicubic").numpy().ravel()
    assert exact.min() < -0.5  # the cubic overshoots
    np.testing.assert_array_equal(y.numpy().ravel(), np.clip(np.rint(exact), 0, 255))


# ---- moving cells ---------------------------------------------------------------------------------------------------


def test_depth_to_space_is_undone():
    x = normal(2, 3, 4, 12)
    y = nn.depth_to_space(x, 2).numpy()
    assert y.shape == (2, 6, 8, 3)
    np.testing.assert_array_equal(y[:, 1::2, 0::2], x[..., 6:9])  # cell (1, 0) of each block
    np.testing.assert_array_equal(nn.space_to_depth(y, 2).numpy(), x)
    first = np.moveaxis(x, -1, 1)
    shuffled = ops.depth_to_space(first, 2, data_format="channels_first")
    np.testing.assert_array_equal(ops.space_to_depth(shuffled, 2, data_format="channels_first").numpy(), first)
    np.testing.assert_array_equal(shuffled.numpy()[:, 0, 1::2, 0::2], first[:, 2])


def test_unfold_and_fold():
    x = normal(2, 3, 5, 6)
    patches = ops.unfold(x, (2, 3), padding=(1, 0), stride=(2, 1)).numpy()
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    assert patches.shape == (2, 18, 3 * 4)
    np.testing.assert_array_equal(patches[:, :, 5], wide[:, :, 2:4, 1:4].reshape(2, 18))
    ones = ops.fold(np.ones_like(patches), (5, 6), (2, 3), padding=(1, 0), stride=(2, 1)).numpy()
    np.testing.assert_array_equal(ones[0, 0, 0], [1, 2, 3, 3, 2, 1])  # how many windows hold a cell
    back = ops.fold(patches, (5, 6), (2, 3), padding=(1, 0), stride=(2, 1)).numpy()
    np.testing.assert_allclose(back, x * ones, rtol=1e-6)


def test_patches():
    x = normal(2, 7, 6, 3)
    y = ops.image.extract_patches(x, (3, 2), strides=(2, 2)).numpy()
    assert y.shape == (2, 3, 3, 18)
    np.testing.assert_array_equal(y[:, 1, 2], x[:, 2:5, 4:6].reshape(2, 18))


def test_colours():
    import colorsys

    x = rng.random((4, 5, 3)).astype("float32")
    hsv = ops.image.rgb_to_hsv(x).numpy()
    expected = np.array([[colorsys.rgb_to_hsv(*map(float, p)) for p in row] for row in x])
    np.testing.assert_allclose(hsv, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ops.image.hsv_to_rgb(hsv).numpy(), x, rtol=1e-5, atol=1e-6)


# ---- dropout of channels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_spatial_dropout_drops_whole_channels(rank, data_format):
    if rank == 1 and data_format == "channels_first":
        return
    options = {} if rank == 1 else {"data_format": data_format}
    layer = getattr(layers, f"SpatialDropout{rank}D")(0.5, seed=1, **options)
    x = np.ones((40, *(3, 4, 2)[:rank], 50), "float32")
    x = x if data_format == "channels_last" else np.moveaxis(x, -1, 1)
    y = layer(x, training=True).numpy()
    y = y if data_format == "channels_last" else np.moveaxis(y, 1, -1)
    each = y.reshape(40, -1, 50)
    np.testing.assert_array_equal(each, np.broadcast_to(each[:, :1], each.shape))
    assert set(np.unique(each)) == {0.0, 2.0}
    assert abs(each[:, 0].mean() - 1) < 4 / np.sqrt(40 * 50)  # four deviations of a mean of variance 1
    np.testing.assert_array_equal(layer(x).numpy(), x)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(1).standard_normal((400, 500)).astype("float32")
    layer = layers.AlphaDropout(0.3, seed=2)
    y = layer(x, training=True).numpy().astype("float64")
    assert abs(y.mean() - x.mean()) < 0.02
    assert abs(y.std() - 1) < 0.02
    values, counts = np.unique(y, return_counts=True)
    assert abs(counts.max() / y.size - 0.3) < 0.005  # SELU's limit, rescaled
    assert values[counts.argmax()] < 0
    np.testing.assert_array_equal(layer(x).numpy(), x)
    shared = layers.AlphaDropout(0.5, noise_shape=(None, 1), seed=3)(x, training=True).numpy()
    assert {len(np.unique(row)) for row in shared[:50]} == {1, 500}


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.conv(normal(2, 5, 3), normal(3, 3, 3, 4)), "a kernel with as many axes"),
        (lambda: nn.conv(normal(2, 5, 5, 3), normal(3, 3, 3, 4), padding=((1, 1),)), "a pair for each of the 2"),
        (lambda: nn.depthwise_conv(normal(2, 5, 3), normal(3, 4, 1)), "has 3 channels.*is for 4"),
        (lambda: nn.conv_transpose(normal(2, 5, 3), normal(3, 4, 3), strides=2, output_padding=2), "less than strides"),
        (lambda: nn.max_pool(normal(5, 3), 2), "1 to 3 spatial axes"),
        (lambda: nn.adaptive_avg_pool(normal(2, 5, 3), 0), "output_size"),
        (lambda: nn.resize(normal(2, 5, 3), 4, "area"), "method must be one of"),
        (lambda: nn.depth_to_space(normal(2, 3, 3, 6), 2), "must divide the 6 channels"),
        (lambda: nn.space_to_depth(normal(2, 3, 4, 6), 2), "must divide height and width"),
        (lambda: ops.fold(normal(2, 12, 5), (4, 4), 2), "x must have shape"),
        (lambda: ops.unfold(normal(2, 3, 4, 4), 5), "doesn't fit"),
        (lambda: ops.conv(normal(2, 5, 3), normal(3, 2, 4)), "must be a multiple"),
        (lambda: ops.image.resize(normal(5, 4, 3), (3, 3), fill_mode="wrap"), "fill_mode"),
        (lambda: ops.image.resize(normal(5, 3), (3, 3)), "needs 3 axes, or 4"),
        (lambda: ops.image.rgb_to_hsv(np.zeros((4, 4, 3), "uint8")), "divide integer colours"),
        (lambda: ops.image.pad_images(normal(5, 4, 3), 1, target_height=3), "two of|negative"),
        (lambda: layers.AdaptiveMaxPooling2D((2, 2, 2)), "output_size must be one or 2 integers"),
        (lambda: layers.SpatialDropout2D(1.5), "rate must be a number between 0 and 1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_aliases():
    for name in ("Convolution1D", "Convolution2DTranspose", "Convolution3D", "SeparableConvolution2D"):
        assert getattr(layers, name) is getattr(layers, name.replace("olution", ""))

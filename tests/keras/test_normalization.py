"""Normalisation layers: against formulas in float64, finite differences and, where it is installed, real Keras."""

import os

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule import _core, nn
from chainrule.keras import layers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # real Keras on torch raises its own

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape).astype("float32")


def standard(x, axes, epsilon):
    x = x.astype("float64")
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


# ---- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 1, [1, 2], [-2, -1], [1, 3], [1, 2, 3]])
def test_layer_normalization(axis):
    x = normal(3, 4, 5, 6) * 3 + 2
    axes = tuple(a % 4 for a in ([axis] if isinstance(axis, int) else axis))
    layer = layers.LayerNormalization(axis=axis)
    y = layer(x)
    assert [w.shape for w in layer.weights] == [tuple(x.shape[a] for a in axes)] * 2
    np.testing.assert_allclose(y.numpy(), standard(x, axes, 1e-3), rtol=1e-5, atol=1e-5)
    gamma, beta = (normal(*w.shape) for w in layer.weights)
    layer.set_weights([gamma, beta])
    shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
    expected = standard(x, axes, 1e-3) * gamma.reshape(shape) + beta.reshape(shape)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_statistics_keep_small_differences_on_a_large_mean():
    x = (1e4 + rng.standard_normal((8, 300))).astype("float32")
    for y, axes in ((nn.layer_norm(x), (1,)), (nn.batch_norm(x)[0], (0,))):
        np.testing.assert_allclose(y.numpy(), standard(x, axes, 1e-5), atol=5e-3)


def test_rms_and_unit_normalization():
    x = normal(3, 4, 5)
    wanted = x / np.sqrt(np.mean(x.astype("float64") ** 2, -1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(layers.RMSNormalization()(x).numpy(), wanted, rtol=1e-5)
    both = layers.UnitNormalization(axis=[1, 2])(x).numpy()
    np.testing.assert_allclose(both, x / np.linalg.norm(x.reshape(3, -1), axis=1)[:, None, None], rtol=1e-5)
    assert not layers.UnitNormalization()(np.zeros((2, 3), "float32")).numpy().any()


@pytest.mark.parametrize(("groups", "axis"), [(2, -1), (3, -1), (-1, -1), (2, 1), (1, 2)])
def test_group_normalization(groups, axis):
    x = normal(2, 6, 4, 6) if axis != 2 else normal(2, 5, 4)
    y = layers.GroupNormalization(groups, axis=axis)(x).numpy()
    last = np.moveaxis(x, axis, -1)
    count = last.shape[-1] if groups == -1 else groups
    cut = last.reshape(last.shape[0], -1, count, last.shape[-1] // count)
    expected = np.moveaxis(standard(cut, (1, 3), 1e-3).reshape(last.shape), -1, axis)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_normalization_follows_the_batches(axis):
    layer = layers.BatchNormalization(axis=axis, momentum=0.9)
    mean, variance = 0.0, 1.0
    for _ in range(3):
        x = normal(8, 5, 4, 5) * 2 + 1
        axes = tuple(a for a in range(4) if a != axis % 4)
        y = layer(x, training=True).numpy()
        np.testing.assert_allclose(y, standard(x, axes, 1e-3), rtol=1e-5, atol=1e-5)
        mean = mean * 0.9 + x.mean(axes) * 0.1
        variance = variance * 0.9 + x.var(axes) * 0.1
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-5)
    shape = [-1 if a == axis % 4 else 1 for a in range(4)]
    expected = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-3)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-5, atol=1e-5)
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_statistics_are_state_of_the_recorded_step():
    x, y = normal(64, 5) * 3 + 1, normal(64, 1)
    model = keras.Sequential([layers.BatchNormalization(momentum=0.5), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, y, batch_size=64, epochs=6, verbose=0)
    batch = model.layers[0]
    np.testing.assert_allclose(batch.moving_mean.numpy(), x.mean(0) * (1 - 0.5**6), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(batch.moving_variance.numpy(), x.var(0) * (1 - 0.5**6) + 0.5**6, rtol=1e-4)


def test_spectral_normalization_divides_by_the_greatest_singular_value():
    layer = layers.SpectralNormalization(layers.Dense(4), power_iterations=60)
    layer(normal(2, 6))
    kernel = layer.layer.kernel.numpy()
    layer(normal(2, 6), training=True)
    np.testing.assert_allclose(layer.layer.kernel.numpy(), kernel / np.linalg.norm(kernel, 2), rtol=1e-4, atol=1e-6)


# ---- gradients -----------------------------------------------------------------------------------------------------


def numeric(f, x, step=1e-5):
    gradient = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        gradient[place] = (float(f(moved[0])) - float(f(moved[1]))) / (2 * step)
    return gradient


CHANNELS = {
    "batch_norm": lambda x, a, b: nn.batch_norm(x, a, b),
    "group_norm": lambda x, a, b: _core.ops.group_norm(x, a, b, groups=2),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_gradients_of_channel_statistics(name):
    """Of y, mean and variance, and of the gradient once more."""
    x, gamma, beta = rng.standard_normal((3, 2, 4)), rng.uniform(0.5, 1.5, 4), rng.standard_normal(4)
    weights = [rng.standard_normal(np.shape(y)) for y in CHANNELS[name](x, gamma, beta)]

    def f(x, gamma, beta):
        return sum((y * w).sum() for y, w in zip(CHANNELS[name](x, gamma, beta), weights, strict=True))

    values = [x, gamma, beta]
    for k in range(3):

        def of(v, k=k):
            return f(*values[:k], v, *values[k + 1 :])

        first = chainrule.grad(of)
        np.testing.assert_allclose(
            first(chainrule.asarray(values[k])).numpy(), numeric(of, values[k]), rtol=1e-6, atol=1e-7
        )
        u = rng.standard_normal(values[k].shape)

        def along(v, first=first, u=u):
            return (first(chainrule.asarray(v)) * u).sum()

        second = chainrule.grad(along)(chainrule.asarray(values[k])).numpy()
        np.testing.assert_allclose(second, numeric(along, values[k]), rtol=1e-5, atol=1e-6)


def test_bits_do_not_depend_on_threads():
    results = []
    x = normal(64, 20, 20, 12)
    for threads in (1, 2):
        chainrule.set_num_threads(threads)
        keras.utils.set_random_seed(5)
        model = keras.Sequential(
            [
                layers.BatchNormalization(),
                layers.GroupNormalization(4),
                layers.LayerNormalization(),
                layers.RMSNormalization(),
                layers.GlobalAveragePooling2D(),
                layers.Dense(1),
            ]
        )
        model.compile("adam", "mse")
        model.fit(x, x[:, 0, 0, :1], batch_size=32, epochs=2, verbose=0)
        results.append([w.tobytes() for w in model.get_weights()])
    assert results[0] == results[1]


# ---- real Keras ----------------------------------------------------------------------------------------------------

CONFIGURATIONS = [
    ("BatchNormalization", {}, (6, 5)),
    ("BatchNormalization", {"axis": 1, "momentum": 0.8, "epsilon": 1e-2}, (4, 3, 5)),
    ("BatchNormalization", {"center": False}, (4, 3, 2, 5)),
    ("BatchNormalization", {"scale": False}, (4, 3, 5)),
    ("BatchNormalization", {"renorm": True, "renorm_clipping": {"rmax": 1.1, "rmin": 0.9, "dmax": 0.3}}, (6, 5)),
    ("LayerNormalization", {}, (3, 4, 5)),
    ("LayerNormalization", {"axis": [1, 2], "epsilon": 1e-5}, (3, 4, 5)),
    ("LayerNormalization", {"axis": 2, "center": False}, (3, 4, 5)),
    ("LayerNormalization", {"scale": False}, (3, 4, 5)),
    ("RMSNormalization", {}, (3, 4, 5)),
    ("RMSNormalization", {"axis": [1, 2]}, (3, 4, 5)),
    ("GroupNormalization", {"groups": 3}, (2, 4, 4, 6)),
    ("GroupNormalization", {"groups": -1, "axis": 1}, (2, 6, 4)),
    ("UnitNormalization", {}, (3, 4, 5)),
    ("UnitNormalization", {"axis": 1}, (3, 4, 5)),
]


@pytest.mark.parametrize(("name", "options", "shape"), CONFIGURATIONS, ids=str)
def test_same_as_keras(name, options, shape):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    reference = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")
    if reference.backend.backend() != "torch":
        pytest.skip("gradients of real Keras are taken with torch")
    import torch

    theirs, mine = getattr(reference.layers, name)(**options), getattr(layers, name)(**options)
    theirs.build(shape)
    mine.build(shape)
    assert [w.name for w in mine.weights] == [w.name for w in theirs.weights]
    values = [rng.uniform(0.5, 1.5, w.shape).astype("float32") for w in theirs.weights]
    theirs.set_weights(values)
    mine.set_weights(values)
    x, u = normal(*shape), normal(*shape)
    mode = {"training": True} if name == "BatchNormalization" else {}
    torch_x = torch.tensor(x, requires_grad=True)
    expected = theirs(torch_x, **mode)
    wanted = torch.autograd.grad(
        (expected * torch.tensor(u)).sum(), [torch_x, *(w.value for w in theirs.trainable_weights)]
    )
    inputs = chainrule.asarray(x)
    variables = [w.value for w in mine.trainable_weights]
    with chainrule.GradientTape() as tape:
        tape.watch([inputs, *variables])
        y = mine(inputs, **mode)
        loss = (y * u).sum()
    actual = tape.gradient(loss, [inputs, *variables])
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    for mine_g, their_g in zip(actual, wanted, strict=True):
        np.testing.assert_allclose(mine_g.numpy(), their_g.numpy(), rtol=1e-4, atol=2e-5)
    for ours, other in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mine(x).numpy(), reference.ops.convert_to_numpy(theirs(x)), rtol=1e-5, atol=1e-5)
    config, other = mine.get_config(), theirs.get_config()
    assert set(other) <= set(config)
    assert type(mine).from_config(config).get_config() == config
    plain = [k for k, v in other.items() if isinstance(v, (int, float, bool)) or v is None]
    assert {k: config[k] for k in plain} == {k: other[k] for k in plain}


def test_masked_batch_statistics_as_in_keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    reference = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")
    x, mask = normal(4, 6, 3), rng.random((4, 6)) < 0.6
    theirs, mine = reference.layers.BatchNormalization(momentum=0.7), layers.BatchNormalization(momentum=0.7)
    expected = reference.ops.convert_to_numpy(theirs(x, training=True, mask=mask))
    np.testing.assert_allclose(mine(x, training=True, mask=mask).numpy(), expected, rtol=1e-4, atol=1e-5)
    for ours, other in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-6)


# ---- errors --------------------------------------------------------------------------------------------------------


def test_errors_say_what_fits():
    with pytest.raises(ValueError, match="4 groups don't divide the 6 channels"):
        layers.GroupNormalization(4)(normal(2, 6))
    with pytest.raises(ValueError, match="axis 3 is out of bounds"):
        layers.LayerNormalization(axis=3)(normal(2, 6))
    with pytest.raises(ValueError, match="rmax"):
        layers.BatchNormalization(renorm=True, renorm_clipping={"max": 1})
    with pytest.raises(ValueError, match="one axis less"):
        layers.BatchNormalization()(normal(2, 3, 4), training=True, mask=np.ones((2, 3, 4), bool))
    with pytest.raises(ValueError, match="gamma must have shape"):
        nn.layer_norm(normal(2, 6), normal(5))
    with pytest.raises(ValueError, match="neither a 'kernel' nor"):
        layers.SpectralNormalization(layers.ReLU())(normal(2, 6))

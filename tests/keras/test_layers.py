"""Layers, initializers, variables and random numbers against NumPy."""

import copy

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule.keras import initializers, layers, ops

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 4)).astype("float32")


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            layers.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2),
            np.where(X >= 1, 1, np.where(X >= 0.2, X, 0.1 * (X - 0.2))),
        ),
        (layers.LeakyReLU(0.2), np.where(X > 0, X, 0.2 * X)),
        (layers.ELU(0.5), np.where(X > 0, X, 0.5 * np.expm1(X))),
        (layers.PReLU("ones"), X),
        (layers.Softmax(), np.exp(X) / np.exp(X).sum(1, keepdims=True)),
        (layers.Softmax(axis=0), np.exp(X) / np.exp(X).sum(0)),
        (layers.Activation("tanh"), np.tanh(X)),
        (layers.Activation(lambda x: x * 2), 2 * X),
        (layers.Identity(), X),
        (layers.Reshape((2, -1)), X.reshape(6, 2, 2)),
        (layers.RepeatVector(3), np.repeat(X[:, None], 3, 1)),
        (layers.Lambda(lambda x, k: x**k, arguments={"k": 2}), X**2),
        (layers.Dropout(0.5), X),
        (layers.GaussianNoise(0.5), X),
        (layers.ActivityRegularization(0.1), X),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, layers.Layer) else "",
)
def test_layer(layer, expected):
    result = layer(X)
    assert isinstance(result, chainrule.Tensor)
    np.testing.assert_allclose(np.asarray(result), expected, rtol=1e-5, atol=1e-6)
    symbolic = layer(keras.Input((4,)))
    assert symbolic.shape == (None, *expected.shape[1:])
    if not isinstance(layer, (layers.Lambda,)) and not (
        isinstance(layer, layers.Activation) and layer.activation.__name__ == "<lambda>"
    ):
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
        np.testing.assert_allclose(np.asarray(again(X)), expected, rtol=1e-5, atol=1e-6)


def test_flatten_and_permute():
    x = rng.random((5, 3, 4, 2)).astype("float32")
    np.testing.assert_array_equal(np.asarray(layers.Flatten()(x)), x.reshape(5, -1))
    first = np.asarray(layers.Flatten(data_format="channels_first")(x.transpose(0, 3, 1, 2)))
    np.testing.assert_array_equal(first, x.reshape(5, -1))
    np.testing.assert_array_equal(np.asarray(layers.Permute((3, 1, 2))(x)), x.transpose(0, 3, 1, 2))
    assert layers.Flatten()(np.zeros(5, np.float32)).shape == (5, 1)
    with pytest.raises(ValueError, match="can't make samples"):
        layers.Reshape((5, 5))(x)


def test_merges():
    a, b = X, X[::-1].copy()
    for layer, expected in (
        (layers.Add(), a + b),
        (layers.Subtract(), a - b),
        (layers.Multiply(), a * b),
        (layers.Average(), (a + b) / 2),
        (layers.Maximum(), np.maximum(a, b)),
        (layers.Minimum(), np.minimum(a, b)),
        (layers.Concatenate(axis=1), np.concatenate([a, b], 1)),
    ):
        np.testing.assert_allclose(np.asarray(layer([a, b])), expected, rtol=1e-6)
        assert layer([keras.Input((4,)), keras.Input((4,))]).shape == (None, *expected.shape[1:])
    with pytest.raises(ValueError, match="at least two"):
        layers.Add()([a])


def test_dense():
    dense = layers.Dense(3, activation="relu", bias_initializer="ones")
    w, b = (v.numpy() for v in (dense(X), dense.kernel, dense.bias)[1:])
    np.testing.assert_allclose(np.asarray(dense(X)), np.maximum(X @ w + b, 0), rtol=1e-5, atol=1e-6)
    x3 = rng.random((2, 5, 4)).astype("float32")
    np.testing.assert_allclose(np.asarray(dense(x3)), np.maximum(x3 @ w + b, 0), rtol=1e-5, atol=1e-6)
    assert dense.count_params() == 15
    assert (b == 1).all()
    assert [v.path for v in layers.Dense(2, use_bias=False, name="d")(X) is not None and dense.weights][0].endswith(
        "kernel"
    )


def test_float64_layers():
    dense = layers.Dense(3, dtype="float64")
    assert np.asarray(dense(X)).dtype == np.float64
    assert dense.kernel.dtype == "float64"


def test_dropout_statistics():
    layer = layers.Dropout(0.25, seed=1)
    x = np.ones((400, 500), np.float32)
    y = np.asarray(layer(x, training=True))
    kept = y != 0
    assert kept.mean() == pytest.approx(0.75, abs=0.005)
    assert np.allclose(y[kept], 1 / 0.75)
    z = np.asarray(layer(x, training=True))
    assert (kept & (z != 0)).mean() == pytest.approx(0.75**2, abs=0.01)  # masks of different calls are independent
    again = layers.Dropout(0.25, seed=1)
    assert (np.asarray(again(x, training=True)) == y).all()
    shared = np.asarray(layers.Dropout(0.5, noise_shape=(None, 1))(x, training=True))
    assert (shared == shared[:, :1]).all()
    noise = np.asarray(layers.GaussianNoise(0.3)(x, training=True)) - 1
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert abs(noise.mean()) < 0.005


def test_dropout_gradient_uses_the_same_mask():
    layer = layers.Dropout(0.5, seed=3)
    x = chainrule.asarray(np.ones((50, 50), np.float32))
    with chainrule.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        total = ops.sum(y)
    np.testing.assert_array_equal(np.asarray(tape.gradient(total, x)), np.asarray(y))


def test_dropout_trains_with_the_same_mask_when_recorded():
    """d(sum of dropout(x) w)/dw is the dropped x itself: one SGD step tells whether forward and backward agree."""
    model = keras.Sequential([keras.Input((30,)), layers.Dropout(0.5, seed=4), layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), lambda y, p: p)
    w = rng.standard_normal((30, 1)).astype("float32")
    model.set_weights([w])
    loss = model.train_on_batch(np.ones((1, 30)), np.zeros((1, 1)))
    mask = w - model.get_weights()[0]
    assert set(np.round(mask.ravel(), 4).tolist()) <= {0.0, 2.0}
    assert loss == pytest.approx((mask * w).sum(), rel=1e-4)


INITIALIZERS = {
    "RandomNormal": ({"mean": 1.0, "stddev": 0.2}, 1.0, 0.2),
    "RandomUniform": ({"minval": -1.0, "maxval": 3.0}, 1.0, 4 / 12**0.5),
    "TruncatedNormal": ({"stddev": 1.0}, 0.0, 0.87962566103423978),
    "GlorotUniform": ({}, 0.0, (2 / 700) ** 0.5),
    "GlorotNormal": ({}, 0.0, (2 / 700) ** 0.5),
    "HeUniform": ({}, 0.0, (2 / 400) ** 0.5),
    "HeNormal": ({}, 0.0, (2 / 400) ** 0.5),
    "LecunUniform": ({}, 0.0, (1 / 400) ** 0.5),
    "LecunNormal": ({}, 0.0, (1 / 400) ** 0.5),
    "VarianceScaling": ({"scale": 3.0, "mode": "fan_out", "distribution": "untruncated_normal"}, 0.0, (3 / 300) ** 0.5),
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_random_initializers(name):
    options, mean, deviation = INITIALIZERS[name]
    make = getattr(initializers, name)
    values = np.asarray(make(**options, seed=5)((400, 300), dtype="float32"))
    assert values.dtype == np.float32
    assert values.mean() == pytest.approx(mean, abs=5 * deviation / 346)
    assert values.std() == pytest.approx(deviation, rel=0.01)
    assert (np.asarray(make(**options, seed=5)((400, 300))) == values).all()
    assert not (np.asarray(make(**options, seed=6)((400, 300))) == values).all()
    assert make.from_config(make(**options, seed=5).get_config()).get_config() == make(**options, seed=5).get_config()
    if "Truncated" in name or name in ("GlorotNormal", "HeNormal", "LecunNormal"):
        assert np.abs(values).max() <= 2 * deviation / 0.87962566103423978 * 1.0001
    if "Uniform" in name and name != "RandomUniform":
        assert np.abs(values).max() <= deviation * 3**0.5


def test_other_initializers():
    q = np.asarray(initializers.Orthogonal(gain=2.0, seed=1)((30, 50)))
    np.testing.assert_allclose(q @ q.T, 4 * np.eye(30), atol=1e-4)
    q = np.asarray(initializers.Orthogonal(seed=1)((3, 4, 5)))
    np.testing.assert_allclose(q.reshape(12, 5).T @ q.reshape(12, 5), np.eye(5), atol=1e-5)
    assert (np.asarray(initializers.Identity(3.0)((3, 3))) == 3 * np.eye(3)).all()
    assert (np.asarray(initializers.get("zeros")((2, 3))) == 0).all()
    assert (np.asarray(initializers.Ones()((2,))) == 1).all()
    assert np.asarray(initializers.Constant([1, 2])((3, 2))).tolist() == [[1, 2]] * 3
    assert layers.Dense(2, kernel_initializer=keras.ops.ones)(X).shape == (6, 2)
    with pytest.raises(ValueError, match="positive"):
        initializers.VarianceScaling(scale=0)


def test_seeds():
    weights = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        weights.append([layers.Dense(3)(X).numpy(), np.random.rand(), np.asarray(keras.random.normal((3,)))])
    assert (weights[0][0] == weights[1][0]).all()
    assert weights[0][1] == weights[1][1]
    assert (weights[0][2] == weights[1][2]).all()
    assert not (weights[0][0] == weights[2][0]).all()
    generator = keras.random.SeedGenerator(3)
    first, second = (np.asarray(keras.random.uniform((4,), seed=generator)) for _ in range(2))
    assert not (first == second).any()
    assert (np.asarray(keras.random.uniform((4,), seed=3)) == np.asarray(keras.random.uniform((4,), seed=3))).all()


def test_variable():
    v = keras.Variable([[1.0, 2.0], [3.0, 4.0]], name="v")
    head = v.value
    assert v.dtype == "float32"
    assert v.shape == (2, 2)
    assert v.ndim == 2
    assert v.name == "v"
    v.assign_add(np.ones((2, 2)))
    v.assign_sub([1.0, 0.0])
    assert v.numpy().tolist() == [[1, 3], [3, 5]]
    assert v.value is head
    assert np.asarray(v + 1).tolist() == [[2, 4], [4, 6]]
    assert np.asarray(2 * v).tolist() == [[2, 6], [6, 10]]
    assert np.asarray(X[:, :2] @ v).shape == (6, 2)
    assert np.asarray(chainrule.asarray(X[:, :2]) @ v).shape == (6, 2)
    assert np.asarray(ops.exp(v)).shape == (2, 2)
    assert float(ops.sum(v)) == 12
    with pytest.raises(ValueError, match=r"shape \(2, 2\).*\(3,\)"):
        v.assign([1.0, 2.0, 3.0])
    other = copy.deepcopy(v)
    other.assign(np.zeros((2, 2)))
    assert v.numpy().sum() == 12
    source = np.ones(3, np.float32)
    owner = keras.Variable(source)
    source[:] = 5
    assert owner.numpy().tolist() == [1, 1, 1]


def test_gradient_with_respect_to_variables():
    dense = layers.Dense(1)
    dense(X)
    with chainrule.GradientTape() as tape:
        loss = ops.mean(ops.square(dense(X)))
    kernel, bias = tape.gradient(loss, dense.trainable_weights)
    p = X @ dense.kernel.numpy() + dense.bias.numpy()
    np.testing.assert_allclose(np.asarray(kernel), 2 * X.T @ p / 6, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.asarray(bias), 2 * p.mean(0), rtol=1e-5, atol=1e-6)


def test_nested_layers_are_tracked():
    class Block(layers.Layer):
        def __init__(self, n):
            super().__init__()
            self.parts = {"a": [layers.Dense(n), layers.Dense(n)], "b": layers.Dense(2)}
            self.scale = keras.Variable(2.0, name="scale")
            self.fixed = self.add_weight(shape=(), initializer="ones", trainable=False, name="fixed")

        def call(self, x):
            for part in self.parts["a"]:
                x = part(x)
            return self.parts["b"](x) * self.scale * self.fixed

    block = Block(3)
    assert block(X).shape == (6, 2)
    assert len(block.weights) == 8
    assert len(block.trainable_weights) == 7
    assert len(block.non_trainable_weights) == 1
    block.trainable = False
    assert block.trainable_weights == []
    assert len(block.non_trainable_weights) == 8
    block.trainable = True
    assert len(block.trainable_weights) == 7
    assert type(block).from_config(block.get_config()).parts["b"].units == 2


def test_stateless_call():
    dense = layers.Dense(2)
    dense(X)
    outputs, rest = dense.stateless_call([np.zeros((4, 2)), np.ones(2)], [], X)
    assert (np.asarray(outputs) == 1).all()
    assert rest == []
    assert not (dense.kernel.numpy() == 0).all()


def test_utils():
    assert keras.utils.to_categorical([0, 2], 3).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert keras.utils.to_categorical(np.array([[1], [0]])).tolist() == [[0, 1], [1, 0]]
    np.testing.assert_allclose(np.linalg.norm(keras.utils.normalize(X), axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.abs(keras.utils.normalize(X, axis=0, order=1)).sum(0), 1, rtol=1e-5)
    assert keras.backend.epsilon() == 1e-7
    assert keras.backend.floatx() == "float32"
    assert keras.config.image_data_format() == "channels_last"
    keras.config.set_floatx("float64")
    try:
        assert layers.Dense(2)(X).dtype == np.float64
    finally:
        keras.config.set_floatx("float32")


def test_float64_model_trains():
    keras.config.set_floatx("float64")
    try:
        model = keras.Sequential([keras.Input((4,)), layers.Dense(2, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(X, [0, 1, 0, 1, 0, 1], epochs=3, verbose=0)
        assert history.history["loss"][2] < history.history["loss"][0]
        assert model.get_weights()[0].dtype == np.float64
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.parametrize(
    "module", ["losses", "metrics", "optimizers", "activations", "initializers", "regularizers", "constraints"]
)
def test_serialization(module):
    """Every class on file goes through serialize and deserialize."""
    home = getattr(keras, module)
    registry = home._registry
    skipped = {
        "MeanMetricWrapper",
        "Constant",
        "LossScaleOptimizer",
        "MultiOptimizer",
        "OptimizerMap",
    }  # need arguments
    classes = {v for v in registry._objects.values() if isinstance(v, type) and v.__name__ not in skipped}
    if module == "metrics":  # those that need arguments are in test_metrics.py
        classes = {cls for cls in classes if not cls.__name__.endswith("IoU") and "At" not in cls.__name__}
    for cls in classes:
        original = cls()
        again = home.deserialize(home.serialize(original))
        assert type(again) is cls, cls
        assert again.get_config() == original.get_config(), cls
    for name, value in registry._objects.items():
        if not isinstance(value, type):
            assert home.get(name) is value
            assert home.deserialize(home.serialize(value)) is value
    assert home.get(None) is (keras.activations.linear if module == "activations" else None)


def test_registered_objects():
    @keras.saving.register_keras_serializable(package="mine")
    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

    model = keras.Sequential([keras.Input((4,)), Twice()])
    again = keras.models.model_from_json(model.to_json())
    np.testing.assert_allclose(again.predict(X), 2 * X)

    class Unknown(layers.Layer):
        def call(self, x):
            return x

    text = keras.Sequential([keras.Input((4,)), Unknown()]).to_json()
    with pytest.raises(ValueError, match="custom_objects"):
        keras.models.model_from_json(text)
    assert keras.models.model_from_json(text, custom_objects={"Unknown": Unknown}).predict(X).shape == (6, 4)


def test_paths_of_weights_name_the_layers_around_them():
    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = layers.Dense(2, name="inner")

        def build(self, input_shape):
            self.scale = self.add_weight(shape=(), name="scale")

        def call(self, inputs):
            return self.inner(inputs) * self.scale

    class Net(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.block = Block(name="block")

        def call(self, inputs):
            return self.block(inputs)

    net = Net()
    net(np.ones((1, 3)))
    assert [w.path for w in net.weights] == ["net/block/scale", "net/block/inner/kernel", "net/block/inner/bias"]
    assert net.block.inner.path == "net/block/inner"


def test_build_and_output_shape_by_the_names_of_call_arguments():
    class Mix(layers.Layer):
        def build(self, memory_shape, query_shape):
            self.kernel = self.add_weight(shape=(query_shape[-1], memory_shape[-1]))

        def call(self, query, memory, scale=None):
            return ops.matmul(query, self.kernel) + memory

        def compute_output_shape(self, query_shape, memory_shape):
            return (*query_shape[:-1], memory_shape[-1])

    assert Mix()(np.ones((2, 3)), np.ones((2, 5))).shape == (2, 5)
    assert Mix()(np.ones((2, 3)), memory=np.ones((2, 5))).shape == (2, 5)
    assert Mix()(keras.Input((3,)), keras.Input((5,))).shape == (None, 5)

    class Wrong(layers.Layer):
        def build(self, first, second):
            pass

        def call(self, query, memory):
            return query

    with pytest.raises(ValueError, match="named after an argument of call"):
        Wrong()(np.ones((2, 3)), np.ones((2, 5)))


def test_nested_output_shapes_and_subclasses_with_weights():
    class Two(layers.Layer):
        def call(self, inputs):
            raise AssertionError("symbolic calls need only the shape")

        def compute_output_shape(self, input_shape):
            return {"a": input_shape, "b": [(None, 1), input_shape]}

    outputs = Two()(keras.Input((4,)))
    assert outputs["a"].shape == (None, 4)
    assert [t.shape for t in outputs["b"]] == [(None, 1), (None, 4)]

    class Scaled(layers.ReLU):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")

        def call(self, inputs):
            return super().call(inputs) * self.scale

    layer = Scaled()
    assert not layer.built
    assert layer(np.ones((1, 3))).shape == (1, 3)
    assert len(layer.weights) == 1
    assert layers.ReLU().built


def test_masks_of_products_and_softmax():
    masked = layers.Masking()(np.array([[[0.0, 0], [1, 2], [0, 0], [3, 4]]]))
    other = np.array([[[0.0, 0], [5, 5], [1, 2], [3, 4]]])
    np.testing.assert_array_equal(layers.Multiply()([masked, other])[0], [[0, 0], [5, 10], [1, 2], [9, 16]])
    row = layers.Softmax()(np.array([[1.0, 1, 5], [1, 1, 1]]), mask=np.array([[True, True, False], [False] * 3]))
    np.testing.assert_allclose(row, [[0.5, 0.5, 0], [0, 0, 0]], rtol=1e-6)
    with pytest.raises(ValueError, match="mask must broadcast"):
        layers.Softmax()(np.ones((1, 3)), mask=np.ones((2, 3), bool))
    np.testing.assert_array_equal(layers.ReLU(threshold=5)(np.array([5.0, 6])), [0, 6])

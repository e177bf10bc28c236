"""Dtype policies: what layers compute in and hold, against Keras' meaning; training in half types."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras

layers = keras.layers


@pytest.fixture(autouse=True)
def policy_as_before() -> Iterator[None]:
    yield
    keras.dtype_policies.forget_policy()


def test_policies() -> None:
    policy = keras.DTypePolicy("mixed_bfloat16")
    assert (policy.name, policy.compute_dtype, policy.variable_dtype) == ("mixed_bfloat16", "bfloat16", "float32")
    assert keras.DTypePolicy("float16").variable_dtype == "float16"
    assert repr(policy) == '<DTypePolicy "mixed_bfloat16">'
    assert policy == keras.dtype_policies.get("mixed_bfloat16") != keras.DTypePolicy("float32")
    assert keras.dtype_policies.deserialize(keras.dtype_policies.serialize(policy)) == policy
    assert keras.mixed_precision.global_policy().name == "float32"
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    assert keras.config.dtype_policy() == policy
    dense = layers.Dense(3)
    assert (dense.dtype_policy, dense.compute_dtype, dense.dtype) == (policy, "bfloat16", "float32")
    assert layers.Dense.from_config(dense.get_config()).dtype_policy == policy
    assert layers.Dense(3, dtype="float32").compute_dtype == "float32"
    keras.utils.clear_session()
    assert keras.config.dtype_policy().name == "float32"
    with pytest.raises(ValueError, match="Cannot convert 'mixed_int8'"):
        keras.DTypePolicy("mixed_int8")
    with pytest.raises(ValueError, match="Invalid `policy`"):
        keras.config.set_dtype_policy(3)


def test_layers_see_inputs_and_weights_in_the_compute_type() -> None:
    seen = []

    class Inner(layers.Layer):
        def build(self, shape: Any) -> None:
            self.w = self.add_weight((shape[-1],), "ones", name="w")
            self.steps = self.add_weight((), "zeros", autocast=False, trainable=False, name="steps")

        def call(self, x: Any) -> Any:
            seen.append((x.dtype.name, self.w.dtype, self.w.value.dtype.name, self.steps.value.dtype.name))
            self.steps.assign_add(1.0)
            return x * self.w

    class Outer(layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.inner, self.whole = Inner(), Inner(dtype="float32")

        def call(self, x: Any) -> Any:
            return self.whole(self.inner(x))

    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = Outer()
    y = layer(np.ones((2, 3), np.float32))
    assert y.dtype == "float32"
    assert seen == [("bfloat16", "bfloat16", "bfloat16", "float32"), ("float32",) * 4]
    assert [v.dtype for v in layer.weights] == ["float32"] * 4
    assert float(layer.inner.steps.value) == 1
    assert layer(np.ones((2, 3), np.int64)).dtype == "float32"


def test_gradients_reach_float32_weights() -> None:
    dense = layers.Dense(4, dtype="mixed_bfloat16")
    x = np.random.default_rng(0).standard_normal((8, 5)).astype("float32")
    dense(x)
    with chainrule.GradientTape() as tape:
        loss = keras.ops.sum(keras.ops.cast(dense(x), "float32"))
    gradient = tape.gradient(loss, dense.kernel.value)
    assert gradient.dtype == "float32"
    np.testing.assert_allclose(gradient.numpy(), np.repeat(x.sum(0)[:, None], 4, 1), rtol=2**-7, atol=0.05)


def test_statistics_are_float32() -> None:
    """A mean of 300 in float16 squares beyond its range; bfloat16's moving mean would stand still."""
    x = np.random.default_rng(1).normal(300, 1, (64, 8)).astype("float32")
    for policy in ("mixed_float16", "mixed_bfloat16"):
        batch = layers.BatchNormalization(dtype=policy, momentum=0.999)
        y = batch(x, training=True)
        assert y.dtype == batch.compute_dtype
        assert batch.moving_mean.dtype == batch.gamma.dtype == "float32"
        np.testing.assert_allclose(batch.moving_mean.numpy(), 0.3, rtol=1e-2)
        for layer in (layers.LayerNormalization(dtype=policy), layers.GroupNormalization(2, dtype=policy)):
            y = layer(x)
            assert y.dtype == layer.compute_dtype
            assert np.isfinite(y.astype("float32").numpy()).all()


MAKERS = {
    "dense": (lambda k: k.layers.Dense(5, activation="tanh"), (3, 6)),
    "conv": (lambda k: k.layers.Conv2D(4, 3, activation="relu"), (2, 9, 9, 6)),
    "batch norm": (lambda k: k.layers.BatchNormalization(), (2, 9, 9, 6)),
    "layer norm": (lambda k: k.layers.LayerNormalization(), (2, 7, 6)),
    "lstm": (lambda k: k.layers.LSTM(4, return_sequences=True, return_state=True), (2, 7, 6)),
    "gru": (lambda k: k.layers.Bidirectional(k.layers.GRU(3)), (2, 7, 6)),
    "attention": (lambda k: k.layers.MultiHeadAttention(2, 4), ((2, 7, 6), (2, 7, 6))),
    "pool": (lambda k: k.layers.AveragePooling2D(2), (2, 8, 8, 3)),
    "softmax": (lambda k: k.layers.Softmax(), (3, 6)),
    "whole": (lambda k: k.layers.Dense(3, dtype="float32"), (3, 6)),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras raises its own
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", MAKERS)
def test_outputs_and_types_are_keras(name: str, policy: str) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    reference = pytest.importorskip("keras", reason="compares with Keras")
    make, shape = MAKERS[name]
    rng = np.random.default_rng(2)
    shapes = shape if isinstance(shape[0], tuple) else (shape,)
    inputs = [rng.standard_normal(s).astype("float32") for s in shapes]
    theirs, ours = make_with(reference, make, policy), make_with(keras, make, policy)
    expected = reference.tree.flatten(theirs(*inputs))
    ours(*inputs)
    ours.set_weights([np.asarray(w) for w in theirs.get_weights()])
    assert [v.dtype for v in ours.weights] == [v.dtype for v in theirs.weights]
    for y, wanted in zip(keras.tree.flatten(ours(*inputs)), expected, strict=True):
        assert y.dtype.name == reference.backend.standardize_dtype(wanted.dtype)
        values = np.asarray(reference.ops.convert_to_numpy(reference.ops.cast(wanted, "float32")), "float64")
        np.testing.assert_allclose(y.astype("float64").numpy(), values, atol=2**-6 * np.abs(values).max())


def make_with(namespace: Any, make: Any, policy: str) -> Any:
    namespace.config.set_dtype_policy(policy)
    try:
        return make(namespace)
    finally:
        namespace.config.set_dtype_policy("float32")


def network(policy: str) -> Any:
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_digits_train_as_in_float32(policy: str) -> None:
    (x_train, y_train), (x_test, y_test) = chainrule.datasets.digits.load_data()
    x_train, x_test = (x[..., None].astype("float32") / 16 for x in (x_train, x_test))
    accuracies = []
    for name in ("float32", policy):
        model = network(name)
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (name == "mixed_float16")
        model.fit(x_train, y_train, epochs=8, batch_size=32, verbose=0)
        accuracies.append(model.evaluate(x_test, y_test, verbose=0)[1])
    assert accuracies[0] > 0.9
    assert accuracies[1] > accuracies[0] - (0.05 if policy == "bfloat16" else 0.01)
    assert {v.dtype for v in model.weights} == {"bfloat16" if policy == "bfloat16" else "float32"}
    assert model.predict(x_test[:4], verbose=0).dtype == ("float32" if "bfloat16" in policy else "float16")


def test_same_weights_for_any_number_of_threads() -> None:
    x = np.random.default_rng(3).random((64, 8, 8, 1)).astype("float32")
    y = np.arange(64) % 10
    weights = []
    for threads in (1, 2):
        chainrule.set_num_threads(threads)
        model = network("mixed_bfloat16")
        model.fit(x, y, epochs=1, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_loss_is_computed_from_logits_in_float32() -> None:
    """A probability that bfloat16 rounds to 1 still has its loss."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, activation="softmax", dtype="mixed_bfloat16")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.set_weights([np.array([[8.0, 0], [0, 0]]), np.zeros(2)])
    loss = model.evaluate(np.array([[1.0, 0]]), np.array([0]), verbose=0)
    assert loss == pytest.approx(np.log1p(np.exp(-8)), rel=1e-4)


def test_saved_and_loaded(tmp_path: Any) -> None:
    pytest.importorskip("h5py", reason="writes model files")
    model = network("mixed_bfloat16")
    model.train_on_batch(np.zeros((4, 8, 8, 1)), np.zeros(4))
    path = tmp_path / "model.keras"
    model.save(path)
    keras.config.set_dtype_policy("float32")
    loaded = keras.saving.load_model(path)
    assert [layer.dtype_policy.name for layer in loaded.layers] == ["mixed_bfloat16"] * 5
    x = np.random.default_rng(4).random((3, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_matmul_of_bytes_gives_int32() -> None:
    a, b = np.full((2, 3), 100, np.int8), np.full((3, 2), 5, np.int8)
    y = keras.ops.matmul(a, b)
    assert y.dtype == "int32"
    assert y.tolist() == [[1500, 1500]] * 2

"""Masks: made by Masking, passed on by layers, used by losses, metrics and layers; against formulas in NumPy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import layers
from chainrule.keras.masking import get_mask


def ragged(batch: int = 4, steps: int = 5, features: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """(inputs whose rows end early with zeros, the mask)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, steps, features)).astype("float32")
    mask = np.arange(steps) < rng.integers(1, steps + 1, batch)[:, None]
    return np.where(mask[..., None], x, 0.0).astype("float32"), mask


class TestPropagation:
    def test_masking_marks_rows_of_the_mask_value(self) -> None:
        x, mask = ragged()
        y = layers.Masking(7.0)(np.where(mask[..., None], x, 7.0))
        np.testing.assert_array_equal(get_mask(y).numpy(), mask)
        np.testing.assert_array_equal(y.numpy(), x)

    @pytest.mark.parametrize(
        "layer",
        [
            layers.Dense(2),
            layers.Activation("tanh"),
            layers.Dropout(0.5),
            layers.TimeDistributed(layers.Dense(2)),
            layers.Identity(),
            layers.ReLU(),
        ],
        ids=lambda layer: type(layer).__name__,
    )
    def test_layers_pass_masks_on(self, layer: layers.Layer) -> None:
        x, mask = ragged()
        np.testing.assert_array_equal(get_mask(layer(layers.Masking()(x))).numpy(), mask)

    def test_a_layer_without_masks_warns_and_drops_it(self) -> None:
        x, _ = ragged()
        with pytest.warns(UserWarning, match="doesn't support masking"):
            y = layers.Flatten()(layers.Masking()(x))
        assert get_mask(y) is None

    def test_a_cast_keeps_the_mask(self) -> None:
        x, mask = ragged()
        y = layers.Dense(2, dtype="float64")(layers.Masking()(x))
        assert y.dtype == "float64"
        np.testing.assert_array_equal(get_mask(y).numpy(), mask)

    def test_call_gets_the_mask_or_the_one_given(self) -> None:
        class Count(layers.Layer):
            def call(self, inputs, mask=None):
                return keras.ops.sum(keras.ops.cast(mask, "int32"), axis=1)

            def compute_mask(self, inputs, mask=None):
                return None

        x, mask = ragged()
        layer = Count()
        np.testing.assert_array_equal(layer(layers.Masking()(x)).numpy(), mask.sum(1))
        np.testing.assert_array_equal(layer(x, mask=~mask).numpy(), (~mask).sum(1))

    def test_masks_of_several_arguments_have_the_arguments_names(self) -> None:
        class Pair(layers.Layer):
            def call(self, query, value, query_mask=None, value_mask=None):
                return keras.ops.stack([keras.ops.sum(m) for m in (query_mask, value_mask)])

        x, mask = ragged()
        z = x.copy()
        z[:, 1:] = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sums = Pair()(layers.Masking()(x), layers.Masking()(z)).numpy()
        np.testing.assert_array_equal(sums, [mask.sum(), len(x)])

    def test_merging(self) -> None:
        x, mask = ragged()
        other = np.roll(mask, 1, axis=0)
        a, b = layers.Masking()(x), layers.Masking()(np.where(other[..., None], x + 1, 0))
        for merge in (layers.Add(), layers.Average(), layers.Concatenate(axis=-1)):
            np.testing.assert_array_equal(get_mask(merge([a, b])).numpy(), mask | other)
        np.testing.assert_array_equal(get_mask(layers.Concatenate(axis=1)([a, b])).numpy(), np.hstack([mask, other]))
        assert get_mask(layers.Add()([a, x])) is None

    def test_average_pooling_counts_what_the_mask_counts(self) -> None:
        x, mask = ragged()
        y = layers.GlobalAveragePooling1D()(layers.Masking()(x))
        assert get_mask(y) is None
        np.testing.assert_allclose(y.numpy(), x.sum(1) / mask.sum(1, keepdims=True), rtol=1e-6)


class TestModels:
    def model(self, kind: str) -> keras.Model:
        if kind == "sequential":
            return keras.Sequential([layers.Masking(), layers.Dense(3, activation="tanh"), layers.Dense(2)])
        x = keras.Input((None, 3))
        inner = keras.Model(x, layers.Dense(3, activation="tanh")(layers.Masking()(x)))
        if kind == "functional":
            return keras.Model(x, layers.Dense(2)(inner(x)))

        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.inner, self.outer = inner, layers.Dense(2)

            def call(self, inputs):
                return self.outer(self.inner(inputs))

        return Own()

    @pytest.mark.parametrize("kind", ["sequential", "functional", "subclass"])
    def test_loss_and_metrics_see_the_mask(self, kind: str) -> None:
        x, mask = ragged()
        y = np.random.default_rng(1).normal(size=(4, 5, 2)).astype("float32")
        weights = np.linspace(0.5, 2, 4).astype("float32")
        model = self.model(kind)
        model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mse"])
        for eager in (False, True):
            model.run_eagerly = eager
            error = model.predict(x) - y
            squares = np.square(error).mean(-1)
            loss, mae, weighted = model.evaluate(x, y, verbose=0, sample_weight=weights)
            assert loss == pytest.approx((squares * weights[:, None] * mask).sum() / mask.sum(), rel=1e-5)
            assert mae == pytest.approx(np.abs(error).mean(-1)[mask].mean(), rel=1e-5)
            share = weights[:, None] * mask
            assert weighted == pytest.approx((squares * share).sum() / share.sum(), rel=1e-5)

    def test_masked_steps_have_no_gradient(self) -> None:
        x, mask = ragged()
        y = np.ones((4, 5, 2), "float32")
        wild = np.where(mask[..., None], y, 1e6).astype("float32")
        results = []
        for targets in (y, wild):
            keras.utils.set_random_seed(0)
            model = self.model("sequential")
            model.compile("sgd", "mse")
            model.fit(x, targets, epochs=3, batch_size=2, verbose=0, shuffle=False)
            results.append(model.get_weights())
        for a, b in zip(*results, strict=True):
            np.testing.assert_array_equal(a, b)

    def test_a_repeated_call_still_gives_the_mask(self) -> None:
        x, mask = ragged()
        model = self.model("functional")
        for _ in range(4):
            np.testing.assert_array_equal(get_mask(model(x)).numpy(), mask)

    def test_a_mask_given_to_a_model_reaches_its_layers_and_not_the_callers_tensor(self) -> None:
        x, mask = ragged()
        inputs = keras.Input((5, 3))
        model = keras.Model(inputs, layers.GlobalAveragePooling1D()(inputs))
        tensor = keras.ops.convert_to_tensor(x)
        expected = x.sum(1) / mask.sum(1, keepdims=True)
        np.testing.assert_allclose(model(tensor, mask=mask).numpy(), expected, rtol=1e-6)
        assert get_mask(tensor) is None

    def test_embedding(self) -> None:
        x = np.array([[3, 1, 0], [2, 0, 0]])
        symbolic = keras.Input((None,), dtype="int32")
        y = layers.Embedding(5, 2, mask_zero=True)(symbolic)
        model = keras.Model(symbolic, [y, layers.GlobalAveragePooling1D()(y)])
        rows, mean = model(x)
        np.testing.assert_array_equal(get_mask(rows).numpy(), x != 0)
        np.testing.assert_allclose(mean.numpy()[1], rows.numpy()[1, 0], rtol=1e-6)

    def test_symbolic_tensors_have_symbolic_masks(self) -> None:
        y = layers.Dense(2)(layers.Masking()(keras.Input((5, 3))))
        assert get_mask(y).shape == (None, 5)
        assert get_mask(y).dtype == "bool"


class TestTimeDistributed:
    @pytest.mark.parametrize("folded", [True, False])
    def test_applies_the_layer_to_each_step(self, folded: bool) -> None:
        class Own(layers.Dense):
            pass

        x = np.random.default_rng(2).normal(size=(2, 4, 5, 3)).astype("float32")
        inner = layers.Dense(6, activation="relu") if folded else Own(6, activation="relu")
        layer = layers.TimeDistributed(inner)
        y = layer(x)
        expected = np.maximum(x @ inner.kernel.numpy() + inner.bias.numpy(), 0)
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-6)
        assert layer.compute_output_shape((None, 4, 5, 3)) == (None, 4, 5, 6)

    def test_config(self) -> None:
        layer = layers.TimeDistributed(layers.Dense(6), name="each")
        again = layers.deserialize(layers.serialize(layer))
        assert (again.name, again.layer.units) == ("each", 6)
        assert again.get_config() == layer.get_config()

    def test_names_what_is_wrong(self) -> None:
        with pytest.raises(ValueError, match="at least 3 axes"):
            layers.TimeDistributed(layers.Dense(2))(np.zeros((2, 3)))
        with pytest.raises(ValueError, match="wraps a layer"):
            layers.TimeDistributed(lambda x: x)

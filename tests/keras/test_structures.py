"""Several inputs and outputs: how data, losses, metrics and weights find their places; clones; parts of graphs."""

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import layers

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(8, 3)).astype("float32")
Y1 = GENERATOR.normal(size=(8, 1)).astype("float32")
Y2 = GENERATOR.integers(0, 2, (8, 1)).astype("float32")


def two_outputs(kind=list):
    x = keras.Input((3,), name="x")
    a = layers.Dense(1, name="a")(x)
    b = layers.Dense(1, activation="sigmoid", name="b")(x)
    return keras.Model(x, {"a": a, "b": b} if kind is dict else kind([a, b]))


def losses_of(model, y, **options):
    model.compile("sgd", **options)
    return model.evaluate(X, y, verbose=0, return_dict=True)


@pytest.mark.parametrize("kind", [list, tuple, dict])
@pytest.mark.parametrize(
    ("loss", "weights"),
    [
        (["mse", "binary_crossentropy"], [2.0, 0.5]),
        ({"a": "mse", "b": "binary_crossentropy"}, {"a": 2.0, "b": 0.5}),
        ({"a": "mse", "b": ["crossentropy"]}, [2.0, 0.5]),
    ],
)
def test_losses_find_their_outputs(kind, loss, weights):
    model = two_outputs(kind)
    y = {"a": Y1, "b": Y2} if kind is dict else (Y1, Y2)
    logs = losses_of(model, y, loss=loss, loss_weights=weights)
    assert set(logs) == {"loss", "a_loss", "b_loss"}
    predictions = model.predict(X, verbose=0)
    a, b = (predictions[k] for k in "ab") if kind is dict else predictions
    mse = np.mean((a - Y1) ** 2)
    entropy = -np.mean(Y2 * np.log(b) + (1 - Y2) * np.log(1 - b))
    expected = [2 * mse + entropy / 2, mse, entropy]
    np.testing.assert_allclose([logs["loss"], logs["a_loss"], logs["b_loss"]], expected, rtol=1e-5)


def test_loss_of_some_outputs():
    logs = losses_of(two_outputs(), Y2, loss=[None, "mse"])
    assert set(logs) == {"loss"}
    logs = losses_of(two_outputs(dict), {"b": Y2}, loss={"b": "mse"})
    assert set(logs) == {"loss"}


def test_loss_of_all_outputs_together():
    def product(y_true, y_pred):
        assert set(y_true) == set(y_pred) == {"a", "b"}
        return (y_pred["a"] - y_true["a"]) * (y_pred["b"] - y_true["b"])

    model = two_outputs(dict)
    logs = losses_of(model, {"a": Y1, "b": Y2}, loss=[product, {"a": "mse", "b": "mae"}])
    assert set(logs) == {"loss", "a_b_loss", "a_loss", "b_loss"}
    np.testing.assert_allclose(logs["loss"], logs["a_b_loss"] + logs["a_loss"] + logs["b_loss"], rtol=1e-5)


def test_metrics_keep_their_names():
    mse = keras.metrics.MeanSquaredError()
    model = two_outputs()
    model.compile(
        "sgd",
        {"a": "mse", "b": "mse"},
        metrics={"a": [mse], "b": ["accuracy"]},
        weighted_metrics={"a": ["mae"], "b": ["accuracy", "mae"]},
    )
    logs = model.fit(X, (Y1, Y2), sample_weight=np.ones(8), verbose=0).history
    names = "a_loss a_mae a_mean_squared_error b_accuracy b_loss b_mae b_weighted_accuracy loss"
    assert " ".join(sorted(logs)) == names
    assert mse.name == "mean_squared_error"  # so that a saved model names it alike when it is loaded
    assert set(model.metrics_names) == set(logs)
    model.compile("sgd", {"a": "mse", "b": "mse"}, metrics={"b": ["mae"], "a": ["mae", "accuracy"]})
    logs = model.evaluate(X, (Y1, Y2), verbose=0, return_dict=True)
    names = ["loss", "a_loss", "b_loss", "a_accuracy", "a_mae", "b_mae"]  # as Keras lists them
    assert model.evaluate(X, (Y1, Y2), verbose=0) == [logs[name] for name in names]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"loss": {"a": "mse", "c": "mse"}}, ValueError, "Expected keys"),
        ({"loss": ["mse", "mse"], "metrics": {"c": ["mae"]}}, ValueError, "Invalid `metrics`.*c"),
        ({"loss": ["mse", "mse"], "loss_weights": [1.0]}, ValueError, "loss_weights"),
        ({"loss": ["mse", "mse"], "metrics": ["mae"]}, ValueError, "Invalid `metrics`"),
    ],
)
def test_what_fits_no_output(options, error, words):
    model = two_outputs()
    with pytest.raises(error, match=words):
        losses_of(model, (Y1, Y2), **options)
    model = two_outputs(dict)
    model.compile("sgd", {"c": "mse"})
    with pytest.raises(KeyError, match="can't be found"):
        model.fit(X, {"a": Y1, "b": Y2}, verbose=0)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="different structures"):
        model.fit(X, Y1, verbose=0)


def test_a_compute_loss_of_its_own():
    class Doubled(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return super().compute_loss(x, y, [y_pred, y_pred], sample_weight, training)

    x = keras.Input((3,))
    model = Doubled(x, layers.Dense(1)(x))
    model.compile("sgd", ["mse", "mae"])
    logs = model.fit(X, (Y1, Y2), verbose=0).history
    assert set(logs) == {"loss", "mean_squared_error_loss", "mean_absolute_error_loss"}


def test_inputs_by_name():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"b": b, "a": a}, a - b)
    expected = X - 2 * X
    np.testing.assert_allclose(model({"a": X, "b": 2 * X}), expected)
    with pytest.warns(UserWarning, match="structure of `inputs`"):
        np.testing.assert_allclose(model({"a": X, "b": 2 * X, "c": X}), expected)
    with pytest.raises(ValueError, match="structure of `inputs`"):  # in which order?
        model([X, 2 * X])
    with pytest.raises(ValueError, match="needs the inputs"):
        model({"a": X})


def test_optional_inputs():
    class Sum(layers.Layer):
        def call(self, x, y=None):
            return x if y is None else x + y

    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b", optional=True)
    model = keras.Model([a, b], Sum()(a, b))
    np.testing.assert_allclose(model([X, None]), X)
    np.testing.assert_allclose(model.predict({"a": X, "b": None}, verbose=0), X)
    with pytest.raises(ValueError, match="not optional"):
        model([None, X])
    model.compile("sgd", "mse")
    assert model.evaluate([X, None], X, verbose=0) == 0


def test_part_of_a_graph_has_its_layers_alone():
    x = keras.Input((3,))
    h = layers.Dense(4, name="first")(x)
    y = layers.Dense(2, name="second")(h)
    whole, head = keras.Model(x, y), keras.Model(h, y)
    assert [layer.name for layer in head.layers][1:] == ["second"]
    assert len(head.weights) == 2
    np.testing.assert_allclose(head(keras.Model(x, h)(X)), whole(X), rtol=1e-6)
    again = keras.Model.from_config(head.get_config())
    assert again.input_shape == (None, 4)


def test_clone():
    x = keras.Input((3,), name="x")
    shared = layers.Dense(3, name="shared")
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="inner")], name="block")
    model = keras.Model(x, inner(shared(shared(x)) + x))
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(clone(X), model(X), rtol=1e-6)
    assert clone.get_layer("shared") is not shared
    assert not clone.compiled

    def wider(layer):
        return layers.Dense(5, name="inner") if layer.name == "inner" else layer

    other = keras.models.clone_model(model, clone_function=wider, recursive=True)
    assert other.output_shape == (None, 5)
    assert other.get_layer("shared") is shared
    noisy = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=lambda layer, *a, **k: layers.ReLU()(layer(*a, **k))
    )
    assert sum(isinstance(layer, layers.ReLU) for layer in noisy.layers) == 3
    assert keras.models.clone_model(model, input_tensors=keras.Input((3,), batch_size=2)).input_shape == (2, 3)
    with pytest.raises(ValueError, match="same structure"):
        keras.models.clone_model(model, input_tensors=[x, x])


def test_state_tree():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, name="d")], name="m")
    model.compile(keras.optimizers.SGD(0.5, name="sgd"), "mse")
    tree = model.get_state_tree("numpy_array")
    assert tree["trainable_variables"]["m"]["d"]["kernel"].shape == (3, 1)
    assert tree["optimizer_variables"]["sgd"]["learning_rate"] == 0.5
    assert tree["metrics_variables"]["loss"]["count"] == 0
    tree["trainable_variables"]["m"]["d"]["bias"][:] = 7
    model.set_state_tree(tree)
    assert model.get_weights()[1] == 7
    with pytest.raises(ValueError, match="Unknown variable name"):
        model.set_state_tree({"weights": {}})


def test_symbolic_inequality_is_a_mask():
    x = keras.Input((3,), dtype="int32")
    mask = x != 0
    assert (mask.shape, mask.dtype) == ((None, 3), "bool")
    data = np.array([[0, 1, 2], [3, 0, 0]], np.int32)
    np.testing.assert_array_equal(keras.Model(x, mask).predict(data, verbose=0), data != 0)
    assert len({x, mask}) == 2  # tensors stay keys


def test_summary_of_functions(capsys):
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    keras.Model([a, b], layers.Dense(2, name="d")(a + b)).summary()
    text = capsys.readouterr().out
    assert "(Add)" in text
    assert "a[0][0], b[0][0]" in text
    model = keras.Sequential([keras.Input((3,)), *(layers.Dense(3, name=f"d{i}") for i in range(4))])
    model.summary(layer_range=["d1", "d2"])
    text = capsys.readouterr().out
    assert ["d1" in text, "d2" in text, "d0" in text, "d3" in text] == [True, True, False, False]


def test_sequential_begins_with_a_model():
    x = keras.Input((3,))
    model = keras.Sequential([keras.Model(x, layers.Dense(4)(x)), layers.Dense(1)])
    assert model.built
    assert model.input_shape == (None, 3)
    with pytest.raises(ValueError, match="already been configured"):
        model.build((None, 5))
    with pytest.raises(AttributeError, match="reserved"):
        model.layers = []


def test_losses_are_those_of_the_last_call():
    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss(keras.ops.mean(x))
            return x

    layer = Penalty()
    model = keras.Sequential([layer, layers.Dense(1, activity_regularizer="l2")])
    for _ in range(2):
        model(X)
        assert len(model.losses) == 2
    layer(2 * X)
    np.testing.assert_allclose(layer.losses[0], 2 * X.mean(), rtol=1e-5)


def test_function():
    a, b = keras.Input((3,)), keras.Input((3,))
    function = keras.Function([a, b], {"sum": a + b, "twice": layers.ReLU()(2 * a)})
    outputs = function([X, -X])
    np.testing.assert_allclose(outputs["sum"], np.zeros_like(X))
    np.testing.assert_allclose(outputs["twice"], np.maximum(2 * X, 0))
    assert len(function.operations) == 3
    assert function.compute_output_shape([(5, 3), (5, 3)]) == {"sum": (5, 3), "twice": (5, 3)}
    with pytest.raises(ValueError, match="expects 2 input"):
        function(X)

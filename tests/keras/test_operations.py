"""keras.Operation, StatelessScope, remat, Input(tensor=), and differences that running programs in Keras showed."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule.keras import layers, ops

X = np.random.RandomState(0).randn(10, 4).astype("float32")


class Scale(keras.Operation):
    def __init__(self, factor, name=None):
        super().__init__(name=name)
        self.factor = factor

    def call(self, x):
        return x * self.factor


def test_an_operation_computes_and_is_part_of_a_model(tmp_path):
    scale = Scale(3.0, name="three")
    np.testing.assert_allclose(scale(X), X * 3)
    x = keras.Input((4,))
    y = scale(x)
    assert y.shape == (None, 4)
    assert scale.input is x
    assert scale.output is y
    model = keras.Model(x, layers.Dense(2)(y))
    np.testing.assert_allclose(model(X), (X * 3) @ model.layers[-1].kernel.numpy(), rtol=1e-5, atol=1e-6)
    assert scale.get_config() == {"factor": 3.0, "name": "three"}
    assert Scale.from_config(scale.get_config())(2.0) == 6.0
    pytest.importorskip("h5py", reason="files of models need h5py")
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras", custom_objects={"Scale": Scale})
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


def test_operations_are_the_base_of_layers_and_functions():
    x = keras.Input((4,))
    function = keras.Function(x, 2 * x)
    for one in (layers.Dense(1), keras.Sequential(), function):
        assert isinstance(one, keras.Operation)
    assert function.input is x
    assert function.output.shape == (None, 4)
    with pytest.raises(NotImplementedError, match="must define call"):
        keras.Operation()(X)
    with pytest.raises(ValueError, match="without '/'"):
        Scale(1.0, name="a/b")


def test_a_stateless_scope_changes_nothing():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization()])
    before = model.get_weights()
    kernel = model.layers[0].kernel
    untouched = keras.Variable(1.0)
    with keras.StatelessScope([(kernel, kernel + 1)], collect_losses=True) as scope:
        np.testing.assert_allclose(kernel.numpy(), before[0] + 1)
        model(X, training=True)
        kernel.assign_sub(np.ones((4, 3)))
        np.testing.assert_allclose(kernel, before[0], atol=1e-6)
        model.layers[0].add_loss(2.0)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    moving = model.layers[1].moving_mean
    expected = 0.01 * (X @ (before[0] + 1) + before[1]).mean(axis=0)
    np.testing.assert_allclose(scope.get_current_value(moving), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(scope.get_current_value(kernel), before[0], atol=1e-6)
    assert scope.get_current_value(untouched) is None
    assert scope.losses == [2.0]
    assert not model.layers[0].losses


def test_a_stateless_scope_has_gradients_of_the_given_values():
    w = keras.Variable([2.0, 3.0])

    def loss(value):
        with keras.StatelessScope([(w, value)]):
            return ops.sum(w * w)

    np.testing.assert_allclose(chainrule.grad(loss)(chainrule.asarray(np.float32([1, 4]))), [2.0, 8.0])
    with pytest.raises(ValueError, match="shape"):
        keras.StatelessScope([(w, np.ones(3))])
    with pytest.raises(ValueError, match="must be variables"):
        keras.StatelessScope([("w", 1.0)])


def test_rematerialisation_changes_no_result():
    def f(x):
        return ops.sum(ops.tanh(x) ** 2)

    x = chainrule.asarray(X)
    np.testing.assert_array_equal(chainrule.grad(keras.remat(f))(x), chainrule.grad(f)(x))
    with keras.RematScope(mode="larger_than", output_size_threshold=10):
        assert layers.Dense(2)(X).shape == (10, 2)
    with pytest.raises(ValueError, match="Invalid mode"):
        keras.RematScope(mode="some")


def test_a_tensor_inside_of_a_graph_begins_another():
    x = keras.Input((4,))
    hidden = layers.Dense(3)(x)
    output = layers.Dense(2)(hidden)
    whole = keras.Model(x, output)
    expected = whole.predict(X, verbose=0)
    tail = keras.Model(keras.Input(tensor=hidden), output)
    values = X @ whole.layers[1].kernel.numpy()
    np.testing.assert_allclose(tail.predict(values, verbose=0), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(whole.predict(X, verbose=0), expected)
    with pytest.raises(ValueError, match="must be a KerasTensor"):
        keras.Input(tensor=X)
    with pytest.raises(ValueError, match="doesn't fit"):
        keras.Input(tensor=hidden, shape=(5,))
    with pytest.raises(ValueError, match="not both"):
        keras.Input(batch_size=2, batch_shape=(2, 3))


def test_a_loss_function_gets_targets_of_the_outputs_rank():
    shapes = []

    def loss(y_true, y_pred):
        shapes.append((y_true.shape, y_pred.shape))
        return ops.mean((y_true - y_pred) ** 2)

    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", loss)
    y = np.arange(10, dtype="float32")
    got = model.evaluate(X, y, verbose=0)
    assert set(shapes) == {((10, 1), (10, 1))}
    np.testing.assert_allclose(got, np.mean((model.predict(X, verbose=0)[:, 0] - y) ** 2), rtol=1e-5)


def test_paths_name_a_built_model_once():
    class Two(keras.Model):
        def __init__(self, **options):
            super().__init__(**options)
            self.inner = layers.Dense(2, name="inner")

        def call(self, x):
            return self.inner(x)

    model = Two(name="two")
    model.build((None, 4))
    assert [w.path for w in model.weights] == ["two/inner/kernel", "two/inner/bias"]


def test_a_configuration_holds_the_policy_of_types():
    config = layers.Dense(2, dtype="mixed_bfloat16").get_config()
    assert config["dtype"] == {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": "mixed_bfloat16"},
        "registered_name": None,
    }
    assert layers.Dense.from_config(config).dtype_policy.name == "mixed_bfloat16"


def test_a_nameless_function_is_read_where_that_is_allowed():
    config = layers.Lambda(lambda x: x * 2, output_shape=lambda shape: shape).get_config()
    with pytest.raises(ValueError, match="safe_mode"):
        layers.Lambda.from_config(config)
    layer = layers.Lambda.from_config(config, safe_mode=False)
    np.testing.assert_array_equal(layer(X), X * 2)
    assert layer(keras.Input((4,))).shape == (None, 4)


def test_callbacks_change_no_last_logs():
    class Last(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["own"] = 1.0

        def on_train_end(self, logs=None):
            self.names = set(logs)

    last = Last()
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0, callbacks=[last])
    assert last.names == {"loss"}


def test_what_layers_refuse():
    layer = layers.Dense(2)
    assert layer.quantization_mode is None
    with pytest.raises(NotImplementedError, match="mixed_bfloat16"):
        layer.quantize("int8")
    with pytest.raises(NotImplementedError, match="metrics.Mean"):
        layer.add_metric(1.0)
    spec = keras.InputSpec(ndim=3, axes={-1: 2})
    assert keras.InputSpec.from_config(spec.get_config()).get_config() == spec.get_config()


@pytest.mark.parametrize("rows", [1, 5, 10])
def test_a_penalty_on_outputs_is_the_mean_over_the_batch(rows):
    layer = layers.Activation("linear", activity_regularizer="l2")
    layer(np.full((rows, 5), 2, "float32"))
    assert len(layer.losses) == 1
    np.testing.assert_allclose(layer.losses[0], 0.01 * 5 * 4, rtol=1e-6)


def test_arguments_stand_in_the_order_of_keras():
    loss = keras.losses.SparseCategoricalCrossentropy(True, None, "sum", -1, "named")
    assert (loss.reduction, loss.axis, loss.name) == ("sum", -1, "named")
    assert keras.losses.Dice("sum", "named", 1).axis == 1
    assert layers.Conv3DTranspose(1, 2, 1, "same", "channels_first").data_format == "channels_first"
    assert layers.RandomHue(0.1, (0, 1), "channels_first", 7).seed == 7
    assert layers.RandomContrast(0.1, (0, 1), 7).seed == 7
    names = list(inspect.signature(keras.optimizers.Adam).parameters)
    assert names[:7] == ["learning_rate", "beta_1", "beta_2", "epsilon", "amsgrad", "weight_decay", "clipnorm"]
    with pytest.raises(ValueError, match="name='kernel'"):
        layers.Layer().add_weight("kernel")


def test_keywords_are_those_of_keras():
    assert int(ops.prod(np.int32([2, 3]), dtype="int64")) == 6
    assert ops.prod(np.float32([2, 3]), dtype="float64").dtype == "float64"
    np.testing.assert_array_equal(ops.bitwise_and(x=np.array([3, 4]), y=np.array([1, 1])), [1, 0])
    assert ops.left_shift(x=np.array([3]), y=np.array([1])).shape == (1,)
    assert layers.concatenate([X, X], 0).shape == (20, 4)
    cell = layers.SimpleRNNCell(3, "relu", False, "zeros", dropout=0.1)
    assert (cell.use_bias, cell.dropout, type(cell.kernel_initializer).__name__) == (False, 0.1, "Zeros")
    assert (
        type(
            layers.LSTMCell(2, "tanh", "sigmoid", True, "zeros", "zeros", "zeros", True, "l2").kernel_regularizer
        ).__name__
        == "L2"
    )
    assert keras.saving.serialize_keras_object(obj=layers.ReLU())["class_name"] == "ReLU"


def test_salted_lookups():
    words = layers.StringLookup(vocabulary=["a"], num_oov_indices=50, salt=[1, 2])
    plain = layers.StringLookup(vocabulary=["a"], num_oov_indices=50)
    unknown = [str(i) for i in range(40)]
    hashed = layers.Hashing(50, salt=[1, 2])(unknown)
    np.testing.assert_array_equal(words(unknown), hashed)
    assert (np.asarray(words(unknown)) != np.asarray(plain(unknown))).any()
    assert layers.StringLookup.from_config(words.get_config()).salt == [1, 2]
    numbers = layers.IntegerLookup(vocabulary=[7], num_oov_indices=50, oov_method="farmhash", salt=[1, 2])
    np.testing.assert_array_equal(numbers(np.arange(10, 40)), layers.Hashing(50, salt=[1, 2])(np.arange(10, 40)))
    with pytest.raises(ValueError, match="farmhash"):
        layers.IntegerLookup(vocabulary=[7], salt=3)


def test_mistakes_in_models_are_told():
    x = keras.Input((4,))
    with pytest.raises(ValueError, match=r"\['same'\] are used more than once"):
        keras.Model(x, layers.Dense(1, name="same")(layers.Dense(1, name="same")(x)))

    class Forgetful(layers.Layer):
        def __init__(self):
            self.units = 3

    with pytest.raises(RuntimeError, match=r"super\(\).__init__\(\)"):
        Forgetful()(X)
    with pytest.raises(TypeError, match=r"keras\.ops\.log"):
        np.log(x)
    model = keras.Model(x, np.float32([1, 2, 3, 4]) * x - np.ones(4, "float32"))
    np.testing.assert_allclose(model(X), X * [1, 2, 3, 4] - 1, rtol=1e-6)
    assert (np.zeros(4) < x).shape == (None, 4)


def test_the_history_of_a_fit_without_callbacks_is_sorted():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[keras.metrics.MeanAbsoluteError(name="a")])
    assert list(model.fit(X, X[:, :1], verbose=0).history) == ["a", "loss"]


def test_a_product_of_masked_steps():
    masking = layers.Masking()
    first = np.float32([[[0, 0], [1, 2], [0, 0], [3, 4]]])
    second = np.float32([[[0, 0], [0, 0], [1, 2], [3, 4]]])
    one_mask = layers.Multiply()([masking(first), second])
    np.testing.assert_array_equal(one_mask, [[[0, 0], [0, 0], [1, 2], [9, 16]]])
    both = layers.Multiply()([masking(first), masking(second)])
    np.testing.assert_array_equal(both, [[[0, 0], [1, 2], [1, 2], [9, 16]]])


def test_weights_of_some_layers_are_skipped(tmp_path):
    pytest.importorskip("h5py", reason="files of weights need h5py")

    def make():
        return keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(3)])

    model, path = make(), tmp_path / "m.weights.h5"
    for skipped in (None, [model.layers[0]]):
        keras.saving.save_weights(model, path, objects_to_skip=skipped)
        other = make()
        before = other.layers[0].kernel.numpy()
        other.load_weights(path, objects_to_skip=[other.layers[0]])
        np.testing.assert_array_equal(other.layers[0].kernel, before)
        np.testing.assert_array_equal(other.layers[1].kernel, model.layers[1].kernel)
    with pytest.raises(ValueError, match=r"weights\.h5"):
        keras.saving.save_weights(model, tmp_path / "m.npz", objects_to_skip=[])

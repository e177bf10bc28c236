"""What goes wrong is told before the first step: what came, what was expected, how to mend it."""

import warnings

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import layers

rng = np.random.default_rng(0)


def classifier(features=784, classes=10, loss="sparse_categorical_crossentropy", **options):
    model = keras.Sequential(
        [keras.Input((features,)), layers.Dense(8, activation="relu"), layers.Dense(classes, activation="softmax")]
    )
    model.compile("sgd", loss, **options)
    return model


def data(rows=20, features=784, classes=10):
    return rng.random((rows, features), dtype=np.float32), rng.integers(0, classes, rows)


def test_images_into_dense():
    model = keras.Sequential(
        [layers.Dense(128, activation="relu", input_shape=(784,), name="first"), layers.Dense(10, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    before = model.get_weights()
    x = np.zeros((60, 28, 28), np.float32)
    for method in (lambda: model.fit(x, np.zeros(60, int), verbose=0), lambda: model.predict(x), lambda: model(x)):
        with pytest.raises(ValueError) as error:
            method()
        text = str(error.value)
        assert "'first'" in text
        assert "(None, 784)" in text
        assert "(60, 28, 28)" in text
        assert "layers.Flatten()" in text
        assert "x.reshape(-1, 784)" in text
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))
    assert int(model.optimizer.iterations.numpy()) == 0


def test_images_without_declared_shape():
    model = keras.Sequential([layers.Dense(16, activation="relu"), layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"layers.Flatten\(\)"):
        model.fit(np.zeros((60, 28, 28), np.float32), np.zeros(60, int), verbose=0)


def test_wrong_number_of_features():
    x, y = data(features=100)
    with pytest.raises(ValueError, match=r"\(None, 784\).*\(20, 100\)"):
        classifier().fit(x, y, verbose=0)


def test_layer_names_itself():
    dense = layers.Dense(3, name="mine")
    dense(np.zeros((2, 5), np.float32))
    with pytest.raises(ValueError, match=r"'mine' \(Dense\).*length 5 on axis -1.*\(2, 6\)"):
        dense(np.zeros((2, 6), np.float32))
    with pytest.raises(ValueError, match="at least 2 axes"):
        dense(np.zeros((5,), np.float32))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.array([["a", "b"], ["c", "d"]]), "text"),
        (np.array([[1, None], [2, 3]], dtype=object), "dtype object"),
        ([[1.0, 2.0], [1.0]], "different lengths"),
        (np.zeros((2, 2), "datetime64[s]"), "datetime64"),
    ],
)
def test_wrong_types(x, words):
    model = classifier(2)
    with pytest.raises(ValueError, match=words):
        model.fit(x, np.zeros(2, int), verbose=0)


def test_label_out_of_range():
    model = classifier()
    x, y = data()
    before = model.get_weights()
    y[7] = 12
    with pytest.raises(ValueError, match=r"Label 12 \(at index 7 of y\).*10 classes.*0 to 9.*13 units"):
        model.fit(x, y, verbose=0)
    y[7] = -1
    with pytest.raises(ValueError, match="Label -1"):
        model.evaluate(x, y, verbose=0)
    with pytest.raises(ValueError, match="Label -1"):
        model.train_on_batch(x, y)
    with pytest.raises(ValueError, match="whole class numbers"):
        model.fit(x, y + 0.5, verbose=0)
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))


def test_integer_labels_with_categorical_crossentropy():
    x, y = data()
    with pytest.raises(ValueError, match=r"sparse_categorical_crossentropy.*to_categorical\(y, 10\)"):
        classifier(loss="categorical_crossentropy").fit(x, y, verbose=0)


def test_one_hot_labels_with_sparse_crossentropy():
    x, y = data()
    with pytest.raises(ValueError, match=r"loss='categorical_crossentropy'.*argmax"):
        classifier().fit(x, keras.utils.to_categorical(y, 10), verbose=0)


def test_softmax_of_one_unit():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    with pytest.warns(SyntaxWarning, match="binary_crossentropy"):
        model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)


def test_targets_of_another_shape():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"targets have shape \(4, 5\).*\(4, 3\)"):
        model.fit(np.zeros((4, 2)), np.zeros((4, 5)), verbose=0)
    with pytest.raises(ValueError, match="targets have shape"):
        model.fit(np.zeros((4, 2)), np.zeros((4,)), verbose=0)


def test_nan_names_its_layer():
    model = classifier(4)
    x, y = data(features=4)
    x[3, 1] = np.nan
    with pytest.raises(FloatingPointError, match="x itself.*row 3"):
        model.fit(x, y, verbose=0, check_nan=True)
    x[3, 1] = 0
    weights = model.get_weights()
    weights[2][0, 0] = np.inf
    model.set_weights(weights)
    with pytest.raises(FloatingPointError, match=r"Step 1.*'dense.*\(Dense\).*kernel"):
        model.fit(x, y, verbose=0, check_nan=True)


def test_nan_from_a_computation():
    model = keras.Sequential(
        [keras.Input((2,)), layers.Lambda(lambda x: keras.ops.log(x), name="logarithm"), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    with pytest.raises(FloatingPointError, match="'logarithm'.*its weights are finite"):
        model.fit(-np.ones((4, 2)), np.zeros(4), verbose=0, check_nan=True)


def test_terminate_on_nan(capsys):
    model = classifier(4)
    x, y = data(100, features=4)
    x[50:] = np.nan
    history = model.fit(
        x, y, batch_size=10, epochs=5, shuffle=False, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()]
    )
    assert len(history.epoch) == 1
    assert int(model.optimizer.iterations.numpy()) == 6
    assert "batch 5" in capsys.readouterr().out


def test_empty_data():
    with pytest.raises(ValueError, match="x is empty"):
        classifier().fit(np.zeros((0, 784)), np.zeros(0, int), verbose=0)
    with pytest.raises(ValueError, match="x is empty"):
        classifier().predict(np.zeros((0, 784)))


def test_lengths_differ():
    x, y = data()
    with pytest.raises(ValueError, match="x: 20, y: 19"):
        classifier().fit(x, y[:19], verbose=0)
    with pytest.raises(ValueError, match="sample_weight: 3"):
        classifier().fit(x, y, sample_weight=np.ones(3), verbose=0)


def test_lr_is_accepted_with_a_warning():
    with pytest.warns(UserWarning, match="learning_rate"):
        optimizer = keras.optimizers.Adam(lr=0.02)
    assert float(optimizer.learning_rate) == pytest.approx(0.02)
    with pytest.raises(ValueError, match="decay"):
        keras.optimizers.Adam(decay=0.1)


@pytest.mark.parametrize(
    ("make", "suggestion"),
    [
        (lambda: classifier(loss="sparse_categorical_crossentrop"), "sparse_categorical_crossentropy"),
        (lambda: classifier(metrics=["acuracy"]), "accuracy"),
        (lambda: layers.Dense(3, activation="rellu"), "relu"),
        (lambda: layers.Dense(3, kernel_initializer="glorot_unifrom"), "glorot_uniform"),
        (lambda: layers.Dense(3, kernel_regularizer="l3"), "l2"),
        (lambda: keras.optimizers.get("adm"), "adam"),
        (lambda: keras.losses.get("msee"), "mse"),
    ],
)
def test_unknown_names_get_suggestions(make, suggestion):
    with pytest.raises(ValueError) as error:
        make()
    assert "Unknown" in str(error.value)
    assert suggestion in str(error.value).lower()


def test_unknown_attribute_of_the_package():
    with pytest.raises(AttributeError, match="layers"):
        _ = keras.layer
    with pytest.raises(AttributeError, match="Sequential"):
        _ = keras.Sequental


def test_not_compiled():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    with pytest.raises(ValueError, match=r"model.compile\("):
        model.fit(np.zeros((4, 2)), np.zeros(4))


def test_no_loss():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("sgd")
    with pytest.raises(ValueError, match="no loss"):
        model.fit(np.zeros((4, 2)), np.zeros(4), verbose=0)


def test_no_targets():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="needs targets"):
        model.fit(np.zeros((4, 2)), verbose=0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Dense(0), "units"),
        (lambda: layers.Dense(2.5), "units"),
        (lambda: layers.Dense(3, activaton="relu"), "activaton"),
        (lambda: layers.Dropout(1.5), "rate"),
        (lambda: layers.ReLU(negative_slope=-1.0), "negative_slope"),
        (lambda: keras.Input(), "shape"),
        (lambda: keras.Input((2.5,)), "integers"),
        (lambda: keras.Sequential([layers.Dense]), "Dense\\(\\)"),
        (lambda: keras.Sequential([3]), "layers"),
        (lambda: keras.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="a")]), "unique names"),
        (lambda: keras.optimizers.SGD(learning_rate="fast"), "number"),
        (lambda: keras.optimizers.SGD(-1.0), ">= 0"),
        (lambda: keras.optimizers.SGD(clipnorm=1.0, clipvalue=1.0), "Only one"),
        (lambda: keras.losses.MeanSquaredError(reduction="avg"), "reduction"),
        (lambda: keras.utils.to_categorical([0, 5], 3), "label 5"),
        (lambda: keras.utils.set_random_seed(-1), "seed"),
        (lambda: keras.config.set_floatx("float8"), "float32"),
    ],
)
def test_bad_arguments(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_set_weights_is_all_or_nothing():
    model = classifier(4)
    before = model.get_weights()
    wrong = [np.ones_like(w) for w in before]
    wrong[-1] = np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"bias has shape \(10,\), the array given \(3,\)"):
        model.set_weights(wrong)
    with pytest.raises(ValueError, match="4 weights, but 3"):
        model.set_weights(before[:3])
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))


def test_callbacks_must_be_callbacks():
    x, y = data(features=4)
    with pytest.raises(ValueError, match="add parentheses"):
        classifier(4).fit(x, y, verbose=0, callbacks=[keras.callbacks.EarlyStopping])


def test_early_stopping_on_what_is_not_there():
    x, y = data(features=4)
    with pytest.warns(UserWarning, match="validation_data"):
        classifier(4).fit(x, y, verbose=0, callbacks=[keras.callbacks.EarlyStopping(monitor="val_loss")])


def test_no_gradient():
    class Constant(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return keras.ops.stop_gradient(self.dense(x))

    model = Constant()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        model.fit(np.ones((4, 2)), np.ones(4), verbose=0)


def test_no_warning_in_ordinary_use():
    x, y = data(features=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(4, metrics=["accuracy"]).fit(x, y, verbose=0, validation_split=0.2)

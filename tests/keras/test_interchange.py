"""What programs bring from elsewhere: scikit-learn's interface, HDF5 files of models, lambdas in files."""

import copy
import pickle

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import layers, ops

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(60, 4)).astype("float32")


# ---- scikit-learn


def classifier(X, y, units=8):
    model = keras.Sequential(
        [keras.Input(X.shape[1:]), layers.Dense(units, activation="relu"), layers.Dense(y.shape[1], "softmax")]
    )
    model.compile("adam", "categorical_crossentropy")
    return model


def test_sklearn():
    pytest.importorskip("sklearn", reason="scikit-learn isn't installed")
    from sklearn.base import clone
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from chainrule.keras import wrappers

    keras.utils.set_random_seed(0)
    names = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
    estimator = wrappers.SKLearnClassifier(classifier, model_kwargs={"units": 16}, fit_kwargs={"verbose": 0})
    pipeline = make_pipeline(StandardScaler(), estimator).fit(X, names, sklearnclassifier__epochs=60)
    assert pipeline.score(X, names) > 0.9
    assert list(estimator.classes_) == ["no", "yes"]
    assert pipeline.decision_function(X).shape == (60, 2)
    assert clone(estimator).model_kwargs == {"units": 16}
    assert len(estimator.epoch_) == 60
    with pytest.raises(ValueError, match="one class"):
        estimator.fit(X, np.zeros(60))

    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    with pytest.raises(RuntimeError, match="compiled"):
        wrappers.SKLearnRegressor(model).fit(X, X[:, 0])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    before = model.get_weights()
    regressor = wrappers.SKLearnRegressor(model).fit(X, X @ [1, 2, 3, 4], epochs=100, verbose=0)
    assert regressor.score(X, X @ [1, 2, 3, 4]) > 0.99
    assert regressor.predict(X).shape == (60,)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])  # a clone was trained
    assert wrappers.SKLearnTransformer(model).fit(X, X[:, 0], verbose=0).transform(X).shape == (60, 1)


# ---- files of models


def test_hdf5_models(tmp_path):
    pytest.importorskip("h5py", reason="h5py isn't installed")
    path = str(tmp_path / "m.h5")
    x = keras.Input((4,))
    model = keras.Model(x, layers.BatchNormalization()(layers.Dense(3, activation="relu")(x)))
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, X[:, :3], verbose=0)
    with pytest.warns(UserWarning, match="legacy"):
        model.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert again.evaluate(X, X[:, :3], verbose=0) == model.evaluate(X, X[:, :3], verbose=0)


def test_lambdas_in_files(tmp_path):
    pytest.importorskip("h5py", reason="h5py isn't installed")
    path, factor = str(tmp_path / "m.keras"), 3
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: ops.relu(x) * factor)])
    model.save(path)
    with pytest.raises(ValueError, match="safe_mode=False"):
        keras.models.load_model(path)
    again = keras.models.load_model(path, safe_mode=False)
    np.testing.assert_array_equal(again(X), model(X))
    with pytest.raises(ValueError, match="safe_mode=False"):  # once is not for ever
        keras.models.load_model(path)


# ---- copies


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"]
)
def test_a_trained_model_is_copied(way):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, X[:, :1], verbose=0)
    before = model.predict(X, verbose=0)
    other = way(model)
    np.testing.assert_array_equal(other.predict(X, verbose=0), before)
    other.fit(X, X[:, :1], verbose=0)  # with the optimizer's state, and nothing shared
    assert int(other.optimizer.iterations) == 2 * int(model.optimizer.iterations)
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)

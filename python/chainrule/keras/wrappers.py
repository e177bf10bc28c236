"""``keras.wrappers``: Keras models as scikit-learn estimators. Needs scikit-learn."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from .models import Model, clone_model

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
    from sklearn.utils.multiclass import type_of_target
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("keras.wrappers needs scikit-learn (1.6 or newer): pip install scikit-learn") from error


class _Estimator(BaseEstimator):
    """What the three wrappers have in common.

    Args:
        model: a compiled model (which is cloned, unless ``warm_start``), or a function of ``X``, ``y`` and
            ``model_kwargs`` that makes one.
        warm_start: whether another fit goes on with the same model.
        model_kwargs: further arguments of that function.
        fit_kwargs: arguments of ``model.fit``; those given to ``fit`` come first.

    After fit ``model_`` is the fitted model and ``history_`` what its fit returned.
    """

    def __init__(
        self,
        model: Model | Callable[..., Model],
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.model, self.warm_start = model, warm_start
        self.model_kwargs, self.fit_kwargs = model_kwargs, fit_kwargs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

    def __sklearn_clone__(self) -> Any:
        model = copy.deepcopy(self.model) if isinstance(self.model, Model) else self.model
        return type(self)(model, self.warm_start, copy.deepcopy(self.model_kwargs), copy.deepcopy(self.fit_kwargs))

    @property
    def epoch_(self) -> Any:
        """The epochs of the last fit."""
        return getattr(getattr(self, "history_", None), "epoch", 0)

    def _make_model(self, X: np.ndarray, y: Any) -> Model:
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if isinstance(self.model, Model):
            return self.model if self.warm_start else clone_model(self.model)
        return self.model(X=X, y=y, **(self.model_kwargs or {}))

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:
        """Makes the model and trains it; ``kwargs`` go to ``model.fit``.

        Raises:
            RuntimeError: the model isn't compiled with a loss.
            ValueError: data that an estimator of this kind can't take.
        """
        X, y = validate_data(self, X, y, multi_output=True)
        targets = self._encode(y)
        model = self._make_model(X, targets)
        if not model.compiled or model.loss is None:
            raise RuntimeError("Given model needs to be compiled, and have a loss and an optimizer.")
        self.history_ = model.fit(X, targets, **{**(self.fit_kwargs or {}), **kwargs})
        self.model_ = model
        return self

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        outputs = self.model_.predict(validate_data(self, X, reset=False), verbose=0)
        return outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs

    def predict(self, X: Any) -> np.ndarray:
        """The predictions, in the form of the targets given to fit."""
        return self._decode(self._outputs(X))

    def _encode(self, y: np.ndarray) -> np.ndarray:
        type_of_target(y, raise_unknown=True)
        self._one_target = y.ndim == 1
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _decode(self, outputs: np.ndarray) -> np.ndarray:
        return outputs[:, 0] if self._one_target and outputs.ndim == 2 and outputs.shape[1] == 1 else outputs


class SKLearnClassifier(ClassifierMixin, _Estimator):
    __doc__ = f"""A classifier: the model is given one-hot rows and gives a score a class.

    {_Estimator.__doc__}
    Example::

        def make(X, y, units=10):
            model = keras.Sequential([
                keras.Input(X.shape[1:]),
                keras.layers.Dense(units, activation="relu"),
                keras.layers.Dense(y.shape[1], activation="softmax"),
            ])
            model.compile("adam", "categorical_crossentropy")
            return model

        SKLearnClassifier(make, model_kwargs={{"units": 20}}).fit(X, y, epochs=5).predict(X)
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags

    def _encode(self, y: np.ndarray) -> np.ndarray:
        kind = type_of_target(y, raise_unknown=True)
        if kind not in ("binary", "multiclass"):
            raise ValueError(f"Only binary and multiclass target types are supported. Target type: {kind}")
        self._one_target = y.ndim == 1
        self.classes_, places = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        return np.eye(len(self.classes_))[places.reshape(-1)]

    def _decode(self, outputs: np.ndarray) -> np.ndarray:
        labels = self.classes_[np.argmax(outputs, axis=-1)]
        return labels if self._one_target else labels[:, None]

    def decision_function(self, X: Any) -> np.ndarray:
        """The model's outputs, a score a class."""
        return self._outputs(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The model's outputs, which are probabilities if its last layer is a softmax."""
        return self._outputs(X)


class SKLearnRegressor(RegressorMixin, _Estimator):
    __doc__ = f"""A regressor: the model is given the targets as columns.

    {_Estimator.__doc__}"""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


class SKLearnTransformer(TransformerMixin, _Estimator):
    __doc__ = f"""A transformer: what the model gives for the data is the transformed data.

    {_Estimator.__doc__}"""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def transform(self, X: Any) -> np.ndarray:
        """The model's outputs."""
        return self._outputs(X)


__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]

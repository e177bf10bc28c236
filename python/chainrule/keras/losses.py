"""Losses C(y_true, y_pred). Functions give one value per sample (the mean over the last axis); classes reduce them.

Cross-entropies of a model's softmax or sigmoid are computed from its logits (``activations.logits_of``), never from the
logarithm of a rounded probability.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import _core, nn

from .activations import in_full_precision, logits_of
from .config import epsilon, standardize_dtype
from .masking import get_mask, set_mask
from .naming import snake_case, unique_name
from .registry import Registry, deserialize_keras_object, serialize_keras_object
from .variables import Tensor, as_float, convert_to_tensor

_op = _core.ops

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


# ---- shapes and reduction ------------------------------------------------------------------------------------------


def match_ranks(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Where the ranks differ by one and the extra last axis has length 1: both with the same rank."""
    if x1.ndim == x2.ndim + 1 and x1.shape[-1] == 1:
        if x2.ndim == 1:
            return x1, _op.expand_dims(x2, -1)
        return _op.squeeze(x1, axis=-1), x2
    if x2.ndim == x1.ndim + 1 and x2.shape[-1] == 1:
        x2, x1 = match_ranks(x2, x1)
    return x1, x2


def reduce_weighted(values: Any, sample_weight: Any, reduction: str | None, mask: Any = None) -> Any:
    """The weighted values reduced: their sum, or their sum over their number (or over the sum of the weights)."""
    if mask is not None:
        sample_weight = masked_weights(sample_weight, mask, values.dtype, reduction)
    if sample_weight is not None:
        sample_weight = convert_to_tensor(sample_weight, values.dtype)
        values, sample_weight = match_ranks(values, sample_weight)
        if sample_weight.ndim < values.ndim:
            sample_weight = _op.reshape(sample_weight, sample_weight.shape + (1,) * (values.ndim - sample_weight.ndim))
        values = values * sample_weight
    if reduction in ("none", None):
        return values
    if reduction == "sum":
        return _op.sum(values)
    if reduction == "mean_with_sample_weight" and sample_weight is not None:
        return _op.sum(values) / _op.maximum(_op.sum(sample_weight), epsilon())
    return _op.mean(values)


def masked_weights(sample_weight: Any, mask: Any, dtype: Any, reduction: str | None) -> Any:
    """Sample weights in which what the mask doesn't count weighs 0.

    For the mean of all values the others are scaled by how many entries the mask has for one that counts.
    """
    mask = as_float(mask, dtype)
    if reduction in ("mean", "sum_over_batch_size"):
        valid = _op.sum(mask)
        mask = mask * (mask.size / _op.maximum(valid, 1.0))
    if sample_weight is None:
        return mask
    weights = convert_to_tensor(sample_weight, dtype)
    mask, weights = match_ranks(mask, weights)
    short, long = sorted((mask, weights), key=lambda x: x.ndim)
    return _op.reshape(short, tuple(short.shape) + (1,) * (long.ndim - short.ndim)) * long


def operands(y_true: Any, y_pred: Any, name: str) -> tuple[Any, Any]:
    """Both as float tensors of shapes that fit. ValueError if they don't."""
    y_pred = convert_to_tensor(y_pred)
    if y_pred.dtype.kind != "f":
        y_pred = _op.cast(y_pred, standardize_dtype(None))
    y_true = as_float(convert_to_tensor(y_true), y_pred.dtype)
    y_true, y_pred = match_ranks(y_true, y_pred)
    fits = y_true.ndim == y_pred.ndim and all(
        m == n or 1 in (m, n) for m, n in zip(y_true.shape, y_pred.shape, strict=True)
    )
    if not fits and y_true.ndim and y_pred.ndim:
        raise ValueError(
            f"{name}: the targets have shape {tuple(y_true.shape)}, the model's outputs {tuple(y_pred.shape)}. "
            f"They must be equal: change the number of units of the last layer or the shape of y."
        )
    return y_true, y_pred


def _one_hot_operands(y_true: Any, y_pred: Any, name: str, axis: int) -> tuple[Any, Any]:
    """As :func:`operands`, for one row of class probabilities a sample; says what to do about class numbers."""
    y_pred, y_true = convert_to_tensor(y_pred), convert_to_tensor(y_true)
    classes = y_pred.shape[axis] if y_pred.ndim else 1
    class_numbers = y_true.ndim == y_pred.ndim - 1 or (y_true.ndim == y_pred.ndim and y_true.shape[axis] == 1)
    if class_numbers and classes > 1:
        raise ValueError(
            f"{name}: targets and outputs must have the same shape; the targets of shape {tuple(y_true.shape)} look "
            f"like class numbers, but this loss needs one-hot rows of shape {tuple(y_pred.shape)}. Use "
            f"loss='sparse_{name}' with class numbers, or y = keras.utils.to_categorical(y, {classes})."
        )
    if y_pred.ndim and classes == 1:
        warnings.warn(
            f"In loss {name}, expected y_pred.shape to be (batch_size, num_classes) with num_classes > 1, got "
            f"{tuple(y_pred.shape)}: softmax over one class is always 1. Consider using 'binary_crossentropy' with a "
            f"sigmoid, or as many units as classes.",
            SyntaxWarning,
            stacklevel=2,
        )
    return operands(y_true, y_pred, name)


def _mean(values: Any, axis: Any = -1) -> Any:
    """The mean along an axis; of one entry, that entry."""
    if axis == -1 and values.shape[-1] == 1:
        return _op.squeeze(values, axis=-1)
    return _op.mean(values, axis=axis)


# ---- regression ----------------------------------------------------------------------------------------------------


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """mean (y - yhat)^2 over the last axis."""
    y_true, y_pred = operands(y_true, y_pred, "mean_squared_error")
    return _mean(_op.square(y_pred - y_true), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """mean |y - yhat| over the last axis."""
    y_true, y_pred = operands(y_true, y_pred, "mean_absolute_error")
    return _mean(_op.absolute(y_pred - y_true), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """100 * mean |(y - yhat) / max(|y|, epsilon)| over the last axis."""
    y_true, y_pred = operands(y_true, y_pred, "mean_absolute_percentage_error")
    return 100.0 * _mean(_op.absolute((y_true - y_pred) / _op.maximum(_op.absolute(y_true), epsilon())), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """mean (log(1 + y) - log(1 + yhat))^2 over the last axis, both kept above epsilon."""
    y_true, y_pred = operands(y_true, y_pred, "mean_squared_logarithmic_error")
    first = _op.log1p(_op.maximum(y_pred, epsilon()))
    return _mean(_op.square(first - _op.log1p(_op.maximum(y_true, epsilon()))), axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """mean of e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2 (e = yhat - y), over the last axis."""
    y_true, y_pred = operands(y_true, y_pred, "huber")
    size = _op.absolute(y_pred - y_true)
    inner = _op.minimum(size, delta)
    return _mean(inner * (size - 0.5 * inner), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """mean log(cosh(yhat - y)) over the last axis, as |e| + log(1 + e^(-2|e|)) - log 2 (no overflow)."""
    y_true, y_pred = operands(y_true, y_pred, "log_cosh")
    size = _op.absolute(y_pred - y_true)
    return _mean(size + _op.softplus(-2.0 * size) - math.log(2.0), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """-sum of the products of the normalised vectors along ``axis``: -1 for the same direction."""
    from .ops import normalize

    y_true, y_pred = operands(y_true, y_pred, "cosine_similarity")
    return -_op.sum(normalize(y_true, axis=axis) * normalize(y_pred, axis=axis), axis=axis)


# ---- hinges --------------------------------------------------------------------------------------------------------


def _signs(y_true: Any) -> Any:
    """Labels 0 and 1 as -1 and 1; others as they are."""
    binary = _op.all(_op.logical_or(_op.equal(y_true, 0.0), _op.equal(y_true, 1.0)))
    return _op.where(binary, 2.0 * y_true - 1.0, y_true)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """mean max(0, 1 - y yhat) over the last axis, y in {-1, 1} (0 and 1 are converted)."""
    y_true, y_pred = operands(y_true, y_pred, "hinge")
    return _mean(_op.relu(1.0 - _signs(y_true) * y_pred), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """mean max(0, 1 - y yhat)^2 over the last axis, y in {-1, 1} (0 and 1 are converted)."""
    y_true, y_pred = operands(y_true, y_pred, "squared_hinge")
    return _mean(_op.square(_op.relu(1.0 - _signs(y_true) * y_pred)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """max(0, 1 + max over the wrong classes of yhat - yhat of the right class)."""
    y_true, y_pred = _one_hot_operands(y_true, y_pred, "categorical_hinge", -1)
    right = _op.sum(y_true * y_pred, axis=-1)
    wrong = _op.max((1.0 - y_true) * y_pred, axis=-1)
    return _op.relu(1.0 + wrong - right)


# ---- probabilities -------------------------------------------------------------------------------------------------


def _clip(p: Any) -> Any:
    return _op.minimum(_op.maximum(p, epsilon()), 1.0 - epsilon())


def _smooth(y_true: Any, label_smoothing: float, classes: int) -> Any:
    return y_true * (1.0 - label_smoothing) + label_smoothing / classes if label_smoothing else y_true


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """-mean [y log p + (1 - y) log(1 - p)] along ``axis``; from logits: mean [softplus(z) - y z].

    ``label_smoothing`` s moves the targets to y (1 - s) + s / 2.
    """
    logits = y_pred if from_logits else logits_of(y_pred, "sigmoid")
    y_true, y_pred = operands(y_true, y_pred if logits is None else logits, "binary_crossentropy")
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"binary_crossentropy: targets and outputs must have the same shape, got {tuple(y_true.shape)} and "
            f"{tuple(y_pred.shape)}."
        )
    y_true = _smooth(y_true, label_smoothing, 2)
    if logits is None:
        return _mean(nn.binary_cross_entropy(y_pred, y_true, epsilon()), axis=axis)
    return _mean(nn.sigmoid_cross_entropy(y_pred, y_true), axis=axis)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """-sum_k y_k log p_k along ``axis``; targets are one-hot rows or probabilities.

    Probabilities are normalised to sum 1. ``label_smoothing`` s moves the targets to y (1 - s) + s / K.
    """
    from . import ops

    logits = y_pred if from_logits else logits_of(y_pred, "softmax")
    y_true, y_pred = _one_hot_operands(y_true, y_pred if logits is None else logits, "categorical_crossentropy", axis)
    y_true = _smooth(y_true, label_smoothing, y_pred.shape[axis])
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=logits is not None, axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """-log p_label along ``axis``; targets are class numbers. Samples of ``ignore_class`` give 0."""
    from . import ops

    logits = y_pred if from_logits else logits_of(y_pred, "softmax")
    y_true, y_pred = convert_to_tensor(y_true), convert_to_tensor(y_pred if logits is None else logits)
    if y_true.ndim == y_pred.ndim and y_true.shape[axis] == 1:
        y_true = _op.squeeze(y_true, axis=axis)
    classes = y_pred.shape[axis]
    rows = tuple(n for a, n in enumerate(y_pred.shape) if a != axis % y_pred.ndim)
    if y_true.shape == y_pred.shape:
        raise ValueError(
            f"sparse_categorical_crossentropy: the targets of shape {tuple(y_true.shape)} look like one-hot rows, "
            f"but this "
            f"loss needs class numbers of shape {rows}. Use loss='categorical_crossentropy', or y = y.argmax(axis=-1)."
        )
    if tuple(y_true.shape) != rows:
        raise ValueError(
            f"sparse_categorical_crossentropy: class numbers of shape {rows} are needed for outputs of shape "
            f"{tuple(y_pred.shape)} ({classes} classes), but the targets have shape {tuple(y_true.shape)}."
            + (
                " If each sample should give one class, put layers.Flatten() before the first Dense layer."
                if y_pred.ndim > y_true.ndim + 1
                else ""
            )
        )
    if y_true.dtype.kind not in "iu":
        y_true = _op.cast(y_true, "int64")
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, logits is not None, axis)
    valid = _op.not_equal(y_true, ignore_class)
    y_true = _op.where(valid, y_true, 0)
    values = ops.sparse_categorical_crossentropy(y_true, y_pred, logits is not None, axis)
    values = _op.where(valid, values, 0.0)
    set_mask(values, valid)
    return values


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """mean of (1 - p_t)^gamma times the binary cross-entropy, p_t = y p + (1 - y)(1 - p) (Lin et al. 2018).

    With ``apply_class_balancing``, class 1 is weighted by alpha and class 0 by 1 - alpha.
    """
    logits = y_pred if from_logits else logits_of(y_pred, "sigmoid")
    y_true, z = operands(y_true, y_pred if logits is None else logits, "binary_focal_crossentropy")
    y_true = _smooth(y_true, label_smoothing, 2)
    if logits is None:
        p, entropy = z, nn.binary_cross_entropy(z, y_true, epsilon())
    else:
        p, entropy = _op.sigmoid(z), nn.sigmoid_cross_entropy(z, y_true)
    right = y_true * p + (1.0 - y_true) * (1.0 - p)
    values = _op.power(1.0 - right, gamma) * entropy
    if apply_class_balancing:
        values = values * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return _mean(values, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """-sum_k alpha_k (1 - p_k)^gamma y_k log p_k along ``axis`` (Lin et al. 2018)."""
    logits = y_pred if from_logits else logits_of(y_pred, "softmax")
    y_true, z = _one_hot_operands(y_true, y_pred if logits is None else logits, "categorical_focal_crossentropy", axis)
    y_true = _smooth(y_true, label_smoothing, z.shape[axis])
    if logits is None:
        p = z / _op.sum(z, axis=axis, keepdims=True)
        log_p = _op.log(_clip(p))
    else:
        log_p = _op.log_softmax(z, axis=axis)
        p = _op.exp(log_p)
    alpha = convert_to_tensor(alpha, z.dtype) if isinstance(alpha, (list, tuple)) else alpha
    return -_op.sum(alpha * _op.power(1.0 - p, gamma) * y_true * log_p, axis=axis)


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """KL(y || yhat) = sum y log(y / yhat) over the last axis, both kept within [epsilon, 1]."""
    y_true, y_pred = operands(y_true, y_pred, "kl_divergence")
    y_true, y_pred = (_op.minimum(_op.maximum(y, epsilon()), 1.0) for y in (y_true, y_pred))
    return _op.sum(y_true * _op.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """mean (yhat - y log(yhat + epsilon)) over the last axis: the Poisson likelihood up to a constant."""
    y_true, y_pred = operands(y_true, y_pred, "poisson")
    return _mean(y_pred - y_true * _op.log(y_pred + epsilon()), axis=-1)


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """1 - (2 sum y yhat + eps) / (sum y + sum yhat + eps), over ``axis`` (None: everything)."""
    y_true, y_pred = operands(y_true, y_pred, "dice")
    both = _op.sum(y_true * y_pred, axis=axis)
    total = _op.sum(y_true, axis=axis) + _op.sum(y_pred, axis=axis)
    return 1.0 - (2.0 * both + epsilon()) / (total + epsilon())


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Any:
    """1 - TP / (TP + alpha FN + beta FP), soft counts over ``axis`` (None: everything).

    alpha weighs the false negatives, as Keras computes it (its documentation says the false positives).
    """
    y_true, y_pred = operands(y_true, y_pred, "tversky")
    both = _op.sum(y_true * y_pred, axis=axis)
    false_negative = _op.sum(y_true * (1.0 - y_pred), axis=axis)
    false_positive = _op.sum((1.0 - y_true) * y_pred, axis=axis)
    return 1.0 - both / (both + alpha * false_negative + beta * false_positive + epsilon())


# ---- noisy labels, embeddings ---------------------------------------------------------------------------------------


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float = 0.5) -> Any:
    """(1 - p_label^q) / q: the cross-entropy as q goes to 0, 1 - p at q = 1; targets are class numbers.

    Source: Zhang and Sabuncu, Generalized cross entropy loss for training deep neural networks with noisy labels, 2018.
    """
    y_true, y_pred = _op.cast(convert_to_tensor(y_true), "int64"), convert_to_tensor(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = _op.squeeze(y_true, axis=-1)
    if tuple(y_true.shape) != tuple(y_pred.shape[:-1]):
        raise ValueError(
            f"categorical_generalized_cross_entropy: class numbers of shape {tuple(y_pred.shape[:-1])} are needed for "
            f"outputs of shape {tuple(y_pred.shape)}, the targets have shape {tuple(y_true.shape)}."
        )
    p = _op.squeeze(_op.take_along_axis(y_pred, _op.expand_dims(y_true, -1), axis=-1), axis=-1)
    return (1.0 - _op.power(p, q)) / q


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Any:
    """Circle loss of embeddings of length 1 with class numbers, for each sample: 0 where it has no pair.

    With d = 1 - cos between two embeddings and m the margin: softplus of the sum of the logsumexp over pairs of one
    class of gamma (m + d) (d - m) and the logsumexp over other pairs of gamma (1 + m - d) (1 - m - d).

    Args:
        ref_labels, ref_embeddings: what the samples are compared with; by default each other.
        remove_diagonal: a sample is no pair with itself.

    Source: Sun and others, Circle loss: a unified perspective of pair similarity optimization, 2020.
    """
    y_pred, labels = convert_to_tensor(y_pred), _op.reshape(convert_to_tensor(y_true), (-1,))
    others = y_pred if ref_embeddings is None else convert_to_tensor(ref_embeddings, y_pred.dtype)
    other_labels = labels if ref_labels is None else _op.reshape(convert_to_tensor(ref_labels, labels.dtype), (-1,))
    distance = _op.maximum(1.0 - _op.matmul(y_pred, _op.transpose(others)), 0.0)
    same = _op.equal(_op.expand_dims(labels, 1), _op.expand_dims(other_labels, 0))
    different = _op.logical_not(same)
    if remove_diagonal:
        same = _op.logical_and(same, np.eye(distance.shape[0], distance.shape[1]) == 0)
    near = gamma * _op.maximum(margin + distance, 0.0) * (distance - margin)
    far = gamma * _op.maximum(1.0 + margin - distance, 0.0) * (1.0 - margin - distance)
    near, far = (
        _op.logsumexp(_op.where(mask, score, -np.inf), axis=1) for mask, score in ((same, near), (different, far))
    )
    values = _op.softplus(near + far)
    set_mask(values, _op.greater(values, 0.0))
    return values


# ---- sequences ------------------------------------------------------------------------------------------------------


def ctc(y_true: Any, y_pred: Any) -> Any:
    """-log of the probability of the labels, summed over their alignments to the steps (Graves et al. 2006).

    Targets (batch, most labels) are class numbers; 0 is the blank, which fills the rows up. Predictions
    (batch, steps, classes) are logits.
    """
    from . import ops

    y_true, y_pred = convert_to_tensor(y_true), convert_to_tensor(y_pred)
    if y_true.ndim != 2:
        raise ValueError(
            f"ctc: the targets must be class numbers of shape (batch, most labels), filled up with 0, got shape "
            f"{tuple(y_true.shape)}."
        )
    if y_pred.ndim != 3:
        raise ValueError(
            f"ctc: the model's outputs must be logits of shape (batch, steps, classes), got shape "
            f"{tuple(y_pred.shape)}."
        )
    label_length = _op.sum(_op.cast(_op.not_equal(y_true, 0), "int64"), axis=-1)
    output_length = _op.broadcast_to(y_pred.shape[1], (y_pred.shape[0],))
    return ops.ctc_loss(y_true, y_pred, label_length, output_length)


# ---- classes -------------------------------------------------------------------------------------------------------


class Loss:
    """Base class: subclasses define ``call(y_true, y_pred)``, the loss of each sample.

    Args:
        name: its name; by default the class's.
        reduction: "sum_over_batch_size" (the mean of all values), "sum", "mean_with_sample_weight" or "none".
        dtype: the type it computes in; by default that of ``y_pred``, but float32 for half types.
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: Invalid value for argument `reduction`. Expected one of {REDUCTIONS}. "
                f"Received: reduction={reduction}"
            )
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.reduction = reduction
        self._dtype = None if dtype is None else standardize_dtype(dtype)

    @property
    def dtype(self) -> str:
        """The type it computes in."""
        return self._dtype or standardize_dtype(None)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample."""
        raise NotImplementedError(f"{type(self).__name__} must define call(y_true, y_pred).")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss; ``sample_weight`` multiplies the loss of each sample.

        Steps that the mask of ``y_pred``, or of what :meth:`call` returns, doesn't count don't enter.
        """
        mask = get_mask(y_pred)
        y_pred = in_full_precision(y_pred) if self._dtype is None else convert_to_tensor(y_pred, self._dtype)
        values = self.call(y_true, y_pred)
        own = get_mask(values)
        if own is not None:
            mask = own if mask is None else _op.logical_and(mask, own)
        return reduce_weighted(values, sample_weight, self.reduction, mask)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """A loss made with ``config``."""
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A loss made of a function ``(y_true, y_pred, **kwargs) -> loss of each sample``."""

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        self.fn, self._fn_kwargs = fn, kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if isinstance(y_pred, Tensor):  # targets (batch,) of outputs (batch, 1) mustn't broadcast to (batch, batch)
            y_true, y_pred = match_ranks(convert_to_tensor(y_true), y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if type(self) is LossFunctionWrapper:
            config["fn"] = serialize_keras_object(self.fn)
        return {**config, **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        if "fn" in config:
            config = {**config, "fn": deserialize_keras_object(config["fn"])}
        return cls(**config)


_registry = Registry("loss", "keras.losses", Loss)


def get(identifier: Any) -> Any:
    """The loss function or object meant by a name (with suggestions if unknown), configuration, class or callable.

    Names of functions ("mse", "mean_squared_error") give functions, names of classes ("MeanSquaredError") instances.
    """
    return _registry.get(identifier)


def is_known(function: Any) -> bool:
    """Whether it is one of the loss functions here, which are to be minimized."""
    return any(function is known for known in _registry._objects.values())


serialize = _registry.serialize
deserialize = _registry.deserialize


_AXIS_AFTER = {"Dice": "name", "Tversky": "name", "SparseCategoricalCrossentropy": "reduction"}


def _loss_class(name: str, function: Callable[..., Any], default_name: str, *aliases: str) -> type[LossFunctionWrapper]:
    """A subclass of LossFunctionWrapper whose constructor takes the function's options, then reduction, name, dtype."""
    options = [p for p in inspect.signature(function).parameters.values() if p.name not in ("y_true", "y_pred")]
    common = [
        inspect.Parameter("reduction", inspect.Parameter.POSITIONAL_OR_KEYWORD, default="sum_over_batch_size"),
        inspect.Parameter("name", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default_name),
        inspect.Parameter("dtype", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None),
    ]
    if name in _AXIS_AFTER:  # Keras's order of the arguments
        at = next(i for i, p in enumerate(common) if p.name == _AXIS_AFTER[name])
        common[at + 1 : at + 1] = [p for p in options if p.name == "axis"]
        options = [p for p in options if p.name != "axis"]
    signature = inspect.Signature([p.replace(annotation=inspect.Parameter.empty) for p in (*options, *common)])

    def __init__(self: LossFunctionWrapper, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        LossFunctionWrapper.__init__(self, function, **bound.arguments)
        vars(self).update(self._fn_kwargs)  # loss.from_logits, loss.delta, ...

    document = f"The mean over samples of :func:`{function.__name__}`.\n\n    {function.__doc__}"
    cls = type(name, (LossFunctionWrapper,), {"__init__": __init__, "__doc__": document, "__module__": __name__})
    cls.__signature__ = signature  # type: ignore[attr-defined]
    _registry.add(cls)
    for alias in (function.__name__, *aliases):
        _registry._objects[alias] = function
    return cls


_make = _loss_class
MeanSquaredError = _make("MeanSquaredError", mean_squared_error, "mean_squared_error", "mse", "MSE")
MeanAbsoluteError = _make("MeanAbsoluteError", mean_absolute_error, "mean_absolute_error", "mae", "MAE")
MeanAbsolutePercentageError = _make(
    "MeanAbsolutePercentageError", mean_absolute_percentage_error, "mean_absolute_percentage_error", "mape", "MAPE"
)
MeanSquaredLogarithmicError = _make(
    "MeanSquaredLogarithmicError", mean_squared_logarithmic_error, "mean_squared_logarithmic_error", "msle", "MSLE"
)
Huber = _make("Huber", huber, "huber_loss")
LogCosh = _make("LogCosh", log_cosh, "log_cosh", "logcosh")
CosineSimilarity = _make("CosineSimilarity", cosine_similarity, "cosine_similarity")
Hinge = _make("Hinge", hinge, "hinge")
SquaredHinge = _make("SquaredHinge", squared_hinge, "squared_hinge")
CategoricalHinge = _make("CategoricalHinge", categorical_hinge, "categorical_hinge")
BinaryCrossentropy = _make("BinaryCrossentropy", binary_crossentropy, "binary_crossentropy", "bce", "BCE")
CategoricalCrossentropy = _make("CategoricalCrossentropy", categorical_crossentropy, "categorical_crossentropy")
SparseCategoricalCrossentropy = _make(
    "SparseCategoricalCrossentropy", sparse_categorical_crossentropy, "sparse_categorical_crossentropy"
)
BinaryFocalCrossentropy = _make("BinaryFocalCrossentropy", binary_focal_crossentropy, "binary_focal_crossentropy")
CategoricalFocalCrossentropy = _make(
    "CategoricalFocalCrossentropy", categorical_focal_crossentropy, "categorical_focal_crossentropy"
)
KLDivergence = _make("KLDivergence", kl_divergence, "kl_divergence", "kld", "KLD")
Poisson = _make("Poisson", poisson, "poisson")
Dice = _make("Dice", dice, "dice")
CTC = _make("CTC", ctc, "ctc")
Tversky = _make("Tversky", tversky, "tversky")
CategoricalGeneralizedCrossEntropy = _make(
    "CategoricalGeneralizedCrossEntropy",
    categorical_generalized_cross_entropy,
    "categorical_generalized_cross_entropy",
)


class Circle(LossFunctionWrapper):
    """The mean over the samples that have a pair of :func:`circle`."""

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "circle",
        dtype: Any = None,
    ) -> None:
        options = {"gamma": gamma, "margin": margin, "remove_diagonal": remove_diagonal}
        super().__init__(circle, reduction, name, dtype, **options)
        vars(self).update(options)


_registry.add(Circle)
_registry.add(circle)

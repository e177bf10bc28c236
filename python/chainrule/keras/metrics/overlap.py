"""Intersection over union of classes, from a confusion matrix kept in float64.

    IoU_k = M_kk / (sum_j M_kj + sum_i M_ik - M_kk)

Source: Everingham and others, The PASCAL visual object classes challenge, 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import _core

from ..variables import as_float, convert_to_tensor
from .base import Metric, registry
from .confusion import divide_no_nan

_op = _core.ops


class _ConfusionMatrix(Metric):
    """M_ij: the weight of the samples of class i that were predicted as class j."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype, name)
        self.num_classes, self.ignore_class, self.axis = num_classes, ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self.total_cm = self.add_variable((num_classes, num_classes), "zeros", "float64", name="total_cm")

    def _classes(self, values: Any, sparse: bool) -> Any:
        values = convert_to_tensor(values)
        values = values if sparse else _op.argmax(values, axis=self.axis)
        return _op.reshape(_op.cast(values, "int64"), (-1,))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        true, said = self._classes(y_true, self.sparse_y_true), self._classes(y_pred, self.sparse_y_pred)
        if tuple(true.shape) != tuple(said.shape):
            raise ValueError(
                f"Metric {self.name!r}: {true.shape[0]} labels for {said.shape[0]} predictions. Say with "
                f"sparse_y_true and sparse_y_pred which of them hold class numbers rather than one value a class."
            )
        weights = None if sample_weight is None else _op.reshape(convert_to_tensor(sample_weight, "float64"), (-1, 1))
        if self.ignore_class is not None:
            valid = _op.expand_dims(as_float(_op.not_equal(true, self.ignore_class), "float64"), 1)
            weights = valid if weights is None else weights * valid
        rows = _op.one_hot(true, self.num_classes, dtype="float64")
        columns = _op.one_hot(said, self.num_classes, dtype="float64")
        self.total_cm.assign_add(_op.matmul(_op.transpose(rows if weights is None else rows * weights), columns))

    def _ious(self) -> tuple[Any, Any]:
        """(IoU of each class, whether it occurs at all)."""
        matrix = self.total_cm.value
        right = _op.sum(matrix * np.eye(self.num_classes), axis=0)
        union = _op.sum(matrix, axis=0) + _op.sum(matrix, axis=1) - right
        return divide_no_nan(right, union), as_float(_op.greater(union, 0.0), "float64")

    def _mean(self, classes: Sequence[int]) -> Any:
        """The mean over those of the classes that occur."""
        index = np.asarray(list(classes), "int64")
        ious, occur = (_op.take(values, index, axis=0) for values in self._ious())
        return _op.cast(divide_no_nan(_op.sum(ious * occur), _op.sum(occur)), self.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }
        return {**super().get_config(), **own}


@registry.add
class IoU(_ConfusionMatrix):
    """The mean intersection over union of the classes ``target_class_ids`` (those that occur).

    Args:
        num_classes: the number of classes.
        target_class_ids: which of them count.
        ignore_class: samples with this label are left out, as are classes outside 0 to num_classes - 1.
        sparse_y_true, sparse_y_pred: whether labels and predictions are class numbers; else the greatest along
            ``axis`` is meant.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)
        self.target_class_ids = list(target_class_ids)
        if not self.target_class_ids or not all(0 <= c < num_classes for c in self.target_class_ids):
            raise ValueError(
                f"Metric {self.name!r}: target_class_ids must be from 0 to {num_classes - 1}, got {target_class_ids!r}."
            )

    def result(self) -> Any:
        return self._mean(self.target_class_ids)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_class_ids": self.target_class_ids}


@registry.add
class BinaryIoU(IoU):
    """IoU of the classes 0 and 1, where scores of at least ``threshold`` are class 1."""

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        said = _op.cast(_op.greater_equal(convert_to_tensor(y_pred), self.threshold), "int64")
        super().update_state(y_true, said, sample_weight)

    def get_config(self) -> dict[str, Any]:
        own = {"target_class_ids": self.target_class_ids, "threshold": self.threshold}
        return {**Metric.get_config(self), **own}


@registry.add
class MeanIoU(IoU):
    """The mean IoU of all classes that occur. Arguments as :class:`IoU`."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["target_class_ids"]
        return config


@registry.add
class OneHotIoU(IoU):
    """IoU for one-hot labels; predictions are scores of the classes unless ``sparse_y_pred``."""

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config


@registry.add
class OneHotMeanIoU(MeanIoU):
    """The mean IoU of all classes that occur, for one-hot labels. Arguments as :class:`OneHotIoU`."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config

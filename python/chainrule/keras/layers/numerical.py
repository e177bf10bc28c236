"""Layers that prepare numbers and classes: rescaling, normalising, binning, one-hot and multi-hot codes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from ..config import epsilon, image_data_format
from ..ops.selection import one_hot
from ..symbolic import KerasTensor
from ..variables import Tensor, Variable, convert_to_tensor
from .base import Layer, registry

_op = _core.ops

OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count")


def batches(data: Any) -> Iterable[Any]:
    """The arrays that ``adapt`` learns from: one array, or the batches (without their targets) of a data set."""
    whole_list = isinstance(data, (list, tuple)) and not (data and _is_batch(data[0]))
    if whole_list or hasattr(data, "__array__") or isinstance(data, (Tensor, Variable, str)):
        yield data
    else:
        source = (data[i] for i in range(len(data))) if hasattr(data, "__getitem__") else data
        for batch in source:
            yield batch[0] if isinstance(batch, tuple) else batch


def _is_batch(item: Any) -> bool:
    """Whether an entry of a list is an array, or arrays: inputs with targets."""
    return hasattr(item, "__array__") or (isinstance(item, tuple) and bool(item) and hasattr(item[0], "__array__"))


def encode(indices: Any, depth: int, mode: str, dtype: str, weights: Any = None) -> Any:
    """Class numbers as codes of length ``depth``, on a last axis.

    ``one_hot`` adds that axis (or stretches one of length 1); ``multi_hot`` marks and ``count`` counts the classes
    along the second axis (of a vector: the first). Numbers outside 0 .. depth - 1 leave no mark.
    """
    if mode == "one_hot":
        if indices.ndim and indices.shape[-1] == 1:
            indices = _op.squeeze(indices, axis=-1)
        return one_hot(indices, depth, dtype=dtype)
    if indices.ndim == 0:
        indices = _op.expand_dims(indices, 0)
    codes = one_hot(indices, depth, dtype=dtype if weights is None else "float32")
    if mode == "multi_hot":
        return _op.max(codes, axis=min(1, indices.ndim - 1))
    if weights is not None:
        codes = codes * _op.expand_dims(_op.cast(convert_to_tensor(weights), codes.dtype), -1)
    return _op.cast(_op.sum(codes, axis=min(1, indices.ndim - 1)), dtype)


def encoded_shape(shape: tuple[Any, ...], depth: int, mode: str) -> tuple[Any, ...]:
    """The shape that :func:`encode` gives."""
    if mode == "int":
        return shape
    if mode == "one_hot":
        return (*(shape[:-1] if shape and shape[-1] == 1 else shape), depth)
    return (*shape[:1], *shape[2:], depth) if len(shape) > 1 else (depth,)


@registry.add
class Rescaling(Layer):
    """``inputs * scale + offset``; both may be lists, one number per channel."""

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        scale, offset = (
            x if isinstance(x, (int, float)) else self._per_channel(convert_to_tensor(x, inputs.dtype), inputs.ndim)
            for x in self._numbers()
        )
        return inputs * scale + offset

    def _per_channel(self, numbers: Any, ndim: int) -> Any:
        """A vector along the axis of the channels."""
        if numbers.ndim == 1 and ndim > 2 and image_data_format() == "channels_first":
            return _op.reshape(numbers, (numbers.size, *(1,) * (ndim - 2)))
        return numbers

    def _numbers(self) -> tuple[Any, Any]:
        return self.scale, self.offset

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        numbers = (x.tolist() if isinstance(x, np.ndarray) else x for x in self._numbers())
        return {**super().get_config(), **dict(zip(("scale", "offset"), numbers, strict=True))}


@registry.add
class Normalization(Layer):
    """``(inputs - mean) / sqrt(variance)``, with the mean and variance of data seen by :meth:`adapt`, or given.

    Args:
        axis: the axes whose entries have statistics of their own (features); the others, the batch among them, are
            pooled. None pools all.
        mean, variance: the statistics, in place of :meth:`adapt`.
        invert: the way back, ``mean + inputs * sqrt(variance)``.

    Example::

        layer = keras.layers.Normalization()
        layer.adapt(x_train)
    """

    supports_masking = True

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis = tuple(axis) if isinstance(axis, (list, tuple)) else () if axis is None else (axis,)
        if (mean is None) != (variance is None):
            raise ValueError(
                f"Normalization: give both mean and variance, or neither and call adapt(data); got mean={mean}, "
                f"variance={variance}."
            )
        self.input_mean, self.input_variance = (None if x is None else np.asarray(x) for x in (mean, variance))
        self.invert = invert
        self.adapt_mean: Variable | None = None
        self.adapt_variance: Variable | None = None
        self.count: Variable | None = None

    def build(self, input_shape: Any = None) -> None:
        if input_shape is None:
            return
        ndim = len(input_shape)
        if any(not -ndim <= a < ndim for a in self.axis):
            raise ValueError(f"Normalization: axis {self.axis} doesn't fit inputs of shape {tuple(input_shape)}.")
        self._kept = tuple(sorted(a % ndim for a in self.axis))
        shape = tuple(input_shape[a] for a in self._kept)
        if any(n is None for n in shape):
            raise ValueError(
                f"Normalization: the axes {self.axis} must have a known length, got inputs of shape "
                f"{tuple(input_shape)}."
            )
        self._pooled = tuple(a for a in range(ndim) if a not in self._kept)
        self._broadcast = tuple(input_shape[a] if a in self._kept else 1 for a in range(ndim))
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
            self.adapt_variance = self.add_weight(name="variance", shape=shape, initializer="ones", trainable=False)
            self.count = self.add_weight(name="count", shape=(), dtype="int32", initializer="zeros", trainable=False)

    def adapt(self, data: Any) -> None:
        """Learns mean and variance from an array, or from the batches of a data set or generator."""
        if self.input_mean is not None:
            raise ValueError("Normalization: mean and variance were given; adapt() has nothing to learn.")
        count, mean, squares = 0, np.zeros(()), np.zeros(())
        for batch in batches(data):
            values = np.asarray(batch, "float64")
            if values.ndim == 1:
                values = values[:, None] if self.axis else values
            if not self.built:
                self.build((None, *values.shape[1:]))
                self.built = True
            if values.ndim != len(self._broadcast):
                raise ValueError(
                    f"Normalization: was built for inputs with {len(self._broadcast)} axes, but adapt() got shape "
                    f"{values.shape}."
                )
            n = math.prod(values.shape[a] for a in self._pooled)
            if n == 0:
                continue
            batch_mean, batch_variance = values.mean(self._pooled), values.var(self._pooled)
            # Chan, Golub, LeVeque 1979: moments of two sets joined.
            total = count + n
            shift = batch_mean - mean
            squares = squares + batch_variance * n + shift**2 * (count * n / total)
            mean, count = mean + shift * (n / total), total
        if not count or self.adapt_mean is None or self.adapt_variance is None or self.count is None:
            raise ValueError("Normalization: adapt() needs at least one batch of data.")
        self.adapt_mean.assign(mean.astype(self.dtype))
        self.adapt_variance.assign((squares / count).astype(self.dtype))
        self.count.assign(count)

    def finalize_state(self) -> None:
        """Nothing: :attr:`mean` and :attr:`variance` always follow the weights."""

    def _statistic(self, given: Any, learned: Any) -> Any:
        if not self.built:
            return None
        value = convert_to_tensor(given, self.dtype) if learned is None else learned.value
        if value.ndim == 0 and self._broadcast:
            return _op.broadcast_to(value, self._broadcast)
        return _op.reshape(_op.broadcast_to(value, tuple(self._broadcast[a] for a in self._kept)), self._broadcast)

    @property
    def mean(self) -> Any:
        """The mean, shaped to broadcast over inputs; None before the layer is built."""
        return self._statistic(self.input_mean, self.adapt_mean)

    @property
    def variance(self) -> Any:
        """The variance, shaped to broadcast over inputs; None before the layer is built."""
        return self._statistic(self.input_variance, self.adapt_variance)

    def call(self, inputs: Any) -> Any:
        deviation = _op.maximum(_op.sqrt(self.variance), epsilon())
        return self.mean + inputs * deviation if self.invert else (inputs - self.mean) / deviation

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        given = ((None if x is None else x.tolist()) for x in (self.input_mean, self.input_variance))
        mean, variance = given
        axis: Any = self.axis or None
        if axis is not None and len(axis) == 1:
            axis = axis[0]
        own = {"axis": axis, "invert": self.invert, "mean": mean, "variance": variance}
        return {**super().get_config(), **own}


@registry.add
class Discretization(Layer):
    """The number of the bin that each value falls into: bounds b give bins (-inf, b0), [b0, b1), ..., [bn, inf).

    Args:
        bin_boundaries: the bounds, ascending.
        num_bins: in place of them: so many bins of equal counts, learned by :meth:`adapt`.
        epsilon: how exactly quantiles of large data are kept.
        output_mode: ``"int"``, or the codes of :class:`CategoryEncoding`.
    """

    _keeps_integers = True

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype or ("int64" if output_mode == "int" else None), autocast=False)
        if sparse:
            raise ValueError("Discretization: sparse outputs are not supported.")
        if output_mode not in OUTPUT_MODES:
            raise ValueError(f"Discretization: output_mode must be one of {OUTPUT_MODES}, got {output_mode!r}.")
        if num_bins is not None and (num_bins < 0 or bin_boundaries is not None):
            raise ValueError(
                f"Discretization: give bin_boundaries, or num_bins >= 0 and call adapt(); got num_bins={num_bins}, "
                f"bin_boundaries={bin_boundaries}."
            )
        if num_bins is None and bin_boundaries is None:
            raise ValueError("Discretization: give bin_boundaries or num_bins.")
        self.input_bin_boundaries = bin_boundaries
        self.bin_boundaries = [] if bin_boundaries is None else [float(b) for b in bin_boundaries]
        self.num_bins, self.epsilon, self.output_mode, self.sparse = num_bins, epsilon, output_mode, sparse
        self._summary = np.zeros((2, 0), "float32")
        self._build_at_init()

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learns the bounds from an array or the (first ``steps``) batches of a data set."""
        self.reset_state()
        for i, batch in enumerate(batches(data)):
            if steps is not None and i >= steps:
                break
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Takes more data into account."""
        if self.input_bin_boundaries is not None:
            raise ValueError("Discretization: bin_boundaries were given; there is nothing to learn.")
        values = np.sort(np.asarray(data, "float32").reshape(-1))
        step = max(values.size * self.epsilon, 1)
        part = values[int(step - 1) :: int(step)]
        joined = np.concatenate([self._summary, np.stack([part, np.full_like(part, step)])], axis=1)
        self._summary = _compressed(joined[:, np.argsort(joined[0], kind="stable")], self.epsilon)

    def finalize_state(self) -> None:
        """Sets the bounds from what was seen."""
        if self.input_bin_boundaries is None and self._summary.size and self.num_bins:
            self.bin_boundaries = _compressed(self._summary, 1.0 / self.num_bins)[0, :-1].tolist()

    def reset_state(self) -> None:
        """Forgets what was seen."""
        if self.input_bin_boundaries is None:
            self._summary = np.zeros((2, 0), "float32")

    def _convert(self, x: Any) -> Any:
        return x  # lists too

    def call(self, inputs: Any) -> Any:
        inputs = convert_to_tensor(inputs)
        if self.input_bin_boundaries is None and not self.bin_boundaries:
            raise ValueError("Discretization: call adapt(data) first, or give bin_boundaries.")
        x = inputs if inputs.dtype.kind == "f" else _op.cast(inputs, "float32")
        bounds = chainrule.asarray(np.asarray(self.bin_boundaries, x.dtype))
        passed = _op.greater_equal(_op.expand_dims(x, -1), bounds)
        bins = _op.sum(_op.cast(passed, "int64"), axis=-1)
        if self.output_mode == "int":
            return bins if self.dtype == "int64" else _op.cast(bins, self.dtype)
        return encode(bins, len(self.bin_boundaries) + 1, self.output_mode, self.dtype)

    def compute_output_spec(self, inputs: Any) -> Any:
        depth = len(self.bin_boundaries) + 1 if self.bin_boundaries else self.num_bins or 1
        return KerasTensor(encoded_shape(inputs.shape, depth, self.output_mode), self.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.compute_output_spec(KerasTensor(input_shape)).shape

    def get_config(self) -> dict[str, Any]:
        learned = self.bin_boundaries or None
        return {
            "bin_boundaries": list(self.input_bin_boundaries) if self.input_bin_boundaries is not None else learned,
            "num_bins": self.num_bins if self.input_bin_boundaries is not None or not learned else None,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.dtype,
        }


def _compressed(summary: np.ndarray, share: float) -> np.ndarray:
    """A summary (values upwards, their weights) cut down to 1 / ``share`` values at equal weights apart."""
    if summary.shape[1] * share < 1:
        return summary
    places = share + np.arange(0.0, 1.0, share)
    reached = summary[1].cumsum()
    values = np.interp(places, reached / reached[-1], summary[0])
    weights = np.diff(np.interp(places, reached / reached[-1], reached), prepend=0)
    return np.stack([values, weights]).astype("float32")


@registry.add
class CategoryEncoding(Layer):
    """Class numbers 0 .. num_tokens - 1 as codes.

    ``output_mode``: ``"one_hot"`` one code per number, ``"multi_hot"`` one per row that marks the classes in it,
    ``"count"`` one per row that counts them (``count_weights`` given to the call weigh them).
    """

    _keeps_integers = True

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        output_mode = "multi_hot" if output_mode == "binary" else output_mode
        if output_mode not in OUTPUT_MODES[1:]:
            raise ValueError(f"CategoryEncoding: output_mode must be one of {OUTPUT_MODES[1:]}, got {output_mode!r}.")
        if num_tokens is None or num_tokens < 1:
            raise ValueError(f"CategoryEncoding: num_tokens must be a positive integer, got {num_tokens!r}.")
        if sparse:
            raise ValueError("CategoryEncoding: sparse outputs are not supported.")
        self.num_tokens, self.output_mode, self.sparse = num_tokens, output_mode, sparse
        self._build_at_init()

    def _convert(self, x: Any) -> Any:
        return x  # lists too

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        inputs = convert_to_tensor(inputs)
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(f"CategoryEncoding: count_weights go with output_mode='count', not {self.output_mode!r}.")
        indices = inputs if inputs.dtype.kind in "iu" else _op.cast(inputs, "int64")
        return encode(indices, self.num_tokens, self.output_mode, self.dtype, count_weights)

    def compute_output_spec(self, inputs: Any, count_weights: Any = None) -> Any:
        return KerasTensor(self.compute_output_shape(inputs.shape), self.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return encoded_shape(tuple(input_shape), self.num_tokens, self.output_mode)

    def get_config(self) -> dict[str, Any]:
        own = {"num_tokens": self.num_tokens, "output_mode": self.output_mode, "sparse": self.sparse}
        return {**super().get_config(), **own}


@registry.add
class Pipeline(Layer):
    """Layers called one after the other."""

    def __init__(self, layers: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._pipeline_layers = list(layers)

    @property
    def layers(self) -> list[Layer]:
        """The layers in order."""
        return list(self._pipeline_layers)

    def append(self, layer: Layer) -> None:
        """Puts a layer at the end."""
        self._pipeline_layers.append(layer)

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        for layer in self._pipeline_layers:
            inputs = layer(inputs, training=training)
        return inputs

    def get_config(self) -> dict[str, Any]:
        from ..registry import serialize_keras_object

        return {"layers": [serialize_keras_object(layer) for layer in self._pipeline_layers], "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Pipeline:
        from ..registry import deserialize_keras_object

        return cls(**{**config, "layers": [deserialize_keras_object(layer) for layer in config["layers"]]})

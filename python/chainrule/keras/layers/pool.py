"""Pooling layers: the greatest or the mean entry of each window, or of everything."""

from __future__ import annotations

from typing import Any

from chainrule import _core, nn

from .base import Layer, registry
from .input_spec import InputSpec
from .windows import (
    check_lengths,
    checked_format,
    checked_padding,
    from_last,
    output_length,
    pad_all,
    per_axis,
    shape_from_last,
    shape_to_last,
    to_last,
)

_op = _core.ops


class _Pooling(Layer):
    rank: int
    _pool: Any  # the op

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        layer = type(self).__name__
        self.pool_size = per_axis(pool_size, self.rank, layer, "pool_size")
        self.strides = self.pool_size if strides is None else per_axis(strides, self.rank, layer, "strides")
        self.padding = checked_padding(padding, layer)
        self.data_format = checked_format(data_format, layer)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        x = to_last(inputs, self.data_format)
        low, high = pad_all(x.shape[1:-1], self.pool_size, self.strides, self.padding, (1,) * self.rank)
        return from_last(type(self)._pool(x, self.pool_size, self.strides, low, high), self.data_format)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *lengths, channels = shape_to_last(input_shape, self.data_format)
        found = [
            output_length(n, w, s, self.padding) for n, w, s in zip(lengths, self.pool_size, self.strides, strict=True)
        ]
        check_lengths(self, input_shape, found)
        return shape_from_last((batch, *found, channels), self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
        }


class _MaxPooling(_Pooling):
    _pool = staticmethod(_op.max_pool)


class _AveragePooling(_Pooling):
    _pool = staticmethod(_op.avg_pool)


@registry.add
class MaxPooling1D(_MaxPooling):
    """The greatest entry of each window: (batch, steps, channels) -> (batch, new steps, channels)."""

    rank = 1


@registry.add
class MaxPooling2D(_MaxPooling):
    """The greatest entry of each window of an image, channel by channel.

    Args:
        pool_size: height and width of the window, or one integer for both.
        strides: steps between windows; None: the windows' size.
        padding: ``"valid"`` or ``"same"``; padding is never the greatest.
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Example: ``MaxPooling2D((2, 2))`` makes (batch, 26, 26, 32) to (batch, 13, 13, 32).
    """

    rank = 2


@registry.add
class MaxPooling3D(_MaxPooling):
    """The greatest entry of each window of a volume; see :class:`MaxPooling2D`."""

    rank = 3


@registry.add
class AveragePooling1D(_AveragePooling):
    """The mean of each window: (batch, steps, channels) -> (batch, new steps, channels)."""

    rank = 1


@registry.add
class AveragePooling2D(_AveragePooling):
    """The mean of each window of an image, padding not counted; arguments as in :class:`MaxPooling2D`."""

    rank = 2


@registry.add
class AveragePooling3D(_AveragePooling):
    """The mean of each window of a volume, padding not counted; see :class:`MaxPooling2D`."""

    rank = 3


class _GlobalPooling(Layer):
    rank: int
    _reduce: Any  # the op

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = checked_format(data_format, type(self).__name__)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        first = 1 if self.data_format == "channels_last" else 2
        return type(self)._reduce(inputs, axis=tuple(range(first, first + self.rank)), keepdims=self.keepdims)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *_, channels = shape_to_last(input_shape, self.data_format)
        if not self.keepdims:
            return (batch, channels)
        return shape_from_last((batch, *(1,) * self.rank, channels), self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


class _GlobalMaxPooling(_GlobalPooling):
    _reduce = staticmethod(_op.max)


class _GlobalAveragePooling(_GlobalPooling):
    _reduce = staticmethod(_op.mean)


@registry.add
class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The greatest entry of each channel: (batch, steps, channels) -> (batch, channels)."""

    rank = 1


@registry.add
class GlobalMaxPooling2D(_GlobalMaxPooling):
    """The greatest entry of each channel: (batch, height, width, channels) -> (batch, channels).

    With ``keepdims`` the spatial axes stay, with length 1.
    """

    rank = 2


@registry.add
class GlobalMaxPooling3D(_GlobalMaxPooling):
    """The greatest entry of each channel of a volume; see :class:`GlobalMaxPooling2D`."""

    rank = 3


@registry.add
class GlobalAveragePooling1D(_GlobalAveragePooling):
    """The mean of each channel: (batch, steps, channels) -> (batch, channels), over the steps that the mask counts."""

    rank = 1

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return super().call(inputs)
        counted = _op.expand_dims(mask, 2 if self.data_format == "channels_last" else 1)
        steps = 1 if self.data_format == "channels_last" else 2
        total = _op.sum(_op.where(counted, inputs, 0.0), axis=steps, keepdims=self.keepdims)
        return total / _op.sum(_op.cast(counted, inputs.dtype), axis=steps, keepdims=self.keepdims)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return None


@registry.add
class GlobalAveragePooling2D(_GlobalAveragePooling):
    """The mean of each channel: (batch, height, width, channels) -> (batch, channels).

    With ``keepdims`` the spatial axes stay, with length 1.
    """

    rank = 2


@registry.add
class GlobalAveragePooling3D(_GlobalAveragePooling):
    """The mean of each channel of a volume; see :class:`GlobalAveragePooling2D`."""

    rank = 3


class _AdaptivePooling(Layer):
    rank: int
    _pool: Any  # the function

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size = per_axis(output_size, self.rank, type(self).__name__, "output_size")
        self.data_format = checked_format(data_format, type(self).__name__)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        x = to_last(inputs, self.data_format)
        return from_last(type(self)._pool(x, self.output_size), self.data_format)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *_, channels = shape_to_last(input_shape, self.data_format)
        return shape_from_last((batch, *self.output_size, channels), self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_size": self.output_size, "data_format": self.data_format}


class _AdaptiveMaxPooling(_AdaptivePooling):
    _pool = staticmethod(nn.adaptive_max_pool)


class _AdaptiveAveragePooling(_AdaptivePooling):
    _pool = staticmethod(nn.adaptive_avg_pool)


@registry.add
class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """The greatest entry of ``output_size`` windows: (batch, steps, channels) -> (batch, output_size, channels)."""

    rank = 1


@registry.add
class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """The greatest entry of a grid of windows whose number is given, whatever the size of the image.

    Args:
        output_size: rows and columns of the results, or one integer for both. Window i of m along an axis of length n
            holds the cells from floor(i n / m) to ceil((i + 1) n / m).
        data_format: ``"channels_last"`` or ``"channels_first"``.

    Example: ``AdaptiveMaxPooling2D((2, 3))`` makes (batch, 9, 8, 32) to (batch, 2, 3, 32).
    """

    rank = 2


@registry.add
class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """The greatest entry of a grid of windows of a volume; see :class:`AdaptiveMaxPooling2D`."""

    rank = 3


@registry.add
class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    """The mean of ``output_size`` windows: (batch, steps, channels) -> (batch, output_size, channels)."""

    rank = 1


@registry.add
class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    """The mean of a grid of windows whose number is given; see :class:`AdaptiveMaxPooling2D`."""

    rank = 2


@registry.add
class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    """The mean of a grid of windows of a volume; see :class:`AdaptiveMaxPooling2D`."""

    rank = 3


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
)

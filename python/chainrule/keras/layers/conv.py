"""Convolution layers: Conv1D-3D, depthwise, separable, transposed."""

from __future__ import annotations

from typing import Any

from chainrule import _core, nn

from .. import activations, constraints, initializers, regularizers
from ..variables import convert_to_tensor
from .base import Layer, registry
from .input_spec import InputSpec
from .windows import (
    check_lengths,
    checked_format,
    checked_padding,
    from_last,
    output_length,
    per_axis,
    shape_from_last,
    shape_to_last,
    to_last,
    transposed_length,
)

_op = _core.ops


class _Convolution(Layer):
    """What all of them share: window arguments, bias and activation, the checks of the input."""

    rank: int
    _paddings: tuple[str, ...] = ("valid", "same")
    _strides_or_dilation = False  # whether only one of them may be above 1
    _kernels: tuple[str, ...] = ("kernel",)  # prefixes of the initializer, regularizer and constraint of each kernel

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        bias_constraint: Any,
        kernel_options: dict[str, tuple[Any, Any, Any]],
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        layer = type(self).__name__
        self.kernel_size = per_axis(kernel_size, self.rank, layer, "kernel_size")
        self.strides = per_axis(strides, self.rank, layer, "strides")
        self.padding = checked_padding(padding, layer, self._paddings)
        self.data_format = checked_format(data_format, layer)
        if self.padding == "causal" and self.data_format != "channels_last":
            raise ValueError(f"{layer}: padding='causal' needs data_format='channels_last'.")
        self.dilation_rate = per_axis(dilation_rate, self.rank, layer, "dilation_rate")
        if self._strides_or_dilation and max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{layer}: only one of strides and dilation_rate may be above 1, got strides={self.strides} and "
                f"dilation_rate={self.dilation_rate}."
            )
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        for prefix in self._kernels:
            initializer, regularizer, constraint = kernel_options[prefix]
            setattr(self, f"{prefix}_initializer", initializers.get(initializer))
            setattr(self, f"{prefix}_regularizer", regularizers.get(regularizer))
            setattr(self, f"{prefix}_constraint", constraints.get(constraint))
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.bias_constraint = constraints.get(bias_constraint)
        self.bias: Any = None
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _channels(self, input_shape: Any) -> int:
        if len(input_shape) != self.rank + 2:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) expects inputs of {self.rank + 2} axes (batch, "
                f"{self.rank} spatial, channels), but its input has shape {tuple(input_shape)}."
            )
        axis = -1 if self.data_format == "channels_last" else 1
        channels = input_shape[axis]
        if channels is None:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) needs to know the number of channels of its input; its "
                f"shape is {tuple(input_shape)}."
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        return int(channels)

    def _add_kernel(self, shape: tuple[int, ...], prefix: str = "kernel", name: str = "kernel") -> Any:
        return self.add_weight(
            shape,
            getattr(self, f"{prefix}_initializer"),
            regularizer=getattr(self, f"{prefix}_regularizer"),
            constraint=getattr(self, f"{prefix}_constraint"),
            name=name,
        )

    def _add_bias(self, channels: int) -> None:
        if self.use_bias:
            self.bias = self.add_weight(
                (channels,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def _finish(self, outputs: Any) -> Any:
        if self.bias is not None:
            outputs = _op.add(outputs, self.bias.value)
        outputs = from_last(outputs, self.data_format)
        return outputs if self.activation is activations.linear else self.activation(outputs)

    def _output_channels(self, channels: int) -> int:
        return int(self.filters)  # type: ignore[attr-defined]

    def _output_lengths(self, lengths: Any) -> list[int | None]:
        return [
            output_length(n, w, s, self.padding, d)
            for n, w, s, d in zip(lengths, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        ]

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *lengths, channels = shape_to_last(input_shape, self.data_format)
        found = self._output_lengths(lengths)
        check_lengths(self, input_shape, found)
        return shape_from_last((batch, *found, self._output_channels(channels)), self.data_format)

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
        }
        for prefix in (*self._kernels, "bias"):
            config[f"{prefix}_initializer"] = initializers.serialize(getattr(self, f"{prefix}_initializer"))
            config[f"{prefix}_regularizer"] = regularizers.serialize(getattr(self, f"{prefix}_regularizer"))
            config[f"{prefix}_constraint"] = constraints.serialize(getattr(self, f"{prefix}_constraint"))
        return config


def _filters(filters: Any, layer: str) -> int:
    if isinstance(filters, bool) or not hasattr(filters, "__index__") or filters <= 0:
        raise ValueError(f"{layer}: filters must be a positive integer, got {filters!r}.")
    return int(filters)


class _Conv(_Convolution):
    _strides_or_dilation = True

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            activity_regularizer,
            bias_constraint,
            {"kernel": (kernel_initializer, kernel_regularizer, kernel_constraint)},
            **kwargs,
        )
        layer = type(self).__name__
        self.filters = _filters(filters, layer)
        self.groups = groups
        if groups < 1 or self.filters % groups != 0:
            raise ValueError(f"{layer}: groups must divide filters, got groups={groups} and filters={self.filters}.")

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        if channels % self.groups != 0:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}): groups={self.groups} must divide the {channels} "
                f"channels of its input of shape {tuple(input_shape)}."
            )
        self.kernel = self._add_kernel((*self.kernel_size, channels // self.groups, self.filters))
        self._add_bias(self.filters)

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The convolution alone, without bias and activation: what a subclass with a kernel of its own overrides."""
        x = to_last(inputs, self.data_format)
        y = nn.conv(x, convert_to_tensor(kernel), None, self.strides, self.padding, self.dilation_rate, self.groups)
        return from_last(y, self.data_format)

    def call(self, inputs: Any) -> Any:
        return self._finish(to_last(self.convolution_op(inputs, self.kernel.value), self.data_format))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "groups": self.groups}


@registry.add
class Conv1D(_Conv):
    """Convolution along one axis: inputs (batch, steps, channels) -> (batch, new steps, filters).

    Args:
        filters: the number of output channels.
        kernel_size: the length of the window.
        strides, dilation_rate: steps between positions, and between cells of the window.
        padding: ``"valid"`` (none), ``"same"`` (ceil(steps / strides) positions) or ``"causal"`` (all of it before).
        data_format: ``"channels_last"`` or ``"channels_first"``.
        groups: channels are split into so many groups that don't mix.
        activation, use_bias, initializers, regularizers, constraints: as in ``Dense``.

    The kernel has shape (kernel_size, channels / groups, filters). Example: ``Conv1D(32, 5, activation="relu")``.
    """

    rank = 1
    _paddings = ("valid", "same", "causal")


@registry.add
class Conv2D(_Conv):
    """Convolution over images: inputs (batch, height, width, channels) -> (batch, new height, new width, filters).

    Args:
        filters: the number of output channels.
        kernel_size: height and width of the window, or one integer for both.
        strides, dilation_rate: steps between positions, and between cells of the window.
        padding: ``"valid"`` (none) or ``"same"`` (ceil(length / stride) positions along each axis).
        data_format: ``"channels_last"`` or ``"channels_first"``, (batch, channels, height, width).
        groups: channels are split into so many groups that don't mix.
        activation, use_bias, initializers, regularizers, constraints: as in ``Dense``.

    The kernel has shape (height, width, channels / groups, filters).

    Example: ``Conv2D(32, (3, 3), activation="relu")``.
    """

    rank = 2


@registry.add
class Conv3D(_Conv):
    """Convolution over volumes: inputs (batch, depth, height, width, channels); otherwise as :class:`Conv2D`."""

    rank = 3


class _DepthwiseConv(_Convolution):
    _kernels = ("depthwise",)

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            activity_regularizer,
            bias_constraint,
            {"depthwise": (depthwise_initializer, depthwise_regularizer, depthwise_constraint)},
            **kwargs,
        )
        self.depth_multiplier = _filters(depth_multiplier, type(self).__name__)

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.kernel = self._add_kernel((*self.kernel_size, channels, self.depth_multiplier), "depthwise")
        self._add_bias(channels * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        x, kernel = to_last(inputs, self.data_format), self.kernel.value
        return self._finish(nn.depthwise_conv(x, kernel, None, self.strides, self.padding, self.dilation_rate))

    def _output_channels(self, channels: int) -> int:
        return channels * self.depth_multiplier

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "depth_multiplier": self.depth_multiplier}


@registry.add
class DepthwiseConv1D(_DepthwiseConv):
    """Convolution along one axis of each channel by itself; see :class:`DepthwiseConv2D`."""

    rank = 1


@registry.add
class DepthwiseConv2D(_DepthwiseConv):
    """Convolution of each channel by itself: (batch, height, width, channels) -> (..., channels * depth_multiplier).

    The kernel has shape (height, width, channels, depth_multiplier); the results of one channel lie side by side.
    Arguments as in :class:`Conv2D`. Example: ``DepthwiseConv2D(3, padding="same")``.
    """

    rank = 2


class _SeparableConv(_Convolution):
    _kernels = ("depthwise", "pointwise")

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            activity_regularizer,
            bias_constraint,
            {
                "depthwise": (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
                "pointwise": (pointwise_initializer, pointwise_regularizer, pointwise_constraint),
            },
            **kwargs,
        )
        self.filters = _filters(filters, type(self).__name__)
        self.depth_multiplier = _filters(depth_multiplier, type(self).__name__)

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        window = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = self._add_kernel(window, "depthwise", "depthwise_kernel")
        mixing = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = self._add_kernel(mixing, "pointwise", "pointwise_kernel")
        self._add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        x = to_last(inputs, self.data_format)
        kernels = self.depthwise_kernel.value, self.pointwise_kernel.value
        return self._finish(nn.separable_conv(x, *kernels, None, self.strides, self.padding, self.dilation_rate))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "depth_multiplier": self.depth_multiplier}


@registry.add
class SeparableConv1D(_SeparableConv):
    """A :class:`DepthwiseConv1D`, then a mixing of its channels at each position; see :class:`SeparableConv2D`."""

    rank = 1
    _paddings = ("valid", "same", "causal")


@registry.add
class SeparableConv2D(_SeparableConv):
    """A depthwise convolution, then a 1 x 1 convolution to ``filters`` channels.

    Weights: depthwise kernel (height, width, channels, depth_multiplier), pointwise kernel (1, 1, channels *
    depth_multiplier, filters), bias. Arguments as in :class:`Conv2D`. Example: ``SeparableConv2D(64, 3)``.
    """

    rank = 2


class _ConvTranspose(_Convolution):
    _strides_or_dilation = True

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            activity_regularizer,
            bias_constraint,
            {"kernel": (kernel_initializer, kernel_regularizer, kernel_constraint)},
            **kwargs,
        )
        layer = type(self).__name__
        self.filters = _filters(filters, layer)
        self.output_padding = (
            None if output_padding is None else per_axis(output_padding, self.rank, layer, "output_padding", 0)
        )
        for extra, stride in zip(self.output_padding or (), self.strides, strict=False):
            if extra >= stride:
                raise ValueError(
                    f"{layer}: output_padding must be less than strides, got {self.output_padding} and {self.strides}."
                )

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.kernel = self._add_kernel((*self.kernel_size, self.filters, channels))
        self._add_bias(self.filters)

    def _output_lengths(self, lengths: Any) -> list[int | None]:
        extras = self.output_padding or (None,) * self.rank
        windows = zip(lengths, self.kernel_size, self.strides, self.dilation_rate, extras, strict=True)
        return [transposed_length(n, w, s, self.padding, d, extra) for n, w, s, d, extra in windows]

    def call(self, inputs: Any) -> Any:
        x, kernel = to_last(inputs, self.data_format), self.kernel.value
        return self._finish(
            nn.conv_transpose(x, kernel, None, self.strides, self.padding, self.output_padding, self.dilation_rate)
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "output_padding": self.output_padding}


@registry.add
class Conv1DTranspose(_ConvTranspose):
    """Transposed convolution along one axis; see :class:`Conv2DTranspose`."""

    rank = 1


@registry.add
class Conv2DTranspose(_ConvTranspose):
    """Transposed convolution: (batch, height, width, channels) -> (batch, height * stride, width * stride, filters).

    It takes each input entry to a window of outputs, as the gradient of a convolution does. With ``padding="valid"``
    the outputs are longer by max(kernel_size - stride, 0). The kernel has shape (height, width, filters, channels).

    Args:
        output_padding: how much longer the outputs are than the shortest possible; None: as above.
        others: as in :class:`Conv2D`.

    Example: ``Conv2DTranspose(16, 3, strides=2, padding="same")``.
    """

    rank = 2


@registry.add
class Conv3DTranspose(_ConvTranspose):
    """Transposed convolution over volumes; see :class:`Conv2DTranspose`.

    As in Keras, ``data_format`` comes before ``output_padding`` here.
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
Convolution1DTranspose, Convolution2DTranspose, Convolution3DTranspose = (
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
)
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D

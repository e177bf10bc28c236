"""Convolution, pooling and what moves cells between space and channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule import nn
from chainrule.nn.windows import pad_all, per_axis

from ..config import image_data_format
from ..variables import convert_to_tensor
from .dispatch import as_real, core, symbolic


def standard_format(data_format: str | None, where: str) -> str:
    """``channels_last``, ``channels_first`` or, for None, what ``keras.config`` says."""
    data_format = image_data_format() if data_format is None else data_format
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"{where}: data_format must be 'channels_last' or 'channels_first', got {data_format!r}.")
    return data_format


def channels_last(x: Any, data_format: str) -> Any:
    """The tensor with its channels on the last axis."""
    return x if data_format == "channels_last" else core.transpose(x, (0, *range(2, x.ndim), 1))


def channels_back(x: Any, data_format: str) -> Any:
    """The inverse of :func:`channels_last`."""
    return x if data_format == "channels_last" else core.transpose(x, (0, x.ndim - 1, *range(1, x.ndim - 1)))


def _on_last(where: str, x: Any, data_format: str | None, function: Callable[[Any], Any]) -> Any:
    data_format = standard_format(data_format, where)
    return channels_back(function(channels_last(as_real(x), data_format)), data_format)


@symbolic
def conv(
    inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> Any:
    """Convolution with a kernel (window..., channels of a group, filters); the inputs' channels tell the groups."""
    kernel = as_real(kernel)

    def run(x: Any) -> Any:
        each, channels = kernel.shape[-2], x.shape[-1]
        if each < 1 or channels % each:
            raise ValueError(
                f"conv: the {channels} channels of inputs of shape {tuple(inputs.shape)} must be a multiple of those "
                f"of the kernel of shape {tuple(kernel.shape)}, {each}."
            )
        return nn.conv(x, kernel, None, strides, padding, dilation_rate, channels // each)

    return _on_last("conv", inputs, data_format, run)


@symbolic
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: Any = None,
    dilation_rate: Any = 1,
) -> Any:
    """Transposed convolution with a kernel (window..., filters, channels)."""
    kernel = as_real(kernel)
    more = None, strides, padding, output_padding, dilation_rate
    return _on_last("conv_transpose", inputs, data_format, lambda x: nn.conv_transpose(x, kernel, *more))


@symbolic
def depthwise_conv(
    inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> Any:
    """Each channel convolved by itself with a kernel (window..., channels, multiplier)."""
    kernel = as_real(kernel)
    more = None, strides, padding, dilation_rate
    return _on_last("depthwise_conv", inputs, data_format, lambda x: nn.depthwise_conv(x, kernel, *more))


@symbolic
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = 1,
) -> Any:
    """A depthwise convolution, then a mixing of the channels at each position."""
    kernels = as_real(depthwise_kernel), as_real(pointwise_kernel)
    return _on_last(
        "separable_conv",
        inputs,
        data_format,
        lambda x: nn.separable_conv(x, *kernels, None, strides, padding, dilation_rate),
    )


@symbolic
def max_pool(inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: Any = None) -> Any:
    """The greatest entry of each window."""
    return _on_last("max_pool", inputs, data_format, lambda x: nn.max_pool(x, pool_size, strides, padding))


@symbolic
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: Any = None
) -> Any:
    """The mean of each window, padding not counted."""
    return _on_last("average_pool", inputs, data_format, lambda x: nn.avg_pool(x, pool_size, strides, padding))


@symbolic
def adaptive_max_pool(inputs: Any, output_size: Any, data_format: Any = None) -> Any:
    """The greatest entry of each of ``output_size`` windows along the spatial axes."""
    return _on_last("adaptive_max_pool", inputs, data_format, lambda x: nn.adaptive_max_pool(x, output_size))


@symbolic
def adaptive_average_pool(inputs: Any, output_size: Any, data_format: Any = None) -> Any:
    """The mean of each of ``output_size`` windows along the spatial axes."""
    return _on_last("adaptive_average_pool", inputs, data_format, lambda x: nn.adaptive_avg_pool(x, output_size))


def _shuffle(name: str, function: Callable[[Any, int], Any]) -> Callable[..., Any]:
    def apply(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
        data_format = standard_format(data_format, name)
        x = convert_to_tensor(x)
        if x.ndim != 4:
            raise ValueError(f"{name}: needs a tensor of 4 axes, got shape {tuple(x.shape)}.")
        if data_format == "channels_last":
            return function(x, block_size)
        # Channels first have the block's cells behind the channel: (C, i, j), not (i, j, C).
        n, c, h, w = x.shape
        block = block_size
        if name == "depth_to_space":
            if c % block**2:
                raise ValueError(f"{name}: block_size^2 = {block**2} must divide the {c} channels of {tuple(x.shape)}.")
            x = core.reshape(x, (n, c // block**2, block, block, h, w))
            return core.reshape(core.transpose(x, (0, 1, 4, 2, 5, 3)), (n, c // block**2, h * block, w * block))
        if h % block or w % block:
            raise ValueError(f"{name}: block_size {block} must divide height and width of {tuple(x.shape)}.")
        x = core.reshape(x, (n, c, h // block, block, w // block, block))
        return core.reshape(core.transpose(x, (0, 1, 3, 5, 2, 4)), (n, c * block**2, h // block, w // block))

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = function.__doc__
    return symbolic(apply)


depth_to_space = _shuffle("depth_to_space", nn.depth_to_space)
space_to_depth = _shuffle("space_to_depth", nn.space_to_depth)


def _cells(length: int, window: int, stride: int, dilation: int) -> list[list[int]]:
    """For each cell of a window the places it takes along an axis."""
    count = (length - (window - 1) * dilation - 1) // stride + 1
    if count < 1:
        raise ValueError(
            f"A window of {window} with dilation {dilation} doesn't fit into an axis of length {length} with padding."
        )
    return [[o * stride + k * dilation for o in range(count)] for k in range(window)]


@symbolic
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Patches of images (batch, channels, height, width): (batch, channels * window, positions)."""
    x = convert_to_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"unfold: needs a tensor of 4 axes, got shape {tuple(x.shape)}.")
    window, dilation = per_axis(kernel_size, 2, "unfold", "kernel_size"), per_axis(dilation, 2, "unfold", "dilation")
    padding, stride = per_axis(padding, 2, "unfold", "padding", 0), per_axis(stride, 2, "unfold", "stride")
    if any(padding):
        x = core.pad(x, (0, 0, *padding), (0, 0, *padding))
    rows, columns = (_cells(n, *p) for n, *p in zip(x.shape[2:], window, stride, dilation, strict=True))
    patches = core.take(core.take(x, rows, axis=2), columns, axis=4)  # (n, c, kh, oh, kw, ow)
    patches = core.transpose(patches, (0, 1, 2, 4, 3, 5))
    return core.reshape(patches, (x.shape[0], -1, len(rows[0]) * len(columns[0])))


@symbolic
def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The sum of patches (batch, channels * window, positions) where :func:`unfold` takes them from an image."""
    x = as_real(x)
    size, window = per_axis(output_size, 2, "fold", "output_size"), per_axis(kernel_size, 2, "fold", "kernel_size")
    dilation, stride = per_axis(dilation, 2, "fold", "dilation"), per_axis(stride, 2, "fold", "stride")
    padding = per_axis(padding, 2, "fold", "padding", 0)
    wide = [n + 2 * p for n, p in zip(size, padding, strict=True)]
    rows, columns = (_cells(n, *p) for n, *p in zip(wide, window, stride, dilation, strict=True))
    cells, positions = window[0] * window[1], (len(rows[0]), len(columns[0]))
    if x.ndim != 3 or x.shape[1] % cells or x.shape[2] != positions[0] * positions[1]:
        raise ValueError(
            f"fold: with output_size={size}, kernel_size={window}, stride={stride}, padding={padding} and "
            f"dilation={dilation}, x must have shape (batch, channels * {cells}, {positions[0] * positions[1]}), got "
            f"{tuple(x.shape)}."
        )
    n, channels = x.shape[0], x.shape[1] // cells
    x = core.transpose(core.reshape(x, (n, channels, *window, *positions)), (0, 1, 2, 4, 3, 5))
    x = core.take_grad(x, columns, (n, channels, window[0], positions[0], wide[1]), axis=4)
    x = core.take_grad(x, rows, (n, channels, *wide), axis=2)
    if not any(padding):
        return x
    (top, left), (height, width) = padding, size
    return core.slice(x, (0, 0, top, left), (n, channels, top + height, left + width), (1, 1, 1, 1))


def patches(x: Any, window: Any, strides: Any, dilation: Any, padding: str) -> Any:
    """The cells of each window side by side: (batch, positions..., cells * channels)."""
    rank = x.ndim - 2
    low, high = pad_all(x.shape[1:-1], window, strides, padding, dilation)
    x = core.pad(x, (0, *low, 0), (0, *high, 0))
    each = [_cells(n, *p) for n, *p in zip(x.shape[1:-1], window, strides, dilation, strict=True)]
    for axis, cells in enumerate(each):  # an axis becomes two: cells, positions
        x = core.take(x, cells, axis=1 + 2 * axis)
    x = core.transpose(x, (0, *range(2, 2 * rank + 1, 2), *range(1, 2 * rank, 2), x.ndim - 1))
    return core.reshape(x, (*x.shape[: rank + 1], -1))

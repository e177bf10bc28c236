"""Convolution with one to three spatial axes, channels last (cross-correlation, as everywhere in deep learning)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule import _core

from .windows import checked_padding, pad_all, per_axis, transposed_length, transposed_padding

_op = _core.ops
_asarray = _core.asarray


def _spatial(x: Any, kernel: Any, where: str) -> tuple[Any, Any, int]:
    x, kernel = _asarray(x), _asarray(kernel)
    rank = x.ndim - 2
    if not 1 <= rank <= 3 or kernel.ndim != x.ndim:
        raise ValueError(
            f"{where}: needs x of shape (batch, 1 to 3 spatial axes, channels) and a kernel with as many axes, got "
            f"shapes {tuple(x.shape)} and {tuple(kernel.shape)}."
        )
    return x, kernel, rank


def _padding(
    x: Any, window: Sequence[int], strides: Sequence[int], padding: Any, dilation: Sequence[int], where: str
) -> tuple[list[int], list[int]]:
    if not isinstance(padding, str):
        pairs = [per_axis(pair, 2, where, "padding", 0) for pair in padding]
        if len(pairs) != len(window):
            raise ValueError(
                f"{where}: padding needs a pair for each of the {len(window)} spatial axes, got {padding!r}."
            )
        return [low for low, _ in pairs], [high for _, high in pairs]
    choices = ("valid", "same", "causal") if len(window) == 1 else ("valid", "same")
    return pad_all(x.shape[1:-1], window, strides, checked_padding(padding, where, choices), dilation)


def conv(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: int | Sequence[int] = 1,
    padding: str | Sequence[Sequence[int]] = "valid",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Any:
    """y[n, o, k] = b[k] + sum over cells w and channels c of x[n, o * stride + w * dilation - low, c] kernel[w, c, k].

    Args:
        x: (batch, spatial..., c_in), float32 or float64.
        kernel: (window..., c_in / groups, c_out).
        bias: (c_out,), or None.
        strides, dilation: steps between positions, and between cells of the window; one for all axes or one for each.
        padding: ``"valid"`` (none), ``"same"`` (ceil(length / stride) positions), along one axis ``"causal"`` (all of
            it before), or a pair (before, after) for each axis.
        groups: input and output channels fall into so many groups that don't mix.

    Returns:
        (batch, positions..., c_out).

    Raises:
        ValueError: shapes that don't fit, a window larger than the padded input.

    Example:
        >>> conv(numpy.ones((1, 5, 5, 3)), numpy.ones((3, 3, 3, 8)), padding="same").shape
        (1, 5, 5, 8)

    Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2016.
    """
    x, kernel, rank = _spatial(x, kernel, "conv")
    strides, dilation = per_axis(strides, rank, "conv", "strides"), per_axis(dilation, rank, "conv", "dilation")
    low, high = _padding(x, kernel.shape[:rank], strides, padding, dilation, "conv")
    y = _op.conv(x, kernel, strides, low, high, dilation, groups)
    return y if bias is None else _op.add(y, bias)


def depthwise_conv(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: int | Sequence[int] = 1,
    padding: str | Sequence[Sequence[int]] = "valid",
    dilation: int | Sequence[int] = 1,
) -> Any:
    """Each channel c convolved by itself with m kernels: y[n, o, c * m + k] = sum_w x[n, o + w, c] kernel[w, c, k].

    Args:
        x: (batch, spatial..., channels).
        kernel: (window..., channels, m).
        bias: (channels * m,), or None.
        strides, padding, dilation: as in :func:`conv`.

    Returns:
        (batch, positions..., channels * m).

    Example:
        >>> depthwise_conv(numpy.ones((1, 5, 5, 3)), numpy.ones((3, 3, 3, 2))).shape
        (1, 3, 3, 6)
    """
    x, kernel, rank = _spatial(x, kernel, "depthwise_conv")
    channels, multiplier = kernel.shape[-2:]
    if channels != x.shape[-1]:
        raise ValueError(
            f"depthwise_conv: x of shape {tuple(x.shape)} has {x.shape[-1]} channels, but the kernel of shape "
            f"{tuple(kernel.shape)} is for {channels}."
        )
    kernel = _op.reshape(kernel, (*kernel.shape[:rank], 1, channels * multiplier))
    return conv(x, kernel, bias, strides, padding, dilation, channels)


def separable_conv(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    bias: Any = None,
    strides: int | Sequence[int] = 1,
    padding: str | Sequence[Sequence[int]] = "valid",
    dilation: int | Sequence[int] = 1,
) -> Any:
    """:func:`depthwise_conv`, then a matrix product over the channels of each position.

    Args:
        x: (batch, spatial..., channels).
        depthwise_kernel: (window..., channels, m).
        pointwise_kernel: (1..., channels * m, c_out).
        bias: (c_out,), or None.
        strides, padding, dilation: of the depthwise convolution, as in :func:`conv`.

    Returns:
        (batch, positions..., c_out).

    Example:
        >>> separable_conv(numpy.ones((1, 5, 5, 3)), numpy.ones((3, 3, 3, 1)), numpy.ones((1, 1, 3, 8))).shape
        (1, 3, 3, 8)

    Chollet, Xception: Deep learning with depthwise separable convolutions, 2017.
    """
    return conv(depthwise_conv(x, depthwise_kernel, None, strides, padding, dilation), pointwise_kernel, bias)


def conv_transpose(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    output_padding: int | Sequence[int] | None = None,
    dilation: int | Sequence[int] = 1,
) -> Any:
    """Each input entry spread over a window of outputs: y[n, i * stride + w * dilation - low, k] += x[n, i, c]
    kernel[w, k, c], the gradient of a convolution's input.

    Args:
        x: (batch, spatial..., c_in).
        kernel: (window..., c_out, c_in).
        bias: (c_out,), or None.
        strides, dilation: as in :func:`conv`.
        padding: ``"valid"``: (n - 1) * stride + window outputs along an axis, but at least n * stride; ``"same"``:
            n * stride.
        output_padding: entries beyond the shortest result that would give x back its shape; None: as said above.

    Returns:
        (batch, lengths..., c_out).

    Example:
        >>> conv_transpose(numpy.ones((1, 4, 4, 3)), numpy.ones((3, 3, 8, 3)), strides=2, padding="same").shape
        (1, 8, 8, 8)
    """
    where = "conv_transpose"
    x, kernel, rank = _spatial(x, kernel, where)
    strides, dilation = per_axis(strides, rank, where, "strides"), per_axis(dilation, rank, where, "dilation")
    padding = checked_padding(padding, where)
    extras = (None,) * rank if output_padding is None else per_axis(output_padding, rank, where, "output_padding", 0)
    for extra, stride in zip(extras, strides, strict=True):
        if extra is not None and extra >= stride:
            raise ValueError(f"{where}: output_padding must be less than strides, got {output_padding} and {strides}.")
    lengths, low, high = [], [], []
    for n, w, s, d, extra in zip(x.shape[1:-1], kernel.shape[:rank], strides, dilation, extras, strict=True):
        lengths.append(transposed_length(n, w, s, padding, d, extra))
        before, after = transposed_padding(n, w, s, padding, d, extra)
        low.append(before)
        high.append(after)
    shape = (x.shape[0], *lengths, kernel.shape[-2])
    y = _op.conv_input_grad(x, kernel, shape, strides, low, high, dilation)
    return y if bias is None else _op.add(y, bias)

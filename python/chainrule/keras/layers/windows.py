"""What layers with windows share: checked arguments, lengths of their outputs, padding, channels first or last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule import _core

from ..config import image_data_format

_op = _core.ops


def per_axis(value: Any, rank: int, layer: str, name: str, least: int = 1) -> tuple[int, ...]:
    """One integer for each spatial axis, from one for all or from a sequence.

    Raises:
        ValueError: another number of entries, or one below ``least``.
    """
    entries = (value,) * rank if hasattr(value, "__index__") else tuple(value) if isinstance(value, Sequence) else ()
    if len(entries) != rank or any(not hasattr(n, "__index__") or n < least for n in entries):
        raise ValueError(f"{layer}: {name} must be one or {rank} integers of at least {least}, got {value!r}.")
    return tuple(int(n) for n in entries)


def checked_format(data_format: str | None, layer: str) -> str:
    """``channels_last``, ``channels_first`` or, for None, what ``keras.config`` says."""
    data_format = image_data_format() if data_format is None else data_format
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"{layer}: data_format must be 'channels_last' or 'channels_first', got {data_format!r}.")
    return data_format


def checked_padding(padding: str, layer: str, choices: tuple[str, ...] = ("valid", "same")) -> str:
    """The padding in lower case, if it is among the choices."""
    if not isinstance(padding, str) or padding.lower() not in choices:
        raise ValueError(f"{layer}: padding must be {' or '.join(map(repr, choices))}, got {padding!r}.")
    return padding.lower()


def pad_amounts(length: int, window: int, stride: int, padding: str, dilation: int = 1) -> tuple[int, int]:
    """Cells of padding before and after an axis; an odd number has the greater half after, as in TensorFlow."""
    reach = (window - 1) * dilation
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return reach, 0
    total = max((-(-length // stride) - 1) * stride + reach + 1 - length, 0)
    return total // 2, total - total // 2


def pad_all(
    lengths: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: str, dilation: Sequence[int]
) -> tuple[list[int], list[int]]:
    """:func:`pad_amounts` of every axis: (before, after)."""
    amounts = [pad_amounts(n, w, s, padding, d) for n, w, s, d in zip(lengths, window, strides, dilation, strict=True)]
    return [low for low, _ in amounts], [high for _, high in amounts]


def output_length(length: int | None, window: int, stride: int, padding: str, dilation: int = 1) -> int | None:
    """The number of positions of a window along an axis; None for an unknown length."""
    if length is None:
        return None
    low, high = pad_amounts(length, window, stride, padding, dilation)
    return (length + low + high - (window - 1) * dilation - 1) // stride + 1


def to_last(x: Any, data_format: str) -> Any:
    """The tensor with its channels on the last axis."""
    return x if data_format == "channels_last" else _op.transpose(x, (0, *range(2, x.ndim), 1))


def from_last(x: Any, data_format: str) -> Any:
    """The inverse of :func:`to_last`."""
    return x if data_format == "channels_last" else _op.transpose(x, (0, x.ndim - 1, *range(1, x.ndim - 1)))


def shape_to_last(shape: Any, data_format: str) -> tuple[Any, ...]:
    """A shape with its channels on the last axis."""
    return tuple(shape) if data_format == "channels_last" else (shape[0], *shape[2:], shape[1])


def shape_from_last(shape: Any, data_format: str) -> tuple[Any, ...]:
    """The inverse of :func:`shape_to_last`."""
    return tuple(shape) if data_format == "channels_last" else (shape[0], shape[-1], *shape[1:-1])


def check_lengths(layer: Any, input_shape: Any, lengths: Sequence[int | None]) -> None:
    """Raises ValueError if windows have no room along an axis."""
    if any(n is not None and n < 1 for n in lengths):
        raise ValueError(
            f"Layer {layer.name!r} ({type(layer).__name__}): its window is larger than the input of shape "
            f"{tuple(input_shape)}. Use padding='same', a smaller window, or fewer layers that shrink the input."
        )

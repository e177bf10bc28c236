"""What layers with windows share: checked arguments, lengths of their outputs, padding, channels first or last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule import _core
from chainrule.nn.windows import checked_padding, output_length, pad_all, pad_amounts, per_axis, transposed_length

from ..config import image_data_format

_op = _core.ops

__all__ = [
    "check_lengths",
    "checked_format",
    "checked_padding",
    "from_last",
    "output_length",
    "pad_all",
    "pad_amounts",
    "per_axis",
    "shape_from_last",
    "shape_to_last",
    "to_last",
    "transposed_length",
]


def checked_format(data_format: str | None, layer: str) -> str:
    """``channels_last``, ``channels_first`` or, for None, what ``keras.config`` says."""
    data_format = image_data_format() if data_format is None else data_format
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"{layer}: data_format must be 'channels_last' or 'channels_first', got {data_format!r}.")
    return data_format


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

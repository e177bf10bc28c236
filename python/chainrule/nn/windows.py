"""Windows that slide over spatial axes: checked arguments, padding, lengths of the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def per_axis(value: Any, rank: int, where: str, name: str, least: int = 1) -> tuple[int, ...]:
    """One integer for each spatial axis, from one for all or from a sequence.

    Raises:
        ValueError: another number of entries, or one below ``least``.
    """
    entries = (value,) * rank if hasattr(value, "__index__") else tuple(value) if isinstance(value, Sequence) else ()
    if len(entries) != rank or any(not hasattr(n, "__index__") or n < least for n in entries):
        raise ValueError(f"{where}: {name} must be one or {rank} integers of at least {least}, got {value!r}.")
    return tuple(int(n) for n in entries)


def checked_padding(padding: str, where: str, choices: tuple[str, ...] = ("valid", "same")) -> str:
    """The padding in lower case, if it is among the choices."""
    if not isinstance(padding, str) or padding.lower() not in choices:
        raise ValueError(f"{where}: padding must be {' or '.join(map(repr, choices))}, got {padding!r}.")
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


def transposed_length(
    length: int | None, window: int, stride: int, padding: str, dilation: int = 1, extra: int | None = None
) -> int | None:
    """The length of a transposed convolution's result; ``extra``: its output_padding. None for an unknown length."""
    if length is None:
        return None
    reach = (window - 1) * dilation + 1
    if padding == "valid":
        return (length - 1) * stride + reach + (max(stride - reach, 0) if extra is None else extra)
    return length * stride if extra is None else (length - 1) * stride + reach % 2 + extra


def transposed_padding(
    length: int, window: int, stride: int, padding: str, dilation: int = 1, extra: int | None = None
) -> tuple[int, int]:
    """Padding, before and after, of the convolution whose input gradient is the transposed convolution.

    Where an odd number of cells is cut from the full result, the smaller half goes before, as in TensorFlow.
    """
    reach = (window - 1) * dilation + 1
    full = (length - 1) * stride + reach
    out = transposed_length(length, window, stride, padding, dilation, extra) or 0
    low = 0
    if padding == "same":
        kept = stride + reach - 2 if extra is None else reach + reach % 2 - 2 + extra
        low = max(reach - 1 - -(-kept // 2), 0)
    return low, max(full - low - out, 0)

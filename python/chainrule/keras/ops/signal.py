"""Signals in ``keras.ops``: complex numbers are pairs (real part, imaginary part) of tensors."""

from __future__ import annotations

from typing import Any

from chainrule import nn

from ..variables import convert_to_tensor
from .dispatch import as_real, symbolic


def _parts(x: Any) -> tuple[Any, Any]:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(f"Complex numbers are a pair of tensors, the real and the imaginary part; got {x!r}.")
    real, imag = (convert_to_tensor(part) for part in x)
    if real.shape != imag.shape:
        raise ValueError(
            f"Real and imaginary part must have one shape, got {tuple(real.shape)} and {tuple(imag.shape)}."
        )
    if real.dtype.kind != "f" or imag.dtype.kind != "f":
        raise ValueError(f"Real and imaginary part must be floats, got {real.dtype} and {imag.dtype}.")
    return real, imag


@symbolic
def fft(x: Any) -> tuple[Any, Any]:
    """The Fourier transform of (real, imag) along the last axis."""
    return nn.fft(*_parts(x))


@symbolic
def fft2(x: Any) -> tuple[Any, Any]:
    """The Fourier transform of (real, imag) along the last two axes."""
    return nn.fft2(*_parts(x))


@symbolic
def ifft2(x: Any) -> tuple[Any, Any]:
    """The inverse of :func:`fft2`."""
    return nn.ifft2(*_parts(x))


@symbolic
def rfft(x: Any, fft_length: int | None = None) -> tuple[Any, Any]:
    """Elements 0 ... fft_length // 2 of the transform of real numbers, cut or filled with zeros to that length."""
    return nn.rfft(as_real(x), fft_length)


@symbolic
def irfft(x: Any, fft_length: int | None = None) -> Any:
    """The inverse of :func:`rfft`; by default 2 (elements - 1) numbers."""
    return nn.irfft(*_parts(x), fft_length)


@symbolic
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Overlapping pieces of the last axis: (..., n) -> (..., 1 + (n - length) // stride, length)."""
    return nn.frames(convert_to_tensor(x), sequence_length, sequence_stride)


def _check(sequence_stride: Any, window: Any) -> None:
    if isinstance(sequence_stride, bool) or not isinstance(sequence_stride, int) or sequence_stride < 1:
        raise ValueError(f"sequence_stride must be an integer of at least 1, got {sequence_stride!r}.")
    if isinstance(window, str) and window not in ("hann", "hamming"):
        raise ValueError(f"window must be 'hann', 'hamming', a tensor or None, got {window!r}.")


@symbolic
def stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> tuple[Any, Any]:
    """Short-time Fourier transform: (..., samples) -> (real, imag) of (..., sequences, fft_length // 2 + 1)."""
    _check(sequence_stride, window)
    return nn.stft(convert_to_tensor(x), sequence_length, sequence_stride, fft_length, window, center)


@symbolic
def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """The signal of a short-time spectrum (real, imag), cut or filled to ``length``.

    Without a window it is, as in Keras, the sum of the overlapping sequences, not their mean.
    """
    _check(sequence_stride, window)
    real, imag = _parts(x)
    result = nn.istft(real, imag, sequence_length, sequence_stride, fft_length, length, window, center)
    return result * (fft_length / sequence_stride) if window is None else result

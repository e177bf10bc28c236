"""Signals: Fourier transforms of real and imaginary parts, frames, short-time spectra, mel bands, cepstra.

All work along the last axis, on float32 or float64, are differentiable and can be recorded. Real and imaginary parts
are two tensors.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule import _core

_op = _core.ops
_asarray = _core.asarray


# ---- Fourier transforms --------------------------------------------------------------------------------------------


def fft(real: Any, imag: Any) -> tuple[Any, Any]:
    """X_k = sum_j x_j e^(-2 pi i j k / n) along the last axis: (real, imaginary) of x's shape."""
    return tuple(_op.fft(real, imag))


def ifft(real: Any, imag: Any) -> tuple[Any, Any]:
    """x_j = 1/n sum_k X_k e^(2 pi i j k / n) along the last axis: the inverse of :func:`fft`."""
    re, im = _op.fft(real, imag, inverse=True)
    return re * (1.0 / re.shape[-1]), im * (1.0 / im.shape[-1])


def fft2(real: Any, imag: Any) -> tuple[Any, Any]:
    """The transform along the last two axes."""
    return _over_two(fft, real, imag)


def ifft2(real: Any, imag: Any) -> tuple[Any, Any]:
    """The inverse of :func:`fft2`."""
    return _over_two(ifft, real, imag)


def rfft(x: Any, n: int | None = None) -> tuple[Any, Any]:
    """Elements 0 ... n // 2 of the transform of real numbers: x (..., length) -> two of (..., n // 2 + 1).

    With ``n``, x is cut or filled up with zeros to that length first.
    """
    return tuple(_op.rfft(x if n is None else _resized(_asarray(x), n)))


def irfft(real: Any, imag: Any, n: int | None = None) -> Any:
    """The n real numbers (by default an even number) whose transform begins with these n // 2 + 1 elements."""
    real, imag = _asarray(real), _asarray(imag)
    n = 2 * (real.shape[-1] - 1) if n is None else n
    if n < 1:
        raise ValueError(f"irfft: at least one number must be asked for, got n={n} (elements: {tuple(real.shape)}).")
    return _op.irfft(_resized(real, n // 2 + 1), _resized(imag, n // 2 + 1), n) * (1.0 / n)


def _over_two(transform: Any, real: Any, imag: Any) -> tuple[Any, Any]:
    real, imag = transform(real, imag)
    real, imag = transform(_swapped(real), _swapped(imag))
    return _swapped(real), _swapped(imag)


def _swapped(x: Any) -> Any:
    axes = list(range(x.ndim))
    return _op.transpose(x, [*axes[:-2], axes[-1], axes[-2]])


def _resized(x: Any, n: int) -> Any:
    """The first n entries of the last axis, with zeros behind where there are fewer."""
    length = x.shape[-1]
    if n < length:
        return x[..., :n]
    if n == length:
        return x
    none = (0,) * (len(x.shape) - 1)
    return _op.pad(x, (*none, 0), (*none, n - length))


# ---- windows and frames --------------------------------------------------------------------------------------------

_COSINES = {  # sum_k (-1)^k a_k cos(2 pi k j / n)
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "flattop": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}


def window(name: str, length: int, periodic: bool = True) -> np.ndarray:
    """A window in float64: "hann", "hamming", "blackman", "nuttall", "blackmanharris", "flattop", "bartlett", "boxcar".

    ``periodic``: one period of the function of that length, for spectra; else symmetric, for filters.
    """
    if length <= 1:
        return np.ones(max(length, 0))
    n = length if periodic else length - 1
    j = np.arange(length)
    if name == "bartlett":
        return 1.0 - np.abs(2.0 * j / n - 1.0)
    if name not in _COSINES:
        raise ValueError(f"window: unknown name {name!r}; known are {', '.join([*_COSINES, 'bartlett'])}.")
    return np.sum([(-1) ** k * a * np.cos(2 * np.pi * k * j / n) for k, a in enumerate(_COSINES[name])], axis=0)


def frames(x: Any, length: int, step: int) -> Any:
    """Overlapping pieces: x (..., n) -> (..., 1 + (n - length) // step, length)."""
    x = _asarray(x)
    return _frames(x, np.arange(x.shape[-1]), length, step)


def _frames(x: Any, places: np.ndarray, length: int, step: int) -> Any:
    """Frames of x[..., places]."""
    if step < 1 or length < 1:
        raise ValueError(f"frames: length and step must be at least 1, got {length} and {step}.")
    if len(places) < length:
        raise ValueError(f"frames: a frame of {length} samples is longer than the {len(places)} of the signal.")
    count = 1 + (len(places) - length) // step
    return _op.take(x, places[step * np.arange(count)[:, None] + np.arange(length)], axis=-1)


def overlap_add(x: Any, step: int) -> Any:
    """The sum of frames, each ``step`` behind the one before; the gradient of :func:`frames` is this.

    (..., frames, length) -> (..., (frames - 1) * step + length).
    """
    x = _asarray(x)
    if x.ndim < 2:
        raise ValueError(f"overlap_add: expected (..., frames, length), got shape {tuple(x.shape)}.")
    *lead, count, length = x.shape
    total = (count - 1) * step + length
    pieces = -(-length // step)
    none = (0,) * len(lead)
    # Piece p of frame f belongs to steps f + p: shift each piece's row of frames by p and add.
    x = _op.pad(x, (*none, 0, 0), (*none, 0, pieces * step - length))
    x = _op.reshape(x, (*lead, count, pieces, step))
    rows = [_op.pad(x[..., p, :], (*none, p, 0), (*none, pieces - 1 - p, 0)) for p in range(pieces)]
    result = rows[0]
    for row in rows[1:]:
        result = result + row
    return _op.reshape(result, (*lead, (count + pieces - 1) * step))[..., :total]


# ---- short-time spectra --------------------------------------------------------------------------------------------


def _window_of(given: Any, length: int, fft_length: int, caller: str) -> np.ndarray | None:
    """The window with zeros around it, so that it has the transform's length; float64."""
    if fft_length < length:
        raise ValueError(
            f"{caller}: the transform's length must be at least that of the frames; got {fft_length} and {length}."
        )
    if given is None:
        return None
    values = window(given, length) if isinstance(given, str) else np.asarray(given, dtype="float64")
    if values.shape != (length,):
        raise ValueError(f"{caller}: the window must have shape ({length},), got {values.shape}.")
    before = (fft_length - length) // 2
    return np.pad(values, (before, fft_length - length - before))


def _real_type(x: Any, caller: str) -> str:
    name = np.dtype(x.dtype).name
    if name not in ("float32", "float64"):
        raise TypeError(f"{caller}: the signal must be float32 or float64, got {name}; cast it first.")
    return name


def stft(
    x: Any, length: int, step: int, fft_length: int | None = None, window: Any = "hann", center: bool = True
) -> tuple[Any, Any]:
    """Short-time Fourier transform: x (..., samples) -> real and imaginary parts (..., frames, fft_length // 2 + 1).

    Frames of ``length`` samples, ``step`` apart, times the window (a name, ``length`` numbers or None), with zeros on
    both sides up to ``fft_length``. ``center``: the signal is continued by its mirror image, so that frame t is
    centred at sample t * step.

    Raises:
        TypeError: a signal that isn't float32 or float64.
        ValueError: a window or lengths that don't fit.
    """
    x = _asarray(x)
    dtype = _real_type(x, "stft")
    fft_length = length if fft_length is None else fft_length
    shape = _window_of(window, length, fft_length, "stft")
    places = np.arange(x.shape[-1])
    if center:
        places = np.pad(places, fft_length // 2, mode="reflect" if len(places) > 1 else "edge")
    pieces = _frames(x, places, fft_length, step)
    return rfft(pieces if shape is None else pieces * shape.astype(dtype))


def istft(
    real: Any,
    imag: Any,
    length: int,
    step: int,
    fft_length: int | None = None,
    samples: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """The signal with that short-time spectrum (..., frames, fft_length // 2 + 1) -> (..., samples).

    Frames are weighted by the window once more, added where they overlap and divided by the sum of the squared
    windows: the least-squares inverse of :func:`stft` with the same arguments (Griffin and Lim 1984).
    """
    real, imag = _asarray(real), _asarray(imag)
    dtype = _real_type(real, "istft")
    fft_length = length if fft_length is None else fft_length
    shape = _window_of(window, length, fft_length, "istft")
    pieces = irfft(real, imag, fft_length)
    count = pieces.shape[-2]
    if step > fft_length:
        raise ValueError(f"istft: frames of {fft_length} samples, {step} apart, leave gaps between them.")
    weights = np.ones(fft_length) if shape is None else shape
    total = np.zeros((count - 1) * step + fft_length)
    for t in range(count):
        total[t * step : t * step + fft_length] += weights * weights
    scale = np.where(total > 1e-11, 1.0 / np.maximum(total, 1e-11), 1.0).astype(dtype)
    x = overlap_add(pieces if shape is None else pieces * weights.astype(dtype), step) * scale
    start = fft_length // 2 if center else 0
    stop = x.shape[-1] - start if samples is None else start + samples
    return _resized(x[..., start:], stop - start)


# ---- mel bands and cepstra -----------------------------------------------------------------------------------------


def mel(hertz: Any) -> Any:
    """The pitch of a frequency: 1127 log(1 + f / 700)."""
    return 1127.0 * np.log1p(np.asarray(hertz, dtype="float64") / 700.0)


def mel_matrix(bands: int, bins: int, sampling_rate: float, low: float = 0.0, high: float | None = None) -> np.ndarray:
    """Triangular filters with peaks of 1, evenly spaced in pitch: (bins, bands), float64.

    ``bins`` = fft_length // 2 + 1. Each band rises from its lower neighbour's centre to its own and falls to its upper
    neighbour's, linearly in mel; the constant (bin 0) belongs to none, as in the Hidden Markov Model Toolkit.
    """
    edges = np.linspace(mel(low), mel(sampling_rate / 2 if high is None else high), bands + 2)
    pitch = mel(np.linspace(0, sampling_rate / 2, bins))[:, None]
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0, np.minimum((pitch - lower) / (centre - lower), (upper - pitch) / (upper - centre)))
    weights[0] = 0
    return weights


def log_mel_spectrogram(
    x: Any,
    sampling_rate: float,
    length: int,
    step: int,
    fft_length: int | None = None,
    bands: int = 40,
    low: float = 0.0,
    high: float | None = None,
    window: Any = "hann",
    floor: float = 1e-10,
    center: bool = True,
) -> Any:
    """log(max(power in mel bands, floor)): x (..., samples) -> (..., frames, bands).

    Example::

        nn.log_mel_spectrogram(np.zeros(8000, "float32"), 8000, 200, 80).shape   # (101, 40)
    """
    real, imag = stft(x, length, step, fft_length, window, center)
    power = real * real + imag * imag
    matrix = mel_matrix(bands, real.shape[-1], sampling_rate, low, high).astype(np.dtype(real.dtype))
    return _op.log(_op.maximum(_op.matmul(power, matrix), floor))


def mfcc(log_mel: Any, coefficients: int = 13) -> Any:
    """Mel-frequency cepstral coefficients: the first of the cosine transform (orthonormal DCT-II) of log mel bands.

    (..., bands) -> (..., coefficients).
    """
    log_mel = _asarray(log_mel)
    bands = log_mel.shape[-1]
    if not 1 <= coefficients <= bands:
        raise ValueError(f"mfcc: {bands} bands have 1 to {bands} coefficients, not {coefficients}.")
    place = (np.arange(bands)[:, None] + 0.5) * np.arange(coefficients)
    basis = np.cos(np.pi / bands * place) * math.sqrt(2.0 / bands)
    basis[:, 0] = math.sqrt(1.0 / bands)
    return _op.matmul(log_mel, basis.astype(np.dtype(log_mel.dtype)))

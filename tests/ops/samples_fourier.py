"""Samples of Fourier transforms."""

from __future__ import annotations

import numpy as np
from sampling import FLOATS, SAMPLES, Array, Samples, case, generator

# 4 4 4, 4 2 3, 5, 7, 11 13 17 (a convolution), 1, odd and even; rows alone and side by side.
_SHAPES = [(2, 64), (1, 24), (3, 2, 5), (7,), (20, 143), (2, 17), (9, 34), (3, 1), (2, 2), (0, 6)]
_BIG = (70, 400)


def fft(real: Array, imag: Array, inverse: bool = False) -> tuple[Array, ...]:
    y = np.fft.ifft(real + 1j * imag, norm="forward") if inverse else np.fft.fft(real + 1j * imag)
    return y.real, y.imag


def rfft(x: Array) -> tuple[Array, ...]:
    y = np.fft.rfft(x)
    return y.real, y.imag


def irfft(real: Array, imag: Array, n: int) -> Array:
    return np.fft.irfft(real + 1j * imag, n, norm="forward")


def _part(name: str, shape: tuple[int, ...]) -> Array:
    return generator(f"{name} {shape}").uniform(-1, 1, shape)


SAMPLES["fft"] = Samples(
    fft,
    [case(_part("re", s), _part("im", s), inverse=i % 2 == 1) for i, s in enumerate(_SHAPES)],
    case(_part("re", _BIG), _part("im", _BIG)),
    FLOATS,
    tolerance=4,
)
SAMPLES["rfft"] = Samples(rfft, [case(_part("x", s)) for s in _SHAPES], case(_part("x", _BIG)), FLOATS, tolerance=4)


def _spectrum(n: int, shape: tuple[int, ...]) -> tuple[Array, Array]:
    half = (*shape[:-1], n // 2 + 1)
    return _part("re", half), _part("im", half)


SAMPLES["irfft"] = Samples(
    irfft,
    [case(*_spectrum(s[-1], s), n=s[-1]) for s in _SHAPES],
    case(*_spectrum(_BIG[-1], _BIG), n=_BIG[-1]),
    FLOATS,
    gradients=(0, 1),
    tolerance=4,
)

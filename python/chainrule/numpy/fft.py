"""Fourier transforms: NumPy's, on the same memory.

Their results are complex but for the inverse real ones; the core has no complex dtype, so those stay numpy.ndarrays and
none of them has a gradient.
"""

from __future__ import annotations

import numpy

from .fallback import delegated

_NAMES = [
    "fft",
    "ifft",
    "rfft",
    "irfft",
    "hfft",
    "ihfft",
    "fftn",
    "ifftn",
    "rfftn",
    "irfftn",
    "fft2",
    "ifft2",
    "rfft2",
    "irfft2",
    "fftfreq",
    "rfftfreq",
    "fftshift",
    "ifftshift",
]

for _name in _NAMES:
    globals()[_name] = delegated(f"fft.{_name}", getattr(numpy.fft, _name))

__all__ = list(_NAMES)

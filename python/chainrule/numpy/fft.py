"""Fourier transforms: NumPy's, on the same memory.

Their results are complex but for the inverse real ones; the core has no complex dtype, so those stay numpy.ndarrays and
none of them has a gradient.
"""

from __future__ import annotations

from typing import Any

import numpy

from .fallback import Tensor, call_numpy, delegated

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
    "fftshift",
    "ifftshift",
]

for _name in _NAMES:
    globals()[_name] = delegated(f"fft.{_name}", getattr(numpy.fft, _name))


def _frequencies(name: str, function: Any) -> Any:
    """fftfreq, rfftfreq, with the parameter ``dtype`` that the Array API standard has and NumPy lacks."""

    def frequencies(n: Any, d: Any = 1.0, device: Any = None, *, dtype: Any = None) -> Tensor:
        result = call_numpy(f"fft.{name}", function, (n, d), {"device": device})
        return result if dtype is None else result.astype(dtype)

    frequencies.__name__ = frequencies.__qualname__ = name
    frequencies.__module__ = __name__
    frequencies.__doc__ = function.__doc__
    frequencies.kernel = "delegated"  # type: ignore[attr-defined]
    return frequencies


fftfreq = _frequencies("fftfreq", numpy.fft.fftfreq)
rfftfreq = _frequencies("rfftfreq", numpy.fft.rfftfreq)

__all__ = [*_NAMES, "fftfreq", "rfftfreq"]

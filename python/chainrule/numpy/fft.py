"""Fourier transforms: NumPy's, on the same memory; by ops where a gradient or ``jit`` follows the input.

Their results are complex but for the inverse real ones; the core has no complex dtype, so those are numpy.ndarrays, or
a pair of tensors inside of a gradient or a recording (:mod:`chainrule.numpy.complex_tensor`).
"""

from __future__ import annotations

from typing import Any

import numpy

from .creation import asarray
from .fallback import Tensor, call_numpy, delegated, native
from .shape import roll

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


def _shift(x: Any, axes: Any, back: bool) -> Any:
    axes = tuple(range(x.ndim)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
    half = [x.shape[axis] // 2 for axis in axes]
    return roll(x, tuple(-n if back else n for n in half), axes)


@native(of=numpy.fft)
def fftshift(x: Any, axes: Any = None) -> Any:
    """The spectrum with frequency 0 in the middle."""
    return _shift(asarray(x), axes, back=False)


@native(of=numpy.fft)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of :func:`fftshift`."""
    return _shift(asarray(x), axes, back=True)


fftfreq = _frequencies("fftfreq", numpy.fft.fftfreq)
rfftfreq = _frequencies("rfftfreq", numpy.fft.rfftfreq)

__all__ = [*_NAMES, "fftfreq", "fftshift", "ifftshift", "rfftfreq"]

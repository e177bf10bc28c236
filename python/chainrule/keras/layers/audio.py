"""Spectrograms of signals: MelSpectrogram, STFTSpectrogram."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from chainrule import _core, nn

from ..config import epsilon
from ..initializers import STFT, checked_window
from .base import Layer, registry
from .input_spec import InputSpec
from .windows import checked_format, pad_all

_op = _core.ops


@registry.add
class MelSpectrogram(Layer):
    """Power in mel bands: (samples,) or (batch, samples) -> (..., num_mel_bins, frames).

    The short-time spectrum's magnitude to the power ``mag_exp``, summed in triangular bands between ``min_freq`` and
    ``max_freq`` hertz, and with ``power_to_db`` in decibels relative to ``ref_power``, at most ``top_db`` below the
    greatest of the batch.

    Args:
        fft_length: the transform's length.
        sequence_stride: samples between frames.
        sequence_length: samples of a frame; by default ``fft_length``.
        window: "hann", "hamming", numbers or None.
        sampling_rate: samples per second.
        num_mel_bins: the number of bands.
        min_freq, max_freq: the bands' range; by default up to half the sampling rate.
        min_power: the least power that is told apart from none.

    Example::

        keras.layers.MelSpectrogram(num_mel_bins=64, sampling_rate=8000, sequence_stride=256)(signal)
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fft_length, self.sequence_stride = fft_length, sequence_stride
        self.sequence_length = sequence_length or fft_length
        if fft_length < self.sequence_length:
            raise ValueError(
                f"MelSpectrogram: fft_length must be at least sequence_length, got {fft_length} and "
                f"{self.sequence_length}."
            )
        self.window, self.sampling_rate, self.num_mel_bins = window, sampling_rate, num_mel_bins
        self.min_freq, self.max_freq = min_freq, max_freq or int(sampling_rate / 2)
        self.power_to_db, self.top_db, self.mag_exp = power_to_db, top_db, mag_exp
        self.min_power, self.ref_power = min_power, ref_power
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        real, imag = nn.stft(inputs, self.sequence_length, self.sequence_stride, self.fft_length, self.window)
        power = real * real + imag * imag
        spectrum = power if self.mag_exp == 2 else _op.power(_op.sqrt(power), self.mag_exp)
        matrix = self.linear_to_mel_weight_matrix(
            self.num_mel_bins, spectrum.shape[-1], self.sampling_rate, self.min_freq, self.max_freq, spectrum.dtype
        )
        bands = _op.matmul(spectrum, matrix)
        if self.power_to_db:
            bands = self._decibels(bands)
        axes = list(range(bands.ndim))
        return _op.transpose(bands, [*axes[:-2], axes[-1], axes[-2]])

    def _decibels(self, power: Any) -> Any:
        reference = 10.0 * math.log10(max(abs(self.ref_power), self.min_power))
        decibels = 10.0 * _op.log10(_op.maximum(power, self.min_power)) - reference
        return _op.maximum(decibels, _op.max(decibels) - self.top_db)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: float = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: Any = "float32",
    ) -> np.ndarray:
        """The bands as a matrix (num_spectrogram_bins, num_mel_bins) of triangles with peaks of 1."""
        matrix = nn.mel_matrix(num_mel_bins, num_spectrogram_bins, sampling_rate, lower_edge_hertz, upper_edge_hertz)
        return matrix.astype(np.dtype(dtype))

    def compute_output_shape(self, input_shape: Any) -> Any:
        *lead, samples = input_shape
        count = None if samples is None else (samples - self.fft_length % 2) // self.sequence_stride + 1
        return (*lead, self.num_mel_bins, count)

    def get_config(self) -> dict[str, Any]:
        names = (
            "fft_length sequence_stride sequence_length window sampling_rate num_mel_bins min_freq max_freq "
            "power_to_db top_db mag_exp min_power ref_power"
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names.split()}}


_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


@registry.add
class STFTSpectrogram(Layer):
    """A short-time Fourier transform as a convolution whose kernels may be trained.

    (batch, samples, channels) -> (batch, frames, channels * bins), or with ``expand_dims``
    (batch, frames, bins, channels), bins = fft_length // 2 + 1 (twice that for mode "stft"); with
    ``data_format="channels_first"`` (batch, channels, samples) -> (batch, channels * bins, frames) or
    (batch, channels, frames, bins).

    Args:
        mode: "log" magnitude, "magnitude", "psd" (power of both signs of the frequency), "real", "imag", "angle" or
            "stft" (real and imaginary parts).
        frame_length: samples of a frame.
        frame_step: samples between frames; by default half of them.
        fft_length: by default the next power of two.
        window: its name, numbers or None.
        periodic: whether the window is one period of its function.
        scaling: the window is divided by the root of its squared sum ("density"), its sum ("spectrum") or not (None).
        padding: "valid" or "same".
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            raise ValueError(
                f"STFTSpectrogram: frame_step must lie between 1 and frame_length, got {frame_step} and {frame_length}."
            )
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(
                f"STFTSpectrogram: fft_length must be at least frame_length, got {fft_length} and {frame_length}."
            )
        if fft_length is not None and fft_length & (fft_length - 1):
            warnings.warn(f"STFTSpectrogram: fft_length is best a power of two, got {fft_length}.", stacklevel=2)
        for name, value, known in (("mode", mode, _MODES), ("padding", padding, ("valid", "same"))):
            if value not in known:
                raise ValueError(f"STFTSpectrogram: {name} must be one of {', '.join(known)}, got {value!r}.")
        checked_window(window, scaling, "STFTSpectrogram")
        self.mode, self.frame_length, self.frame_step, self.fft_length = mode, frame_length, frame_step, fft_length
        self.window, self.periodic, self.scaling, self.padding = window, periodic, scaling, padding
        self.expand_dims = expand_dims
        self.data_format = checked_format(data_format, "STFTSpectrogram")
        self._step = frame_step or max(1, frame_length // 2)
        self._bins = (fft_length or 2 ** math.ceil(math.log2(frame_length))) // 2 + 1
        self.input_spec = InputSpec(ndim=3)
        self.real_kernel: Any = None
        self.imag_kernel: Any = None

    def build(self, input_shape: Any) -> None:
        shape = (self.frame_length, 1, self._bins)
        for side, without in (("real", "imag"), ("imag", "real")):
            if self.mode != without:
                initializer = STFT(side, self.window, self.scaling, self.periodic)
                kernel = self.add_weight(shape=shape, initializer=initializer, name=f"{side}_kernel")
                setattr(self, f"{side}_kernel", kernel)

    def _part(self, x: Any, kernel: Any) -> Any:
        """(batch, channels, samples) -> (batch, channels, frames, bins)."""
        batch, channels, samples = x.shape
        low, high = pad_all((samples,), (self.frame_length,), (self._step,), self.padding, (1,))
        flat = _op.reshape(x, (batch * channels, samples, 1))
        y = _op.conv(flat, kernel.value, (self._step,), low, high, (1,), 1)
        return _op.reshape(y, (batch, channels, *y.shape[1:]))

    def _spectrum(self, x: Any) -> Any:
        """(batch, channels, samples) -> (batch, channels, frames, bins)."""
        if self.mode in ("real", "imag"):
            return self._part(x, self.real_kernel if self.mode == "real" else self.imag_kernel)
        real, imag = self._part(x, self.real_kernel), self._part(x, self.imag_kernel)
        if self.mode == "angle":
            return _op.arctan2(imag, real)
        if self.mode == "stft":
            return _op.concatenate(real, imag, axis=-1)
        power = real * real + imag * imag
        if self.mode == "psd":
            inner = _op.pad(power[..., 1:-1], (0, 0, 0, 1), (0, 0, 0, 1))
            return power + inner
        magnitude = _op.sqrt(_op.maximum(power, epsilon()))
        return magnitude if self.mode == "magnitude" else _op.log(_op.maximum(magnitude, epsilon()))

    def call(self, inputs: Any) -> Any:
        last = self.data_format == "channels_last"
        y = self._spectrum(_op.transpose(inputs, (0, 2, 1)) if last else inputs)
        if self.expand_dims:
            return _op.transpose(y, (0, 2, 3, 1)) if last else y
        batch, channels, count, bins = y.shape
        if last:
            return _op.reshape(_op.transpose(y, (0, 2, 1, 3)), (batch, count, channels * bins))
        return _op.reshape(_op.transpose(y, (0, 1, 3, 2)), (batch, channels * bins, count))

    def compute_output_shape(self, input_shape: Any) -> Any:
        last = self.data_format == "channels_last"
        batch, samples, channels = input_shape if last else (input_shape[0], input_shape[2], input_shape[1])
        if samples is None:
            count = None
        elif self.padding == "same":
            count = -(-samples // self._step)
        else:
            count = (samples - self.frame_length) // self._step + 1
            if count < 1:
                raise ValueError(
                    f"STFTSpectrogram {self.name!r}: a frame of {self.frame_length} samples is longer than the input "
                    f"of shape {tuple(input_shape)}."
                )
        bins = self._bins * (2 if self.mode == "stft" else 1)
        if self.expand_dims:
            return (batch, count, bins, channels) if last else (batch, channels, count, bins)
        together = None if channels is None else channels * bins
        return (batch, count, together) if last else (batch, together, count)

    def get_config(self) -> dict[str, Any]:
        names = "mode frame_length frame_step fft_length window periodic scaling padding data_format expand_dims"
        return {**super().get_config(), **{name: getattr(self, name) for name in names.split()}}

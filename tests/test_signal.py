"""Signals: transforms of every length, gradients, short-time spectra, mel bands and cepstra, by NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import fft as scipy_fft
from scipy import signal

import chainrule
from chainrule import nn

rng = np.random.default_rng(0)


def numbers(pair: Any) -> np.ndarray:
    return np.array(pair[0]) + 1j * np.array(pair[1])


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-6), ("float64", 2e-15)])
@pytest.mark.parametrize("rows", [1, 20])
def test_every_length(dtype: str, bound: float, rows: int):
    for n in [*range(1, 67), 97, 169, 256, 360, 512, 1001, 1024, 4096, 10007]:
        a, b = rng.standard_normal((2, rows, n)).astype(dtype)
        exact = np.fft.fft(a.astype("float64") + 1j * b)
        size = np.abs(exact).max()
        np.testing.assert_allclose(numbers(nn.fft(a, b)), exact, atol=bound * size, err_msg=str(n))
        np.testing.assert_allclose(numbers(nn.ifft(*nn.fft(a, b))), a + 1j * b, atol=4 * bound, err_msg=str(n))
        real = np.fft.rfft(a.astype("float64"))
        np.testing.assert_allclose(numbers(nn.rfft(a)), real, atol=bound * size, err_msg=str(n))
        back = nn.irfft(*nn.rfft(a), n)
        assert back.dtype == dtype
        np.testing.assert_allclose(np.array(back), a, atol=4 * bound, err_msg=str(n))


def test_a_row_is_the_same_beside_others():
    x = rng.standard_normal((40, 96)).astype("float32")
    x[3] *= 1e6
    x[5] = np.nan
    together = numbers(nn.rfft(x))
    for i in (0, 3, 4, 17, 39):
        np.testing.assert_array_equal(numbers(nn.rfft(x[i])), together[i])


def test_two_axes_and_other_lengths():
    a, b = rng.standard_normal((2, 3, 6, 10))
    np.testing.assert_allclose(numbers(nn.fft2(a, b)), np.fft.fft2(a + 1j * b), atol=1e-13)
    np.testing.assert_allclose(numbers(nn.ifft2(a, b)), np.fft.ifft2(a + 1j * b), atol=1e-13)
    for n in (4, 10, 13):
        np.testing.assert_allclose(numbers(nn.rfft(a, n)), np.fft.rfft(a, n), atol=1e-13)
        np.testing.assert_allclose(np.array(nn.irfft(a, b, n)), np.fft.irfft(a + 1j * b, n), atol=1e-13)
    with pytest.raises(ValueError, match="at least one number"):
        nn.rfft(np.zeros((2, 0)))
    with pytest.raises(ValueError, match="must have one shape"):
        nn.fft(a, b[:1])


@pytest.mark.parametrize("n", [1, 6, 9, 17])
def test_gradients(n: int):
    """Each transform is linear: <u, F x> = <gradient, x>, and a gradient of the gradient is F again."""
    x, y, u, v = rng.standard_normal((4, 3, n))
    cases = [
        (lambda a, b: nn.fft(a, b), (x, y), (u, v)),
        (lambda a, b: nn.ifft(a, b), (x, y), (u, v)),
        (lambda a: nn.rfft(a), (x,), (u[:, : n // 2 + 1], v[:, : n // 2 + 1])),
        (lambda a, b: (nn.irfft(a, b, n),), (x[:, : n // 2 + 1], y[:, : n // 2 + 1]), (u,)),
    ]
    for transform, inputs, weights in cases:

        def paired(*inputs, transform=transform, weights=weights):
            return sum((w * part).sum() for w, part in zip(weights, transform(*inputs), strict=True))

        tensors = [chainrule.asarray(a) for a in inputs]
        gradients = chainrule.grad(paired, argnums=tuple(range(len(inputs))))(*tensors)
        for i, gradient in enumerate(gradients):
            for place in np.ndindex(*inputs[i].shape):
                one = [np.zeros_like(a) for a in inputs]
                one[i][place] = 1
                np.testing.assert_allclose(np.array(gradient)[place], float(paired(*one)), atol=1e-12)


def test_frames_and_their_sum():
    x = rng.standard_normal((2, 23))
    pieces = np.array(nn.frames(x, 6, 4))
    np.testing.assert_array_equal(pieces, np.lib.stride_tricks.sliding_window_view(x, 6, -1)[:, ::4])
    total = np.zeros((2, 22))
    for t in range(pieces.shape[1]):
        total[:, 4 * t : 4 * t + 6] += pieces[:, t]
    np.testing.assert_allclose(np.array(nn.overlap_add(pieces, 4)), total)
    gradient = chainrule.grad(lambda x: (nn.frames(x, 6, 4) * pieces).sum())(chainrule.asarray(x))
    np.testing.assert_allclose(np.array(gradient)[:, :22], total)
    with pytest.raises(ValueError, match="a frame of 30 samples is longer than the 23"):
        nn.frames(x, 30, 1)


def test_windows_are_those_of_scipy():
    for name in ("hann", "hamming", "blackman", "nuttall", "blackmanharris", "flattop", "bartlett", "boxcar"):
        for length in (1, 2, 7, 8):
            for periodic in (True, False):
                wanted = signal.get_window(name, length, fftbins=periodic)
                np.testing.assert_allclose(nn.window(name, length, periodic), wanted, atol=1e-15, err_msg=name)
    with pytest.raises(ValueError, match="unknown name 'han'; known are boxcar, hann"):
        nn.window("han", 8)


@pytest.mark.parametrize(("length", "step", "fft_length"), [(64, 16, 64), (50, 20, 64), (48, 48, 60)])
@pytest.mark.parametrize("window", ["hann", "hamming", None])
def test_short_time_spectra(length: int, step: int, fft_length: int, window: str | None):
    x = rng.standard_normal((2, 640))
    ours = numbers(nn.stft(x, length, step, fft_length, window))
    around = np.pad(x, [(0, 0), (fft_length // 2,) * 2], mode="reflect")
    values = np.ones(fft_length)
    if window:
        before = (fft_length - length) // 2
        values = np.pad(signal.get_window(window, length), (before, fft_length - length - before))
    pieces = np.lib.stride_tricks.sliding_window_view(around, fft_length, -1)[:, ::step] * values
    np.testing.assert_allclose(ours, np.fft.rfft(pieces), atol=1e-12)
    if window == "hann" and step == length:
        return  # the window's zeros leave samples that no frame knows
    back = nn.istft(ours.real, ours.imag, length, step, fft_length, 640, window)
    known = slice(0, 640) if fft_length - length < step else slice(fft_length, 500)
    np.testing.assert_allclose(np.array(back)[:, known], x[:, known], atol=1e-10)


def test_short_time_spectra_are_differentiable():
    x = rng.standard_normal(60)

    def power(x: Any) -> Any:
        return nn.log_mel_spectrogram(x, 8000, 16, 8, bands=5).sum()

    gradient = np.array(chainrule.grad(power)(chainrule.asarray(x)))
    for i in (0, 7, 31, 59):
        moved = np.zeros(60)
        moved[i] = 1e-6
        numeric = (float(power(x + moved)) - float(power(x - moved))) / 2e-6
        assert abs(gradient[i] - numeric) < 1e-5 * max(1, abs(numeric))


def test_mel_bands():
    matrix = nn.mel_matrix(20, 129, 8000, 100, 3800)
    assert matrix.shape == (129, 20)
    assert not matrix[0].any()
    centres = np.array([matrix[:, k].argmax() for k in range(20)]) * 4000 / 128
    assert (np.diff(centres) >= 0).all()
    assert (matrix.max(0) <= 1).all()
    middle = (centres > 200) & (centres < 3600)
    inside = slice(int(centres[middle][0] // 31) + 1, int(centres[middle][-1] // 31))
    np.testing.assert_allclose(matrix[inside].sum(1), 1, atol=1e-12)  # neighbours overlap to 1
    assert abs(nn.signal.mel(1000) - 1000) < 1


def test_a_tone_is_in_its_band():
    t = np.arange(8000) / 8000
    x = np.sin(2 * np.pi * 1000 * t).astype("float32")
    bands = np.array(nn.log_mel_spectrogram(x, 8000, 200, 80, 256, bands=30))
    assert bands.shape == (101, 30)
    matrix = nn.mel_matrix(30, 129, 8000)
    assert (bands[5:-5].argmax(1) == matrix[32].argmax()).all()  # bin 32 of 128 is 1000 Hz


def test_cepstra_are_the_cosine_transform():
    x = rng.standard_normal((4, 26))
    np.testing.assert_allclose(np.array(nn.mfcc(x, 13)), scipy_fft.dct(x, norm="ortho")[:, :13], atol=1e-13)
    with pytest.raises(ValueError, match="26 bands have 1 to 26 coefficients"):
        nn.mfcc(x, 27)


def test_errors_say_what_is_wrong():
    x = np.zeros(100, "float32")
    for text, call in (
        ("at least that of the frames", lambda: nn.stft(x, 64, 16, 32)),
        (r"the window must have shape \(64,\)", lambda: nn.stft(x, 64, 16, window=np.ones(3))),
        ("length and step must be at least 1", lambda: nn.stft(x, 64, 0)),
        ("leave gaps", lambda: nn.istft(np.zeros((3, 33)), np.zeros((3, 33)), 64, 65)),
        ("at least one number must be asked for", lambda: nn.irfft(np.zeros(1), np.zeros(1))),
    ):
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(TypeError, match="must be float32 or float64, got int64"):
        nn.stft(np.zeros(100, int), 64, 16)

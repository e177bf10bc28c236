"""Fourier transforms and spectrograms of the Keras face against real Keras, and by themselves."""

import os

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule.keras import layers, ops

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # PyTorch's
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def reference():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")


def same(reference, ours, theirs, bound=1e-5):
    for a, b in zip(_flat(ours), _flat(theirs), strict=True):
        b = reference.ops.convert_to_numpy(b)
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.numpy(), b, rtol=bound, atol=bound * max(1, np.abs(b).max()))


def _flat(x):
    return list(x) if isinstance(x, (tuple, list)) else [x]


def test_transforms_are_those_of_keras(reference):
    a, b = rng.standard_normal((2, 3, 4, 10)).astype("float32")
    for name in ("fft", "fft2", "ifft2"):
        same(reference, getattr(ops, name)((a, b)), getattr(reference.ops, name)((a, b)))
    for n in (None, 7, 16):
        same(reference, ops.rfft(a, n), reference.ops.rfft(a, n))
        same(reference, ops.irfft((a, b), n), reference.ops.irfft((a, b), n))
    same(reference, ops.extract_sequences(a, 4, 3), reference.ops.extract_sequences(a, 4, 3))


@pytest.mark.parametrize("window", ["hann", "hamming", "own"])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("length", "stride", "fft_length"), [(32, 8, 32), (24, 10, 40)])
def test_short_time_spectra_are_those_of_keras(reference, window, center, length, stride, fft_length):
    x = rng.standard_normal((2, 200)).astype("float32")
    window = np.linspace(0.5, 1.5, length).astype("float32") if window == "own" else window
    arguments = (length, stride, fft_length)
    spectrum = ops.stft(x, *arguments, window, center)
    same(reference, spectrum, reference.ops.stft(x, *arguments, window, center))
    pair = tuple(part.numpy() for part in spectrum)
    ours = ops.istft(pair, *arguments, None, window, center)
    theirs = reference.ops.convert_to_numpy(reference.ops.istft(pair, *arguments, None, window, center))
    assert ours.shape == theirs.shape
    inner = slice(fft_length, ours.shape[-1] - fft_length)  # backends of Keras differ where few frames overlap
    np.testing.assert_allclose(ours.numpy()[:, inner], theirs[:, inner], rtol=1e-4, atol=1e-5)


def test_bad_arguments():
    x = np.zeros((2, 100), "float32")
    for text, call in (
        ("sequence_stride must be an integer of at least 1", lambda: ops.stft(x, 16, 0, 16)),
        ("window must be 'hann', 'hamming'", lambda: ops.stft(x, 16, 4, 16, "blackman")),
        ("Complex numbers are a pair", lambda: ops.fft(x)),
        ("must have one shape", lambda: ops.fft((x, x[:1]))),
        ("must be floats", lambda: ops.fft((np.zeros(3, int), np.zeros(3, int)))),
        ("fft_length must be at least sequence_length", lambda: layers.MelSpectrogram(16, sequence_length=32)),
        ("frame_step must lie between", lambda: layers.STFTSpectrogram(frame_length=8, frame_step=9)),
        ("mode must be one of", lambda: layers.STFTSpectrogram(mode="power")),
        ("unknown name 'hannn'", lambda: layers.STFTSpectrogram(window="hannn")),
        ("scaling must be None", lambda: layers.STFTSpectrogram(scaling="power")),
        ("longer than the input", lambda: layers.STFTSpectrogram(frame_length=8).compute_output_shape((1, 7, 1))),
    ):
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.warns(UserWarning, match="best a power of two"):
        layers.STFTSpectrogram(frame_length=8, fft_length=12)


MEL = [
    {"fft_length": 64, "sequence_stride": 16, "num_mel_bins": 12, "sampling_rate": 8000},
    {"fft_length": 64, "sequence_stride": 20, "sequence_length": 48, "num_mel_bins": 9, "power_to_db": False},
    {"fft_length": 32, "sequence_stride": 8, "num_mel_bins": 6, "mag_exp": 1.0, "top_db": 20.0, "ref_power": 0.5},
]


@pytest.mark.parametrize("config", MEL)
def test_mel_spectrogram_is_that_of_keras(reference, config):
    x = rng.standard_normal((3, 480)).astype("float32")
    ours, theirs = layers.MelSpectrogram(**config), reference.layers.MelSpectrogram(**config)
    same(reference, ours(x), theirs(x), 1e-4)
    same(reference, ours(x[0]), theirs(x[0]), 1e-4)
    assert ours.compute_output_shape(x.shape) == ours(x).shape
    assert not set(theirs.get_config()) - set(ours.get_config())
    again = layers.MelSpectrogram.from_config(ours.get_config())
    np.testing.assert_array_equal(again(x).numpy(), ours(x).numpy())


STFT = [
    {},
    {"mode": "magnitude", "frame_step": 5, "padding": "same", "window": "hamming", "periodic": True},
    {"mode": "psd", "scaling": "spectrum", "fft_length": 32},
    {"mode": "real", "window": None},
    {"mode": "imag", "expand_dims": True, "scaling": None},
    {"mode": "angle", "data_format": "channels_first"},
    {"mode": "stft", "data_format": "channels_first", "expand_dims": True},
    {"mode": "stft", "expand_dims": True},
]


@pytest.mark.parametrize("config", STFT)
def test_stft_spectrogram_is_that_of_keras(reference, config):
    config = {"frame_length": 16, **config}
    first = config.get("data_format") == "channels_first"
    x = rng.standard_normal((2, 3, 50) if first else (2, 50, 3)).astype("float32")
    ours, theirs = layers.STFTSpectrogram(**config), reference.layers.STFTSpectrogram(**config)
    y, wanted = ours(x), reference.ops.convert_to_numpy(theirs(x))
    assert y.shape == wanted.shape == ours.compute_output_shape(x.shape)
    if config.get("mode") == "angle":  # near +-pi, and where both parts are zero, either sign is right
        distance = np.abs(np.angle(np.exp(1j * (y.numpy() - wanted))))
        assert np.median(distance) < 1e-5
    else:
        np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-4, atol=1e-5)
    assert [tuple(w.shape) for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    assert not set(theirs.get_config()) - set(ours.get_config())


def test_kernels_are_those_of_the_transform():
    kernel = keras.initializers.STFT("real", None, None)((16, 1, 9)).numpy()
    other = keras.initializers.get("stft").from_config({"side": "imag", "window": None})((16, 1, 9)).numpy()
    x = rng.standard_normal(16)
    np.testing.assert_allclose(x @ (kernel + 1j * other)[:, 0], np.fft.rfft(x), atol=1e-5)
    assert keras.initializers.STFT().get_config()["side"] == "real"


def test_a_model_hears_tones():
    """The kernels of a spectrogram take part in training."""
    keras.utils.set_random_seed(0)
    t = np.arange(256) / 8000
    y = rng.integers(0, 2, 64)
    x = np.sin(2 * np.pi * np.where(y, 1800, 600)[:, None] * t + rng.uniform(0, 6, (64, 1)))[..., None].astype(
        "float32"
    )
    model = keras.Sequential(
        [
            keras.Input((256, 1)),
            layers.STFTSpectrogram("magnitude", frame_length=64),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    before = model.layers[0].get_weights()[0].copy()
    model.fit(x, y, epochs=40, batch_size=16, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] == 1
    assert (model.layers[0].get_weights()[0] != before).any()


def test_symbolic():
    signal = keras.Input((400,))
    mel = layers.MelSpectrogram(64, 16, num_mel_bins=10, sampling_rate=8000)(signal)
    assert mel.shape == (None, 10, 26)
    real, imag = ops.stft(signal, 64, 16, 64)
    model = keras.Model(signal, [mel, real, imag])
    x = rng.standard_normal((2, 400)).astype("float32")
    outputs = model(x)
    assert [tuple(y.shape) for y in outputs] == [(2, 10, 26), (2, 26, 33), (2, 26, 33)]
    step = chainrule.jit(lambda x: ops.istft(ops.stft(x, 64, 16, 64), 64, 16, 64))
    np.testing.assert_allclose(step(x).numpy(), x, atol=1e-5)

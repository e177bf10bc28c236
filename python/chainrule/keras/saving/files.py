"""Files that are replaced whole or not at all, and h5py where it is needed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import IO, Any


@contextlib.contextmanager
def replacing(path: str, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of ``path`` at the end of the block; an error leaves ``path`` as it was.

    Raises:
        FileExistsError: the file exists and ``overwrite`` is False.
    """
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{path} exists already; overwrite=True replaces it.")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{path}: the folder {folder} doesn't exist; make it first.")
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".saving-", suffix=os.path.splitext(path)[1])
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def hdf5(path: str) -> Any:
    """The module h5py, or an ImportError that says what ``path`` needs it for."""
    try:
        import h5py
    except ImportError:
        raise ImportError(
            f"{path}: .keras and .h5 files need h5py: pip install 'chainrule[keras-files]'. Weights alone can be kept "
            f"without it, in a file that ends in '.weights.npz'."
        ) from None
    return h5py

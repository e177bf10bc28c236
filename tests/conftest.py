"""Fixtures for all tests: the real data sets, and a fixed state of the library around every test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    # Installed sets are kept in the checkout, across runs, and never in the user's own cache folder.
    os.environ.setdefault("CHAINRULE_DATA", str(ROOT / ".cache" / "chainrule"))
    # A shell's background jobs ignore Ctrl-C; tests that interrupt themselves need Python's own handler.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


def _real(name: str):
    from chainrule import datasets

    loader = getattr(datasets, name).load_data
    try:
        return loader()
    except FileNotFoundError:
        pass
    try:
        datasets.install(name)
    except RuntimeError as error:
        pytest.skip(f"{name} is not on this machine and can't be installed: {error}")
    return loader()


@pytest.fixture(scope="session")
def mnist():
    """MNIST as ((x_train, y_train), (x_test, y_test)), installed if need be; skips where it can't be had."""
    return _real("mnist")


@pytest.fixture(scope="session")
def fashion_mnist():
    """Fashion-MNIST, as `mnist`."""
    return _real("fashion_mnist")


@pytest.fixture(autouse=True)
def _same_number_of_threads() -> Iterator[None]:
    """Puts the number of threads back after a test that changed it."""
    import chainrule

    before = chainrule.get_num_threads()
    yield
    if chainrule.get_num_threads() != before:
        chainrule.set_num_threads(before)

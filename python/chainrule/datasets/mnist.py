"""MNIST: 70,000 handwritten digits (Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0), as `keras.datasets.mnist`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.datasets import packages

if TYPE_CHECKING:
    from chainrule.datasets.cache import Data

__all__ = ["load_data"]


def load_data(path: str = "mnist.npz") -> Data:
    """((x_train, y_train), (x_test, y_test)) of 60,000 and 10,000 images.

    Args:
        path: the file's name in the cache folder, or an absolute path, as in Keras.

    Returns:
        x: uint8, shape (n, 28, 28), 0 = background .. 255; y: uint8, shape (n,), the digit 0..9.

    Raises:
        FileNotFoundError: MNIST is not on this machine; the message says how to get it.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = chainrule.datasets.mnist.load_data()
        >>> x_train = x_train.astype("float32") / 255
    """
    return packages.load("mnist", path)

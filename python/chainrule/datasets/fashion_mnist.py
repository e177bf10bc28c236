"""Fashion-MNIST: 70,000 pictures of clothes (Xiao, Rasul, Vollgraf, 2017; MIT), as `keras.datasets.fashion_mnist`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.datasets import packages

if TYPE_CHECKING:
    from chainrule.datasets.cache import Data

__all__ = ["CLASSES", "load_data"]

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load_data() -> Data:
    """((x_train, y_train), (x_test, y_test)) of 60,000 and 10,000 images.

    Returns:
        x: uint8, shape (n, 28, 28), 0 = background .. 255; y: uint8, shape (n,), an index into `CLASSES`.

    Raises:
        FileNotFoundError: Fashion-MNIST is not on this machine; the message says how to get it.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = chainrule.datasets.fashion_mnist.load_data()
        >>> chainrule.datasets.fashion_mnist.CLASSES[y_train[0]]
        'Ankle boot'
    """
    return packages.load("fashion_mnist")

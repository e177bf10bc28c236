"""The bundled set: 1,797 handwritten digits of 8x8 pixels.

Source: the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998), UCI Machine
Learning Repository, CC BY 4.0; each pixel counts the dark ones of a 4x4 block, 0..16. `digits.npz` holds the images in
the order of scikit-learn's copy (`sklearn.datasets.load_digits`), as bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.datasets import cache

if TYPE_CHECKING:
    from chainrule.datasets.cache import Data

__all__ = ["load_data"]


def load_data() -> Data:
    """((x_train, y_train), (x_test, y_test)) of 1,437 and 360 images: the file's first 80 % and the rest.

    Neighbours in the file are by one writer, so most test images are by people whom the training set doesn't know.

    Returns:
        x: uint8, shape (n, 8, 8), 0 = background .. 16; y: uint8, shape (n,), the digit 0..9.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = chainrule.datasets.digits.load_data()
        >>> x_train = x_train.astype("float32") / 16
    """
    return cache.read_npz(Path(__file__).with_name("digits.npz"))

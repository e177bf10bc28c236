"""Spoken digits: the numbers 0 to 9 said by five voices in five languages, telephone prompts of 8,000 samples a second.

The recordings are those of the Asterisk project (CC BY-SA 3.0), in the Debian packages asterisk-core-sounds-*-wav.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.datasets import packages

if TYPE_CHECKING:
    from chainrule.datasets.cache import Data

__all__ = ["SAMPLING_RATE", "VOICES", "load_data"]

SAMPLING_RATE = 8000
VOICES = tuple(packages.VOICES)


def load_data() -> Data:
    """((x, length), (digit, voice)) of 50 recordings.

    Returns:
        x: int16, shape (50, samples of the longest), zeros behind the end; length: int64, the samples of each; digit:
        uint8; voice: uint8, an index into `VOICES`.

    Raises:
        FileNotFoundError: the recordings are not on this machine; the message says how to get them.

    Example:
        >>> (x, length), (digit, voice) = chainrule.datasets.spoken_digits.load_data()
        >>> x[7, : length[7]], digit[7], chainrule.datasets.spoken_digits.VOICES[voice[7]]
        (array([...], dtype=int16), 7, 'en')
    """
    return packages.load("spoken_digits")

"""``keras.preprocessing.sequence``."""

from ..sequences import pad_sequences

__all__ = ["pad_sequences"]

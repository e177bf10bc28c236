"""``keras.preprocessing``: data sets and sequences under their older home."""

from ..directories import image_dataset_from_directory, text_dataset_from_directory
from ..sequences import timeseries_dataset_from_array
from . import image, sequence

__all__ = [
    "image",
    "image_dataset_from_directory",
    "sequence",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
]

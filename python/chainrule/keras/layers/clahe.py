"""Contrast limited adaptive histogram equalization."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from .augmentation import ImageLayer
from .base import registry
from .colours import checked_range, histograms, rescaled

_op = _core.ops
_VALUES = 256


@registry.add
class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Spreads the values of each channel evenly within tiles of an image, in training and outside.

    Each tile has a table from values to new values: its cumulated histogram, after what exceeds the limit has been
    shared out among all values. A pixel gets the bilinear mixture of the tables of the four tiles whose centres are
    nearest.

    Args:
        value_range: the least and greatest value of the images.
        clip_limit: the greatest count of a value, as a multiple of the mean count; 0 for no limit.
        tile_grid_size: numbers of tiles (down, across); images are mirrored at their ends to fill whole tiles.

    Source: Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994.

    Example::

        layer = keras.layers.ContrastLimitedAdaptiveHistogramEqualization(value_range=(0, 1), tile_grid_size=(4, 4))
    """

    changes_outside_training = True

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        where = type(self).__name__
        self.value_range, self.clip_limit = checked_range(where, value_range), clip_limit
        grid = tuple(tile_grid_size) if isinstance(tile_grid_size, (list, tuple)) else (tile_grid_size,)
        if len(grid) != 2 or not all(isinstance(n, int) and n > 0 for n in grid):
            raise ValueError(f"{where}: tile_grid_size must be two positive integers, got {tile_grid_size!r}.")
        self.tile_grid_size = grid

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        batch, height, width, channels = images.shape
        down, across = self.tile_grid_size
        tall, wide = -(-height // down), -(-width // across)
        rows, columns = _mirrored(height, tall * down), _mirrored(width, wide * across)
        values = _op.cast(rescaled(images, self.value_range, (0, _VALUES - 1)), "float32")
        values = _op.cast(_op.minimum(_op.maximum(values, 0.0), float(_VALUES - 1)), "int32")
        values = _op.take(_op.take(values, rows, axis=1), columns, axis=2)
        tiles = _op.reshape(values, (batch, down, tall, across, wide, channels))
        tiles = _op.reshape(_op.transpose(tiles, (0, 1, 3, 5, 2, 4)), (-1, tall * wide))
        tables = _op.reshape(self._tables(tiles), (-1,))  # one for each image, tile and channel

        top, bottom, share_down = _neighbours(height, tall, down)
        left, right, share_across = _neighbours(width, wide, across)
        values = values[:, :height, :width]
        images_before = np.arange(batch)[:, None, None, None] * (down * across)
        channel = np.arange(channels)

        def looked_up(row: np.ndarray, column: np.ndarray) -> Any:
            tile = images_before + (row[:, None] * across + column[None, :])[..., None]
            first = ((tile * channels + channel) * _VALUES).astype("int32")
            return _op.take(tables, values + chainrule.asarray(first), axis=0)

        share_across, share_down = share_across[None, :, None], share_down[:, None, None]
        above, below = (
            looked_up(row, left) * (1 - share_across) + looked_up(row, right) * share_across for row in (top, bottom)
        )
        mixed = above * (1 - share_down) + below * share_down
        return _op.cast(rescaled(mixed, (0, _VALUES - 1), self.value_range), images.dtype)

    def _tables(self, tiles: Any) -> Any:
        """The new value of each value, (tiles, 256), for the values of tiles (tiles, pixels)."""
        pixels = tiles.shape[1]
        counts = histograms(tiles, _VALUES)
        if self.clip_limit > 0:
            kept = _op.minimum(counts, float(self.clip_limit * pixels / _VALUES))
            counts = kept + _op.sum(counts - kept, axis=-1, keepdims=True) / float(_VALUES)
        below = _op.cumsum(counts, axis=-1)
        least = below[:, :1]
        spread = float(pixels) - least
        spread = _op.where(_op.equal(spread, 0.0), 1.0, spread)
        return _op.minimum(_op.maximum((below - least) * float(_VALUES - 1) / spread, 0.0), float(_VALUES - 1))

    def get_config(self) -> dict[str, Any]:
        own = {"value_range": self.value_range, "clip_limit": self.clip_limit, "tile_grid_size": self.tile_grid_size}
        return {**super().get_config(), **own}


def _mirrored(length: int, wanted: int) -> Any:
    """The indices 0, 1, ..., length - 1, length - 1, length - 2, ..., to and fro."""
    places = np.arange(wanted) % (2 * length)
    return chainrule.asarray(np.minimum(places, 2 * length - 1 - places).astype("int32"))


def _neighbours(length: int, tile: int, tiles: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each place: the tile whose centre is before it, the one after it, and the share of the latter."""
    place = (np.arange(length) - tile / 2) / tile
    before = np.floor(place)
    share = (place - before).astype("float32")
    first, second = (np.clip(n, 0, tiles - 1).astype("int64") for n in (before, before + 1))
    return first, second, share

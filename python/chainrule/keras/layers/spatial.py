"""Layers that enlarge or cut the spatial axes: UpSampling, ZeroPadding, Cropping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule import _core, nn
from chainrule.nn.resizing import METHODS

from .base import Layer, registry
from .input_spec import InputSpec
from .windows import check_lengths, checked_format, from_last, per_axis, shape_from_last, shape_to_last, to_last

_op = _core.ops


class _Spatial(Layer):
    rank: int
    _takes_format = True  # whether data_format is an argument
    _keeps_integers = True

    def __init__(self, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = checked_format(data_format, type(self).__name__)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self._build_at_init()

    def _resize(self, x: Any) -> Any:
        raise NotImplementedError

    def _length(self, axis: int, length: int) -> int:
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        return from_last(self._resize(to_last(inputs, self.data_format)), self.data_format)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *lengths, channels = shape_to_last(input_shape, self.data_format)
        found = [None if n is None else self._length(i, n) for i, n in enumerate(lengths)]
        check_lengths(self, input_shape, found)
        return shape_from_last((batch, *found, channels), self.data_format)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "data_format": self.data_format} if self._takes_format else config


class _UpSampling(_Spatial):
    def __init__(self, size: Any, data_format: str | None, interpolation: str, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.interpolation = str(interpolation).lower()
        if self.interpolation not in METHODS:
            raise ValueError(f"{type(self).__name__}: interpolation must be one of {METHODS}, got {interpolation!r}.")
        self.size = per_axis(size, self.rank, type(self).__name__, "size")

    def _length(self, axis: int, length: int) -> int:
        return length * self.size[axis]

    def _resize(self, x: Any) -> Any:
        return nn.upsample(x, self.size, self.interpolation)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size if self.rank > 1 else self.size[0]}


@registry.add
class UpSampling1D(_UpSampling):
    """Repeats each step ``size`` times: (batch, steps, channels) -> (batch, steps * size, channels)."""

    rank = 1
    _takes_format = False

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(size, "channels_last", "nearest", **kwargs)


@registry.add
class UpSampling2D(_UpSampling):
    """Enlarges images: (batch, height, width, channels) -> (batch, height * size[0], width * size[1], channels).

    Args:
        size: the two factors, or one integer for both.
        data_format: ``"channels_last"`` or ``"channels_first"``.
        interpolation: ``"nearest"`` (repeats rows and columns), ``"bilinear"``, ``"bicubic"``, ``"lanczos3"`` or
            ``"lanczos5"``.
    """

    rank = 2

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(size, data_format, interpolation, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "interpolation": self.interpolation}


@registry.add
class UpSampling3D(_UpSampling):
    """Repeats the cells of a volume; see :class:`UpSampling2D`."""

    rank = 3

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(size, data_format, "nearest", **kwargs)


def _pairs(value: Any, rank: int, layer: str, name: str) -> tuple[tuple[int, int], ...]:
    """(before, after) of each axis: from one integer, one for each axis, or pairs; along one axis, from one pair."""
    if rank == 1 and isinstance(value, Sequence) and len(value) == 2 and not isinstance(value[0], Sequence):
        value = (value,)
    entries = (value,) * rank if hasattr(value, "__index__") else tuple(value) if isinstance(value, Sequence) else ()
    if len(entries) != rank:
        raise ValueError(f"{layer}: {name} must be one integer, {rank} integers or {rank} pairs, got {value!r}.")
    pairs = [per_axis(entry, 2, layer, name, 0) for entry in entries]
    return tuple((low, high) for low, high in pairs)


class _ZeroPadding(_Spatial):
    def __init__(self, padding: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = _pairs(padding, self.rank, type(self).__name__, "padding")

    def _length(self, axis: int, length: int) -> int:
        return length + sum(self.padding[axis])

    def _resize(self, x: Any) -> Any:
        return _op.pad(x, (0, *(low for low, _ in self.padding), 0), (0, *(high for _, high in self.padding), 0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding if self.rank > 1 else self.padding[0]}


@registry.add
class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after the steps: ``ZeroPadding1D(1)`` or ``ZeroPadding1D((left, right))``."""

    rank = 1

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


@registry.add
class ZeroPadding2D(_ZeroPadding):
    """Zeros around an image: one integer, (rows, columns), or ((top, bottom), (left, right))."""

    rank = 2

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


@registry.add
class ZeroPadding3D(_ZeroPadding):
    """Zeros around a volume: one integer, one for each axis, or three pairs."""

    rank = 3

    def __init__(self, padding: Any = (1, 1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


class _Cropping(_Spatial):
    def __init__(self, cropping: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.cropping = _pairs(cropping, self.rank, type(self).__name__, "cropping")

    def _length(self, axis: int, length: int) -> int:
        return length - sum(self.cropping[axis])

    def _resize(self, x: Any) -> Any:
        check_lengths(self, x.shape, [self._length(i, n) for i, n in enumerate(x.shape[1:-1])])
        starts = (0, *(low for low, _ in self.cropping), 0)
        stops = (
            x.shape[0],
            *(n - high for n, (_, high) in zip(x.shape[1:-1], self.cropping, strict=True)),
            x.shape[-1],
        )
        return _op.slice(x, starts, stops, (1,) * x.ndim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cropping": self.cropping if self.rank > 1 else self.cropping[0]}


@registry.add
class Cropping1D(_Cropping):
    """Takes steps away at both ends: ``Cropping1D(1)`` or ``Cropping1D((left, right))``."""

    rank = 1
    _takes_format = False

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping, "channels_last", **kwargs)


@registry.add
class Cropping2D(_Cropping):
    """Takes rows and columns away: one integer, (rows, columns), or ((top, bottom), (left, right))."""

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


@registry.add
class Cropping3D(_Cropping):
    """Takes cells away from a volume: one integer, one for each axis, or three pairs."""

    rank = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)

"""Layers that fight over-fitting; all but ActivityRegularization pass the inputs on unchanged outside of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule import _core

from .. import random, regularizers
from .base import Layer, registry
from .input_spec import InputSpec
from .windows import checked_format

_op = _core.ops


class _Random(Layer):
    """A layer with a stream of random numbers, active in training only."""

    supports_masking = True

    def __init__(self, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self._build_at_init()

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def _fraction(self, rate: Any) -> float:
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
            raise ValueError(f"{type(self).__name__}: rate must be a number between 0 and 1, got {rate!r}.")
        return float(rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@registry.add
class Dropout(_Random):
    """In training sets a fraction ``rate`` of the inputs to 0 and divides the others by 1 - rate (Srivastava et al.
    2014).

    ``noise_shape``: axes of length 1 share one decision.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, **kwargs)
        self.rate = self._fraction(rate)
        if noise_shape is not None and (
            not isinstance(noise_shape, (list, tuple))
            or not all(n is None or (isinstance(n, int) and n > 0) for n in noise_shape)
        ):
            raise ValueError(
                f"Dropout: noise_shape must hold positive integers or None, one for each axis, got {noise_shape!r}."
            )
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, self.noise_shape, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape}


class _SpatialDropout(_Random):
    """Drops whole channels of a sample: one decision for all positions."""

    rank: int

    def __init__(self, rate: float, seed: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(seed, name=name, dtype=dtype)
        self.rate = self._fraction(rate)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    _channels_axis = -1

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        shape = [inputs.shape[0], *(1,) * (self.rank + 1)]
        shape[self._channels_axis] = inputs.shape[self._channels_axis]
        return random.dropout(inputs, self.rate, shape, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {"rate": self.rate, "seed": self.seed, "name": config["name"], "dtype": config["dtype"]}


@registry.add
class SpatialDropout1D(_SpatialDropout):
    """In training sets whole channels of (batch, steps, channels) to 0 and divides the others by 1 - rate.

    Neighbouring steps are alike, so dropping single ones hides little (Tompson et al. 2015).
    """

    rank = 1


class _FormattedSpatialDropout(_SpatialDropout):
    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(rate, seed, name, dtype)
        self.data_format = checked_format(data_format, type(self).__name__)
        self._channels_axis = -1 if self.data_format == "channels_last" else 1

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


@registry.add
class SpatialDropout2D(_FormattedSpatialDropout):
    """In training sets whole channels of images to 0 and divides the others by 1 - rate; see :class:`SpatialDropout1D`.

    ``data_format``: ``"channels_last"`` or ``"channels_first"``.
    """

    rank = 2


@registry.add
class SpatialDropout3D(_FormattedSpatialDropout):
    """In training sets whole channels of volumes to 0; see :class:`SpatialDropout2D`."""

    rank = 3


@registry.add
class AlphaDropout(_Random):
    """In training sets a fraction ``rate`` of the inputs to SELU's negative limit and rescales all of them so that mean
    and variance of standard normal inputs stay (Klambauer et al., Self-normalizing neural networks, 2017).

    ``noise_shape``: axes of length 1 share one decision.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, **kwargs)
        self.rate = self._fraction(rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        limit = -1.6732632423543772 * 1.0507009873554805  # of SELU for z -> -infinity
        wanted = inputs.shape if self.noise_shape is None else self.noise_shape
        shape = tuple(n if m is None else m for n, m in zip(inputs.shape, wanted, strict=True))
        kept = _op.greater_equal(random.uniform(shape, dtype=inputs.dtype, seed=self.seed_generator), self.rate)
        # The variance of kept * x + (1 - kept) * limit, for x of variance 1, is (1 - rate) (1 + rate limit^2).
        factor = ((1 - self.rate) * (1 + self.rate * limit**2)) ** -0.5 if self.rate < 1 else 0.0
        return _op.where(kept, inputs, limit) * factor - factor * limit * self.rate

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape}


@registry.add
class GaussianNoise(_Random):
    """In training adds normal numbers of deviation ``stddev``."""

    def __init__(self, stddev: float, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.stddev = self._fraction(stddev)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if not training or self.stddev == 0:
            return inputs
        return inputs + random.normal(inputs.shape, 0.0, self.stddev, inputs.dtype, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev}


@registry.add
class GaussianDropout(_Random):
    """In training multiplies by normal numbers of mean 1 and deviation sqrt(rate / (1 - rate))."""

    def __init__(self, rate: float, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.rate = self._fraction(rate)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if not training or self.rate == 0:
            return inputs
        deviation = math.sqrt(self.rate / (1 - self.rate))
        return inputs * random.normal(inputs.shape, 1.0, deviation, inputs.dtype, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}


@registry.add
class ActivityRegularization(Layer):
    """Adds l1 * sum |x| + l2 * sum x^2 of its inputs to the loss."""

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1, l2), **kwargs)
        self.l1, self.l2 = l1, l2
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("activity_regularizer")
        return {**config, "l1": self.l1, "l2": self.l2}

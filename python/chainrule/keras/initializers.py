"""Initial values of weights. Random ones take a seed; without it, one of the global stream (``set_random_seed``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import chainrule
from chainrule import nn, seeds

from . import random
from .config import standardize_dtype
from .registry import Registry, deserialize_keras_object, serialize_keras_object


class Initializer:
    """Base class: a callable ``(shape, dtype=None) -> tensor`` with ``get_config``.

    Example::

        class Twos(keras.initializers.Initializer):
            def __call__(self, shape, dtype=None):
                return 2 * keras.ops.ones(shape, dtype)
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, dtype=None).")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """An initializer made with ``config``."""
        return cls(**config)

    def clone(self) -> Initializer:
        """A new one with the same configuration."""
        return self.__class__.from_config(self.get_config())


_registry = Registry("initializer", "keras.initializers", Initializer)
serialize = _registry.serialize
deserialize = _registry.deserialize


def get(identifier: Any) -> Any:
    """The initializer meant by a name, configuration, array (a constant), class or instance (then a copy of it)."""
    if isinstance(identifier, Initializer):
        return identifier.clone()
    if hasattr(identifier, "__array__"):
        return Constant(identifier)
    return _registry.get(identifier)


def _add(*aliases: str) -> Any:
    return lambda cls: _registry.add(cls, *aliases)


def _filled(shape: Sequence[int], value: Any, dtype: Any) -> Any:
    return chainrule.asarray(np.full(tuple(shape), value, standardize_dtype(dtype)))


@_add("zeros", "zero")
class Zeros(Initializer):
    """All 0."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return _filled(shape, 0, dtype)


@_add("ones", "one")
class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return _filled(shape, 1, dtype)


@_add("constant")
class Constant(Initializer):
    """All ``value`` (a number, or an array that broadcasts to the shape)."""

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return _filled(shape, np.asarray(self.value), dtype)

    def get_config(self) -> dict[str, Any]:
        return {"value": serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        return cls(deserialize_keras_object(config["value"]))


@_add("identity", "IdentityInitializer")
class Identity(Initializer):
    """``gain`` on the diagonal, else 0; for two axes."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        if len(shape) != 2:
            raise ValueError(f"Identity: the shape must have two axes, got {tuple(shape)}.")
        return chainrule.asarray((self.gain * np.eye(shape[0], shape[1])).astype(standardize_dtype(dtype)))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """Base of those that draw: the same seed and shape give the same values on every call."""

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, dict):  # as configurations hold a generator
            seed = deserialize_keras_object(seed)
        if seed is not None and not isinstance(seed, (int, np.integer, random.SeedGenerator)):
            raise ValueError(f"{type(self).__name__}: seed must be an integer, a SeedGenerator or None, got {seed!r}.")
        self._config_seed = seed
        self.seed = seeds.draw() if seed is None else seed

    def get_config(self) -> dict[str, Any]:
        seed = self._config_seed
        return {"seed": serialize_keras_object(seed) if isinstance(seed, random.SeedGenerator) else seed}


@_add("random_normal", "normal")
class RandomNormal(RandomInitializer):
    """Normal with the given mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


@_add("truncated_normal")
class TruncatedNormal(RandomInitializer):
    """Normal, values more than two standard deviations from the mean drawn again."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


@_add("random_uniform", "uniform")
class RandomUniform(RandomInitializer):
    """Uniform in [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        self.minval, self.maxval = minval, maxval
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """(fan in, fan out) of a kernel of shape (..., n_in, n_out), the leading axes being its receptive field."""
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if len(shape) < 2:
        length = shape[0] if shape else 1
        return length, length
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


@_add("variance_scaling")
class VarianceScaling(RandomInitializer):
    """Variance ``scale / n``, n the fan in, fan out or their mean (``mode``).

    ``distribution``: "uniform" in +-sqrt(3 scale / n), "untruncated_normal" with deviation sqrt(scale / n), or
    "truncated_normal", widened by 1/0.8796 to have that deviation after its tails are cut at two deviations.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        if scale <= 0:
            raise ValueError(f"VarianceScaling: scale must be positive, got {scale}.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"VarianceScaling: mode must be 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}.")
        distribution = distribution.lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        if distribution not in ("uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError(
                "VarianceScaling: distribution must be 'uniform', 'truncated_normal' or 'untruncated_normal', "
                f"got {distribution!r}."
            )
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return random.uniform(shape, -limit, limit, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, math.sqrt(variance), dtype, self.seed)
        # The deviation of a standard normal cut at +-2.
        return random.truncated_normal(shape, 0.0, math.sqrt(variance) / 0.87962566103423978, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            **super().get_config(),
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _NamedScaling(VarianceScaling):
    """A :class:`VarianceScaling` with fixed scale, mode and distribution."""

    fixed: tuple[float, str, str]

    def __init__(
        self, seed: Any = None, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
    ) -> None:
        super().__init__(*self.fixed, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


@_add("glorot_uniform")
class GlorotUniform(_NamedScaling):
    """Uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010); the default of Dense kernels."""

    fixed = (1.0, "fan_avg", "uniform")


@_add("glorot_normal")
class GlorotNormal(_NamedScaling):
    """Truncated normal of variance 2 / (fan_in + fan_out)."""

    fixed = (1.0, "fan_avg", "truncated_normal")


@_add("he_uniform")
class HeUniform(_NamedScaling):
    """Uniform in +-sqrt(6 / fan_in) (He et al. 2015); for ReLU."""

    fixed = (2.0, "fan_in", "uniform")


@_add("he_normal")
class HeNormal(_NamedScaling):
    """Truncated normal of variance 2 / fan_in; for ReLU."""

    fixed = (2.0, "fan_in", "truncated_normal")


@_add("lecun_uniform")
class LecunUniform(_NamedScaling):
    """Uniform in +-sqrt(3 / fan_in)."""

    fixed = (1.0, "fan_in", "uniform")


@_add("lecun_normal")
class LecunNormal(_NamedScaling):
    """Truncated normal of variance 1 / fan_in; for SELU."""

    fixed = (1.0, "fan_in", "truncated_normal")


@_add("orthogonal", "OrthogonalInitializer")
class Orthogonal(RandomInitializer):
    """``gain`` times a random orthogonal matrix (rows or columns, whichever are fewer, are orthonormal; Saxe et al.
    2014).

    More than two axes: all but the last count as rows.
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: the shape must have at least two axes, got {tuple(shape)}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        values = random.normal((max(rows, columns), min(rows, columns)), dtype="float64", seed=self.seed).numpy()
        q, r = np.linalg.qr(values)
        q = q * np.sign(np.diag(r))  # without this the distribution would depend on QR's sign convention
        q = q.T if rows < columns else q
        return chainrule.asarray((self.gain * q).reshape(tuple(shape)).astype(standardize_dtype(dtype)))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}


def checked_window(window: Any, scaling: Any, caller: str) -> None:
    """ValueError for a window's name or a scaling that isn't known."""
    if isinstance(window, str):
        nn.window(window, 2)
    if scaling not in (None, "density", "spectrum"):
        raise ValueError(f"{caller}: scaling must be None, 'density' or 'spectrum', got {scaling!r}.")


@_add("stft")
class STFT(Initializer):
    """Kernels of a short-time Fourier transform, of shape (frame_length, 1, fft_length // 2 + 1).

    ``side`` "real": window times cos(2 pi j k / fft_length); "imag": times -sin. See
    :class:`keras.layers.STFTSpectrogram` for ``window``, ``scaling`` and ``periodic``.
    """

    def __init__(
        self, side: str = "real", window: Any = "hann", scaling: str | None = "density", periodic: bool = False
    ) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"STFT: side must be 'real' or 'imag', got {side!r}.")
        checked_window(window, scaling, "STFT")
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        length, _, bins = shape
        angle = -2 * np.pi * np.arange(length)[:, None] * np.arange(bins) / (2 * (bins - 1))
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        if self.window is not None:
            given = self.window
            values = nn.window(given, length, self.periodic) if isinstance(given, str) else np.asarray(given, "float64")
            if values.shape != (length,):
                raise ValueError(f"STFT: the window must have shape ({length},), got {values.shape}.")
            if self.scaling == "density":
                values = values / np.sqrt(np.sum(values * values))
            elif self.scaling == "spectrum":
                values = values / np.sum(np.abs(values))
            kernel = kernel * values[:, None]
        return chainrule.asarray(kernel[:, None, :].astype(standardize_dtype(dtype)))

    def get_config(self) -> dict[str, Any]:
        return {"side": self.side, "window": self.window, "periodic": self.periodic, "scaling": self.scaling}


zeros, ones, constant, identity, orthogonal, stft = Zeros, Ones, Constant, Identity, Orthogonal, STFT
random_normal, random_uniform, truncated_normal, variance_scaling = (
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)
glorot_uniform, glorot_normal, he_uniform, he_normal = GlorotUniform, GlorotNormal, HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal

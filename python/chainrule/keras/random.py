"""Random numbers of the Keras face: counter-based, so a seed gives the same numbers on every machine and thread count.

A generator's state is one uint64 tensor of shape (2,), (seed, counter); programs capture it and advance it in place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import chainrule
from chainrule import _core, seeds

from .config import is_float_dtype, is_int_dtype, standardize_dtype
from .registry import Registry

_op = _core.ops


def key_of(seed: int, counter: int = 0) -> Any:
    """The key tensor (seed, counter)."""
    return chainrule.asarray(np.array([seed % 2**64, counter], dtype=np.uint64))


class SeedGenerator:
    """A stream of random keys.

    Args:
        seed: an integer; None draws one from the global stream.
        name: a name for the state.

    Example: ``keras.random.normal((2, 3), seed=keras.random.SeedGenerator(7))``.
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"SeedGenerator: unexpected arguments {sorted(kwargs)}.")
        if seed is not None and not isinstance(seed, (int, np.integer)):
            raise ValueError(f"SeedGenerator: seed must be an integer or None, got {seed!r}.")
        self.name = name or "seed_generator"
        self._config_seed = seed
        self.state = key_of(seeds.draw() if seed is None else int(seed))

    def next(self, ordered: bool = True) -> Any:
        """A key that has not been used before; moves the state on."""
        key = _op.copy(self.state)
        _op.advance_key(self.state)
        return key

    def get_config(self) -> dict[str, Any]:
        """The seed it was made with."""
        return {"seed": self._config_seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """A generator made with ``config``."""
        return cls(**config)


_registry = Registry("seed generator", "keras.random", SeedGenerator)
_registry.add(SeedGenerator)


def draw_key(seed: Any) -> Any:
    """A key from a seed: an integer (always the same), a :class:`SeedGenerator` (the next one), None (a new one)."""
    if isinstance(seed, SeedGenerator):
        return seed.next()
    return key_of(seeds.draw() if seed is None else int(seed))


def _float_type(where: str, dtype: Any) -> str:
    name = standardize_dtype(dtype)
    if not is_float_dtype(name):
        raise ValueError(f"keras.random.{where}: dtype must be a floating-point type, got {dtype!r}; see randint.")
    return name


def uniform(shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Uniform numbers in [minval, maxval), shape ``shape``. ``dtype`` must be a float type."""
    dtype = _float_type("uniform", dtype)
    values = _op.random_uniform(draw_key(seed), tuple(shape), dtype)
    return values * (maxval - minval) + minval


def normal(shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Normal numbers with that mean and standard deviation, shape ``shape``."""
    values = _op.random_normal(draw_key(seed), tuple(shape), _float_type("normal", dtype))
    return values * stddev + mean


def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Any:
    """Normal numbers of which those more than two standard deviations from the mean are drawn again.

    About 4.6 % are rejected; the values kept are those of the stream in order, so they depend on the key alone.
    """
    first = draw_key(seed)
    key = np.array(first.numpy())
    shape, dtype = tuple(shape), standardize_dtype(dtype)
    wanted = math.prod(shape)
    kept: list[np.ndarray] = []
    count = 0
    while count < wanted:
        values = _op.random_normal(chainrule.asarray(key.copy()), (wanted + wanted // 16 + 16,), dtype).numpy()
        kept.append(values[np.abs(values) <= 2])
        count += kept[-1].size
        if len(kept) == 1:  # the counters after this one are the next draws'
            key = _own_stream(first)
        else:
            key[1] += np.uint64(1)
    values = np.concatenate(kept)[:wanted].reshape(shape)
    return chainrule.asarray((values * stddev + mean).astype(dtype))


def randint(shape: Sequence[int], minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Whole numbers in [minval, maxval), shape ``shape``."""
    if not is_int_dtype(dtype):
        raise ValueError(f"keras.random.randint: dtype must be an integer type, got {dtype!r}.")
    values = _op.floor(_op.random_uniform(draw_key(seed), tuple(shape), "float64") * float(maxval - minval))
    return _op.cast(values + float(minval), standardize_dtype(dtype))


def dropout(inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Any = None) -> Any:
    """Sets a fraction ``rate`` of the inputs to zero and divides the others by ``1 - rate``.

    ``noise_shape`` (broadcast to the inputs' shape) makes entries along an axis of length 1 share their fate.
    """
    if noise_shape is None:
        return _op.dropout(inputs, draw_key(seed), rate)
    shape = tuple(n if m is None else m for n, m in zip(inputs.shape, noise_shape, strict=True))
    ones = _op.broadcast_to(chainrule.asarray(np.ones((), inputs.dtype)), shape)
    return inputs * _op.dropout(_op.copy(ones), draw_key(seed), rate)


def _own_stream(key: Any) -> np.ndarray:
    """A key for as many draws as need be: its seed is a hash of ``key``, so that it meets no other key's counters."""
    mixed, counter = (int(part) for part in key.numpy())
    mixed = (mixed + 0x9E3779B97F4A7C15 * (counter + 1)) % 2**64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):  # SplitMix64, Vigna 2015
        mixed = (mixed ^ (mixed >> shift)) * factor % 2**64
    return np.array([mixed, 0], np.uint64)


def gamma(shape: Sequence[int], alpha: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Gamma numbers of that shape parameter (which broadcasts to ``shape``) and scale 1.

    Rejection from a cubed normal (G. Marsaglia and W. Tsang 2000); below 1 a power of a uniform number corrects the
    shape.
    """
    key = _own_stream(draw_key(seed))
    shape, dtype = tuple(shape), standardize_dtype(dtype)
    order = np.broadcast_to(np.asarray(alpha, "float64"), shape).reshape(-1)
    lifted = np.where(order < 1, order + 1, order) - 1 / 3
    values = np.empty(order.size)
    open_ = np.arange(order.size)

    def next_numbers(op: Any, count: int) -> np.ndarray:
        numbers = np.asarray(op(chainrule.asarray(key.copy()), (count,), "float64"))
        key[1] += np.uint64(1)
        return numbers

    power = next_numbers(_op.random_uniform, order.size)
    while open_.size:
        x, u = (next_numbers(op, open_.size) for op in (_op.random_normal, _op.random_uniform))
        d = lifted[open_]
        v = (1 + x / np.sqrt(9 * d)) ** 3
        safe = np.where(v > 0, v, 1.0)
        accepted = (v > 0) & (np.log(np.maximum(u, 1e-300)) < 0.5 * x**2 + d - d * safe + d * np.log(safe))
        values[open_[accepted]] = (d * safe)[accepted]
        open_ = open_[~accepted]
    small = order < 1
    values[small] *= np.maximum(power[small], 1e-300) ** (1 / np.maximum(order[small], 1e-12))
    return chainrule.asarray(values.reshape(shape).astype(dtype))


def beta(shape: Sequence[int], alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Any:
    """Beta numbers: a / (a + b) of two gamma numbers; the parameters broadcast to ``shape``."""
    generator = SeedGenerator(int(_own_stream(draw_key(seed))[0]) % 2**63)
    first, second = (gamma(shape, order, "float64", generator).numpy() for order in (alpha, beta))
    total = first + second
    ratio = np.divide(first, total, out=np.full_like(first, 0.5), where=total > 0)
    return chainrule.asarray(ratio.astype(standardize_dtype(dtype)))


def binomial(shape: Sequence[int], counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Any:
    """How many of ``counts`` trials succeed, each with its probability; both broadcast to ``shape``."""
    shape = tuple(shape)
    trials = np.broadcast_to(np.asarray(counts), shape)
    chance = np.broadcast_to(np.asarray(probabilities, "float64"), shape)
    most = int(trials.max(initial=0))
    hits = _op.random_uniform(draw_key(seed), (most, *shape), "float64").numpy() < chance
    counted = np.arange(most).reshape(-1, *(1,) * len(shape)) < trials
    return chainrule.asarray((hits & counted).sum(0).astype(standardize_dtype(dtype)))


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Any:
    """Class numbers drawn with probabilities softmax(logits), shape (batch, num_samples) (Gumbel-max method)."""
    logits = chainrule.asarray(logits)
    batch, classes = logits.shape
    noise = _op.random_uniform(draw_key(seed), (batch, num_samples, classes), "float64")
    gumbel = -_op.log(-_op.log(_op.maximum(noise, 1e-300)))
    chosen = _op.argmax(_op.expand_dims(_op.cast(logits, "float64"), 1) + gumbel, axis=-1)
    return _op.cast(chosen, standardize_dtype(dtype))


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """The entries of ``x`` along ``axis`` in random order."""
    x = chainrule.asarray(x)
    order = _op.argsort(_op.random_uniform(draw_key(seed), (x.shape[axis],), "float64"))
    return _op.take(x, order, axis=axis)

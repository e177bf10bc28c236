"""Scaled dot-product attention as a function, and a cache of keys and values for generation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

_op = _core.ops


def attention(
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    bias: Any = None,
    scale: float | None = None,
    causal: bool = False,
    offset: int = 0,
    dropout_key: Any = None,
    rate: float = 0.0,
    uniform: bool = False,
) -> Any:
    """softmax(query key^T scale + bias, masked) value for every head (Vaswani et al. 2017).

    Args:
        query: (batch, queries, heads, depth).
        key, value: (batch, keys, key heads, depth) and (batch, keys, key heads, width); heads must be a multiple of key
            heads, which are shared by as many neighbouring heads of the query.
        mask: bool, broadcast to (batch, heads, queries, keys): true where the key may be seen. A query that sees none
            gets zeros, or with ``uniform`` the mean of all values.
        bias: numbers added to the scores, broadcast likewise.
        scale: 1 / sqrt(depth) by default.
        causal: query i sees the keys up to i + ``offset``.
        dropout_key, rate: a uint64 tensor (seed, counter), and the fraction of the weights that it sets to 0.

    Returns:
        (batch, queries, heads, width). Nothing of the size queries times keys is kept, also for the gradient.

    Raises:
        ValueError: shapes that don't fit; TypeError: a mask that isn't bool.

    Example: ``nn.attention(x, x, x, causal=True)`` for x of shape (2, 10, 4, 16).
    """
    if scale is None:
        scale = 1.0 / math.sqrt(max(1, np.shape(query)[-1]))
    options: dict[str, Any] = {"causal": causal, "offset": offset, "rate": float(rate), "uniform": uniform}
    return _op.attention(query, key, value, mask, bias, dropout_key, scale=float(scale), **options)


class KeyValueCache:
    """The keys and values of the steps so far, so that generation computes those of the new step only.

    Args:
        batch, capacity, heads, depth: the lengths; capacity is the greatest number of steps.
        width: the length of a value; ``depth`` by default.
        dtype: "float32" or "float64".

    Example::

        cache = nn.KeyValueCache(batch=1, capacity=256, heads=4, depth=16)
        for step in range(10):
            q, k, v = project(token)                 # (1, 1, 4, 16) each
            y = cache.attend(q, k, v)                # sees this step and those before
    """

    def __init__(
        self, batch: int, capacity: int, heads: int, depth: int, width: int | None = None, dtype: str = "float32"
    ) -> None:
        self.keys = chainrule.asarray(np.zeros((batch, capacity, heads, depth), dtype))
        self.values = chainrule.asarray(np.zeros((batch, capacity, heads, depth if width is None else width), dtype))
        self.length = 0

    def append(self, key: Any, value: Any) -> tuple[Any, Any]:
        """Adds steps (batch, steps, heads, ...); returns views of all keys and values so far.

        Raises:
            ValueError: more steps than the capacity.
        """
        end = self.length + key.shape[1]
        if end > self.keys.shape[1]:
            raise ValueError(
                f"KeyValueCache: {end} steps don't fit its capacity, {self.keys.shape[1]}; make it larger, or reset()."
            )
        self.keys[:, self.length : end] = key
        self.values[:, self.length : end] = value
        self.length = end
        return self.keys[:, :end], self.values[:, :end]

    def attend(self, query: Any, key: Any, value: Any, **options: Any) -> Any:
        """Appends the steps of key and value; their queries see them and all before (options: :func:`attention`)."""
        before = self.length
        keys, values = self.append(key, value)
        return attention(query, keys, values, causal=True, offset=before, **options)

    def reset(self) -> None:
        """Forgets all steps."""
        self.length = 0

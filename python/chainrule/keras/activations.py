"""Activation functions by name; formulas in ``chainrule.nn.activations``.

``softmax`` and ``sigmoid`` remember their argument while a model computes its loss, so that a cross-entropy of
probabilities is computed from the logits (see :func:`logits_of`).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chainrule import nn

from .masking import get_mask, set_mask
from .registry import Registry
from .symbolic import any_symbolic, apply_function
from .variables import Tensor, convert_to_tensor

_registry = Registry("activation", "keras.activations")


class _Memory(threading.local):
    # (probabilities, logits, name of the function) of the forward pass that this thread makes; None outside of one.
    pairs: list[tuple[Any, Any, str]] | None = None


_memory = _Memory()


@contextmanager
def remember_logits() -> Iterator[None]:
    """Within the block :func:`logits_of` knows the logits of every softmax and sigmoid."""
    before, _memory.pairs = _memory.pairs, []
    try:
        yield
    finally:
        _memory.pairs = before


def logits_of(probabilities: Any, function: str) -> Any | None:
    """The tensor whose softmax over the last axis (or sigmoid) ``probabilities`` is, if remembered; else None."""
    for output, logits, name in _memory.pairs or ():
        if output is probabilities and name == function:
            return logits
    return None


def in_full_precision(x: Any) -> Any:
    """Outputs of a half type as float32, in which losses and metrics are computed; their logits stay known."""
    if getattr(x, "dtype", None) not in ("float16", "bfloat16"):
        return x
    x = convert_to_tensor(x)
    whole = convert_to_tensor(x, "float32")
    set_mask(whole, get_mask(x))
    for output, logits, name in tuple(_memory.pairs or ()):
        if output is x:
            _memory.pairs.append((whole, convert_to_tensor(logits, "float32"), name))  # type: ignore[union-attr]
    return whole


def _activation(function: Callable[..., Any], *aliases: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def apply(x: Any, *args: Any, **kwargs: Any) -> Any:
        if type(x) is not Tensor:
            if any_symbolic(x):
                return apply_function(apply, (x, *args), kwargs)
            x = convert_to_tensor(x)
        return function(x, *args, **kwargs)

    apply.__module__ = __name__  # where pickle finds it
    return _registry.add(apply, *aliases)


def _sigmoid(x: Any) -> Any:
    output = nn.sigmoid(x)
    if _memory.pairs is not None:
        _memory.pairs.append((output, x, "sigmoid"))
    return output


def _over_axes(function: Callable[..., Any], x: Any, axis: Any) -> Any:
    if isinstance(axis, int):
        return function(x, axis)
    from .ops import log_softmax, softmax  # over several axes

    return (softmax if function is nn.softmax else log_softmax)(x, axis)


def _log_softmax(x: Any, axis: Any = -1) -> Any:
    return _over_axes(nn.log_softmax, x, axis)


def _softmax(x: Any, axis: Any = -1) -> Any:
    output = _over_axes(nn.softmax, x, axis)
    if _memory.pairs is not None and axis in (-1, len(x.shape) - 1):
        _memory.pairs.append((output, x, "softmax"))
    return output


for _function, _public in ((_sigmoid, nn.sigmoid), (_softmax, nn.softmax), (_log_softmax, nn.log_softmax)):
    functools.update_wrapper(_function, _public)

linear = _activation(nn.linear)
relu = _activation(nn.relu)
relu6 = _activation(nn.relu6)
leaky_relu = _activation(nn.leaky_relu)
elu = _activation(nn.elu)
celu = _activation(nn.celu)
selu = _activation(nn.selu)
gelu = _activation(nn.gelu)
sigmoid = _activation(_sigmoid)
log_sigmoid = _activation(nn.log_sigmoid)
hard_sigmoid = _activation(nn.hard_sigmoid)
silu = swish = _activation(nn.silu, "swish")
hard_silu = hard_swish = _activation(nn.hard_silu, "hard_swish")
tanh = _activation(nn.tanh)
hard_tanh = _activation(nn.hard_tanh)
tanh_shrink = _activation(nn.tanh_shrink)
hard_shrink = _activation(nn.hard_shrink)
soft_shrink = _activation(nn.soft_shrink)
softplus = _activation(nn.softplus)
softsign = _activation(nn.softsign)
squareplus = _activation(nn.squareplus)
mish = _activation(nn.mish)
exponential = _activation(nn.exponential)
sparse_plus = _activation(nn.sparse_plus)
sparse_sigmoid = _activation(nn.sparse_sigmoid)
threshold = _activation(nn.threshold)
softmax = _activation(_softmax)
log_softmax = _activation(_log_softmax)
glu = _activation(nn.glu)
sparsemax = _activation(nn.sparsemax)

serialize = _registry.serialize
deserialize = _registry.deserialize


def get(identifier: Any) -> Callable[..., Any]:
    """The activation meant by a name, configuration or callable; None means :func:`linear`.

    Raises ValueError for an unknown name and suggests the nearest.
    """
    return linear if identifier is None else _registry.get(identifier)

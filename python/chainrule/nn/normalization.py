"""Normalisation as functions: of rows (layer, RMS) and of channels (batch, group)."""

from __future__ import annotations

from typing import Any

from chainrule import _core

_op = _core.ops


def layer_norm(x: Any, gamma: Any = None, beta: Any = None, axes: int = 1, epsilon: float = 1e-5) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta over the last ``axes`` axes (Ba, Kiros, Hinton 2016).

    gamma and beta have the shape of these axes. Returns a tensor like x.

    Raises:
        ValueError: gamma or beta of another shape, or ``axes`` outside of 1 to the number of axes of x.

    Example: ``nn.layer_norm([[1.0, 3.0]], epsilon=0.0)  # [[-1., 1.]]``
    """
    return _op.layer_norm(x, gamma, beta, axes=axes, epsilon=epsilon)


def rms_norm(x: Any, gamma: Any = None, axes: int = 1, epsilon: float = 1e-6) -> Any:
    """x / sqrt(mean(x^2) + epsilon) * gamma over the last ``axes`` axes (Zhang, Sennrich 2019).

    Shapes and errors as those of :func:`layer_norm`.
    """
    return _op.layer_norm(x, gamma, axes=axes, epsilon=epsilon, centered=False)


def batch_norm(x: Any, gamma: Any = None, beta: Any = None, epsilon: float = 1e-5) -> tuple[Any, Any, Any]:
    """(y, mean, variance): each channel, an index of the last axis, by its statistics (Ioffe, Szegedy 2015).

    x has shape (..., channels), gamma, beta, mean and variance (channels,); the variance divides by the count.
    """
    y, mean, variance = _op.batch_norm(x, gamma, beta, epsilon=epsilon)
    return y, mean, variance


def group_norm(x: Any, groups: int, gamma: Any = None, beta: Any = None, epsilon: float = 1e-5) -> Any:
    """Each sample's groups of neighbouring channels by their own statistics (Wu, He 2018).

    x has shape (samples, ..., channels), gamma and beta (channels,).

    Raises:
        ValueError: ``groups`` doesn't divide the number of channels.
    """
    return _op.group_norm(x, gamma, beta, epsilon=epsilon, groups=groups)[0]

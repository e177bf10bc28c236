"""Activation functions f(z), elementwise unless they name an axis. Derivatives follow from the ops."""

from __future__ import annotations

import math
from typing import Any

from chainrule import _core

_op = _core.ops
_asarray = _core.asarray

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def linear(x: Any) -> Any:
    """z itself."""
    return x


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """max(0, z).

    With the arguments: ``max_value`` where z >= max_value, z where threshold < z < max_value, else
    ``negative_slope * (z - threshold)``.
    """
    if negative_slope == 0.0 and threshold == 0.0:
        y = _op.relu(x)
    elif threshold == 0.0:
        y = _op.leaky_relu(x, negative_slope)
    else:
        y = _op.where(_op.greater(x, threshold), x, negative_slope * (x - threshold))
    return y if max_value is None else _op.minimum(y, max_value)


def relu6(x: Any) -> Any:
    """min(max(0, z), 6)."""
    return _op.minimum(_op.relu(x), 6.0)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """z where z > 0, else ``negative_slope * z``."""
    return _op.leaky_relu(x, negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """z where z > 0, else ``alpha * (e^z - 1)`` (Clevert et al. 2016)."""
    return _op.elu(x, alpha)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """max(0, z) + min(0, alpha * (e^(z/alpha) - 1)) (Barron 2017)."""
    return _op.relu(x) + alpha * _op.expm1(_op.minimum(x, 0.0) / alpha)


def selu(x: Any) -> Any:
    """1.0507 * elu(z, 1.6733): keeps mean 0 and variance 1 from layer to layer (Klambauer et al. 2017)."""
    return _SELU_SCALE * _op.elu(x, _SELU_ALPHA)


def gelu(x: Any, approximate: bool = False) -> Any:
    """z * Phi(z), Phi the normal distribution function; ``approximate``: the tanh form of Hendrycks and Gimpel 2016."""
    if not approximate:
        return _op.gelu(x)
    return 0.5 * x * (1.0 + _op.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))))


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-z), stable for both signs."""
    return _op.sigmoid(x)


def log_sigmoid(x: Any) -> Any:
    """log(sigmoid(z)) = -softplus(-z)."""
    return -_op.softplus(-x)


def hard_sigmoid(x: Any) -> Any:
    """min(max(0, z/6 + 1/2), 1)."""
    return _op.minimum(_op.relu(x * (1.0 / 6.0) + 0.5), 1.0)


def silu(x: Any) -> Any:
    """z * sigmoid(z), also called swish (Ramachandran et al. 2017)."""
    return _op.silu(x)


swish = silu


def hard_silu(x: Any) -> Any:
    """z * hard_sigmoid(z) (Howard et al. 2019)."""
    return x * hard_sigmoid(x)


hard_swish = hard_silu


def tanh(x: Any) -> Any:
    """(e^z - e^-z) / (e^z + e^-z)."""
    return _op.tanh(x)


def hard_tanh(x: Any) -> Any:
    """min(max(-1, z), 1)."""
    return _op.minimum(_op.maximum(x, -1.0), 1.0)


def tanh_shrink(x: Any) -> Any:
    """z - tanh(z)."""
    return x - _op.tanh(x)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """z where |z| > threshold, else 0."""
    return _op.where(_op.greater(_op.absolute(x), threshold), x, 0.0)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """z moved towards 0 by ``threshold``, 0 where |z| <= threshold."""
    return _op.relu(x - threshold) - _op.relu(-x - threshold)


def softplus(x: Any) -> Any:
    """log(1 + e^z)."""
    return _op.softplus(x)


def softsign(x: Any) -> Any:
    """z / (1 + |z|)."""
    return x / (1.0 + _op.absolute(x))


def squareplus(x: Any, b: float = 4.0) -> Any:
    """(z + sqrt(z^2 + b)) / 2 (Barron 2021)."""
    return 0.5 * (x + _op.sqrt(_op.square(x) + b))


def mish(x: Any) -> Any:
    """z * tanh(softplus(z)) (Misra 2019)."""
    return x * _op.tanh(_op.softplus(x))


def exponential(x: Any) -> Any:
    """e^z."""
    return _op.exp(x)


def sparse_plus(x: Any) -> Any:
    """0 for z <= -1, (z + 1)^2 / 4 for -1 < z < 1, z for z >= 1."""
    middle = 0.25 * _op.square(x + 1.0)
    return _op.where(_op.less_equal(x, -1.0), 0.0, _op.where(_op.less(x, 1.0), middle, x))


def sparse_sigmoid(x: Any) -> Any:
    """0 for z <= -1, (z + 1) / 2 for -1 < z < 1, 1 for z >= 1."""
    return _op.minimum(_op.relu(0.5 * (x + 1.0)), 1.0)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """z where z > threshold, else ``default_value``."""
    return _op.where(_op.greater(x, threshold), x, default_value)


def softmax(x: Any, axis: Any = -1) -> Any:
    """e^(z_i - m) / sum_k e^(z_k - m) along ``axis`` (an integer, or several: then over all of them), m = max z."""
    if isinstance(axis, (tuple, list)):
        if len(axis) == 1:
            return _op.softmax(x, axis=axis[0])
        return _op.exp(x - _op.logsumexp(x, axis=tuple(axis), keepdims=True))
    return _op.softmax(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """z - log(sum_k e^(z_k)) along ``axis``."""
    return _op.log_softmax(x, axis=axis)


def glu(x: Any, axis: int = -1) -> Any:
    """a * sigmoid(b), a and b the halves of z along ``axis`` (Dauphin et al. 2017)."""
    x = _asarray(x)
    size = x.shape[axis]
    if size % 2:
        raise ValueError(f"glu: the axis {axis} of shape {tuple(x.shape)} must have an even length.")
    axis %= len(x.shape)
    lead = (slice(None),) * axis
    return x[(*lead, slice(0, size // 2))] * _op.sigmoid(x[(*lead, slice(size // 2, size))])


def sparsemax(x: Any, axis: int = -1) -> Any:
    """The Euclidean projection of z on the probability simplex (Martins and Astudillo 2016), along ``axis``.

    With z sorted downwards, k the largest index with ``1 + k z_k > sum_(j<=k) z_j``, tau = (sum_(j<=k) z_j - 1) / k:
    max(0, z - tau).
    """
    x = _asarray(x)
    if x.ndim == 0:
        raise ValueError("sparsemax: expected at least one axis, got a single number.")
    axis %= len(x.shape)
    size = x.shape[axis]
    falling = -_op.sort(-x, axis=axis)
    shape = [1] * len(x.shape)
    shape[axis] = size
    index = _op.cumsum(_op.broadcast_to(_op.reshape(1.0, (1,) * len(x.shape)), tuple(shape)), axis=axis)
    index = _op.cast(index, x.dtype)
    sums = _op.cumsum(falling, axis=axis)
    support = _op.cast(_op.greater(1.0 + index * falling, sums), x.dtype)
    count = _op.sum(support, axis=axis, keepdims=True)
    tau = (_op.sum(support * falling, axis=axis, keepdims=True) - 1.0) / count
    return _op.relu(x - tau)

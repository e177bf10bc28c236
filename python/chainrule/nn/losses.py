"""Cross-entropies, a value per row. From logits the gradient is softmax(z) - y: no logarithm of a rounded number."""

from __future__ import annotations

from typing import Any

from chainrule import _core

_op = _core.ops


def softmax_cross_entropy(logits: Any, targets: Any) -> Any:
    """-sum_k y_k log softmax(z)_k: logits and targets of shape (..., K) -> (...)."""
    return _op.softmax_cross_entropy(logits, targets)


def sparse_softmax_cross_entropy(logits: Any, labels: Any) -> Any:
    """-log softmax(z)_label: logits of shape (..., K), integer labels (...) -> (...)."""
    return _op.sparse_softmax_cross_entropy(logits, labels)


def sigmoid_cross_entropy(logits: Any, targets: Any) -> Any:
    """-(y log sigmoid(z) + (1 - y) log(1 - sigmoid(z))) = softplus(z) - y z, elementwise."""
    return _op.softplus(logits) - targets * logits


def binary_cross_entropy(probabilities: Any, targets: Any, epsilon: float = 1e-7) -> Any:
    """-(y log p + (1 - y) log(1 - p)), elementwise, p kept within [epsilon, 1 - epsilon]."""
    p = _op.minimum(_op.maximum(probabilities, epsilon), 1.0 - epsilon)
    return -(targets * _op.log(p) + (1.0 - targets) * _op.log(1.0 - p))

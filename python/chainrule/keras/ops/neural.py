"""Activations, losses and CTC."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chainrule import nn

from ..config import epsilon
from ..variables import convert_to_tensor
from .dispatch import as_pair, as_real, core, symbolic
from .elementwise import clip
from .normalization import axes_last, sorted_axes
from .shapes import moveaxis


def _neural(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def apply(x: Any, *args: Any, **kwargs: Any) -> Any:
        return function(as_real(x), *args, **kwargs)

    return symbolic(apply)


relu = _neural(nn.relu)
relu6 = _neural(nn.relu6)
leaky_relu = _neural(nn.leaky_relu)
elu = _neural(nn.elu)
celu = _neural(nn.celu)
selu = _neural(nn.selu)
sigmoid = _neural(nn.sigmoid)
log_sigmoid = _neural(nn.log_sigmoid)
hard_sigmoid = _neural(nn.hard_sigmoid)
silu = _neural(nn.silu)
swish = _neural(nn.swish)
hard_silu = _neural(nn.hard_silu)
hard_swish = _neural(nn.hard_swish)
hard_tanh = _neural(nn.hard_tanh)
tanh_shrink = _neural(nn.tanh_shrink)
hard_shrink = _neural(nn.hard_shrink)
soft_shrink = _neural(nn.soft_shrink)
softplus = _neural(nn.softplus)
softsign = _neural(nn.softsign)
squareplus = _neural(nn.squareplus)
sparse_plus = _neural(nn.sparse_plus)
sparse_sigmoid = _neural(nn.sparse_sigmoid)
threshold = _neural(nn.threshold)
glu = _neural(nn.glu)
sparsemax = _neural(nn.sparsemax)


def _over_axes(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def apply(x: Any, axis: Any = -1) -> Any:
        x = as_real(x)
        if axis is None:
            return core.reshape(function(core.reshape(x, (-1,)), axis=0), x.shape)
        if isinstance(axis, int):
            return function(x, axis=axis)
        last, order = axes_last(x, sorted_axes(axis, x.ndim))
        rows = function(core.reshape(last, (*last.shape[: x.ndim - len(axis)], -1)), axis=-1)
        y = core.reshape(rows, last.shape)
        return y if order is None else core.transpose(y, order)

    return symbolic(apply)


softmax = _over_axes(nn.softmax)
log_softmax = _over_axes(nn.log_softmax)


@symbolic
def gelu(x: Any, approximate: bool = True) -> Any:
    """z * Phi(z); by default in the tanh approximation."""
    return nn.gelu(as_real(x), approximate)


@symbolic
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """-(y log p + (1 - y) log(1 - p)), elementwise."""
    target, output = as_pair(as_real(target), as_real(output))
    if from_logits:
        return nn.sigmoid_cross_entropy(output, target)
    return nn.binary_cross_entropy(output, target, epsilon())


@symbolic
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-sum_k y_k log p_k along the axis; probabilities are normalised to sum 1 first."""
    target, output = as_pair(as_real(target), as_real(output))
    if axis not in (-1, output.ndim - 1):
        target, output = moveaxis(target, axis, -1), moveaxis(output, axis, -1)
    if from_logits:
        return nn.softmax_cross_entropy(output, target)
    p = output / core.sum(output, axis=-1, keepdims=True)
    return -core.sum(target * core.log(clip(p, epsilon(), 1.0 - epsilon())), axis=-1)


@symbolic
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """-log p_label along the axis, labels being class numbers."""
    target, output = convert_to_tensor(target), as_real(output)
    if axis not in (-1, output.ndim - 1):
        output = moveaxis(output, axis, -1)
    if target.dtype.kind not in "iu":
        target = core.cast(target, "int64")
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = core.squeeze(target, axis=-1)
    if not from_logits:
        p = output / core.sum(output, axis=-1, keepdims=True)
        output = core.log(clip(p, epsilon(), 1.0 - epsilon()))
        # log p as logits: their softmax is p again, up to the clipping.
    return nn.sparse_softmax_cross_entropy(output, target)


def _whole(x: Any) -> Any:
    """Class numbers or lengths, which may come as floats, as integers."""
    x = convert_to_tensor(x)
    return x if x.dtype.kind in "iu" else core.cast(x, "int64")


@symbolic
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """-log p(target | output) for each sequence, output being logits (batch, steps, classes); mask_index: the blank."""
    return nn.ctc_loss(as_real(output), _whole(target), _whole(output_length), _whole(target_length), mask_index)


@symbolic
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int | None = 0,
) -> tuple[Any, Any]:
    """Labels (paths, batch, steps), -1 behind the last, and scores of logits (batch, steps, classes).

    ``"greedy"``: one path, scores (batch, 1) minus the sum of the greatest logits. ``"beam_search"``: ``top_paths``
    paths, scores (batch, top_paths) their log-probabilities. ``mask_index`` None: the last class.
    """
    inputs, sequence_lengths = as_real(inputs), _whole(sequence_lengths)
    blank = inputs.shape[-1] - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        labels, score = nn.ctc_greedy_decode(inputs, sequence_lengths, blank, merge_repeated)
        return core.expand_dims(labels, 0), core.expand_dims(core.negative(score), -1)
    if strategy == "beam_search":
        return nn.ctc_beam_decode(inputs, sequence_lengths, beam_width, top_paths, blank)
    raise ValueError(f"ctc_decode: strategy must be 'greedy' or 'beam_search', got {strategy!r}.")

"""Connectionist temporal classification: a loss for sequences whose labels have no times, and its decoders.

An alignment says one class a step; the labelling it stands for is what is left when repeated classes are merged and
blanks removed. The probability of a labelling is the sum over its alignments (Graves et al. 2006).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import _core

_op = _core.ops


def ctc_loss(
    logits: Any,
    labels: Any,
    logit_lengths: Any = None,
    label_lengths: Any = None,
    blank: int = 0,
    zero_infinity: bool = False,
) -> Any:
    """-log p(labels | logits) for each sequence: logits (N, T, K), integer labels (N, L) -> (N,).

    The softmax over classes is part of it. ``logit_lengths`` and ``label_lengths`` of shape (N,) say how many steps
    and labels count (None: all); what stands behind them is not read. Labels that need more steps than there are
    (each, and a blank between equal neighbours) have probability 0: the loss is infinite and its gradient 0;
    ``zero_infinity`` makes it 0.

    Raises:
        ValueError: shapes that don't fit, a length or a label out of range (in a recorded program: nan).
        TypeError: labels or lengths that aren't whole numbers.

    Example::

        nn.ctc_loss(np.zeros((1, 2, 3), "float32"), np.array([[1]]))   # [log 3]: three of nine alignments
    """
    batch, steps, most = _shapes(logits, labels)
    logit_lengths = np.full(batch, steps) if logit_lengths is None else logit_lengths
    label_lengths = np.full(batch, most) if label_lengths is None else label_lengths
    loss = _op.ctc_loss(logits, labels, logit_lengths, label_lengths, blank=blank)
    return _op.where(_op.isinf(loss), 0.0, loss) if zero_infinity else loss


def ctc_greedy_decode(logits: Any, lengths: Any = None, blank: int = 0, merge_repeated: bool = True) -> tuple[Any, Any]:
    """The labelling of the most probable alignment: logits (N, T, K) -> labels (N, T), scores (N,).

    Labels are int32, with -1 behind the last; the score is the sum of the greatest logits (of log-probabilities: the
    logarithm of the alignment's probability). Without ``merge_repeated`` only the blanks are removed.
    """
    batch, steps, _ = _shapes(logits)
    time = np.arange(steps)
    best, score = _op.argmax(logits, axis=-1), _op.max(logits, axis=-1)
    if lengths is not None:
        outside = _op.greater_equal(time, _op.reshape(_op.cast(lengths, "int64"), (batch, 1)))
        best, score = _op.where(outside, blank, best), _op.where(outside, 0.0, score)
    if merge_repeated:
        same = _op.equal(best[:, 1:], best[:, :-1])
        best = _op.where(_op.concatenate(np.zeros((batch, 1), bool), same, axis=1), blank, best)
    empty = _op.equal(best, blank)
    order = _op.argsort(_op.where(empty, steps, time), axis=-1)  # stable: the labels move to the front
    labels = _op.take_along_axis(_op.where(empty, -1, best), order, axis=-1)
    return _op.cast(labels, "int32"), _op.sum(score, axis=-1)


def ctc_beam_decode(
    logits: Any, lengths: Any = None, beam_width: int = 100, top_paths: int = 1, blank: int = 0
) -> tuple[Any, Any]:
    """The most probable labellings: logits (N, T, K) -> labels (top_paths, N, T), log-probabilities (N, top_paths).

    Prefix beam search (Hannun et al. 2014): the ``beam_width`` most probable beginnings are kept at each step, with
    the alignments that end in a blank and in a label counted apart. Labels are int32, with -1 behind the last. A
    labelling that wasn't found has log-probability -inf.
    """
    batch, steps, _ = _shapes(logits)
    lengths = np.full(batch, steps) if lengths is None else lengths
    return tuple(
        _op.ctc_beam_decode(
            _op.log_softmax(logits, axis=-1), lengths, beam_width=beam_width, top_paths=top_paths, blank=blank
        )
    )


def _shapes(logits: Any, labels: Any = None) -> tuple[int, int, int]:
    """Batch, steps and the most labels."""
    shape, given = np.shape(logits), (0, 0) if labels is None else np.shape(labels)
    if len(shape) != 3 or len(given) != 2:
        raise ValueError(
            f"ctc: logits need shape (batch, steps, classes) and labels (batch, most labels), got {shape}"
            + ("." if labels is None else f" and {given}.")
        )
    return shape[0], shape[1], given[1]

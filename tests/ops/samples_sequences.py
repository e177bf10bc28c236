"""Samples of connectionist temporal classification."""

from __future__ import annotations

import itertools

import numpy as np
from sampling import FLOATS, SAMPLES, Array, Case, Samples, case, generator
from scipy import special


def ctc_loss(
    logits: Array, labels: Array, input_lengths: Array, label_lengths: Array, blank: int = 0
) -> tuple[Array, ...]:
    """The forward sums over the states (blank, label, blank, ..., blank), state by state."""
    log_p = special.log_softmax(logits, axis=-1)
    losses = []
    for p, row, steps, count in zip(log_p, labels, input_lengths, label_lengths, strict=True):
        states = [blank, *itertools.chain.from_iterable((label, blank) for label in row[:count])]
        sums = np.full(len(states) + 2, -np.inf)  # two states that can't be stand before the first
        sums[1] = 0  # before the first step, a step into the first blank or the first label is possible
        for t in range(steps):
            before, sums = sums, np.full_like(sums, -np.inf)
            for s, state in enumerate(states):
                ways = [before[s + 2], before[s + 1]]
                if s % 2 and (s == 1 or states[s - 2] != state):
                    ways.append(before[s])
                sums[s + 2] = special.logsumexp(ways) + p[t, state]
        losses.append(-special.logsumexp(sums[-2:]) if steps else (0.0 if count == 0 else np.inf))
    return (np.array(losses, logits.dtype),)


def _loss_case(name: str, batch: int, steps: int, classes: int, most: int, blank: int = 0) -> Case:
    rng = generator(name)
    labels = rng.integers(0, classes - 1, (batch, most))
    labels += labels >= blank
    input_lengths, label_lengths = rng.integers(steps // 2, steps + 1, batch), rng.integers(0, most + 1, batch)
    return case(
        rng.normal(0, 2, (batch, steps, classes)),
        labels,
        input_lengths,
        label_lengths,
        **({"blank": blank} if blank else {}),
    )


SAMPLES["ctc_loss"] = Samples(
    ctc_loss,
    [
        _loss_case("few", 3, 7, 4, 3),
        _loss_case("last blank", 4, 12, 5, 4, blank=4),
        _loss_case("repeats", 5, 9, 2, 4),
        case(
            np.zeros((2, 3, 3)), np.array([[1, 1], [2, 0]]), np.array([2, 0]), np.array([2, 0])
        ),  # impossible; nothing
        case(np.zeros((0, 3, 3)), np.zeros((0, 2), int), np.zeros(0, int), np.zeros(0, int)),
        case(np.zeros((2, 3, 3)), np.zeros((2, 0), int), np.array([3, 1]), np.array([0, 0])),
    ],
    _loss_case("many", 40, 60, 20, 23),
    FLOATS,
    data=(0,),
    tolerance=4,
)


def labellings(log_p: Array, blank: int) -> list[tuple[float, tuple[int, ...]]]:
    """Every labelling of a short sequence with its log-probability, the most probable first."""
    sums: dict[tuple[int, ...], float] = {}
    for alignment in itertools.product(range(log_p.shape[1]), repeat=len(log_p)):
        labels = tuple(label for label, _ in itertools.groupby(alignment) if label != blank)
        value = sum(p[label] for p, label in zip(log_p, alignment, strict=True))
        sums[labels] = np.logaddexp(sums.get(labels, -np.inf), value)
    return sorted(((value, labels) for labels, value in sums.items()), reverse=True)


def ctc_beam_decode(
    log_probabilities: Array, lengths: Array, beam_width: int = 100, top_paths: int = 1, blank: int = 0
) -> tuple[Array, ...]:
    """What a search without end finds."""
    batch, steps, _ = log_probabilities.shape
    paths = np.full((top_paths, batch, steps), -1, "int32")
    scores = np.full((batch, top_paths), -np.inf, log_probabilities.dtype)
    for i, length in enumerate(lengths):
        for k, (value, labels) in enumerate(labellings(log_probabilities[i, :length], blank)[:top_paths]):
            paths[k, i, : len(labels)], scores[i, k] = labels, value
    return paths, scores


def _beam_case(name: str, batch: int, steps: int, classes: int, **attrs: int) -> Case:
    rng = generator(name)
    log_p = special.log_softmax(rng.normal(0, 1, (batch, steps, classes)), axis=-1)
    return case(log_p, rng.integers(0, steps + 1, batch), **attrs)


SAMPLES["ctc_beam_decode"] = Samples(
    ctc_beam_decode,
    [
        _beam_case("short", 6, 4, 3, top_paths=3),
        _beam_case("wide", 3, 4, 4, beam_width=400, top_paths=2, blank=3),
        _beam_case("all", 2, 2, 3, top_paths=20),  # more than there are
    ],
    dtypes=FLOATS,
    data=(0,),
    tolerance=4,
)

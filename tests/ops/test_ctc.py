"""CTC: the sum over alignments itself, derivatives, sequences without alignments, errors, decoders, PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from samples_sequences import labellings
from scipy import special

import chainrule
from chainrule import _core, nn

rng = np.random.default_rng(0)


def loss_and_gradient(x: Any, labels: Any, steps: Any, counts: Any, blank: int = 0) -> tuple[np.ndarray, np.ndarray]:
    def total(logits: Any) -> Any:
        return (nn.ctc_loss(logits, labels, steps, counts, blank) * weights).sum()

    weights = np.arange(1.0, len(x) + 1).astype(x.dtype)
    loss = np.array(nn.ctc_loss(x, labels, steps, counts, blank))
    return loss, np.array(chainrule.grad(total)(chainrule.asarray(x)))


def problem(batch: int, steps: int, classes: int, most: int, dtype: str = "float64") -> tuple[Any, ...]:
    x = (2 * rng.standard_normal((batch, steps, classes))).astype(dtype)
    labels = rng.integers(1, classes, (batch, most))
    return x, labels, rng.integers(most, steps + 1, batch), rng.integers(0, most + 1, batch)


def test_it_is_the_sum_over_alignments():
    x, labels, steps, counts = problem(6, 5, 3, 3)
    loss, _ = loss_and_gradient(x, labels, steps, counts)
    for i, value in enumerate(loss):
        sums = {path: p for p, path in labellings(special.log_softmax(x[i, : steps[i]], -1), 0)}
        np.testing.assert_allclose(-value, sums.get(tuple(labels[i, : counts[i]]), -np.inf), rtol=1e-13)


def test_probabilities_of_all_labellings_sum_to_one():
    x = rng.standard_normal((1, 4, 3))
    paths = [path for n in range(5) for path in itertools.product((1, 2), repeat=n)]
    labels = np.zeros((len(paths), 4), int)
    for row, path in zip(labels, paths, strict=True):
        row[: len(path)] = path
    loss = nn.ctc_loss(np.repeat(x, len(paths), 0), labels, None, np.array([len(path) for path in paths]))
    np.testing.assert_allclose(np.exp(-np.array(loss)).sum(), 1, rtol=1e-13)


@pytest.mark.parametrize("blank", [0, 2])
def test_gradient_by_finite_differences(blank: int):
    x, labels, steps, counts = problem(4, 6, 4, 3)
    labels[0] = 1  # repeated
    labels[1, 1] = blank  # as a label of its own
    steps[:2], counts[:2] = 6, 3
    _, gradient = loss_and_gradient(x, labels, steps, counts, blank)
    numeric = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        moved = np.zeros_like(x)
        moved[place] = 1e-6
        up, down = (np.array(nn.ctc_loss(x + s * moved, labels, steps, counts, blank)) for s in (1, -1))
        numeric[place] = (place[0] + 1) * (up[place[0]] - down[place[0]]) / 2e-6
    np.testing.assert_allclose(gradient, numeric, atol=2e-8)


def test_many_steps_in_float32_keep_their_digits():
    x, labels, _, _ = problem(2, 2000, 30, 200, "float32")
    loss, gradient = loss_and_gradient(x, labels, None, None)
    exact, wanted = loss_and_gradient(x.astype("float64"), labels, None, None)
    np.testing.assert_allclose(loss, exact, rtol=2e-7)
    np.testing.assert_allclose(gradient, wanted, atol=1e-6)


def test_improbable_alignments_count():
    x = np.zeros((1, 40, 3))
    x[..., 0] = 800  # the labels have probabilities e^-800, far below the least double
    labels = np.array([[1, 2, 1]])
    loss, gradient = loss_and_gradient(x, labels, None, None)
    # Three labels at any of 40 places, in their order; two labels side by side need no blank, and a label may last.
    np.testing.assert_allclose(loss, 2400 - np.log(special.comb(40, 3)), rtol=1e-12)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient[0].sum(0), [3, -2, -1], rtol=1e-9)


def test_labels_without_an_alignment():
    x = rng.standard_normal((4, 3, 4)).astype("float32")
    labels = np.array([[1, 1, 0], [1, 2, 3], [1, 1, 2], [1, 0, 0]])
    loss, gradient = loss_and_gradient(x, labels, np.array([2, 3, 3, 0]), np.array([2, 3, 3, 1]))
    np.testing.assert_array_equal(np.isinf(loss), [True, False, True, True])
    assert not gradient[[0, 2, 3]].any()
    assert gradient[1].any()
    zeroed = nn.ctc_loss(x, labels, np.array([2, 3, 3, 0]), np.array([2, 3, 3, 1]), zero_infinity=True)
    np.testing.assert_array_equal(np.array(zeroed), np.where(np.isinf(loss), 0, loss))


def test_steps_and_labels_behind_the_end_are_not_read():
    x, labels, steps, counts = problem(3, 8, 4, 4)
    steps[:], counts[:] = 6, 2
    other, others = x.copy(), labels.copy()
    other[:, 6:], others[:, 2:] = np.nan, -7
    for a, b in zip(
        loss_and_gradient(x, labels, steps, counts), loss_and_gradient(other, others, steps, counts), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_nan_and_masked_classes():
    x, labels, steps, counts = problem(2, 6, 4, 2)
    labels[:], counts[:], steps[:] = 1, 1, 6
    x[0, :, 3] = -np.inf  # a class that can't be
    x[1, 0, 0] = np.nan
    loss, gradient = loss_and_gradient(x, labels, steps, counts)
    assert np.isfinite(loss[0])
    np.testing.assert_array_equal(gradient[0, :, 3], 0)
    assert np.isnan(loss[1])
    assert np.isnan(gradient[1]).any()


def test_errors_say_what_is_wrong():
    x = np.zeros((2, 3, 4), "float32")
    labels, steps, counts = np.ones((2, 2), int), np.array([3, 3]), np.array([2, 2])
    for error, text, arguments in (
        (ValueError, r"label 4 at position \(1, 0\) is outside the 4 classes", (x, [[1, 1], [4, 1]], steps, counts)),
        (ValueError, "sequence 1 has input length 5, but the logits have 3 steps", (x, labels, [3, 5], counts)),
        (ValueError, "sequence 0 has label length 3, but 'labels' has room for 2", (x, labels, steps, [3, 0])),
        (ValueError, "need labels of shape", (x, labels[:1], steps, counts)),
        (ValueError, "one for each sequence", (x, labels, steps[:1], counts)),
        (ValueError, "logits need shape", (x[0], labels, steps, counts)),
        (TypeError, "'labels' must be whole numbers", (x, labels / 2, steps, counts)),
        (ValueError, "the blank is class 4", (x, labels, steps, counts, 4)),
    ):
        with pytest.raises(error, match=text):
            nn.ctc_loss(*(np.asarray(a) if isinstance(a, list) else a for a in arguments))
    first = chainrule.grad(lambda z: nn.ctc_loss(z, labels, steps, counts).sum())
    with pytest.raises(RuntimeError, match="second derivative"):
        chainrule.grad(lambda z: first(z)[0, 0, 0])(chainrule.asarray(x))
    with pytest.raises(ValueError, match="at least 1"):
        nn.ctc_beam_decode(x, beam_width=0)


def test_a_bad_label_gives_nan_in_a_program():
    step = chainrule.jit(lambda z, labels, steps, counts: nn.ctc_loss(z, labels, steps, counts))
    x = np.zeros((3, 2, 3), "float32")
    loss = step(x, np.array([[1], [3], [1]]), np.array([2, 2, 9]), np.array([1, 1, 1]))
    np.testing.assert_allclose(np.array(loss), [np.log(3), np.nan, np.nan], rtol=1e-6)


def test_gradient_is_the_same_for_any_number_of_threads():
    x, labels, steps, counts = problem(30, 40, 9, 12, "float32")
    before = _core.num_threads()
    try:
        results = []
        for threads in (1, 2):
            _core.set_num_threads(threads)
            results.append(loss_and_gradient(x, labels, steps, counts))
    finally:
        _core.set_num_threads(before)
    for a, b in zip(*results, strict=True):
        assert a.tobytes() == b.tobytes()


def test_same_as_torch():
    torch = pytest.importorskip("torch", reason="PyTorch isn't installed: nothing to compare with")
    x, labels, steps, counts = problem(20, 30, 8, 12, "float32")
    z = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    theirs = torch.nn.functional.ctc_loss(
        z.log_softmax(-1).transpose(0, 1),
        *(torch.tensor(a) for a in (labels, steps, counts)),
        reduction="none",
    )
    loss, gradient = loss_and_gradient(x, labels, steps, counts)
    np.testing.assert_allclose(loss, theirs.detach().numpy(), rtol=1e-6)
    finite = torch.isfinite(theirs)
    (theirs[finite] * torch.arange(1.0, 21, dtype=torch.float64)[finite]).sum().backward()
    which = finite.numpy()
    np.testing.assert_allclose(gradient[which], z.grad.numpy()[which], atol=1e-5)


# ---- decoders ------------------------------------------------------------------------------------------------------


def test_greedy_labels():
    best = np.array([[1, 1, 0, 1, 2, 2, 0], [0, 0, 0, 0, 0, 0, 0], [2, 0, 2, 2, 1, 1, 1]])
    x = np.eye(3, dtype="float32")[best]
    labels, scores = nn.ctc_greedy_decode(x, np.array([7, 7, 4]))
    np.testing.assert_array_equal(np.array(labels), [[1, 1, 2, -1, -1, -1, -1], [-1] * 7, [2, 2, -1, -1, -1, -1, -1]])
    np.testing.assert_array_equal(np.array(scores), [7, 7, 4])
    labels, _ = nn.ctc_greedy_decode(x, merge_repeated=False)
    np.testing.assert_array_equal(np.array(labels)[0], [1, 1, 1, 2, 2, -1, -1])


def test_a_narrow_beam_finds_what_greedy_search_misses():
    p = np.log([[0.6, 0.4], [0.6, 0.4]])[None]  # no label: .36; label 1: .64, though never the greatest
    labels, scores = nn.ctc_beam_decode(p, beam_width=2, top_paths=2)
    np.testing.assert_array_equal(np.array(labels)[:, 0], [[1, -1], [-1, -1]])
    np.testing.assert_allclose(np.exp(np.array(scores))[0], [0.64, 0.36])


def test_beams_have_the_probability_of_their_labels():
    x = rng.standard_normal((3, 25, 6))
    labels, scores = (np.array(a) for a in nn.ctc_beam_decode(x, beam_width=60, top_paths=5))
    for k, path in enumerate(labels):
        loss = nn.ctc_loss(x, np.maximum(path, 0), None, (path >= 0).sum(-1))
        assert (scores[:, k] <= -np.array(loss) + 1e-9).all()  # alignments that left the beam are missing
    assert (np.diff(scores, axis=1) <= 0).all()

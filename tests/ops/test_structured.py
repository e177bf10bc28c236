"""What samples can't say of the structured ops: errors, ties, nan, long reductions, memory shared or overlapping."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from chainrule import _core

ops = _core.ops


def gradient(f: Any, x: Any) -> np.ndarray:
    _core.push_recording()
    try:
        head = _core.leaf(_core.asarray(x))
        y = f(head)
    finally:
        _core.pop_recording()
    (g,) = _core.backward([y], [None], [head])
    return np.array(g)


# ---- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "text", "call"),
    [
        (ValueError, r"\[sum\] axis 3 is out of bounds for array of dimension 2", lambda x: ops.sum(x, axis=3)),
        (IndexError, r"\[max\] axis -3 is out of bounds", lambda x: ops.max(x, axis=-3)),
        (ValueError, "zero-size array to reduction operation maximum which has no identity", lambda x: ops.max(x[:0])),
        (ValueError, "zero-size array to reduction operation minimum", lambda x: ops.min(x[:0], axis=0)),
        (ValueError, r"\[sum\] axis 0 is named twice", lambda x: ops.sum(x, axis=(0, -2))),
        (ValueError, "attempt to get argmax of an empty sequence", lambda x: ops.argmax(x[:0])),
        (
            ValueError,
            r"mismatch in its core dimension 0, .*size 2 is different from 3\): shapes \(2, 3\) and \(2, 3\)",
            lambda x: ops.matmul(x, x),
        ),
        (ValueError, "Input operand 1 does not have enough dimensions", lambda x: ops.matmul(x, x[0, 0])),
        (ValueError, r"cannot reshape array of size 6 .*into shape \(4, -1\)", lambda x: ops.reshape(x, (4, -1))),
        (ValueError, "can only specify one unknown dimension", lambda x: ops.reshape(x, (-1, -1))),
        (ValueError, "axes don't match array", lambda x: ops.transpose(x, (0,))),
        (ValueError, "repeated axis", lambda x: ops.transpose(x, (0, 0))),
        (ValueError, r"shape \(2, 3\) cannot be broadcast to \(4, 3\)", lambda x: ops.broadcast_to(x, (4, 3))),
        (ValueError, "size not equal to one", lambda x: ops.squeeze(x, axis=0)),
        (
            ValueError,
            "along dimension 1, array 0 has size 3 and array 1 has size 2",
            lambda x: ops.concatenate(x, x[:, :2]),
        ),
        (ValueError, "need at least one array", lambda x: ops.concatenate()),
        (ValueError, "same shape", lambda x: ops.stack(x, x[0])),
        (ValueError, "negative values", lambda x: ops.pad(x, (-1, 0), (0, 0))),
        (IndexError, "index 5 is out of bounds for axis 0 with size 2", lambda x: ops.take(x, np.array([0, 5]))),
        (IndexError, "index -4 is out of bounds for axis 1 with size 3", lambda x: ops.take(x, np.array(-4), axis=1)),
        (
            IndexError,
            "index 3 is out of bounds for axis 1 with size 3",
            lambda x: ops.index(x, np.array(1), np.array(3)),
        ),
        (IndexError, "too many indices", lambda x: ops.index(x, *[np.array(0)] * 3)),
        (IndexError, "indexing arrays could not be broadcast", lambda x: ops.index(x, np.arange(2), np.zeros(3, int))),
        (TypeError, "must be of integer type", lambda x: ops.take(x, np.array([0.0]))),
        (ValueError, "rate must lie in", lambda x: ops.dropout(x, np.zeros(2, "uint64"), 1.5)),
        (ValueError, "key must be uint64", lambda x: ops.random_uniform(x, (2,))),
        (ValueError, "could not broadcast input array", lambda x: ops.assign(x, np.zeros(2))),
        (ValueError, "2 weights need 3 tensors each", lambda x: ops.sgd_update(0.1, x, x, count=2, momentum=0.9)),
        (TypeError, "labels must be whole numbers", lambda x: ops.sparse_softmax_cross_entropy(x, np.zeros(2))),
        (ValueError, "need labels of shape", lambda x: ops.sparse_softmax_cross_entropy(x, np.zeros(3, int))),
        (ValueError, "need targets of shape", lambda x: ops.softmax_cross_entropy(x, np.zeros(2))),
    ],
)
def test_errors_say_what_is_wrong(error: type[Exception], text: str, call: Any):
    with pytest.raises(error, match=text):
        call(_core.asarray(np.arange(6.0).reshape(2, 3)))


def test_a_label_out_of_range_is_named():
    labels = np.array([[0, 1], [2, 3]])
    with pytest.raises(ValueError, match=r"label 3 at position \(1, 1\) is outside the 3 classes 0 ... 2"):
        ops.sparse_softmax_cross_entropy(np.zeros((2, 2, 3)), labels)
    many = np.zeros(50_000, int)
    many[[20_000, 49_999]] = -1, 9
    with pytest.raises(ValueError, match=r"label -1 at position \(20000,\)"):
        ops.sparse_softmax_cross_entropy(np.zeros((50_000, 3)), many)


def test_a_label_out_of_range_gives_nan_in_a_program():
    program = _core.record(
        lambda x, t: [ops.sparse_softmax_cross_entropy(x, t)], [((2, 3), "float64"), ((2,), "int64")]
    )
    (loss,) = program(np.zeros((2, 3)), np.array([1, 7]))
    np.testing.assert_allclose(np.array(loss), [np.log(3), np.nan])


def test_nothing_is_summed_to_zero():
    x = np.zeros((0, 3), "float32")
    np.testing.assert_array_equal(np.array(ops.sum(x, axis=0)), np.zeros(3))
    assert float(ops.prod(x)) == 1
    assert not bool(ops.any(x))
    assert bool(ops.all(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's: a mean of nothing
        assert np.isnan(float(ops.mean(x)))
    assert float(ops.logsumexp(x)) == -np.inf
    assert np.array(ops.max(x, axis=1)).shape == (0,)


# ---- ties, zeros and nan -------------------------------------------------------------------------------------------


def test_ties_share_the_gradient():
    x = np.array([[1.0, 3, 3, 0], [2, 2, 2, 2]])
    np.testing.assert_array_equal(gradient(lambda t: ops.max(t, axis=1), x), [[0, 0.5, 0.5, 0], [0.25] * 4])
    np.testing.assert_array_equal(gradient(ops.min, x), [[0, 0, 0, 1], [0, 0, 0, 0]])


@pytest.mark.parametrize("x", [[2.0, 0.0, 3.0], [0.0, 5.0, 0.0], [4.0, 3.0, 2.0]])
def test_products_with_zeros_have_gradients(x: list[float]):
    others = [np.prod(np.delete(x, i)) for i in range(3)]
    np.testing.assert_allclose(gradient(ops.prod, np.array(x)), others)
    running = [sum(np.prod(np.delete(x[: j + 1], i)) for j in range(i, 3)) for i in range(3)]
    np.testing.assert_allclose(gradient(ops.cumprod, np.array(x)), running)


def test_nan_wins_and_is_sorted_last():
    x = np.array([3.0, np.nan, -np.inf, np.inf, np.nan, -1])
    assert np.isnan(float(ops.max(x)))
    assert np.isnan(float(ops.min(x)))
    assert int(ops.argmax(x)) == int(ops.argmin(x)) == 1
    np.testing.assert_array_equal(np.array(ops.sort(x)), np.sort(x))
    np.testing.assert_array_equal(np.array(ops.argsort(x)), np.argsort(x, kind="stable"))


@pytest.mark.parametrize("n", [1, 15, 16, 17, 100, 1000, 4097])
def test_argsort_is_stable(n: int):
    x = np.random.default_rng(n).integers(0, 7, n)
    np.testing.assert_array_equal(np.array(ops.argsort(x)), np.argsort(x, kind="stable"))
    np.testing.assert_array_equal(np.array(ops.sort(x)), np.sort(x))


def test_the_gradient_of_a_cast_has_the_dtype_of_its_input():
    x = np.array([1.5, -2.5], "float32")
    g = gradient(lambda t: ops.sum(ops.square(ops.cast(t, "float64"))), x)
    assert g.dtype == np.float32
    np.testing.assert_array_equal(g, 2 * x)
    g = gradient(lambda t: ops.sum(ops.square(ops.cast(t, "float32"))), x.astype("float64"))
    assert g.dtype == np.float64
    np.testing.assert_array_equal(g, 2 * x)


# ---- long reductions -----------------------------------------------------------------------------------------------

LONG = [((3_000_001,), 0), ((700_000, 3), 0), ((3, 700_000), 1), ((2, 90_000, 5), 1), ((5, 400, 3, 300), (0, 2, 3))]


@pytest.mark.parametrize(("shape", "axis"), LONG)
def test_long_sums_are_exact_to_a_few_roundings(shape: tuple[int, ...], axis: Any):
    x = np.random.default_rng(0).uniform(0, 1, shape).astype("float32")
    exact = np.sum(x, axis, dtype="float64")
    np.testing.assert_allclose(np.array(ops.sum(x, axis=axis)), exact, rtol=4e-7)
    np.testing.assert_allclose(np.array(ops.mean(x, axis=axis)), np.mean(x, axis, dtype="float64"), rtol=4e-7)
    np.testing.assert_array_equal(np.array(ops.max(x, axis=axis)), np.max(x, axis))


@pytest.mark.parametrize(("shape", "axis"), LONG)
def test_long_sums_have_the_same_bits_for_any_layout_and_threads(shape: tuple[int, ...], axis: Any):
    x = np.random.default_rng(1).uniform(-1, 1, shape).astype("float32")
    layouts = [x, x.T.copy().T, np.repeat(x, 2, -1)[..., ::2], x[..., ::-1].copy()[..., ::-1]]
    before = _core.num_threads()
    results = set()
    try:
        for threads in (1, 2, 3):
            _core.set_num_threads(threads)
            results |= {np.array(ops.sum(layout, axis=axis)).tobytes() for layout in layouts}
    finally:
        _core.set_num_threads(before)
    assert len(results) == 1


# ---- memory --------------------------------------------------------------------------------------------------------


def test_views_share_memory():
    x = _core.asarray(np.arange(12.0).reshape(3, 4), copy=True)
    views = [
        ops.reshape(x, (4, 3)),
        ops.transpose(x),
        ops.slice(x, (2, 0), (-1, 4), (-1, 2)),
        ops.flip(x),
        ops.expand_dims(x, 0),
        ops.broadcast_to(x, (2, 3, 4)),
        ops.reshape(ops.slice(x, (0, 0), (3, 4), (2, 1)), (2, 2, 2)),
    ]
    ops.assign(x, 7)
    for view in views:
        np.testing.assert_array_equal(np.array(view), np.full(view.shape, 7.0))


def test_reshape_copies_where_no_strides_fit():
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(np.array(ops.reshape(ops.transpose(x), (2, 6))), x.T.reshape(2, 6))
    np.testing.assert_array_equal(np.array(ops.reshape(_core.asarray(x)[:, :3], (-1,))), x[:, :3].reshape(-1))


@pytest.mark.parametrize("n", [10, 50_000])
def test_assign_of_overlapping_memory(n: int):
    for target, source in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:]), (np.s_[:], np.s_[::-1])):
        wanted = np.arange(float(n))
        x = _core.asarray(wanted, copy=True)
        wanted[target] = wanted[source].copy()
        ops.assign(x[target], x[source])
        np.testing.assert_array_equal(np.array(x), wanted)
        ops.assign_add(x[target], x[source])
        wanted[target] += wanted[source].copy()
        np.testing.assert_array_equal(np.array(x), wanted)


def test_assign_into_strided_memory_converts():
    wanted = np.arange(24, dtype="int32").reshape(4, 6)
    x = _core.asarray(wanted, copy=True)
    ops.assign(x[::2, ::-3], np.array([[1.9], [-2.9]]))
    wanted[::2, ::-3] = np.array([[1.9], [-2.9]])
    np.testing.assert_array_equal(np.array(x), wanted)
    with pytest.raises(ValueError, match="read-only"):
        ops.assign(ops.broadcast_to(x, (2, 4, 6)), 0)


def test_repeated_indices_add_up_in_order():
    rng = np.random.default_rng(2)
    indices = rng.integers(-50, 50, 3000)
    values = rng.uniform(-1, 1, (3000, 64)).astype("float32")
    wanted = np.zeros((50, 64), "float32")
    np.add.at(wanted, indices, values)  # one after the other
    np.testing.assert_array_equal(np.array(ops.index_add(np.zeros_like(wanted), values, indices)), wanted)


def test_optimizers_take_strided_gradients():
    w = np.random.default_rng(3).uniform(-1, 1, (30, 20))
    g = np.random.default_rng(4).uniform(-1, 1, (20, 30))
    x = _core.asarray(w, copy=True)
    ops.sgd_update(0.5, x, ops.transpose(g), count=1)
    np.testing.assert_allclose(np.array(x), w - 0.5 * g.T)
    ops.sgd_update(0.5, x, ops.broadcast_to(2.0, (30, 20)), count=1)
    np.testing.assert_allclose(np.array(x), w - 0.5 * g.T - 1)
    w.flags.writeable = False
    with pytest.raises(ValueError, match="the weight number 0 .* read-only"):
        ops.sgd_update(0.5, _core.asarray(w), x, count=1)


def test_learning_rate_and_step_are_read_when_a_program_runs():
    w = _core.asarray(np.zeros(3), copy=True)
    m, v = _core.zeros((3,), "float64"), _core.zeros((3,), "float64")
    lr, step = _core.asarray(np.array(0.1), copy=True), _core.asarray(np.array(0), copy=True)

    def update(g: Any) -> list[Any]:
        ops.adam_update(lr, step, w, g, m, v, count=1, epsilon=0)
        ops.assign_add(step, 1)
        return []

    program = _core.record(update, [((3,), "float64")])
    g = np.array([1.0, -2.0, 3.0])
    program(g)
    np.testing.assert_allclose(np.array(w), -0.1 * np.sign(g), rtol=1e-6)  # the corrections undo 1 - beta
    ops.assign(lr, 0.2)
    program(g)
    np.testing.assert_allclose(np.array(w), -0.3 * np.sign(g), rtol=1e-6)
    assert int(step) == 2


# ---- random numbers ------------------------------------------------------------------------------------------------


def test_a_key_gives_new_numbers_once_advanced():
    key = _core.asarray(np.array([5, 0], "uint64"), copy=True)
    first = np.array(ops.random_uniform(key, (1000,)))
    np.testing.assert_array_equal(np.array(ops.random_uniform(key, (1000,))), first)
    ops.advance_key(key)
    assert np.array(key).tolist() == [5, 1]
    assert not np.any(np.array(ops.random_uniform(key, (1000,))) == first)


def test_dropout_keeps_its_share_and_its_mean():
    x = np.ones(200_000, "float32")
    key = np.array([1, 2], "uint64")
    y = np.array(ops.dropout(x, key, 0.25))
    assert abs(np.mean(y == 0) - 0.25) < 5 * np.sqrt(0.25 * 0.75 / x.size)
    np.testing.assert_allclose(y[y != 0], 1 / 0.75, rtol=1e-6)
    np.testing.assert_array_equal(gradient(lambda t: ops.dropout(t, key, 0.25), x), y)  # the same mask


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_long_rows_are_searched_in_pieces(name, dtype):
    """The first of equal extremes wins across pieces, and a NaN counts as one wherever it stands."""
    x = np.arange(200_003).astype(dtype) % 1000
    function, reference = getattr(ops, name), getattr(np, name)
    for places in ([199_999], [70_000, 150_000], [5]):
        y = x.copy()
        y[places] = 5000 if name == "argmax" else -5000
        assert int(np.asarray(function(_core.asarray(y)))) == reference(y)
    if dtype != "int32":
        y = x.copy()
        y[[140_000, 180_000]] = np.nan
        assert int(np.asarray(function(_core.asarray(y)))) == 140_000
    rows = np.stack([x, x[::-1]])
    np.testing.assert_array_equal(np.asarray(function(_core.asarray(rows), 1)), reference(rows, 1))

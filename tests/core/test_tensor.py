"""Views, methods and attributes of Tensor; its life in memory."""

from __future__ import annotations

import copy
import gc
import operator
import pickle
import weakref

import numpy as np
import pytest
from pairs import DTYPES, assert_same, result_of, values

import chainrule
from chainrule import _core

ops = _core.ops

# ---- views, methods, attributes -------------------------------------------------------------------------------------


def test_views_share_memory() -> None:
    t = chainrule.asarray(np.arange(12.0).reshape(3, 4))
    for view in (t.T, t.reshape(4, 3), t[1:], t[None], t.ravel(), t.swapaxes(0, 1), t.transpose(1, 0), t.mT):
        assert np.shares_memory(view.numpy(), t.numpy())
    assert not np.shares_memory(t.copy().numpy(), t.numpy())
    assert not np.shares_memory(t.flatten().numpy(), t.numpy())
    t.T[0] = -1
    t.T.flat[4] = 1  # t.T is not contiguous: still the same memory
    assert t[1, 1] == 1
    assert t[:, 0].tolist() == [-1, -1, -1]


def test_attributes() -> None:
    for x in (values("float32", (2, 3, 4)), values("int16", (5,)), np.array(3.0), values("bool", (2, 0))):
        t = chainrule.asarray(x)
        for name in ("shape", "ndim", "size", "nbytes", "itemsize", "strides", "dtype"):
            assert getattr(t, name) == getattr(x, name)
        assert_same(t.T, x.T)
    t.note = "kept"
    assert t.note == "kept"
    assert t.device == "cpu"


def test_methods_match_numpy() -> None:
    x = values("float64", (2, 3, 4))
    t = chainrule.asarray(x)
    for name in ("sum", "mean", "prod", "max", "min", "any", "all", "argmax", "argmin"):
        for axis in (None, 0, -1):
            assert_same(getattr(t, name)(axis=axis), getattr(x, name)(axis=axis), 1e-14)
            assert_same(getattr(t, name)(axis, keepdims=True), getattr(x, name)(axis=axis, keepdims=True), 1e-14)
    assert_same(t.sum((0, 2)), x.sum((0, 2)), 1e-14)
    assert_same(t.cumsum(1), x.cumsum(1), 1e-14)
    assert_same(t.reshape(6, -1), x.reshape(6, -1))
    assert_same(t.reshape((4, 6), order="F"), x.reshape((4, 6), order="F"))
    assert_same(t.transpose(2, 0, 1), x.transpose(2, 0, 1))
    assert_same(t.transpose(), x.transpose())
    assert_same(t[:1].squeeze(0), x[:1].squeeze(0))
    assert_same(t.astype("int32"), x.astype("int32"))
    assert_same(t.astype(np.float32), x.astype(np.float32))
    assert t.astype("float64", copy=False) is t
    assert t.astype("complex64").dtype == np.complex64
    with pytest.raises(TypeError, match="Cannot cast"):
        t.astype("int32", casting="same_kind")
    assert t.tobytes() == x.tobytes()
    assert t[0, 1, 2].item() == x[0, 1, 2].item()
    assert t.item(0, 1, 2) == x.item(0, 1, 2)
    t.fill(3)
    assert t.tolist() == np.full(x.shape, 3.0).tolist()
    with pytest.raises(ValueError, match="size 1"):
        t.item()


def test_text_is_numpys() -> None:
    for x in (values("float32"), values("int8"), np.array(1.5), values("bool"), np.zeros((0, 2)), np.arange(2000.0)):
        assert repr(chainrule.asarray(x)) == repr(x)
        assert str(chainrule.asarray(x)) == str(x)
    assert f"{chainrule.asarray(2.34567):.2f}" == "2.35"
    assert f"{chainrule.asarray([1.0])}" == "[1.]"
    with pytest.raises(TypeError, match="format"):
        format(chainrule.asarray([1.0]), ".2f")


@pytest.mark.parametrize("dtype", DTYPES)
def test_conversion_to_python_numbers(dtype: str) -> None:
    x = np.array(1, dtype)
    t = chainrule.asarray(x)
    assert float(t) == float(x)
    assert int(t) == int(x)
    assert complex(t) == complex(x)
    assert bool(t) is bool(x)
    assert type(t.item()) is type(x.item())
    assert result_of(lambda: operator.index(t)) == result_of(lambda: operator.index(x))


def test_truth_and_numbers_of_several_elements() -> None:
    for x in (np.zeros(2), np.zeros(0)):
        with pytest.raises(ValueError) as expected:
            bool(x)
        with pytest.raises(ValueError) as got:
            bool(chainrule.asarray(x))
        assert str(got.value) == str(expected.value)
    assert bool(chainrule.asarray([[1]]))
    for convert in (float, int, complex):
        with pytest.raises(TypeError):
            convert(chainrule.asarray([1.0, 2.0]))
    assert round(chainrule.asarray(2.567), 1) == 2.6
    assert round(chainrule.asarray(2.567)) == 3


def test_tensors_are_not_hashable() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(chainrule.asarray([1]))


def test_copies_and_pickles() -> None:
    t = chainrule.asarray(values("float32").T)
    for other in (copy.copy(t), copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert_same(other, t.numpy())
        assert not np.shares_memory(other.numpy(), t.numpy())
    assert pickle.loads(pickle.dumps(ops.add)) is ops.add


def test_subclasses_and_weak_references() -> None:
    class Named(chainrule.Tensor):
        name = "n"

    t = Named([1, 2, 3], "float32")
    assert_same(t + 1, np.array([2, 3, 4], "float32"))
    reference = weakref.ref(t)
    t.self = None
    del t
    gc.collect()
    assert reference() is None


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_no_tensor_memory_is_leaked() -> None:
    def work() -> None:
        t = chainrule.asarray(np.ones((4, 4)))
        for _ in range(20):
            u = t[1:, [0, 2]] * 2 + t.T[:3, :2]
            u += 1
            with pytest.raises(ValueError):
                u + np.ones(7)
            np.from_dlpack(u)
            pickle.loads(pickle.dumps(u))
            np.asarray(u)

    work()
    gc.collect()
    before = _core.memory_stats()["in_use"]
    work()
    gc.collect()
    assert _core.memory_stats()["in_use"] == before

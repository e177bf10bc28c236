"""Memory shared with NumPy, the buffer and DLPack protocols, NumPy functions on tensors."""

from __future__ import annotations

import gc
import hashlib
import sys

import numpy as np
import pytest
from pairs import DTYPES, assert_same, values

import chainrule
from chainrule import _core

# ---- sharing memory with NumPy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_is_shared_both_ways(dtype: str) -> None:
    x = values(dtype, (3, 4))
    for source in (x, x.T, x[::2, ::-1], x[:0], x[1, 1:2]):
        t = chainrule.asarray(source)
        assert_same(t, source)
        back = np.asarray(t)
        assert back.dtype == source.dtype
        if source.size:
            assert np.shares_memory(back, source)
    np.asarray(chainrule.asarray(x))[0, 0] = 0
    assert x[0, 0] == 0


def test_memory_outlives_its_owner() -> None:
    view = np.asarray(chainrule.asarray(np.full(1000, 7.0))[10:20])
    t = chainrule.asarray(np.full(1000, 5.0))
    gc.collect()
    assert view.tolist() == [7.0] * 10
    assert float(t.sum()) == 5000.0


def test_layouts_that_need_a_copy() -> None:
    swapped = np.arange(4, dtype=">f8")
    packed = np.zeros(4, np.dtype([("a", "i1"), ("b", "<f4")]))
    packed["b"] = [1, 2, 3, 4]
    assert_same(chainrule.asarray(swapped), swapped.astype("f8"))
    assert_same(chainrule.asarray(packed["b"]), packed["b"].astype("f4"))
    with pytest.raises(ValueError, match="Unable to avoid copy"):
        chainrule.asarray([1.0], copy=False)
    with pytest.raises(TypeError, match="complex128"):
        chainrule.asarray(np.zeros(2, complex))


def test_asarray() -> None:
    t = chainrule.asarray([1.0, 2.0])
    assert chainrule.asarray(t) is t
    assert chainrule.asarray(t, copy=True) is not t
    assert chainrule.asarray(t, dtype="float64") is t
    assert_same(chainrule.asarray([1, 2], dtype="float32"), np.array([1, 2], "float32"))
    assert_same(chainrule.asarray(3), np.asarray(3))
    assert_same(chainrule.asarray(2.5, dtype=int), np.asarray(2.5, dtype=int))
    assert_same(chainrule.asarray(2**63), np.asarray(2**63))
    assert_same(chainrule.asarray([[t, t], [t, t * 2]]), np.array([[[1, 2], [1, 2]], [[1, 2], [2, 4.0]]]))
    assert_same(chainrule.asarray(np.float32(1.5)), np.float32(1.5))
    assert_same(_core.full((2, 2), 3), np.full((2, 2), 3))
    assert_same(_core.zeros((2,), "int8"), np.zeros(2, "int8"))
    with pytest.raises(OverflowError):
        chainrule.asarray(300, dtype="uint8")
    with pytest.raises(MemoryError, match="float32"):
        _core.zeros((10**9, 10**9))


def test_buffer_protocol() -> None:
    x = values("int32", (2, 3))
    view = memoryview(chainrule.asarray(x))
    assert view.shape == (2, 3)
    assert view.format == memoryview(x).format
    assert view.tolist() == x.tolist()
    assert not view.readonly
    assert bytes(memoryview(chainrule.asarray(x)).cast("B")) == x.tobytes()
    frozen = x.copy()
    frozen.flags.writeable = False
    assert memoryview(chainrule.asarray(frozen)).readonly
    assert not np.asarray(chainrule.asarray(frozen)).flags.writeable
    with pytest.raises(BufferError, match="not contiguous"):
        hashlib.sha256(chainrule.asarray(x).T)


def test_array_interface_and_array_method() -> None:
    x = values("float32", (2, 3))
    t = chainrule.asarray(x)

    class Interface:
        __array_interface__ = t.T.__array_interface__

    np.testing.assert_array_equal(np.asarray(Interface()), x.T)
    assert t.__array__().dtype == np.float32
    assert t.__array__("float64").dtype == np.float64
    assert np.shares_memory(t.__array__(), x)
    assert not np.shares_memory(np.array(t), x)
    assert np.array(t, dtype="int64").dtype == np.int64


@pytest.mark.parametrize("dtype", DTYPES)
def test_dlpack(dtype: str) -> None:
    x = values(dtype, (3, 4))
    t = chainrule.asarray(x)
    there = np.from_dlpack(t)
    assert np.shares_memory(there, x)
    np.testing.assert_array_equal(there, x)
    for source in (x, x.T, x[::2]):
        back = chainrule.from_dlpack(source)
        assert np.shares_memory(back.numpy(), x)
        assert_same(back, source)
    assert not np.shares_memory(np.from_dlpack(t, copy=True), x)
    assert not np.shares_memory(chainrule.from_dlpack(x, copy=True).numpy(), x)
    assert t.__dlpack_device__() == (1, 0)


def test_dlpack_of_read_only_memory_and_errors() -> None:
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    t = chainrule.asarray(frozen)
    assert not np.from_dlpack(t).flags.writeable
    with pytest.raises(BufferError, match="read-only"):
        t.__dlpack__()
    with pytest.raises(BufferError, match="CPU"):
        t.__dlpack__(dl_device=(2, 0), max_version=(1, 0))
    with pytest.raises(ValueError, match="stream"):
        t.__dlpack__(stream=1)
    capsule = chainrule.asarray([1.0]).__dlpack__()  # never consumed: its own destructor frees it
    del capsule


# ---- NumPy's functions on tensors -----------------------------------------------------------------------------------


def test_ufuncs_of_numpy() -> None:
    x = values("float64")
    t = chainrule.asarray(x)
    assert_same(np.exp(t), np.exp(x), 1e-15)
    assert_same(np.add(t, x), x + x)
    assert_same(np.add(x, t), x + x)
    assert_same(np.add.reduce(t, axis=1), np.add.reduce(x, axis=1), 1e-15)
    assert_same(np.float64(2) * t, 2 * x)
    out = chainrule.asarray(np.zeros_like(x))
    assert np.multiply(t, 2, out=out) is out
    assert_same(out, x * 2)
    array = np.zeros_like(x)
    assert np.multiply(t, 3, out=array) is array
    np.testing.assert_array_equal(array, x * 3)
    array += t
    np.testing.assert_array_equal(array, x * 4)
    assert np.add(t, x, where=x > 2, out=out) is out
    quotient, rest = np.divmod(t, 1.5)
    assert_same(quotient, np.divmod(x, 1.5)[0])
    assert_same(rest, np.divmod(x, 1.5)[1])
    assert_same(np.nextafter(t, 9.0), np.nextafter(x, 9.0))
    assert_same(np.matmul(t, x.T), x @ x.T, 1e-15)
    with pytest.raises(TypeError, match="Cannot cast"):
        np.add(t, 0.5, out=chainrule.asarray([[1, 2, 3], [1, 2, 3]]))


def test_functions_of_numpy() -> None:
    x = values("float64", (3, 3))
    t = chainrule.asarray(x)
    assert_same(np.sum(t, axis=0), x.sum(0), 1e-15)
    assert_same(np.concatenate([t, x]), np.concatenate([x, x]))
    assert_same(np.linalg.inv(t), np.linalg.inv(x), 1e-12)
    assert_same(np.kron(t, t), np.kron(x, x), 1e-15)
    w, v = np.linalg.eigh(t @ t.T)
    assert_same(w, np.linalg.eigh(x @ x.T)[0], 1e-9)
    assert isinstance(v, chainrule.Tensor)
    assert (
        np.linalg.eigvals(np.array([[0.0, 1], [-1, 0]])).dtype
        == np.linalg.eigvals(chainrule.asarray([[0.0, 1], [-1, 0]])).dtype
    )
    np.testing.assert_allclose(t, x)


def test_byte_order_spelled_out() -> None:
    """The machine's own order spelled out is shared; the other one is copied into it."""
    native = np.arange(6, dtype="float32").reshape(2, 3)
    spelled = native.view(native.dtype.newbyteorder(sys.byteorder))
    assert spelled.dtype.byteorder in "<>"
    tensor = chainrule.asarray(spelled)
    assert tensor.dtype == np.float32
    spelled[0, 0] = 7
    assert float(tensor[0, 0]) == 7
    other = native.astype(native.dtype.newbyteorder("S"))
    np.testing.assert_array_equal(chainrule.asarray(other).numpy(), native)

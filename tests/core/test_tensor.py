"""Tensor against NumPy: operators, promotion, indexing, views, in-place changes, conversions, protocols and errors."""

from __future__ import annotations

import copy
import gc
import hashlib
import operator
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

import chainrule
from chainrule import _core

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
ops = _core.ops


def values(dtype: str, shape: tuple[int, ...] = (2, 3), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("float"):
        return rng.uniform(0.5, 4, shape).astype(dtype)
    return rng.integers(1, 5, shape).astype(dtype)


def result_of(function: Callable[[], Any]) -> Any:
    """The function's value, or the class of the exception it raises."""
    try:
        with np.errstate(all="ignore"):
            return function()
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        return type(error)


def base_error(error: type) -> type:
    """NumPy raises subclasses of its own; what counts is the standard class."""
    for standard in (OverflowError, IndexError, TypeError, ValueError):
        if issubclass(error, standard):
            return standard
    return error


def float_width_differs(expected: np.dtype, got: np.dtype) -> bool:
    """NumPy makes float16 of 8-bit integers; there is no float16 here, so they become float32."""
    return expected == np.float16 and got == np.float32


def assert_same(got: Any, expected: Any, rtol: float = 0.0) -> None:
    if isinstance(expected, type):
        assert isinstance(got, type), f"expected {expected}, got {got!r}"
        assert base_error(got) is base_error(expected)
        return
    assert not isinstance(got, type), f"raised {got}, NumPy gives {expected!r}"
    expected = np.asarray(expected)
    assert isinstance(got, chainrule.Tensor)
    assert got.shape == expected.shape
    if float_width_differs(expected.dtype, got.dtype):
        rtol = 1e-2
    else:
        assert got.dtype == expected.dtype
    np.testing.assert_allclose(got.numpy(), expected, rtol=rtol, atol=0)


# ---- operators and promotion ----------------------------------------------------------------------------------------

BINARY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "lshift": operator.lshift,
    "rshift": operator.rshift,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
# Powers and quotients of floats may differ in the last places.
RTOL = {"pow": 2e-6, "mod": 1e-6, "truediv": 3e-7}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("a", DTYPES)
def test_binary_operators_promote_as_numpy(name: str, a: str) -> None:
    f = BINARY[name]
    for b in DTYPES:
        x, y = values(a), values(b, seed=1)
        expected = result_of(lambda x=x, y=y: f(x, y))
        got = result_of(lambda x=x, y=y: f(chainrule.asarray(x), chainrule.asarray(y)))
        assert_same(got, expected, RTOL.get(name, 0.0))
        assert_same(result_of(lambda x=x, y=y: f(chainrule.asarray(x), y)), expected, RTOL.get(name, 0.0))
        assert_same(result_of(lambda x=x, y=y: f(x, chainrule.asarray(y))), expected, RTOL.get(name, 0.0))


SCALARS = [True, 2, -3, 300, 70000, 2**40, 2**70, 2.5, np.float32(2.5), np.float64(2.5), np.int8(3), np.uint64(3)]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_scalars_promote_as_numpy(name: str, dtype: str) -> None:
    f = BINARY[name]
    x = values(dtype)
    for scalar in SCALARS:
        if scalar == 2**70 and (dtype == "bool" or name == "pow"):
            continue  # NumPy computes these with Python objects
        if name in ("lshift", "rshift") and not isinstance(scalar, np.generic) and abs(scalar) > 60:
            continue  # shifts by more than the width are undefined in C
        for g in (f, lambda a, b: f(b, a)):
            expected = result_of(lambda s=scalar, g=g: g(x, s))
            if isinstance(expected, np.ndarray) and expected.dtype == object:
                continue
            if name in ("lshift", "rshift") and scalar == -3:
                continue
            assert_same(result_of(lambda s=scalar, g=g: g(chainrule.asarray(x), s)), expected, RTOL.get(name, 0.0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("f", [operator.neg, operator.pos, operator.invert, abs], ids=["neg", "pos", "invert", "abs"])
def test_unary_operators(f: Callable[[Any], Any], dtype: str) -> None:
    x = values(dtype)
    assert_same(result_of(lambda: f(chainrule.asarray(x))), result_of(lambda: f(x)))


@pytest.mark.parametrize(
    "name",
    ["arctan2", "hypot", "copysign", "fmod", "maximum", "fmin", "logical_and", "logaddexp", "divide", "power"],
)
def test_op_functions_promote_as_numpy(name: str) -> None:
    function, numpy_function = getattr(ops, name), getattr(np, name)
    for a in DTYPES:
        for b in [values(t, seed=1) for t in DTYPES] + [3, 2.5, True]:
            x = values(a)
            expected = result_of(lambda x=x, b=b: numpy_function(x, b))
            assert_same(result_of(lambda x=x, b=b: function(x, b)), expected, 2e-6)


@pytest.mark.parametrize(
    "name", ["sqrt", "exp", "log", "sin", "tanh", "isnan", "signbit", "square", "sign", "logical_not"]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_unary_ops_promote_as_numpy(name: str, dtype: str) -> None:
    x = values(dtype)
    expected = result_of(lambda: getattr(np, name)(x))
    assert_same(result_of(lambda: getattr(ops, name)(x)), expected, 1e-6)


def test_comparisons_of_widest_integers_are_exact() -> None:
    signed = np.array([-1, 0, 1, 2**63 - 1, -(2**63)], np.int64)
    unsigned = np.array([2**64 - 1, 0, 1, 2**63 - 1, 2**63], np.uint64)
    for f in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        assert_same(f(chainrule.asarray(signed), chainrule.asarray(unsigned)), f(signed, unsigned))
        assert_same(f(chainrule.asarray(unsigned), chainrule.asarray(signed)), f(unsigned, signed))


def test_integers_to_negative_powers_raise() -> None:
    x = chainrule.asarray([1, 2])
    with pytest.raises(ValueError, match="negative integer powers"):
        x**-1
    with pytest.raises(ValueError, match="negative integer powers"):
        x ** chainrule.asarray([1, -1])


def test_divmod_and_matmul() -> None:
    x, y = values("float64", (3, 4)), values("float64", (4, 2), seed=1)
    q, r = divmod(chainrule.asarray(x), 1.5)
    expected_q, expected_r = divmod(x, 1.5)
    assert_same(q, expected_q)
    assert_same(r, expected_r, 1e-12)
    assert_same(chainrule.asarray(x) @ chainrule.asarray(y), x @ y, 1e-14)
    assert_same(chainrule.asarray(x) @ y.astype("float32"), x @ y.astype("float32"), 1e-14)
    assert_same(x @ chainrule.asarray(y), x @ y, 1e-14)


def test_complex_numbers_are_left_to_numpy() -> None:
    x = values("float64")
    for got in (chainrule.asarray(x) * 1j, 1j * chainrule.asarray(x), chainrule.asarray(x) * (x * 1j)):
        assert isinstance(got, np.ndarray)
        assert got.dtype == np.complex128
    np.testing.assert_array_equal(chainrule.asarray(x) + 2j, x + 2j)


def test_foreign_operands_answer_themselves() -> None:
    class Other:
        def __radd__(self, other: Any) -> str:
            return "other"

    class Refuses:
        __array_ufunc__ = None

        def __rmul__(self, other: Any) -> str:
            return "refuses"

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            raise AssertionError("must not be asked")

    class Held:
        def __init__(self, tensor: chainrule.Tensor) -> None:
            self.tensor = tensor

        def __chainrule_tensor__(self) -> chainrule.Tensor:
            return self.tensor

    x = chainrule.asarray([1.0, 2.0])
    assert x + Other() == "other"
    assert x * Refuses() == "refuses"
    assert_same(x + Held(x), np.array([2.0, 4.0]))
    assert_same(ops.exp(Held(x)), np.exp([1.0, 2.0]), 1e-15)
    with pytest.raises(TypeError, match="unsupported operand"):
        x + object()
    assert (x == None) is False  # noqa: E711


# ---- in place -------------------------------------------------------------------------------------------------------

IN_PLACE = {
    "iadd": operator.iadd,
    "isub": operator.isub,
    "imul": operator.imul,
    "itruediv": operator.itruediv,
    "ifloordiv": operator.ifloordiv,
    "imod": operator.imod,
    "ipow": operator.ipow,
    "iand": operator.iand,
    "ior": operator.ior,
    "ixor": operator.ixor,
    "ilshift": operator.ilshift,
    "irshift": operator.irshift,
}


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("a", DTYPES)
def test_in_place_operators(name: str, a: str) -> None:
    f = IN_PLACE[name]
    for other in [values(b, seed=1) for b in DTYPES] + [values("float64", (3,)), 2, 1.5]:
        x = values(a)
        t = chainrule.asarray(x.copy())
        memory = t.numpy()
        expected = result_of(lambda x=x, o=other: f(x, o))
        got = result_of(lambda t=t, o=other: f(t, o))
        if isinstance(expected, np.ndarray):
            assert got is t
            np.testing.assert_allclose(memory, expected, rtol=2e-6)  # the memory that views share
        assert_same(got, expected, 2e-6)


def test_in_place_on_overlapping_views() -> None:
    x = np.arange(8.0)
    t = chainrule.asarray(x.copy())
    x[1:] += x[:-1]
    view = t[1:]
    view += t[:-1]
    assert_same(t, x)


def test_in_place_errors() -> None:
    x = chainrule.asarray([1, 2])
    with pytest.raises(TypeError, match="Cannot cast ufunc 'add' output"):
        x += 1.5
    with pytest.raises(ValueError, match="non-broadcastable output operand"):
        x += np.ones((2, 2), int)
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    t = chainrule.asarray(frozen)
    with pytest.raises(ValueError, match="read-only"):
        t += 1
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        t[0] = 1
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        ops.broadcast_to(x, (3, 2))[0] = 1


# ---- indexing -------------------------------------------------------------------------------------------------------

shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


@st.composite
def arrays_and_keys(draw: st.DrawFn) -> tuple[np.ndarray, Any]:
    shape = draw(shapes)
    x = np.arange(np.prod(shape), dtype="float64").reshape(shape)
    if draw(st.booleans()):
        x = x.T
    return x, draw(hnp.basic_indices(x.shape, allow_newaxis=True, allow_ellipsis=True, max_dims=6))


@st.composite
def arrays_and_advanced_keys(draw: st.DrawFn) -> tuple[np.ndarray, Any]:
    """Keys that mix slices, ints, integer arrays that broadcast together, lists and boolean masks."""
    shape = draw(shapes)
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    block = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    key: list[Any] = []
    axis = 0
    while axis < len(shape):
        kind = draw(st.sampled_from(["slice", "int", "array", "array", "list", "mask", "none", "stop"]))
        length = shape[axis]
        if kind == "stop":
            break
        if kind == "none":
            if len(key) < 6:
                key.append(None)
            else:
                break
            continue
        if kind == "slice":
            key.append(draw(st.slices(length)))
        elif kind == "int":
            key.append(draw(st.integers(-length, length - 1)))
        elif kind == "array":
            part = tuple(draw(st.sampled_from([1, n])) for n in block)[draw(st.integers(0, len(block))) :]
            dtype = draw(st.sampled_from(["int64", "int32", "int8"]))
            key.append(draw(hnp.arrays(dtype, part, elements=st.integers(-length, length - 1))))
        elif kind == "list" and block:
            key.append(draw(st.lists(st.integers(-length, length - 1), min_size=block[-1], max_size=block[-1])))
        elif kind == "mask":
            key.append(draw(hnp.arrays(bool, (length,))))
        axis += kind != "list" or bool(block)
    return x, tuple(key)


def with_tensors(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(with_tensors(part) for part in key)
    return chainrule.asarray(key) if isinstance(key, np.ndarray) else key


@hypothesis.given(arrays_and_keys())
@hypothesis.settings(max_examples=400, deadline=None)
def test_basic_indexing(case: tuple[np.ndarray, Any]) -> None:
    x, key = case
    t = chainrule.asarray(x.copy(order="K"))
    expected = x[key]
    assert_same(t[key], expected)
    if isinstance(expected, np.ndarray) and expected.size:
        assert np.shares_memory(t[key].numpy(), t.numpy())
    x[key] = -1
    t[key] = -1
    assert_same(t, x)
    source = np.arange(expected.size, dtype="int32").reshape(expected.shape)
    x[key] = source
    t[key] = chainrule.asarray(source)
    assert_same(t, x)


@hypothesis.given(arrays_and_advanced_keys())
@hypothesis.settings(max_examples=600, deadline=None)
def test_advanced_indexing(case: tuple[np.ndarray, Any]) -> None:
    x, key = case
    t = chainrule.asarray(x.copy())
    expected = result_of(lambda: x[key])
    assert_same(result_of(lambda: t[key]), expected)
    assert_same(result_of(lambda: t[with_tensors(key)]), expected)
    if isinstance(expected, type):
        return
    source = -np.arange(np.size(expected), dtype="float64").reshape(np.shape(expected))
    x[key] = source
    t[key] = source
    assert_same(t, x)
    x[key] = 7
    t[with_tensors(key)] = 7
    assert_same(t, x)


def test_masks_of_several_axes() -> None:
    x = values("float32", (3, 4, 2))
    t = chainrule.asarray(x.copy())
    for mask in (x > 2, x[..., 0] > 2, x[:, 0, 0] > 2, np.array(True), np.array(False)):
        assert_same(t[mask], x[mask])
        assert_same(t[chainrule.asarray(mask)], x[mask])
    x[x > 2] = 0
    t[t > 2] = 0
    assert_same(t, x)
    assert_same(t[True], x[True])
    assert_same(t[[]], x[[]])


def test_numbers_are_copies_as_numpys_scalars_are() -> None:
    t = chainrule.asarray([1.0, 2.0])
    t[0], t[1] = t[1], t[0]
    assert t.tolist() == [2.0, 1.0]
    first = t[0]
    t[0] = 9
    assert float(first) == 2.0


def test_index_errors() -> None:
    x = np.zeros((2, 3))
    t = chainrule.asarray(x)
    keys: list[Any] = [
        5, -3, (0, 3), (0, 0, 0), 1.0, "a", [5], [[0, 1], [2, 0]], np.array([True]), np.array([0.5]),
        (..., ...), ([0, 1], [0, 1, 2]), np.ones((2, 3, 1), bool), 2**70,
    ]  # fmt: skip
    for key in keys:
        with pytest.raises(IndexError):
            x[key]
        with pytest.raises(IndexError):
            t[key]
        with pytest.raises(IndexError):
            t[key] = 0


def test_setitem_converts_as_numpy() -> None:
    for value in (1.9, -1, 300, float("nan"), True, [1, 2, 3], [1, 2], np.array([[[1, 2, 3]]]), np.float64(2.5)):
        for dtype in ("uint8", "float32", "bool", "int64"):
            x = np.zeros(3, dtype)
            t = chainrule.asarray(x.copy())
            expected = result_of(lambda x=x, v=value: operator.setitem(x, slice(None), v))
            got = result_of(lambda t=t, v=value: operator.setitem(t, slice(None), v))
            assert (got is None) == (expected is None)
            if expected is None:
                assert_same(t, x)
            else:
                assert base_error(got) is base_error(expected)


def test_sequence_protocol() -> None:
    x = values("int64", (3, 2))
    t = chainrule.asarray(x)
    assert len(t) == 3
    assert [row.tolist() for row in t] == x.tolist()
    assert int(x[0, 0]) in t
    assert 99 not in t
    assert t.tolist() == x.tolist()
    with pytest.raises(TypeError, match="len"):
        len(t[0, 0])
    with pytest.raises(TypeError, match="0-d"):
        iter(t[0, 0])


# ---- views, methods, attributes -------------------------------------------------------------------------------------


def test_views_share_memory() -> None:
    t = chainrule.asarray(np.arange(12.0).reshape(3, 4))
    for view in (t.T, t.reshape(4, 3), t[1:], t[None], t.ravel(), t.swapaxes(0, 1), t.transpose(1, 0), t.mT, t.flat):
        assert np.shares_memory(view.numpy(), t.numpy())
    assert not np.shares_memory(t.copy().numpy(), t.numpy())
    assert not np.shares_memory(t.flatten().numpy(), t.numpy())
    t.T[0] = -1
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
    with pytest.raises(TypeError, match="float16"):
        chainrule.asarray(np.zeros(2, "float16"))
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


# ---- op callables ---------------------------------------------------------------------------------------------------


def test_arguments_by_position_and_keyword() -> None:
    x = values("float64")
    expected = x.sum(axis=1, keepdims=True)
    for got in (ops.sum(x, 1, True), ops.sum(x, axis=1, keepdims=True), ops.sum(keepdims=1, axis=[1], x=x)):
        assert_same(got, expected, 1e-15)
    assert_same(ops.concatenate([x, x], 1), np.concatenate([x, x], 1))
    assert_same(ops.concatenate((x, x), axis=1), np.concatenate([x, x], 1))
    assert_same(ops.concatenate(x, x, axis=1), np.concatenate([x, x], 1))
    assert_same(ops.concatenate(tensors=[x, x.astype("f4")]), np.concatenate([x, x.astype("f4")]))
    assert_same(ops.cast(x, np.dtype("int8")), x.astype("int8"))
    assert_same(ops.cast(x, dtype=float), x)
    assert_same(ops.reshape(x, 6), x.reshape(6))
    assert_same(ops.reshape(x, np.array([3, 2])), x.reshape(3, 2))
    assert_same(ops.where(x > 2, x, 0), np.where(x > 2, x, 0))
    assert_same(ops.where(x, values("uint8"), 3), np.where(x, values("uint8"), 3))


def test_wrong_arguments_name_the_op() -> None:
    x = values("float64")
    with pytest.raises(TypeError, match=r"\[sum\] got an unexpected keyword argument 'axes'.*sum\(x, axis=None"):
        ops.sum(x, axes=1)
    with pytest.raises(TypeError, match=r"\[sum\] got multiple values for argument 'axis'"):
        ops.sum(x, 1, axis=1)
    with pytest.raises(TypeError, match=r"\[matmul\] missing the argument 'b'"):
        ops.matmul(x)
    with pytest.raises(TypeError, match=r"\[matmul\] takes at most 2"):
        ops.matmul(x, x, x)
    with pytest.raises(TypeError, match=r"\[sum\] 'axis' must be"):
        ops.sum(x, axis="a")
    with pytest.raises(TypeError, match=r"\[softmax\] 'x' is dtype complex128"):
        ops.softmax(x * 1j)
    with pytest.raises(TypeError, match="add"):
        ops.add(x)
    with pytest.raises(TypeError, match=r"\[assign\] 'dst' is changed in place"):
        ops.assign(x, x)
    with pytest.raises(np.exceptions.AxisError):
        ops.sum(x, axis=7)
    with pytest.raises(ValueError, match="broadcast"):
        ops.add(x, np.zeros(7))
    with pytest.raises(TypeError, match=r"\[bitwise_and\]"):
        ops.bitwise_and(x, x)


def test_every_op_describes_itself() -> None:
    assert len(_core.op_names()) == len(set(_core.op_names()))
    for name in _core.op_names():
        info = _core.op_info(name)
        assert info["signature"].startswith(f"{name}(")
        assert getattr(ops, name).__name__ == name
        assert info["doc"]
        assert info["doc"] in getattr(ops, name).__doc__
    with pytest.raises(KeyError):
        _core.op_info("no such op")


# ---- gradients and recordings ---------------------------------------------------------------------------------------


def test_gradients_through_conversions_and_indexing() -> None:
    x = chainrule.asarray(values("float32", (3, 4)))
    key = (slice(None), [1, 1, 3])

    def f(x: Any) -> Any:
        return (x[1:, None, 2] * 2.0).sum() + (x[key] ** 2).sum() + (x.T[0] * np.float64(3)).sum()

    expected = np.zeros((3, 4))
    expected[1:, 2] += 2
    np.add.at(expected, key, 2 * x.numpy()[key])
    expected[:, 0] += 3
    gradient = chainrule.grad(f)(x)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


def test_gradients_through_assignment() -> None:
    x, v = chainrule.asarray(values("float64", (3, 4))), chainrule.asarray(values("float64", (2, 4), seed=1))

    def f(x: Any, v: Any) -> Any:
        y = x * 1.0
        y[1:] = v
        y[:, [0, 0]] = v[0, 0] * 5
        y *= 2.0
        return (y * y).sum()

    y = x.numpy().copy()
    y[1:] = v.numpy()
    y[:, 0] = v.numpy()[0, 0] * 5
    dx = np.zeros((3, 4))
    dx[0] = 8 * y[0]
    dx[:, 0] = 0
    dv = 8 * y[1:]
    dv[:, 0] = 0
    dv[0, 0] = 3 * 8 * y[0, 0] * 5
    got_x, got_v = chainrule.grad(f, argnums=(0, 1))(x, v)
    np.testing.assert_allclose(got_x, dx, rtol=1e-14)
    np.testing.assert_allclose(got_v, dv, rtol=1e-14)


def test_changing_a_watched_tensor_raises() -> None:
    x = chainrule.asarray([1.0, 2.0])

    def f(x: Any) -> Any:
        x += 1.0
        return x.sum()

    with pytest.raises(RuntimeError, match="in-place change of a watched tensor"):
        chainrule.grad(f)(x)


def test_assignment_in_a_recorded_program() -> None:
    x = values("float64", (3, 4))

    def f(x: Any) -> Any:
        y = x + 0.0
        y[0] = 5
        y[1:, 1] = x[0, 0]
        y[..., [3]] = -1
        y[y > 4] = 4
        y += 1
        return y

    expected = f(x)
    assert_same(chainrule.jit(f)(chainrule.asarray(x)), expected)


def test_state_changed_in_a_recorded_program() -> None:
    counter = _core.zeros((3,), "float64")

    def f(x: Any) -> Any:
        nonlocal counter
        counter[0] = x.sum()
        counter[1:] += 1.0
        counter *= 2.0
        return counter + 0.0

    step = chainrule.jit(f)
    for _ in range(3):
        result = step(chainrule.asarray([1.0, 2.0]))
    expected = np.zeros(3)
    for _ in range(3):
        expected[0] = 3.0
        expected[1:] += 1.0
        expected *= 2.0
    assert_same(result, expected)
    assert_same(counter, expected)


def test_values_of_traced_tensors_are_refused() -> None:
    asked: list[Callable[[Any], Any]] = [
        float,
        int,
        bool,
        np.asarray,
        memoryview,
        lambda t: t.item(),
        lambda t: t.tolist(),
        lambda t: t.numpy(),
        lambda t: f"{t:.3f}",
        lambda t: range(3)[t.astype("int64")],
    ]
    for ask in asked:

        def f(x: Any, ask: Callable[[Any], Any] = ask) -> Any:
            ask(x[0])
            return x

        with pytest.raises(chainrule.TraceError):
            chainrule.jit(f)(chainrule.asarray([1.0, 2.0]))
    assert issubclass(chainrule.TraceError, TypeError)


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

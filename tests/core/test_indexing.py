"""Reading and writing x[...], against NumPy."""

from __future__ import annotations

import operator
from typing import Any

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from pairs import assert_same, base_error, result_of, values

import chainrule
import chainrule.numpy

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


@pytest.mark.parametrize("size", [1, 7, 8, 61, 1000, 200_003])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.6, 1.0])
@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "int64"])
def test_masks_of_every_density(size: int, share: float, dtype: str) -> None:
    rng = np.random.default_rng(size)
    x = rng.integers(0, 100, size).astype(dtype)
    mask = rng.random(size) < share
    ours, chosen = chainrule.asarray(x.copy()), chainrule.asarray(mask)
    np.testing.assert_array_equal(np.asarray(ours[chosen]), x[mask])
    np.testing.assert_array_equal(np.asarray(ours[mask]), x[mask])
    values = rng.integers(0, 100, int(mask.sum())).astype(dtype)
    ours[chosen] = chainrule.asarray(values)
    x[mask] = values
    np.testing.assert_array_equal(np.asarray(ours), x)
    ours[chosen] = 1
    x[mask] = 1
    np.testing.assert_array_equal(np.asarray(ours), x)
    if size > 1 and not mask.all():
        with pytest.raises(ValueError, match="shape"):
            ours[chosen] = chainrule.asarray(np.zeros(size, dtype))
    truth = np.where(mask, 4, 0).astype("uint8").view(bool)  # true by another byte than 1
    np.testing.assert_array_equal(np.asarray(ours[chainrule.asarray(truth)]), x[mask])


def test_the_shape_can_be_set_where_the_memory_allows_it() -> None:
    x = chainrule.asarray(np.arange(6.0))
    x.shape = (2, 3)
    assert x.shape == (2, 3)
    x.shape = -1
    assert x.shape == (6,)
    x.shape = 3, 2
    x[0, 1] = 9.0
    assert x.tolist() == [[0, 9], [2, 3], [4, 5]]
    with pytest.raises(AttributeError, match="reshape"):
        x.T.shape = (6,)
    with pytest.raises(ValueError, match="reshape"):
        x.shape = (4, 2)
    doubled = chainrule.jit(lambda y: reshaped(y) * 2)(x)
    assert doubled.shape == (2, 3)


def reshaped(x: Any) -> Any:
    y = x + 1
    y.shape = (2, 3)
    return y


@pytest.mark.parametrize("shape", [(50,), (7, 9), (3, 4, 5)])
def test_points_are_written_in_order(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, shape)
    for view in (x, x.T):
        theirs, ours = view.copy(), chainrule.asarray(x.copy())
        ours = ours if view is x else ours.T
        indices = tuple(rng.integers(-n, n, (6, 10)) for n in view.shape)
        values = rng.integers(0, 9, (6, 10))
        for value in (values, 5):
            theirs[indices], ours[indices] = value, value  # the last of several to one place stays
            np.testing.assert_array_equal(np.asarray(ours), theirs)
        before = ours.tolist()
        outside = (*indices[:-1], np.where(values == 3, view.shape[-1], indices[-1]))
        with pytest.raises(IndexError, match="out of bounds"):
            ours[outside] = 1
        assert ours.tolist() == before


@pytest.mark.parametrize("name", ["logical_not", "isnan", "less", "add"])
def test_results_written_into_arrays(name: str) -> None:
    function, theirs = getattr(chainrule.numpy, name), getattr(np, name)
    x = np.arange(6.0)
    operands = [x] if theirs.nin == 1 else [x, x[::-1].copy()]
    for dtype in ("bool", "float64", "float32"):
        out, expected = np.zeros(6, dtype), np.zeros(6, dtype)
        try:
            theirs(*operands, out=expected)
        except TypeError:
            with pytest.raises(TypeError):
                function(*operands, out=out)
            continue
        assert function(*operands, out=out) is out
        np.testing.assert_array_equal(out, expected)
        tensor = chainrule.asarray(np.zeros(6, dtype))
        assert function(*[chainrule.asarray(v) for v in operands], tensor) is tensor
        np.testing.assert_array_equal(np.asarray(tensor), expected)
    mask = x > 2
    assert chainrule.numpy.logical_not(mask, mask) is mask
    np.testing.assert_array_equal(mask, x <= 2)

"""The plainest calls of functions, which the core answers without Python, beside NumPy's: values, dtype, shape, views
and errors; and the same calls where a gradient or a program follows."""

from __future__ import annotations

import copy
import inspect
import itertools
import operator
import pickle

import numpy
import pytest

import chainrule
import chainrule.numpy as np

DTYPES = ["float64", "float32", "float16", "int64", "int32", "uint8", "bool"]
ARRAYS = {
    "vector": lambda dtype: numpy.arange(6).astype(dtype),
    "matrix": lambda dtype: numpy.arange(12).reshape(3, 4).astype(dtype),
    "columns": lambda dtype: numpy.asfortranarray(numpy.arange(12).reshape(3, 4).astype(dtype)),
    "strided": lambda dtype: numpy.arange(24).reshape(4, 6).astype(dtype)[::2, ::-2],
    "cube": lambda dtype: numpy.arange(24).reshape(2, 3, 4).astype(dtype),
    "row": lambda dtype: numpy.arange(4).reshape(1, 4).astype(dtype),
    "empty": lambda dtype: numpy.zeros((0, 3), dtype),
    "point": lambda dtype: numpy.array(3).astype(dtype),
}
CALLS = {
    "array": lambda np, x: np.array(x),
    "asarray": lambda np, x: np.asarray(x),
    "ascontiguousarray": lambda np, x: np.ascontiguousarray(x),
    "asfortranarray": lambda np, x: np.asfortranarray(x),
    "zeros_like": lambda np, x: np.zeros_like(x),
    "ones_like": lambda np, x: np.ones_like(x),
    "full_like": lambda np, x: np.full_like(x, 1),
    "full_like of a float": lambda np, x: np.full_like(x, 2.5),
    "ndim": lambda np, x: np.ndim(x),
    "shape": lambda np, x: np.shape(x),
    "size": lambda np, x: np.size(x),
    "iscomplexobj": lambda np, x: np.iscomplexobj(x),
    "nonzero": lambda np, x: np.nonzero(x),
    "flatnonzero": lambda np, x: np.flatnonzero(x),
    "where": lambda np, x: np.where(x),
    "transpose": lambda np, x: np.transpose(x),
    "transpose by axes": lambda np, x: np.transpose(x, tuple(range(x.ndim))[::-1]),
    "transpose by wrong axes": lambda np, x: np.transpose(x, (0, 0)),
    "swapaxes": lambda np, x: np.swapaxes(x, 0, -1),
    "moveaxis": lambda np, x: np.moveaxis(x, 0, -1),
    "moveaxis back": lambda np, x: np.moveaxis(x, -1, 0),
    "ravel": lambda np, x: np.ravel(x),
    "squeeze": lambda np, x: np.squeeze(x),
    "expand_dims": lambda np, x: np.expand_dims(x, -1),
    "expand_dims of too many": lambda np, x: np.expand_dims(x, 7),
    "flip": lambda np, x: np.flip(x),
    "flip of an axis": lambda np, x: np.flip(x, -1),
    "flipud": lambda np, x: np.flipud(x),
    "fliplr": lambda np, x: np.fliplr(x),
    "atleast_2d": lambda np, x: np.atleast_2d(x),
    "diagonal": lambda np, x: np.diagonal(x),
    "diagonal above": lambda np, x: np.diagonal(x, 1),
    "diagonal below": lambda np, x: x.diagonal(-1),
    "diagonal outside": lambda np, x: np.diagonal(x, 9),
    "concatenate": lambda np, x: np.concatenate([x, x]),
    "concatenate by axis": lambda np, x: np.concatenate((x, x), axis=-1),
    "stack": lambda np, x: np.stack([x, x]),
    "stack behind": lambda np, x: np.stack((x, x), axis=-1),
    "vstack": lambda np, x: np.vstack([x, x]),
    "hstack": lambda np, x: np.hstack((x, x)),
    "column_stack": lambda np, x: np.column_stack([x, x]),
    "repeat": lambda np, x: np.repeat(x, 3),
    "repeat of rows": lambda np, x: np.repeat(x, 2, axis=0),
    "repeat of none": lambda np, x: x.repeat(0, axis=-1),
    "repeat below none": lambda np, x: np.repeat(np.ravel(x)[:1] if x.size else np.array([1]), -1),
    "tile": lambda np, x: np.tile(x, 3),
    "tile of one": lambda np, x: np.tile(np.ravel(x)[:1], (2, 3)),
    "tile of rows": lambda np, x: np.tile(x, (2, 1)),
    "tile to more axes": lambda np, x: np.tile(x, (2, 1, 2, 1)),
    "tile of none": lambda np, x: np.tile(x, 0),
    "tile below none": lambda np, x: np.tile(x, -1),
    "squeeze of an axis": lambda np, x: np.squeeze(x, 0),
    "method squeeze": lambda np, x: x.squeeze(),
    "method squeeze of an axis": lambda np, x: x.squeeze(axis=0),
    "method squeeze by place": lambda np, x: x.squeeze(-1),
    "argmax": lambda np, x: np.argmax(x),
    "method argmax": lambda np, x: x.argmax(),
    "method argmin": lambda np, x: x.argmin(),
    "method argmax along": lambda np, x: x.argmax(-1),
    "argmin with axes": lambda np, x: np.argmin(x, keepdims=True),
    "einsum to itself": lambda np, x: np.einsum("...", x),
    "einsum of rows": lambda np, x: np.einsum("ij->j", x),
    "einsum of pairs": lambda np, x: np.einsum("ij,kj->ik", x, x),
    "einsum of a diagonal": lambda np, x: np.einsum("i,i->", x, x),
    "einsum of wrong axes": lambda np, x: np.einsum("ijkl", x),
    "dot into": lambda np, x: np.dot(x, x.T, out=np.empty((x.shape[0],) * 2, x.dtype)),
    "dot into by place": lambda np, x: np.dot(x, x.T, np.empty((x.shape[0],) * 2, x.dtype)),
    "dot into another dtype": lambda np, x: np.dot(x, x.T, out=np.empty((x.shape[0],) * 2, "complex64")),
    "dot into columns": lambda np, x: np.dot(x, x.T, out=np.empty((x.shape[0],) * 2, x.dtype, "F")),
    "flat element": lambda np, x: x.flat[-1],
    "flat out of bounds": lambda np, x: x.flat[99],
    "flat slice": lambda np, x: x.flat[1:3],
    "flat iteration": lambda np, x: np.array([2 * y for y in x.flat]),
    "flat assignment": lambda np, x: [x.flat.__setitem__(0, 1), x.flat.__setitem__(-1, x.flat[0]), x][2],
    "flat assignment of a float": lambda np, x: [x.flat.__setitem__(0, 1.7), x][1],
    "flat assignment out of bounds": lambda np, x: x.flat.__setitem__(99, 1),
    "take": lambda np, x: np.take(x, np.array([0, 2, -1])),
    "take of rows": lambda np, x: np.take(x, np.array([[0, 1], [-1, 0]]), axis=0),
    "take out of bounds": lambda np, x: np.take(x, np.array([0, 99])),
    "index": lambda np, x: x[np.array([1, -1, 0])],
    "index of 32 bits": lambda np, x: x[np.array([1, 0], dtype=np.int32)],
    "index out of bounds": lambda np, x: x[np.array([0, 99])],
    "inner": lambda np, x: np.inner(x, x),
    "vdot": lambda np, x: np.vdot(x, x),
    "astype": lambda np, x: x.astype(np.float32),
    "astype of its own": lambda np, x: x.astype(x.dtype),
    "view as bytes": lambda np, x: np.array(x).view("uint8") if x.dtype == np.bool else x.astype("int8").view("uint8"),
    "conj": lambda np, x: np.conj(x),
    "argsort": lambda np, x: x.argsort(),
    "searchsorted": lambda np, x: x.searchsorted(2),
    "reduce": lambda np, x: np.add.reduce(x),
    "accumulate": lambda np, x: np.maximum.accumulate(x),
    "reduce of a list": lambda np, x: np.minimum.reduce([x, x[::-1]]),
}


def outcome(call, np, x):
    """What a call gives, or the type of its exception."""
    try:
        return call(np, x)
    except Exception as error:
        return type(error)


def assert_same(ours, theirs):
    if isinstance(theirs, tuple):
        assert isinstance(ours, tuple)
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b)
        return
    if not isinstance(theirs, (numpy.ndarray, numpy.generic)):
        assert ours == theirs
        return
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    numpy.testing.assert_array_equal(numpy.asarray(ours), theirs)
    if isinstance(theirs, numpy.ndarray) and theirs.size:
        assert ours.flags.writeable == theirs.flags.writeable


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ARRAYS)
def test_calls_as_numpy(kind, dtype):
    x = ARRAYS[kind](dtype)
    for name, call in CALLS.items():
        theirs, ours = outcome(call, numpy, x.copy("K")), outcome(call, np, np.array(x))
        if isinstance(theirs, type) and isinstance(ours, type):
            assert issubclass(ours, theirs), name
            continue
        assert not isinstance(theirs, type), (name, ours)
        assert not isinstance(ours, type), (name, theirs)
        assert_same(ours, theirs)


@pytest.mark.parametrize(
    "call",
    [
        lambda np: np.arange(5),
        lambda np: np.arange(2, 11, 3),
        lambda np: np.arange(10, 0, -3),
        lambda np: np.arange(5, 2),
        lambda np: np.arange(0.5, 4),
        lambda np: np.arange(0, 1, 0.1),
        lambda np: np.arange(1, 1.3, 0.1),
        lambda np: np.arange(3.0),
        lambda np: np.arange(2**40, 2**40 + 3),
        lambda np: np.arange(3, dtype="float32"),
        lambda np: np.zeros((2, 3)),
        lambda np: np.zeros([2, 3], dtype=bool),
        lambda np: np.zeros(shape=4, dtype=int),
        lambda np: np.ones(3, np.uint8),
        lambda np: np.full((2, 2), 7),
        lambda np: np.full(3, True),
        lambda np: np.full(3, 2, dtype=float),
        lambda np: np.full(3, fill_value=0.5, dtype=np.float32),
        lambda np: np.array(2.5),
        lambda np: np.array([1, 2, 3]),
        lambda np: np.array([1.5, 2], dtype=float),
        lambda np: np.array([1, 2], dtype=np.float32),
        lambda np: np.array([[True, False], [False, True]]),
        lambda np: np.array([1, 2.5]),
        lambda np: np.array([1 + 2j, 3]),
        lambda np: np.array(["a", "bc"]),
        lambda np: np.array([None, "a"], dtype=object),
        lambda np: np.array([np.float64(1.5), np.arange(3.0)[2], 4.0]),
        lambda np: np.array([np.arange(3)[1], np.arange(3)[2]]),
        lambda np: np.array([np.arange(3), np.arange(3)]),
        lambda np: np.array([[np.sum(np.ones(3)), np.max(np.ones(2))]]),
        lambda np: np.minimum.reduce([np.arange(3), np.ones(3, int)]),
        lambda np: np.sqrt(2.0),
        lambda np: np.hypot(3.0, 4.0),
        lambda np: np.abs(-1.5),
    ],
)
def test_makers_as_numpy(call):
    theirs, ours = call(numpy), call(np)
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert numpy.asarray(ours).tolist() == theirs.tolist()


def test_ragged_lists_and_negative_lengths_raise_as_numpy():
    for call in (
        lambda np: np.array([[1, 2], [3]]),
        lambda np: np.zeros(-1),
        lambda np: np.full((2, -1), 0),
        lambda np: np.arange(),
        lambda np: np.arange(0, 1, 0),
        lambda np: np.concatenate([np.ones(2), np.ones((2, 2))]),
        lambda np: np.concatenate([]),
        lambda np: np.stack([np.ones(2), np.ones(3)]),
    ):
        with pytest.raises(Exception) as theirs:
            call(numpy)
        with pytest.raises(theirs.type):
            call(np)


def test_the_same_object_and_views():
    x = np.ones((2, 3))
    assert np.asarray(x) is x
    assert np.ascontiguousarray(x) is x
    assert np.atleast_1d(x) is x
    assert x.conj() is x
    for view in (np.ravel(x), np.transpose(x), np.flip(x), np.squeeze(x), np.expand_dims(x, 0), np.diagonal(x)):
        assert np.shares_memory(view, x)
        assert view.base is x
    assert not np.shares_memory(np.array(x), x)
    with pytest.raises(ValueError, match="read-only"):
        np.diagonal(x)[0] = 1


def test_out_is_given_back():
    x, out = np.ones((2, 2)), np.zeros((2, 2))
    assert np.matmul(x, x, out=out) is out
    assert out.tolist() == [[2, 2], [2, 2]]
    assert np.median(x, axis=0, out=(row := np.zeros(2))) is row
    assert row.tolist() == [1, 1]
    assert np.gcd(np.array([4, 6]), 2, out=(whole := np.zeros(2, int))) is whole
    assert whole.tolist() == [2, 2]


def test_sort_and_partition_in_place():
    x = np.array([3.0, 1.0, 2.0])
    assert x.sort() is None
    assert x.tolist() == [1, 2, 3]
    assert x.partition(1) is None
    y = np.array([1.0, 2.0])
    y.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        y.sort()


def test_functions_are_functions():
    for function in (np.median, np.zeros, np.bincount, np.linalg.solve, np.where):
        assert pickle.loads(pickle.dumps(function)) is function
        assert copy.deepcopy(function) is function
        assert function.__doc__
        assert function.__module__.startswith("chainrule.numpy")
    assert list(inspect.signature(np.median).parameters)[:2] == ["a", "axis"]

    class Holder:
        median = np.median
        axis = None

        def __array__(self, dtype=None, copy=None):
            return numpy.array([1.0, 5.0, 2.0])

    assert Holder().median() == 2  # as functions bind


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.array([x[0], x[1]]),
        lambda x: np.stack([x, x * 2], axis=1),
        lambda x: np.vstack([x, x]) * 3,
        lambda x: np.concatenate((x, x[::-1])),
        lambda x: np.repeat(x, 2) * np.arange(6.0),
        lambda x: np.take(x, np.array([0, 0, 2])) * np.arange(3.0),
        lambda x: x[np.array([2, 2, 0])] * np.arange(3.0),
        lambda x: np.transpose(np.outer(x, x))[0],
        lambda x: np.diagonal(np.outer(x, x)),
        lambda x: np.inner(x, x),
        lambda x: np.flip(x) * np.arange(3.0),
        lambda x: np.ravel(np.outer(x, x)),
        lambda x: np.expand_dims(x, 1) @ np.ones((1, 2)),
        lambda x: np.squeeze(np.outer(x, np.ones(1))) ** 2,
        lambda x: np.full(3, x[1]) * x,
        lambda x: np.sort(x) * np.arange(3.0),
        lambda x: np.add.reduce(x * x),
        lambda x: np.swapaxes(np.outer(x, x), 0, 1)[1],
    ],
)
def test_gradients_and_programs_follow(call):
    x = np.array([0.5, -1.0, 2.0])

    def loss(x):
        return np.sum(call(x) ** 2)

    gradient = chainrule.grad(loss)(x)
    step = 1e-6
    for i in range(3):
        moved = [
            float(loss(np.array([v + sign * step * (j == i) for j, v in enumerate(x.tolist())]))) for sign in (1, -1)
        ]
        assert float(gradient[i]) == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=1e-6)
    assert float(chainrule.jit(loss)(x)) == pytest.approx(float(loss(x)))


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_whole_numbers_divided_by_one(dtype):
    limits = numpy.iinfo(dtype)
    random = numpy.random.default_rng(1)
    x = numpy.concatenate(
        [
            random.integers(limits.min, limits.max, 3000, dtype, endpoint=True),
            numpy.array([limits.min, limits.max, limits.max - 1, 0, 1, 2], dtype),
            (numpy.arange(900) * 3 % 128).astype(dtype),
            *([numpy.arange(2**51 - 5, 2**51 + 5).astype(dtype)] if limits.bits == 64 else []),
        ]
    )
    for divisor in [1, 2, 3, 7, 10, 127, -2, -3, -7, 2**31 - 1, 2**40 + 1, 2**51 - 1, 2**51, limits.max, limits.min]:
        if divisor == 0 or not limits.min <= divisor <= limits.max:
            continue
        number = numpy.array(divisor, dtype)
        numpy.testing.assert_array_equal(numpy.asarray(np.array(x) // divisor), x // number)
        numpy.testing.assert_array_equal(numpy.asarray(np.array(x) % divisor), x % number)


def test_copies_a_few_bytes_further():
    for size in (10, 130, 5000, 300000):
        for shift in (1, 3, 7, 8):
            theirs, ours = numpy.zeros(size + 8), np.zeros(size + 8)
            values = numpy.arange(size, dtype=float)
            theirs[shift : shift + size] = values
            ours[shift : shift + size] = np.array(values)
            numpy.testing.assert_array_equal(numpy.asarray(ours), theirs)
            numpy.testing.assert_array_equal(numpy.asarray(np.pad(ours, shift)), numpy.pad(theirs, shift))
            numpy.testing.assert_array_equal(numpy.asarray(np.roll(ours, shift)), numpy.roll(theirs, shift))


@pytest.mark.parametrize("shape", [(7,), (200000,), (300, 701), (40, 50, 60), (0, 3), (2, 3, 1)])
def test_places_of_true_elements(shape):
    mask = numpy.random.default_rng(2).random(shape) < 0.3
    for x in (mask, mask * 2.5):
        for ours, theirs in zip(np.nonzero(np.array(x)), numpy.nonzero(x), strict=True):
            assert ours.dtype == theirs.dtype
            numpy.testing.assert_array_equal(numpy.asarray(ours), theirs)


@pytest.mark.parametrize(
    "key",
    [
        (numpy.array([3, 0, 3, -1]),),
        (slice(None), numpy.array([0, 4])),
        (slice(None, None, 2), numpy.array([1, -1]), slice(1, None, 2)),
        (numpy.array([1, 2]), slice(None), 2),
        (numpy.array([0, 2]), slice(None), numpy.array([5, 1])),
        (None, numpy.array([1, 1])),
    ],
)
def test_rows_assigned_by_index(key):
    x = numpy.random.default_rng(3).random((4, 5, 6))
    for value in (0, x[key] + 1, x[key][..., :1] * 2, x[key][0]):
        theirs, ours = x.copy(), np.array(x)
        theirs[key] = value
        ours[key] = value if isinstance(value, int) else np.array(value)
        numpy.testing.assert_array_equal(numpy.asarray(ours), theirs)


def test_truth_values_are_shared_and_stay():
    truth = np.array([1.0, 2.0])[0] < 5
    assert truth is (np.array([3])[0] == 3)
    with pytest.raises(ValueError, match="read-only"):
        truth.numpy()[...] = False
    assert bool(np.float64(1) < np.ones(1)[0] + 1)
    assert not (np.array([numpy.nan])[0] <= 1.0)
    assert np.array([1, 2])[0] != 2**70


OPERATORS = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod),
    *(operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift),
    *(operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [*DTYPES, "int8", "int16", "uint16", "uint32", "uint64"])
def test_operators_of_single_numbers(dtype):
    if dtype == "bool":
        values = [True, False]
    elif dtype.startswith("f"):
        values = [0.0, 1.0, -2.5, 3.0, numpy.inf, numpy.nan]
    else:
        limits = numpy.iinfo(dtype)
        edges = [limits.min, limits.max, 0, 1, 2, 3, 7, -1, -2, -3, limits.bits - 1, limits.bits]
        values = [value for value in edges if limits.min <= value <= limits.max]
    for a, b in itertools.product(values, values):
        theirs = numpy.array([a, b], dtype)
        ours = np.array(theirs)
        for function in OPERATORS:
            if function in (operator.lshift, operator.rshift) and b < 0:
                continue
            for number, tensor in (
                ((theirs[0], theirs[1]), (ours[0], ours[1])),
                ((theirs[0], b), (ours[0], b)),
                ((a, theirs[1]), (a, ours[1])),
            ):
                expected = outcome(lambda _, x: function(*x), numpy, number)  # noqa: B023
                got = outcome(lambda _, x: function(*x), np, tensor)  # noqa: B023
                if isinstance(expected, type):
                    assert issubclass(got, expected), (function, number)
                    continue
                assert numpy.asarray(got).dtype == numpy.asarray(expected).dtype, (function, number)
                numpy.testing.assert_array_equal(numpy.asarray(got), expected)

"""What programs pass now and then: ranges, named tuples, objects with __array__, nan for whole numbers, dates."""

import copy
import operator
from collections import namedtuple
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest

import chainrule
import chainrule.numpy as np

Place = namedtuple("Place", "row column")


class ArrayLike:
    def __array__(self, dtype=None, copy=None):
        return numpy.array([0, 2])


@pytest.mark.parametrize("key", [range(2), (range(2), slice(None)), Place(1, 2), Place([0, 1], [2, 3]), ArrayLike()])
def test_other_indices(key):
    results = []
    for module in (np, numpy):
        x = module.arange(12).reshape(3, 4)
        part = numpy.asarray(x[key])
        x[key] = 7
        results.append((part, numpy.asarray(x)))
    for ours, theirs in zip(*results, strict=True):
        numpy.testing.assert_array_equal(ours, theirs, strict=True)


def test_an_index_whose_array_is_ours():
    class Holder:
        def __array__(self, dtype=None, copy=None):
            return np.asarray([0, 2])

    x = np.arange(12).reshape(3, 4)
    assert x[Holder()].tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    x[Holder(), 0] = 7
    assert x[:, 0].tolist() == [7, 4, 7]


@pytest.mark.parametrize("key", [((..., ...),), "a", b"a", {0}, {"a": 0}, [[0], [1, 2]], ["a"], object()])
def test_no_indices(key):
    with pytest.raises((IndexError, ValueError)):
        np.arange(12).reshape(3, 4)[key]


def test_a_truth_value_is_no_length():
    with pytest.raises(TypeError, match="integer"):
        np.arange(3).reshape(True, -1)
    with pytest.raises(TypeError, match="integer"):
        np.reshape(np.arange(3), (True, -1))


def test_clip_never_returns_its_argument():
    x = np.arange(3).astype("uint8")
    np.clip(x, -1, 300)[0] = 9
    assert x[0] == 0


def test_more_axes_than_tensors_have():
    x = np.zeros((1,) * 40)
    assert isinstance(x, numpy.ndarray)
    assert x.ndim == 40
    with pytest.raises(ValueError):
        np.ones((1,) * 65)


@pytest.mark.parametrize("value", [[np.nan, 1.0, 2.0], [np.inf, 1.0, 2.0], [1e30, 0.0, 0.0]])
def test_floats_of_lists_that_are_no_whole_numbers(value):
    x = np.zeros(3, int)
    with pytest.raises((ValueError, OverflowError)):
        x[:] = value
    x[:] = [1.7, -1.7, 2.0]
    assert x.tolist() == [1, -1, 2]


def test_methods_that_cannot_flatten_in_place():
    x = np.array([[3, 1], [2, 0]])
    for call in (lambda: x.sort(None), lambda: x.sort(axis=None), lambda: x.partition(1, axis=None)):
        with pytest.raises(TypeError, match="axis"):
            call()


def test_choose_takes_its_choices_one_by_one():
    for module in (np, numpy):
        index = module.array([0, 1, 0])
        assert index.choose([1, 2, 3], [4, 5, 6]).tolist() == [1, 5, 3]
        assert index.choose(([1, 2, 3], [4, 5, 6]), mode="wrap").tolist() == [1, 5, 3]


def test_reductions_of_what_the_core_has_no_dtype_for():
    days = [numpy.datetime64("2001-01-02"), numpy.datetime64("2000-01-01")]
    assert np.max(days) == days[0]
    assert np.argmin(days) == 1
    assert np.argmax(["a", "c", "b"]) == 1
    with pytest.raises(TypeError):
        np.mean(["a"])


def test_numbers_reach_numpy_as_its_scalars():
    x = np.array([1.0, 2.0])
    assert np.piecewise(5, [x[0] > 0, x[0] > 9], [1, 0]) == 1
    assert np.isscalar(x[0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("kind", [numpy.float32, numpy.float64, lambda v: np.array([v, 1.0])[0]])
def test_single_floats_that_are_no_whole_numbers(value, kind):
    x = np.zeros(3, int)
    with pytest.raises((ValueError, OverflowError)):
        x[0] = kind(value)
    assert x.tolist() == [0, 0, 0]


class Ours:
    """Its array is one of ours, as in a program whose ``np`` we are."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1, 2, 1])


def test_objects_that_make_tensors():
    assert np.bincount(Ours()).tolist() == [0, 2, 1]
    assert np.array([Ours(), Ours()]).tolist() == [[1, 2, 1]] * 2
    assert np.sum(Ours()) == 4
    assert np.intersect1d(Ours(), [2]).tolist() == [2]


def test_copies_keep_the_order_in_memory():
    x = np.asarray(numpy.asfortranarray(numpy.ones((2, 3))))
    for made in (copy.copy(x), copy.deepcopy(x)):
        assert made.flags.f_contiguous
        assert not np.shares_memory(made, x)


def test_a_block_alone_is_copied():
    x = np.ones((2, 2))
    assert not np.shares_memory(np.block(x), x)


def test_shapes_beyond_memory():
    with pytest.raises(ValueError):
        np.zeros(10**30)


def test_numpys_older_protocols():
    x = np.arange(3)
    assert type(x.__array_wrap__(numpy.ones(2))) is type(x)
    struct = type("Struct", (), {"__array_struct__": x.__array_struct__})()
    assert numpy.shares_memory(numpy.asarray(struct), x.numpy())


def test_none_is_compared_with_each_element():
    for module in (np, numpy):
        x = module.ones((2, 2))
        assert (x == None).tolist() == [[False] * 2] * 2  # noqa: E711
        assert (x != None).tolist() == [[True] * 2] * 2  # noqa: E711
        assert x[0, 0] != None  # noqa: E711


def test_whole_numbers_repeat_sequences():
    for module in (np, numpy):
        count = module.argmax([0, 0, 5])
        assert [0] * count == count * [0] == [0, 0]
        assert "ab" * count == "abab"
        assert (count * (1,)) == (1, 1)
        assert (module.array(2) * [1, 2]).tolist() == [2, 4]


def test_methods_take_their_arguments_by_name():
    for module in (np, numpy):
        x = module.arange(6.0).reshape(2, 3)
        assert x.compress(condition=[1, 0], axis=0).tolist() == [[0, 1, 2]]
        x.put(indices=[0], values=[5], mode="raise")
        assert x[0, 0] == 5


def endless(width: int) -> list:
    """A list that holds itself."""
    values: list = [1.0] * (width - 1)
    values.extend([values] * width)
    return values


def deep() -> list:
    values: list = []
    for _ in range(5000):
        values = [values]
    return values


@pytest.mark.parametrize("values", [endless(1), endless(2), deep()], ids=["endless", "wide and endless", "deep"])
@pytest.mark.parametrize(
    "function",
    [
        np.array, np.sign, np.sum, np.concatenate, np.where, np.shape, np.histogram, np.linalg.norm, np.fft.fft,
        chainrule.Tensor, lambda values: np.add(1, values), lambda values: np.zeros(3) + values,
        lambda values: np.zeros(3)[values], lambda values: np.zeros(3).__setitem__(0, values),
        lambda values: np.full(3, values), lambda values: np.sign(values, casting="same_kind"),
    ],
)  # fmt: skip
def test_lists_without_an_end(function, values):
    with pytest.raises((ValueError, RecursionError)):  # in Python's own code it is the latter
        function(values)


@pytest.mark.parametrize("function", [chainrule.jit, chainrule.grad, lambda f: lambda x: chainrule.vjp(f, x)])
def test_arguments_without_an_end(function):
    with pytest.raises((ValueError, RecursionError)):
        function(lambda x: x)(endless(1))


@pytest.mark.parametrize(
    "call",
    [
        lambda text: np.ones((2, 2)).copy(order=text),
        lambda text: np.ones((2, 2)).reshape(4, order=text),
        lambda text: np.ones(2).tobytes(text),
        lambda text: np.ones(2).astype("f", casting=text),
        lambda text: np.ones(2).__dlpack__(**{text: 1}),
        lambda text: np.ones(2).sum(**{text: 1}),
        lambda text: np.ones(3, order=text),
        lambda text: chainrule.nn.relu(np.ones(3), **{text: 1}),
    ],
)
def test_text_that_has_no_utf8(call):
    with pytest.raises((TypeError, ValueError)):
        call("\ud800")


def test_protocol_called_by_hand():
    x = np.ones(3)
    with pytest.raises(TypeError, match="name of a method"):
        x.__array_ufunc__(numpy.add, x, x)
    with pytest.raises(TypeError, match="name of a method"):
        x.__array_ufunc__(numpy.add)


class NeitherTrueNorFalse:
    def __bool__(self) -> bool:
        raise RuntimeError("neither")


def test_arguments_of_methods_that_are_no_use():
    with pytest.raises(TypeError, match="must be str, not float"):
        np.float64(1.5).__format__(1.0)
    with pytest.raises(RuntimeError, match="neither"):
        np.ones(3).setflags(write=NeitherTrueNorFalse())


@pytest.mark.parametrize("value", [10**60, -(2**63) - 1])
def test_numbers_of_no_dtype_are_refused_by_out(value):
    for namespace in (numpy, np):
        out = namespace.zeros((), "int64")
        with pytest.raises(TypeError, match="Cannot cast ufunc 'invert' output"):
            namespace.invert(value, out)


class Scaled:
    """Knows numbers and nothing else."""

    def __rmul__(self, other):
        return ("rmul", type(other).__mro__[-2].__name__)

    def __mul__(self, other):
        return ("mul", float(other)) if isinstance(other, (int, float)) else NotImplemented


OTHER_OPERANDS = {
    "fraction": Fraction(1, 2),
    "decimal": Decimal("1.5"),
    "duration": timedelta(days=1),
    "date": date(2020, 1, 1),
    "text": "a",
    "list": [1, 2],
    "none": None,
    "object": Scaled(),
}
BINARY = [operator.add, operator.mul, operator.truediv, operator.floordiv, operator.pow, operator.eq, operator.lt]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", OTHER_OPERANDS)
@pytest.mark.parametrize("which", ["float", "int", "array"])
def test_operators_with_other_objects(which, kind, function, swapped):
    """Python's own numbers, dates and types of a program's own meet what they'd meet with NumPy."""
    answers = []
    for module in (numpy, np):
        x = module.array([2, 3] if which == "int" else [1.5, 2.5])
        x = x if which == "array" else x[0]
        operands = (OTHER_OPERANDS[kind], x) if swapped else (x, OTHER_OPERANDS[kind])
        try:
            answers.append(numpy.asarray(function(*operands)))
        except Exception as error:
            answers.append(type(error).__mro__[-3])
    theirs, ours = answers
    if isinstance(theirs, numpy.ndarray) and theirs.dtype.kind == "f":
        numpy.testing.assert_allclose(ours, theirs, rtol=4e-16, strict=True)
    elif isinstance(theirs, numpy.ndarray):
        assert ours.dtype == theirs.dtype
        assert ours.tolist() == theirs.tolist()
    else:
        assert ours is theirs


@pytest.mark.parametrize("function", [operator.add, operator.mul, operator.truediv, operator.lt])
def test_numbers_and_tensors_of_torch(function):
    torch = pytest.importorskip("torch")
    other, number = torch.tensor([1.0, 2.0]), np.asarray([1.5, 2.5]).mean()
    assert torch.equal(function(other, number), function(other, 2.0))
    assert torch.equal(function(number, other), function(2.0, other))


def test_other_objects_lose_no_gradient():
    with pytest.raises(TypeError):
        chainrule.grad(lambda x: x * Decimal(2))(np.asarray(1.5))


def test_annotations():
    assert np.ndarray[tuple[int], np.dtype[np.float64]].__origin__ == numpy.ndarray
    for module in (np, numpy):
        with pytest.raises(TypeError):
            module.ndarray[int, int, int]

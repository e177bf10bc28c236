"""Numbers: what NumPy makes a scalar of is a tensor that can't be written into; its arithmetic is NumPy's."""

from __future__ import annotations

import itertools
import operator
import warnings
from typing import Any

import numpy
import pytest

import chainrule
import chainrule.numpy as np

OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift,
    operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge,
]  # fmt: skip
VALUES = {dtype: [3, 2] for dtype in ("bool", "int8", "int32", "int64", "uint8", "uint64", "float32", "float64")}


def agree(ours: Any, theirs: Any) -> bool:
    a, b = outcome(ours), outcome(theirs)
    return a[:2] == b[:2] and (len(a) == 2 or a[2] == pytest.approx(b[2], rel=1e-6, nan_ok=True))


def outcome(compute: Any) -> tuple[Any, ...]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = compute()
    except (TypeError, ValueError, OverflowError) as error:
        return ("raises", type(error).__name__)
    return (str(result.dtype), result.shape, float(result))


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_operators_of_numbers_are_those_of_numpy_scalars(op: Any) -> None:
    others: list[Any] = [2, -3, 2.5, True, 300, numpy.float64(1.5), numpy.int16(4)]
    for a, b in itertools.product(VALUES, VALUES):
        x, y = numpy.array(VALUES[a], a), numpy.array(VALUES[b], b)
        ours = [np.array(x)[0], np.array(y)[1]]
        assert agree(lambda: op(*ours), lambda: op(x[0], y[1])), (a, b)  # noqa: B023
    for a, other in itertools.product(VALUES, others):
        x = numpy.array(VALUES[a], a)
        number = np.array(x)[0]
        assert agree(lambda: op(number, other), lambda: op(x[0], other)), (a, other)  # noqa: B023
        assert agree(lambda: op(other, number), lambda: op(other, x[0])), (other, a)  # noqa: B023


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of infinite and undefined results, as NumPy gives
@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("other", [2, 2.5, True, numpy.float64(1.5), numpy.float32(1.5), numpy.int64(2)])
def test_tensors_with_scalars(dtype: str, other: Any) -> None:
    x = numpy.arange(6).reshape(2, 3).astype(dtype)
    for op in OPERATORS:
        for view in (x, x[:, ::2], x.T):
            pairs = [(lambda v: op(v, other)), (lambda v: op(other, v))]  # noqa: B023
            for compute in pairs:
                try:
                    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
                        warnings.simplefilter("ignore")
                        expected = compute(view)
                except (TypeError, ValueError, OverflowError) as error:
                    with pytest.raises(type(error).__mro__[-3]):
                        compute(np.array(x)[tuple([slice(None)] * 2)] if view is x else np.asarray(view))
                    continue
                result = compute(np.asarray(view))
                assert result.dtype == expected.dtype
                numpy.testing.assert_allclose(numpy.asarray(result), expected, rtol=1e-6)


@pytest.mark.parametrize("make", [lambda x: x[1], lambda x: x.sum(), lambda x: x[0] * 2.0, lambda x: np.sqrt(x[1])])
def test_in_place_operators_leave_other_names_alone(make: Any) -> None:
    for source in (np.array([1.0, 4.0]), numpy.array([1.0, 4.0])):
        first = make(source)
        second = first
        second += 1
        assert float(second) == float(first) + 1


def test_an_array_without_axes_is_changed_in_place() -> None:
    x = np.array(3.0)
    y = x
    y += 1
    assert float(x) == 4.0
    x[...] = 7
    assert float(y) == 7.0


def test_a_number_is_no_place_to_write_to() -> None:
    number = np.array([1.0, 2.0])[0]
    with pytest.raises(TypeError, match="item assignment"):
        number[...] = 3.0
    with pytest.raises(TypeError, match="item assignment"):
        np.array([1.0, 2.0]).sum()[()] = 3.0


def test_numbers_are_keys() -> None:
    x = np.array([1, 2, 1])
    assert len(set(x)) == 2
    assert {1: "one", 2: "two"}[x[1]] == "two"
    with pytest.raises(TypeError):
        hash(x)
    with pytest.raises(TypeError):
        hash(np.array(1.0))


def test_a_number_becomes_a_tensor_when_asked() -> None:
    number = np.array([1.5, 2.5])[1]
    assert number.shape == ()
    assert number.ndim == 0
    assert number.dtype == numpy.float64
    assert numpy.asarray(number) == 2.5
    assert number.tolist() == 2.5
    assert float(number) == 2.5
    assert float(number + 1) == 3.5
    assert number.reshape(1).tolist() == [2.5]


def test_gradients_and_programs_with_numbers() -> None:
    x = np.array([2.0, 3.0])
    factor = x[1]
    assert chainrule.grad(lambda v: (v[0] * factor) ** 2)(x).tolist() == [36.0, 0.0]
    assert float(chainrule.grad(lambda v: v * v * factor)(factor)) == 18.0

    @chainrule.jit
    def scaled(v: Any) -> Any:
        total = v.sum()
        kept = total
        total += factor
        return kept, total * v[0]

    kept, result = scaled(x)
    assert float(kept) == 5.0
    assert float(result) == 16.0
    x[1] = 100.0  # a number does not change with the array it came from
    assert float(scaled(np.array([2.0, 3.0]))[1]) == 16.0

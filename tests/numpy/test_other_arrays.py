"""Arrays that compute themselves (masked arrays, matrices, other subclasses of ndarray, pandas) beside tensors:
what NumPy gives, of the type that NumPy gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

import chainrule
import chainrule.numpy as cnp

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")


class Metres(numpy.ndarray):
    """The plainest subclass."""


class Logged:
    """An array type of its own, which NumPy's functions ask by __array_ufunc__."""

    def __init__(self, values: Any) -> None:
        self.values = numpy.asarray(values, float)
        self.shape, self.size = self.values.shape, self.values.size

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return numpy.array(self.values, dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [x.values if isinstance(x, Logged) else numpy.asarray(x) for x in inputs]
        return Logged(getattr(ufunc, method)(*plain, **kwargs))

    def __str__(self) -> str:
        return f"Logged({self.values})"


def pandas_column() -> Any:
    return pytest.importorskip("pandas", reason="pandas is not installed").Series([1.0, 2.0, 100.0], index=list("abc"))


def pandas_frame() -> Any:
    return pytest.importorskip("pandas", reason="pandas is not installed").DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]})


ARRAYS: dict[str, Callable[[], Any]] = {
    "masked": lambda: numpy.ma.masked_array([1.0, 2.0, 100.0], mask=[0, 0, 1]),
    "matrix": lambda: numpy.matrix([[1.0, 2.0], [3.0, 4.0]]),
    "subclass": lambda: numpy.array([1.0, 2.0, 3.0]).view(Metres),
    "array_ufunc": lambda: Logged([1.0, 2.0, 3.0]),
    "column": pandas_column,
    "frame": pandas_frame,
}
OUR_KINDS = {"Tensor", "ndarray", "float64", "int64", "bool"}

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    **{
        name: lambda np, x, name=name: getattr(np, name)(x)
        for name in ["sqrt", "exp", "log", "abs", "isnan", "negative", "sin"]
    },  # type: ignore[misc]
    **{name: lambda np, x, name=name: getattr(np, name)(x, 2) for name in ["add", "maximum", "greater", "power"]},  # type: ignore[misc]
    "from the left": lambda np, x: np.multiply(2, x),
    "operator": lambda np, x: np.ones(x.shape) * x,
    "comparison": lambda np, x: np.ones(x.shape) < x,
    "asarray": lambda np, x: np.asarray(x),
    "outer": lambda np, x: np.outer(np.asarray(x), np.asarray(x)),
    "set": lambda np, x: _assigned(np, x),
}
REDUCTIONS = [
    "mean",
    "std",
    "var",
    "sum",
    "max",
    "min",
    "prod",
    "any",
    "cumsum",
    "median",
    "sort",
    "round",
    "clip",
    "concatenate",
    "where",
    "zeros_like",
]


def _assigned(np: Any, x: Any) -> Any:
    y = np.zeros(x.shape)
    y[:] = x
    return y


def _called(np: Any, name: str, x: Any) -> Any:
    if name == "concatenate":
        return np.concatenate([x, x])
    if name == "where":
        return np.where(x > 1, x, 0)
    return getattr(np, name)(x, *((0, 1.5) if name == "clip" else ()))


def _same(ours: Any, theirs: Any) -> None:
    assert str(ours) == str(theirs)
    assert type(ours) is type(theirs) or {type(ours).__name__, type(theirs).__name__} <= OUR_KINDS | {"float"}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ARRAYS)
def test_elementwise(kind: str, call: str) -> None:
    x = ARRAYS[kind]()
    if kind == "array_ufunc" and call in ("operator", "comparison"):
        pytest.skip("it has no operators")
    _same(CALLS[call](cnp, x), CALLS[call](numpy, x))


@pytest.mark.filterwarnings("ignore:.*will ignore the 'mask'")
@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("kind", [kind for kind in ARRAYS if kind != "array_ufunc"])
def test_functions(kind: str, name: str) -> None:
    x = ARRAYS[kind]()
    _same(_called(cnp, name, x), _called(numpy, name, x))


def test_a_matrix_multiplies_by_rows_and_columns() -> None:
    x, y = ARRAYS["matrix"](), numpy.array([[1.0, 1.0], [0.0, 1.0]])
    for ours, theirs in ((x * cnp.asarray(y), x * y), (cnp.asarray(y) * x, y * x), (cnp.dot(x, x), numpy.dot(x, x))):
        _same(ours, theirs)


def test_an_array_changed_in_place_stays_one() -> None:
    y = cnp.ones(3)
    same = y
    y += ARRAYS["masked"]()
    assert y is same
    assert y.tolist() == [2.0, 3.0, 101.0]


def test_a_file_in_memory_is_an_array(tmp_path: Any) -> None:
    x = numpy.memmap(tmp_path / "x", "float64", "w+", shape=(4,))
    x[:] = range(4)
    assert type(cnp.sqrt(x)) is chainrule.Tensor
    assert type(cnp.ones(4) + x) is chainrule.Tensor


def test_what_is_not_an_array_is_let_through_by_asanyarray() -> None:
    masked = ARRAYS["masked"]()
    assert cnp.asanyarray(masked) is masked
    assert type(cnp.asanyarray([1.0])) is chainrule.Tensor

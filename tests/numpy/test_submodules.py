"""NumPy's submodules under our name."""

from __future__ import annotations

import importlib
import sys

import numpy
import pytest

import chainrule.numpy as cnp

NAMES = [
    "char",
    "ctypeslib",
    "dtypes",
    "exceptions",
    "ma",
    "ma.extras",
    "polynomial",
    "polynomial.chebyshev",
    "polynomial.polynomial",
    "rec",
    "strings",
    "typing",
    "lib.recfunctions",
    "lib.format",
    "lib.mixins",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_module_holds_is_numpys(name: str) -> None:
    ours, theirs = importlib.import_module(f"chainrule.numpy.{name}"), importlib.import_module(f"numpy.{name}")
    assert ours.__name__ == f"chainrule.numpy.{name}"
    assert theirs.__name__ == f"numpy.{name}"
    for attribute in getattr(theirs, "__all__", dir(theirs)):
        value = getattr(theirs, attribute)
        if isinstance(value, type(numpy)):
            assert getattr(ours, attribute).__name__.removeprefix("chainrule.") == value.__name__
        elif not attribute.startswith("__"):
            found = getattr(ours, attribute)
            assert found is value or found.__wrapped__ is value  # the functions of polynomial are given arrays


def test_assertions_take_tensors() -> None:
    x = cnp.arange(3)
    cnp.testing.assert_equal(x, [0, 1, 2])
    cnp.testing.assert_equal({"a": [x, 1]}, {"a": [numpy.arange(3), 1]})
    cnp.testing.assert_array_less(x, actual_and_more := x + 1)
    assert type(actual_and_more) is type(x)
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 3"):
        cnp.testing.assert_equal(x, [0, 1, 5])
    with cnp.testing.assert_raises(ValueError):
        cnp.zeros(3).reshape(2)
    assert set(cnp.testing.__all__) == set(numpy.testing.__all__)


@pytest.mark.parametrize("name", ["testing", "linalg", "fft", "random", "lib", "lib.stride_tricks"])
def test_our_own_come_first(name: str) -> None:
    assert importlib.import_module(f"chainrule.numpy.{name}").__file__ is not None


def test_an_attribute_is_the_module_of_the_import() -> None:
    import chainrule.numpy.polynomial.chebyshev as chebyshev

    assert cnp.polynomial.chebyshev is chebyshev
    assert cnp.ma is importlib.import_module("chainrule.numpy.ma")


def test_what_numpy_has_not_is_an_import_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"chainrule\.numpy\.nonsense"):
        importlib.import_module("chainrule.numpy.nonsense")
    with pytest.raises(AttributeError, match="nonsense"):
        cnp.ma.nonsense  # noqa: B018
    assert "chainrule.numpy.nonsense" not in sys.modules


def test_they_read_our_arrays() -> None:
    x = cnp.asarray([1.0, 2.0, 3.0])
    assert cnp.ma.masked_array(x, mask=[0, 1, 0]).sum() == 4.0
    assert cnp.polynomial.Polynomial(x).degree() == 2
    cnp.testing.assert_allclose(cnp.polynomial.polynomial.polyval(x, x), [6.0, 17.0, 34.0])
    with pytest.raises(AssertionError):
        cnp.testing.assert_array_equal(x, x + 1)
    with pytest.raises(cnp.exceptions.AxisError):
        cnp.sum(x, axis=3)


def test_functions_of_polynomial_take_arrays_of_several_axes():
    x, y = numpy.linspace(0, 1, 4), numpy.linspace(-1, 1, 4)
    c = numpy.arange(16.0).reshape(4, 4)
    for module in ("polynomial", "chebyshev", "legendre", "laguerre", "hermite", "hermite_e"):
        ours = importlib.import_module(f"chainrule.numpy.polynomial.{module}")
        theirs = importlib.import_module(f"numpy.polynomial.{module}")
        prefix = {"polynomial": "poly", "chebyshev": "cheb", "legendre": "leg", "laguerre": "lag"}
        prefix = prefix.get(module, {"hermite": "herm", "hermite_e": "herme"}.get(module))
        for name, operands in (("val", (x, c)), ("grid2d", (x, y, c)), ("val2d", (x, y, c)), ("vander", (x, 3))):
            expected = getattr(theirs, prefix + name)(*operands)
            got = getattr(ours, prefix + name)(*[cnp.asarray(v) if numpy.ndim(v) else v for v in operands])
            numpy.testing.assert_array_equal(got, expected)

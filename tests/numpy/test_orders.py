"""Orders of elements in memory: copies, conversions and reshapes lie as NumPy's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule.numpy as cnp


def _arrays_in_orders() -> dict[str, Any]:
    x = np.arange(24.0).reshape(2, 3, 4)
    return {"rows": x, "columns": np.asfortranarray(x), "axes": x.transpose(1, 0, 2), "gaps": x[:, ::2, ::-1]}


ORDERED = {
    "copy": lambda np, x, order: x.copy(order),
    "np.copy": lambda np, x, order: np.copy(x, order),
    "array": lambda np, x, order: np.array(x, order=order),
    "astype": lambda np, x, order: x.astype("float32", order),
    "astype same": lambda np, x, order: x.astype("float64", order=order, copy=False),
    "astype complex": lambda np, x, order: x.astype("complex64", order=order),
    "reshape": lambda np, x, order: x.reshape(-1, 2, order=order),
    "reshape copy": lambda np, x, order: x.reshape((x.size,), order=order, copy=True),
    "np.reshape": lambda np, x, order: np.reshape(x, (2, -1), order=order),
    "ravel": lambda np, x, order: x.ravel(order),
    "np.ravel": lambda np, x, order: np.ravel(x, order),
    "flatten": lambda np, x, order: x.flatten(order),
    "tobytes": lambda np, x, order: np.frombuffer(x.tobytes(order)),
}


@pytest.mark.parametrize("order", ["C", "F", "A", "K", "f", "c", None])
@pytest.mark.parametrize("name", ORDERED)
@pytest.mark.parametrize("layout", _arrays_in_orders())
def test_orders_in_memory(layout: str, name: str, order: Any) -> None:
    x = _arrays_in_orders()[layout]
    if "reshape" in name and order == "K":
        for namespace, array in ((np, x), (cnp, cnp.asarray(x))):
            with pytest.raises(ValueError, match="order"):
                ORDERED[name](namespace, array, order)
        return
    expected = ORDERED[name](np, x, order)
    result = ORDERED[name](cnp, cnp.asarray(x), order)
    np.testing.assert_array_equal(result, expected)
    lengths = [(n, step) for n, step in zip(expected.shape, expected.strides, strict=True) if n > 1]
    assert [(n, step) for n, step in zip(result.shape, result.strides, strict=True) if n > 1] == lengths
    assert np.shares_memory(np.asarray(result), x) == np.shares_memory(expected, x) or name == "tobytes"


def test_an_order_that_is_none() -> None:
    for call in (lambda x: x.copy("x"), lambda x: x.reshape(6, order="CF"), lambda x: x.ravel("z")):
        with pytest.raises(ValueError, match="order must be one of 'C', 'F', 'A', or 'K'"):
            call(cnp.ones((2, 3)))
    with pytest.raises(ValueError, match="Unable to avoid creating a copy"):
        cnp.ones((2, 3)).T.reshape(6, copy=False)

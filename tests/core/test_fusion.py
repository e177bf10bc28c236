"""Programs that fuse elementwise chains and reductions of rows: the same bits as the eager calls, in one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule
import chainrule.numpy as cnp

Array = Any


def _softmax(x: Array) -> Array:
    e = cnp.exp(x - cnp.max(x, axis=-1, keepdims=True))
    return e / cnp.sum(e, axis=-1, keepdims=True)


def _layer_norm(x: Array) -> Array:
    d = x - cnp.mean(x, axis=-1, keepdims=True)
    return d / cnp.sqrt(cnp.mean(d * d, axis=-1, keepdims=True) + 1e-5) * x[0] + x[1]


def _dropped_axis(x: Array) -> Array:
    low, high = cnp.min(x, axis=-1), cnp.max(x, axis=-1)
    return (x - low[..., None]) / (high - low)[..., None], low, cnp.sum(x * x, axis=-1)


def _rows_as_results(x: Array) -> Array:
    m = cnp.max(x, axis=-1, keepdims=True)
    total = cnp.log(cnp.sum(cnp.exp(x - m), axis=-1, keepdims=True)) + m
    return total, x - total, cnp.where(x > total - 3, x, 0)


def _mixed(x: Array) -> Array:
    s = cnp.sum(x.astype("float64"), axis=-1, keepdims=True)
    y = x.astype("float64") * s + x[:, :1].astype("float64")
    return cnp.max(y, axis=-1), y.astype("float32"), cnp.transpose(x[:, ::2]) * 2 + cnp.sum(y) * 0


FUNCTIONS = [_softmax, _layer_norm, _dropped_axis, _rows_as_results, _mixed]


def _bits(results: Any) -> list[bytes]:
    listed = results if isinstance(results, tuple) else (results,)
    return [np.asarray(r).tobytes() + str((r.shape, r.dtype)).encode() for r in listed]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(8, 33), (9, 1000), (70, 128), (40, 31), (3, 400), (2, 20000)])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__.strip("_"))
def test_rows_give_the_bits_of_eager_calls(function: Callable[..., Any], shape: tuple[int, ...], dtype: str) -> None:
    x = cnp.asarray(np.random.default_rng(1).standard_normal(shape).astype(dtype))
    assert _bits(chainrule.jit(function)(x)) == _bits(function(x))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rows_do_not_depend_on_threads(threads: int) -> None:
    x = cnp.asarray(np.random.default_rng(2).standard_normal((600, 257)).astype("float32"))
    expected = _bits(_rows_as_results(x))
    before = chainrule.get_num_threads()
    chainrule.set_num_threads(threads)
    try:
        assert _bits(chainrule.jit(_rows_as_results)(x)) == expected
    finally:
        chainrule.set_num_threads(before)


@pytest.mark.parametrize("function", [_softmax, _layer_norm])
def test_a_normalisation_is_one_step(function: Callable[..., Any]) -> None:
    program = chainrule.explain(chainrule.jit(function), cnp.ones((64, 100), "float32"))
    assert "arena 0 bytes" in program
    assert "fused[m" in program


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of infinite and undefined results, as NumPy gives
def test_special_values_pass_through_rows() -> None:
    x = np.ones((10, 64), "float32")
    x[1, 3], x[2, 5], x[3, 63], x[4] = np.nan, np.inf, -np.inf, -0.0
    y = cnp.asarray(x)
    assert _bits(chainrule.jit(_rows_as_results)(y)) == _bits(_rows_as_results(y))


def test_a_chain_of_hundreds_of_members() -> None:
    def f(a: Array, b: Array) -> Array:
        for k in range(150):
            a = a * (1 - 1e-3 * k) + b * (k % 7) - (a > b)
        return a

    rng = np.random.default_rng(3)
    a, b = (cnp.asarray(rng.standard_normal(5000).astype("float32")) for _ in range(2))
    assert _bits(chainrule.jit(f)(a, b)) == _bits(f(a, b))


def test_gradients_of_rows() -> None:
    x = cnp.asarray(np.random.default_rng(4).standard_normal((12, 50)))
    loss = lambda x: cnp.sum(_softmax(x) * _layer_norm(x))  # noqa: E731
    assert _bits(chainrule.jit(chainrule.grad(loss))(x)) == _bits(chainrule.grad(loss)(x))
    chainrule.check_gradients(loss, x)


def residual(x: Any, w: Any, b: Any) -> Any:
    return x + cnp.tanh(x @ w + b)


def residual_first(x: Any, w: Any, b: Any) -> Any:
    return (x @ w) * x - b


def hidden_gradient(x: Any, w: Any, b: Any) -> Any:
    return chainrule.grad(lambda w, b: cnp.sum(chainrule.nn.relu(x @ w + b) @ w), (0, 1))(w, b)


def vectors(x: Any, w: Any, b: Any) -> Any:
    return (x[0] @ w) * b, b - w @ b, w.T @ b + b, (x[:1] @ w.T) - x[1:2], b + x[0] @ b


def squared_product(x: Any, w: Any, b: Any) -> Any:
    y = x @ w
    return y * y + b


@pytest.mark.parametrize("function", [residual, residual_first, hidden_gradient, squared_product, vectors])
@pytest.mark.parametrize("size", [3, 40, 200])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_products_with_what_follows_them_give_the_bits_of_eager_calls(function: Any, size: int, dtype: str) -> None:
    rng = np.random.default_rng(size)
    arguments = [
        cnp.asarray(rng.normal(size=shape)).astype(dtype) for shape in ((2 * size, size), (size, size), (size,))
    ]
    eager, jitted = function(*arguments), chainrule.jit(function)(*arguments)
    for one, other in zip(*((y if isinstance(y, tuple) else (y,)) for y in (eager, jitted)), strict=True):
        assert np.asarray(one.astype("float64")).tobytes() == np.asarray(other.astype("float64")).tobytes()


@pytest.mark.parametrize(
    ("function", "step"),
    [(residual, "matmul_bias_act<tanh><add>"), (hidden_gradient, "matmul_bias_act<relu_grad>")],
)
def test_a_product_takes_in_what_follows(function: Any, step: str) -> None:
    shapes = ((64, 32), (32, 32), (32,))
    assert step in chainrule.explain(chainrule.jit(function), *(cnp.ones(shape, "float32") for shape in shapes))


def stencil(x: Array) -> Array:
    y = x * 0
    for _ in range(3):
        y[1:-1, 1:-1] = 0.2 * (x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2])
        x[1:-1, 1:-1] = 0.2 * (y[1:-1, 1:-1] + y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, 2:])
    return x, y


def shifted_onto_itself(x: Array) -> Array:
    x[1:] = x[:-1] * 2 + x[1:]
    x[:, :-1] += x[:, 1:]
    x[:-1] = x[1:]
    return x


def row_by_row(x: Array) -> Array:
    for i in range(1, x.shape[0]):
        x[i, 1:] = x[i, 1:] * 0.5 - x[i - 1, :-1]
        x[i, 0] += x[i - 1, 0]
        x[i, 0] /= 3.0
        x[i, 2] = x[i, :2] @ x[i, :2]
    return x


def other_steps(x: Array) -> Array:
    x[::2, ::3] = x[::2, ::3] * 2 + 1
    x[::-1] = x + 1
    x[:, 1:4] = x[:, 1:4] - cnp.max(x[:, 1:4], axis=1, keepdims=True)
    return x


def every_element(x: Array) -> Array:
    for k in range(4):
        x[:] = cnp.minimum(x[:], x[:, k : k + 1] + x[k])
    y = x + 1
    y[...] = y * x
    return x, y, y


def old_values_wanted(x: Array) -> Array:
    y = x * 2
    a = y[1:3] + 1
    before = y[1:3] * 1
    y[1:3] = a
    y[2:4] = a
    return before, y, a


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32"])
@pytest.mark.parametrize("shape", [(9, 7), (40, 90), (300, 200)], ids=str)
@pytest.mark.parametrize(
    "function", [stencil, shifted_onto_itself, row_by_row, other_steps, every_element, old_values_wanted]
)
def test_writes_into_slices_give_the_bits_of_eager_calls(
    function: Callable[..., Any], shape: tuple[int, ...], dtype: str
) -> None:
    if dtype == "int32" and function in (stencil, row_by_row):
        pytest.skip("true division has no place in integers")
    values = (np.random.default_rng(0).standard_normal(shape) * 8).astype(dtype)
    expected = _bits(function(cnp.array(values)))
    before = chainrule.get_num_threads()
    try:
        for threads in (1, 2):
            chainrule.set_num_threads(threads)
            recorded = chainrule.jit(function)
            for _ in range(2):  # a program leaves nothing behind
                assert _bits(recorded(cnp.array(values))) == expected
    finally:
        chainrule.set_num_threads(before)


def test_a_stencil_is_written_where_it_belongs() -> None:
    # The first write into a tensor that others hold copies it; every other is part of what computes its values.
    program = chainrule.explain(chainrule.jit(stencil), cnp.ones((40, 90), "float32"))
    assert program.count("slice_update") <= 1


def test_a_write_of_every_element_leaves_the_value() -> None:
    program = chainrule.explain(chainrule.jit(every_element), cnp.ones((40, 90), "float32"))
    assert "slice_update" not in program

"""Op callables: arguments, errors; gradients and recordings through the tensor type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pairs import assert_same, values

import chainrule
from chainrule import _core

ops = _core.ops

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

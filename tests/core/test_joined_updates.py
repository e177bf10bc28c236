"""Optimizer updates that take in what their gradient is made of: the bits of the gradient and the update apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule import _core

ops = _core.ops

RULES = {
    "sgd": ((), {"momentum": 0.9, "nesterov": True}, 1),
    "adam": ((3,), {"amsgrad": True, "weight_decay": 0.01}, 3),
    "rmsprop": ((), {"momentum": 0.9, "centered": True}, 3),
}
M, K, N = 200, 30, 70


def tensors(rule: str, dtype: str, seed: int = 0) -> tuple[Any, Any, list[Any]]:
    """Activations (K, M), the gradient of what they were multiplied to (K, N), and a weight with its states."""
    rng = np.random.default_rng(seed)
    x, d = rng.normal(size=(K, M)).astype(dtype), rng.normal(size=(K, N)).astype(dtype)
    lists = [rng.uniform(0.5, 1, (M, N)).astype(dtype) for _ in range(1 + RULES[rule][2])]
    return _core.asarray(x), _core.asarray(d), [_core.asarray(each, copy=True) for each in lists]


def step(rule: str, x: Any, d: Any, lists: list[Any], returned: bool = False) -> list[Any]:
    first, attrs, _ = RULES[rule]
    weight, *states = lists
    g = ops.matmul(ops.transpose(x), d)
    getattr(ops, f"{rule}_update")(0.1, *first, weight, g, *states, count=1, **attrs)
    return [g] if returned else []


def bits(lists: list[Any]) -> list[bytes]:
    return [np.asarray(each).tobytes() for each in lists]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
def test_the_bits_are_those_of_eager_calls(rule: str, dtype: str) -> None:
    x, d, lists = tensors(rule, dtype)
    step(rule, x, d, lists)
    for threads in (1, 2, 3):
        again = tensors(rule, dtype)[2]
        program = _core.record(lambda x, d, again=again: step(rule, x, d, again), [(x.shape, dtype), (d.shape, dtype)])
        assert f"matmul_{rule}_update" in program.describe()
        before = chainrule.get_num_threads()
        chainrule.set_num_threads(threads)
        try:
            program(x, d)
        finally:
            chainrule.set_num_threads(before)
        assert bits(again) == bits(lists)


@pytest.mark.parametrize("rule", RULES)
def test_an_embedding_updates_its_table(rule: str) -> None:
    first, attrs, states = RULES[rule]
    rng = np.random.default_rng(3)
    g = _core.asarray(rng.normal(size=(6, 50, 30)).astype("float32"))
    numbers = _core.asarray(rng.integers(0, 900, (6, 50)) // 3 * 3)

    def one_step(g: Any, numbers: Any, lists: list[Any]) -> list[Any]:
        made = ops.embedding_grad(g, numbers, rows=1000, layer="words")
        getattr(ops, f"{rule}_update")(0.1, *first, lists[0], made, *lists[1:], count=1, **attrs)
        return []

    start = [rng.uniform(0.5, 1, (1000, 30)).astype("float32") for _ in range(1 + states)]
    expected = [_core.asarray(each, copy=True) for each in start]
    one_step(g, numbers, expected)
    again = [_core.asarray(each, copy=True) for each in start]
    program = _core.record(lambda g, n: one_step(g, n, again), [(g.shape, "float32"), (numbers.shape, "int64")])
    assert f"embedding_{rule}_update" in program.describe()
    program(g, numbers)
    assert bits(again) == bits(expected)
    with pytest.raises(IndexError, match=r"layer 'words': index 1000 is outside the table's range \[0, 1000\)"):
        program(g, _core.asarray(np.full((6, 50), 1000)))
    assert bits(again) == bits(expected)  # nothing was changed before the error


def test_a_gradient_that_is_a_result_too_stays_apart() -> None:
    x, d, lists = tensors("adam", "float32")
    expected = step("adam", x, d, lists, returned=True)
    again = tensors("adam", "float32")[2]
    signature = [(x.shape, "float32"), (d.shape, "float32")]
    program = _core.record(lambda x, d: step("adam", x, d, again, returned=True), signature)
    assert "matmul_adam_update" not in program.describe()
    assert bits(program(x, d)) == bits(expected)
    assert bits(again) == bits(lists)


def test_operands_that_another_update_changes_stay_apart() -> None:
    """Both gradients are made before either weight changes: the second product reads the first weight."""

    def both(d: Any, first: list[Any], second: list[Any]) -> list[Any]:
        weight = first[0]
        g, h = ops.matmul(ops.transpose(d), d), ops.matmul(ops.transpose(weight), weight)
        ops.sgd_update(0.1, weight, second[0], g, h, count=2)
        return []

    rng = np.random.default_rng(1)
    d, w, v = (rng.normal(size=(N, N)).astype("float32") for _ in range(3))
    results = []
    for recorded in (False, True):
        first, second = [_core.asarray(w, copy=True)], [_core.asarray(v, copy=True)]
        if recorded:
            _core.record(lambda d, f=first, s=second: both(d, f, s), [(d.shape, "float32")])(d)
        else:
            both(_core.asarray(d), first, second)
        results.append(bits(first + second))
    assert results[0] == results[1]


@pytest.mark.parametrize("part", ["weight", "state"])
def test_operands_that_the_update_changes_itself(part: str) -> None:
    rng = np.random.default_rng(2)
    square = [rng.uniform(0.5, 1, (64, 64)) for _ in range(3)]
    results = []
    for aliased in (False, True):
        weight, m, v = (_core.asarray(each, copy=True) for each in square)
        a = {"weight": weight, "state": v}[part]
        a = a if aliased else _core.asarray(np.asarray(a), copy=True)
        ops.matmul_adam_update(ops.transpose(a), a, 0.1, 0, weight, m, v)
        results.append(bits([weight, m, v]))
    assert results[0] == results[1]


def test_what_does_not_fit_says_so() -> None:
    x, d, (weight, *states) = tensors("adam", "float32")
    with pytest.raises(ValueError, match=r"matrices a \(m, k\) and b \(k, n\)"):
        ops.matmul_adam_update(x, d, 0.1, 0, weight, *states[:2])
    with pytest.raises(TypeError, match="must be float32, or all float64"):
        ops.matmul_adam_update(ops.transpose(x), d.astype("float64"), 0.1, 0, weight, *states[:2])
    with pytest.raises(ValueError, match="expected the weight and 2 tensors of state, got 2"):
        ops.matmul_adam_update(ops.transpose(x), d, 0.1, 0, weight, states[0])

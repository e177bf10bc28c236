"""Two tensors over one array of NumPy have a storage each: what writes into one must know that it changes the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule
import chainrule.numpy as cnp
from chainrule import _core

ops = _core.ops


def test_index_assignment_reads_the_value_before_it_writes() -> None:
    memory = np.arange(6.0)
    x = cnp.asarray(memory)
    x[[1, 2, 3, 4, 5]] = memory[:-1]
    assert memory.tolist() == [0, 0, 1, 2, 3, 4]
    memory = np.arange(6.0)
    x = cnp.asarray(memory)
    x[np.array([False, True, True, True, True, True])] = cnp.asarray(memory[:-1])
    assert memory.tolist() == [0, 0, 1, 2, 3, 4]
    memory = np.arange(6.0)
    cnp.asarray(memory)[1:] = memory[:-1]
    assert memory.tolist() == [0, 0, 1, 2, 3, 4]


def test_out_reads_the_operands_before_it_writes() -> None:
    n = 5000
    memory = np.arange(float(n))
    cnp.add(cnp.asarray(memory[:-1]), 1.0, out=cnp.asarray(memory[1:]))
    np.testing.assert_array_equal(memory, np.arange(float(n)))
    memory = np.ones(n)
    x = cnp.asarray(memory)[1:]
    x += memory[:-1]
    np.testing.assert_array_equal(memory[1:], 2.0)


def weights_and_data(shared: str) -> tuple[Any, Any, Any]:
    """Two weights (200, 70), and activations (30, 200) that are a part of the first or the second."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(200, 70)).astype(np.float32) for _ in range(2)]
    apart = arrays[int(shared == "second")].reshape(-1)[:6000].reshape(30, 200)
    weights = [_core.asarray(each) for each in arrays]
    return weights[0], weights[1], _core.asarray(apart)


@pytest.mark.parametrize("shared", ["first", "second"])
def test_inputs_of_a_program_are_read_as_they_are_when_it_begins(shared: str) -> None:
    def step(a: Any, b: Any, x: Any) -> None:
        d = ops.matmul(x, a)
        gradient = ops.matmul(ops.transpose(x), d)
        ops.sgd_update(0.1, a, gradient, count=1)
        ops.sgd_update(0.1, b, gradient * 2.0, count=1)
        ops.sgd_update(0.1, b, ops.matmul(ops.transpose(x), d), count=1)

    first, second, data = weights_and_data(shared)
    expected = [np.array(first), np.array(second)]
    fixed = [_core.asarray(each, copy=True) for each in expected]
    step(*fixed, _core.asarray(data, copy=True))

    program = _core.record(lambda x: step(first, second, x) or [], [(data.shape, "float32")])
    program(data)
    np.testing.assert_array_equal(np.asarray(first), np.asarray(fixed[0]))
    np.testing.assert_array_equal(np.asarray(second), np.asarray(fixed[1]))


def test_a_recorded_step_knows_captured_tensors_over_one_memory() -> None:
    def step(weight: Any, view: Any) -> list[Any]:
        before = ops.matmul(ops.transpose(view), view) * 2.0
        again = ops.sum(ops.square(view))
        ops.sgd_update(0.5, weight, ops.matmul(ops.transpose(view), view), count=1)
        return [before, again, ops.sum(ops.square(view))]

    results = []
    for recorded in (False, True):
        memory = np.random.default_rng(1).normal(size=(90, 90)).astype(np.float32)
        weight, view = _core.asarray(memory), _core.asarray(memory)
        if recorded:
            results.append(_core.record(lambda w=weight, v=view: step(w, v), [])())
        else:
            results.append(step(weight, view))
        results[-1].append(memory)
    for eager, replayed in zip(*results, strict=True):
        np.testing.assert_array_equal(np.asarray(eager), np.asarray(replayed))


def test_jit_takes_arguments_as_values() -> None:
    weight = chainrule.asarray(np.ones(4, np.float32), copy=True)

    @chainrule.jit
    def step(x: Any) -> Any:
        weight[...] = weight + x
        return x * 1.0

    assert step(weight[:]).tolist() == [1, 1, 1, 1]
    assert step(weight[:]).tolist() == [2, 2, 2, 2]
    assert weight.tolist() == [4, 4, 4, 4]

"""Walks the op table: values, dtypes, gradients, layouts, recording, threads and instruction sets of every op.

What each op must give stands in samples.py; nothing here knows a particular op.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from samples import SAMPLES, Case, Samples

from chainrule import _core

Array = NDArray[Any]

NAMES = [name for name in _core.op_names() if name in SAMPLES]
CASES = [(name, i) for name in NAMES for i in range(len(SAMPLES[name].cases))]
BIG = [name for name in NAMES if SAMPLES[name].big]
SMOOTH = [  # results in float64 only: differences of others are too coarse
    (name, i)
    for name, i in CASES
    if SAMPLES[name].gradients and SAMPLES[name].cases[i].attrs.get("dtype", "float64") == "float64"
]


def label(value: Any) -> str:
    return str(value)


def convert(values: Array, dtype: str) -> Array:
    """The values of a sample in a dtype that may have no signs, fractions or more than two values."""
    if dtype == "bool":
        return np.floor(np.abs(values) * 4) % 2 == 1
    return np.abs(values).astype(dtype) if dtype[0] == "u" else values.astype(dtype)


def is_data(samples: Samples, i: int) -> bool:
    return samples.data is None or i in samples.data


def inputs_of(samples: Samples, case: Case, dtype: str) -> list[Array]:
    return [convert(x, dtype) if is_data(samples, i) else x for i, x in enumerate(case.inputs)]


def run(name: str, inputs: Sequence[Any], attrs: dict[str, Any]) -> tuple[Array, ...]:
    """The op's results; of an op that works in place, the tensors it changed."""
    mutated = SAMPLES[name].mutated
    tensors = [_core.asarray(x, copy=True) if i in mutated else _core.asarray(x) for i, x in enumerate(inputs)]
    result = getattr(_core.ops, name)(*tensors, **attrs)
    if mutated:
        assert result is None
        return tuple(np.array(tensors[i]) for i in mutated if i < len(tensors))
    results = result if isinstance(result, (list, tuple)) else [result]
    return tuple(np.array(y) for y in results[: SAMPLES[name].results])


def expect(samples: Samples, inputs: Sequence[Array], attrs: dict[str, Any], dtype: str) -> tuple[Array, ...]:
    """What the reference gives, floats computed in float64 and rounded once."""
    wide = not samples.narrow
    exact = [np.array(x, "float64" if wide and x.dtype == np.float32 else x.dtype) for x in inputs]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = samples.reference(*exact, **attrs)
    results = result if isinstance(result, tuple) else (result,)
    narrow = dtype == "float32" and "dtype" not in attrs
    return tuple(
        np.asarray(y).astype("float32") if narrow and np.asarray(y).dtype == np.float64 else np.asarray(y)
        for y in results
    )


def check(actual: Sequence[Array], expected: Sequence[Array], tolerance: float) -> None:
    assert len(actual) == len(expected)
    for y, wanted in zip(actual, expected, strict=True):
        assert y.dtype == wanted.dtype
        assert y.shape == wanted.shape
        if y.dtype.kind != "f":
            np.testing.assert_array_equal(y, wanted)
            continue
        bound = 8 * tolerance * np.finfo(y.dtype).eps
        size = np.max(np.abs(wanted), initial=1, where=np.isfinite(wanted))
        np.testing.assert_allclose(y, wanted, rtol=bound, atol=bound * size)


def same_bits(a: Sequence[Array], b: Sequence[Array]) -> None:
    for x, y in zip(a, b, strict=True):
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        assert x.tobytes() == y.tobytes()


def test_every_op_has_samples():
    assert not [name for name in _core.op_names() if name not in SAMPLES], "add them to samples.py"


# ---- values and dtypes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "i"), CASES, ids=label)
def test_values(name: str, i: int):
    samples = SAMPLES[name]
    case = samples.cases[i]
    for dtype in samples.dtypes:
        inputs = inputs_of(samples, case, dtype)
        check(run(name, inputs, case.attrs), expect(samples, inputs, case.attrs, dtype), samples.tolerance)


@pytest.mark.parametrize("name", BIG)
def test_values_of_large_inputs(name: str):
    samples = SAMPLES[name]
    for dtype in set(samples.dtypes) & {"float32", "int64", "uint64"}:
        inputs = inputs_of(samples, samples.big, dtype)
        check(
            run(name, inputs, samples.big.attrs), expect(samples, inputs, samples.big.attrs, dtype), samples.tolerance
        )


@pytest.fixture
def isa() -> Iterator[Callable[[str], None]]:
    before = _core.isa()
    yield _core.set_isa
    _core.set_isa(before)


@pytest.mark.parametrize("level", _core.available_isas())
@pytest.mark.parametrize("name", NAMES)
def test_instruction_sets(name: str, level: str, isa: Callable[[str], None]):
    isa(level)
    samples = SAMPLES[name]
    for case in (samples.cases[0], samples.big):
        for dtype in set(samples.dtypes) & {"float32", "float64", "int32", "uint64"} if case else ():
            inputs = inputs_of(samples, case, dtype)
            check(run(name, inputs, case.attrs), expect(samples, inputs, case.attrs, dtype), samples.tolerance)


# ---- layouts -------------------------------------------------------------------------------------------------------


def columns_first(x: Array) -> Array:
    return x.T.copy().T


def stepped(x: Array) -> Array:
    if x.ndim == 0:
        return x
    wide = np.empty([2 * length for length in x.shape], x.dtype)
    view = wide[(slice(1, None, 2),) * x.ndim]
    view[...] = x
    return view


def reversed_in_memory(x: Array) -> Array:
    every = (slice(None, None, -1),) * x.ndim
    return x[every].copy()[every]


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "columns first": columns_first,
    "every second": stepped,
    "backwards": reversed_in_memory,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_strided_inputs_give_the_same_bits(name: str, layout: str):
    samples = SAMPLES[name]
    dtype = "float32" if "float32" in samples.dtypes else samples.dtypes[-1]
    for case in [*samples.cases, *([samples.big] if samples.big else [])]:
        inputs = inputs_of(samples, case, dtype)
        strided = [x if i in samples.mutated else LAYOUTS[layout](x) for i, x in enumerate(inputs)]
        if samples.same_bits:
            same_bits(run(name, strided, case.attrs), run(name, inputs, case.attrs))
        else:
            check(run(name, strided, case.attrs), run(name, inputs, case.attrs), samples.tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_broadcast_inputs_give_the_same_bits(name: str):
    samples = SAMPLES[name]
    dtype = "float32" if "float32" in samples.dtypes else samples.dtypes[-1]
    for case in samples.cases:
        inputs = inputs_of(samples, case, dtype)
        for i, x in enumerate(inputs):
            if i in samples.mutated or not is_data(samples, i) or x.size == 0:
                continue
            for axis in range(x.ndim):
                stretched = np.broadcast_to(x.take([0], axis), x.shape)
                call = [*inputs[:i], stretched, *inputs[i + 1 :]]
                same = [*inputs[:i], stretched.copy(), *inputs[i + 1 :]]
                if samples.same_bits:
                    same_bits(run(name, call, case.attrs), run(name, same, case.attrs))
                else:
                    check(run(name, call, case.attrs), run(name, same, case.attrs), samples.tolerance)


# ---- recording and threads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_recorded_is_eager(name: str):
    samples = SAMPLES[name]
    op = getattr(_core.ops, name)
    for case, dtype in itertools.product(samples.cases, samples.dtypes):
        inputs = inputs_of(samples, case, dtype)
        eager = run(name, inputs, case.attrs)
        mutated = {i: _core.asarray(x, copy=True) for i, x in enumerate(inputs) if i in samples.mutated}
        given = [x for i, x in enumerate(inputs) if i not in mutated]
        n = len(inputs)

        def call(*placeholders: Any, mutated=mutated, n=n, attrs=case.attrs) -> list[Any]:
            rest = iter(placeholders)
            result = op(*(mutated[i] if i in mutated else next(rest) for i in range(n)), **attrs)
            results = [] if result is None else result if isinstance(result, (list, tuple)) else [result]
            return list(results[: SAMPLES[name].results])

        inputs_recorded = [_core.asarray(x) for x in inputs]
        program = _core.record(call, [(x.shape, x.dtype) for i, x in enumerate(inputs_recorded) if i not in mutated])
        results = program(*given)
        same_bits([np.array(y) for y in (mutated.values() if mutated else results)], eager)


@pytest.mark.parametrize("name", BIG)
def test_threads_give_the_same_bits(name: str):
    samples = SAMPLES[name]
    before = _core.num_threads()
    try:
        for dtype in set(samples.dtypes) & {"float32", "float64", "uint64"}:
            inputs = inputs_of(samples, samples.big, dtype)
            results = []
            for threads in (1, 2, 3):
                _core.set_num_threads(threads)
                results.append(run(name, inputs, samples.big.attrs))
            same_bits(results[1], results[0])
            same_bits(results[2], results[0])
    finally:
        _core.set_num_threads(before)


# ---- gradients -----------------------------------------------------------------------------------------------------


def pull(name: str, inputs: Sequence[Any], attrs: dict[str, Any], cotangent: Any, depth: int = 1) -> list[Any]:
    """Cotangents of the differentiable inputs; None where nothing flows."""
    which = SAMPLES[name].gradients
    tensors = [_core.asarray(x) for x in inputs]
    _core.push_recording()
    try:
        heads = {i: _core.leaf(x) if depth == 1 else x for i, x in enumerate(tensors) if i in which}
        y = getattr(_core.ops, name)(*(heads.get(i, x) for i, x in enumerate(tensors)), **attrs)
        if depth > 1:
            return _core.backward([y], [cotangent], list(heads.values()))
    finally:
        _core.pop_recording()
    return _core.backward([y], [cotangent], list(heads.values()))


def numeric_gradient(f: Callable[[list[Array]], float], inputs: list[Array], i: int, step: float = 1e-5) -> Array:
    """Central differences of f by every element of input i."""
    gradient = np.zeros(inputs[i].shape)
    for place in np.ndindex(*inputs[i].shape):
        values = []
        for sign in (1, -1):
            moved = [x.copy() for x in inputs]
            moved[i][place] += sign * step
            values.append(f(moved))
        gradient[place] = (values[0] - values[1]) / (2 * step)
    return gradient


def dense(gradient: Any, like: Array) -> Array:
    return np.zeros(like.shape) if gradient is None else np.array(gradient)


def cotangent_for(name: str, inputs: Sequence[Array], attrs: dict[str, Any]) -> Array:
    (y,) = run(name, inputs, attrs)
    return np.asarray(np.random.default_rng(y.size).uniform(0.5, 1.5, y.shape))


def float_case(name: str, i: int) -> tuple[list[Array], dict[str, Any]]:
    case = SAMPLES[name].cases[i]
    return inputs_of(SAMPLES[name], case, "float64"), case.attrs


@pytest.mark.parametrize(("name", "i"), SMOOTH, ids=label)
def test_gradient(name: str, i: int):
    inputs, attrs = float_case(name, i)
    u = cotangent_for(name, inputs, attrs)

    def projected(values: list[Array]) -> float:
        return float(np.sum(run(name, values, attrs)[0] * u))

    which = [k for k in SAMPLES[name].gradients if k < len(inputs)]
    for k, gradient in zip(which, pull(name, inputs, attrs, u), strict=True):
        if gradient is not None:
            assert gradient.dtype == np.float64
            assert gradient.shape == inputs[k].shape
        np.testing.assert_allclose(
            dense(gradient, inputs[k]),
            numeric_gradient(projected, inputs, k),
            rtol=1e-7,
            atol=1e-7,
            err_msg=f"input {k}",
        )


@pytest.mark.parametrize(("name", "i"), SMOOTH, ids=label)
def test_gradient_of_the_gradient(name: str, i: int):
    inputs, attrs = float_case(name, i)
    u = cotangent_for(name, inputs, attrs)
    which = [k for k in SAMPLES[name].gradients if k < len(inputs)]
    rng = np.random.default_rng(len(inputs))
    directions = [rng.uniform(-1, 1, inputs[k].shape) for k in which]

    def projected(values: list[Array]) -> float:
        grads = pull(name, values[:-1], attrs, values[-1])
        return float(sum(np.sum(dense(g, d) * d) for g, d in zip(grads, directions, strict=True)))

    everything = [*inputs, u]
    _core.push_recording()
    try:
        heads = [
            _core.leaf(_core.asarray(x)) if k in which or k == len(inputs) else x for k, x in enumerate(everything)
        ]
        grads = pull(name, heads[:-1], attrs, heads[-1], depth=2)
        sums = [
            _core.ops.sum(_core.ops.multiply(g, d)) for g, d in zip(grads, directions, strict=True) if g is not None
        ]
    finally:
        _core.pop_recording()
    asked = [*which, len(inputs)]
    second = _core.backward(sums, [None] * len(sums), [heads[k] for k in asked])
    for k, gradient in zip(asked, second, strict=True):
        wanted = numeric_gradient(projected, everything, k)
        np.testing.assert_allclose(dense(gradient, everything[k]), wanted, rtol=1e-6, atol=1e-6, err_msg=f"input {k}")


@pytest.mark.parametrize(("name", "i"), SMOOTH, ids=label)
def test_recorded_gradient_is_eager(name: str, i: int):
    inputs, attrs = float_case(name, i)
    u = cotangent_for(name, inputs, attrs)
    eager = pull(name, inputs, attrs, u)
    program = _core.record(
        lambda *tensors: [g for g in pull(name, tensors[:-1], attrs, tensors[-1]) if g is not None],
        [(np.shape(x), np.asarray(x).dtype) for x in (*inputs, u)],
    )
    for recorded, gradient in zip(program(*inputs, u), [g for g in eager if g is not None], strict=True):
        np.testing.assert_allclose(np.array(recorded), np.array(gradient), rtol=1e-13, atol=1e-13)

"""Random programs of 5 to 20 operations: NumPy's result, eager and recorded (CHAINRULE_PROGRAMS=1000 for more)."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule
import chainrule.numpy as np

COUNT = int(os.environ.get("CHAINRULE_PROGRAMS", "100"))

# Each takes the namespace, two arrays and a small whole number. They are continuous, and their values stay of ordinary
# size, so that rounding in another order changes little.
STEPS = {
    "add": lambda np, x, y, k: x + y,
    "subtract": lambda np, x, y, k: x - y,
    "multiply": lambda np, x, y, k: np.clip(x * y, -10, 10),
    "divide": lambda np, x, y, k: x / (1 + np.abs(y)),
    "maximum": lambda np, x, y, k: np.maximum(x, y),
    "minimum": lambda np, x, y, k: np.minimum(x, k),
    "where": lambda np, x, y, k: np.where(x > y, x, y),
    "exp": lambda np, x, y, k: np.exp(np.minimum(x, 2)),
    "tanh": lambda np, x, y, k: np.tanh(x),
    "sqrt": lambda np, x, y, k: np.sqrt(1 + x * x),
    "sin": lambda np, x, y, k: np.sin(x),
    "log1p": lambda np, x, y, k: np.log1p(np.abs(x)),
    "power": lambda np, x, y, k: np.clip(x, -3, 3) ** k,
    "negative": lambda np, x, y, k: -x,
    "sum": lambda np, x, y, k: np.sum(x, axis=k % max(x.ndim, 1)) / 3 if x.ndim else np.sum(x),
    "mean": lambda np, x, y, k: x.mean(axis=-1, keepdims=True) if x.ndim else x,
    "max": lambda np, x, y, k: np.max(x, axis=0),
    "var": lambda np, x, y, k: np.var(x, axis=0) if x.ndim else np.var(x),
    "cumsum": lambda np, x, y, k: np.cumsum(x, axis=-1) / 4,
    "softmax": lambda np, x, y, k: np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x))),
    "sort": lambda np, x, y, k: np.sort(x, axis=-1),
    "transpose": lambda np, x, y, k: x.T,
    "reshape": lambda np, x, y, k: x.reshape(-1),
    "fold": lambda np, x, y, k: np.reshape(x, (2, -1)),
    "swap": lambda np, x, y, k: np.swapaxes(x, 0, -1),
    "newaxis": lambda np, x, y, k: x[..., None],
    "squeeze": lambda np, x, y, k: np.squeeze(x),
    "slice": lambda np, x, y, k: x[k % 2 :: 2],
    "reverse": lambda np, x, y, k: x[::-1] + 0.0,
    "row": lambda np, x, y, k: x[k % 3],
    "pick": lambda np, x, y, k: x[[0, -1, k % 2]],
    "take": lambda np, x, y, k: np.take(x, [1, 0], axis=-1),
    "concatenate": lambda np, x, y, k: np.concatenate([x, y])[:6],
    "stack": lambda np, x, y, k: np.stack([x, y], axis=-1) if x.ndim < 4 else x,
    "pad": lambda np, x, y, k: np.pad(x, 1)[:5] if x.ndim in (1, 2) else x,
    "roll": lambda np, x, y, k: np.roll(x, k),
    "tile": lambda np, x, y, k: np.tile(x, 2)[:6] if x.ndim == 1 else x,
    "matmul": lambda np, x, y, k: np.tanh(x @ y),
    "gram": lambda np, x, y, k: np.tanh(np.tensordot(x, x, axes=([0], [0]))) if x.ndim in (1, 2) else x,
    "einsum": lambda np, x, y, k: np.einsum("...i,...i->...", x, x) / 9,
    "outer": lambda np, x, y, k: np.outer(x, y)[:4, :4],
    "astype": lambda np, x, y, k: x.astype("float32").astype("float64"),
    "integers": lambda np, x, y, k: x + np.arange(x.shape[-1]),
    "broadcast": lambda np, x, y, k: np.broadcast_to(x, (2, *x.shape)) if x.ndim < 4 else x,
    "diff": lambda np, x, y, k: np.diff(x),
    "norm": lambda np, x, y, k: np.linalg.norm(x, axis=-1) / 4,
    "clip": lambda np, x, y, k: np.clip(x, -1, k),
    "assign": lambda np, x, y, k: assigned(np, x, k),
    "in_place": lambda np, x, y, k: doubled(np, x),
}
LARGEST = 4096


def assigned(np: Any, x: Any, k: int) -> Any:
    x = x + 0.0
    x[k % 2] = 0.5
    return x


def doubled(np: Any, x: Any) -> Any:
    x = x * 1.0
    x += 1
    x *= 0.5
    return x


def run(namespace: Any, program: list[tuple[str, int, int, int]], *inputs: Any) -> Any:
    values = list(inputs)
    for name, i, j, k in program:
        result = STEPS[name](namespace, values[i % len(values)], values[j % len(values)], k)
        values.append(result if result.size <= LARGEST and result.ndim <= 5 else values[-1])
    return values[len(inputs) :]


def attempt(*args: Any) -> tuple[Any, type | None]:
    try:
        with warnings.catch_warnings(), numpy.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return run(*args), None
    except (ValueError, IndexError, TypeError) as error:
        return None, next(kind for kind in type(error).__mro__ if kind.__module__ in ("builtins", "numpy.exceptions"))


step = st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 30), st.integers(0, 30), st.integers(1, 3))


@settings(max_examples=COUNT, deadline=None, derandomize=COUNT <= 100, suppress_health_check=list(HealthCheck))
@given(st.lists(step, min_size=5, max_size=20), st.sampled_from(["float64", "float32"]), st.integers(0, 2**16))
def test_random_program(program, dtype, seed):
    rng = numpy.random.default_rng(seed)
    inputs = [rng.standard_normal(shape).astype(dtype) for shape in ((3, 4), (4,), (3, 4), (4, 3))]
    # Only as far as NumPy gets: then the same step must fail for the same reason.
    expected, error = attempt(numpy, program, *inputs)
    while error is not None:
        ours, raised = attempt(np, program, *[np.array(x) for x in inputs])
        assert raised is not None, f"NumPy raises {error.__name__} in {program}, we return"
        # A full reduction is a number in NumPy, which has no item assignment; here it is an array without axes.
        allowed = (error, IndexError) if error is TypeError else error
        assert issubclass(raised, allowed), f"NumPy raises {error.__name__}, we {raised.__name__}"
        program = program[:-1]
        expected, error = attempt(numpy, program, *inputs)
    tensors = [np.array(x) for x in inputs]
    eager = run(np, program, *tensors)
    recorded = chainrule.jit(lambda *xs: run(np, program, *xs))(*tensors)
    tolerance = {"float64": 1e-9, "float32": 2e-3}[dtype]
    for (name, *_), ours, compiled, theirs in zip(program, eager, recorded, expected, strict=True):
        for kind, result in (("eager", ours), ("jit", compiled)):
            assert result.shape == theirs.shape, (kind, name)
            assert result.dtype == theirs.dtype, (kind, name)
            numpy.testing.assert_allclose(
                numpy.asarray(result), theirs, rtol=tolerance, atol=tolerance, err_msg=f"{kind}: {name}"
            )

"""Random programs of 5 to 20 operations: NumPy's result, eager and recorded.

A thousand that are the same every time; CHAINRULE_PROGRAMS=5000 tries that many others.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule
import chainrule.numpy as np

COUNT = int(os.environ.get("CHAINRULE_PROGRAMS", "1000"))
SAME = "CHAINRULE_PROGRAMS" not in os.environ

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
    "hypot": lambda np, x, y, k: np.hypot(x, y) / 2,
    "arctan2": lambda np, x, y, k: np.arctan2(x, 2 + y * y),
    "expm1": lambda np, x, y, k: np.expm1(np.minimum(x, 1)),
    "negative_power": lambda np, x, y, k: (1 + x * x) ** -1.5,
    "scaled": lambda np, x, y, k: 0.5 * x / k - k,
    "centred": lambda np, x, y, k: x - np.mean(x),
    "extremes": lambda np, x, y, k: (x - x.min(axis=-1, keepdims=True)) / (1 + x.max() - x.min()),
    "std": lambda np, x, y, k: np.std(x) + x,
    "prod": lambda np, x, y, k: np.prod(np.clip(x, -1, 1), axis=-1),
    "ravel": lambda np, x, y, k: x.ravel(),
    "flip": lambda np, x, y, k: np.flip(x),
    "triu": lambda np, x, y, k: np.triu(x, k - 2) if x.ndim > 1 else x,
    "expand": lambda np, x, y, k: np.expand_dims(x, 0) if x.ndim < 4 else x,
    "hstack": lambda np, x, y, k: np.hstack([x, x])[..., :5],
    "repeat": lambda np, x, y, k: np.repeat(x, 2, axis=0)[:6],
    "outer_sum": lambda np, x, y, k: np.add.outer(x, y)[:3] if x.ndim + y.ndim < 5 else x,
    "dot": lambda np, x, y, k: np.tanh(np.dot(x, y)),
    "linspace": lambda np, x, y, k: x + np.linspace(0, 1, x.shape[-1]),
    "out": lambda np, x, y, k: np.multiply(x, k, out=np.zeros_like(x)) / 2,
    "any": lambda np, x, y, k: np.where(np.any(even(np, x), axis=0), x, -x),
    "choice": lambda np, x, y, k: np.where(even(np, x) & ~(places(np, x) == k), x, 0.5 * x),
    "bits": lambda np, x, y, k: x * ((places(np, x) ^ k) & 3) / 2,
    "remainders": lambda np, x, y, k: x + places(np, x) % (k + 1) - (places(np, x) << 1) // (k + 2),
    "squares": lambda np, x, y, k: x + np.minimum(places(np, x) ** 2, 5),
    "number": lambda np, x, y, k: with_number(np, x),
    "masked": lambda np, x, y, k: masked(np, x, k),
    "columns": lambda np, x, y, k: columns(np, x),
    "recurrence": lambda np, x, y, k: recurrence(np, x),
    "overlap": lambda np, x, y, k: overlap(np, x, k),
    "swapped": lambda np, x, y, k: swapped(np, x),
    "filled": lambda np, x, y, k: filled(np, x, k),
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


def places(np: Any, x: Any) -> Any:
    """The elements' numbers in row-major order: whole numbers whose values don't depend on rounding."""
    return np.arange(x.size).reshape(x.shape)


def even(np: Any, x: Any) -> Any:
    return places(np, x) % 2 == 0


def with_number(np: Any, x: Any) -> Any:
    """A number under two names, one of them changed."""
    first = x.ravel()[0]
    other = first
    other += 1
    return x * first + other


def masked(np: Any, x: Any, k: int) -> Any:
    x = x + 0.0
    x[even(np, x)] = k / 2
    return x


def columns(np: Any, x: Any) -> Any:
    x = x + 0.0
    x[..., 0] = x[..., -1]
    x[..., -1] *= 0.5
    return x


def recurrence(np: Any, x: Any) -> Any:
    """A loop over rows, each from the one before, as solvers have it."""
    x = x + 0.0
    for i in range(1, x.shape[0]):
        x[i] += 0.5 * x[i - 1]
    return x


def overlap(np: Any, x: Any, k: int) -> Any:
    x = x + 0.0
    x[1:] = x[:-1]
    x[::2] -= k
    return x


def swapped(np: Any, x: Any) -> Any:
    x = x + 0.0
    x[[0, -1]] = x[[-1, 0]]
    return x


def filled(np: Any, x: Any, k: int) -> Any:
    result = np.zeros(x.shape, x.dtype)
    result[...] = x
    result[k % 2 :] += 1
    return result


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


@settings(max_examples=COUNT, deadline=None, derandomize=SAME, suppress_health_check=list(HealthCheck))
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

"""keras.ops against NumPy, on arrays, tensors, variables and symbolic tensors."""

import math

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule.keras import ops

rng = np.random.default_rng(0)
A = rng.standard_normal((3, 4)).astype("float32")
B = rng.uniform(0.5, 2, (3, 4)).astype("float32")
U = rng.uniform(-0.9, 0.9, (3, 4)).astype("float32")
I = rng.integers(-5, 6, (3, 4))  # noqa: E741
J = rng.integers(1, 5, (3, 4))

CASES = {
    "add": ((A, B), A + B),
    "subtract": ((A, 2.0), A - 2),
    "multiply": ((I, J), I * J),
    "divide": ((A, B), A / B),
    "divide ": ((I, J), (I / J).astype("float32")),
    "true_divide": ((A, B), A / B),
    "divide_no_nan": ((A, np.where(B > 1, B, 0)), np.where(B > 1, A / B, 0)),
    "floor_divide": ((I, J), I // J),
    "mod": ((I, J), I % J),
    "power": ((B, 3), B**3),
    "maximum": ((A, B), np.maximum(A, B)),
    "minimum": ((A, 0.0), np.minimum(A, 0)),
    "abs": ((A,), abs(A)),
    "negative": ((I,), -I),
    "sign": ((A,), np.sign(A)),
    "square": ((A,), A**2),
    "sqrt": ((B,), np.sqrt(B)),
    "rsqrt": ((B,), 1 / np.sqrt(B)),
    "exp": ((A,), np.exp(A)),
    "exp ": ((J,), np.exp(J).astype("float32")),
    "expm1": ((A,), np.expm1(A)),
    "log": ((B,), np.log(B)),
    "log1p": ((B,), np.log1p(B)),
    "log2": ((B,), np.log2(B)),
    "sin": ((A,), np.sin(A)),
    "tanh": ((A,), np.tanh(A)),
    "arcsin": ((U,), np.arcsin(U)),
    "arctan2": ((A, B), np.arctan2(A, B)),
    "erf": ((A,), np.vectorize(math.erf)(A)),
    "floor": ((A,), np.floor(A)),
    "ceil": ((A,), np.ceil(A)),
    "round": ((A, 1), np.round(A, 1)),
    "clip": ((A, -0.5, 0.5), np.clip(A, -0.5, 0.5)),
    "isfinite": ((np.array([1.0, np.inf, np.nan]),), [True, False, False]),
    "equal": ((I, J), I == J),
    "greater": ((A, 0), A > 0),
    "logical_and": ((I > 0, J > 2), (I > 0) & (J > 2)),
    "logical_not": ((I > 0,), I <= 0),
    "where": ((A > 0, A, B), np.where(A > 0, A, B)),
    "sum": ((A, 1), A.sum(1)),
    "sum ": ((A, (0, 1), True), A.sum(keepdims=True)),
    "mean": ((A,), A.mean()),
    "mean ": ((I, 0), I.mean(0)),
    "prod": ((B, -1), B.prod(-1)),
    "max": ((A, 0), A.max(0)),
    "min": ((A,), A.min()),
    "any": ((I > 4, 1), (I > 4).any(1)),
    "all": ((J > 0,), True),
    "var": ((A, 0), A.var(0)),
    "std": ((A, 1, True), A.std(1, keepdims=True)),
    "average": ((A, 0, B), np.average(A, 0, B)),
    "argmax": ((A, 1), A.argmax(1)),
    "argmin": ((A,), A.argmin()),
    "count_nonzero": ((I,), np.count_nonzero(I)),
    "cumsum": ((A, 1), A.cumsum(1)),
    "cumprod": ((B, 0), B.cumprod(0)),
    "logsumexp": ((A, 1), np.log(np.exp(A).sum(1))),
    "norm": ((A,), np.linalg.norm(A)),
    "norm ": ((A, 1, 1), abs(A).sum(1)),
    "normalize": ((A, 1), A / np.linalg.norm(A, axis=1, keepdims=True)),
    "matmul": ((A, B.T), A @ B.T),
    "dot": ((A, B.T), A @ B.T),
    "tensordot": ((A, B, 2), np.tensordot(A, B, 2)),
    "tensordot ": ((A, B, ([0], [0])), np.tensordot(A, B, ([0], [0]))),
    "outer": ((A[0], B[0]), np.outer(A[0], B[0])),
    "reshape": ((A, (2, -1)), A.reshape(2, -1)),
    "ravel": ((A,), A.ravel()),
    "transpose": ((A,), A.T),
    "swapaxes": ((A[None], 0, 2), A[None].swapaxes(0, 2)),
    "moveaxis": ((A[None], 0, -1), np.moveaxis(A[None], 0, -1)),
    "expand_dims": ((A, (0, 3)), A[None, :, :, None]),
    "squeeze": ((A[None], 0), A),
    "broadcast_to": ((A, (2, 3, 4)), np.broadcast_to(A, (2, 3, 4))),
    "flip": ((A, 1), A[:, ::-1]),
    "concatenate": (([A, B], 1), np.concatenate([A, B], 1)),
    "stack": (([A, B], 1), np.stack([A, B], 1)),
    "hstack": (([A, B],), np.hstack([A, B])),
    "vstack": (([A[0], B[0]],), np.vstack([A[0], B[0]])),
    "repeat": ((A, 2, 1), A.repeat(2, 1)),
    "repeat ": ((A, 2), A.repeat(2)),
    "tile": ((A, (2, 1, 3)), np.tile(A, (2, 1, 3))),
    "pad": ((A, ((1, 0), (0, 2))), np.pad(A, ((1, 0), (0, 2)))),
    "pad ": ((A, 1, "reflect"), np.pad(A, 1, "reflect")),
    "roll": ((A, 2, 1), np.roll(A, 2, 1)),
    "roll ": ((A, 5), np.roll(A, 5)),
    "take": ((A, [2, 0], 0), A[[2, 0]]),
    "take_along_axis": ((A, A.argsort(1), 1), np.sort(A, 1)),
    "one_hot": (([0, 2], 3), np.eye(3)[[0, 2]]),
    "one_hot ": (([0, 2], 3, 0), np.eye(3)[[0, 2]].T),
    "sort": ((A, 0), np.sort(A, 0)),
    "argsort": ((A,), np.argsort(A)),
    "in_top_k": (([0, 1, 2], A, 2), [(A[i] > A[i, i]).sum() < 2 for i in range(3)]),
    "tril": ((A, -1), np.tril(A, -1)),
    "triu": ((A, 1), np.triu(A, 1)),
    "slice": ((A, (1, 1), (2, 2)), A[1:, 1:3]),
    "get_item": ((A, (slice(None), 1)), A[:, 1]),
    "zeros_like": ((A,), np.zeros((3, 4))),
    "full_like": ((A, 3), np.full((3, 4), 3)),
    "cast": ((A, "int32"), A.astype("int32")),
    "stop_gradient": ((A,), A),
    "relu": ((A,), np.maximum(A, 0)),
    "softmax": ((A, 0), np.exp(A) / np.exp(A).sum(0)),
    "log_softmax": ((A,), A - np.log(np.exp(A).sum(1, keepdims=True))),
    "sigmoid": ((A,), 1 / (1 + np.exp(-A))),
    "binary_crossentropy": ((I > 0, 1 / (1 + np.exp(-A))), np.where(I > 0, np.log1p(np.exp(-A)), np.log1p(np.exp(A)))),
    "sparse_categorical_crossentropy": (([0, 1, 2], A, True), [np.log(np.exp(A[i]).sum()) - A[i, i] for i in range(3)]),
    "categorical_crossentropy": (
        (np.eye(4)[:3], A, True),
        [np.log(np.exp(A[i]).sum()) - A[i, i] for i in range(3)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_against_numpy(name):
    arguments, expected = CASES[name]
    result = getattr(ops, name.strip())(*arguments)
    assert isinstance(result, chainrule.Tensor)
    expected = np.asarray(expected)
    assert result.shape == expected.shape
    np.testing.assert_allclose(np.asarray(result), expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["exp", "add", "matmul", "reshape", "mean", "concatenate", "softmax", "where", "clip", "tile"]
)
def test_symbolic(name):
    """A graph of one op gives what the op gives, for another number of rows too."""
    arguments, _ = CASES[name]
    first = next(i for i, a in enumerate(arguments) if isinstance(a, (np.ndarray, list)))
    shape = {"matmul": (4,), "reshape": (4,)}.get(name, (4,))
    x = keras.Input(shape)
    others = {
        "add": (1.5,),
        "matmul": (B.T,),
        "reshape": ((-1, 2, 2),),
        "mean": (1,),
        "where": (x, 0.0),
        "tile": ((1, 2),),
    }
    others |= {"clip": (-1.0, 1.0), "softmax": ()}
    if name == "concatenate":
        y, call = ops.concatenate([x, x], axis=1), lambda v: ops.concatenate([v, v], axis=1)
    elif name == "where":
        y, call = ops.where(x > 0, x, 0.0), lambda v: ops.where(ops.greater(v, 0), v, 0.0)
    else:
        y, call = getattr(ops, name)(x, *others.get(name, ())), lambda v: getattr(ops, name)(v, *others.get(name, ()))
    model = keras.Model(x, y)
    assert first == 0
    for rows in (2, 7):
        data = rng.standard_normal((rows, 4)).astype("float32")
        result = model.predict(data)
        np.testing.assert_allclose(result, np.asarray(call(data)), rtol=1e-6)
        assert y.shape == (None, *result.shape[1:])


def test_other_results():
    assert [np.asarray(p).tolist() for p in ops.split(A, 2, axis=1)] == [A[:, :2].tolist(), A[:, 2:].tolist()]
    assert [p.shape for p in ops.split(A, [1], axis=0)] == [(1, 4), (2, 4)]
    assert [np.asarray(p).tolist() for p in ops.unstack(A)] == A.tolist()
    values, indices = ops.top_k(A, 2)
    np.testing.assert_array_equal(np.asarray(values), np.sort(A)[:, ::-1][:, :2])
    np.testing.assert_array_equal(np.take_along_axis(A, np.asarray(indices), 1), np.asarray(values))
    mean, variance = ops.moments(A, axes=[0])
    np.testing.assert_allclose(np.asarray(mean), A.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.asarray(variance), A.var(0), rtol=1e-5)
    assert [np.asarray(i).tolist() for i in ops.nonzero(I)] == [i.tolist() for i in np.nonzero(I)]
    updated = ops.scatter_update(A, [[0, 1], [2, 3], [0, 1]], [5.0, 6.0, 7.0])
    expected = A.copy()
    expected[0, 1], expected[2, 3] = 7, 6
    np.testing.assert_allclose(np.asarray(updated), expected, rtol=1e-6)
    added = ops.scatter_update(A, [[0], [0]], np.ones((2, 4)), reduction="add")
    np.testing.assert_allclose(np.asarray(added), A + np.array([[2], [0], [0]]), rtol=1e-6)
    assert ops.shape(keras.Input((3,))) == (None, 3)
    assert ops.size(A) == 12
    assert ops.ndim(A) == 2
    assert ops.fori_loop(0, 4, lambda i, v: v + i, 0) == 6
    assert float(ops.while_loop(lambda v: v < 10, lambda v: v * 2, ops.convert_to_tensor(1.0))) == 16


def test_types():
    """Python floats are floatx, Python integers int32, arrays keep their types; integers give way to floats."""
    assert ops.convert_to_tensor([1.5, 2]).dtype == np.float32
    assert ops.convert_to_tensor([1, 2]).dtype == np.int32
    assert ops.convert_to_tensor(np.zeros(2)).dtype == np.float64
    assert ops.add(I, A).dtype == np.float32
    assert ops.divide(I, J).dtype == np.float32
    assert ops.mean(I).dtype == np.float32
    assert ops.argmax(A).dtype == np.int32
    assert ops.arange(3).dtype == np.int32
    assert ops.arange(0, 1, 0.25).dtype == np.float32
    assert ops.zeros((2,)).dtype == np.float32
    assert isinstance(ops.convert_to_numpy(ops.ones(2)), np.ndarray)


def test_gradients_through_ops():
    with chainrule.GradientTape() as tape:
        x = ops.convert_to_tensor(A)
        tape.watch(x)
        y = ops.sum(ops.tensordot(x, ops.transpose(x), 1)) + ops.sum(ops.std(x, axis=0)) + ops.sum(ops.top_k(x, 2)[0])
    g = np.asarray(tape.gradient(y, x), dtype=float)

    def f(a):
        return (a @ a.T).sum() + a.std(0).sum() + np.sort(a)[:, -2:].sum()

    a = A.astype(float)
    numeric = np.zeros_like(a)
    for i in np.ndindex(*a.shape):
        step = np.zeros_like(a)
        step[i] = 1e-6
        numeric[i] = (f(a + step) - f(a - step)) / 2e-6
    np.testing.assert_allclose(g, numeric, rtol=1e-3, atol=1e-3)

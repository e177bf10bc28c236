"""keras.ops beyond the daily ones: against NumPy, in symbolic models, in gradients."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import chainrule
import chainrule.keras as keras
from chainrule.keras import ops

RNG = np.random.default_rng(7)
A = RNG.normal(size=(4, 5)).astype("float32")
B = RNG.normal(size=(4, 5)).astype("float32")
SQUARE = RNG.normal(size=(2, 4, 4)).astype("float32")
SPD = (SQUARE @ SQUARE.swapaxes(-1, -2) + 4 * np.eye(4)).astype("float32")
HOLES = np.where(A > 0.8, np.nan, A).astype("float32")
V, W = A[0], B[0]
I = RNG.integers(0, 6, size=(4, 5)).astype("int32")  # noqa: E741

# name, arguments, reference: NumPy's function of that name unless given
SAME = [
    ("append", (A, B, 1)),
    ("array_split", (V, 3)),
    ("bincount", (I[0], None, 8), np.bincount(I[0], minlength=8)),
    ("column_stack", ([V, W],)),
    ("corrcoef", (A,)),
    ("correlate", (V, W[:3], "same")),
    ("cross", (A[:, :3], B[:, :3])),
    ("cross", (A[:, :2], B[:, :3]), np.cross(np.pad(A[:, :2], ((0, 0), (0, 1))), B[:, :3])),
    ("deg2rad", (A,)),
    ("diag", (A, 1)),
    ("diagflat", (V, -1)),
    ("diagonal", (SQUARE, 1, 1, 2)),
    ("diff", (A, 2)),
    ("digitize", (A, np.array([-1.0, 0.0, 1.0], "float32"))),
    ("einsum", ("ij,kj->ik", A, B)),
    ("erfinv", (np.linspace(-0.999, 0.999, 41),), scipy.special.erfinv(np.linspace(-0.999, 0.999, 41))),
    ("erfinv", (np.array([-2.0, -1.0, 0.0, 1e-9, 1.0]),), [np.nan, -np.inf, 0.0, np.sqrt(np.pi) / 2e9, np.inf]),
    ("flipud", (A,)),
    ("gcd", (I, I[::-1].copy())),
    ("geomspace", (1.0, 100.0, 5)),
    ("hanning", (7,)),
    ("heaviside", (A, 0.5)),
    ("histogram", (V, 4), np.histogram(V, 4)),
    ("average", (A, 1, W), np.average(A, 1, W)),
    ("nanargmax", (np.full((2, 2), np.nan), 1), [-1, -1]),
    ("max", (np.zeros((0, 2)), None, False, 3), 3),
    ("in_top_k", ([1, 0], [[0.1, np.nan, 0.5], [0.3, 0.2, 0.5]], 2), [False, True]),
    ("argsort", (np.array(1),), [0]),
    ("inner", (A, B)),
    ("isclose", (A, A + 1e-7)),
    ("isin", (I, [1, 2])),
    ("kaiser", (6, 3.0)),
    ("kron", (A, B[:2, :2])),
    ("ldexp", (A, I)),
    ("logaddexp2", (A, B)),
    ("logspace", (0.0, 2.0, 4)),
    ("median", (A, 1)),
    ("meshgrid", (V, W)),
    ("nan_to_num", (HOLES,)),
    ("nanargmax", (HOLES, 1)),
    ("nancumsum", (HOLES, 1)),
    ("nanmean", (HOLES, 0)),
    ("nanmedian", (HOLES, 0)),
    ("nanprod", (HOLES, 1)),
    ("nanquantile", (HOLES, 0.3, 1)),
    ("nanstd", (HOLES, 1)),
    ("nansum", (HOLES, 1)),
    ("nextafter", (A, B)),
    ("percentile", (A, [10, 50], 1)),
    ("ptp", (A, 1)),
    ("quantile", (A, 0.25, 0)),
    ("rot90", (A, 3)),
    ("searchsorted", (np.sort(V), W, "right")),
    ("select", ([A > 1, A < -1], [A, B], 0.5)),
    ("sinc", (A,)),
    ("trace", (SQUARE, 0, 1, 2)),
    ("trapezoid", (A,)),
    ("tri", (3, 4, 1)),
    ("unique", (I,)),
    ("unravel_index", (I, (2, 3))),
    ("vander", (V, 3)),
    ("vdot", (A, B)),
    ("vsplit", (A, 2)),
    # linear algebra
    ("cholesky", (SPD,), np.linalg.cholesky(SPD)),
    ("cholesky_inverse", (np.linalg.cholesky(SPD),), np.linalg.inv(SPD)),
    ("det", (SPD,), np.linalg.det(SPD)),
    ("eigh", (SPD,), None),
    ("inv", (SPD,), np.linalg.inv(SPD)),
    ("logdet", (SPD,), np.linalg.slogdet(SPD)[1]),
    ("lstsq", (A.T, W), np.linalg.lstsq(A.T, W, rcond=None)[0]),
    ("lu_factor", (SQUARE[0],), scipy.linalg.lu_factor(SQUARE[0])),
    ("matrix_rank", (SPD,), np.linalg.matrix_rank(SPD)),
    ("norm", (A, "nuc"), np.linalg.norm(A, "nuc")),
    ("norm", (SPD, 2, (1, 2)), np.linalg.norm(SPD, 2, (1, 2))),
    ("pinv", (A,), np.linalg.pinv(A)),
    ("solve", (SPD, SQUARE), np.linalg.solve(SPD, SQUARE)),
    ("solve", (SPD[0], V[:4]), np.linalg.solve(SPD[0], V[:4])),
    ("solve_triangular", (SPD[0], V[:4], True), scipy.linalg.solve_triangular(SPD[0], V[:4], lower=True)),
    ("svd", (A, False, False), np.linalg.svd(A, compute_uv=False)),
    # indices and segments
    ("scatter", ([[0], [2], [0]], [1.0, 2.0, 3.0], (4,)), [4.0, 0.0, 2.0, 0.0]),
    ("scatter_update", ([1.0, 2.0, 3.0], [[1], [1]], [5.0, 4.0], "max"), [1.0, 5.0, 3.0]),
    ("scatter_update", ([1.0, 2.0, 3.0], [[1], [1]], [5.0, 4.0], "mul"), [1.0, 40.0, 3.0]),
    ("scatter_update", ([np.inf, 2.0, 3.0], [[0], [0]], [5.0, 4.0]), [4.0, 2.0, 3.0]),
    ("segment_sum", ([1, 2, 3, 4], [0, 0, 2, 2]), [3, 0, 7]),
    ("segment_max", ([1.0, 2.0, 3.0], [0, 0, 2]), [2.0, -np.inf, 3.0]),
    ("segment_min", ([1.0, 2.0, 3.0], [0, 0, 9], 1), [1.0]),
    ("segment_prod", ([1.0, 2.0, 3.0], [0, 1, 1]), [1.0, 6.0]),
    ("slice_update", (np.zeros((2, 3)), (0, 1), [[1.0, 2.0]]), [[0, 1, 2], [0, 0, 0]]),
    ("slice", (A, (1, 2), (2, -1)), A[1:3, 2:]),
    ("saturate_cast", ([-5.0, 300.0, 7.9], "uint8"), [0, 255, 7]),
    ("rearrange", (A, "a (b c) -> c (a b)"), None),
    ("cdist", (A, B), np.linalg.norm(A[:, None] - B[None], axis=-1)),
]


@pytest.mark.parametrize(("name", "arguments", "reference"), [(*c, None)[:3] if len(c) == 2 else c for c in SAME])
def test_values_are_numpys(name, arguments, reference):
    if name == "eigh":
        values, vectors = ops.eigh(*arguments)
        np.testing.assert_allclose(SPD @ vectors.numpy(), vectors.numpy() * values.numpy()[:, None], rtol=1e-4)
        return
    if name == "rearrange":
        found = ops.rearrange(*arguments, c=5)
        np.testing.assert_array_equal(found, A.reshape(4, 1, 5).transpose(2, 0, 1).reshape(5, 4))
        return
    if reference is None:
        reference = getattr(np, name)(*arguments)
    found = getattr(ops, name)(*arguments)
    several = isinstance(found, (list, tuple))
    pairs = zip(found, reference, strict=True) if several else [(found, reference)]
    for ours, numpys in pairs:
        assert ours.dtype.name in ("float32", "int32", "bool", "float64", "uint8")
        np.testing.assert_allclose(ours.numpy(), numpys, rtol=2e-4, atol=2e-5)


def test_types_follow_keras():
    cases = [
        (("int8", "float32"), "float32"),
        (("int64", "float16"), "float16"),
        (("uint8", "int8"), "int16"),
        (("uint64", "int8"), "float32"),
        (("bool", int), "int32"),
        (("int8", float), "float32"),
        (("float16", "bfloat16"), "float32"),
        (("float64", float), "float64"),
    ]
    for types, expected in cases:
        assert keras.backend.result_type(*types) == expected
    x = np.ones((2, 2), "int32")
    for name in ("sum", "prod", "cumsum", "round", "triu", "max", "count_nonzero", "argmax"):
        assert getattr(ops, name)(x).dtype == "int32", name
    for name in ("mean", "relu6", "gelu", "softmax", "elu", "sqrt", "std", "median"):
        assert getattr(ops, name)(x).dtype == "float32", name
    for name in ("hypot", "arctan2", "logaddexp", "divide"):
        assert getattr(ops, name)(x, x).dtype == "float32", name
    assert ops.sum(x > 0).dtype == "int32"
    assert ops.sum(x.astype("uint8")).dtype == "uint32"
    assert ops.tril(x > 0).dtype == "bool"
    np.testing.assert_array_equal(ops.top_k(np.array([0, 3, 1], "uint8"), 2)[0], [3, 1])
    assert ops.add(np.arange(3), 2.5).dtype == "float32"
    assert ops.multiply(np.ones(2, "int64"), np.ones(2, "float32")).dtype == "float32"
    assert ops.add(np.ones(2, "bool"), 1).dtype == "int32"
    assert ops.concatenate([np.ones(2, "int32"), np.ones(2, "float32")]).dtype == "float32"


def test_scans_maps_and_branches():
    carry, sums = ops.scan(lambda total, x: (total + x, total + x), ops.zeros(()), np.arange(5.0, dtype="float32"))
    assert float(carry) == 10.0
    np.testing.assert_array_equal(sums, [0, 1, 3, 6, 10])
    for reverse in (False, True):
        x = V[::-1] if reverse else V
        expected = np.multiply.accumulate(x)
        found = ops.associative_scan(lambda a, b: a * b, V, reverse=reverse)
        np.testing.assert_allclose(found, expected[::-1] if reverse else expected, rtol=1e-6)
    doubled = ops.vectorized_map(lambda row: {"sum": ops.sum(row), "first": row[0] * 2}, A)
    np.testing.assert_allclose(doubled["sum"], A.sum(1), rtol=1e-5)
    np.testing.assert_array_equal(doubled["first"], A[:, 0] * 2)
    assert ops.switch(7, [lambda x: x, lambda x: -x], 3) == -3
    value, along = ops.jvp(lambda x: ops.sum(ops.sin(x)), (V,), (W,))
    np.testing.assert_allclose(along, np.sum(np.cos(V) * W), rtol=1e-5)

    @ops.custom_gradient
    def halved(x):
        return x * 1.0, lambda upstream: upstream * 0.5

    np.testing.assert_array_equal(chainrule.grad(lambda x: ops.sum(halved(x)))(V), np.full(5, 0.5))


def test_gradients():
    points = np.linspace(-0.9, 0.9, 5)
    for function, arguments in [
        (ops.erfinv, (points,)),
        (ops.logdet, (SPD.astype("float64"),)),
        (lambda x: ops.segment_prod(x, [0, 1, 1, 0, 1]), (points,)),
        (lambda x: ops.scatter_update(x, [[1], [1]], x[:2], "max"), (points,)),
        (lambda x: ops.einsum("ij,jk->ik", x, x), (SQUARE[0].astype("float64"),)),
    ]:
        chainrule.check_gradients(lambda *xs, f=function: ops.sum(ops.sin(f(*xs))), *arguments)


def test_symbolic_shapes():
    K = keras.KerasTensor
    assert ops.add(K((None, 3)), K((2, None))).shape == (2, 3)
    assert ops.matmul(K((None, 3, 4)), K((3, None, 4, 5))).shape == (3, None, 3, 5)
    assert ops.inv(K((None, 3, 3))).shape == (None, 3, 3)
    assert ops.max_pool(K((None, None, None, 3)), 2).shape == (None, None, None, 3)
    assert ops.conv(K((None, None, 3)), np.zeros((40, 3, 8), "float32")).shape == (None, None, 8)
    assert [t.shape for t in ops.svd(K((None, 4, 3)), full_matrices=False)] == [(None, 4, 3), (None, 3), (None, 3, 3)]
    assert ops.scan(lambda c, x: (c + x, c), K((None,)), K((6, None)))[1].shape == (6, None)
    x = keras.Input((4,))
    y = ops.cond(ops.sum(x) > 0, lambda: x * 2, lambda: x * 3)
    model = keras.Model(x, ops.einsum("bi,bj->bij", y, ops.nan_to_num(x)))
    np.testing.assert_allclose(model(SPD[0]), 2 * SPD[0][:, :, None] * SPD[0][:, None], rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.det(V), ValueError, "matrices"),
        (lambda: ops.cholesky(A), ValueError, "square"),
        (lambda: ops.cholesky(-SPD), ValueError, "cholesky"),
        (lambda: ops.eig(np.array([[0.0, 1.0], [-1.0, 0.0]])), ValueError, "complex"),
        (lambda: ops.rearrange(A, "a (b c) -> a b c", b=3), ValueError, "split"),
        (lambda: ops.slice_update(A, (0, 3), B), ValueError, "leave"),
        (lambda: ops.scatter_update(V, [[0]], [1.0], "mean"), ValueError, "reduction"),
        (lambda: ops.searchsorted(A, V), ValueError, "vector"),
        (lambda: ops.histogram(A), ValueError, "vector"),
        (lambda: ops.where(A > 0, A), ValueError, "both"),
        (lambda: ops.pad(A, 1, "reflect", 2.0), ValueError, "constant_values"),
        (lambda: ops.unstack(A, axis=2), ValueError, "axis"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_tree():
    tree = keras.tree
    data = {"b": [1, (2, 3)], "a": None}
    assert tree.flatten(data) == [None, 1, 2, 3]
    assert tree.pack_sequence_as(data, [0, 4, 5, 6]) == {"b": [4, (5, 6)], "a": 0}
    assert tree.map_structure(lambda x, y: x + y, [1, [2]], [3, [4]]) == [4, [6]]
    assert tree.map_structure_up_to([None, None], len, [[1, 1], [2]]) == [2, 1]
    assert tree.flatten_with_path({"x": [5]}) == [(("x", 0), 5)]
    assert tree.lists_to_tuples([1, [2]]) == (1, (2,))
    assert tree.map_shape_structure(lambda s: s[0], {"a": (3, None), "b": [(1,), (2,)]}) == {"a": 3, "b": [1, 2]}
    with pytest.raises(ValueError, match="structure"):
        tree.assert_same_structure([1, 2], (1, 2))
    tree.assert_same_paths([1, 2], (1, 2))

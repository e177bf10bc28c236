"""Products of arrays and linear algebra, against NumPy (array_pairs.py)."""

import numpy
from array_pairs import check, elements, expand, inputs

OTHERS = [
    "x",
    "x.T",
    "3",
    "2.5",
    "np.ones(4)",
    "np.ones((4, 2))",
    "np.ones((3, 4, 5), 'f4')",
    "[1, 2, 3]",
    "x[0]",
    "np.ones((0, 3))",
    "np.ones(x.shape[-1:], x.dtype)",
]


def arrays(dtypes=("bool", "int32", "uint8", "float32", "float64"), **options):
    return inputs(dtypes, with_edges=False, **options)


def test_products():
    names = ["dot", "matmul", "inner", "outer", "kron", "vdot", "vecdot", "matvec", "vecmat"]
    check(expand("np.{f}(x, {o})", f=names, o=OTHERS), arrays())
    check(expand("x @ {o}", o=OTHERS), arrays())
    check(expand("x.dot({o})", o=OTHERS), arrays())
    cases = [
        "np.matmul(x, x, out=np.zeros(3))",
        "np.matmul(x, x, dtype='f4')",
        "np.outer(x, x, out=np.zeros((x.size, x.size)))",
    ]
    cases += expand("np.matmul(x, x, axes={a})", a=["[(0, 1), (0, 1), (0, 1)]", "[(1, 0), (0, 1), (0, 1)]"])
    cases += expand(
        "np.tensordot(x, {o}, {a})",
        o=["x", "x.T", "np.ones((4, 3))"],
        a=["0", "1", "2", "5", "([0], [0])", "([-1], [0])", "([0, 1], [1, 0])", "(0, 5)", "([0], [0, 1])"],
    )
    cases += [
        "np.cross(x, x)",
        "np.cross(x, [1, 2, 3])",
        "np.cross([1, 2, 3], [4, 5, 6])",
        "np.cross([1, 2], [3, 4])",
        "np.linalg.cross([1, 2, 3], x)",
        "np.linalg.multi_dot([x, x.T, x])",
        "np.linalg.multi_dot([x])",
        "np.linalg.vecdot(x, x)",
        "np.linalg.outer(x, x)",
        "np.linalg.matmul(x, x)",
        "np.linalg.tensordot(x, x, axes=1)",
        "np.linalg.matrix_transpose(x)",
    ]
    check(cases, arrays())


def test_einsum():
    cases = expand(
        "np.einsum('{s}', x)",
        s=[
            "i",
            "i->",
            "ij->ji",
            "ii",
            "ii->i",
            "ij->",
            "ijk->ki",
            "...->...",
            "...i->...",
            "ij->i",
            "i->ii",
            "ijkl",
            "",
            "->",
            "i->j",
            "ij...->j...",
        ],
    )
    cases += expand(
        "np.einsum('{s}', x, {o})",
        s=[
            "i,i",
            "ij,jk",
            "ij,jk->ki",
            "ij,ij->ij",
            "i,j->ij",
            "...i,...i",
            "ij,kj->ik",
            "ijk,ilk->jl",
            "i,i,i",
            "ij,j",
        ],
        o=["x", "x.T", "np.ones(4)", "2"],
    )
    cases += [
        "np.einsum(x, [0, 1], [1, 0])",
        "np.einsum(x, [0], x, [0])",
        "np.einsum('ij,jk', x, x, optimize=True)",
        "np.einsum('ij,jk', x, x.T, dtype='f8')",
        "np.einsum('ij->i', x, out=np.zeros(x.shape[:1]))",
        "np.einsum('i->', x, casting='no')",
        "np.einsum_path('ij,jk', x, x)[0]",
    ]
    check(cases, [(where, x) for where, x in arrays() if x.size])  # NumPy's diagonal of (0, 3) reads beyond the memory


def test_linear_algebra():
    names = [
        "det",
        "inv",
        "slogdet",
        "eigvalsh",
        "svdvals",
        "matrix_rank",
        "cholesky",
        "pinv",
        "cond",
        "norm",
        "vector_norm",
        "matrix_norm",
    ]
    square = "x @ x.mT + 20 * np.eye(x.shape[-1])"
    cases = expand("np.linalg.{f}(x)", f=names[:3])
    matrices = []
    for dtype in ("float32", "float64", "int32"):
        for shape in ((3, 3), (2, 4, 4), (1, 1), (0, 0), (3, 4), (5,), ()):
            matrices.append((f"{dtype} {shape}", elements(dtype, shape)))
        matrices.append((f"{dtype} F", elements(dtype, (4, 4)).T + 20 * numpy.eye(4, dtype=dtype)))
    cases = expand("np.linalg.{f}({a})", f=names, a=[square]) + expand(
        "np.linalg.{f}(x)", f=["inv", "cholesky", "eigvalsh", "matrix_power"]
    )
    cases += expand(
        "np.linalg.solve({a}, {b})", a=[square], b=["x", "np.ones(x.shape[-1])", "x[..., 0]", "np.ones((7, 2))"]
    )
    cases += expand("np.linalg.matrix_power({a}, {n})", a=["x"], n=["0", "1", "3", "2.0"])
    cases += [
        "np.linalg.lstsq(x, np.ones(x.shape[0]))[0].shape",
        f"np.linalg.eigh({square})[0]",
        "np.linalg.svd(x, compute_uv=False)",
        "np.linalg.qr(x).R.shape",
        "np.linalg.qr(x, mode='r').shape",
        "np.linalg.svd(x, full_matrices=False)[0].shape",
        "np.linalg.eig(x)[0].shape",
        "np.linalg.tensorinv(x)",
        "np.linalg.tensorsolve(x, x)",
        "np.linalg.trace(x)",
        "np.linalg.diagonal(x)",
        f"np.linalg.cholesky({square}, upper=True)",
    ]
    close = [(where, x) for where, x in matrices if x.dtype != "float32"]
    check(cases, close)
    check(
        ["np.linalg.det(x).dtype", "np.linalg.inv(x).shape", "np.linalg.solve(x, x).dtype", "np.linalg.pinv(x).dtype"],
        [m for m in matrices if "3)" in m[0] or "F" in m[0]],
    )


def test_norms():
    some = [(where, x) for where, x in arrays(("int32", "float32", "float64")) if x.size]  # of nothing: since NumPy 2.4
    orders = ["None", "1", "2", "-1", "0", "3", "np.inf", "-np.inf", "'fro'", "'nuc'", "'x'", "0.5"]
    check(
        expand(
            "np.linalg.norm(x, {o}, {a}, {k})",
            o=orders,
            a=["None", "0", "-1", "(0, 1)", "(0, 0)", "5", "(0, 1, 2)"],
            k=["False", "True"],
        ),
        some,
    )
    check(
        expand(
            "np.linalg.vector_norm(x, axis={a}, ord={o})",
            a=["None", "0", "(0, 1)", "()"],
            o=["2", "1", "np.inf", "0", "3"],
        ),
        some,
    )
    check(
        expand(
            "np.linalg.matrix_norm(x, ord={o}, keepdims={k})",
            o=["'fro'", "1", "np.inf", "2", "'nuc'"],
            k=["False", "True"],
        ),
        some,
    )
    nothing = [("float64 (0, 3)", numpy.zeros((0, 3)))]
    check(expand("np.linalg.norm(x, {o}, {a})", o=["1", "'fro'", "0", "-np.inf"], a=["None", "0", "-1"]), nothing)

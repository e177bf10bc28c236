"""Shapes, joining, splitting, creation: every option on many arrays, against NumPy (array_pairs.py)."""

import pytest
from array_pairs import check, expand, inputs

AXIS = ["0", "-1", "1", "2", "5", "-4", "None", "(0,)", "(0, 1)", "(1, 0)", "[0]", "1.0", "np.int64(0)", "()"]
FEW = ["bool", "int32", "uint8", "float32", "float64"]


def test_reshape():
    shapes = ["-1", "(-1,)", "(1, -1)", "(2, -1)", "(-1, -1)", "x.shape[::-1]", "(4, 3)", "12", "[3, 4]", "()", "(0,)"]
    shapes += ["(1, 1, 12)", "(5, 5)", "2.0", "np.array([3, 4])", "(3, np.int32(4))"]
    check(expand("np.reshape(x, {s}, order='{o}')", s=shapes, o="CFA"), inputs(FEW))
    check(expand("x.reshape({s})", s=[*shapes, "4, 3", "-1, 2", "3, -1, order='F'"]), inputs(FEW))
    check(["np.reshape(x, -1, 'K')", "np.reshape(x, -1, copy=True)", "np.reshape(x, -1, copy=False)"], inputs(FEW))
    check(expand("np.ravel(x, '{o}')", o="CFAK"), inputs(FEW))
    check(expand("x.{m}({o})", m=["ravel", "flatten"], o=["", "'F'", "'K'", "order='A'", "'nonsense'"]), inputs(FEW))


def test_axes():
    names = ["squeeze", "expand_dims", "flip"]
    check(expand("np.{f}(x, {a})", f=names, a=AXIS), inputs(FEW))
    check(
        ["np.squeeze(x)", "np.flip(x)", "np.flipud(x)", "np.fliplr(x)", "x.T", "x.mT", "np.matrix_transpose(x)"],
        inputs(),
    )
    axes = ["None", "(1, 0)", "[1, 0]", "(0, 1)", "(2, 0, 1)", "(-1, 0, 1)", "(0, 0)", "()", "0", "(0,)", "(1.0, 0)"]
    check(expand("np.{f}(x, {a})", f=["transpose", "permute_dims"], a=axes), inputs(FEW))
    check(expand("x.transpose({a})", a=["", *axes, "1, 0", "0, 2, 1", "*range(x.ndim)[::-1]"]), inputs(FEW))
    pairs = ["0, 1", "0, -1", "0, 0", "1, 2", "5, 0"]
    check(expand("np.swapaxes(x, {a})", a=pairs), inputs(FEW))
    check(expand("x.swapaxes({a})", a=pairs), inputs(FEW))
    check(expand("np.moveaxis(x, {a})", a=[*pairs, "[0, 1], [-1, 0]", "(0, 1), (1,)", "[0, 0], [1, 2]"]), inputs(FEW))
    check(expand("np.rollaxis(x, {a})", a=["0", "1", "2, 1", "-1", "0, 3", "0, 9"]), inputs(FEW))
    check(expand("np.rot90(x, {a})", a=["1", "2", "-1", "1, (1, 2)", "5", "1, (0, 0)", "1, (0, 5)"]), inputs(FEW))


def test_rolling_tiling_repeating():
    shifts = ["1", "-2", "0", "100", "(1, 2)", "[1]", "1.0"]
    check(expand("np.roll(x, {s}, {a})", s=shifts, a=["None", "0", "-1", "(0, 1)", "5"]), inputs(FEW))
    check(expand("np.tile(x, {r})", r=["2", "(2, 1)", "(1, 2, 3)", "0", "()", "[2, 2]", "1.0"]), inputs(FEW))
    repeats = ["2", "0", "[1, 2, 0]", "np.arange(x.shape[0])", "[2]", "np.array(3)", "1.5", "[[1]]"]
    check(expand("np.repeat(x, {r}, {a})", r=repeats, a=["None", "0", "-1", "5"]), inputs(FEW))
    check(expand("x.repeat({r}, {a})", r=["2", "[1, 2, 0]"], a=["None", "0"]), inputs(FEW))
    check(expand("np.resize(x, {s})", s=["(2, 3)", "7", "(0,)", "()", "-1", "(40,)"]), inputs(FEW))


def test_padding():
    widths = ["1", "(1, 2)", "((1, 2),)", "((1, 0),) * x.ndim", "0", "-1", "((1, 2), (3, 4))", "1.0"]
    modes = ["constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "maximum", "minimum", "mean", "empty0"]
    check(expand("np.pad(x, {w}, '{m}')", w=widths, m=modes), inputs(["int32", "float64"], with_edges=False, least=1))
    options = ["constant_values=3", "constant_values=(1, 2)", "'reflect', reflect_type='odd'", "'edge', nonsense=1"]
    check(expand("np.pad(x, 2, {o})", o=options), inputs(FEW))


def test_broadcasting():
    shapes = ["x.shape", "(2, *x.shape)", "(3, 4)", "(2, 3, 4)", "5", "(-1,)", "()", "(3, 5, 5)"]
    check(expand("np.broadcast_to(x, {s})", s=shapes), inputs())
    check(["np.broadcast_arrays(x, np.ones((3, 1)))", "np.broadcast_arrays(x, 1)", "np.broadcast_arrays()"], inputs())
    check(["np.broadcast_shapes(x.shape, (3, 1))", "np.broadcast_shapes(x.shape, 4)"], inputs())
    names = ["atleast_1d", "atleast_2d", "atleast_3d"]
    check(expand("np.{f}({a})", f=names, a=["x", "x, 3", "[1, 2]", ""]), inputs(FEW))


def test_joining():
    lists = ["[x, x]", "(x, x, x)", "[x]", "[]", "x", "[x, x.astype('f8')]", "[x, 1]", "[x, x[:1]]", "[x, [1, 2]]"]
    axes = ["0", "-1", "1", "5", "None", "(0,)", "0.0"]
    check(expand("np.{f}({l}, axis={a})", f=["concatenate", "stack", "concat"], l=lists, a=axes), inputs(FEW))
    check(expand("np.{f}({l})", f=["hstack", "vstack", "dstack", "column_stack"], l=lists), inputs(FEW))
    options = [
        "dtype='f4'",
        "dtype='i1'",
        "casting='no'",
        "dtype='i4', casting='unsafe'",
        "out=np.zeros(9)",
        "dtype='c8'",
    ]
    options += [
        "out=np.zeros((2 * x.shape[0], *x.shape[1:]), x.dtype)",
        "out=np.zeros((2 * x.shape[0], *x.shape[1:]), 'f4')",
    ]
    check(expand("np.concatenate([x, x], {o})", o=options), inputs(FEW))
    check(expand("np.concatenate([x, x], None, {o})", o=options[:2]), inputs(FEW))
    check(
        ["np.stack([x, x], out=np.zeros((2, *x.shape)))", "np.stack([x, x], dtype='f4')", "np.stack(iter([x]))"],
        inputs(FEW),
    )
    blocks = ["[x, x]", "[[x, x], [x, x]]", "[[x], [1]]", "x", "[]", "[[x, x], [x]]", "[x, [x]]"]
    check(expand("np.block({b})", b=blocks), inputs(FEW))
    check(expand("np.append(x, {v}, {a})", v=["1", "x", "[[1, 2]]", "2.5"], a=["None", "0", "1"]), inputs(FEW))
    inserts = ["0, 9", "[0, 1], 7", "-1, x[0]", "1, 3, axis=0", "99, 1", "slice(0, 2), 5, axis=0", "[True, False], 3"]
    check(expand("np.insert(x, {i})", i=inserts), inputs(FEW))
    check(expand("np.delete(x, {i})", i=["0", "[0, 1]", "-1", "1, 0", "99", "slice(0, 2), 0", "[], 0"]), inputs(FEW))


@pytest.mark.parametrize("f", ["split", "array_split", "hsplit", "vsplit", "dsplit", "unstack"])
def test_splitting(f):
    if f == "unstack":
        check(expand("np.unstack(x, axis={a})", a=["0", "-1", "5"]), inputs())
        return
    cases = expand(
        "np.{f}(x, {n})", f=[f], n=["1", "2", "3", "[1, 2]", "[0]", "[1, 99]", "[-1]", "0", "2.0", "np.array([1])"]
    )
    if not f.endswith("dsplit") or f == "split":
        cases += expand("np.{f}(x, {n}, axis={a})", f=["array_split"], n=["2", "[1]"], a=["-1", "1", "5"])
    check(cases, inputs(FEW))


def test_triangles_and_diagonals():
    cases = expand(
        "np.{f}(x, {k})", f=["tril", "triu", "diag", "diagflat", "diagonal", "trace"], k=["0", "1", "-2", "99"]
    )
    cases += expand("np.{f}(x, 0, {a})", f=["diagonal", "trace"], a=["0, 1", "1, 0", "0, 0", "-1, 0", "0, 5"])
    cases += ["x.diagonal(1)", "x.trace(axis1=-1, axis2=0)", "np.trace(x, dtype='f4')", "np.linalg.diagonal(x)"]
    cases += ["np.linalg.trace(x)", "np.vander(x, 3)", "np.trace(x, out=np.zeros(x.shape[2:]))"]
    check(cases, inputs())


def test_creation():
    dtypes = ["None", "'i4'", "float", "np.float32", "'?'", "'c8'", "'S3'", "object", "'nonsense'"]
    shapes = [
        "3",
        "(2, 3)",
        "()",
        "0",
        "[2, 2]",
        "-1",
        "(2, -1)",
        "2.0",
        "np.int8(2)",
        "np.array([1, 2])",
        "(1, 2.0)",
        "None",
    ]
    cases = expand("np.{f}({s}, dtype={d})", f=["zeros", "ones"], s=shapes, d=dtypes)
    cases += expand(
        "np.full({s}, {v}, dtype={d})",
        s=shapes[:4],
        v=["7", "2.5", "True", "300", "-1", "[1, 2, 3]"],
        d=["None", "'u1'", "'f4'", "'?'"],
    )
    cases += expand("np.{f}(3, order='{o}')", f=["zeros", "ones"], o=["C", "F", "X"])
    cases += expand(
        "np.eye({n}, dtype={d})",
        n=["3", "2, 4", "3, k=1", "3, 4, -1", "0", "3, None, 99", "2.0"],
        d=["float", "'i4'", "'?'"],
    )
    cases += ["np.identity(3)", "np.identity(2, 'i1')", "np.tri(3)", "np.tri(3, 4, 1)", "np.tri(3, dtype='?')"]
    check(cases, [("nothing", None)])
    cases = expand("np.{f}(x, dtype={d})", f=["zeros_like", "ones_like"], d=dtypes)
    cases += expand("np.{f}(x, shape={s})", f=["zeros_like", "ones_like"], s=["(2, 3)", "5", "()"])
    cases += expand("np.full_like(x, {v})", v=["7", "2.5", "True", "np.float32(1.5)", "-1", "300"])
    cases += ["np.empty_like(x).shape", "np.copy(x)", "np.zeros_like([1, 2.5])"]
    check(cases, inputs())


def test_ranges():
    ends = [
        "5",
        "0",
        "-3",
        "2, 5",
        "5, 2",
        "0, 1, 0.1",
        "5, 0, -2",
        "0, 5, 0",
        "2.5",
        "0.5, 3",
        "1, 2, 3",
        "np.int8(4)",
        "np.float32(3)",
        "0, np.nan",
        "True",
        "3, None",
        "10**12, 10**12 + 3",
        "1e10, 1e10 + 3",
    ]
    cases = expand("np.arange({e}, dtype={d})", e=ends, d=["None", "'i4'", "'f4'", "'u1'", "'f2'", "'?'", "'c8'"])
    cases += [
        "np.arange(start=2, stop=5)",
        "np.arange(stop=5)",
        "np.arange(5, step=2)",
        "np.arange()",
        "np.arange('a')",
    ]
    steps = [
        "0, 1",
        "0, 1, 5",
        "1, 0, 3",
        "0, 1, 1",
        "0, 1, 0",
        "0, 1, -1",
        "2, 2, 4",
        "0, 1, 5, False",
        "0, 1, 3, True, True",
        "[0, 1], [2, 3], 3",
        "[0, 1], 5, 3, axis=-1",
        "0, 10, 4, dtype='i4'",
        "0, 1, 3, dtype='f4'",
        "-3, 3, 4, dtype=int",
        "0, 1, 2.0",
        "0, 1j, 3",
        "0, np.inf, 3",
        "5, 1, 1, False, True",
    ]
    cases += expand("np.linspace({s})", s=steps)
    cases += [
        "np.logspace(0, 2, 3)",
        "np.logspace(0, 3, 4, base=2)",
        "np.logspace(0, 1, 3, dtype='i4')",
        "np.geomspace(1, 8, 4)",
        "np.geomspace(-1, -8, 4)",
        "np.geomspace(0, 1)",
    ]
    cases += [
        "np.meshgrid([1, 2], [3, 4, 5])",
        "np.meshgrid([1, 2], [3, 4], indexing='ij')",
        "np.meshgrid([1, 2], [3], sparse=True)",
        "np.meshgrid()",
        "np.meshgrid([1], [2], indexing='k')",
        "np.meshgrid(1, [2, 3])",
    ]
    cases += [
        "np.indices((2, 3))",
        "np.indices((2, 3), sparse=True)",
        "np.mgrid[0:3, 1:2:3j]",
        "np.ogrid[0:3, 0:2]",
        "np.r_[1:3, 5, [6, 7]]",
        "np.c_[[1, 2], [3, 4]]",
    ]
    cases += [
        "np.fromfunction(lambda i, j: i + j, (2, 3))",
        "np.fromfunction(lambda i: i, (3,), dtype=int)",
        "np.fromiter(range(4), 'f4')",
        "np.fromstring('1 2 3', sep=' ')",
        "np.frombuffer(b'abcd', 'u1')",
        "np.frombuffer(b'abcd', 'i2', 1, 2)",
        "np.frombuffer(b'abc', 'i2')",
    ]
    check(cases, [("nothing", None)])


def test_conversions():
    values = [
        "[1, 2, 3]",
        "[[1, 2.5], [True, 4]]",
        "5",
        "2.5",
        "True",
        "[]",
        "[[]]",
        "range(3)",
        "(1, 2)",
        "[1, 2, [3]]",
        "[[1, 2], [3]]",
        "2**63",
        "2**64",
        "-2**63",
        "[2**63, -1]",
        "[True, 2]",
        "[np.float32(1), 2]",
        "[np.int8(1), np.uint8(2)]",
        "[np.array([1, 2]), [3, 4]]",
        "'text'",
        "['a', 'bc']",
        "None",
        "[None, 1]",
        "1j",
        "[1, 2j]",
        "b'x'",
        "{1, 2}",
        "{'a': 1}",
        "[[1], [2]]",
        "np.int16(3)",
        "[np.array(1.5)]",
        "float('nan')",
        "[1, float('inf')]",
        "memoryview(b'ab')",
        "bytearray(b'ab')",
        "np.ma",
        "slice(3)",
        "[(), ()]",
    ]
    cases = expand(
        "np.{f}({v})",
        f=["array", "asarray", "asanyarray", "ascontiguousarray"],
        v=[v for v in values if v not in ("np.ma", "{1, 2}", "{'a': 1}", "slice(3)", "None", "[None, 1]")],
    )
    cases += expand(
        "np.array({v}, dtype='{d}')",
        v=[
            "[1, 2, 3]",
            "[1.7, -1.7]",
            "300",
            "-1",
            "[True, False]",
            "'12'",
            "['1', '2']",
            "np.nan",
            "[2**40]",
            "1e400",
            "np.array([300, -1])",
            "np.float64(300.7)",
            "1j",
        ],
        d=["u1", "i1", "i8", "f4", "f2", "?", "c8", "U3"],
    )
    cases += expand(
        "np.array([1, 2, 3], {o})",
        o=[
            "ndmin=2",
            "ndmin=3",
            "copy=False",
            "copy=None",
            "order='F'",
            "ndmin=99",
            "dtype='f4', ndmin=2",
            "subok=True",
            "nonsense=1",
        ],
    )
    check(cases, [("nothing", None)])
    casts = expand(
        "x.astype({t})",
        t=[
            "'f4'",
            "'i1'",
            "'u8'",
            "'?'",
            "float",
            "'c16'",
            "'U5'",
            "'f2', casting='safe'",
            "'f8', casting='same_kind'",
            "'i4', copy=False",
            "'f4', 'F'",
            "'nonsense'",
        ],
    )
    casts = [case for case in casts if "i1" not in case and "u8" not in case]  # of nan and what doesn't fit: anything
    casts += expand("np.astype(x, {t})", t=["'f4'", "'?'", "'f8', copy=False"])
    casts += [
        "np.asarray(x, 'f4')",
        "np.array(x, copy=True)",
        "np.asarray(x, copy=False)",
        "np.array(x, ndmin=4)",
        "np.ascontiguousarray(x)",
        "np.require(x, 'f8', ['C'])",
        "np.asarray_chkfinite(x)",
    ]
    check(casts, inputs())


def test_orders_in_memory():
    cases = [
        "np.empty_like(x)",
        "np.zeros_like(x)",
        "np.zeros_like(x, order='C')",
        "np.copy(x)",
        "x.copy('F')",
        "x.copy()",
    ]
    cases += [
        "np.asarray(x, order='F')",
        "np.asfortranarray(x)",
        "np.ascontiguousarray(x)",
        "x.astype('f4', order='A')",
    ]
    cases += ["np.array(x)", "np.array(x, order='C')", "np.reshape(x, x.shape, 'F')", "np.ones_like(x, dtype='f4')"]
    arrays = [(where, x) for where, x in inputs() if x.size > 1]
    check([f"{case}.strides" for case in cases], arrays)

"""Indexing, assignment and the functions that change arrays, against NumPy (array_pairs.py)."""

import numpy
import pytest
from array_pairs import check, expand, inputs

KEYS = [
    "0",
    "-1",
    "99",
    "()",
    "...",
    "None",
    ":",
    "1:",
    "::-1",
    "::2",
    "-2::-1",
    "5:2",
    "::0",
    "1:99",
    "0, 0",
    "0, ...",
    "..., 0",
    "None, 0",
    "0, None",
    "..., ..., 0",
    ":, 1:",
    "::-1, ::2",
    ":, :, 0",
    "1, :, ::-1",
    "0, 0, 0, 0",
]
KEYS += [
    "[0, 0]",
    "[0, -1]",
    "[]",
    "[99]",
    "[[0, 1], [1, 0]]",
    "np.array([0, 1])",
    "np.array([], int)",
    "[0, 1], [1, 0]",
    "[[0], [1]], [0, 1]",
    "[0, 1], :, [1, 0]",
    ":, [1, 0]",
    "[0, 1], 0",
    "0, [0, 1]",
    "..., [0, 1]",
    "[0, 1], None",
    "np.uint8(1)",
    "np.array(1)",
    "[0, 1, 2], [0, 1]",
]
KEYS += [
    "x > 1",
    "True",
    "False",
    "[True, False]",
    "[True] * len(x)",
    "np.ones(x.shape[:1], bool)",
    "np.ones(x.shape[:1], bool), 0",
    "np.zeros(x.shape, bool)",
    "np.ones((2, 2), bool)",
    "~(x > 1), ...",
    ":, np.ones(x.shape[1:2], bool)",
    "True, 0",
]
KEYS += [
    "1.0",
    "'a'",
    "[1.0]",
    "1:2.0",
    "{0}",
    "slice(None, None, None)",
    "(slice(1, 2), Ellipsis)",
    "np.newaxis, ..., np.newaxis",
    "True, True",
    "(0,)",
    "[(0, 1), (1, 0)]",
    "(0, 1), (1, 0)",
    "1j",
    "slice('a')",
    "np.array([1.0])",
    "range(2)",
    "(range(2),)",
]
DTYPES = ["bool", "int32", "uint8", "float32", "float64"]


def test_reading():
    check(expand("x[{k}]", k=KEYS), inputs(DTYPES))
    check(expand("x[{k}].base is None", k=["0", "1:", "[0, 1]", "x > 1"]), inputs(DTYPES, least=2))
    check(
        ["x.item()", "x.item(0)", "x.item(-1)", "x.item(99)", "x.item(0, 1)", "x.item((0, 1))", "x.tolist()"], inputs()
    )
    check(
        [
            "list(x)",
            "len(x)",
            "[*iter(x)]",
            "3 in x",
            "bool(x)",
            "int(x)",
            "float(x)",
            "complex(x)",
            "x.__index__()",
            "hash(x)",
        ],
        # One element in axes was a number before NumPy 2.4.
        [(where, x) for where, x in inputs(with_edges=False) if x.ndim == 0 or x.size != 1],
    )
    check(
        [
            "x.flat[0]",
            "x.flat[1:3]",
            "x.flat[[0, 1]]",
            "x.flat[99]",
            "list(x.flat)",
            "len(x.flat)",
            "x.flat[x.ravel() > 1]",
        ],
        inputs(),
    )
    check(
        [
            "np.ix_([0, 1], [1, 0])",
            "x[np.ix_(range(x.shape[0]), [0])]",
            "np.unravel_index(5, (3, 4))",
            "np.ravel_multi_index((1, 2), (3, 4))",
        ],
        inputs(DTYPES),
    )


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "2.5",
        "-1",
        "300",
        "x[:1]",
        "[7, 8]",
        "np.ones(x.shape)",
        "np.array(3)",
        "np.float32(1.5)",
        "True",
        "x.astype('f8')",
        "np.arange(3)",
        "'1'",
        "None",
        "1j",
        "np.nan",
    ],
)
def test_writing(value):
    # Twice the same place, and (of a value that is no number) one place: the order, and NumPy's version, decide.
    keys = [
        key
        for key in KEYS
        if key not in ("[0, 0]", "[[0, 1], [1, 0]]", "[0, 1], [1, 0]", "[99]", "(0, 1), (1, 0)", "[0, 1], [1, 0]")
    ]
    if any(mark in value for mark in "x[("):
        keys = [
            key for key in keys if key not in ("0", "-1", "()", "(0,)", "0, 0", "np.uint8(1)", "np.array(1)", "True, 0")
        ]
        keys = [key for key in keys if "x > 1" not in key and "np.zeros" not in key]
    arrays = [
        (where, x)
        for where, x in inputs(["bool", "int32", "uint8", "float64"], with_edges=False)
        if x.size > 1 and x.shape != (3, 1, 5) and (value != "np.nan" or x.dtype.kind == "f")
    ]
    check(expand("x.__setitem__(({k}), {v})", k=[k for k in keys if ":" not in k], v=[value]), arrays, changes=True)
    slices = [
        "np.s_[:]",
        "np.s_[1:]",
        "np.s_[::-1]",
        "np.s_[::2]",
        "np.s_[5:2]",
        "np.s_[::0]",
        "np.s_[:, 1:]",
        "np.s_[..., ::-1]",
        "np.s_[:, [1, 0]]",
        "np.s_[[0, 1], :, [1, 0]]",
    ]
    check(expand("x.__setitem__({k}, {v})", k=slices, v=[value]), arrays, changes=True)


def test_writing_what_overlaps():
    cases = [
        "x.__setitem__(slice(1, None), x[:-1])",
        "x.__setitem__(slice(None), x[::-1])",
        "x.__setitem__(..., x.T)",
        "x.__iadd__(x[::-1])",
    ]
    check(cases, inputs(DTYPES, with_edges=False), changes=True)


def test_functions_that_write():
    cases = [
        "x.fill(3)",
        "x.fill(2.7)",
        "x.fill('a')",
        "x.put([0, -1], [5, 6])",
        "x.put([99], 1)",
        "x.put([99], 1, mode='wrap')",
        "np.put(x, [0, 1], 4, mode='clip')",
    ]
    cases += [
        "np.place(x, x > 1, [7, 8])",
        "np.putmask(x, x > 1, 9)",
        "np.putmask(x, [True], [1])",
        "np.copyto(x, 2)",
        "np.copyto(x, 2.5)",
        "np.copyto(x, 2.5, casting='unsafe')",
        "np.copyto(x, x + 1, where=x > 1)",
        "np.copyto(x, [1, 2])",
    ]
    cases += [
        "np.fill_diagonal(x, 5)",
        "np.fill_diagonal(x, 5, wrap=True)",
        "np.put_along_axis(x, np.zeros((1,) * x.ndim, int), 3, 0)",
        "np.put_along_axis(x, np.argsort(x, -1), 1, -1)",
        "np.add.at(x, [0, 0], 1)",
        "x.flat.__setitem__(0, 3)",
        "x.flat.__setitem__(slice(None), [1, 2])",
        "x.flat.__setitem__([0, 1], 4)",
    ]
    cases += [
        "setattr(x, 'shape', (-1,))",
        "setattr(x, 'flat', [1, 2])",
        "setattr(x, 'shape', (99,))",
        "setattr(x, 'real', 3)",
        "setattr(x, 'T', 3)",
        "x.itemset(0, 1)",
        "x.setfield(1, x.dtype)",
        "x.byteswap(inplace=True)",
    ]
    check(cases, inputs(DTYPES, with_edges=False), changes=True)


def test_views():
    cases = [
        "x.view('u1')",
        "x.view('f4')",
        "x.view('i8')",
        "x.view()",
        "x.real",
        "np.may_share_memory(x, x[:1])",
        "np.shares_memory(x, x.copy())",
        "x[None].flags.c_contiguous",
        "x.T.flags.f_contiguous",
        "x.strides",
        "x.itemsize",
        "x.nbytes",
        "x.dtype.name",
        "x.ndim",
        "x.size",
        "x.shape",
        "np.lib.stride_tricks.sliding_window_view(x, 2)",
        "np.lib.stride_tricks.sliding_window_view(x, (2,) * x.ndim)",
        "np.lib.stride_tricks.as_strided(x, (2,), (0,))",
        "x.tobytes()",
        "x.tobytes('F')",
        "np.packbits(x)",
        "np.unpackbits(x)",
        "x.data.shape",
        "repr(x)",
        "str(x)",
        "f'{x}'",
        "np.array2string(x)",
        "np.array_repr(x)",
        "np.array_str(x, precision=2)",
    ]
    check(cases, [(where, x) for where, x in inputs() if x.size])


def test_inputs_are_what_they_say():
    arrays = dict(inputs())
    assert {x.ndim for x in arrays.values()} == {0, 1, 2, 3}
    assert any(min(x.strides, default=0) < 0 for x in arrays.values())
    assert any(x.flags.f_contiguous and not x.flags.c_contiguous for x in arrays.values())
    assert any(numpy.isnan(x).any() for x in arrays.values() if x.dtype.kind == "f")

"""Reductions and running sums: every option on many arrays, against NumPy (pairs.py)."""

import pytest
from array_pairs import DTYPES, check, expand, inputs

AXES = ["None", "0", "-1", "1", "(0,)", "(0, 1)", "(0, -1)", "()", "5", "-5", "(0, 0)", "[0]", "1.0", "np.int64(0)"]
SUMS = ["sum", "prod"]
EXTREMES = ["max", "min"]
TRUTHS = ["any", "all"]
SPREADS = ["var", "std"]
ANY = [*SUMS, *EXTREMES, *TRUTHS, "mean", *SPREADS]


@pytest.mark.parametrize(
    "f", [*ANY, "ptp", "nansum", "nanprod", "nanmean", "nanmax", "nanmin", "nanvar", "nanstd", "median"]
)
def test_axes(f):
    check(expand("np.{f}(x, axis={axis}, keepdims={k})", f=[f], axis=AXES, k=["False", "True"]), inputs())


@pytest.mark.parametrize("f", [*SUMS, *EXTREMES, *TRUTHS, "argmax", "argmin", "cumsum"])
def test_a_truth_value_is_no_axis(f):
    check([f"np.{f}(x, axis=True)", f"x.{f}(False)"], inputs(least=2))


@pytest.mark.parametrize("f", [*ANY, "argmax", "argmin"])
def test_methods(f):
    check(expand("x.{f}({axis})", f=[f], axis=["", *AXES]), inputs())
    check(expand("x.{f}(axis={axis}, keepdims={k})", f=[f], axis=["None", "0", "1"], k=["True", "0"]), inputs())


@pytest.mark.parametrize("f", ["argmax", "argmin", "nanargmax", "nanargmin"])
def test_places_of_extremes(f):
    check(expand("np.{f}(x, axis={axis}, keepdims={k})", f=[f], axis=AXES, k=["False", "True"]), inputs())
    dtypes = ["i8", "i4", "u8", "f4", "f8", "?"]
    check(
        expand("np.{f}(x, 0, out=np.zeros({s}, '{d}'))", f=[f], s=["x.shape[1:]", "x.shape", "()"], d=dtypes), inputs()
    )


@pytest.mark.parametrize("f", [*SUMS, "mean", *SPREADS, "nansum", "cumsum", "cumprod", "nancumsum"])
def test_dtypes(f):
    half = ["'f2'"] if f != "cumprod" else []  # NumPy rounds each product
    dtypes = [*half, "'i8'", "'i4'", "'u1'", "'f4'", "'f8'", "'?'", "float", "int", "np.float32", "'c16'"]
    check(expand("np.{f}(x, {a}, dtype={d})", f=[f], a=["None", "0"], d=dtypes), inputs(with_edges=False))


@pytest.mark.parametrize("f", [*ANY, "ptp", "nansum", "nanmean", "median"])
def test_out(f):
    dtypes = ["?", "i8", "i4", "u1", "f2", "f4", "f8", "c16"]
    shapes = ["np.shape(np.{f}(x, 0))", "np.shape(x)", "(1,)", "()", "(1, 4)"]
    check(
        expand(
            "np.{f}(x, axis={a}, out=np.zeros({s}, '{d}'))",
            f=[f],
            a=["0", "None"],
            s=[s.format(f=f) for s in shapes],
            d=dtypes,
        ),
        inputs(["bool", "int8", "int64", "float32", "float64"], with_edges=False),
    )


@pytest.mark.parametrize("f", ["cumsum", "cumprod", "cumulative_sum"])
def test_out_of_running(f):  # NumPy crashes where out has less axes than the array
    dtypes = ["?", "i8", "i4", "u1", "f2", "f4", "f8", "c16"]
    check(
        expand("np.{f}(x, axis=0, out=np.zeros({s}, '{d}'))", f=[f], s=["x.shape"], d=dtypes),
        inputs(["bool", "int8", "int64", "float32"], with_edges=False, least=1),
    )


@pytest.mark.parametrize("f", [*SUMS, *EXTREMES, "nansum", "nanmax"])
def test_initial(f):
    values = [
        "0",
        "3",
        "-7",
        "2.5",
        "300",
        "np.float32(1.5)",
        "np.int8(-1)",
        "True",
        "np.array(2)",
        "np.array([1, 2])",
        "np.nan",
    ]
    dtypes = [dtype for dtype in DTYPES if f != "prod" or dtype != "float16"]  # NumPy rounds each product
    check(
        expand("np.{f}(x, axis={a}, initial={i}, keepdims={k})", f=[f], a=["None", "0"], i=values, k=["False", "True"]),
        inputs(dtypes),
    )


@pytest.mark.parametrize("f", [*ANY, "nansum", "nanmean", "nanstd"])
def test_where(f):
    masks = [
        "x > 1",
        "True",
        "False",
        "np.zeros(x.shape, '?')",
        "x[..., :1] > 0",
        "[True, False, True, False]",
        "np.ones((2, 3, 3, 4), '?')",
    ]
    initial = ", initial=1" if f in EXTREMES else ""
    check(expand("np.{f}(x, axis={a}, where={m}{i})", f=[f], a=["None", "0", "-1"], m=masks, i={initial, ""}), inputs())


def test_where_is_no_number():
    check(expand("np.{f}(x, where=np.array([1, 0, 1, 1]))", f=[*SUMS, *EXTREMES, *TRUTHS]), inputs(least=1))


@pytest.mark.parametrize("f", SPREADS)
def test_spreads(f):
    options = [
        "ddof=1",
        "ddof=0.5",
        "ddof=100",
        "correction=1",
        "ddof=1, correction=1",
        "mean=np.mean(x, axis={a}, keepdims=True)",
        "ddof=1, keepdims=True",
    ]
    cases = [f"np.{f}(x, axis={a}, {option.format(a=a)})" for option in options for a in (None, 0)]
    check(cases, inputs())


@pytest.mark.parametrize("f", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
def test_running(f):
    check(expand("np.{f}(x, axis={axis})", f=[f], axis=AXES), inputs())
    if not f.startswith("nan"):
        check(expand("x.{f}({axis})", f=[f], axis=AXES), inputs())


@pytest.mark.parametrize("f", ["cumulative_sum", "cumulative_prod"])
def test_cumulative(f):
    cases = expand("np.{f}(x, axis={axis}, include_initial={i})", f=[f], axis=AXES, i=["False", "True"])
    cases += expand("np.{f}(x, axis=0, dtype='{d}', include_initial=True)", f=[f], d=["f4", "i2"])
    check(cases, inputs())


def test_diff_and_trapezoid():
    cases = expand("np.diff(x, n={n}, axis={a})", n=["0", "1", "2", "-1"], a=["0", "-1", "5"])
    cases += expand("np.diff(x, axis=0, {e})", e=["prepend=0", "append=1", "prepend=x[:1]", "prepend=0, append=x"])
    cases += expand("np.ediff1d(x, {e})", e=["None", "to_end=[1, 2]"])
    check(cases, inputs())
    cases = [
        "np.trapezoid(x)",
        "np.trapezoid(x, dx=0.5)",
        "np.trapezoid(x, x)",
        "np.trapezoid(x, np.arange(x.shape[-1]))",
        "np.trapezoid(x, axis=0)",
    ]
    check(cases, inputs())


def test_average():
    cases = expand(
        "np.average(x, axis={a}, keepdims={k})", a=["None", "0", "-1", "(0, 1)", "5", "()"], k=["False", "True"]
    )
    cases += expand(
        "np.average(x, axis={a}, weights={w}, returned={r})",
        a=["None", "0", "-1"],
        w=["np.ones(x.shape)", "np.arange(4)", "x", "[1.0, 2, 3]", "np.arange(x.shape[0]) + 1"],
        r=["False", "True"],
    )
    check(cases, inputs())


def test_order_statistics():
    q = ["0.3", "[0.0, 0.5, 1.0]", "np.array([[0.25, 0.75]])", "1.5", "-0.1"]
    cases = expand(
        "np.quantile(x, {q}, axis={a}, keepdims={k})", q=q, a=["None", "0", "-1", "(0, 1)"], k=["False", "True"]
    )
    cases += expand(
        "np.quantile(x, 0.3, method='{m}')", m=["lower", "higher", "nearest", "midpoint", "hazen", "nonsense"]
    )
    cases += ["np.percentile(x, 30, axis=0)", "np.percentile(x, 130)", "np.nanmedian(x, 0)", "np.nanquantile(x, 0.2)"]
    check(cases, inputs())


def test_counts():
    check(expand("np.count_nonzero(x, axis={a}, keepdims={k})", a=AXES, k=["False", "True"]), inputs())


def test_ufunc_reductions():
    cases = expand(
        "np.{f}.reduce(x, axis={a}, keepdims={k})",
        f=["add", "multiply", "maximum", "minimum", "logical_and", "logical_or", "bitwise_or", "logaddexp"],
        a=["0", "None", "(0, 1)", "5"],
        k=["False", "True"],
    )
    check(expand("np.{f}.accumulate(x, {a})", f=["add", "multiply", "maximum"], a=["0", "-1", "5"]), inputs(least=1))
    cases += [
        "np.add.reduce(x)",
        "np.add.reduce(x, dtype='f4')",
        "np.maximum.reduce(x, initial=3)",
        "np.add.reduce(x, where=x > 1)",
    ]
    check(cases, inputs())


def test_what_is_no_array():
    values = ["[1, 2, 3]", "((1.5, 2), (3, 4))", "5", "2.5", "True", "None", "[]", "[[1], [2, 3]]", "range(4)"]
    check(expand("np.{f}({v})", f=[*ANY, "argmax", "cumsum", "median", "ptp"], v=values), [("nothing", None)])

"""Sorting, searching, sets, counting: every option on many arrays, against NumPy (array_pairs.py)."""

from array_pairs import check, expand, inputs

AXIS = ["-1", "0", "1", "None", "5", "-4", "(0,)", "1.0"]


def test_sorting():
    check(expand("np.{f}(x, {a})", f=["sort", "argsort"], a=AXIS), inputs())
    options = ["kind='stable'", "kind='heapsort'", "kind='nonsense'", "stable=True", "stable=True, kind='stable'"]
    check(expand("np.sort(x, {o})", o=[*options, "order='f'"]), inputs())
    check(expand("np.argsort(x, {o})", o=["kind='stable'", "stable=True", "axis=0, kind='mergesort'"]), inputs())
    check(expand("x.argsort({a})", a=["", "0", "axis=None", "kind='stable'", "stable=True"]), inputs())
    kth = ["0", "2", "-1", "[0, 2]", "99", "1.0", "(1,)"]
    cases = expand("np.partition(x, {k}, {a})[..., :0]", k=kth, a=["-1", "0", "5"])
    cases += expand("np.sort(np.partition(x, 2, {a}), {a})", a=["-1", "0"])
    cases += ["np.partition(x, 1, axis=None)[1]", "np.partition(x, 1)[..., 1]", "np.sort(np.argpartition(x, 1, 0), 0)"]
    check(cases, inputs())
    check(["np.lexsort(x)", "np.lexsort((x, x))", "np.lexsort((x,), 0)", "np.lexsort(())"], inputs())


def test_sorting_in_place():
    cases = expand("x.sort({a})", a=["", "0", "-1", "5", "None", "kind='stable'", "stable=True"])
    check([*cases, "x.partition(x.size)"], inputs(), changes=True)


def test_searching():
    values = ["1", "[1, 2]", "x", "2.5", "np.nan", "[[0], [3]]", "x[:1]", "'a'"]
    check(expand("np.searchsorted(np.sort(x), {v}, '{s}')", v=values, s=["left", "right", "middle"]), inputs(least=1))
    check(["np.searchsorted(x, 1, sorter=np.argsort(x))", "x.searchsorted(2)", "np.searchsorted(x, 1)"], inputs())
    cases = [
        "np.digitize(x, [0, 2, 4])",
        "np.digitize(x, [0, 2], right=True)",
        "np.digitize(x, [2, 0])",
        "np.digitize(x, [0, 2, 1])",
    ]
    cases += ["np.nonzero(x)", "x.nonzero()", "np.flatnonzero(x)", "np.argwhere(x)", "np.where(x)", "np.where(x > 1)"]
    cases += expand(
        "np.where({c}, {a}, {b})",
        c=["x > 1", "True", "[True, False]", "x"],
        a=["x", "1", "2.5", "np.float32(3)"],
        b=["0", "x", "[1, 2]"],
    )
    cases += [
        "np.where(x > 1, x)",
        "np.extract(x > 1, x)",
        "np.extract([True], x)",
        "np.isin(x, [1, 2])",
        "np.isin(x, 2, invert=True)",
    ]
    cases += ["np.in1d(x, [1])" if False else "np.isin(x, x)", "np.isin(3, x)"]
    check(cases, inputs())


def test_sets():
    cases = [
        "np.unique(x)",
        "np.unique(x, return_index=True, return_inverse=True, return_counts=True)",
        "np.unique(x, axis=0)",
    ]
    cases += ["np.unique(x, axis=5)", "np.unique(x, equal_nan=False)", "np.unique(x, return_inverse=True, axis=0)"]
    cases += [
        "np.unique_values(x)",
        "np.unique_counts(x)",
        "np.unique_inverse(x)",
        "np.unique_all(x)",
        "np.unique_all(x).counts",
    ]
    cases += expand("np.{f}(x, [1, 2, 5])", f=["union1d", "intersect1d", "setdiff1d", "setxor1d"])
    check(cases, inputs())


def test_counting():
    cases = ["np.bincount(x)", "np.bincount(x, minlength=12)", "np.bincount(x, x)", "np.bincount(x, minlength=-1)"]
    cases += expand(
        "np.histogram(x, {o})", o=["", "5", "[0, 1, 3]", "4, (0, 4)", "4, density=True", "0", "4, (2, 1)", "weights=x"]
    )
    cases += [
        "np.histogram_bin_edges(x, 3)",
        "np.histogram2d(x, x, 3)",
        "np.histogram(x, 'auto')[1].dtype",
        "np.cov(x)",
        "np.corrcoef(x)",
    ]
    cases += ["np.cov(x, x)", "np.cov(x, rowvar=False)", "np.cov(x, ddof=0)", "np.cov(x, dtype='f4')"]
    check(cases, [(where, x) for where, x in inputs(with_edges=False) if x.dtype != "float16"])


def test_choosing():
    cases = expand(
        "np.take(x, {i}, axis={a}, mode='{m}')",
        i=["0", "-1", "[0, 1]", "[[0], [-1]]", "99", "[]", "1.0", "[True, False]", "np.array(1)"],
        a=["None", "0", "-1", "5"],
        m=["raise", "wrap", "clip"],
    )
    cases += [
        "np.take(x, 0, mode='x')",
        "x.take([0, 0], 0)",
        "np.take(x, [0], 0, out=np.zeros((1, *x.shape[1:]), x.dtype))",
    ]
    cases += expand(
        "np.take_along_axis(x, {i}, {a})",
        i=["np.argsort(x, -1)", "np.zeros(x.shape, int)", "np.zeros(x.shape)", "x"],
        a=["-1", "0", "None", "5"],
    )
    cases += expand(
        "np.compress({c}, x, {a})",
        c=["[True, False]", "[0, 1, 1]", "[]", "[True] * 99", "x.ravel() > 1"],
        a=["None", "0", "-1"],
    )
    cases += [
        "x.compress([1, 0, 1], axis=0)",
        "np.choose(np.zeros(x.shape, int), [x, 1])",
        "np.choose([0, 1], [x, 2])",
        "np.choose([0, 5], [1, 2])",
        "np.choose([0, 5], [1, 2], mode='clip')",
        "np.choose(x % 4, [1, 2, 3], mode='wrap')",
    ]
    cases += [
        "np.select([x > 1, x > 0], [x, x[..., None]])",
        "np.select([x > 1, x > 0], [x, 2.5])",
        "np.select([x > 1], [x], 7)",
        "np.select([], [])",
        "np.select([x], [x])",
        "np.select([x > 1], [x, x])",
    ]
    cases += [
        "np.piecewise(x, [x > 1], [1, 0])",
        "np.piecewise(x, [x > 1], [lambda v: v + 1])",
        "np.apply_along_axis(np.sum, 0, x)",
        "np.apply_over_axes(np.sum, x, 0)",
        "np.clip(x, 0, 2)",
        "x.clip(1)",
        "np.clip(x, None, 3)",
        "np.clip(x, 3, 1)",
        "np.clip(x, x, x)",
        "np.clip(x, 0, 2, out=np.zeros(x.shape))",
    ]
    cases += [
        "np.around(x, 1)",
        "np.round(x)",
        "x.round(1)",
        "np.round(x, -1)",
        "np.round(x, 2, out=np.zeros(x.shape))",
        "np.trim_zeros(x)",
        "np.ediff1d(x)",
        "np.interp(x, [0, 1, 2], [3, 4, 6])",
        "np.interp(1.5, np.arange(x.size), x)",
        "np.unwrap(x)",
        "np.convolve(x, [1, 2])",
        "np.convolve(x, x, 'same')",
        "np.convolve(x, [])",
        "np.correlate(x, [1, 2, 3], 'valid')",
        "np.gradient(x)",
        "np.gradient(x, 2.0, axis=0)",
        "np.angle(x)",
        "np.real(x)",
        "np.imag(x)",
        "np.nan_to_num(x)",
        "np.isclose(x, 1)",
        "np.allclose(x, x)",
        "np.array_equal(x, x)",
        "np.array_equiv(x, x[:1])",
        "np.polyval([1, 2], x)",
        "np.ndim(x)",
        "np.shape(x)",
        "np.size(x)",
        "np.size(x, 0)",
        "np.iscomplexobj(x)",
        "np.isrealobj(x)",
        "np.isscalar(x)",
        "np.result_type(x, 1)",
        "np.can_cast(x.dtype, 'f4')",
        "np.promote_types(x.dtype, 'f4')",
        "np.common_type(x)",
        "np.min_scalar_type(3)",
    ]
    check(cases, inputs())
    check(["np.take(x, [0], out=np.zeros(3))"], [(where, x) for where, x in inputs(with_edges=False) if x.size])

"""NumPy's rarer functions with Keras's signatures and types; :mod:`chainrule.numpy` computes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule

from ..config import floatx, standardize_dtype
from ..variables import convert_to_tensor, unwrap
from .dispatch import as_pair, as_real, core, symbolic


def face() -> Any:
    """:mod:`chainrule.numpy`, loaded when first needed."""
    from chainrule import numpy

    return numpy


def _index(x: Any) -> Any:
    """Indices as int32, Keras's type for them."""
    return core.cast(x, "int32")


def _real_pair(x1: Any, x2: Any) -> tuple[Any, Any]:
    x1, x2 = as_pair(convert_to_tensor(x1), convert_to_tensor(x2))
    return as_real(x1), as_real(x2)


def _elementwise(name: str, doc: str, floats: bool = False) -> Callable[[Any], Any]:
    def apply(x: Any) -> Any:
        return getattr(face(), name)(as_real(x) if floats else convert_to_tensor(x))

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return symbolic(apply)


def _of_two(name: str, doc: str, floats: bool = False) -> Callable[[Any, Any], Any]:
    def apply(x1: Any, x2: Any) -> Any:
        pair = _real_pair(x1, x2) if floats else as_pair(convert_to_tensor(x1), convert_to_tensor(x2))
        return getattr(face(), name)(*pair)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return symbolic(apply)


def _over_axis(name: str, doc: str, floats: bool = False, index: bool = False) -> Callable[..., Any]:
    def apply(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = as_real(x) if floats else convert_to_tensor(x)
        y = getattr(face(), name)(x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)
        return _index(y) if index else y

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return symbolic(apply)


# ---- elementwise ---------------------------------------------------------------------------------------------------

sinc = _elementwise("sinc", "sin(pi x) / (pi x), 1 at 0.", floats=True)
i0 = _elementwise("i0", "Modified Bessel function of the first kind, order 0.", floats=True)
fabs = _elementwise("fabs", "Absolute value as a float.", floats=True)
deg2rad = _elementwise("deg2rad", "Degrees to radians.", floats=True)
rad2deg = _elementwise("rad2deg", "Radians to degrees.", floats=True)
isposinf = _elementwise("isposinf", "Whether an entry is +infinity.", floats=True)
isneginf = _elementwise("isneginf", "Whether an entry is -infinity.", floats=True)

heaviside = _of_two("heaviside", "0 where x1 < 0, x2 where x1 == 0, 1 where x1 > 0.", floats=True)
nextafter = _of_two("nextafter", "The next float after x1 towards x2.", floats=True)
logaddexp2 = _of_two("logaddexp2", "log2(2**x1 + 2**x2).", floats=True)
gcd = _of_two("gcd", "Greatest common divisor of integers.")
lcm = _of_two("lcm", "Least common multiple of integers.")
kron = _of_two("kron", "Kronecker product.")
inner = _of_two("inner", "Sum over the last axes of both.")


@symbolic
def ldexp(x1: Any, x2: Any) -> Any:
    """x1 * 2**x2 for integers x2."""
    x2 = convert_to_tensor(x2)
    if x2.dtype.kind not in "iu":
        raise TypeError(f"ldexp: x2 must hold integers, got dtype {x2.dtype}.")
    x1 = as_real(x1)
    return x1 * core.exp2(core.cast(x2, x1.dtype))


@symbolic
def vdot(x1: Any, x2: Any) -> Any:
    """Dot product of the flattened tensors."""
    x1, x2 = as_pair(convert_to_tensor(x1), convert_to_tensor(x2))
    return core.matmul(core.reshape(x1, (-1,)), core.reshape(x2, (-1,)))


@symbolic
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """NaN and infinities replaced: by default by 0 and by the type's greatest and least number."""
    return face().nan_to_num(convert_to_tensor(x), nan=nan, posinf=posinf, neginf=neginf)


@symbolic
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether |x1 - x2| <= atol + rtol |x2|."""
    return face().isclose(*_real_pair(x1, x2), rtol=rtol, atol=atol, equal_nan=equal_nan)


@symbolic
def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether :func:`isclose` holds everywhere, as a tensor."""
    return core.all(isclose(x1, x2, rtol, atol, equal_nan))


@symbolic
def erfinv(x: Any) -> Any:
    """The inverse of erf; infinite at -1 and 1, NaN beyond. Newton steps from Winitzki's closed form (2008)."""
    x = as_real(x)
    size, sign = core.absolute(x), core.sign(x)
    rest = 1.0 - size  # exact where it is small: there erfc is solved, elsewhere erf
    central = core.less(size, 0.5)
    smallest = float(np.finfo(x.dtype).eps) / 4
    logs = -core.log(core.maximum(rest, smallest) * (1.0 + size))
    a = 0.147
    half = 2.0 / (np.pi * a) - 0.5 * logs
    y = chainrule.stop_gradient(sign * core.sqrt(core.maximum(core.sqrt(half * half + logs / a) - half, 0.0)))
    for _ in range(4):
        missing = core.where(central, x - core.erf(y), sign * (core.erfc(core.absolute(y)) - rest))
        y = y + missing * (np.sqrt(np.pi) / 2) * core.exp(y * y)
    y = core.where(core.less(rest, 0), np.nan, core.where(core.equal(rest, 0), sign * np.inf, y))
    return core.cast(y, x.dtype)


# ---- complex numbers of real tensors: there are no complex types ---------------------------------------------------


@symbolic
def real(x: Any) -> Any:
    """The real part; tensors are real here, so itself."""
    return convert_to_tensor(x)


@symbolic
def conj(x: Any) -> Any:
    """The complex conjugate; tensors are real here, so itself."""
    return convert_to_tensor(x)


conjugate = conj


@symbolic
def imag(x: Any) -> Any:
    """The imaginary part; tensors are real here, so zeros."""
    x = convert_to_tensor(x)
    return core.multiply(x, core.cast(chainrule.asarray(np.zeros((), "bool")), x.dtype))


@symbolic
def angle(x: Any) -> Any:
    """The angle in the complex plane: 0 for x >= 0, pi below."""
    x = as_real(x)
    return core.where(core.isnan(x), x, core.where(core.less(x, 0), np.pi, core.multiply(core.sign(x), 0.0)))


@symbolic
def isreal(x: Any) -> Any:
    """Whether an entry is real; here always."""
    return chainrule.asarray(np.ones(convert_to_tensor(x).shape, "bool"))


# ---- statistics ----------------------------------------------------------------------------------------------------

median = _over_axis("median", "The middle value.", floats=True)
ptp = _over_axis("ptp", "Greatest minus least entry.")
nanmax = _over_axis("nanmax", "Greatest entry, NaN left out.")
nanmin = _over_axis("nanmin", "Least entry, NaN left out.")
nanmean = _over_axis("nanmean", "Mean, NaN left out.", floats=True)
nanmedian = _over_axis("nanmedian", "The middle value, NaN left out.", floats=True)
nanstd = _over_axis("nanstd", "Standard deviation, NaN left out.", floats=True)
nanvar = _over_axis("nanvar", "Variance, NaN left out.", floats=True)


def _quantile(name: str, doc: str) -> Callable[..., Any]:
    def apply(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
        x = as_real(x)
        axis = tuple(axis) if isinstance(axis, list) else axis
        share = np.asarray(unwrap(q), "float64")
        return core.cast(getattr(face(), name)(x, share, axis=axis, method=method, keepdims=keepdims), x.dtype)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return symbolic(apply)


quantile = _quantile("quantile", "Quantiles for q from 0 to 1; q's axes come first.")
percentile = _quantile("percentile", "Quantiles for q from 0 to 100; q's axes come first.")
nanquantile = _quantile("nanquantile", "Quantiles for q from 0 to 1, NaN left out.")
nanpercentile = _quantile("nanpercentile", "Quantiles for q from 0 to 100, NaN left out.")


def _nan_as(x: Any, value: float) -> Any:
    x = convert_to_tensor(x)
    return core.where(core.isnan(x), core.cast(chainrule.asarray(value), x.dtype), x) if x.dtype.kind == "f" else x


def _nan_index(name: str, doc: str, choose: Callable[..., Any], filler: float) -> Callable[..., Any]:
    def apply(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = convert_to_tensor(x)
        index = _index(choose(_nan_as(x, filler), axis=axis, keepdims=keepdims))
        if x.dtype.kind != "f":
            return index
        return core.where(core.all(core.isnan(x), axis=axis, keepdims=keepdims), -1, index)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return symbolic(apply)


nanargmax = _nan_index("nanargmax", "Index of the greatest entry but NaN, -1 if none.", core.argmax, -np.inf)
nanargmin = _nan_index("nanargmin", "Index of the least entry but NaN, -1 if none.", core.argmin, np.inf)


@symbolic
def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum, NaN as 0."""
    from .reductions import sum

    return sum(_nan_as(x, 0.0), axis, keepdims)


@symbolic
def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Product, NaN as 1."""
    from .reductions import prod

    return prod(_nan_as(x, 1.0), axis, keepdims)


@symbolic
def nancumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running sums, NaN as 0."""
    from .reductions import cumsum

    return cumsum(_nan_as(x, 0.0), axis, dtype)


@symbolic
def nancumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running products, NaN as 1."""
    from .reductions import cumprod

    return cumprod(_nan_as(x, 1.0), axis, dtype)


@symbolic
def corrcoef(x: Any) -> Any:
    """Pearson's correlation coefficients of the rows."""
    return face().corrcoef(as_real(x))


@symbolic
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """Cross-correlation of two vectors; mode "valid", "same" or "full"."""
    return face().correlate(*_real_pair(x1, x2), mode=mode)


@symbolic
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often each integer from 0 occurs (or the sums of its weights), along the last axis of rows."""
    if sparse:
        raise ValueError("bincount: sparse results are not supported.")
    rows = np.asarray(unwrap(convert_to_tensor(x)))
    if rows.dtype.kind not in "iub":
        raise TypeError(f"bincount: x must hold integers, got dtype {rows.dtype}.")
    length = max(int(rows.max(initial=-1)) + 1, minlength or 0)
    flat = rows.reshape(-1, rows.shape[-1]).astype("int64")
    places = flat + np.arange(len(flat))[:, None] * length
    if weights is None:
        counts = np.bincount(places.reshape(-1), minlength=len(flat) * length).astype("int32")
        return chainrule.asarray(counts.reshape(*rows.shape[:-1], length))
    weights = as_real(weights)
    zeros = chainrule.asarray(np.zeros(len(flat) * length, weights.dtype))
    sums = core.index_add(zeros, core.reshape(weights, (-1,)), places.reshape(-1))
    return core.reshape(sums, (*rows.shape[:-1], length))


@symbolic
def histogram(x: Any, bins: Any = 10, range: Any = None) -> tuple[Any, Any]:
    """(counts, edges) of the entries in ``bins`` equal intervals (or between given edges)."""
    if not isinstance(bins, int) or isinstance(bins, bool) or bins <= 0:
        raise ValueError(f"histogram: bins must be a positive integer, got {bins!r}.")
    if range is not None and (not isinstance(range, (tuple, list)) or len(range) != 2):
        raise ValueError(f"histogram: range must be (least, greatest), got {range!r}.")
    if range is not None and range[1] < range[0]:
        raise ValueError(f"histogram: range must be (least, greatest), got {range!r}.")
    x = as_real(x)
    if x.ndim != 1:
        raise ValueError(f"histogram: x must be a vector, got shape {tuple(x.shape)}.")
    counts, edges = np.histogram(x.numpy(), bins, None if range is None else (range[0], range[1]))
    return chainrule.asarray(counts.astype("int32")), chainrule.asarray(edges.astype(x.dtype))


# ---- search --------------------------------------------------------------------------------------------------------


@symbolic
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Where (int32) values would be inserted into a sorted vector to keep its order."""
    sequence = convert_to_tensor(sorted_sequence)
    if sequence.ndim != 1:
        raise ValueError(f"searchsorted: sorted_sequence must be a vector, got shape {tuple(sequence.shape)}.")
    return _index(face().searchsorted(*as_pair(sequence, convert_to_tensor(values)), side=side))


@symbolic
def digitize(x: Any, bins: Any) -> Any:
    """Index (int32) of the bin of each entry: the number of (ascending) bounds that are <= it."""
    bins = convert_to_tensor(bins)
    if bins.ndim != 1:
        raise ValueError(f"digitize: bins must be a vector, got shape {tuple(bins.shape)}.")
    return _index(face().searchsorted(*as_pair(bins, convert_to_tensor(x)), side="right"))


@symbolic
def argpartition(x: Any, kth: int, axis: int | None = -1) -> Any:
    """Indices (int32) that put the kth smallest entry in its place, smaller ones before it."""
    return _index(face().argpartition(convert_to_tensor(x), kth, axis=axis))


@symbolic
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each entry of x1 is among those of x2."""
    pair = as_pair(convert_to_tensor(x1), convert_to_tensor(x2))
    return face().isin(*pair, assume_unique=assume_unique, invert=invert)


def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct entries (or slices along ``axis``), then as asked first indices, inverse and counts (int32).

    ``size`` cuts the result, or fills it with ``fill_value`` (by default 0), to that length.
    """
    values = np.asarray(unwrap(convert_to_tensor(x)))
    found = np.unique(values, return_index=True, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
    parts = [found[0], *(part.astype("int32") for part in found[1:])]
    along = 0 if axis is None else axis % values.ndim
    if size is not None:
        parts[0] = _sized(parts[0], size, along, 0 if fill_value is None else fill_value)
        parts[1] = _sized(parts[1], size, 0, 0)
        parts[3] = _sized(parts[3], size, 0, 0)
    wanted = (True, return_index, return_inverse, return_counts)
    results = [chainrule.asarray(part) for part, asked in zip(parts, wanted, strict=True) if asked]
    return results[0] if len(results) == 1 else tuple(results)


def _sized(values: np.ndarray, size: int, axis: int, fill: Any) -> np.ndarray:
    """``values`` cut or filled to ``size`` along the axis."""
    kept = np.take(values, range(min(size, values.shape[axis])), axis)
    widths = [(0, size - kept.shape[axis] if a == axis else 0) for a in range(kept.ndim)]
    return np.pad(kept, widths, constant_values=fill)


@symbolic
def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """One index tensor per axis of ``shape`` for flat indices."""
    indices = convert_to_tensor(indices)
    return tuple(core.cast(i, indices.dtype) for i in face().unravel_index(indices, tuple(shape)))


@symbolic
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """For each position the choice of the first condition that holds, else the default."""
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        choice, result = as_pair(convert_to_tensor(choice), result)
        result = core.where(convert_to_tensor(condition, "bool"), choice, result)
    return result


# ---- matrices and diagonals ----------------------------------------------------------------------------------------


@symbolic
def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """Sum of products by subscripts, ``einsum("ij,jk->ik", a, b)``."""
    from .dispatch import as_operands

    return face().einsum(subscripts, *as_operands(*(convert_to_tensor(x) for x in operands)))


@symbolic
def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Cross product of vectors of 3 (or 2) entries along an axis."""
    x1, x2 = as_pair(convert_to_tensor(x1), convert_to_tensor(x2))
    if axis is not None:
        axisa = axisb = axisc = axis
    if 2 in (x1.shape[axisa], x2.shape[axisb]):
        a, b = _axis_last(x1, axisa), _axis_last(x2, axisb)
        flat = a.shape[-1] == 2 and b.shape[-1] == 2
        a, b = (x if x.shape[-1] == 3 else core.pad(x, [0] * x.ndim, [0] * (x.ndim - 1) + [1]) for x in (a, b))
        product = face().cross(a, b)
        return product[..., 2] if flat else face().moveaxis(product, -1, axisc)
    return face().cross(x1, x2, axisa=axisa, axisb=axisb, axisc=axisc)


def _axis_last(x: Any, axis: int) -> Any:
    return face().moveaxis(x, axis, -1)


@symbolic
def diag(x: Any, k: int = 0) -> Any:
    """The k-th diagonal of a matrix, or a matrix with the vector on its k-th diagonal."""
    return face().diag(convert_to_tensor(x), k)


@symbolic
def diagflat(x: Any, k: int = 0) -> Any:
    """A matrix with the flattened entries on its k-th diagonal."""
    return face().diag(core.reshape(convert_to_tensor(x), (-1,)), k)


@symbolic
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals of the matrices in two axes, as a last axis."""
    return face().diagonal(convert_to_tensor(x), offset, axis1, axis2)


@symbolic
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sums along the diagonals of the matrices in two axes."""
    from .reductions import sum

    return sum(diagonal(x, offset, axis1, axis2), axis=-1)


@symbolic
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of the entries as rows: columns x**(N-1), ..., x, 1 (or the other way round)."""
    x = convert_to_tensor(x)
    if x.ndim != 1:
        raise ValueError(f"vander: x must be a vector, got shape {tuple(x.shape)}.")
    powers = np.arange(x.shape[0] if N is None else N)
    exponents = powers if increasing else powers[::-1].copy()
    return core.power(core.expand_dims(x, -1), exponents.astype(x.dtype))


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """1 on and below the k-th diagonal, else 0."""
    return chainrule.asarray(np.tri(N, M, k, dtype=standardize_dtype(dtype)))


# ---- order, joining, cutting ---------------------------------------------------------------------------------------


@symbolic
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """The n-th differences of neighbours along an axis."""
    return face().diff(convert_to_tensor(a), n=n, axis=axis)


@symbolic
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """Integral along an axis by the trapezoidal rule."""
    return face().trapezoid(as_real(y), None if x is None else as_real(x), dx, axis)


@symbolic
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """x2 after x1 along the axis (None: both flattened)."""
    x1, x2 = as_pair(convert_to_tensor(x1), convert_to_tensor(x2))
    if axis is None:
        x1, x2, axis = core.reshape(x1, (-1,)), core.reshape(x2, (-1,)), 0
    return core.concatenate([x1, x2], axis=axis)


@symbolic
def rot90(array: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turned k times by 90 degrees in the plane of two axes, from the first towards the second."""
    x = convert_to_tensor(array)
    axes = tuple(axes)
    if x.ndim < 2 or len(axes) != 2 or axes[0] % x.ndim == axes[1] % x.ndim:
        raise ValueError(f"rot90: two different axes are needed, got axes={axes} for shape {tuple(x.shape)}.")
    return face().rot90(x, k, axes)


@symbolic
def fliplr(x: Any) -> Any:
    """The second axis reversed."""
    return core.flip(convert_to_tensor(x), (1,))


@symbolic
def flipud(x: Any) -> Any:
    """The first axis reversed."""
    return core.flip(convert_to_tensor(x), (0,))


@symbolic
def dstack(xs: Sequence[Any]) -> Any:
    """Joined along the third axis."""
    from .dispatch import as_operands

    return face().dstack(as_operands(*(convert_to_tensor(x) for x in xs)))


@symbolic
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts along an axis, of nearly equal length."""
    return list(face().array_split(convert_to_tensor(x), indices_or_sections, axis))


def _split(name: str, doc: str) -> Callable[..., list[Any]]:
    def apply(x: Any, indices_or_sections: Any) -> list[Any]:
        return list(getattr(face(), name)(convert_to_tensor(x), indices_or_sections))

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return symbolic(apply)


hsplit = _split("hsplit", "Parts along the second axis (the first, for vectors).")
vsplit = _split("vsplit", "Parts along the first axis.")
dsplit = _split("dsplit", "Parts along the third axis.")


@symbolic
def meshgrid(*x: Any, indexing: str = "xy") -> list[Any]:
    """Coordinate tensors of the grid of several vectors."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}.")
    vectors = [core.reshape(convert_to_tensor(one), (-1,)) for one in x]
    return [core.copy(grid) for grid in face().meshgrid(*vectors, indexing=indexing)]


@symbolic
def view(x: Any, dtype: Any = None) -> Any:
    """The same bytes read as another type."""
    x = convert_to_tensor(x)
    if dtype is None or x.dtype == standardize_dtype(dtype):
        return x
    return chainrule.asarray(np.ascontiguousarray(x.numpy()).view(standardize_dtype(dtype)))


def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None) -> Callable[..., Any]:
    """A function of scalars (or, with ``signature``, of arrays) made one of tensors, by a loop over their entries."""

    def call(*values: Any) -> Any:
        return np.asarray(unwrap(pyfunc(*(chainrule.asarray(np.asarray(v)) for v in values))))

    looped = np.vectorize(call, excluded=excluded, signature=signature)

    def apply(*args: Any) -> Any:
        results = looped(*(np.asarray(unwrap(convert_to_tensor(a))) for a in args))
        several = isinstance(results, tuple)
        return tuple(map(chainrule.asarray, results)) if several else chainrule.asarray(results)

    return apply


# ---- creation ------------------------------------------------------------------------------------------------------


def _window(name: str, doc: str) -> Callable[[Any], Any]:
    def apply(x: Any) -> Any:
        return chainrule.asarray(getattr(np, name)(int(x)).astype(floatx()))

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = doc
    return apply


bartlett = _window("bartlett", "Bartlett's (triangular) window of x entries.")
blackman = _window("blackman", "Blackman's window of x entries.")
hamming = _window("hamming", "Hamming's window of x entries.")
hanning = _window("hanning", "Hann's window of x entries.")


def kaiser(x: Any, beta: Any) -> Any:
    """Kaiser's window of x entries."""
    return chainrule.asarray(np.kaiser(int(x), float(beta)).astype(floatx()))


def empty(shape: Any, dtype: Any = None) -> Any:
    """A tensor whose values don't matter (zeros)."""
    return chainrule.asarray(np.zeros(shape, standardize_dtype(dtype)))


@symbolic
def empty_like(x: Any, dtype: Any = None) -> Any:
    """A tensor of the same shape whose values don't matter (zeros)."""
    x = convert_to_tensor(x)
    return chainrule.asarray(np.zeros(x.shape, standardize_dtype(dtype or x.dtype)))


def _spaced(name: str, start: Any, stop: Any, dtype: Any, **options: Any) -> Any:
    ends = [np.asarray(unwrap(convert_to_tensor(end))) for end in (start, stop)]
    if dtype is None:
        floats = [end.dtype.name for end in ends if end.dtype.kind == "f"]
        dtype = np.result_type(*floats).name if floats else floatx()
    return chainrule.asarray(getattr(np, name)(*(e.astype("float64") for e in ends), **options).astype(dtype))


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10, dtype: Any = None, axis: int = 0
) -> Any:
    """base**start to base**stop, at equal ratios."""
    return _spaced("logspace", start, stop, dtype, num=num, endpoint=endpoint, base=base, axis=axis)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """start to stop, at equal ratios."""
    return _spaced("geomspace", start, stop, dtype, num=num, endpoint=endpoint, axis=axis)

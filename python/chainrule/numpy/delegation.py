"""The names of the namespace that NumPy computes, in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from .fallback import call_numpy, delegated, needs_ops, recordable, to_numpy

MISSING = object()

# Run by NumPy on the same memory, results as tensors.
_COMPUTED = frozenset(
    [
        "apply_along_axis",
        "apply_over_axes",
        "array2string",
        "array_repr",
        "array_str",
        "asarray_chkfinite",
        "bartlett",
        "bincount",
        "blackman",
        "common_type",
        "delete",
        "diag_indices",
        "diag_indices_from",
        "digitize",
        "ediff1d",
        "eye",
        "frombuffer",
        "fromfile",
        "fromiter",
        "fromregex",
        "fromstring",
        "genfromtxt",
        "geomspace",
        "hamming",
        "hanning",
        "histogram",
        "histogram2d",
        "histogram_bin_edges",
        "histogramdd",
        "i0",
        "identity",
        "insert",
        "intersect1d",
        "iscomplex",
        "iscomplexobj",
        "isfortran",
        "isin",
        "isreal",
        "isrealobj",
        "kaiser",
        "lexsort",
        "load",
        "loadtxt",
        "mask_indices",
        "may_share_memory",
        "nanargmax",
        "nanargmin",
        "nanmedian",
        "nanpercentile",
        "nanquantile",
        "packbits",
        "piecewise",
        "poly",
        "polyadd",
        "polyder",
        "polydiv",
        "polyfit",
        "polyint",
        "polymul",
        "polysub",
        "ravel_multi_index",
        "real_if_close",
        "require",
        "result_type",
        "roots",
        "row_stack",
        "save",
        "savetxt",
        "savez",
        "savez_compressed",
        "searchsorted",
        "setdiff1d",
        "setxor1d",
        "shares_memory",
        "sort_complex",
        "tri",
        "tril_indices",
        "tril_indices_from",
        "trim_zeros",
        "triu_indices",
        "triu_indices_from",
        "union1d",
        "unique",
        "unique_all",
        "unique_counts",
        "unique_inverse",
        "unique_values",
        "unpackbits",
        "unravel_index",
        "unwrap",
    ]
)
# The same, but they change their first argument.
_IN_PLACE = frozenset(["fill_diagonal", "place", "put", "putmask"])
# NumPy's own objects: they have nothing to do with arrays, or make NumPy's own kinds of them.
_SHARED = frozenset(
    [
        "asmatrix",
        "_CopyMode",
        "_NoValue",
        "base_repr",
        "binary_repr",
        "bmat",
        "broadcast",
        "broadcast_shapes",
        "busday_count",
        "busday_offset",
        "busdaycalendar",
        "complex256",
        "datetime_as_string",
        "datetime_data",
        "float128",
        "format_float_positional",
        "format_float_scientific",
        "get_include",
        "get_printoptions",
        "getbufsize",
        "geterr",
        "geterrcall",
        "index_exp",
        "info",
        "is_busday",
        "iterable",
        "matrix",
        "memmap",
        "min_scalar_type",
        "ndenumerate",
        "ndindex",
        "nditer",
        "nested_iters",
        "poly1d",
        "printoptions",
        "recarray",
        "record",
        "s_",
        "set_printoptions",
        "setbufsize",
        "seterr",
        "seterrcall",
        "show_config",
        "show_runtime",
    ]
)


class _Grid:
    """mgrid, ogrid, r_, c_: what stands between the brackets goes to NumPy's."""

    def __init__(self, name: str, numpy_object: Any) -> None:
        self._name = name
        self._numpy_object = numpy_object

    def __getitem__(self, key: Any) -> Any:
        return call_numpy(self._name, self._item, (key,), {})

    def _item(self, key: Any) -> Any:
        if isinstance(key, tuple):
            key = tuple(_plain_slice(item) for item in key)
        return self._numpy_object[_plain_slice(key)]

    def __repr__(self) -> str:
        return f"<chainrule.numpy.{self._name}>"


def _plain_slice(item: Any) -> Any:
    return slice(*to_numpy((item.start, item.stop, item.step))) if isinstance(item, slice) else item


class vectorize(numpy.vectorize):  # noqa: N801 - NumPy's name
    """numpy.vectorize with tensors as results."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and callable(args[0]) and isinstance(self.pyfunc, type(numpy._NoValue)):
            return super().__call__(*args)  # @vectorize(otypes=...) above a function
        return call_numpy("vectorize", super().__call__, args, kwargs)


def isscalar(element: Any) -> bool:
    """Whether it is a number (or text): also what a full reduction or an index of one element gives."""
    return isinstance(element, numpy.generic) or numpy.isscalar(element)


def frompyfunc(func: Callable[..., Any], /, nin: int, nout: int, **kwargs: Any) -> Any:
    """A ufunc made of a Python function; its results are arrays of objects, NumPy's own."""
    from .ufunc import Ufunc

    return Ufunc(numpy.frompyfunc(func, nin, nout, **kwargs))


def _in_place(name: str) -> Any:
    """NumPy's function, which changes its first argument."""
    function = getattr(numpy, name)

    def refuse(a: Any, *args: Any, **kwargs: Any) -> None:
        if not needs_ops(a):
            return call_numpy(name, function, (a, *args), kwargs)
        raise NotImplementedError(
            f"chainrule.numpy.{name} changes its array in place, which neither a gradient nor jit can follow; "
            "use where() or an assignment x[...] = value"
        )

    refuse.__name__ = name
    refuse.__doc__ = function.__doc__
    result = recordable(refuse)
    result.__wrapped__ = function
    result.kernel = "delegated"
    return result


NAMES = _COMPUTED | _IN_PLACE | _SHARED | {"c_", "frompyfunc", "isscalar", "mgrid", "ogrid", "r_", "vectorize"}


def find(name: str) -> Any:
    """The object of this name, or MISSING."""
    if name in _COMPUTED:
        return delegated(name, getattr(numpy, name))
    if name in _IN_PLACE:
        return _in_place(name)
    if name in ("mgrid", "ogrid", "r_", "c_"):
        return _Grid(name, getattr(numpy, name))
    if name in ("frompyfunc", "isscalar", "vectorize"):
        return globals()[name]
    if name in _SHARED:
        return getattr(numpy, name, MISSING)
    return MISSING

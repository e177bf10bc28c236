"""bfloat16: the type of elements that NumPy has no dtype for."""

from __future__ import annotations

from typing import Any


class BFloat16:
    """What ``x.dtype`` is of a bfloat16 tensor: the upper half of a float32, 8 bits of precision, its range.

    There is one such object, ``chainrule.bfloat16``. It equals the name ``"bfloat16"`` and the dtype of the package
    ``ml_dtypes``, and is passed wherever a dtype is. NumPy's arrays don't have the type: take ``x.astype("float32")``,
    ``x.view("uint16")`` for the bits or, where ``ml_dtypes`` is installed, ``x.numpy()``.

    Example:
        >>> x = chainrule.asarray([1.0, 2.0]).astype("bfloat16")
        >>> x.dtype == "bfloat16", x.itemsize
        (True, 2)
    """

    name = "bfloat16"
    kind = "f"
    itemsize = 2
    alignment = 2

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, str):
            return other == self.name
        return getattr(other, "name", getattr(other, "__name__", None)) == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return "chainrule.bfloat16"

    def __reduce__(self) -> str:
        return "bfloat16"

    def numpy(self) -> Any:
        """The dtype of the package ml_dtypes; TypeError where that isn't installed."""
        try:
            import ml_dtypes
        except ImportError:
            raise TypeError(
                "NumPy has no bfloat16; install the package ml_dtypes, or take x.astype('float32'), or the bits with "
                "x.view('uint16')"
            ) from None
        import numpy

        return numpy.dtype(ml_dtypes.bfloat16)


bfloat16 = BFloat16()


def from_bits(bits: Any) -> Any:
    """The bfloat16 tensor whose bits these are: what pickle calls."""
    from . import _core

    return _core.asarray(bits).view(bfloat16)

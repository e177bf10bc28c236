"""What a layer expects of its inputs."""

from __future__ import annotations

from typing import Any

from ..config import standardize_dtype


class InputSpec:
    """What a layer expects of an input: number of axes, lengths of some axes.

    Args:
        shape: the shape, None for any length.
        ndim, min_ndim, max_ndim: the number of axes, its bounds.
        axes: required lengths by axis, for instance ``{-1: 784}``.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else standardize_dtype(dtype)
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim, self.axes = max_ndim, min_ndim, axes or {}
        self.allow_last_axis_squeeze, self.name, self.optional = allow_last_axis_squeeze, name, optional

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """A specification made with ``config``."""
        return cls(**config)

    def problem(self, shape: tuple[int | None, ...]) -> str | None:
        """What is wrong with an input of that shape; None if it fits."""
        count = len(shape)
        if self.ndim is not None and count != self.ndim:
            return f"expects {self.ndim} axes"
        if self.min_ndim is not None and count < self.min_ndim:
            return f"expects at least {self.min_ndim} axes"
        if self.max_ndim is not None and count > self.max_ndim:
            return f"expects at most {self.max_ndim} axes"
        wanted = dict(self.axes)
        if self.shape is not None:
            wanted.update(enumerate(self.shape))
        for axis, length in wanted.items():
            if length is not None and shape[axis] is not None and shape[axis] != length:
                return f"expects length {length} on axis {axis}"
        return None

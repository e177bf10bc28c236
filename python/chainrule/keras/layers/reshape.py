"""Layers that move entries without computing: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule import _core

from ..config import image_data_format
from .base import Layer, registry
from .input_spec import InputSpec

_op = _core.ops


class _Reshaping(Layer):
    _keeps_integers = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._build_at_init()


def _product(shape: Any) -> int | None:
    return None if None in shape else math.prod(shape)


@registry.add
class Flatten(_Reshaping):
    """(batch, ...) -> (batch, entries of a sample).

    ``data_format="channels_first"`` moves axis 1 to the end first, so that both layouts give the same order.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format or image_data_format()
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(f"Flatten: data_format must be 'channels_last' or 'channels_first', got {data_format!r}.")
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        if self.data_format == "channels_first" and inputs.ndim > 2:
            inputs = _op.transpose(inputs, (0, *range(2, inputs.ndim), 1))
        return _op.reshape(inputs, (inputs.shape[0], math.prod(inputs.shape[1:])))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], _product(input_shape[1:]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


@registry.add
class Reshape(_Reshaping):
    """(batch, ...) -> (batch, *target_shape); one length of the target may be -1."""

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if self.target_shape.count(-1) > 1 or any(n is not None and n < -1 for n in self.target_shape):
            raise ValueError(
                f"Reshape: target_shape must hold lengths from 0 on, and at most one -1; got {self.target_shape}."
            )

    def call(self, inputs: Any) -> Any:
        return _op.reshape(inputs, (inputs.shape[0], *self.compute_output_shape(inputs.shape)[1:]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        count = _product(input_shape[1:])
        known = math.prod(n for n in self.target_shape if n != -1)
        free = self.target_shape.count(-1)
        if count is None:
            return (input_shape[0], *(None if n == -1 else n for n in self.target_shape))
        if free > 1 or (count % known if free and known else count != known):
            raise ValueError(
                f"Layer {self.name!r} (Reshape) can't make samples of shape {self.target_shape} of samples of shape "
                f"{tuple(input_shape[1:])}: {count} entries."
            )
        return (input_shape[0], *(count // known if n == -1 else n for n in self.target_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}


@registry.add
class Permute(_Reshaping):
    """The axes of a sample in another order: ``Permute((2, 1))`` transposes matrices."""

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: dims must be the numbers 1 to {len(self.dims)} in some order, got {dims}.")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        return _op.transpose(inputs, (0, *self.dims))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *(input_shape[d] for d in self.dims))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": self.dims}


@registry.add
class RepeatVector(_Reshaping):
    """(batch, features) -> (batch, n, features)."""

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(n, int):
            raise TypeError(f"RepeatVector: n must be an integer, got {n!r}.")
        if n < 1:
            raise ValueError(f"RepeatVector: n must be positive, got {n}.")
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        rows, features = inputs.shape
        return _op.copy(_op.broadcast_to(_op.expand_dims(inputs, 1), (rows, self.n, features)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.n, input_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n}

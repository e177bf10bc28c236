"""Layers that combine several inputs: elementwise, or joined along an axis."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from chainrule import _core

from .. import ops
from ..masking import get_mask
from .base import Layer, registry

_op = _core.ops


class _Merge(Layer):
    """Combines a list of at least two inputs whose shapes broadcast.

    A step of the output counts where one of the inputs' counts, if all inputs have masks; else there is no mask.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        self._check_list(inputs)
        return self._merge(list(inputs))

    def _merge(self, inputs: list[Any]) -> Any:
        raise NotImplementedError

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        if previous_mask is None:
            return None
        if not isinstance(previous_mask, (list, tuple)) or not isinstance(inputs, (list, tuple)):
            raise ValueError(f"Layer {self.name!r} ({type(self).__name__}): inputs and masks must be lists.")
        if len(previous_mask) != len(inputs):
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}): {len(inputs)} inputs need as many masks, got "
                f"{len(previous_mask)}."
            )
        if any(mask is None for mask in previous_mask):
            return None
        return functools.reduce(ops.logical_or, previous_mask)

    def _check_list(self, inputs: Any) -> None:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(f"Layer {self.name!r} ({type(self).__name__}) needs a list of at least two inputs.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        self._check_list(input_shape)
        ranks = {len(shape) for shape in input_shape}
        filled = [tuple(1 if n is None else n for n in shape) for shape in input_shape]
        try:
            lengths = np.broadcast_shapes(*filled)
        except ValueError:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) can't combine shapes {[tuple(s) for s in input_shape]}."
            ) from None
        if len(ranks) > 1:
            return lengths
        return tuple(None if any(shape[a] is None for shape in input_shape) else n for a, n in enumerate(lengths))


@registry.add
class Add(_Merge):
    """The sum."""

    def _merge(self, inputs: list[Any]) -> Any:
        return functools.reduce(_op.add, inputs)


@registry.add
class Subtract(_Merge):
    """The first minus the second."""

    def _check_list(self, inputs: Any) -> None:
        super()._check_list(inputs)
        if len(inputs) != 2:
            raise ValueError(f"Layer {self.name!r} (Subtract) needs exactly two inputs, got {len(inputs)}.")

    def _merge(self, inputs: list[Any]) -> Any:
        return _op.subtract(*inputs)


@registry.add
class Multiply(_Merge):
    """The product; a masked step of an input counts as ones, and one that is masked in all of them is 0."""

    def _merge(self, inputs: list[Any]) -> Any:
        masks: list[Any] = [get_mask(x) for x in inputs]
        factors = [
            x if mask is None else _op.where(_op.expand_dims(mask, -1), x, 1.0)
            for x, mask in zip(inputs, masks, strict=True)
        ]
        product = functools.reduce(_op.multiply, factors)
        if any(mask is None for mask in masks):
            return product
        return _op.where(_op.expand_dims(functools.reduce(ops.logical_or, masks), -1), product, 0.0)


@registry.add
class Average(_Merge):
    """The mean."""

    def _merge(self, inputs: list[Any]) -> Any:
        return functools.reduce(_op.add, inputs) * (1.0 / len(inputs))


class _Extremum(_Merge):
    """The greatest or least of the inputs; a masked step of an input has no say against one that counts."""

    _choose: Any  # the op

    def _merge(self, inputs: list[Any]) -> Any:
        output = inputs[0]
        mask = get_mask(output)
        for x in inputs[1:]:
            other, here = get_mask(x), mask
            mask = None if here is None or other is None else _op.logical_or(here, other)
            if other is not None:
                x = _op.where(_op.expand_dims(other, -1), x, output)
            if here is not None:
                output = _op.where(_op.expand_dims(here, -1), output, x)
            output = type(self)._choose(output, x)
        return output


@registry.add
class Maximum(_Extremum):
    """The greatest."""

    _choose = staticmethod(_op.maximum)


@registry.add
class Minimum(_Extremum):
    """The least."""

    _choose = staticmethod(_op.minimum)


@registry.add
class Concatenate(_Merge):
    """Joined along ``axis``."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def _merge(self, inputs: list[Any]) -> Any:
        return _op.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        if previous_mask is None or all(mask is None for mask in previous_mask):
            return None
        masks = []
        for x, mask in zip(inputs, previous_mask, strict=True):
            if mask is None:
                mask = ops.ones_like(x, dtype="bool")
            elif len(mask.shape) < len(x.shape):
                mask = ops.logical_or(ops.expand_dims(mask, -1), ops.zeros_like(x, dtype="bool"))
            masks.append(mask)
        return ops.any(ops.concatenate(masks, axis=self.axis), axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        self._check_list(input_shape)
        axis = self.axis % len(input_shape[0])
        others = {tuple(n for a, n in enumerate(shape) if a != axis) for shape in input_shape}
        if len(others) > 1:
            raise ValueError(
                f"Layer {self.name!r} (Concatenate) joins along axis {self.axis}; the other lengths differ: "
                f"{[tuple(s) for s in input_shape]}."
            )
        lengths = [shape[axis] for shape in input_shape]
        total = None if None in lengths else sum(lengths)
        return tuple(total if a == axis else n for a, n in enumerate(input_shape[0]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


@registry.add
class Dot(_Merge):
    """Sums of products of two inputs' samples over an axis of each.

    With axes (2, 1), inputs (b, i, k) and (b, k, j) give (b, i, j).

    Args:
        axes: the axis of both, or one for each; the batch axis counts as 0.
        normalize: whether both are divided by their length along the axis first (cosine proximity).
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int) and (
            not isinstance(axes, (list, tuple)) or len(axes) != 2 or not all(isinstance(a, int) for a in axes)
        ):
            raise ValueError(f"Dot: axes must be an integer or two integers, got {axes!r}.")
        self.axes, self.normalize = axes, normalize

    def _pair(self, shapes: Any) -> list[int]:
        if not isinstance(shapes, (list, tuple)) or len(shapes) != 2:
            raise ValueError(f"Layer {self.name!r} (Dot) needs a list of exactly two inputs.")
        axes = [self.axes] * 2 if isinstance(self.axes, int) else self.axes
        pair = [axis % len(shape) for axis, shape in zip(axes, shapes, strict=True)]
        lengths = [shape[axis] for axis, shape in zip(pair, shapes, strict=True)]
        if None not in lengths and lengths[0] != lengths[1]:
            raise ValueError(
                f"Layer {self.name!r} (Dot): axis {axes[0]} of the first input has length {lengths[0]}, axis {axes[1]} "
                f"of the second {lengths[1]}; shapes {[tuple(s) for s in shapes]}."
            )
        return pair

    def _merge(self, inputs: list[Any]) -> Any:
        a, b = self._pair([x.shape for x in inputs])
        x, y = inputs
        if self.normalize:
            x, y = ops.normalize(x, axis=a), ops.normalize(y, axis=b)
        kept_x = [n for axis, n in enumerate(x.shape) if axis not in (0, a)]
        kept_y = [n for axis, n in enumerate(y.shape) if axis not in (0, b)]
        x = ops.reshape(ops.moveaxis(x, a, -1), (x.shape[0], -1, x.shape[a]))
        y = ops.reshape(ops.moveaxis(y, b, 1), (y.shape[0], y.shape[b], -1))
        return ops.reshape(ops.matmul(x, y), (x.shape[0], *(kept_x + kept_y or [1])))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return None

    def compute_output_shape(self, input_shape: Any) -> Any:
        a, b = self._pair(input_shape)
        first, second = input_shape
        kept = [n for axis, n in enumerate(first) if axis not in (0, a)]
        kept += [n for axis, n in enumerate(second) if axis not in (0, b)]
        return (first[0], *(kept or [1]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """``Dot(axes)(inputs)``."""
    return Dot(axes, **kwargs)(inputs)


def _function(cls: type[_Merge], name: str) -> Any:
    def merge(inputs: Any, **kwargs: Any) -> Any:
        return cls(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = name
    merge.__doc__ = f"``{cls.__name__}()(inputs)``: {cls.__doc__}"
    return merge


add, subtract, multiply = _function(Add, "add"), _function(Subtract, "subtract"), _function(Multiply, "multiply")
average, maximum, minimum = _function(Average, "average"), _function(Maximum, "maximum"), _function(Minimum, "minimum")


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """``Concatenate(axis)(inputs)``: the inputs side by side along an axis."""
    return Concatenate(axis=axis, **kwargs)(inputs)

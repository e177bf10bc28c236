"""Embedding: a trained row of numbers for each of a set of indices."""

from __future__ import annotations

import operator
import warnings
from typing import Any

from chainrule import _core

from .. import constraints, initializers, ops, regularizers
from ..variables import as_float
from .base import Layer, registry

_op = _core.ops


@registry.add
class Embedding(Layer):
    """Turns whole numbers in [0, input_dim) into rows of a trained table: any shape -> (..., output_dim).

    Args:
        input_dim: the number of rows; the largest index plus one.
        output_dim: the length of a row.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table.
        mask_zero: index 0 is padding; layers that follow learn which steps to pass over (see ``compute_mask``).
        weights: the table to start with, of shape (input_dim, output_dim), alone or in a list.

    Indices may be of any integer type, or floats, which are truncated. A negative one counts from the table's end.

    Raises:
        IndexError: an index outside the table; the message names the layer, the index and the range.

    Example::

        layer = keras.layers.Embedding(1000, 64)
        layer(np.array([[4, 10, 999]])).shape      # (1, 3, 64)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("input_length", None) is not None:
            warnings.warn("Embedding: input_length is not needed any more; remove it.", stacklevel=2)
        super().__init__(**kwargs)
        if lora_rank is not None or lora_alpha is not None or quantization_config is not None:
            raise ValueError("Embedding: lora_rank, lora_alpha and quantization_config are not supported.")
        self.input_dim = self._positive("input_dim", input_dim)
        self.output_dim = self._positive("output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = self.supports_masking = bool(mask_zero)
        self.autocast = False
        if weights is not None:
            self.build()
            self.set_weights(list(weights) if isinstance(weights, (list, tuple)) and len(weights) == 1 else [weights])

    @staticmethod
    def _positive(name: str, value: Any) -> int:
        if isinstance(value, bool) or not hasattr(value, "__index__") or value <= 0:
            raise ValueError(f"Embedding: {name} must be a positive integer, got {value!r}.")
        return operator.index(value)

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
            name="embeddings",
        )

    def call(self, inputs: Any) -> Any:
        return as_float(_op.embedding(self.embeddings.stored, inputs, layer=self.name), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where the index is not 0, if ``mask_zero``; else None."""
        if not self.mask_zero:
            return None
        return ops.not_equal(inputs, 0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
        }

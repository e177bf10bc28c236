"""Embedding: a trained row of numbers for each of a set of indices."""

from __future__ import annotations

import operator
import warnings
from typing import Any

from chainrule import _core

from .. import constraints, initializers, ops, regularizers
from ..masking import set_mask
from ..symbolic import KerasTensor
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


@registry.add
class ReversibleEmbedding(Embedding):
    """An embedding that can be called the other way: vectors (..., output_dim) to scores (..., input_dim) of the rows.

    Args:
        tie_weights: the way back uses the transposed table; else a table of its own.
        reverse_dtype: the type that the scores are computed in.
        logit_soft_cap: c bounds the scores smoothly, c * tanh(scores / c).
        others: as of :class:`Embedding`.

    Example::

        table = keras.layers.ReversibleEmbedding(1000, 64)
        table(table(tokens), reverse=True)  # (..., 1000)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
            mask_zero,
            **kwargs,
        )
        self.tie_weights, self.reverse_dtype, self.logit_soft_cap = tie_weights, reverse_dtype, logit_soft_cap

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                (self.output_dim, self.input_dim), self.embeddings_initializer, name="reverse_embeddings"
            )

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        if not reverse:
            rows = super().call(inputs)
            if self.mask_zero:
                set_mask(rows, ops.not_equal(inputs, 0))
            return rows
        kernel = _op.transpose(self.embeddings.value) if self.tie_weights else self.reverse_embeddings.value
        dtype = self.reverse_dtype or self.compute_dtype
        scores = _op.matmul(as_float(inputs, dtype), as_float(kernel, dtype))
        cap = self.logit_soft_cap
        return scores if cap is None else _op.tanh(scores / cap) * cap

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: the way there gives its outputs their masks itself, the way back has none."""
        return None

    def compute_output_shape(self, input_shape: Any, reverse: bool = False) -> Any:
        return (*input_shape[:-1], self.input_dim) if reverse else (*input_shape, self.output_dim)

    def compute_output_spec(self, inputs: Any, reverse: bool = False) -> Any:
        dtype = self.reverse_dtype if reverse and self.reverse_dtype else self.compute_dtype
        output = KerasTensor(self.compute_output_shape(inputs.shape, reverse), dtype)
        if self.mask_zero and not reverse:
            set_mask(output, ops.not_equal(inputs, 0))
        return output

    def get_config(self) -> dict[str, Any]:
        names = ("tie_weights", "reverse_dtype", "logit_soft_cap")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

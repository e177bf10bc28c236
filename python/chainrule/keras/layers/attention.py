"""Attention: MultiHeadAttention, GroupQueryAttention, and Attention and AdditiveAttention without projections."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule import _core

from .. import constraints, initializers, random, regularizers
from ..masking import get_mask, set_mask
from ..symbolic import KerasTensor
from .base import Layer, registry
from .einsum_dense import EinsumDense
from .regularization import Dropout

_op = _core.ops
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _both(a: Any, b: Any) -> Any:
    """Where both masks are true; None stands for all true."""
    return a if b is None else b if a is None else _op.logical_and(a, b)


def _swapped(x: Any) -> Any:
    """The last two axes exchanged."""
    return _op.transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _bare(x: Any) -> Any:
    """x without the mask that travels with it."""
    return x if get_mask(x) is None else _op.reshape(x, x.shape)


def _causal(queries: int, keys: int) -> Any:
    """(1, queries, keys): true where the key is not later than the query."""
    return np.tril(np.ones((1, queries, keys), bool))


class _ProjectedAttention(Layer):
    """What the layers with heads share: projections, masks, and the op between them."""

    supports_masking = True
    _dropout_layer: Dropout

    def _set_options(self, options: dict[str, Any]) -> None:
        self._kernel_initializer = initializers.get(options["kernel_initializer"])
        self._bias_initializer = initializers.get(options["bias_initializer"])
        self._kernel_regularizer = regularizers.get(options["kernel_regularizer"])
        self._bias_regularizer = regularizers.get(options["bias_regularizer"])
        self._activity_regularizer = regularizers.get(options["activity_regularizer"])
        self._kernel_constraint = constraints.get(options["kernel_constraint"])
        self._bias_constraint = constraints.get(options["bias_constraint"])
        self._flash_attention = options["flash_attention"]
        self.seed = options["seed"]
        window, dropout = options["sliding_window"], options["dropout"]
        if window is not None and (not isinstance(window, int) or window <= 0):
            raise ValueError(
                f"{type(self).__name__}: sliding_window must be None or a positive integer, got {window!r}."
            )
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
            raise ValueError(f"{type(self).__name__}: dropout must lie in [0, 1), got {dropout!r}.")

    def _options_config(self) -> dict[str, Any]:
        return {
            "kernel_initializer": initializers.serialize(self._kernel_initializer),
            "bias_initializer": initializers.serialize(self._bias_initializer),
            "kernel_regularizer": regularizers.serialize(self._kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self._bias_regularizer),
            "activity_regularizer": regularizers.serialize(self._activity_regularizer),
            "kernel_constraint": constraints.serialize(self._kernel_constraint),
            "bias_constraint": constraints.serialize(self._bias_constraint),
            "seed": self.seed,
        }

    def _projection(
        self, name: str, shape: Any, summed: int, lengths: tuple[int, ...], use_bias: bool, activation: Any = None
    ) -> EinsumDense:
        """A dense layer from the last ``summed`` axes of inputs of that shape to axes of the given lengths."""
        free = len(shape) - summed
        rows, inner = _LETTERS[:free], _LETTERS[free : free + summed]
        columns = _LETTERS[free + summed : free + summed + len(lengths)]
        layer = EinsumDense(
            f"{rows}{inner},{inner}{columns}->{rows}{columns}",
            (*(None,) * (free - 1), *lengths),
            activation=activation,
            bias_axes=columns if use_bias else None,
            kernel_initializer=self._again(self._kernel_initializer),
            bias_initializer=self._again(self._bias_initializer),
            kernel_regularizer=self._kernel_regularizer,
            bias_regularizer=self._bias_regularizer,
            activity_regularizer=self._activity_regularizer,
            kernel_constraint=self._kernel_constraint,
            bias_constraint=self._bias_constraint,
            dtype=self._dtype_policy,
            name=name,
        )
        layer.build(shape)
        return layer

    @staticmethod
    def _again(initializer: Any) -> Any:
        return (
            type(initializer).from_config(initializer.get_config())
            if hasattr(initializer, "get_config")
            else initializer
        )

    def __call__(self, query: Any, value: Any = None, key: Any = None, **kwargs: Any) -> Any:
        if value is None:
            raise ValueError(f"Layer {self.name!r} ({type(self).__name__}) needs query and value: layer(query, value).")
        return super().__call__(query, value, *(() if key is None else (key,)), **kwargs)

    def _ensure_built(self, args: tuple[Any, ...]) -> None:
        if not self.built:
            self.build(*(tuple(x.shape) for x in args[:3]))
            self.built = True

    def _mask_of_pairs(
        self, query_mask: Any, value_mask: Any, key_mask: Any, attention_mask: Any, window: int | None, shape: Any
    ) -> Any:
        """Which query may see which key, (batch, queries, keys) with axes of length 1; None for all."""
        mask = None
        if query_mask is not None:
            mask = _op.expand_dims(_op.cast(query_mask, "bool"), -1)
        for other in (value_mask, key_mask):
            if other is not None:
                mask = _both(mask, _op.expand_dims(_op.cast(other, "bool"), -2))
        if window is not None:
            distance = np.arange(shape[0])[:, None] - np.arange(shape[1])[None]
            mask = _both(mask, np.abs(distance)[None] < window)
        return _both(mask, None if attention_mask is None else _op.cast(attention_mask, "bool"))

    def _attend(
        self, query: Any, key: Any, value: Any, mask: Any, causal: bool, rate: float, training: Any, scores: bool
    ) -> tuple[Any, Any]:
        """(outputs, weights if asked for) of (batch, steps, heads, depth); mask: (batch, heads, steps, keys)."""
        scale = 1.0 / math.sqrt(query.shape[-1])
        draw = bool(training) and rate > 0
        noise: Any = self._dropout_layer.seed_generator.next() if draw else None
        if not scores:
            options: dict[str, Any] = {"scale": scale, "causal": causal, "rate": float(rate) if draw else 0.0}
            # As in Keras, whose path for dropout gives a query that sees no key zeros, the other one the mean.
            options["uniform"] = rate == 0
            return _op.attention(query, key, value, mask, None, noise, **options), None
        weights = _op.attention_weights(query, key, mask, None, scale=scale, causal=causal)
        kept = _op.dropout(weights, noise, float(rate)) if draw else weights
        share = query.shape[2] // key.shape[2]
        values = _op.transpose(value, (0, 2, 1, 3))
        if share > 1:
            batch, groups, steps, width = values.shape
            values = _op.broadcast_to(_op.expand_dims(values, 2), (batch, groups, share, steps, width))
            values = _op.reshape(values, (batch, groups * share, steps, width))
        return _op.transpose(_op.matmul(kept, values), (0, 2, 1, 3)), weights


@registry.add
class MultiHeadAttention(_ProjectedAttention):
    """softmax(Q K^T / sqrt(key_dim)) V in ``num_heads`` heads, with projections before and after (Vaswani et al. 2017).

    Called as ``layer(query, value, key=value)`` on (batch, queries, features) and (batch, keys, features) ->
    (batch, queries, features of the query), with ``return_attention_scores=True`` also the weights (batch, heads,
    queries, keys).

    Args:
        num_heads, key_dim, value_dim: the heads, and the lengths of their queries and keys and of their values.
        dropout: fraction of the weights set to 0 in training.
        use_bias: whether the projections have biases.
        output_shape: lengths of the last axes of the outputs; None for those of the query.
        attention_axes: the axes attention runs over; None for all between batch and features.
        sliding_window: a query sees keys nearer than that.
        use_gate: outputs are multiplied by a sigmoid of a projection of the query.
        kernel_initializer, ...: of the projections.

    Masks: ``query_mask``, ``value_mask``, ``key_mask`` (batch, steps), ``attention_mask`` (batch, queries, keys), and
    ``use_causal_mask=True`` for keys not later than the query. A query that may see nothing gets the mean of
    all values, or zeros if there is dropout or the weights are asked for. A matrix of queries times keys is kept for
    the weights only.

    Example: ``MultiHeadAttention(8, 32)(x, x, use_causal_mask=True)``
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        options = dict(locals())
        super().__init__(**kwargs)
        for name in ("num_heads", "key_dim", "value_dim"):
            number = options[name]
            if number is None and name == "value_dim":
                continue
            if isinstance(number, bool) or not isinstance(number, int) or number <= 0:
                raise ValueError(f"MultiHeadAttention: {name} must be a positive integer, got {number!r}.")
        self._set_options(options)
        self._num_heads, self._key_dim, self._value_dim = num_heads, key_dim, value_dim or key_dim
        self._dropout, self._use_bias, self._use_gate = dropout, use_bias, use_gate
        if output_shape:
            output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self._output_shape = output_shape or None
        self._attention_axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self._sliding_window = sliding_window

    num_heads = property(lambda self: self._num_heads, doc="The number of heads.")
    key_dim = property(lambda self: self._key_dim, doc="The length of a head's queries and keys.")
    value_dim = property(lambda self: self._value_dim, doc="The length of a head's values.")
    dropout = property(lambda self: self._dropout, doc="The fraction of weights set to 0 in training.")
    use_bias = property(lambda self: self._use_bias, doc="Whether the projections have biases.")
    attention_axes = property(lambda self: self._attention_axes, doc="The axes attention runs over.")
    query_dense = property(lambda self: self._query_dense, doc="The projection of the query.")
    key_dense = property(lambda self: self._key_dense, doc="The projection of the key.")
    value_dense = property(lambda self: self._value_dense, doc="The projection of the value.")
    output_dense = property(lambda self: self._output_dense, doc="The projection of the outputs.")

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self._check_shapes(value_shape, key_shape)
        keys, values = (self._num_heads, self._key_dim), (self._num_heads, self._value_dim)
        self._query_dense = self._projection("query", query_shape, 1, keys, self._use_bias)
        self._key_dense = self._projection("key", key_shape, 1, keys, self._use_bias)
        if self._use_gate:
            self._gate_dense = self._projection("gate", query_shape, 1, values, self._use_bias, "sigmoid")
        self._value_dense = self._projection("value", value_shape, 1, values, self._use_bias)
        rank = len(query_shape)
        axes = range(1, rank - 1) if self._attention_axes is None else self._attention_axes
        self._attention_axes = tuple(axis if axis >= 0 else rank + axis for axis in axes)
        self._dropout_layer = Dropout(self._dropout, seed=self.seed)
        lengths = self._output_shape or (query_shape[-1],)
        self._output_dense = self._projection(
            "attention_output", (*query_shape[:-1], *values), 2, tuple(lengths), self._use_bias
        )

    def _check_shapes(self, value_shape: Any, key_shape: Any) -> None:
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                f"Layer {self.name!r} (MultiHeadAttention): value and key must have the same lengths but for the last; "
                f"value has shape {tuple(value_shape)}, key {tuple(key_shape)}."
            )

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        key = value if key is None else key
        for x in (query, value, key):
            set_mask(x, None)  # as in Keras: from here on x has no mask, in a residual sum around the layer neither
        lengths = query.shape[1], value.shape[1]
        mask = self._mask_of_pairs(query_mask, value_mask, key_mask, attention_mask, self._sliding_window, lengths)
        gate = self._gate_dense(query) if self._use_gate else None
        query, key, value = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        attend = self._attend if query.ndim == 4 else self._attend_over_axes
        if mask is not None:
            for _ in range(query.ndim - 2 + len(self._attention_axes) + 1 - mask.ndim):
                mask = _op.expand_dims(mask, -2 * len(self._attention_axes) - 1)
        y, scores = attend(query, key, value, mask, use_causal_mask, self._dropout, training, return_attention_scores)
        y = self._output_dense(y if gate is None else y * gate)
        return (y, scores) if return_attention_scores else y

    def _attend_over_axes(
        self, query: Any, key: Any, value: Any, mask: Any, causal: bool, rate: float, training: Any, scores: bool
    ) -> tuple[Any, Any]:
        """Several axes, or not all: those attended over become one, the others join the batch."""
        axes = self._attention_axes
        rest = [axis for axis in range(query.ndim - 2) if axis not in axes]
        order = [*rest, *axes, query.ndim - 2, query.ndim - 1]

        def joined(x: Any) -> Any:
            x = _op.transpose(x, order)
            batch, steps = math.prod(x.shape[: len(rest)]), math.prod(x.shape[len(rest) : -2])
            return _op.reshape(x, (batch, steps, *x.shape[-2:]))

        queries = tuple(query.shape[axis] for axis in axes)
        keys = tuple(key.shape[axis] for axis in axes)
        batch = tuple(query.shape[axis] for axis in rest)
        whole = (*batch, query.shape[-2], *queries, *keys)
        if causal:
            causal_mask = _op.reshape(
                _causal(query.shape[1], value.shape[1]), (1,) * (len(whole) - 2) + (query.shape[1], value.shape[1])
            )
            mask = _both(mask, causal_mask)
        if mask is not None:
            mask = _op.reshape(
                _op.broadcast_to(mask, whole), (-1, whole[len(batch)], math.prod(queries), math.prod(keys))
            )
        y, weights = self._attend(joined(query), joined(key), joined(value), mask, False, rate, training, scores)
        y = _op.reshape(y, (*batch, *queries, *y.shape[-2:]))
        y = _op.transpose(y, [order.index(axis) for axis in range(len(order))])
        return y, None if weights is None else _op.reshape(weights, whole)

    def compute_output_shape(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> Any:
        self._check_shapes(value_shape, value_shape if key_shape is None else key_shape)
        return (*query_shape[:-1], *(self._output_shape or query_shape[-1:]))

    def compute_output_spec(self, query: Any, value: Any, key: Any = None, **options: Any) -> Any:
        y = KerasTensor(
            self.compute_output_shape(query.shape, value.shape, None if key is None else key.shape), self.compute_dtype
        )
        if not options.get("return_attention_scores"):
            return y
        axes = self._attention_axes
        rest = [query.shape[axis] for axis in range(len(query.shape) - 1) if axis not in axes]
        lengths = [x.shape[axis] for x in (query, value) for axis in axes]
        return y, KerasTensor((*rest, self._num_heads, *lengths), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self._num_heads,
            "key_dim": self._key_dim,
            "value_dim": self._value_dim,
            "dropout": self._dropout,
            "use_bias": self._use_bias,
            "use_gate": self._use_gate,
            "output_shape": self._output_shape,
            "attention_axes": self._attention_axes,
            "sliding_window": self._sliding_window,
            **self._options_config(),
        }


class GroupedQueryAttention(_ProjectedAttention):
    """Attention whose query heads share fewer heads of keys and values (Ainslie et al. 2023).

    Args:
        head_dim: the length of a head.
        num_query_heads, num_key_value_heads: the former a multiple of the latter.
        dropout, use_bias, sliding_window, use_gate, kernel_initializer, ...: as in MultiHeadAttention, as are the call
            and its masks.
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        options = dict(locals())
        super().__init__(**kwargs)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                f"GroupQueryAttention: num_query_heads must be a multiple of num_key_value_heads, got "
                f"{num_query_heads} and {num_key_value_heads}."
            )
        self._set_options(options)
        self.head_dim, self.num_query_heads, self.num_key_value_heads = head_dim, num_query_heads, num_key_value_heads
        self.dropout, self.use_bias, self.use_gate, self.sliding_window = dropout, use_bias, use_gate, sliding_window

    @property
    def _config_name(self) -> str:
        """Keras exports the class under another name than its own."""
        return "GroupQueryAttention" if type(self) is GroupedQueryAttention else type(self).__name__

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        heads, shared = (self.num_query_heads, self.head_dim), (self.num_key_value_heads, self.head_dim)
        self._query_dense = self._projection("query", query_shape, 1, heads, self.use_bias)
        self._key_dense = self._projection("key", key_shape or value_shape, 1, shared, self.use_bias)
        if self.use_gate:
            self._gate_dense = self._projection("gate", query_shape, 1, heads, self.use_bias, "sigmoid")
        self._value_dense = self._projection("value", value_shape, 1, shared, self.use_bias)
        self._dropout_layer = Dropout(self.dropout, seed=self.seed)
        self._output_dense = self._projection(
            "attention_output", (*query_shape[:-1], *heads), 2, (query_shape[-1],), self.use_bias
        )

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        query, value, key = _bare(query), _bare(value), _bare(value if key is None else key)
        lengths = query.shape[1], value.shape[1]
        mask = self._mask_of_pairs(query_mask, value_mask, key_mask, attention_mask, self.sliding_window, lengths)
        if mask is not None:
            for _ in range(4 - mask.ndim):
                mask = _op.expand_dims(mask, -3)
        gate = self._gate_dense(query) if self.use_gate else None
        query, key, value = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        y, scores = self._attend(
            query, key, value, mask, use_causal_mask, self.dropout, training, return_attention_scores
        )
        y = self._output_dense(y if gate is None else y * gate)
        return (y, scores) if return_attention_scores else y

    def compute_output_shape(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> Any:
        return tuple(query_shape)

    def compute_output_spec(self, query: Any, value: Any, key: Any = None, **options: Any) -> Any:
        y = KerasTensor(query.shape, self.compute_dtype)
        if not options.get("return_attention_scores"):
            return y
        return y, KerasTensor(
            (query.shape[0], self.num_query_heads, query.shape[1], value.shape[1]), self.compute_dtype
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "use_bias": self.use_bias,
            "use_gate": self.use_gate,
            "sliding_window": self.sliding_window,
            "dropout": self.dropout,
            **self._options_config(),
        }


GroupQueryAttention = registry.add(GroupedQueryAttention, "GroupQueryAttention")


@registry.add
class Attention(Layer):
    """softmax(scores) V without projections (Luong et al. 2015): ``layer([query, value])`` or ``[query, value, key]``.

    Args:
        use_scale: whether scores are multiplied by a trained number.
        score_mode: "dot" for q . k; "concat" for a trained number times sum(tanh(q + k)).
        dropout: fraction of the weights set to 0 in training.

    Masks: ``mask=[query_mask, value_mask]`` (batch, steps); ``use_causal_mask=True``. Outputs of masked queries are 0.
    With ``return_attention_scores=True`` the weights (batch, queries, keys) come second.
    """

    supports_masking = True

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(f"{type(self).__name__}: score_mode must be 'dot' or 'concat', got {score_mode!r}.")
        self.use_scale, self.score_mode, self.dropout, self.seed = use_scale, score_mode, dropout, seed
        self.seed_generator = random.SeedGenerator(seed)
        self.scale: Any = None

    def build(self, input_shape: Any) -> None:
        self._check_list(input_shape)
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def _check_list(self, inputs: Any) -> None:
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) must be called on a list [query, value] or "
                f"[query, value, key]."
            )

    def _scores(self, query: Any, key: Any) -> Any:
        if self.score_mode == "dot":
            scores = _op.matmul(query, _swapped(key))
            return scores if self.scale is None else scores * self.scale.value
        pairs = _op.expand_dims(query, -2) + _op.expand_dims(key, -3)
        pairs = pairs if self.scale is None else pairs * self.scale.value
        return self.concat_score_weight.value * _op.sum(_op.tanh(pairs), axis=-1)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check_list(inputs)
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (mask[0], mask[1]) if mask is not None else (None, None)
        seen = None if value_mask is None else _op.expand_dims(_op.cast(value_mask, "bool"), -2)
        if use_causal_mask:
            seen = _both(seen, _causal(query.shape[-2], key.shape[-2]))
        scores = self._scores(query, key)
        if seen is not None:
            scores = _op.where(seen, scores, scores - 1.0e9)
        weights = _op.softmax(scores)
        kept = weights
        if training and self.dropout > 0:
            kept = random.dropout(weights, self.dropout, seed=self.seed_generator)
        y = _op.matmul(kept, value)
        if query_mask is not None:
            y = _op.where(_op.expand_dims(_op.cast(query_mask, "bool"), -1), y, 0.0)
        return (y, weights) if return_attention_scores else y

    def compute_mask(self, inputs: Any, mask: Any = None, previous_mask: Any = None) -> Any:  # type: ignore[override]
        masks = previous_mask if mask is None else mask
        return None if masks is None else masks[0]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_output_spec(self, inputs: Any, *args: Any, **options: Any) -> Any:
        self._check_list(inputs)
        y = KerasTensor(self.compute_output_shape([x.shape for x in inputs]), self.compute_dtype)
        if not options.get("return_attention_scores"):
            return y
        return y, KerasTensor((*inputs[0].shape[:-1], inputs[-1].shape[-2]), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@registry.add
class AdditiveAttention(Attention):
    """Attention by scores sum(scale * tanh(q + k)) with a trained vector ``scale`` (Bahdanau et al. 2014)."""

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        self._check_list(input_shape)
        if self.use_scale:
            self.scale = self.add_weight((input_shape[0][-1],), "glorot_uniform", name="scale")

    def _scores(self, query: Any, key: Any) -> Any:
        pairs = _op.tanh(_op.expand_dims(query, -2) + _op.expand_dims(key, -3))
        return _op.sum(pairs if self.scale is None else pairs * self.scale.value, axis=-1)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["score_mode"]
        return config

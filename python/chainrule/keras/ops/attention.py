"""Scaled dot-product attention."""

from __future__ import annotations

from typing import Any

from chainrule import nn

from .dispatch import as_real, core, symbolic


@symbolic
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """softmax(query key^T scale + bias, masked) value, for query, key and value of shape (batch, steps, heads, depth).

    See :func:`chainrule.nn.attention`, which this is; ``mask`` may be of any number type (not 0: may be seen). A query
    that sees no key gets the mean of all values.
    """
    if attn_logits_soft_cap is not None:
        raise ValueError("dot_product_attention: attn_logits_soft_cap is for TPUs only, in Keras too; leave it None.")
    query, key, value = as_real(query), as_real(key), as_real(value)
    mask = None if mask is None else core.cast(mask, "bool")
    bias = None if bias is None else as_real(bias)
    return nn.attention(query, key, value, mask, bias, scale, is_causal, uniform=True)

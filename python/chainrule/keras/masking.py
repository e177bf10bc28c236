"""Masks: which time steps of a tensor count.

A mask is a tensor of truth values (batch, steps), True where the step counts. It travels with the tensor it belongs to,
as the attribute ``_keras_mask``; layers put it there (see ``Layer.compute_mask``), operations let it go.
"""

from __future__ import annotations

from typing import Any

from .symbolic import flatten, map_structure


def get_mask(x: Any) -> Any | None:
    """The mask that travels with ``x``, or None."""
    return getattr(x, "_keras_mask", None)


def set_mask(x: Any, mask: Any) -> None:
    """Lets ``mask`` travel with the tensor ``x``; None: no mask."""
    if mask is not None or get_mask(x) is not None:
        x._keras_mask = mask


def masks_of(structure: Any) -> Any:
    """The masks of the tensors in a nested structure, in the same structure; None if there are none at all."""
    if not isinstance(structure, (list, tuple, dict)):
        return getattr(structure, "_keras_mask", None)
    masks = map_structure(get_mask, structure)
    return masks if any(mask is not None for mask in flatten(masks)) else None

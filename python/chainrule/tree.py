"""Nested containers of arrays: taken apart into a flat list and put together again.

A *tree* is a list, tuple, named tuple or dict of trees, ``None``, or a leaf (anything else). Dicts are walked in the
order of their sorted keys, so two dicts with the same keys have the same structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Structure", "flatten", "map", "unflatten"]

# A structure is hashable: a leaf is LEAF, an inner node a tuple (kind, keys or type, children).
Structure = Any
LEAF = "*"


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of ``tree`` in order, and its structure (hashable, comparable).

    >>> flatten({"w": 1, "b": (2, 3)})
    ([2, 3, 1], ('dict', ('b', 'w'), (('tuple', None, ('*', '*')), '*')))
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    kind = type(tree)
    if kind is list or kind is tuple:
        return (kind.__name__, None, tuple([_flatten(child, leaves) for child in tree]))
    if tree is None:
        return ("none", None, ())
    if isinstance(tree, dict):
        keys = tuple(sorted(tree))
        return ("dict", keys, tuple([_flatten(tree[key], leaves) for key in keys]))
    if isinstance(tree, tuple):  # a named tuple
        return ("named", kind, tuple([_flatten(child, leaves) for child in tree]))
    if isinstance(tree, list):
        return ("list", None, tuple([_flatten(child, leaves) for child in tree]))
    leaves.append(tree)
    return LEAF


def unflatten(structure: Structure, leaves: list[Any]) -> Any:
    """The tree with this structure and these leaves; the inverse of :func:`flatten`."""
    source = iter(leaves)
    tree = _unflatten(structure, source)
    if next(source, source) is not source:
        raise ValueError("unflatten: more leaves than the structure has places")
    return tree


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure == LEAF:
        try:
            return next(leaves)
        except StopIteration:
            raise ValueError("unflatten: fewer leaves than the structure has places") from None
    kind, extra, children = structure
    if kind == "none":
        return None
    values = [_unflatten(child, leaves) for child in children]
    if kind == "list":
        return values
    if kind == "tuple":
        return tuple(values)
    if kind == "named":
        return extra(*values)
    return dict(zip(extra, values, strict=True))


def map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:  # noqa: A001 - the field's name for it
    """``function`` applied to corresponding leaves of trees of one structure."""
    leaves, structure = flatten(tree)
    others = []
    for other in rest:
        other_leaves, other_structure = flatten(other)
        if other_structure != structure:
            raise ValueError(f"map: the trees differ in structure: {structure} and {other_structure}")
        others.append(other_leaves)
    return unflatten(structure, [function(*values) for values in zip(leaves, *others, strict=True)])

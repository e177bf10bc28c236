"""``keras.tree``: nested lists, tuples, named tuples and dictionaries, walked and rebuilt.

Dictionaries go by sorted key, ``OrderedDict`` in its own order, as in Keras 3. None is a leaf.
"""

from __future__ import annotations

import collections
import warnings
from collections.abc import Callable, Sequence
from typing import Any

__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]


class MAP_TO_NONE:
    """What a function given to :func:`traverse` returns to put None in a subtree's place."""


def is_nested(structure: Any) -> bool:
    """Whether it is a list, tuple, deque or dictionary."""
    return isinstance(structure, (list, tuple, dict, collections.deque))


def _items(structure: Any) -> list[tuple[Any, Any]]:
    """The (key, child) pairs of a container in order."""
    if isinstance(structure, collections.OrderedDict):
        return list(structure.items())
    if isinstance(structure, dict):
        return [(key, structure[key]) for key in sorted(structure)]
    return list(enumerate(structure))


def _rebuilt(structure: Any, children: list[Any]) -> Any:
    """A container like ``structure`` with other children, given in the order of :func:`_items`."""
    if isinstance(structure, dict):
        values = dict(zip((key for key, _ in _items(structure)), children, strict=True))
        pairs = [(key, values[key]) for key in structure]
        if isinstance(structure, collections.defaultdict):
            return collections.defaultdict(structure.default_factory, pairs)
        return type(structure)(pairs)
    if hasattr(structure, "_fields"):
        return type(structure)(*children)
    return type(structure)(children)


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves with their paths of indices and keys: ``[(path, leaf), ...]``."""
    if not is_nested(structure):
        return [((), structure)]
    return [((key, *path), leaf) for key, child in _items(structure) for path, leaf in flatten_with_path(child)]


def flatten(structure: Any) -> list[Any]:
    """The leaves in order."""
    return [leaf for _, leaf in flatten_with_path(structure)]


def _same_kind(a: Any, b: Any) -> bool:
    return type(a) is type(b) or (isinstance(a, dict) and isinstance(b, dict))


def assert_same_structure(a: Any, b: Any, check_types: bool | None = None) -> None:
    """Raises ValueError unless both are nested alike: same kinds of containers, lengths and keys."""
    if check_types is not None:
        warnings.warn("assert_same_structure: check_types has no effect any more.", DeprecationWarning, stacklevel=2)
    if is_nested(a) != is_nested(b) or (
        is_nested(a)
        and not (_same_kind(a, b) and len(a) == len(b) and (not isinstance(a, dict) or a.keys() == b.keys()))
    ):
        raise ValueError(f"The two structures don't have the same nested structure.\n  first: {a!r}\n  second: {b!r}")
    if is_nested(a):
        children = a.values() if isinstance(a, dict) else a
        others = [b[key] for key in a] if isinstance(a, dict) else b
        for x, y in zip(children, others, strict=True):
            assert_same_structure(x, y)


def assert_same_paths(a: Any, b: Any) -> None:
    """Raises ValueError unless the leaves of both have the same paths; lists and tuples count as alike."""
    first, second = ({path for path, _ in flatten_with_path(x)} for x in (a, b))
    if first != second:
        raise ValueError(
            f"The two structures don't have the same paths: only in the first {sorted(first - second, key=repr)}, "
            f"only in the second {sorted(second - first, key=repr)}."
        )


def _check_map(name: str, function: Any, structures: Sequence[Any]) -> None:
    if not callable(function):
        raise TypeError(f"{name}: the function must be callable, got {function!r}.")
    if not structures:
        raise TypeError(f"{name}: at least one structure is needed.")


def map_structure(function: Callable[..., Any], *structures: Any, none_is_leaf: bool = True) -> Any:
    """The function applied to the leaves that stand at the same place of all structures.

    With ``none_is_leaf=False`` None stays None.

    Raises:
        TypeError: no structure, or something that can't be called.
        ValueError: the structures differ.
    """
    _check_map("map_structure", function, structures)
    for other in structures[1:]:
        assert_same_structure(structures[0], other)

    def walk(parts: Sequence[Any]) -> Any:
        first = parts[0]
        if not is_nested(first):
            if not none_is_leaf and all(part is None for part in parts):
                return None
            return function(*parts)
        return _rebuilt(first, [walk([part[key] for part in parts]) for key, _ in _items(first)])

    return walk(structures)


def map_structure_up_to(shallow_structure: Any, function: Callable[..., Any], *structures: Any) -> Any:
    """The function applied to whatever stands in the structures at the leaves of ``shallow_structure``."""
    _check_map("map_structure_up_to", function, structures)

    def walk(shallow: Any, parts: Sequence[Any]) -> Any:
        if not is_nested(shallow):
            return function(*parts)
        for part in parts:
            if not is_nested(part) or len(part) != len(shallow):
                raise ValueError(
                    f"The two structures don't have the same nested structure.\n  first: {shallow!r}\n"
                    f"  second: {part!r}"
                )
        return _rebuilt(shallow, [walk(child, [part[key] for part in parts]) for key, child in _items(shallow)])

    return walk(shallow_structure, structures)


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """The leaves of ``flat_sequence`` in the given structure: the inverse of :func:`flatten`.

    Raises:
        TypeError: ``flat_sequence`` is no sequence.
        ValueError: too few or too many leaves.
    """
    if not is_nested(flat_sequence):
        raise TypeError(f"pack_sequence_as: flat_sequence must be a list or tuple of leaves, got {flat_sequence!r}.")
    leaves = list(flat_sequence)
    places = len(flatten(structure))
    if places != len(leaves):
        raise ValueError(f"pack_sequence_as: the structure has {places} leaves, flat_sequence {len(leaves)}.")
    source = iter(leaves)
    return map_structure(lambda _: next(source), structure)


def traverse(function: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """Calls the function on every subtree; what it returns (unless None) takes the subtree's place.

    ``top_down``: parents first, and replaced subtrees aren't entered. :class:`MAP_TO_NONE` puts None.
    """
    if not callable(function):
        raise TypeError(f"traverse: the function must be callable, got {function!r}.")

    def walk(part: Any) -> Any:
        if top_down:
            found = function(part)
            if found is not None:
                return None if found is MAP_TO_NONE else found
        if is_nested(part):
            part_now = _rebuilt(part, [walk(child) for _, child in _items(part)])
        else:
            part_now = part
        if not top_down:
            found = function(part_now)
            if found is not None:
                return None if found is MAP_TO_NONE else found
        return part_now

    return walk(structure)


def lists_to_tuples(structure: Any) -> Any:
    """The structure with tuples for lists."""
    return traverse(lambda part: tuple(part) if type(part) is list else None, structure, top_down=False)


def _is_shape(structure: Any) -> bool:
    return isinstance(structure, (list, tuple)) and all(isinstance(n, (int, type(None))) for n in structure)


def map_shape_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """:func:`map_structure` where lists and tuples of lengths are the leaves."""
    if not callable(function):
        raise TypeError(f"map_shape_structure: the function must be callable, got {function!r}.")
    if _is_shape(structure):
        return function(tuple(structure))
    if not is_nested(structure):
        raise ValueError(f"map_shape_structure: {structure!r} is no shape.")
    return _rebuilt(structure, [map_shape_structure(function, child) for _, child in _items(structure)])

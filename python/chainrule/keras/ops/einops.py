"""``rearrange``: reshaping and transposing by a pattern of axis names."""

from __future__ import annotations

import math
import re
from typing import Any

from ..variables import convert_to_tensor
from .dispatch import core, symbolic


def _groups(side: str, pattern: str) -> list[list[str]]:
    """``"b (h w) c"`` as ``[["b"], ["h", "w"], ["c"]]``."""
    parts = re.findall(r"\(([^()]*)\)|(\w+)", side)
    if re.sub(r"\([\w\s]*\)|\w+|\s", "", side):
        raise ValueError(f"rearrange: can't read {pattern!r}: names, and groups of them in parentheses, are expected.")
    return [[single] if single else group.split() for group, single in parts]


@symbolic
def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Axes split, reordered and joined as the pattern says.

    Example::

        keras.ops.rearrange(images, "b (h p) (w q) c -> b (h w) (p q c)", p=4, q=4)

    Raises:
        ValueError: a pattern that doesn't fit the shape, or names that differ between its sides.
    """
    x = convert_to_tensor(tensor)
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError(f"rearrange: the pattern needs one '->', got {pattern!r}.")
    given, wanted = (_groups(side, pattern) for side in sides)
    if len(given) != x.ndim:
        raise ValueError(f"rearrange: {pattern!r} names {len(given)} axes, but the shape is {tuple(x.shape)}.")
    lengths = dict(axes_lengths)
    for group, n in zip(given, x.shape, strict=True):
        unknown = [name for name in group if name not in lengths]
        known = math.prod(lengths[name] for name in group if name in lengths)
        if len(unknown) > 1 or (n % known if unknown else n != known):
            raise ValueError(f"rearrange: an axis of length {n} can't be split into {group} with {axes_lengths}.")
        if unknown:
            lengths[unknown[0]] = n // known
    names = [name for group in given for name in group]
    targets = [name for group in wanted for name in group]
    if sorted(names) != sorted(targets) or len(set(names)) != len(names):
        raise ValueError(f"rearrange: each name must stand once on both sides of {pattern!r}.")
    x = core.reshape(x, tuple(lengths[name] for name in names))
    x = core.transpose(x, tuple(names.index(name) for name in targets))
    return core.reshape(x, tuple(math.prod(lengths[name] for name in group) for group in wanted))

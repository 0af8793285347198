"""Nests of tuples, lists and dictionaries: their leaves in order, and the same nest with others.

Torch has the like for nests of any kind, which takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Part = TypeVar("Part")


def leaves(part: Any) -> Iterator[Any]:
    """Everything in a nest that is no tuple, list or dictionary, in order."""
    if isinstance(part, tuple | list):
        for one in part:
            yield from leaves(one)
    elif isinstance(part, dict):
        for one in part.values():
            yield from leaves(one)
    else:
        yield part


def mapped(function: Callable[[Any], Any], part: Part) -> Part:
    """The nest with function(leaf) for each leaf, in the order of `leaves`."""
    made: Any = part
    kind: Any = type(part)
    if isinstance(part, tuple | list):
        parts = [mapped(function, one) for one in part]
        made = kind._make(parts) if hasattr(kind, "_make") else kind(parts)
    elif isinstance(part, dict):
        made = {name: mapped(function, one) for name, one in part.items()}
    else:
        made = function(part)
    return made  # type: ignore[no-any-return]

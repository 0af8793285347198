"""The one hook interface of the simulator: hooks see every named value where it is computed, and may replace it.

The set-up (`Simulation`, `model.resolve`), the kernel and the sum over a pixel take `hooks`, by default none. A trace
collects values through it; an audit replaces values by another program's or changes one to see what follows; the
recorder of compiled code takes the names of its C variables from it. Without hooks nothing is computed for them. The
value that a hook returns is used from there on; a hook that only observes returns the value itself.

Names are those of the values in the code, the unit last: `q_per_m`, `F_cell`, `hkl`. A `Place` says which pass of the
sums a value belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar


class Place(NamedTuple):
    """The pass that a value belongs to; values of the set-up and of whole pixels belong to the first pass."""

    sample: int = 0  # first sample of the pass; one number counts layers, slow and fast sub-pixels
    source: int = 0
    orientation: int = 0  # first orientation of the pass; one number counts spindle steps and mosaic domains


Hooks = Callable[[str, Any, Place], Any]
Hook = Callable[[str, Any], Any]  # hooks at one place
T = TypeVar("T")


def at(hooks: Hooks | None, sample: int = 0, source: int = 0, orientation: int = 0) -> Hook | None:
    """The hooks at a place."""
    return None if hooks is None else partial(_call, hooks, Place(sample, source, orientation))


def _call(hooks: Hooks, place: Place, name: str, value: Any) -> Any:
    return hooks(name, value, place)


def watched(hook: Hook | None, name: str, value: T) -> T:
    """The value that the hooks return; the value itself without hooks."""
    if hook is None:
        return value
    seen: T = hook(name, value)
    return seen

"""The one seam of the simulator: `hooks` see every named value where it is computed, and may put another in its place.

The set-up (`Simulation`, `model.resolve`), the kernel and the sum over a pixel take `hooks`, by default none. A trace
collects values through it; an audit feeds stages with another program's values or moves a value to see what follows;
a recording of compiled code names the variables of its C. Without hooks nothing is looked at and nothing is computed
for them. What a hook returns is used for all that follows: the value itself to leave things as they are.

Names are those of the values in the code, the unit last: `q_per_m`, `F_cell`, `hkl`. A `Place` says which pass of the
sums it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar


class Place(NamedTuple):
    """The pass that a value belongs to; values of the set-up and of whole pixels belong to the first."""

    sample: int = 0  # the first of the pass: layer, slow and fast sub-pixel counted in one
    source: int = 0
    orientation: int = 0  # the first of the pass: spindle step and mosaic domain counted in one


Hooks = Callable[[str, Any, Place], Any]
Hook = Callable[[str, Any], Any]  # hooks at one place
T = TypeVar("T")


def at(hooks: Hooks | None, sample: int = 0, source: int = 0, orientation: int = 0) -> Hook | None:
    """The hooks at a place."""
    return None if hooks is None else partial(_call, hooks, Place(sample, source, orientation))


def _call(hooks: Hooks, place: Place, name: str, value: Any) -> Any:
    return hooks(name, value, place)


def watched(hook: Hook | None, name: str, value: T) -> T:
    """What takes the place of a value: the value itself where nobody objects."""
    if hook is None:
        return value
    seen: T = hook(name, value)
    return seen

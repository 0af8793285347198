"""The results of every stage of the torch physics can be observed and replaced, key by key.

`watched_trace` traces one pixel with the production code, through its `hooks`. After each stage `visit(key, context,
values)` gets the stage's results, in the units of the trace; the values that it returns (None: no change) are used from
there on. So a visitor that returns a reference's values feeds every stage with the reference's parents, and a visitor
that changes a single value injects an error at that stage.
"""

from typing import Any

import torch

from nanobrag_torch.hooks import Hooks, Place
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.trace import trace_lines
from trace_audit.stages.exchange import Visit
from trace_audit.stages.pixel import OnePixel
from trace_audit.stages.setup import SetUp


def watched_trace(
    experiment: Experiment,
    pixel: tuple[int, int],
    *,
    device: str,
    dtype: torch.dtype,
    visit: Visit,
    first: Hooks | None = None,
) -> list[str]:
    """The trace of pixel (slow, fast) with `visit` after every stage. Raises what the simulator raises.

    `first`: hooks that have their way with each value before it is visited.
    """
    visitor = Visitor(visit)

    def both(name: str, value: Any, place: Place) -> Any:
        return visitor(name, value if first is None else first(name, value, place), place)

    return list(trace_lines(experiment, *pixel, device=device, dtype=dtype, hooks=both))


class Visitor(OnePixel, SetUp):
    """A visitor as the simulator's hooks. Values without a key of their own are not changed."""

    def __call__(self, name: str, value: Any, place: Place) -> Any:
        new = self.set_up(name, value)
        new = self.pixel(name, value, place) if new is None else new
        return value if new is None else new

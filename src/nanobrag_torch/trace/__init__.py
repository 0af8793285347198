"""The trace of one pixel: prints the values that the production pass over the pixel computed, and computes none itself.

`TRACE_PY:key=value` lines for the set-up, `TRACE_PY: key value` for the pixel, `TRACE_PY_PHI` for the spindle steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from nanobrag_torch import integrate
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.eager import EagerBackend
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.hooks import Hooks, at, watched
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.simulator import Simulation
from nanobrag_torch.trace import text
from nanobrag_torch.trace.pixel import PixelLines, Seen, final_lines
from nanobrag_torch.trace.setup import context_lines, setup_lines


def trace_lines(
    experiment: Experiment,
    slow: int,
    fast: int,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float64,
    hooks: Hooks | None = None,
) -> Iterator[str]:
    """Every trace line of pixel (slow, fast), in order. Only that pixel is simulated.

    `hooks` see, and may replace, every value before it is used and printed: see `nanobrag_torch.hooks`.
    Raises ExperimentError for a pixel that the experiment does not compute.
    """
    return trace_simulation(Simulation(experiment, device, dtype, hooks), slow, fast)


def derivative_lines(
    experiment: Experiment, slow: int, fast: int, derivative: text.Reading, hooks: Hooks | None = None
) -> list[str]:
    """The trace with `derivative(tensor)`, of the same shape, printed in place of every tensor.

    For an experiment that depends on a parameter, and `derivative` by that parameter: the derivatives of all keys.
    """
    token = text.reading.set(derivative)
    try:
        simulation = Simulation(experiment, hooks=hooks, graph_at_once=True)
        return list(trace_simulation(simulation, slow, fast, backend=EagerBackend(simulation.model)))
    finally:
        text.reading.reset(token)


def trace_simulation(
    simulation: Simulation,
    slow: int,
    fast: int,
    image_dtype: torch.dtype = torch.float32,
    backend: Backend | None = None,
) -> Iterator[str]:
    """As `trace_lines`, for a simulation that is set up already: by the code that makes its images of that type.

    A tracing `backend` given here is used instead.
    """
    g = simulation.geometry
    if not (0 <= slow < g.n_slow and 0 <= fast < g.n_fast):
        raise ExperimentError(
            f"-trace_pixel {slow} {fast}: the detector has slow 0 to {g.n_slow - 1} and fast 0 to {g.n_fast - 1}"
        )
    if not simulation.pixels.cover(slow, fast):
        raise ExperimentError(f"-trace_pixel {slow} {fast}: this pixel is outside the region of interest or masked")
    seen = Seen(simulation.hooks)
    show = partial(watched, at(simulation.hooks))
    slow, fast = show("pixel_slow_fast", (slow, fast))
    pixel = torch.tensor([[fast], [slow]], device=simulation.device)
    backend = simulation.tracing_backend(image_dtype) if backend is None else backend
    photons = integrate.photons(simulation.model, pixel[0], pixel[1], backend, image_dtype, hooks=seen)
    yield from setup_lines(g, show)
    yield from context_lines(simulation.model, slow, fast, show)
    yield from PixelLines(simulation.model, seen, show).lines()
    yield from final_lines(simulation.model, seen, photons.float(), show)

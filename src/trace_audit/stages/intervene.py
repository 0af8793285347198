"""Every stage of the torch physics, opened at its border: what it returns can be looked at and replaced, key by key.

`watched_trace` traces one pixel with the production code. At the border of each stage `visit(key, context, values)` is
told what the stage has just computed, in the units of the trace; what it returns (None: nothing) takes the place of the
values for all that follows. So a visitor that returns a reference's values feeds every stage with the reference's
parents, and one that moves a single value injects an error at that stage. Nothing of this exists outside the call.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from nanobrag_torch import model as model_module
from nanobrag_torch import trace as printer
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.physics import scaling
from nanobrag_torch.simulator import Simulation
from trace_audit.stages.exchange import FIRST, Visit, Wrapper
from trace_audit.stages.pixel import OnePixel
from trace_audit.stages.setup import SetUp
from trace_audit.trace.parse import Context


def watched_trace(
    experiment: Experiment, pixel: tuple[int, int], *, device: str, dtype: torch.dtype, visit: Visit
) -> list[str]:
    """The trace of pixel (slow, fast) with `visit` at the border of every stage. Raises what the simulator raises."""
    watch = _Watch(visit)
    with watch.installed():
        simulation = Simulation(experiment, device, dtype)
        geometry = simulation.model.geometry  # what the set-up hands over; the set-up lines keep the original
        handed = geometry._replace(
            fdet=watch.swap(geometry.fdet, "fdet_vec", FIRST), sdet=watch.swap(geometry.sdet, "sdet_vec", FIRST)
        )
        simulation.model = simulation.model._replace(geometry=handed)
        return list(printer.trace_simulation(simulation, *pixel))


class _Watch(SetUp, OnePixel):
    """All wrappers, put around the stages for the time of one trace."""

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Put the wrappers around the stages, and take them away again."""
        constant = scaling.CLASSICAL_ELECTRON_RADIUS_SQR_M2
        r_e_sqr = self.visit("r_e_sqr", Context(), [constant])
        with contextlib.ExitStack() as stack:

            def put(place: Any, name: str, value: Any) -> None:
                stack.callback(setattr, place, name, getattr(place, name))
                setattr(place, name, value)

            for module in (scaling, printer):
                put(module, "CLASSICAL_ELECTRON_RADIUS_SQR_M2", constant if r_e_sqr is None else r_e_sqr[0])
            steps = model_module.Model.steps.fget
            put(model_module.Model, "steps", property(lambda model: self._steps(steps(model))))
            for place, name, wrapper in (*self.set_up_wrappers(), *self.pixel_wrappers()):
                put(place, name, _bound(wrapper, getattr(place, name)))
            yield

    def _steps(self, steps: int) -> int:
        new = self.visit("steps", Context(), [steps])
        return steps if new is None else int(new[0])


def _bound(wrapper: Wrapper, real: Wrapper) -> Wrapper:
    def call(*args: Any) -> Any:
        return wrapper(real, *args)

    return call

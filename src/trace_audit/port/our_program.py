"""Our torch program as the model of an experiment: traces, single pixels and images for a changed command line.

The reflections are read once; every other file and flag is read anew for each command line.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from trace_audit.compare.substitute import Visit
from trace_audit.core.errors import InputError
from trace_audit.port.changes import Change, Hooked, Variant
from trace_audit.trace.parse import Trace, parse_trace

REFLECTION_FLAGS = ("-hkl", "-default_F", "-dumpfile", "-dump", "-interpolate", "-nointerpolate", "-dmin", "-water")


_MOST_TIMES_OURS = 10
# what the simulator and torch raise for an experiment, or a change of it, that has no numbers
_IMPOSSIBLE = (ValueError, ArithmeticError, RuntimeError)


class Refused(ValueError):
    """Our program does not take this command line, or the pixel is not computed with it."""


def split_words(words: Sequence[str]) -> list[tuple[str, ...]]:
    """A command line as flags, each with its values. Raises InputError for one that our program does not take."""
    from nanobrag_torch.cli.tokens import split
    from nanobrag_torch.errors import ExperimentError

    try:
        occurrences = split(list(words))
    except ExperimentError as error:
        raise InputError(f"command line: {error}") from error
    flags, position = [], 0
    for occurrence in occurrences:
        length = 1 + len(occurrence.values)
        flags.append(tuple(words[position : position + length]))
        position += length
    return flags


@dataclass
class OurProgram:
    """Our torch program on one pixel (slow, fast) of the experiment that `words` describe, in float64 on the CPU."""

    words: tuple[str, ...]
    pixel: tuple[int, int]
    reflections: dict[tuple[tuple[str, ...], ...], Any] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    def once(self, name: Any, work: Callable[[], Any]) -> Any:
        """What `work` gives, worked out the first time it is asked for under that name."""
        if name not in self.kept:
            self.kept[name] = work()
        return self.kept[name]

    def experiment(self, arguments: Sequence[str]) -> Any:
        """The experiment of a command line. Raises Refused."""
        from nanobrag_torch.cli import parse

        try:
            flags = split_words(arguments)
        except InputError as error:
            raise Refused(str(error)) from error
        about = tuple(flag for flag in flags if flag[0] in REFLECTION_FLAGS)
        if about not in self.reflections:
            self.reflections[about] = self._parsed(parse, list(arguments)).structure_factors
        kept = self.reflections[about]
        without_table = [
            argument for flag in flags if flag[0] not in ("-hkl", "-dumpfile", "-dump") for argument in flag
        ]
        return replace(self._parsed(parse, [*without_table, "-default_F", "1"]), structure_factors=kept)

    def _parsed(self, parse: Any, arguments: list[str]) -> Any:
        try:
            return parse(arguments).experiment
        except ValueError as error:
            raise Refused(str(error)) from error

    @cached_property
    def base(self) -> Any:
        """The experiment as it is."""
        return self.experiment(self.words)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Pixels of the detector, (slow, fast)."""
        from nanobrag_torch.simulator import Simulation

        geometry = Simulation(self.base).geometry
        return geometry.n_slow, geometry.n_fast

    @property
    def variant(self) -> Variant:
        """The program as it is."""
        return Variant(self.words, self.changes)

    def changed(self, variant: Variant, pixel: tuple[int, int] | None = None) -> "OurProgram":
        """The program of a variant, on another pixel perhaps."""
        return OurProgram(variant.words, pixel or self.pixel, self.reflections, changes=variant.changes)

    def trace(self, variant: Variant | None = None) -> Trace:
        """The trace of the pixel for a variant (None: the program as it is). Raises Refused."""
        from nanobrag_torch.trace import trace_simulation

        variant = self.variant if variant is None else variant
        experiment, hooks = self._run_of(variant)
        pixel = self.pixel[::-1] if variant.swaps_pixel else self.pixel
        try:
            simulation = self._simulation(one_pixel(experiment, pixel), hooks)
            trace = parse_trace(list(trace_simulation(simulation, *pixel)))
            return trace if hooks is None else hooks.printed(trace)
        except _IMPOSSIBLE as error:
            raise Refused(str(error)) from error

    def _run_of(self, variant: Variant) -> tuple[Any, Hooked | None]:
        """The experiment of a variant, and the hooks of one run of it. Raises Refused."""
        stated = self.base if variant.words == self.words else self.experiment(variant.words)
        experiment = variant.experiment(stated)
        return experiment, Hooked(variant.changes, experiment) if variant.changes else None

    def _simulation(self, experiment: Any, hooks: Hooked | None = None) -> Any:
        """The experiment, set up. Raises Refused for one that is impossible or takes far more steps than ours."""
        from nanobrag_torch.simulator import Simulation

        try:
            simulation = Simulation(experiment, hooks=hooks)
        except _IMPOSSIBLE as error:
            raise Refused(str(error)) from error
        model = simulation.model
        steps = model.samples * model.source_count * model.real_m.shape[0]
        if steps > _MOST_TIMES_OURS * self.once("steps", lambda: steps):
            raise Refused(f"{steps} steps a pixel are far more than the experiment's own")
        return simulation

    def watched(self, visit: Visit) -> Trace:
        """The trace with `visit` at the border of every stage."""
        import torch

        from trace_audit.stages.intervene import watched_trace

        experiment, hooks = self._run_of(self.variant)
        pixel = self.pixel[::-1] if self.variant.swaps_pixel else self.pixel
        single_pixel = one_pixel(experiment, pixel)
        try:
            lines = watched_trace(single_pixel, pixel, device="cpu", dtype=torch.float64, visit=visit, first=hooks)
        except (ValueError, ArithmeticError) as error:
            raise Refused(f"our stages refuse these values: {error}") from error
        trace = parse_trace(lines)
        return trace if hooks is None else hooks.printed(trace)

    def photons(self, slow: np.ndarray, fast: np.ndarray, variant: Variant | None = None) -> np.ndarray:
        """Photons of the pixels (slow, fast), each (pixels,), for a variant. Raises Refused."""
        import torch

        from nanobrag_torch import integrate

        variant = self.variant if variant is None else variant
        experiment, hooks = self._run_of(variant)
        simulation = self._simulation(replace(experiment, detector=replace(experiment.detector, mask=None)), hooks)
        geometry = simulation.geometry
        slow, fast = (fast, slow) if variant.swaps_pixel else (slow, fast)
        if slow.max(initial=0) >= geometry.n_slow or fast.max(initial=0) >= geometry.n_fast:
            raise Refused("the detector has fewer pixels")
        parts = []
        try:
            with torch.no_grad():
                for s, f in zip(_tiles(slow), _tiles(fast), strict=True):
                    positions = torch.from_numpy(f.copy()), torch.from_numpy(s.copy())
                    parts.append(integrate.integrate(simulation.model, *positions, hooks=hooks).photons)
        except _IMPOSSIBLE as error:
            raise Refused(str(error)) from error
        return torch.cat(parts).numpy() if parts else np.zeros(0)


def one_pixel(experiment: Any, pixel: tuple[int, int]) -> Any:
    """The experiment with that pixel alone."""
    slow, fast = pixel
    return replace(experiment, detector=replace(experiment.detector, roi=(fast, fast, slow, slow), mask=None))


def _tiles(numbers: np.ndarray) -> list[np.ndarray]:
    return [numbers[first : first + 2048].astype(np.int64) for first in range(0, numbers.size, 2048)]

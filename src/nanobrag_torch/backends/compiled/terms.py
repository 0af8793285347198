"""Photons of a pixel with several samples or sources, as one program with loops over these.

What is recorded is one pass of the loops: one sample lit by one source. The sums go from pass to pass in the order of
`integrate`, so the numbers are those of its own loops.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from nanobrag_torch import kernel
from nanobrag_torch.backends.compiled.carrying import Carrier, Sum
from nanobrag_torch.hooks import Hook, Hooks, Place, at
from nanobrag_torch.integrate import NO_RANK, PixelSums, TileSum
from nanobrag_torch.model import Model
from nanobrag_torch.physics.rays import PixelGeometry
from nanobrag_torch.physics.sources import Sources

COUNTS = ("samples", "sources", "layers", "oversample")  # numbers of the input `loops`


class Pass(NamedTuple):
    """Which pass of the loops is recorded, and what a program reads for them beside a model of one source."""

    carrier: Carrier
    sample: torch.Tensor | None  # number (1,) int64; None where there is one sample
    source: torch.Tensor | None
    loops: torch.Tensor  # COUNTS
    first_incident: torch.Tensor  # direction (3,) of the first source


def photons(
    model: Model, fast: torch.Tensor, slow: torch.Tensor, this: Pass, hooks: Hooks | None = None
) -> tuple[torch.Tensor]:
    """Photons of each pixel."""
    return (_Looped(model, fast, slow, this, hooks).run().photons,)


def photons_in_float32(
    model: Model, fast: torch.Tensor, slow: torch.Tensor, this: Pass, hooks: Hooks | None = None
) -> tuple[torch.Tensor]:
    """`photons`, rounded once."""
    return (photons(model, fast, slow, this, hooks)[0].float(),)


class _Looped(TileSum):
    """One sample and one source at a time; factors of the whole pixel are those of the sample that states them."""

    def __init__(self, model: Model, fast: torch.Tensor, slow: torch.Tensor, this: Pass, hooks: Hooks | None):
        counts: dict[str, Any] = {name: this.loops[position] for position, name in enumerate(COUNTS)}
        if this.sample is not None:
            model = model._replace(oversample=counts["oversample"], layers=counts["layers"])
        always_first = None if hooks is None else lambda name, value, _: hooks(name, value, Place())
        super().__init__(model, fast, slow, None, always_first)
        self._this, self._counts = this, counts
        self._of_sample = torch.zeros_like(self.total)  # sum over the sources so far
        if this.source is not None:
            self.source_count, self.steps = counts["sources"], model.steps * counts["sources"]

    def run(self) -> PixelSums:
        """The sums after all passes, of which one is gone through here."""
        self._store_once(at(self.hooks))
        carrier = self._this.carrier
        starts = self._carried()
        begun = [carrier.carry(start) for start in starts]
        self._take_over(begun)
        of_source = self._pass()
        added = of_source, self.water
        self._take_over(carrier.carried(begun, self._carried()))
        carrier.sums = [Sum(*one) for one in zip(starts[1:3], added, (self.total, self.water), strict=True)]
        return self.finish()

    def _take_over(self, carried: list[torch.Tensor]) -> None:
        self._of_sample, self.total, self.water, *rest = carried
        if rest:
            self.polar, self.polar_rank = rest

    def _pass(self) -> torch.Tensor:
        """One sample, lit by one source: what it adds to the sum."""
        this, hook = self._this, at(self.hooks)
        samples = self._sample(0 if this.sample is None else this.sample)
        rays = self.backend.rays(self.fast, self.slow, samples, hook)
        omega, capture = self._store_omega(rays, 1, hook), self._store_capture(rays, samples, 1, 2, hook)
        of_source = self._add_source(None, rays, 0, (1, 1), omega, capture)
        assert of_source is not None  # there is no running product
        self._add(of_source)
        if hook is not None:
            hook("last_cos_2theta", self.backend.cos_2theta(rays, 0))
        return of_source

    def _carried(self) -> list[torch.Tensor]:
        """What goes from pass to pass: sums, and where the resolution limit decides, the polarization it has chosen."""
        used, sums = self.model.factors, [self._of_sample, self.total, self.water]
        if self.model.resolution_limited and used.evaluate_polar:
            if self.polar_rank is None:
                none_yet = -1 if used.polar_per_term else NO_RANK
                self.polar_rank = torch.full_like(self.fast, none_yet, dtype=torch.int64)
            sums += [self.polar, self.polar_rank]
        return sums

    def _add(self, of_source: torch.Tensor) -> None:
        """The sources of a sample first, then the samples."""
        source = self._this.source
        if source is None:
            self.total = self.total + of_source
            return
        self._of_sample = torch.where(source == 0, of_source, self._of_sample + of_source)
        last = source == self._counts["sources"] - 1
        self.total = torch.where(last, self.total + self._of_sample, self.total)

    def _sample(self, number: torch.Tensor | int) -> kernel.Samples:
        if isinstance(number, int):
            nothing = torch.zeros(1, dtype=torch.int64)
            return kernel.Samples(nothing, nothing, nothing)
        return kernel.samples_at(self.model, number.reshape(1))

    def _store_once(self, hook: Hook | None) -> None:
        """Factors of the whole pixel that are those of one sample and source whatever the others are."""
        model, used = self.model, self.model.factors
        polarized_once = used.evaluate_polar and not (used.polar_per_term or model.resolution_limited)
        rays = self.backend.rays(self.fast, self.slow, self._sample(0), hook)
        if not used.omega_per_term:
            self.omega = self.backend.solid_angle_sr(rays, hook)
        if polarized_once:
            first: torch.Tensor = self._this.first_incident
            lit = model._replace(sources=Sources(first.unsqueeze(0), model.sources.wavelength_m, None))
            self.polar = kernel.polarize(lit, rays.direction, 0, hook).polar
        if not used.capture_per_term:
            samples = self._sample(0)
            if self._this.sample is not None:
                samples = samples._replace(layer=(self._counts["layers"] - 1).reshape(1))
            rays = self.backend.rays(self.fast, self.slow, samples, hook)
            self.capture = self.backend.capture(rays, samples, hook)

    def _store_capture(
        self, rays: PixelGeometry, samples: kernel.Samples, first: int, last: int, hook: Hook | None
    ) -> torch.Tensor:
        per_term = self.model.factors.capture_per_term
        return super()._store_capture(rays, samples, first, last, hook) if per_term else self.one

    def _rank(self, first: int, sample: torch.Tensor, source: int) -> torch.Tensor:
        turn = sample
        if self._this.sample is not None:
            turn = self._this.sample * self._counts["sources"]
        return turn if self._this.source is None else turn + self._this.source

    def _last_sample(self) -> kernel.Samples:
        return self._sample(0 if self._this.sample is None else self._counts["samples"] - 1)

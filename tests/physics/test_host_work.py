"""How much the host does for an image: operations of torch as upper bounds, and what is worked out once."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch import model_parts, nests
from nanobrag_torch.backends.compiled import agreement, cache, selection
from nanobrag_torch.parameters import Beam, Detector
from nanobrag_torch.physics import detector
from nanobrag_torch.simulator import Simulation, simulate
from tests.c_program import needs_compiler
from tests.physics.helpers import small
from tests.physics.test_series import Counted

BASE = small()
ONE_DOMAIN = replace(BASE.crystal, mosaic_spread_rad=None, mosaic_domains=None)
PLAIN = replace(BASE, detector=replace(BASE.detector, mask=None), crystal=ONE_DOMAIN)


def operations(work) -> int:
    with Counted() as counted:
        work()
    return len(counted.names)


def placements(monkeypatch) -> list[Detector]:
    """The detectors that are placed from now on."""
    placed: list[Detector] = []
    monkeypatch.setattr(
        detector, "build", lambda panel, *rest, real=detector.build: placed.append(panel) or real(panel, *rest)
    )
    return placed


def test_an_experiment_is_resolved_by_few_operations_of_torch():
    Simulation(PLAIN)
    moved = replace(PLAIN, crystal=replace(PLAIN.crystal, misset_deg=(1.0, 2.0, 3.0)))
    assert operations(lambda: Simulation(moved)) <= 60


@needs_compiler
def test_an_image_from_an_experiment_adds_few(compiled_code, monkeypatch):
    """Without the comparison, which a GPU makes for a few images alone."""
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    simulate(PLAIN)
    monkeypatch.setattr(agreement, "is_looked_at", lambda *_: False)
    assert operations(lambda: simulate(PLAIN)) <= 100
    ready = Simulation(PLAIN)
    ready.image()
    assert operations(ready.image) <= 3


@needs_compiler
def test_an_image_and_its_derivatives_take_few(compiled_code, monkeypatch):
    """By cell, misset and distance: numpy works out what they change, so torch keeps no graph of the set-up."""
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    monkeypatch.setattr(agreement, "is_looked_at", lambda *_: False)

    def work() -> None:
        numbers = torch.tensor([50.0, 60.0, 70.0, 1.0, 2.0, 3.0, 0.08], dtype=torch.float64, requires_grad=True)
        *six, distance_m = numbers.unbind()
        crystal = replace(PLAIN.crystal, cell_lengths_A=tuple(six[:3]), misset_deg=tuple(six[3:]))
        moved = replace(PLAIN, crystal=crystal, detector=replace(PLAIN.detector, distance_m=distance_m))
        simulate(moved, image_dtype=torch.float64).sum().backward()
        assert bool((numbers.grad != 0).all())

    work()
    assert operations(work) <= 330


def test_a_detector_is_placed_once(monkeypatch):
    """As long as the same one is used; another that is equal, other defects and other numbers are placed anew."""
    panel = replace(PLAIN.detector, rotx_rad=0.1)
    placed, first = placements(monkeypatch), Simulation(replace(PLAIN, detector=panel))
    again = Simulation(replace(PLAIN, detector=panel, beam=Beam(wavelength_m=1.1e-10)))
    assert placed == [panel] and again.plain.geometry is first.plain.geometry
    corrected = Simulation(replace(PLAIN, detector=panel, defects=frozenset()))
    turned = Simulation(replace(PLAIN, detector=replace(panel, rotx_rad=-0.0)))
    level = Simulation(replace(PLAIN, detector=replace(panel, rotx_rad=0.0)))
    assert len(placed) == 4 and corrected.plain.geometry is not first.plain.geometry
    assert not torch.equal(turned.plain.geometry.pix0_m, first.plain.geometry.pix0_m)
    assert torch.equal(turned.plain.geometry.pix0_m, level.plain.geometry.pix0_m)


@pytest.mark.parametrize("differentiated", [False, True])
def test_a_detector_whose_numbers_can_change_is_placed_again(differentiated, monkeypatch):
    distance_m = torch.tensor(0.1, dtype=torch.float64, requires_grad=differentiated)
    panel = replace(PLAIN.detector, distance_m=distance_m)
    before = Simulation(replace(PLAIN, detector=panel)).plain_host.geometry.distance_m.item()
    with torch.no_grad():
        distance_m.mul_(1.5)
    after = Simulation(replace(PLAIN, detector=panel)).plain_host.geometry.distance_m.item()
    assert after == pytest.approx(1.5 * before, rel=1e-12)


def test_what_was_placed_before_has_the_same_bytes():
    """A model of a detector that is known equals the model of an equal one that is not."""
    known = replace(PLAIN, detector=replace(PLAIN.detector, twotheta_rad=0.2))
    Simulation(known)
    models = [Simulation(one).plain_host for one in (known, replace(known, detector=replace(known.detector)))]
    mine, other = ([leaf for leaf in nests.leaves(model) if isinstance(leaf, torch.Tensor)] for model in models)
    for one, two in zip(mine, other, strict=True):
        assert one.numpy().tobytes() == two.numpy().tobytes()


def test_the_sources_of_a_beam_are_resolved_once(monkeypatch):
    """For each beam and detector that cannot change; the random generator's state is that of a draw for each domain."""
    beam = Beam(hdiv_range_rad=1e-3, hdiv_steps=3, dispersion_fraction=0.01, dispersion_steps=2)
    counted, real = [], model_parts.resolve_sources
    monkeypatch.setattr(model_parts, "resolve_sources", lambda *given: counted.append(1) or real(*given))
    first = Simulation(replace(PLAIN, beam=beam))
    moved = replace(ONE_DOMAIN, misset_deg=(1.0, 2.0, 3.0))
    again = Simulation(replace(PLAIN, beam=beam, crystal=moved))
    assert len(counted) == 1
    fresh = Simulation(replace(PLAIN, beam=replace(beam), crystal=moved))
    assert len(counted) == 2
    for one, two, three in zip(first.plain.sources[:2], again.plain.sources[:2], fresh.plain.sources[:2], strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)
    assert not torch.equal(Simulation(replace(PLAIN, beam=Beam())).plain.sources.incident, first.plain.sources.incident)
    assert len(counted) == 3

"""The code that makes an image and its derivatives is chosen by steps and memory or by the user, and is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.backends import eager
from nanobrag_torch.backends.compiled import agreement, cache, selection
from nanobrag_torch.cli.run import main
from nanobrag_torch.parameters import Beam, StructureFactors
from nanobrag_torch.simulator import Simulation, graphs
from tests.c_program import needs_compiler
from tests.physics.helpers import small

BASE = small()


@pytest.fixture(autouse=True)
def folder(tmp_path_factory, monkeypatch):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path_factory.getbasetemp() / "compiled-explain"))


def differentiated(**groups):
    """A simulation that has been differentiated by its distance."""
    distance = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
    base = replace(BASE, **groups)
    made = Simulation(replace(base, detector=replace(base.detector, distance_m=distance)))
    image = made.image(image_dtype=torch.float64)
    image.sum().backward()
    assert distance.grad != 0
    return made, image


def test_a_small_image_keeps_its_graph(monkeypatch):
    monkeypatch.setenv(selection.MODE_VARIABLE, "auto")
    made, image = differentiated()
    assert made.steps == 24 * 20 * 8
    assert made.explain().image == "eager: 3,840 steps, fewer than the 3,000,000 from which compiled code pays"
    assert made.explain().derivative == "whole graph: 3,840 steps, no more than 262,144"
    assert "Recomputed" not in str(image.grad_fn)


@needs_compiler
def test_always_holds_for_the_derivative_of_a_small_image(monkeypatch):
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    made, _ = differentiated()
    why = "it pays, and gives the kernel's numbers"
    assert str(made.explain()) == f"image: compiled: {why}\nderivative: tiles, compiled: {why}"


def test_never_holds_for_a_large_one(monkeypatch):
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300)
    made, _ = differentiated()
    why = f"eager: {selection.MODE_VARIABLE}=never"
    assert made.explain() == (why, f"tiles, {why}")


def test_what_is_not_compiled_is_named(monkeypatch):
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    historic = replace(BASE, defects=frozenset({"running_product", "last_value_factors"}))
    assert Simulation(historic).explain().image == "eager: the defect running_product is on"


@needs_compiler
def test_compiled_code_that_fails_is_named(monkeypatch, capfd):
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    monkeypatch.setattr(selection.CompiledBackend, "photons_of_region", lambda *_: 1 / 0)
    simulation = Simulation(BASE)
    with torch.no_grad():
        simulation.image()
    assert simulation.explain().image == "eager: compiled code is not used: division by zero"
    assert "not used: division by zero" in capfd.readouterr().err


def test_few_pixels_of_many_steps_do_not_keep_their_graph(monkeypatch):
    """Memory depends on the steps of a tile, not on its pixels."""
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    detector = replace(BASE.detector, n_fast=8, n_slow=6, oversample=3)
    beam = Beam(wavelength_m=1.1e-10, hdiv_range_rad=1e-3, hdiv_steps=6, vdiv_range_rad=1e-3, vdiv_steps=6)
    base = replace(BASE, detector=detector, beam=replace(beam, round_divergence=False))
    taken = []
    real = graphs.integrate.integrate

    def watched(model, fast, slow, *rest, **keywords):
        taken.append(fast.shape[0] * agreement.steps_of_pixel(model))
        return real(model, fast, slow, *rest, **keywords)

    monkeypatch.setattr(graphs.integrate, "integrate", watched)
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 1 << 13)
    made, image = differentiated(detector=detector, beam=base.beam)
    assert made.steps == 48 * 8 * 9 * 36 > 8 * eager.PAIRS_PER_PASS
    assert "Recomputed" in str(image.grad_fn)
    assert len(taken) > 8 and max(taken[-8:]) <= eager.PAIRS_PER_PASS


@needs_compiler
@pytest.mark.parametrize("table", [True, False])
def test_derivatives_by_amplitudes_say_what_they_are(table, monkeypatch, capfd):
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    amplitude = torch.tensor(30.0, dtype=torch.float64, requires_grad=True)
    factors = StructureFactors(table=BASE.structure_factors.table if table else None, default_F=amplitude)
    made = Simulation(replace(BASE, structure_factors=replace(factors, interpolate=False)))
    made.image().sum().backward()
    assert "not used" not in capfd.readouterr().err
    assert made.explain().derivative == "tiles, compiled: it pays, and gives the kernel's numbers"


def test_verbose_says_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    flags = "-cell 50 60 70 90 90 90 -N 5 -default_F 10 -lambda 1 -distance 60 -detpixels 12 -nonoise -nopgm"
    assert main(flags.split()) == 0
    assert "derivative: " not in capsys.readouterr().out
    assert main([*flags.split(), "-verbose"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert f"image: eager: {selection.MODE_VARIABLE}=never" in said
    assert any(line.startswith("derivative: whole graph: ") for line in said)

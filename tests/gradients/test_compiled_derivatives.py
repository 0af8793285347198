"""Derivatives through compiled code are those of the graph that keeps every step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.backends import eager
from nanobrag_torch.backends.compiled import cache, derivative, selection
from nanobrag_torch.backends.compiled.derivative import DifferentiableBackend
from nanobrag_torch.backends.compiled.gradient import GradientBackend
from nanobrag_torch.cli import parse
from nanobrag_torch.parameters import Beam, Spindle, StructureFactors
from nanobrag_torch.parameters.experiment import SourceTable
from nanobrag_torch.simulator import Simulation
from tests.c_program import needs_compiler
from tests.physics.helpers import per_term, reflection_table, small

WHOLE_GRAPH = eager.PAIRS_PER_PASS  # with it the images here are small ones, which keep every step
pytestmark = needs_compiler

BASE = small()
ONE = replace(
    BASE,
    detector=replace(BASE.detector, oversample=1),
    beam=Beam(wavelength_m=BASE.beam.wavelength_m, fluence_photons_per_m2=1e24),
)
GAPS = reflection_table(2)
GAPS.F_electrons[::2, 1] = 0.0
EXPERIMENTS = {
    "one_sample": ONE,
    "one_orientation": replace(
        ONE, spindle=Spindle(), crystal=replace(ONE.crystal, mosaic_spread_rad=None, mosaic_domains=None)
    ),
    "several_samples": replace(ONE, detector=replace(ONE.detector, oversample=2)),
    "sources": replace(ONE, beam=replace(ONE.beam, hdiv_range_rad=1e-3, hdiv_steps=3)),
    "per_term": replace(per_term(ONE), beam=replace(ONE.beam, hdiv_range_rad=1e-3, hdiv_steps=3)),
    "thick": replace(ONE, detector=replace(ONE.detector, thickness_m=3e-4, thick_steps=2, attenuation_per_m=2e3)),
    "limited_sources": replace(
        ONE,
        beam=replace(ONE.beam, hdiv_range_rad=1e-3, hdiv_steps=3),
        structure_factors=replace(ONE.structure_factors, d_min_m=4e-10),
    ),
    "resolution_limit": replace(ONE, structure_factors=replace(ONE.structure_factors, d_min_m=4e-10)),
    "interpolated": replace(ONE, structure_factors=replace(ONE.structure_factors, interpolate=True)),
    "gaps_and_beyond": replace(ONE, structure_factors=replace(ONE.structure_factors, table=GAPS)),
    "curved": replace(ONE, detector=replace(ONE.detector, curved=True)),
    **{shape: replace(ONE, crystal=replace(ONE.crystal, shape=shape)) for shape in ("ROUND", "GAUSS")},
}


def with_leaves(experiment):
    """An experiment with tensors to differentiate by, and those tensors."""
    leaves = {
        "cell": torch.tensor([50.0, 60.0, 70.0], dtype=torch.float64, requires_grad=True),
        "misset": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True),
        "n_cells": torch.tensor([5.0, 4.0, 3.0], dtype=torch.float64, requires_grad=True),
        "distance": torch.tensor(0.08, dtype=torch.float64, requires_grad=True),
        "tilt": torch.tensor(0.02, dtype=torch.float64, requires_grad=True),
        "wavelength": torch.tensor(1.01e-10, dtype=torch.float64, requires_grad=True),
        "polarization": torch.tensor(0.7, dtype=torch.float64, requires_grad=True),
        "amplitudes": experiment.structure_factors.table.F_electrons.clone().requires_grad_(),
        "default_F": torch.tensor(7.0, dtype=torch.float64, requires_grad=True),
    }
    crystal = replace(
        experiment.crystal,
        cell_lengths_A=tuple(leaves["cell"].unbind()),
        misset_deg=tuple(leaves["misset"].unbind()),
        n_cells=tuple(leaves["n_cells"].unbind()),
    )
    detector = replace(experiment.detector, distance_m=leaves["distance"], rotx_rad=leaves["tilt"])
    beam = replace(experiment.beam, wavelength_m=leaves["wavelength"], polarization_factor=leaves["polarization"])
    table = replace(experiment.structure_factors.table, F_electrons=leaves["amplitudes"])
    factors = replace(experiment.structure_factors, table=table, default_F=leaves["default_F"])
    return replace(experiment, crystal=crystal, detector=detector, beam=beam, structure_factors=factors), leaves


def derivatives(experiment, dtype):
    made, leaves = with_leaves(experiment)
    simulation = Simulation(made, dtype=dtype)
    image = simulation.image(image_dtype=torch.float64)
    weights = torch.linspace(0.5, 1.5, image.numel(), dtype=torch.float64).view_as(image)
    gradients = torch.autograd.grad((image * weights).sum(), list(leaves.values()), materialize_grads=True)
    return dict(zip(leaves, gradients, strict=True))


@pytest.fixture
def always(compiled_code, monkeypatch):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300)  # so that this is a large image


def whole_graph(monkeypatch):
    """Keep the graph of every step from here on."""
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", WHOLE_GRAPH)


@pytest.fixture
def used(monkeypatch):
    """The programs of which compiled derivatives were computed, one for each time."""
    calls, of_stage, of_pixel = [], DifferentiableBackend.slopes, GradientBackend.slopes

    def by_stages(self, name, *rest):
        calls.append(name)
        return of_stage(self, name, *rest)

    def by_pixels(self, *rest):
        calls.append(self.program.name)
        return of_pixel(self, *rest)

    monkeypatch.setattr(DifferentiableBackend, "slopes", by_stages)
    monkeypatch.setattr(GradientBackend, "slopes", by_pixels)
    return calls


TIGHT = {torch.float64: 1e-12, torch.float32: 7e-7}


@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-9), (torch.float32, 2e-5)], ids=["float64", "float32"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_compiled_derivatives_are_those_of_the_kernel(name, dtype, tolerance, always, used, monkeypatch, capfd):
    model = Simulation(EXPERIMENTS[name]).model
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300 * model.samples * model.source_count)  # two tiles
    got = derivatives(EXPERIMENTS[name], dtype)
    said = capfd.readouterr().err
    assert used and "not used" not in said, said
    whole_graph(monkeypatch)
    expected = derivatives(EXPERIMENTS[name], dtype)
    for leaf, value in expected.items():  # in float32 sums over pixels whose terms cancel lose a digit
        limit = TIGHT[dtype] if leaf in ("amplitudes", "default_F") else tolerance
        assert float((got[leaf] - value).abs().max()) <= limit * float(value.abs().max()), leaf
    moving = ("cell", "misset", "distance", "wavelength", "amplitudes", *(["default_F"] * (name == "gaps_and_beyond")))
    assert all(float(expected[leaf].abs().max()) > 0 for leaf in moving)
    assert name != "gaps_and_beyond" or not expected["amplitudes"][::2, 1].any()


def test_one_program_does_a_whole_pixel(always, used):
    derivatives(EXPERIMENTS["one_sample"], torch.float64)
    assert set(used) == {"photons_derivative"}


@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-9), (torch.float32, 2e-5)], ids=["float64", "float32"])
@pytest.mark.parametrize("shape", ["SQUARE", "ROUND", "TOPHAT"])
def test_by_the_one_amplitude_there_is(shape, dtype, tolerance, always, used, capfd):
    """The image is quadratic in F, so F dI/dF = 2 I, whatever code makes it."""
    amplitude = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    factors = StructureFactors(default_F=amplitude)
    image = Simulation(
        replace(ONE, structure_factors=factors, crystal=replace(ONE.crystal, shape=shape)), dtype=dtype
    ).image(image_dtype=torch.float64)
    image.sum().backward()
    assert used and "not used" not in capfd.readouterr().err
    assert float(amplitude.grad) == pytest.approx(2 * float(image.detach().sum()) / 3.0, rel=tolerance)


@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-9), (torch.float32, 2e-5)], ids=["float64", "float32"])
@pytest.mark.parametrize("shape", ["SQUARE", "ROUND", "TOPHAT"])
def test_of_a_patch_round_the_direct_beam(shape, dtype, tolerance, always, used, capfd, monkeypatch):
    """64 x 64 pixels, most of them in the spot at the origin; a TOPHAT has a slope of 0 by every orientation."""
    flags = "-cell 50 60 70 90 90 90 -misset 10 20 30 -N 5 -default_F 100 -fluence 1e24 -lambda 1 -distance 100"
    flags += " -detpixels 64 -pixel 0.1 -mosflm -oversample 1"
    stated = parse(flags.split()).experiment
    stated = replace(stated, crystal=replace(stated.crystal, shape=shape))
    gradients = {}
    for mode in ("always", "never"):
        monkeypatch.setenv(selection.MODE_VARIABLE, mode)
        leaves = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.1, 50.0, 1e-10)]
        experiment = replace(
            stated,
            detector=replace(stated.detector, distance_m=leaves[0]),
            crystal=replace(stated.crystal, cell_lengths_A=(leaves[1], 60.0, 70.0)),
            beam=replace(stated.beam, wavelength_m=leaves[2]),
        )
        simulation = Simulation(experiment, dtype=dtype)
        image = simulation.image(image_dtype=torch.float64)
        weights = torch.rand(image.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        slopes = torch.autograd.grad((image * weights).sum(), leaves, allow_unused=True)
        gradients[mode] = [0.0 if slope is None else float(slope) for slope in slopes], simulation.explain().derivative
    assert "not used" not in capfd.readouterr().err
    assert gradients["always"][1].startswith("tiles, compiled: ") and "compiled: " not in gradients["never"][1]
    largest = [float(image.detach().max()) * 4096 / value for value in (0.1, 50.0, 1e-10)]
    for got, expected, most in zip(gradients["always"][0], gradients["never"][0], largest, strict=True):
        assert abs(got - expected) <= tolerance * max(abs(expected), 1e-3 * most)


def by_table(experiment, dtype=torch.float64):
    """The amplitudes, the image, and the derivatives of its sum by each of them."""
    values = experiment.structure_factors.table.F_electrons.clone().requires_grad_()
    table = replace(experiment.structure_factors.table, F_electrons=values)
    simulation = Simulation(
        replace(experiment, structure_factors=replace(experiment.structure_factors, table=table)), dtype=dtype
    )
    image = simulation.image(image_dtype=torch.float64)
    image.sum().backward()
    assert simulation.explain().derivative == "tiles, compiled: it pays, and gives the kernel's numbers"
    return values.detach(), image.detach(), values.grad


@pytest.mark.parametrize("interpolate", [False, True])
def test_by_all_amplitudes_alone(interpolate, always, used, capfd):
    """The image is quadratic in all of them together, so the sum of F dI/dF is 2 I."""
    crystal = replace(ONE.crystal, shape="TOPHAT", fudge=0.3)
    factors = replace(ONE.structure_factors, interpolate=interpolate)
    values, image, slopes = by_table(replace(ONE, crystal=crystal, structure_factors=factors))
    assert used and "not used" not in capfd.readouterr().err
    assert float((values * slopes).sum()) == pytest.approx(2 * float(image.sum()), rel=1e-12)


@pytest.mark.parametrize("name", ["one_sample", "sources"])
def test_threads_and_repetition_change_no_byte(name, always, monkeypatch):
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 60)
    gradients, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3, 3):
            torch.set_num_threads(threads)
            gradients.append(by_table(EXPERIMENTS[name])[2])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(gradients[0], gradients[1]) and torch.equal(gradients[1], gradients[2])


def test_zeros_for_a_table_are_made_once_for_each_thread(always, monkeypatch):
    """Memory depends on the number of threads, not on the number of tiles, samples and sources."""
    made, tiles, real = [], [], derivative.Spare.like
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 60)
    monkeypatch.setattr(derivative.Spare, "like", lambda self, table: tiles.append(real(self, table)) or tiles[-1])
    zeros = torch.zeros
    monkeypatch.setattr(derivative.torch, "zeros", lambda *a, **k: made.append(a) or zeros(*a, **k))
    by_table(EXPERIMENTS["sources"])
    elements = (ONE.structure_factors.table.F_electrons.shape[0] + 2) ** 3
    rows = ONE.detector.n_slow
    assert len(tiles) in (rows, rows + 1), "a tile is a row; one more is compared with eager code, once in a process"
    assert sum(a == (elements,) for a in made) <= 2 * torch.get_num_threads()


@pytest.mark.parametrize("dtype", TIGHT)
def test_by_weights_and_wavelengths_of_sources(dtype, always, used, monkeypatch, capfd):
    def slopes():
        weight = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64, requires_grad=True)
        wavelength = torch.tensor([1.0e-10, 1.01e-10, 1.02e-10], dtype=torch.float64, requires_grad=True)
        position = torch.tensor([[-10.0, 0.01 * i, 0.0] for i in range(3)], dtype=torch.float64, requires_grad=True)
        beam = replace(ONE.beam, sources=SourceTable(position, weight, wavelength))
        made = replace(ONE, beam=beam, defects=frozenset())
        image = Simulation(made, dtype=dtype).image(image_dtype=torch.float64)
        scale = torch.linspace(0.5, 1.5, image.numel(), dtype=torch.float64).view_as(image)
        return torch.autograd.grad((image * scale).sum(), (weight, wavelength, position))

    got = slopes()
    assert used and "not used" not in capfd.readouterr().err
    whole_graph(monkeypatch)
    for slope, expected in zip(got, slopes(), strict=True):
        assert float((slope - expected).abs().max()) <= TIGHT[dtype] * float(expected.abs().max())
        assert expected.abs().min(0).values.max() > 0


def test_one_program_interpolates_in_tables_of_any_size(always, monkeypatch, capfd):
    """No value of a table is compiled in: a second table builds no program and gives the numbers of the kernel."""
    for reach in (8, 6):
        factors = replace(ONE.structure_factors, table=reflection_table(reach), interpolate=True)
        made = replace(ONE, structure_factors=factors)
        monkeypatch.setenv(selection.MODE_VARIABLE, "always")
        got = Simulation(made).image(image_dtype=torch.float64)
        said = capfd.readouterr().err
        assert "not used" not in said and (reach == 8 or "compiling" not in said)
        monkeypatch.setenv(selection.MODE_VARIABLE, "never")
        expected = Simulation(made).image(image_dtype=torch.float64)
        assert float((got - expected).abs().max()) <= 1e-12 * float(expected.max())


def test_compiled_derivatives_with_other_numbers_are_refused(always, monkeypatch, capfd):
    real = GradientBackend.slopes
    wrong = lambda *a: [None if slope is None else slope.to_dense() * 1.001 for slope in real(*a)]  # noqa: E731
    monkeypatch.setattr(GradientBackend, "slopes", wrong)
    monkeypatch.setattr(selection, "AGREED_DERIVATIVES", set())
    got = derivatives(ONE, torch.float64)
    assert "compiled derivatives are not used: they differ by 1.0e-03" in capfd.readouterr().err
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    expected = derivatives(ONE, torch.float64)
    assert all(torch.equal(got[leaf], expected[leaf]) for leaf in expected)


def test_second_derivatives_still_have_the_whole_graph(always):
    made, leaves = with_leaves(ONE)
    image = Simulation(made).image(image_dtype=torch.float64)
    (first,) = torch.autograd.grad(image.square().sum(), leaves["distance"], create_graph=True)
    (second,) = torch.autograd.grad(first, leaves["distance"])
    assert torch.isfinite(second) and second != 0

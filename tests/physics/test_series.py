"""A series gives, to the bit, the images that each experiment gives alone."""

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.parameters import Beam
from nanobrag_torch.simulator import Simulation, simulate
from nanobrag_torch.simulator.series import Series
from tests.physics.helpers import small

BASE = small()
MATRIX = torch.tensor([[0.02, 0.001, 0.0], [0.0, 0.018, 0.002], [0.001, 0.0, 0.015]], dtype=torch.float64)
EXPERIMENTS = {
    "plain": BASE,
    "sources": replace(BASE, beam=Beam(hdiv_range_rad=1e-3, hdiv_steps=3, dispersion_fraction=0.01)),
    "sample size": replace(BASE, crystal=replace(BASE.crystal, sample_size_m=(2e-8, 3e-8, 2.5e-8))),
    "automatic oversampling": replace(BASE, detector=replace(BASE.detector, oversample=None)),
    "masked": replace(BASE, detector=replace(BASE.detector, roi=(3, 20, 2, 17))),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_images_are_those_of_simulate(name, dtype):
    base = EXPERIMENTS[name]
    series = Series(base, dtype=dtype)
    images = []
    with torch.no_grad():
        for misset_deg, wavelength_m in (((10.0, 20.0, 30.0), 1e-10), ((-50.0, 5.0, 170.0), 1.03e-10)):
            crystal = replace(base.crystal, misset_deg=misset_deg)
            alone = replace(base, crystal=crystal, beam=replace(base.beam, wavelength_m=wavelength_m))
            simulation = series.at(misset_deg, wavelength_m)
            assert torch.equal(simulation.model.real_m, Simulation(alone, dtype=dtype).model.real_m)
            images.append(simulation.image())
            assert torch.equal(images[-1], simulate(alone, dtype=dtype))
    assert float(images[0].max()) > 0 and not torch.equal(*images)


def test_matrix_of_a_frame_takes_the_place_of_the_first():
    base = replace(BASE, crystal=replace(BASE.crystal, orientation_matrix=MATRIX, cell_lengths_A=None))
    series = Series(base)
    with torch.no_grad():
        got = series.at((1.0, 2.0, 3.0), 1.1e-10, MATRIX * 1.1).image()
        crystal = replace(base.crystal, orientation_matrix=MATRIX * 1.1, misset_deg=(1.0, 2.0, 3.0))
        alone = replace(base, crystal=crystal, beam=replace(base.beam, wavelength_m=1.1e-10))
        assert torch.equal(got, simulate(alone))
    with pytest.raises(ExperimentError, match="another orientation matrix"):
        series.at((1.0, 2.0, 3.0), 1.2e-10)


def test_random_orientations_are_no_series():
    with pytest.raises(ExperimentError, match="a series needs its orientations as angles"):
        Series(replace(BASE, crystal=replace(BASE.crystal, misset_random=True, misset_seed=-1)))


def test_an_image_does_not_disturb_another():
    series = Series(BASE)
    with torch.no_grad():
        first, second = series.at((0.0, 0.0, 0.0), 1e-10), series.at((5.0, 0.0, 0.0), 1e-10)
        before = first.image()
        second.image()
        assert torch.equal(first.image(), before)
    assert series.first.experiment is BASE

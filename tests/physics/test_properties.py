"""What must hold for any experiment, with no reference program at hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobrag_torch.backends import eager
from nanobrag_torch.parameters import Beam, Crystal, Detector, Spindle, StructureFactors
from nanobrag_torch.simulator import Simulation, simulate
from tests.independent_model import rot_xyz
from tests.physics.helpers import small

FEW = settings(max_examples=15, deadline=None)


def image64(experiment) -> torch.Tensor:
    return simulate(experiment, image_dtype=torch.float64)


@FEW
@given(st.floats(1e-3, 1e3))
def test_intensity_is_linear_in_fluence(factor):
    base = small()
    brighter = replace(base, beam=replace(base.beam, fluence_photons_per_m2=base.beam.fluence_photons_per_m2 * factor))
    torch.testing.assert_close(image64(brighter), image64(base) * factor, rtol=1e-13, atol=0)


def test_doubling_the_amplitude_quadruples_the_image():
    single = small(structure_factors=StructureFactors(default_F=3.0))
    double = small(structure_factors=StructureFactors(default_F=6.0))
    torch.testing.assert_close(image64(double), 4 * image64(single), rtol=1e-13, atol=0)
    assert image64(single).max() > 0


@FEW
@given(st.tuples(*[st.floats(-180, 180)] * 3))
def test_turning_beam_crystal_and_detector_together_leaves_the_image(angles_deg):
    turn = rot_xyz(*np.radians(angles_deg))
    vectors = {
        "beam_vector": (0.1, 0.2, -1.0), "fdet_vector": (1.0, 0.0, 0.1), "sdet_vector": (0.0, -1.0, -0.2),
        "polar_vector": (0.3, 1.0, 0.0), "spindle_axis": (1.0, 0.2, 0.1),
    }  # fmt: skip
    star = np.array([[-0.0284, -0.0031, 0.0254], [-0.0287, 0.0102, -0.0140], [0.0105, -0.0321, -0.0104]])
    images = []
    for matrix in (np.eye(3), turn):
        base = small()
        turned = {name: tuple(matrix @ v) for name, v in vectors.items()}
        normal = tuple(np.cross(turned["fdet_vector"], turned["sdet_vector"]) * 1.7)
        panel = replace(base.detector, convention="CUSTOM", pivot="BEAM", odet_vector=normal, **turned)
        xtal = Crystal(orientation_matrix=torch.tensor(matrix @ star), n_cells=(5, 6, 7))
        images.append(image64(replace(base, detector=panel, crystal=xtal)))
    torch.testing.assert_close(images[0], images[1], rtol=0, atol=1e-8 * float(images[0].max()))


def test_two_half_sweeps_add_up_to_the_whole():
    def sweep(start, osc, steps):
        return image64(small(spindle=Spindle(phi_start_deg=start, osc_deg=osc, phisteps=steps)))

    whole = sweep(1.0, 2.0, 8)
    halves = (sweep(1.0, 1.0, 4) + sweep(2.0, 1.0, 4)) / 2
    torch.testing.assert_close(whole, halves, rtol=0, atol=1e-12 * float(whole.max()))


@pytest.mark.parametrize("shape", ["SQUARE", "ROUND", "GAUSS", "TOPHAT"])
def test_peak_grows_with_the_square_of_the_number_of_cells(shape):
    peaks = []
    for n in (3, 6):
        panel = Detector(pixel_size_m=1e-7, n_fast=1, n_slow=1, oversample=1, Xbeam_m=0.0, Ybeam_m=0.0)
        xtal = Crystal(cell_lengths_A=(50.0, 50.0, 50.0), n_cells=(n, n, n), shape=shape)
        peaks.append(
            float(image64(small(detector=panel, crystal=xtal, structure_factors=StructureFactors(default_F=1.0))))
        )
    assert peaks[1] / peaks[0] == pytest.approx(2**6, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_regions_make_up_the_full_image_bit_for_bit(dtype):
    base = small()
    full = simulate(base, dtype=dtype)
    assembled = torch.zeros_like(full)
    for x in ((0, 10), (11, 23)):
        for y in ((0, 6), (7, 19)):
            assembled += simulate(replace(base, detector=replace(base.detector, roi=(*x, *y))), dtype=dtype)
    assert torch.equal(full, assembled)


def test_masked_pixels_stay_zero_and_the_others_do_not_change():
    base = small()
    mask = torch.rand(20, 24, generator=torch.Generator().manual_seed(1)) > 0.3
    full, masked = simulate(base), simulate(replace(base, detector=replace(base.detector, mask=mask)))
    assert torch.equal(masked, torch.where(mask, full, 0.0))


@pytest.mark.parametrize("pairs", [1, 7, 300, 1 << 20])
def test_tile_size_changes_nothing_beyond_rounding(monkeypatch, pairs):
    base = small(
        beam=Beam(
            wavelength_m=1.1e-10, hdiv_range_rad=2e-3, hdiv_steps=2, dispersion_fraction=0.01, dispersion_steps=2
        ),
        detector=replace(small().detector, oversample=2, thickness_m=3e-4, thick_steps=2, n_fast=4, n_slow=3),
    )
    expected = image64(base)
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", pairs)
    torch.testing.assert_close(image64(base), expected, rtol=1e-12, atol=0)


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr(eager, "PAIRS_PER_PASS", 300)
    threads, images = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            images.append(image64(small()))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(images[0], images[1]) and torch.equal(images[0], images[2])


def test_oversampling_of_a_flat_image_changes_little_and_factors_per_term_average():
    """With one tiny cell the image is smooth, so per-term solid angle and polarization equal the central ones."""
    tiny = Crystal(cell_lengths_A=(2.0, 2.0, 2.0), n_cells=(1, 1, 1))
    base = small(crystal=tiny, structure_factors=StructureFactors(default_F=2.0))
    fine = replace(base, detector=replace(base.detector, oversample=8, oversample_omega=True, oversample_polar=True))
    torch.testing.assert_close(image64(fine), image64(base), rtol=2e-3, atol=0)


def test_friedel_mates_have_the_same_lattice_factor():
    base = Simulation(small()).model
    from nanobrag_torch import kernel

    q = torch.randn(3, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 1e9
    amplitudes = base.amplitudes._replace(padded=None)
    model = base._replace(amplitudes=amplitudes._replace(default_F=torch.tensor(1.0, dtype=torch.float64)))
    count = model.real_m.shape[0]
    forward = kernel.diffract(model, q, 0, count).intensity
    backward = kernel.diffract(model, -q, 0, count).intensity
    torch.testing.assert_close(forward, backward, rtol=1e-9, atol=1e-9)


def test_solid_angle_of_a_large_detector_approaches_a_half_sphere():
    from nanobrag_torch import kernel

    panel = Detector(pixel_size_m=2e-3, n_fast=2000, n_slow=2000, distance_m=0.05, oversample=1)
    model = Simulation(small(detector=panel)).model
    total = 0.0
    for slow in range(2000):
        fast = torch.arange(2000)
        rays = kernel.rays_of(model, fast, torch.full_like(fast, slow), kernel.samples_of(model, 0, 1))
        from nanobrag_torch.physics.rays import solid_angle_sr

        total += float(solid_angle_sr(model.geometry, rays).sum())
    half = 2.0  # half side of the panel, m; solid angle of a centred square: 4 asin(x^2 / (x^2 + D^2))
    exact = 4 * np.arcsin(half**2 / (half**2 + 0.05**2))
    assert total == pytest.approx(exact, rel=1e-3)


def test_float32_mode_agrees_with_float64_to_a_millionth_of_the_peak():
    expected = simulate(small())
    got = simulate(small(), dtype=torch.float32)
    assert float((got - expected).abs().max() / expected.max()) < 1e-6
    assert not torch.equal(got, expected)

"""The pixel that the direct beam hits: every shape, type and backend, with indices that are 0, or nearly so."""

from __future__ import annotations

import math
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nanobrag_torch.cli import parse
from nanobrag_torch.parameters import Beam, Crystal, Detector, Experiment, StructureFactors
from nanobrag_torch.physics.interference import Interference
from nanobrag_torch.physics.lattice import gauss, offset_sqr, sphere, square, tophat
from nanobrag_torch.simulator import Simulation, simulate
from tests.c_program import needs_compiler
from tests.independent_model import rot_xyz

DTYPES = [torch.float64, torch.float32]
SHAPES = ["SQUARE", "ROUND", "GAUSS", "TOPHAT"]
BACKENDS = ["never", pytest.param("always", marks=needs_compiler)]
R_E_SQR_M2 = 7.94079248018965e-30
FLUENCE, F_CELL, N_CELLS, LENGTHS_A = 1e24, 100.0, (5, 4, 3), (50.0, 60.0, 70.0)
SMALL_NUMBERS = [0.0, 5e-324, 1e-310, 1e-40, 1e-20, 1e-17, 1e-16, 1e-14, 1e-12, 1e-10]


@pytest.fixture(scope="module")
def compiled_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(params=BACKENDS)
def backend(request, compiled_folder, monkeypatch):
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", request.param)
    monkeypatch.setenv("NANOBRAG_TORCH_CACHE", str(compiled_folder))
    return request.param


def experiment(shape: str = "SQUARE", misset_deg=(10.0, 20.0, 30.0), **detector) -> Experiment:
    """A still of an orthorhombic crystal, without polarization."""
    crystal = Crystal(cell_lengths_A=LENGTHS_A, n_cells=N_CELLS, misset_deg=misset_deg, shape=shape)
    return Experiment(
        crystal=crystal,
        beam=Beam(wavelength_m=1e-10, fluence_photons_per_m2=FLUENCE, polarized=False),
        structure_factors=StructureFactors(default_F=F_CELL),
        detector=Detector(**{"convention": "ADXV", "oversample": 1, "distance_m": 0.1, **detector}),
    )


def independent(simulation: Simulation, misset_deg, slow: int, fast: int) -> float:
    """Photons of a pixel from plain formulas in long double, the detector's placement taken from the simulator."""
    g, n = simulation.geometry, simulation.model.oversample
    pix0, fdet, sdet, beam = (np.longdouble(v.numpy()) for v in (g.pix0_m, g.fdet, g.sdet, g.beam_vector))
    real_m = np.longdouble(rot_xyz(*np.radians(misset_deg)) @ np.diag(LENGTHS_A) * 1e-10).T
    pixel_m, pi, total = np.longdouble(float(g.pixel_size_m)), np.longdouble("3.141592653589793238462643383"), 0.0
    for i in range(n * n):
        where = pix0 + pixel_m / n * ((slow * n + i // n + 0.5) * sdet + (fast * n + i % n + 0.5) * fdet)
        distance = np.sqrt(where @ where)
        if i == 0:
            omega_sr = pixel_m**2 / distance**3 * np.longdouble(float(g.close_distance_m))
        offset = real_m @ ((where / distance - beam) / np.longdouble(1e-10))
        offset = offset - np.round(offset)
        factors = [
            count if abs(f) < 1e-9 else np.sin(pi * count * f) / np.sin(pi * f)
            for count, f in zip(N_CELLS, offset, strict=True)
        ]
        total += (F_CELL * math.prod(factors)) ** 2
    return float(R_E_SQR_M2 * FLUENCE * total / n**2 * omega_sr)


@settings(max_examples=60, deadline=None)
@given(
    pixel_um=st.sampled_from([50.0, 75.0, 100.0, 172.0]) | st.floats(10.0, 500.0),
    distance_m=st.sampled_from([0.1, 0.2, 0.05]) | st.floats(0.01, 2.0),
    count=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    where=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    oversample=st.integers(1, 4),
    miss=st.sampled_from(SMALL_NUMBERS),
    misset_deg=st.sampled_from([(0.0, 0.0, 0.0), (10.0, 20.0, 30.0), (-73.0, 5.0, 121.0)]),
    dtype=st.sampled_from(DTYPES),
)
@example(172.0, 0.2, (25, 21), (0.5, 0.5), 1, 0.0, (10.0, 20.0, 30.0), torch.float32)
def test_beam_on_the_centre_of_a_sub_pixel(pixel_um, distance_m, count, where, oversample, miss, misset_deg, dtype):
    """Whatever rounding leaves of q there, in any orientation."""
    pixel_m = pixel_um * 1e-6
    sample = [min(int(part * n * oversample), n * oversample - 1) for part, n in zip(where, count, strict=True)]
    fast_m, slow_m = ((sub + 0.5) * pixel_m / oversample for sub in sample)
    panel = {"pixel_size_m": pixel_m, "n_fast": count[0], "n_slow": count[1], "oversample": oversample}
    at_beam = {"Xbeam_m": fast_m + miss, "Ybeam_m": count[1] * pixel_m - slow_m}
    simulation = Simulation(experiment(misset_deg=misset_deg, **panel, **at_beam, distance_m=distance_m), dtype=dtype)
    image = simulation.image(image_dtype=torch.float64)
    fast, slow = (sub // oversample for sub in sample)
    assert torch.isfinite(image).all()
    assert float(image[slow, fast]) == pytest.approx(independent(simulation, misset_deg, slow, fast), rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_on_every_backend(shape, dtype, backend):
    fill = 0.723601254558268 if shape == "ROUND" else 1.0
    for misset_deg in ((0.0, 0.0, 0.0), (10.0, 20.0, 30.0)):
        base = experiment(shape, misset_deg, pixel_size_m=1e-4, n_fast=33, n_slow=33, Xbeam_m=16.5e-4, Ybeam_m=16.5e-4)
        simulation = Simulation(base, dtype=dtype)
        image = simulation.image(image_dtype=torch.float64)
        omega_sr = 1e-4**2 / 0.1**2
        expected = R_E_SQR_M2 * FLUENCE * (F_CELL * math.prod(N_CELLS) * fill) ** 2 * omega_sr
        assert torch.isfinite(image).all()
        assert float(image[16, 16]) == pytest.approx(expected, rel=1e-6)


@needs_compiler
@pytest.mark.parametrize("oversample", [1, 3])
@pytest.mark.parametrize("pixels", [32, 33])
@pytest.mark.parametrize("convention", ["mosflm", "denzo", "adxv", "xds", "dials"])
def test_default_beam_centre(convention, pixels, oversample, c_binary, tmp_path, monkeypatch, compiled_folder):
    """Both types and backends against the C program, over the whole image."""
    flags = (
        f"-{convention} -cell 50 60 70 90 90 90 -misset 10 20 30 -default_F 100 -N 5 -lambda 1 -detpixels {pixels}"
        f" -oversample {oversample} -nonoise -nopgm -floatfile image.bin"
    ).split()
    subprocess.run([c_binary, *flags], cwd=tmp_path, check=True, capture_output=True)
    reference = np.fromfile(tmp_path / "image.bin", np.float32).reshape(pixels, pixels)
    monkeypatch.setenv("NANOBRAG_TORCH_CACHE", str(compiled_folder))
    for backend in ("never", "always"):
        monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", backend)
        for dtype in DTYPES:
            image = simulate(parse(flags).experiment, dtype=dtype).numpy()
            np.testing.assert_allclose(image, reference, rtol=0, atol=1e-6 * reference.max())


@pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
def test_published_command_lines(dtype, backend):
    """Bright direct beams of plain command lines: N^6 F^2 photons of a cube, whatever its orientation."""
    small = "-default_F 100 -N 5 -lambda 1 -detpixels 33 -oversample 1"
    pilatus = "-cell 78.2 79.1 38.3 90 90 90 -N 10 -lambda 0.9795 -pixel 0.172 -distance 200 -default_F 100"
    lines = {
        f"-cell 100 {small}": 156.25,
        f"-cell 50 60 70 90 90 90 -misset 10 20 30 {small}": 156.25,
        f"-cell 100 -misset 10 20 30 {small.replace('33', '65')}": 156.25,
        f"{pilatus} -misset 10 20 30 -detpixels_x 1475 -detpixels_y 1679 -oversample 1 -roi 720 760 820 860": 7396.0,
    }
    for line, brightest in lines.items():
        image = simulate(parse(line.split()).experiment, dtype=dtype, image_dtype=torch.float64)
        assert torch.isfinite(image).all()
        assert float(image.max()) == pytest.approx(brightest, rel=1e-6), line


@pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
@pytest.mark.parametrize("number", SMALL_NUMBERS)
def test_lattice_factor_a_hair_from_whole_indices(number, dtype):
    counts = torch.tensor([1.0, 36.0, 1e5], dtype=torch.float64)
    for sign in (1.0, -1.0):
        fraction = torch.full((3, 1, 1), sign * number, dtype=torch.float64)
        fraction.requires_grad_()
        n = counts.clone().requires_grad_()
        rounded, star = torch.zeros_like(fraction), torch.eye(3, dtype=torch.float64) * 0.01
        fudge = torch.tensor(1.0, dtype=torch.float64)
        expected = float(counts.prod())
        if number <= 1e-14:
            for factor in (
                square(rounded, fraction, n, dtype),
                sphere(fraction, n, fudge, dtype, closed_form=False),
                *(gauss(offset_sqr(fraction, star, n, way), n, fudge) for way in (True, False)),
                *(tophat(offset_sqr(fraction, star, n, way), n, fudge, dtype) for way in (True, False)),
            ):
                fill = float(factor.detach()) / expected
                assert fill == pytest.approx(1.0, rel=1e-6) or fill == pytest.approx(0.723601254558268, rel=1e-6)
        along_axes, _ = Interference.apply(n.view(3, 1, 1), fraction, dtype)
        by_n, by_fraction = torch.autograd.grad(along_axes.sum(), (n, fraction), create_graph=True)
        exact = counts * (1 - (math.pi * number) ** 2 * (counts**2 - 1) / 6)
        exact_slope = -((math.pi * number) * math.pi) * sign * counts * (counts**2 - 1) / 3
        tolerance = 1e-12 if dtype == torch.float64 else 5e-7
        torch.testing.assert_close(along_axes.detach().flatten().double(), exact, rtol=tolerance, atol=0)
        torch.testing.assert_close(by_n, torch.ones_like(by_n), rtol=1e-6, atol=0)
        torch.testing.assert_close(by_fraction.flatten(), exact_slope, rtol=1e-5, atol=1e-30)
        second = torch.autograd.grad(by_n.sum() + by_fraction.sum(), (n, fraction))
        assert all(torch.isfinite(derivative).all() for derivative in second)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float64", "float32"])
def test_a_peak_of_a_large_crystal_is_within_the_type(dtype, backend):
    """A hundredth of a millimetre of cells: (N^3 F)^2 is beyond float32, the photons are not."""
    base = experiment(pixel_size_m=1e-4, n_fast=3, n_slow=3, Xbeam_m=1.5e-4, Ybeam_m=1.5e-4)
    base = replace(
        base,
        crystal=replace(base.crystal, n_cells=(200_000,) * 3),
        structure_factors=StructureFactors(default_F=5e4),
        beam=replace(base.beam, fluence_photons_per_m2=1e-4),
    )
    image = simulate(base, dtype=dtype, image_dtype=torch.float64)
    expected = R_E_SQR_M2 * 1e-4 * (5e4 * 200_000.0**3) ** 2 * 1e-6
    assert float(image[1, 1]) == pytest.approx(expected, rel=1e-6)

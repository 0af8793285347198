"""Sources, spindle, mosaic domains, cells and layers without the historic defects, in both programs."""

import math

import numpy as np
import pytest
import torch

CELL = "-cell 50 60 70 80 95 105 -distance 100 -detpixels 8 -pixel 3 -lambda 1 -oversample 1 -default_F 10"


@pytest.mark.parametrize(
    ("flags", "offsets_mrad"),
    [
        ("-hdivrange 2 -hdivstep 5", [0]),
        ("-hdivrange 2 -hdivstep 0.7", [-1.05, -0.35, 0.35, 1.05]),
        ("-hdivrange 2 -hdivstep 1", [-1, 0, 1]),
        ("-hdivrange 2 -hdivstep 0.7 -hdivsteps 2", [-0.35, 0.35]),
        ("-hdivrange 2 -hdivsteps 3", [-1, 0, 1]),
    ],
)
def test_a_divergence_grid_lies_evenly_about_the_beam(both, flags, offsets_mrad):
    line = f"{CELL} -N 3 {flags} -square_div -defects none"
    incident = both.simulation(line).model.sources.incident
    angles = sorted(math.atan2(z, x) * 1e3 for x, _, z in incident.tolist())
    assert angles == pytest.approx(offsets_mrad, abs=1e-12)
    assert f"\n{len(offsets_mrad)} source(s)" in both.c_run(line)[1]
    c, py = both.images(line)
    assert py == pytest.approx(c, rel=1e-9)


def test_a_spindle_step_stands_in_the_middle_of_its_slice(both):
    line = f"{CELL} -N 9 -defects none"
    for program in (both.c, both.torch):
        scan = program(f"{line} -phi 1 -osc 2 -phisteps 2")
        middles = [program(f"{line} -phi {phi}") for phi in (1.5, 2.5)]
        assert scan == pytest.approx(sum(middles) / 2, rel=1e-9)


def test_a_sample_of_whole_cells_is_that_in_every_orientation(both):
    line = "-cell 60 -distance 100 -detpixels 2 -pixel 3 -oversample 1 -default_F 10 -samplesize 0.00003"
    for seed in range(1, 21):
        turned = f"{line} -misset random -misset_seed {seed} -defects none"
        assert both.simulation(turned).model.n_cells.tolist() == [5, 5, 5]
        assert "\n5 x 5 x 5 cells" in both.c_run(turned)[1]
    historic = {tuple(both.simulation(f"{line} -misset random -misset_seed {seed}").model.n_cells.tolist())
                for seed in range(1, 21)}  # fmt: skip
    assert len(historic) > 1


def test_reciprocal_vectors_are_the_inverse_where_matrix_and_cell_disagree(both):
    (both.folder / "A.mat").write_text("0.019 -0.004 0.005\n0.004 0.017 -0.003\n-0.005 0.003 0.014\n")
    line = f"{CELL} -N 3 -mat A.mat -trace_pixel 0 0"
    cell = both.simulation(f"{line} -defects none").model.cell
    assert (cell.real_A @ cell.reciprocal_per_A.T).tolist() == pytest.approx(np.eye(3), abs=1e-14)
    assert cell.real_A.norm(dim=1).tolist() == pytest.approx([50, 60, 70])
    said = both.c_run(f"{line} -defects none")[1]
    star = [[float(x) for x in said.split(f"rot_{n}_star_A_inv ")[1].split()[:3]] for n in "abc"]
    assert star == pytest.approx(cell.reciprocal_per_A.numpy(), rel=1e-12)
    nominal = both.simulation(line).model.cell
    assert np.abs((nominal.real_A @ nominal.reciprocal_per_A.T).numpy() - np.eye(3)).max() > 0.01


@pytest.mark.parametrize("shape", ["gauss_xtal", "tophat_spots"])
def test_the_radius_of_a_spot_falls_with_the_cells_along_each_axis(both, shape):
    """A crystal of 1 x 1 x n cells has spots as wide as a cell of the reciprocal lattice along two axes."""
    line = (
        f"-cell 50 -distance 100 -detpixels 16 -pixel 1.5 -lambda 1 -oversample 1 -default_F 10 -{shape} -defects none"
    )
    for program in (both.c, both.torch):
        small, long = (program(f"{line} -Na 1 -Nb 1 -Nc {n}") for n in (1, 8))
        assert small.min() > 0 if shape == "gauss_xtal" else small.max() > 0
        assert (long > 0.01 * long.max()).sum() < 0.6 * (small > 0.01 * small.max()).sum()


def test_a_round_crystal_has_all_its_amplitude_next_to_a_spot(both):
    """Scattering at 1e-9 rad from the beam: the closed form subtracts equal numbers there."""
    line = (
        "-xds -cell 50 -distance 100 -detpixels 3 -pixel 1e-7 -oversample 1 -default_F 1 -N 5 -round_xtal -nopolar "
        "-point_pixel"
    )
    expected = np.full((3, 3), (125 * 0.723601254558268) ** 2 / 0.1**2)
    for defects in ("default", "none"):
        for image in both.images(f"{line} -defects {defects}"):
            assert image == pytest.approx(expected, rel=1e-6)
    lost = both.c(f"{line} -defects default,+sphere_cancellation")
    assert np.abs(lost / expected - 1).max() > 1e-4


def test_seeds_of_misset_and_mosaic_do_not_follow_each_other(both):
    """The same seed for both must not make the same numbers."""
    line = f"{CELL} -N 3 -misset random -misset_seed 5 -mosaic 180 -mosaic_dom 1 -mosaic_seed 5 -defects none"
    model = both.simulation(line).model
    tilt = model.real_m[0].T @ torch.linalg.inv(model.cell.real_m.T)
    still = both.simulation(f"{CELL} -N 3 -defects none").model.cell.real_m.T
    misset = model.cell.real_m.T @ torch.linalg.inv(still)
    assert (tilt - misset).abs().max() > 0.1


def test_unused_quadrature_is_told(both):
    line = f"{CELL} -N 3 -mosaic 1 -mosaic_dom 3 -mosaic_quadrature"
    assert "-mosaic_quadrature is not used" in both.c_run(line)[1]


@pytest.mark.parametrize("spread", [1.0, 90.0])
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_fixed_tilts_leave_the_mean_orientation(both, count, spread):
    line = f"{CELL} -N 3 -mosaic {spread} -mosaic_dom {count} -mosaic_quadrature -defects none"
    model = both.simulation(line).model
    turns = torch.stack([real.T @ torch.linalg.inv(model.cell.real_m.T) for real in model.real_m])
    mean = turns.mean(0)
    assert (mean - mean.T).abs().max() < 1e-12
    if count % 2:
        assert (turns[0] - torch.eye(3)).abs().max() < 1e-12

"""The sum of solid angles from a few nodes is that over every pixel."""

import numpy as np
import pytest

from nanobrag_torch.cli import parse, solid_angle
from nanobrag_torch.simulator import Simulation
from tests.cli.conftest import BASE, smv_bytes

PANEL = [*BASE, "-detpixels_f", "150", "-detpixels_s", "90", "-pixel", "1"]


def every_pixel(simulation):
    return sum(float(solid_angle._of_pixels(simulation, tile.fast, tile.slow).sum()) for tile in simulation.tiles(1000))


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-roi", "3", "17", "80", "88"],
        ["-roi", "5", "5", "7", "7"],
        ["-twotheta", "30", "-detector_rotx", "10"],
        ["-curved_det"],
        ["-point_pixel"],
        ["-distance", "2"],  # so steep that nodes do not agree
    ],
)
def test_sum_is_that_of_every_pixel(words):
    simulation = Simulation(parse([*PANEL, *words]).experiment)
    assert solid_angle.solid_angle_sr(simulation) == pytest.approx(every_pixel(simulation), rel=1e-10)


def test_masked_pixels_do_not_count(tmp_path):
    mask = np.ones((90, 150))
    mask[10:60, 20:] = 0
    (tmp_path / "m.img").write_bytes(smv_bytes(mask))
    all_pixels = solid_angle.solid_angle_sr(Simulation(parse(PANEL).experiment))
    simulation = Simulation(parse([*PANEL, "-mask", str(tmp_path / "m.img")]).experiment)
    found = solid_angle.solid_angle_sr(simulation)
    assert found == pytest.approx(every_pixel(simulation), rel=1e-12)
    assert found < 0.9 * all_pixels


@pytest.mark.parametrize(("count", "nodes"), [(1, 5), (2, 2), (7, 4), (1000, 6), (10**7, 3)])
def test_rule_sums_polynomials_over_whole_numbers(count, nodes):
    places, weights = solid_angle.gauss_sum_rule(count, nodes)
    for degree in range(2 * min(nodes, count)):
        exact = sum(k**degree for k in range(count)) if count <= 1000 else None
        if degree == 1:
            exact = count * (count - 1) // 2
        if exact is not None:
            assert weights @ places**degree == pytest.approx(exact, rel=1e-11, abs=1e-9)

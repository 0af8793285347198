"""The solid angle of the computed pixels is the integral over them."""

import math

import numpy as np
import pytest
import torch

from nanobrag_torch.cli import parse, solid_angle
from nanobrag_torch.physics import rays as sensor
from nanobrag_torch.simulator import Simulation
from tests.cli.conftest import BASE, smv_bytes

PANEL = [*BASE, "-detpixels_f", "150", "-detpixels_s", "90", "-pixel", "1"]
FINE = 6  # sub-pixels along an edge


def closed_form(simulation):
    """The solid angle of a rectangle, from the four corners as seen from the foot of the sample's perpendicular."""
    g = simulation.geometry
    x_min, x_max, y_min, y_max = simulation.roi
    fast = [i * float(g.pixel_size_m) + float(g.pix0_m @ g.fdet) for i in (x_min, x_max + 1)]
    slow = [i * float(g.pixel_size_m) + float(g.pix0_m @ g.sdet) for i in (y_min, y_max + 1)]
    close = float(g.close_distance_m)

    def corner(x, y):
        return math.atan(x * y / (close * math.sqrt(x * x + y * y + close * close)))

    return corner(fast[1], slow[1]) - corner(fast[0], slow[1]) - corner(fast[1], slow[0]) + corner(fast[0], slow[0])


def by_sub_pixels(simulation):
    """Sum over the middles of small parts of every pixel that is computed."""
    g, total = simulation.geometry, 0.0
    for fast, slow, _ in simulation.pixels.tiles(1000):
        for i in range(FINE):
            for j in range(FINE):
                position = [
                    (index.double() + (part + 0.5) / FINE) * g.pixel_size_m for index, part in ((fast, i), (slow, j))
                ]
                rays = sensor.pixel_geometry(g, *position, torch.zeros_like(position[0]))
                total += float(sensor.solid_angle_sr(g, rays).sum()) / FINE**2
    return total


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["-roi", "3", "17", "80", "88"],
        ["-roi", "5", "5", "7", "7"],
        ["-twotheta", "30", "-detector_rotx", "10"],
        ["-distance", "20"],  # so steep that nodes do not agree
    ],
)
def test_flat_detector(flags):
    simulation = Simulation(parse([*PANEL, *flags]).experiment)
    assert solid_angle.solid_angle_sr(simulation) == pytest.approx(closed_form(simulation), rel=1e-6)


@pytest.mark.parametrize("flags", [["-curved_det"], ["-point_pixel"]])
def test_other_pixels(flags):
    simulation = Simulation(parse([*PANEL, *flags]).experiment)
    assert solid_angle.solid_angle_sr(simulation) == pytest.approx(by_sub_pixels(simulation), rel=1e-6)


def test_masked_pixels_do_not_count(tmp_path):
    mask = np.ones((90, 150))
    mask[10:60, 20:] = 0
    (tmp_path / "m.img").write_bytes(smv_bytes(mask))
    all_pixels = solid_angle.solid_angle_sr(Simulation(parse(PANEL).experiment))
    simulation = Simulation(parse([*PANEL, "-mask", str(tmp_path / "m.img")]).experiment)
    omega_sr = solid_angle.solid_angle_sr(simulation)
    assert omega_sr == pytest.approx(by_sub_pixels(simulation), rel=1e-6)
    assert omega_sr < 0.9 * all_pixels

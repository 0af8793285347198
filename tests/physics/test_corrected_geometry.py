"""Placement, sampling and the sides of the detector without the historic defects, in both programs."""

import math

import numpy as np
import pytest
import torch

from nanobrag_torch import cli
from nanobrag_torch.physics import rays
from tests.physics.both import Refusal

CELL = "-cell 50 60 70 90 90 90 -lambda 1 -default_F 5 -N 3 -detpixels 8 -pixel 3 -oversample 1"
XDS = f"{CELL} -xds -distance 100 -defects none"


def c_number(both, line: str, label: str) -> float:
    return float(both.c_run(line)[1].split(label)[1].split()[0])


@pytest.mark.parametrize("extra", ["", "-detector_rotx 7 -detector_roty -4"])
def test_a_close_distance_is_kept_through_twotheta_about_the_beam_spot(both, extra):
    line = f"{CELL} -mosflm -close_distance 120 -twotheta 30 {extra} -defects none"
    g = both.simulation(line).geometry
    assert float(g.close_distance_m) == pytest.approx(0.120, rel=1e-12)
    assert c_number(both, line, "close distance ") == 120
    if not extra:
        assert float(g.distance_m) == pytest.approx(0.120 / math.cos(math.pi / 6), rel=1e-12)
        assert c_number(both, line, "\ndistance ") == 138.564


def test_automatic_oversampling_looks_at_the_nearest_point(both):
    line = "-xds -cell 70 -N 20 -pixel 1 -distance 100 -detpixels 100 -roi 1 1 1 1 -default_F 1 -defects none"
    for angle in (0, 30, 60, 80, 90):
        swung = f"{line} -twotheta {angle}"
        assert both.simulation(swung).model.oversample == 42
        assert "\n42 x 42 sub-pixels" in both.c_run(swung)[1]
    away = f"{line} -ORGX -99.5"  # the nearest point is 100 mm beside the panel
    assert both.simulation(away).model.oversample == 30
    assert "\n30 x 30 sub-pixels" in both.c_run(away)[1]


@pytest.mark.parametrize("angle", [0, 30, 60, 90])
def test_a_swung_curved_detector_keeps_radius_pixels_and_incidence(both, angle):
    sensor = "-detector_thick 600 -detector_abs 1000 -detector_thicksteps 1"
    line = f"{XDS} -curved_det -twotheta {angle} -point_pixel -nopolar"
    flat = line.replace("-default_F 5 -N 3", "-default_F 5 -N 1")
    for program in (both.c, both.torch):
        bare = program(flat)
        assert bare == pytest.approx(np.full((8, 8), 25 / 0.1**2), rel=1e-12)  # all pixels are 100 mm away
        absorbed = program(f"{flat} {sensor}") / bare
        assert absorbed == pytest.approx(np.full((8, 8), 1 - math.exp(-0.6)), rel=1e-12)  # 0.451 everywhere
        sized = program(flat.replace("-point_pixel", ""))
        assert sized == pytest.approx(bare * 0.003**2, rel=1e-12)


def test_arcs_of_a_curved_detector_are_the_lengths_on_the_panel(both):
    g = both.simulation(f"{XDS} -curved_det -twotheta 40 -detector_rotz 10").geometry
    zero = torch.zeros(3, dtype=torch.float64)
    fast = g.Fclose_m + torch.tensor([0.0, 0.02, -0.03], dtype=torch.float64)
    at = rays.position_m(g, fast, g.Sclose_m.expand(3), zero)
    angles = torch.arccos((at.T @ at[:, 0]) / 0.01)
    assert angles.tolist() == pytest.approx([0.0, 0.2, 0.3], abs=1e-7)


@pytest.mark.parametrize(
    "flags", ["-mosflm -twotheta 120", "-xds -close_distance -60", "-mosflm -twotheta 95 -detector_thick 300"]
)
@pytest.mark.parametrize("defects", ["", "-defects none"])
def test_a_panel_that_shows_its_back_is_refused(both, flags, defects):
    line = f"{CELL} {flags} {defects}"
    with pytest.raises(Refusal, match="shows its back to the sample: its plane is at -"):
        both.c(line)
    with pytest.raises(Exception, match="shows its back to the sample: its plane is at -"):
        both.torch(line)


def test_the_historic_back_counts_negative(both):
    for image in both.images(f"{CELL} -mosflm -twotheta 120 -defects default,+back_face_negative"):
        assert image.max() < 0


def test_rays_from_behind_count_nothing_and_are_told(both):
    """A normal that is not perpendicular to its panel has some of the rays behind it."""
    line = (
        f"{CELL} -pixel 30 -distance 65 -fdet_vector 0 0 1 -sdet_vector 0 -1 0 -odet_vector 1 0 -0.8 "
        "-beam_vector 1 0 0 -detector_thick 300 -defects none"
    )
    image, said = both.c_run(line)
    behind = int(said.split(" of 64 pixels are reached from behind")[0].split()[-1])
    assert 0 < behind < 64
    assert (image == 0).sum() == behind
    assert image.min() == 0
    assert both.torch(line) == pytest.approx(image, rel=1e-9)


@pytest.mark.parametrize("hand", [1, -1])
def test_a_custom_panel_stands_downstream_in_either_handedness(both, hand):
    line = f"{CELL} -distance 100 -fdet_vector 0 0 1 -sdet_vector 0 {hand} 0 -beam_vector 1 0 0 -defects none"
    for image in both.images(line):
        assert image.min() > 0
    assert both.simulation(line).geometry.odet.tolist() == pytest.approx([1, 0, 0])


class TestNearPoint:
    """-Xclose and -Yclose without the defect close_beam_ignored."""

    @pytest.mark.parametrize("convention", ["mosflm", "denzo", "adxv", "xds", "dials"])
    @pytest.mark.parametrize("pivot", ["beam", "sample"])
    def test_an_upright_panel_has_one_centre(self, both, convention, pivot):
        """Without tilt the near point is the beam spot, whichever flag states it."""
        line = f"{CELL} -{convention} -distance 100 -pivot {pivot} -defects none"
        near = both.simulation(f"{line} -Xclose 10 -Yclose 14").geometry
        spot = both.simulation(f"{line} -pivot beam -Xbeam 10 -Ybeam 14").geometry
        assert near.pix0_m.tolist() == pytest.approx(spot.pix0_m.tolist(), abs=1e-15)
        c = both.c_run(f"{line} -Xclose 10 -Yclose 14")[1].split("PIX0_VECTOR ")[1].split()[:3]
        assert [float(x) for x in c] == pytest.approx(spot.pix0_m.tolist(), abs=1e-15)

    def test_it_is_kept_on_a_panel_that_is_swung_about_the_beam_spot(self, both):
        line = f"{CELL} -denzo -distance 100 -twotheta 25 -Xclose 3 -Yclose 40 -defects none"
        g = both.simulation(line).geometry
        assert (float(g.Sclose_m), float(g.Fclose_m)) == pytest.approx((0.003, 0.040), abs=1e-15)
        said = both.c_run(line)[1].split("nearest point at fast ")[1]
        assert said.startswith("40 mm, slow 3 mm")

    def test_a_beam_spot_that_is_stated_wins_and_that_is_said(self, both):
        line = f"{CELL} -mosflm -distance 100 -Xclose 3 -Xbeam 9 -defects none"
        assert "-Xclose does not move a detector" in both.c_run(line)[1]
        assert both.torch(line) == pytest.approx(both.torch(line.replace("-Xclose 3 ", "")))

    @pytest.mark.parametrize(
        ("flags", "told"),
        [
            ("-mosflm -ORGX 2 -ORGY 3", "-ORGX and -ORGY do not move a detector that pivots about the beam spot"),
            ("-xds -Xbeam 4", "-Xbeam and -Ybeam change the header alone"),
            ("-xds -Xclose 3 -defects default", "-ORGX"),
            ("-mosflm -Xclose 3 -defects default", "-Xbeam"),
        ],
    )
    def test_a_centre_without_effect_is_told(self, both, flags, told):
        assert told in both.c_run(f"{CELL} -distance 100 {flags}")[1]
        if "-Xclose" not in flags:
            line = f"{CELL} -distance 100 {flags}".split()
            assert any(told in warning for warning in cli.parse(line).warnings)

    @pytest.mark.parametrize("flags", ["-mosflm -Xbeam 2", "-xds -ORGX 2", "-fdet_vector 0 0 1 -Xbeam 3", "-mosflm"])
    def test_nothing_is_told_of_one_that_counts(self, both, flags):
        said = both.c_run(f"{CELL} -distance 100 {flags}")[1]
        assert "do not move" not in said and "header alone" not in said

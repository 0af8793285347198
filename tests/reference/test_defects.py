"""Each historic defect, reproduced and repaired."""

import numpy as np
import pytest

from .program import BASE, CASE_B, QUIET, WITH, WITHOUT, warned, write_smv


def test_phi_carryover(nanobragg):
    flags = [*BASE, "-default_F", 10, "-N", 6, "-osc", 2, "-phisteps", 2]
    right = nanobragg.image(*flags, "-phi", 0)
    carried = nanobragg.image(*flags, "-phi", 0, "-defects", WITH("phi_carryover"))
    # historically 3362.07682 in one thread, whose very first evaluation is the right one
    assert carried.sum() - carried[0, 0] + right[0, 0] == pytest.approx(3362.07682, rel=3e-9)
    only_last = nanobragg.image(*flags[:-4], "-phi", 1)
    assert carried == pytest.approx(only_last, rel=1e-6)
    assert abs(right - carried).max() > 0.02 * carried.max()


def test_phi_carryover_in_mid_scan(nanobragg):
    flags = [*BASE, "-default_F", 10, "-N", 6]
    scan = nanobragg.image(*flags, "-phi", -1, "-osc", 3, "-phisteps", 3, "-defects", WITH("phi_carryover"))
    before, after = (nanobragg.image(*flags, "-phi", phi) for phi in (-1, 1))
    assert scan == pytest.approx((2 * before + after) / 3, rel=1e-6)


def test_phi_carryover_needs_two_steps(nanobragg):
    flags = [*BASE, "-default_F", 10, "-N", 6, "-phi", 0]
    plain = nanobragg.image(*flags)
    assert (nanobragg.image(*flags, "-defects", WITH("phi_carryover")) == plain).all()
    all_zero = nanobragg.image(*flags, "-osc", 0, "-phisteps", 3, "-defects", WITH("phi_carryover"))
    assert all_zero == pytest.approx(plain, rel=1e-6)


def test_pix0_ignored(nanobragg):
    flags = [*BASE, "-default_F", 5, "-N", 3]
    assert nanobragg.succeed(*flags).number("beam at fast") == 15
    ignored = nanobragg.succeed(*flags, "-pix0_vector", 0, 0, 0)
    assert ignored.number("beam at fast") == 12
    assert warned(ignored, "pix0_ignored")
    image = nanobragg.image(*flags, "-pix0_vector_mm", 1, 2, 3)
    assert (image == ignored.image).all()


@pytest.mark.parametrize(("flag", "metres"), [("-pix0_vector", 1.0), ("-pix0_vector_mm", 0.001)])
def test_pix0_used(nanobragg, flag, metres):
    corner = np.array([0.095, 0.011, -0.0125])
    flags = [*BASE, "-default_F", 5, "-N", 3, flag, *(corner / metres), "-trace_pixel", 0, 0]
    result = nanobragg.succeed(*flags, "-defects", WITHOUT("pix0_ignored"))
    assert result.traced("pix0_vector_meters") == pytest.approx(corner, rel=1e-14)
    assert result.traced("close_distance_meters") == pytest.approx([0.095])
    assert result.number("beam at fast") == pytest.approx(12.5)
    assert not warned(result, "pix0_ignored")


def test_running_product(nanobragg):
    flags = [*BASE, "-default_F", 4, "-N", 4, "-oversample", 2]
    assert nanobragg.image(*flags).sum() == pytest.approx(7.2567, abs=6e-5)
    right = nanobragg.image(*flags, "-oversample_omega").sum()
    assert right == pytest.approx(7.2567, rel=1e-3)
    historic = nanobragg.image(*flags, "-oversample_omega", "-defects", WITH("running_product")).sum()
    assert historic == pytest.approx(1.5729, abs=6e-5)


def test_last_value_factors(nanobragg):
    last_value = nanobragg.image(*CASE_B)
    every_term = nanobragg.image(*CASE_B, "-oversample_thick", "-oversample_polar", "-oversample_omega")
    assert last_value.sum() == pytest.approx(43655.4942, rel=1e-8)
    assert abs(every_term - last_value).max() > 0.05 * last_value.max()
    assert (nanobragg.image(*CASE_B, "-defects", WITHOUT("last_value_factors")) == every_term).all()


@pytest.mark.parametrize(
    ("flags", "historic", "right"),
    [
        (["-thicksteps", 1], (2, 100), (1, 100)),
        (["-thicksteps", 4], (4, 100 / 3), (4, 25)),
        ([], (2, 50), (2, 50)),
    ],
)
def test_layer_pitch(nanobragg, flags, historic, right):
    for defects, (layers, pitch_um) in (("default", historic), (WITHOUT("layer_pitch"), right)):
        command = [*BASE, "-default_F", 5, "-detector_thick", 100, *flags, "-defects", defects]
        result = nanobragg.succeed(*command)
        assert result.number("sensor:") == layers
        assert result.number("pitch") == pytest.approx(pitch_um, rel=1e-5)


def test_interpolation_latch(nanobragg, dense_table):
    flags = (
        "-cell 60 70 80 85 95 105 -hkl dense.hkl -interpolate -Na 3 -Nb 4 -Nc 5 -detpixels 32 -pixel 1 -distance 100"
    )
    flags = [*flags.split(), "-Xbeam", 2, "-Ybeam", 2, "-oversample", 1, *QUIET]
    files = {"dense.hkl": dense_table}
    right = nanobragg.image(*flags, files=files)
    nearest = nanobragg.image(*flags, "-nointerpolate")
    latched = [nanobragg.image(*flags, "-defects", WITH("interpolation_latch"), "-threads", n) for n in (1, 4)]
    assert (latched[0] == latched[1]).all()
    as_right, as_nearest = (latched[0] == right).ravel(), (latched[0] == nearest).ravel()
    fell = int(np.flatnonzero(~as_right)[0])
    assert 0 < fell < latched[0].size and as_nearest[fell:].all() and not as_nearest[:fell].all()


def test_blank_without_thickness(nanobragg):
    flags = [*BASE, "-default_F", 4, "-N", 4]
    plain = nanobragg.image(*flags)
    assert (nanobragg.image(*flags, "-oversample_thick") == plain).all() and plain.sum() > 0
    assert (nanobragg.image(*flags, "-oversample_thick", "-defects", WITH("blank_without_thickness")) == 0).all()


@pytest.mark.parametrize(
    ("flags", "historic", "right"),
    [
        (["-twotheta", 20, "-pivot", "sample"], "direct beam spot", "sample"),
        (["-xds", "-pivot", "beam"], "sample", "direct beam spot"),
        (["-twotheta", 20], "direct beam spot", "direct beam spot"),
        (["-beam_vector", 1, 0, 0, "-pivot", "sample", "-distance", 100], "direct beam spot", "sample"),
    ],
)
def test_pivot_overwritten(nanobragg, flags, historic, right):
    for defects, pivot in (("default", historic), (WITHOUT("pivot_overwritten"), right)):
        result = nanobragg.succeed(*BASE, "-default_F", 5, "-N", 3, *flags, "-defects", defects)
        assert f"rotated about the {pivot}\n" in result.stdout
        assert warned(result, "pivot_overwritten") == (defects == "default" and historic != right)


def test_close_beam_ignored(nanobragg):
    flags = [*BASE, "-default_F", 5, "-N", 3, "-xds"]
    plain = nanobragg.succeed(*flags)
    ignored = nanobragg.succeed(*flags, "-Xclose", 3)
    assert warned(ignored, "close_beam_ignored") and ignored.number("nearest point at fast") == 12
    used = nanobragg.succeed(*flags, "-Xclose", 3, "-Yclose", 5, "-defects", WITHOUT("close_beam_ignored"))
    assert used.number("nearest point at fast") == 3
    assert used.number(r"nearest point at fast 3 mm, slow") == 5
    assert plain.returncode == 0 and not warned(plain, "close_beam_ignored")


def test_close_beam_acts_in_custom(nanobragg):
    flags = [*BASE, "-default_F", 5, "-beam_vector", 1, 0, 0, "-Xclose", 3, "-Yclose", 4]
    result = nanobragg.succeed(*flags)
    assert result.number("nearest point at fast") == 3 and not warned(result, "close_beam_ignored")


def test_twotheta_axis_is_its_own_flag(nanobragg):
    flags = [*BASE, "-default_F", 5, "-N", 3, "-twotheta", 5, "-twotheta_axis", 0, 0, -1, "-trace_pixel", 0, 0]
    result = nanobragg.succeed(*flags)
    assert f"twotheta:{np.radians(5):.15g}" in result.stdout
    assert "rotated about the sample" in result.stdout


def test_axis_not_normalised(nanobragg):
    flags = [*BASE, "-default_F", 5, "-twotheta", 20, "-trace_pixel", 0, 0, "-twotheta_axis", 0]
    unit, doubled = (nanobragg.succeed(*flags, y, 0).traced("fdet_vec") for y in (1, 2))
    assert doubled == unit
    sheared = nanobragg.succeed(*flags, 2, 0, "-defects", WITH("axis_not_normalised")).traced("fdet_vec")
    assert sheared == pytest.approx([2 * np.sin(np.radians(20)), 0, np.cos(np.radians(20))])


def test_normal_exact_length(nanobragg):
    flags = [*BASE, "-default_F", 5, "-fdet_vector", 1, 0, 0, "-sdet_vector", 0, 1, 0, "-beam_vector", 0, 0, 1]
    # the normal that is kept lies in the panel, and the image would be negative
    historic = nanobragg.succeed(*flags, "-defects", WITH("back_face_negative"))
    assert "DETECTOR_NORMAL_AXIS 1 0 0\n" in historic.stdout
    right = nanobragg.succeed(*flags, "-defects", WITHOUT("normal_exact_length"))
    assert "DETECTOR_NORMAL_AXIS 0 0 1\n" in right.stdout


def test_normal_not_of_exact_length(nanobragg):
    flags = [*BASE, "-default_F", 5, "-trace_pixel", 0, 0, "-odet_vector", 1, 0.001, 0]
    replaced = nanobragg.succeed(*flags)
    assert replaced.setup("initial_odet") == pytest.approx([1, 0, 0], abs=1e-15)
    assert warned(replaced, "normal_exact_length")
    kept = nanobragg.succeed(*flags, "-defects", WITHOUT("normal_exact_length"))
    assert kept.setup("initial_odet") == pytest.approx([1, 0.001, 0], rel=1e-6, abs=1e-15)


def test_distance_without_twotheta(nanobragg):
    flags = [*BASE, "-default_F", 5, "-N", 3, "-twotheta", 30]
    historic = nanobragg.succeed(*flags)
    right = nanobragg.succeed(*flags, "-defects", WITHOUT("distance_without_twotheta"))
    assert historic.number(r"\ndistance") == 86.6025
    assert right.number(r"\ndistance") == 100
    assert right.number("beam at fast") == pytest.approx(15)
    assert (right.image == historic.image).all()


def test_curved_axes(nanobragg):
    flags = [*BASE, "-default_F", 5, "-N", 3, "-curved_det", "-trace_pixel", 1, 6, "-defects"]
    fast_mm, slow_mm = 3 * 6.5 - 15, 3 * 1.5 - 15  # from the beam spot
    historic = nanobragg.succeed(*flags, "default").traced("pixel_pos_meters")
    right = nanobragg.succeed(*flags, WITHOUT("curved_axes")).traced("pixel_pos_meters")
    for position in (historic, right):
        assert np.linalg.norm(position) == pytest.approx(0.1, rel=1e-14)
    along_z, along_y = fast_mm / 100, -slow_mm / 100  # fast is z, slow is -y
    expected = [np.cos(along_z) * np.cos(along_y), np.cos(along_z) * np.sin(along_y), np.sin(along_z)]
    assert right == pytest.approx(0.1 * np.array(expected), rel=1e-12)
    swapped = [np.cos(along_y) * np.cos(along_z), np.cos(along_y) * np.sin(along_z), np.sin(along_y)]
    assert historic == pytest.approx(0.1 * np.array(swapped), rel=1e-12)


def test_random_misset_radians(nanobragg):
    flags = [*BASE, "-default_F", 5, "-misset", "random", "-misset_seed", 42]
    assert "misset -11.585886639 56.207688998 -1.333374204 deg" in nanobragg.succeed(*flags).stdout
    right = nanobragg.succeed(*flags, "-defects", WITHOUT("random_misset_radians"))
    assert right.number("misset") != -11.585886639
    assert "cell 50 60 70 A, 90 90 90 deg" in right.stdout


def test_nopolar_overridden(nanobragg):
    flags = [*BASE, "-default_F", 5, "-N", 3]
    polarized, off = nanobragg.image(*flags), nanobragg.image(*flags, "-nopolar")
    both = nanobragg.succeed(*flags, "-nopolar", "-oversample_polar")
    assert warned(both, "nopolar_overridden") and both.image == pytest.approx(polarized, rel=1e-6)
    right = nanobragg.image(*flags, "-nopolar", "-oversample_polar", "-defects", WITHOUT("nopolar_overridden"))
    assert (right == off).all() and (off > polarized).any()
    every_term = nanobragg.image(*flags, "-nopolar", "-defects", WITHOUT("last_value_factors"))
    assert every_term == pytest.approx(off, rel=1e-6)


def test_list_and_presets(nanobragg):
    listing = nanobragg.succeed("-defects", "list").stdout.splitlines()
    names = [line.split()[0] for line in listing]
    flags = [*BASE, "-default_F", 1, "-trace_pixel", 0, 0, "-defects"]
    for preset, state in (("default", {"on"}), ("historic", {"on", "off"}), ("none", set())):
        expected = sorted(name for name, line in zip(names, listing, strict=True) if line.split()[2] in state)
        assert nanobragg.succeed(*flags, preset).trace("defects") == [[",".join(expected) or "none"]]


def test_mask_and_header_do_not_change_the_convention(nanobragg):
    mask = write_smv(np.ones((8, 8)), "PIXEL_SIZE=3;\nORGX=2;\n")
    result = nanobragg.succeed("-mask", "m.img", *BASE, "-default_F", 5, files={"m.img": mask})
    assert "MOSFLM convention, detector rotated about the direct beam spot" in result.stdout
    assert result.number("nearest point at fast") == 15

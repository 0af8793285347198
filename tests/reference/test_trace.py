"""The trace: complete, in order, and multiplying back to the pixel."""

import json
import re
import shutil

import numpy as np
import pytest

from .program import BASE, QUIET, words

GEOMETRY = words(
    "pix0_vector_meters fdet_vec sdet_vec pixel_pos_meters R_distance_meters omega_pixel_sr close_distance_meters "
    "obliquity_factor diffracted_vec incident_vec lambda_meters lambda_angstroms scattering_vec_A_inv"
)
ORIENTATION = words(
    "rot_a_angstroms rot_b_angstroms rot_c_angstroms rot_a_star_A_inv rot_b_star_A_inv rot_c_star_A_inv hkl_frac "
    "hkl_rounded"
)
LATTICE = ["F_latt_a", "F_latt_b", "F_latt_c", "F_latt"]
END = words(
    "I_background I_before_scaling r_e_meters r_e_sqr fluence_photons_per_m2 steps oversample_thick oversample_polar "
    "oversample_omega capture_fraction polar omega_pixel cos_2theta I_pixel_final floatimage_accumulated"
)
CONTEXT = words(
    "pixel_slow_fast defects beam_vector polar_vector spindle_axis sources mosaic_domains phi_steps oversample "
    "thick_steps N_cells"
)
ALL_FEATURES = words(
    "-cell 50 60 70 80 95 100 -misset 10 20 30 -distance 80 -detpixels 6 -pixel 1.5 -Na 3 -Nb 4 -Nc 5 -default_F 20 "
    "-mosaic 0.5 -mosaic_dom 3 -hdivrange 2 -hdivsteps 3 -dispersion 1 -dispsteps 2 -detector_rotx 5 -twotheta 15 "
    "-polar 0.9 -phi 1 -osc 0.5 -phisteps 2 -oversample 2 -detector_thick 300 -detector_abs 400 "
    "-detector_thicksteps 3 -nonoise -nopgm -noprogress"
)
OPTIONS = {
    "plain": [],
    "thick": ["-oversample_thick"],
    "polar": ["-oversample_polar"],
    "omega": ["-oversample_omega"],
    "all": ["-oversample_thick", "-oversample_polar", "-oversample_omega"],
    "every term": ["-defects", "none"],
    "water": ["-water", "3"],
    "water scaled once": ["-water", "3", "-defects", "none"],
    "unpolarized": ["-nopolar"],
    "round": ["-round_xtal"],
    "gauss": ["-gauss_xtal"],
    "tophat": ["-tophat_spots", "-fudge", "1e-3"],
    "dmin": ["-dmin", "9"],
}


def keys(result) -> list[str]:
    """Keys of the lines after the setup, terms and context left out."""
    lines = [line for line in result.stdout.splitlines() if re.match(r"TRACE_C: |TRACE_C_PHI ", line)]
    keys = [line.split()[1] if line.startswith("TRACE_C: ") else "PHI" for line in lines]
    assert keys[: len(CONTEXT)] == CONTEXT
    return keys[len(CONTEXT) :]


@pytest.mark.parametrize("name", OPTIONS)
def test_factors_multiply_back(nanobragg, name):
    result = nanobragg.succeed(*ALL_FEATURES, "-fluence", 1e28, *OPTIONS[name], "-trace_pixel", 4, 2)
    value = {key: result.traced(key) for key in END}
    terms = np.array([[float(text) for text in row] for row in result.trace("term")])
    lattice, cell, capture, polar, omega, term = terms[:, 9:].T
    assert term == pytest.approx(cell**2 * lattice**2 * capture * polar * omega, rel=1e-13)
    total = value["I_background"][0] + term.sum()
    assert value["I_before_scaling"][0] == pytest.approx(total, rel=1e-12) and total > 0
    counts = [result.traced(key)[0] for key in ("sources", "mosaic_domains", "phi_steps", "oversample", "oversample")]
    assert value["steps"] == [np.prod(counts)]
    photons = value["r_e_sqr"][0] * value["fluence_photons_per_m2"][0] * total / value["steps"][0]
    for flag, factor in (("thick", "capture_fraction"), ("polar", "polar"), ("omega", "omega_pixel")):
        photons *= 1 if value[f"oversample_{flag}"] == [1] else value[factor][0]
    assert value["I_pixel_final"] == pytest.approx([photons], rel=1e-12)
    assert value["floatimage_accumulated"] == [float(f"{result.image[4, 2]:.15g}")]
    assert result.image[4, 2] == np.float32(value["I_pixel_final"][0])
    if name != "dmin":
        assert len(terms) == value["steps"][0] * result.traced("thick_steps")[0]
        order = terms[:, :6].astype(int).tolist()
        assert order == sorted(order) and len({*map(tuple, order)}) == len(order)


def test_order_of_keys(nanobragg):
    result = nanobragg.succeed(*ALL_FEATURES, "-trace_pixel", 4, 2)
    terms_each = 3 * 2 * 2 * 3  # sources, wavelengths, phi steps, domains
    block = ["subpixel", *GEOMETRY, *ORIENTATION, *LATTICE, "PHI", "F_cell", "PHI", *["term"] * terms_each]
    assert keys(result) == block * (3 * 2 * 2) + END
    steps = [[int(text) for text in row] for row in result.trace("subpixel")]
    assert steps == [[t, u, v] for t in range(3) for u in range(2) for v in range(2)]


def test_other_shapes_have_no_axis_factors(nanobragg):
    result = nanobragg.succeed(*ALL_FEATURES, "-round_xtal", "-trace_pixel", 4, 2)
    assert "F_latt" in keys(result) and not {"F_latt_a", "PHI"} & set(keys(result))


def test_cut_sub_pixels_have_geometry_only(nanobragg):
    result = nanobragg.succeed(*BASE, "-default_F", 5, "-dmin", 99, "-trace_pixel", 0, 0)
    assert keys(result) == ["subpixel", *GEOMETRY, *END]


@pytest.mark.parametrize("pivot", ["sample", "beam"])
def test_setup_keys(nanobragg, pivot):
    flags = ["-beam_vector", 1, 0, 0, "-pivot", pivot, "-detector_rotz", 3, "-trace_pixel", 0, 0]
    lines = nanobragg.succeed(*BASE, "-default_F", 5, *flags).stdout.splitlines()
    keys = [line[8:].partition("=")[0] for line in lines if re.match(r"TRACE_C:[a-zA-Z]", line)]
    start = "detector_convention angles_rad beam_center_m initial_fdet initial_sdet initial_odet"
    axes = (
        "fdet_after_rotz sdet_after_rotz odet_after_rotz twotheta_axis fdet_after_twotheta sdet_after_twotheta "
        "odet_after_twotheta"
    )
    sample = (
        f"{start} Fclose_m Sclose_m close_distance_m ratio distance_m term_fast_before_rot term_slow_before_rot "
        f"term_close_before_rot pix0_before_rotation pix0_after_rotz pix0_after_twotheta {axes}"
    )
    beam = (
        f"{start} Rx Ry Rz R_total {axes} Fbeam_m Sbeam_m close_distance_m ratio distance_m term_fast term_slow "
        "term_beam pix0_vector"
    )
    assert keys == (sample if pivot == "sample" else beam).split()


def test_tracing_changes_no_pixel(nanobragg):
    plain = nanobragg.image(*ALL_FEATURES)
    traced = nanobragg.image(*ALL_FEATURES, "-trace_pixel", 4, 2)
    assert (plain == traced).all()
    assert "TRACE" not in nanobragg.succeed(*ALL_FEATURES).stdout


@pytest.mark.parametrize("cells", [(3, 4, 5), (6, 1, 2)])
def test_lattice_signs_are_those_of_the_full_index(nanobragg, cells):
    flags = [*BASE, "-default_F", 5, "-misset", 10, 20, 30, "-phi", 1, "-osc", 2, "-phisteps", 4, "-trace_pixel", 6, 1]
    flags += [argument for name, n in zip("abc", cells, strict=True) for argument in (f"-N{name}", n)]
    result = nanobragg.succeed(*flags)
    h = np.array(result.traced("hkl_frac"))
    expected = [np.sin(np.pi * n * x) / np.sin(np.pi * x) if n > 1 else 1 for n, x in zip(cells, h, strict=True)]
    factors = [result.traced(key)[0] for key in ("F_latt_a", "F_latt_b", "F_latt_c")]
    assert factors == pytest.approx(expected, rel=1e-11)
    assert result.traced("F_latt") == pytest.approx([np.prod(factors)], rel=1e-14)
    phi = [re.findall(r"=(\S+)", line) for line in result.stdout.splitlines() if line.startswith("TRACE_C_PHI ")]
    assert [row[:2] for row in phi] == [[f"{j}", f"{1 + 0.5 * j:.15g}"] for j in range(4)]
    for _, _, k, along_b, _ in phi:
        k, along_b = float(k), float(along_b)
        ratio = np.sin(np.pi * cells[1] * k) / np.sin(np.pi * k) if cells[1] > 1 else 1
        assert along_b == pytest.approx(ratio, rel=1e-11)


def numbers(text: str) -> np.ndarray:
    return np.array([float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[-+]?\d+)?", text)])


def historic_rows(lines, shape_is_square=True) -> list[tuple[str, np.ndarray]]:
    """(key, numbers) of the pixel lines that the historic program prints."""
    ours_only = {"subpixel", "term", "I_background", *CONTEXT}
    rows = []
    for line in lines:
        if line.startswith("TRACE_C_PHI "):
            rows.append(("PHI", numbers(re.sub(r"\w+=", "", line[12:]))))
        elif line.startswith("TRACE_C: "):
            _, key, values = line.split(maxsplit=2)
            if key not in ours_only and (shape_is_square or key != "F_latt"):
                rows.append((key, numbers(values)))
    return rows


@pytest.mark.shared
def test_against_traces_of_the_historic_program(shared_golden, nanobragg):
    for file in ("A.mat", "scaled.hkl", "sources.txt"):
        shutil.copy(shared_golden / file, nanobragg.folder)
    for name, case in json.loads((shared_golden / "cases.json").read_text()).items():
        for trace in case["traces"]:
            slow, fast = trace["pixel_slow_fast"]
            flags = [*case["args"].split(), *QUIET, "-trace_pixel", slow, fast]
            result = nanobragg.succeed(*flags, "-roi", fast, fast, slow, slow, "-defects", "historic")
            square = any(" F_latt_a " in line for line in trace["lines"])
            theirs = historic_rows(trace["lines"])
            ours = historic_rows(result.stdout.splitlines(), square)
            if not any(key == "F_cell" for key, _ in theirs):  # it prints none where F_latt is 0
                ours = [row for row in ours if row[0] != "F_cell"]
            assert [key for key, _ in ours] == [key for key, _ in theirs], (name, slow, fast)
            for (key, mine), (_, expected) in zip(ours, theirs, strict=True):
                scale = np.maximum(abs(expected), 1e-2) if key == "PHI" else np.linalg.norm(expected)
                assert (abs(mine - expected) <= 1e-9 * scale).all(), (name, slow, fast, key, mine, expected)

"""Every flag of the table, under each spelling, lands where it should; every bad value is refused by name."""

import dataclasses
import math

import pytest
import torch

from nanobrag_torch.cli import UsageError, main, parse
from nanobrag_torch.cli.help import early_answer
from nanobragg_tables import flags
from tests.cli.conftest import BASE

MINE = [flag for flag in flags() if "torch" in flag.programs]
DEG = math.pi / 180.0
MM, UM, MRAD = 1e-3, 1e-6, 1e-3


def near(value):
    return pytest.approx(value, rel=1e-15, abs=0)


# flag -> (its values, {where it lands: what is there}); nothing lands where the flag has no effect
EXPECTED = {
    "-mat": ("a.mat", {"crystal.orientation_matrix": [[0.02, 0, 0], [0, 0.02, 0], [0, 0, 0.02]]}),
    "-cell": ("1 2 3 80 85 95", {"crystal.cell_lengths_A": (1, 2, 3), "crystal.cell_angles_deg": (80, 85, 95)}),
    "-misset": ("1 -2 3", {"crystal.misset_deg": (1, -2, 3), "crystal.misset_random": False}),
    "-misset_seed": ("42", {"crystal.misset_seed": -42}),
    "-N": ("5", {"crystal.n_cells": (5, 5, 5)}),
    "-Na": ("5", {"crystal.n_cells": (5, 1, 1)}),
    "-Nb": ("5", {"crystal.n_cells": (1, 5, 1)}),
    "-Nc": ("5", {"crystal.n_cells": (1, 1, 5)}),
    "-samplesize": ("2", {"crystal.sample_size_m": (2 * MM,) * 3}),
    "-sample_thick": ("2", {"crystal.sample_size_m": (2 * MM, 0, 0)}),
    "-sample_width": ("2", {"crystal.sample_size_m": (0, 2 * MM, 0)}),
    "-sample_height": ("2", {"crystal.sample_size_m": (0, 0, 2 * MM)}),
    "-square_xtal": ("", {"crystal.shape": "SQUARE"}),
    "-round_xtal": ("", {"crystal.shape": "ROUND"}),
    "-gauss_xtal": ("", {"crystal.shape": "GAUSS"}),
    "-tophat_spots": ("", {"crystal.shape": "TOPHAT"}),
    "-fudge": ("1.7", {"crystal.fudge": 1.7}),
    "-mosaic": ("0.5", {"crystal.mosaic_spread_rad": near(0.5 * DEG)}),
    "-mosaic_dom": ("7", {"crystal.mosaic_domains": 7}),
    "-mosaic_seed": ("-9", {"crystal.mosaic_seed": 9}),
    "-mosaic_quadrature": ("", {"crystal.mosaic_quadrature": True}),
    "-hkl": ("f.hkl", {"structure_factors.table.h_min": 0, "structure_factors.table.l_min": -3}),
    "-hkl_column": ("F_calc -hkl g.cif", {"structure_factors.table.F_electrons": [[[7, 10, 10, 10, 7]]]}),
    "-default_F": ("33", {"structure_factors.default_F": 33.0}),
    "-dumpfile": ("F.bin", {"structure_factors.table.F_electrons": torch.full((2, 2, 2), 7.0).tolist()}),
    "-interpolate": ("", {"structure_factors.interpolate": True}),
    "-nointerpolate": ("", {"structure_factors.interpolate": False}),
    "-dmin": ("2", {"structure_factors.d_min_m": 2 * 1e-10}),
    "-water": ("50", {"structure_factors.water_size_m": 50 * UM}),
    "-lambda": ("0.9768", {"beam.wavelength_m": 0.9768 / 1e10}),
    "-energy": ("9500", {"beam.wavelength_m": (12398.42 / 9500) / 1e10}),
    "-fluence": ("1e24", {"beam.fluence_photons_per_m2": 1e24}),
    "-flux": ("1e12", {"beam.flux_photons_per_s": 1e12}),
    "-exposure": ("2", {"beam.exposure_s": 2.0}),
    "-beamsize": ("0.2", {"beam.beamsize_m": 0.2 / 1000}),
    "-polar": ("-0.5", {"beam.polarization_factor": -0.5, "beam.polarized": True}),
    "-nopolar": ("", {"beam.polarized": False}),
    "-dispersion": ("2", {"beam.dispersion_fraction": 0.02}),
    "-dispsteps": ("5", {"beam.dispersion_steps": 5}),
    "-divergence": ("3", {"beam.hdiv_range_rad": 3 * MRAD, "beam.vdiv_range_rad": 3 * MRAD}),
    "-hdivrange": ("3", {"beam.hdiv_range_rad": 3 * MRAD, "beam.vdiv_range_rad": None}),
    "-vdivrange": ("3", {"beam.vdiv_range_rad": 3 * MRAD, "beam.hdiv_range_rad": None}),
    "-hdivstep": ("0.5", {"beam.hdiv_step_rad": 0.5 * MRAD}),
    "-vdivstep": ("0.5", {"beam.vdiv_step_rad": 0.5 * MRAD}),
    "-hdivsteps": ("3", {"beam.hdiv_steps": 3, "beam.vdiv_steps": None}),
    "-vdivsteps": ("3", {"beam.vdiv_steps": 3, "beam.hdiv_steps": None}),
    "-divsteps": ("3", {"beam.hdiv_steps": 3, "beam.vdiv_steps": 3}),
    "-round_div": ("", {"beam.round_divergence": True}),
    "-square_div": ("", {"beam.round_divergence": False}),
    "-sourcefile": ("src.txt", {"beam.sources.weight": [1, 2], "beam.sources.wavelength_m": [1e-10, 1.1e-10]}),
    "-phi": ("1.5", {"spindle.phi_start_deg": 1.5}),
    "-osc": ("0.1", {"spindle.osc_deg": 0.1}),
    "-phistep": ("0.02", {"spindle.phistep_deg": 0.02}),
    "-phisteps": ("10", {"spindle.phisteps": 10}),
    "-distance": ("231.27466", {"detector.distance_m": 231.27466 / 1000, "detector.pivot": "BEAM"}),
    "-close_distance": ("90", {"detector.close_distance_m": 0.09, "detector.pivot": "SAMPLE"}),
    "-pixel": ("0.172", {"detector.pixel_size_m": 0.172 / 1000}),
    "-detsize": ("50", {"detector.size_fast_m": 0.05, "detector.size_slow_m": 0.05}),
    "-detsize_f": ("50", {"detector.size_fast_m": 0.05, "detector.size_slow_m": None}),
    "-detsize_s": ("50", {"detector.size_slow_m": 0.05, "detector.size_fast_m": None}),
    "-detpixels": ("64", {"detector.n_fast": 64, "detector.n_slow": 64}),
    "-detpixels_f": ("64", {"detector.n_fast": 64, "detector.n_slow": None}),
    "-detpixels_s": ("64", {"detector.n_slow": 64, "detector.n_fast": None}),
    "-Xbeam": ("217.742295", {"detector.Xbeam_m": 217.742295 / 1000, "detector.pivot": "BEAM"}),
    "-Ybeam": ("5", {"detector.Ybeam_m": 0.005, "detector.pivot": "BEAM"}),
    "-Xclose": ("5", {"detector.Xclose_m": 0.005, "detector.pivot": "SAMPLE"}),
    "-Yclose": ("5", {"detector.Yclose_m": 0.005, "detector.pivot": "SAMPLE"}),
    "-ORGX": ("40", {"detector.ORGX_pixels": 40.0, "detector.pivot": "SAMPLE"}),
    "-ORGY": ("40", {"detector.ORGY_pixels": 40.0, "detector.pivot": "SAMPLE"}),
    "-pivot": ("sample", {"detector.pivot": "SAMPLE", "detector.pivot_explicit": "SAMPLE"}),
    "-mosflm": ("", {"detector.convention": "MOSFLM", "detector.pivot": "BEAM"}),
    "-denzo": ("", {"detector.convention": "DENZO", "detector.pivot": "BEAM"}),
    "-adxv": ("", {"detector.convention": "ADXV", "detector.pivot": "BEAM"}),
    "-xds": ("", {"detector.convention": "XDS", "detector.pivot": "SAMPLE"}),
    "-dials": ("", {"detector.convention": "DIALS", "detector.pivot": "BEAM"}),
    **{
        f"-{name}": (
            "1 0.5 0.5",
            {f"detector.{name}": (1, 0.5, 0.5), "detector.convention": "CUSTOM", "detector.pivot": None},
        )
        for name in ("fdet_vector", "odet_vector", "beam_vector", "polar_vector", "spindle_axis", "twotheta_axis")
    },
    "-sdet_vector": ("1 0 0", {"detector.sdet_vector": (1, 0, 0), "detector.convention": "CUSTOM"}),
    "-pix0_vector": ("1 2 3", {"detector.pix0_vector_m": (1, 2, 3), "detector.convention": "CUSTOM"}),
    "-pix0_vector_mm": ("1 2 3", {"detector.pix0_vector_m": (0.001, 0.002, 0.003), "detector.convention": "CUSTOM"}),
    "-twotheta": ("15", {"detector.twotheta_rad": near(15 * DEG), "detector.pivot": "SAMPLE"}),
    "-detector_rotx": ("5", {"detector.rotx_rad": near(5 * DEG), "detector.pivot": None}),
    "-detector_roty": ("5", {"detector.roty_rad": near(5 * DEG)}),
    "-detector_rotz": ("5", {"detector.rotz_rad": near(5 * DEG)}),
    "-curved_det": ("", {"detector.curved": True}),
    "-point_pixel": ("", {"detector.point_pixel": True}),
    "-detector_abs": ("400", {"detector.attenuation_per_m": 1.0 / (400 * 1e-6)}),
    "-detector_thick": ("300", {"detector.thickness_m": 300 * UM}),
    "-detector_thicksteps": ("4", {"detector.thick_steps": 4}),
    "-oversample": ("3", {"detector.oversample": 3}),
    "-oversample_thick": ("", {"detector.oversample_thick": True}),
    "-oversample_polar": ("", {"detector.oversample_polar": True}),
    "-oversample_omega": ("", {"detector.oversample_omega": True}),
    "-roi": ("1 2 3 4", {"detector.roi": (1, 2, 3, 4)}),
    "-img": ("m.img", {"detector.n_fast": 8, "detector.n_slow": 8}),
    "-mask": ("m.img", {"detector.n_fast": 8, "detector.mask": torch.ones(8, 8, dtype=torch.bool).tolist()}),
    "-floatfile": ("o.bin", {"outputs.float_file": "o.bin"}),
    "-doublefile": ("o.f64", {"outputs.double_file": "o.f64"}),
    "-intfile": ("o.img", {"outputs.int_file": "o.img"}),
    "-scale": ("2", {"outputs.int_scale": 2.0}),
    "-adc": ("-1", {"outputs.adc_counts": -1.0}),
    "-pgmfile": ("o.pgm", {"outputs.pgm_file": "o.pgm"}),
    "-pgmscale": ("2", {"outputs.pgm_scale": 2.0, "outputs.pgm_file": "image.pgm"}),
    "-nopgm": ("", {"outputs.pgm_file": None}),
    "-noisefile": ("n.img", {"outputs.noise_file": "n.img"}),
    "-nonoise": ("", {"outputs.noise_file": None}),
    "-seed": ("12", {"outputs.noise_seed": -12}),
    "-printout": ("", {"outputs.printout": True, "outputs.printout_pixel": None}),
    "-printout_pixel": ("7 9", {"outputs.printout": True, "outputs.printout_pixel": (9, 7)}),
    "-progress": ("", {"outputs.progress": True}),
    "-noprogress": ("", {"outputs.progress": False}),
    "-trace_pixel": ("9 7", {"trace_pixel": (9, 7)}),
    "-hdf5file": ("o.h5", {"outputs.hdf5_file": "o.h5"}),
    "-defects": ("none,+layer_pitch", {"experiment.defects": frozenset({"layer_pitch"})}),
    "-device": ("cpu", {"device": "cpu"}),
    "-dtype": ("float32", {"dtype": torch.float32}),
    "-show_config": ("", {"show_config": True}),
    "-verbose": ("", {"verbose": True}),
    "-density": ("1.2", {}),
    "-MW": ("20", {}),
    "-stol": ("w.stol", {}),
    "-4stol": ("w.stol", {}),
    "-Q": ("w.stol", {}),
    "-stolout": ("o.stol", {}),
    "-coherent": ("", {}),
}
ANSWERED_EARLY = {"--help": "usage:", "--version": "nanobrag_torch"}
READ_FIRST = {"-config"}


def look_up(invocation, path):
    value = invocation
    names = path.split(".")
    if names[0] in ("crystal", "beam", "spindle", "detector", "structure_factors"):
        value = invocation.experiment
    for name in names:
        value = getattr(value, name)
    return value.tolist() if isinstance(value, torch.Tensor) else value


def plain(value):
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value.tolist() if isinstance(value, torch.Tensor) else value


def test_every_flag_has_an_expectation():
    assert {flag.name for flag in MINE} == {*EXPECTED, *ANSWERED_EARLY, *READ_FIRST}


SPELLINGS = [(flag, spelling) for flag in MINE if flag.name in EXPECTED for spelling in flag.spellings]


@pytest.mark.parametrize(("flag", "written"), SPELLINGS, ids=[spelling for _, spelling in SPELLINGS])
def test_flag_lands(flag, written, folder):
    values, lands = EXPECTED[flag.name]
    invocation = parse([*BASE, written, *values.split()])
    base = parse(BASE)
    for path, value in lands.items():
        assert look_up(invocation, path) == value, path
    if flag.effect:
        assert plain(invocation.experiment) == plain(base.experiment)
        assert invocation.outputs == base.outputs
        assert f"{written} has no effect" in invocation.warnings
    else:
        assert lands


@pytest.mark.parametrize("name", sorted(ANSWERED_EARLY))
def test_help_and_version(name):
    for spelling in next(flag for flag in MINE if flag.name == name).spellings:
        assert ANSWERED_EARLY[name] in early_answer([*BASE, spelling, "-bogus"])


WITH_VALUES = [flag for flag in MINE if flag.min_args]


@pytest.mark.parametrize("flag", WITH_VALUES, ids=lambda flag: flag.name)
def test_missing_value_is_refused(flag, folder, capsys):
    values = EXPECTED.get(flag.name, ("c.yaml", {}))[0].split()
    enough = flag.max_args if flag.args[0].word else flag.min_args
    for arguments in (values[: enough - 1], [*values[: enough - 1], "-nopgm"]):
        before = sorted(folder.iterdir())
        assert main([*BASE, flag.name, *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("nanobrag_torch: error: ") and error.count("\n") == 1
        assert flag.name in error and "expected" in error
        assert sorted(folder.iterdir()) == before


LIMITED = [(flag, position) for flag in MINE for position, arg in enumerate(flag.args) if arg.range]


def outside(limits, kind):
    step = 1 if kind == "int" else 1e-6
    bounds = [(limits.min, -step), (limits.exclusive_min, 0), (limits.max, step), (limits.exclusive_max, 0)]
    return [bound + shift for bound, shift in bounds if bound is not None]


@pytest.mark.parametrize(("flag", "position"), LIMITED, ids=lambda value: getattr(value, "name", value))
def test_value_out_of_range_is_refused(flag, position, folder, capsys):
    values = EXPECTED[flag.name][0].split()
    tried = 0
    for bad in outside(flag.args[position].range, flag.args[position].type):
        arguments = [*values[:position], str(bad), *values[position + 1 :]]
        assert main([*BASE, flag.name, *arguments]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and flag.name in error and str(bad) in error and "expected" in error
        tried += 1
    assert tried


NUMERIC = [flag for flag in MINE if flag.args and flag.args[0].type in ("float", "int")]


@pytest.mark.parametrize("flag", NUMERIC, ids=lambda flag: flag.name)
@pytest.mark.parametrize("bad", ["abc", "nan", "1e999", "0x10", "1_0", "", "٣"])
def test_what_is_no_number_is_refused(flag, bad, folder):
    values = EXPECTED[flag.name][0].split()
    with pytest.raises(UsageError) as error:
        parse([*BASE, flag.name, bad, *values[1:]])
    assert flag.name in str(error.value)


@pytest.mark.parametrize("flag", [flag for flag in NUMERIC if flag.args[0].type == "int"], ids=lambda flag: flag.name)
@pytest.mark.parametrize("bad", ["1.5", "1e3", "99999999999999999999999"])
def test_whole_numbers_are_whole(flag, bad, folder):
    values = EXPECTED[flag.name][0].split()
    with pytest.raises(UsageError, match=flag.name):
        parse([*BASE, flag.name, bad, *values[1:]])


READ = ["-mat", "-hkl", "-sourcefile", "-img", "-mask", "-stol", "-4stol", "-Q", "-dumpfile", "-config"]


@pytest.mark.parametrize("name", READ)
def test_unreadable_file_is_refused(name, folder, capsys):
    (folder / "empty").write_text("")
    for path in ("nowhere.dat", "empty", "."):
        assert main([*BASE, name, path]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and name in error and path in error and "expected" in error
    assert not (folder / "floatimage.bin").exists()

"""Rules between flags: order, conventions and pivots, headers, combinations, warnings, devices, configuration."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from nanobrag_torch.cli import UsageError, main, parse
from nanobragg_tables import flags
from tests.cli.conftest import BASE, smv_bytes

SETS_PIVOT = [flag for flag in flags() if flag.sets_pivot]
VALUES = {"-pivot": ["sample"]}


def panel(*flags):
    return parse([*BASE, *flags]).experiment.detector


def words_of(flag):
    return [flag.name, *VALUES.get(flag.name, ["5"] * flag.min_args)]


@pytest.mark.parametrize("first", SETS_PIVOT, ids=lambda flag: flag.name)
@pytest.mark.parametrize("last", SETS_PIVOT, ids=lambda flag: flag.name)
def test_last_pivot_flag_wins(first, last):
    assert panel(*words_of(first), *words_of(last)).pivot == last.sets_pivot


def test_an_axis_is_not_an_angle():
    """-twotheta_axis neither sets two-theta nor the pivot."""
    detector = panel("-distance", "50", "-twotheta_axis", "20", "0", "0")
    assert (detector.twotheta_rad, detector.pivot, detector.convention) == (0.0, "BEAM", "CUSTOM")


def test_last_convention_wins():
    vector = ["-fdet_vector", "0", "0", "1"]
    assert panel("-xds", *vector).convention == "CUSTOM"
    assert panel(*vector, "-xds").convention == "XDS"
    assert panel("-pix0_vector_mm", "1", "2", "3", "-dials", "-denzo").convention == "DENZO"


def test_misset_seed_is_not_a_misset():
    crystal = parse([*BASE, "-misset", "random", "-misset_seed", "42"]).experiment.crystal
    assert crystal.misset_random and crystal.misset_deg is None and crystal.misset_seed == -42
    crystal = parse([*BASE, "-misset", "random", "-misset", "1", "2", "3"]).experiment.crystal
    assert not crystal.misset_random and crystal.misset_deg == (1, 2, 3)


def test_later_flags_override():
    invocation = parse(
        [*BASE, "-N", "3", "-Nb", "7", "-lambda", "2", "-energy", "12398.42", "-nopolar", "-polar", "0.5"]
    )
    assert invocation.experiment.crystal.n_cells == (3, 7, 3)
    assert invocation.experiment.beam.wavelength_m == 12398.42 / 12398.42 / 1e10
    assert invocation.experiment.beam.polarized
    assert parse([*BASE, "-nonoise", "-noisefile", "x"]).outputs.noise_file == "x"
    assert parse([*BASE, "-noisefile", "x", "-nonoise"]).outputs.noise_file is None


@pytest.mark.parametrize("length", ["0", "inf"])
def test_no_sensor(length):
    detector = panel("-detector_thick", "300", "-detector_abs", length)
    assert (detector.attenuation_per_m, detector.thickness_m) == (0.0, 0.0)
    detector = panel("-detector_abs", length, "-detector_thick", "300")
    assert (detector.attenuation_per_m, detector.thickness_m) == (0.0, 300 * 1e-6)


def test_cell_takes_what_is_there():
    def cell(*flags):
        crystal = parse(["-default_F", "1", "-cell", *flags]).experiment.crystal
        return crystal.cell_lengths_A, crystal.cell_angles_deg

    assert cell("50") == ((50, 50, 50), (90, 90, 90))
    assert cell("50", "60") == ((50, 60, 50), (90, 90, 90))
    assert cell("50", "0", "70", "0", "95", "-N", "2") == ((50, 50, 70), (90, 95, 90))


@pytest.mark.parametrize("angles", [("170", "90", "20"), ("130", "130", "130"), ("120", "60", "60")])
def test_impossible_cell_is_refused(angles):
    with pytest.raises(UsageError, match="-cell: no cell has the angles"):
        parse(["-default_F", "1", "-cell", "50", "60", "70", *angles])


def test_headers_come_first_and_image_wins_over_mask(folder):
    common = {"PIXEL_SIZE": "0.2", "DISTANCE": "120", "CLOSE_DISTANCE": "100", "WAVELENGTH": "1.5", "PHI": "3"}
    mask = smv_bytes(np.ones((4, 6)), **common, BEAM_CENTER_X="0.5", BEAM_CENTER_Y="0.3", XDS_ORGX="2.5")
    (folder / "mask.img").write_bytes(mask)
    (folder / "image.img").write_bytes(smv_bytes(np.ones((4, 6)), BEAM_CENTER_X="0.7", OSC_RANGE="0.5", TWOTHETA="30"))
    detector = panel("-mask", "mask.img")
    assert (detector.n_fast, detector.n_slow, detector.pixel_size_m) == (6, 4, 0.2 / 1000)
    assert (detector.distance_m, detector.close_distance_m) == (0.12, 0.1)
    assert detector.Ybeam_m == pytest.approx(0.0002 * 4 - 0.0003)
    assert (detector.ORGX_pixels, detector.convention, detector.pivot) == (2.5, "MOSFLM", None)
    made = parse([*BASE, "-distance", "77", "-img", "image.img", "-mask", "mask.img", "-phi", "9"]).experiment
    assert made.detector.Xbeam_m == 0.7 / 1000 and made.detector.distance_m == 0.077
    assert (made.spindle.osc_deg, made.spindle.phi_start_deg, made.beam.wavelength_m) == (0.5, 9, 1.5 / 1e10)
    assert made.detector.twotheta_rad == 0.0


def test_mask_is_read_with_its_byte_order_and_must_fit(folder):
    pixels = np.array([[0, 1, 256], [2, 0, 3]])
    for order in ("little_endian", "big_endian"):
        (folder / "k.img").write_bytes(smv_bytes(pixels, BYTE_ORDER=order))
        assert panel("-mask", "k.img").mask.tolist() == (pixels != 0).tolist()
    with pytest.raises(UsageError, match="-mask k.img: has 3 x 2 pixels, expected 400 x 400"):
        panel("-mask", "k.img", "-detpixels", "400")
    (folder / "k.img").write_bytes(smv_bytes(pixels)[:-1])
    with pytest.raises(UsageError, match="-mask k.img: holds 11 bytes of pixels, expected 12"):
        panel("-mask", "k.img")


REFUSALS = [
    ([], "no structure factors: expected -hkl FILE or -default_F"),
    (["-default_F", "0", "-cell", "5"], "no structure factors"),
    (["-default_F", "1"], "no unit cell: expected -cell"),
    ([*BASE, "-bogus"], "unknown flag -bogus"),
    ([*BASE, "-lamda", "1"], "did you mean -lambda?"),
    ([*BASE, "-DISTANCE", "1"], "did you mean -distance?"),
    ([*BASE, "-random_xtal"], "unknown flag -random_xtal"),
    ([*BASE, "-N", "5", "7"], "unexpected word '7' after -N"),
    ([*BASE, "stray"], "unexpected word 'stray'"),
    ([*BASE, "-threads", "2"], "-threads: a flag of the C program only"),
    ([*BASE, "-lambda", "-N", "5"], "-lambda: expected a value (x in A) before '-N'"),
    ([*BASE, "-trace_pixel", "5"], "-trace_pixel: expected 2 values (slow fast in pixels), 1 given at the end"),
    ([*BASE, "-misset", "1", "2"], "-misset: expected 3 values"),
    ([*BASE, "-hkl", "-x.hkl"], "a file of that name is written ./-x.hkl"),
    ([*BASE, "-beam_vector", "0", "0", "0"], "expected a direction"),
    ([*BASE, "-fdet_vector", "0", "1", "0"], "are parallel"),
    ([*BASE, "-beam_vector", "0", "1", "0"], "plane holds the sample or misses the beam"),
    ([*BASE, "-flux", "1e12", "-beamsize", "0"], "-beamsize is 0 mm, expected above 0"),
    ([*BASE, "-roi", "9", "3", "0", "5"], "xmin 9 is above xmax 3"),
    ([*BASE, "-detpixels", "8", "-roi", "8", "9", "0", "5"], "-roi: xmin is 8, expected below 8"),
    ([*BASE, "-detpixels", "60000"], "60000 x 60000 pixels, expected at most"),
    ([*BASE, "-detpixels", "8", "-trace_pixel", "8", "0"], "off the detector, expected below 8 and 8"),
    ([*BASE, "-roi", "5", "9", "5", "9", "-trace_pixel", "6", "4"], "outside -roi"),
    ([*BASE, "-lambda", "1e-320"], "expected a number of ordinary size"),
    ([*BASE, "-floatfile", "no/such/folder/x.bin"], "-floatfile no/such/folder/x.bin: the folder no/such/folder"),
    ([*BASE, "-floatfile", "x", "-intfile", "./x"], "-intfile ./x: is the file of -floatfile too"),
    ([*BASE, "-mat", "a.mat", "-floatfile", "a.mat"], "would overwrite the input of -mat"),
    ([*BASE, "-defects", "default,+bogus"], "-defects: 'bogus' is no defect"),
    ([*BASE, "-device", "tpu"], "-device is 'tpu', expected cpu, cuda, cuda:N, mps or auto"),
    ([*BASE, "-device", "cuda:99"], "-device cuda:99: no such device here, expected one of cpu"),
    ([*BASE, "-device", "mps"], "-device mps: has no float64"),
    ([*BASE, "-dtype", "float16"], "-dtype is 'float16', expected float32 or float64"),
    ([*BASE, "-pivot", "corner"], "-pivot is 'corner', expected beam or sample"),
]


@pytest.mark.parametrize(("flags", "says"), REFUSALS)
def test_refusals_say_what_to_do(flags, says, folder, capsys):
    before = sorted(folder.iterdir())
    assert main(flags) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("nanobrag_torch: error: ") and captured.err.count("\n") == 1
    assert says in captured.err and captured.out == ""
    assert sorted(folder.iterdir()) == before


def test_masked_pixel_cannot_be_traced(folder):
    (folder / "k.img").write_bytes(smv_bytes(np.array([[1, 0]])))
    with pytest.raises(UsageError, match="is masked"):
        parse([*BASE, "-mask", "k.img", "-trace_pixel", "0", "1"])


@pytest.mark.parametrize(
    ("flags", "defect"),
    [
        (["-pix0_vector", "1", "2", "3"], "pix0_ignored"),
        (["-pivot", "sample"], "pivot_overwritten"),
        (["-xds", "-pivot", "beam"], "pivot_overwritten"),
        (["-xds", "-Xclose", "3"], "close_beam_ignored"),
        (["-nopolar", "-oversample_polar"], "nopolar_overridden"),
        (["-sourcefile", "src.txt"], "source_weights_ignored"),
    ],
)
def test_ignored_input_is_said(flags, defect, folder):
    assert any(defect in warning for warning in parse([*BASE, *flags]).warnings)
    assert not parse([*BASE, *flags, "-defects", f"default,-{defect}"]).warnings
    assert not parse(BASE).warnings


def test_source_defaults_are_the_final_values(folder):
    (folder / "s.txt").write_text("3\n0,0;-10:2\n")
    flags = ["-sourcefile", "s.txt", "-beam_vector", "0", "0", "2", "-odet_vector", "0", "0", "1", "-lambda", "1.5"]
    sources = parse([*BASE, *flags]).experiment.beam.sources
    assert sources.position_m.tolist() == [[3, 0, -10], [0, 0, -10]]
    assert sources.weight.tolist() == [1, 2] and sources.wavelength_m.tolist() == [1.5 / 1e10] * 2
    sources = parse([*BASE, *flags, "-mosflm"]).experiment.beam.sources
    assert sources.position_m.tolist()[0] == [3, 0, 0]


def test_defaults():
    invocation = parse(BASE)
    assert (invocation.device, invocation.dtype) == ("cpu", torch.float64)
    assert invocation.outputs.files == {
        "-floatfile": "floatimage.bin",
        "-intfile": "intimage.img",
        "-pgmfile": "image.pgm",
        "-noisefile": "noiseimage.img",
    }
    assert parse([*BASE, "-device", "auto"]).device in ("cpu", "cuda")


def test_shown_configuration_reads_back(folder, capsys):
    flags = [*BASE, "-hkl", "f.hkl", "-misset", "1", "-2", "3", "-xds", "-nonoise", "-trace_pixel", "3", "4"]
    assert main([*flags, "-show_config"]) == 0
    text = capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["a.mat", "f.hkl", "g.cif", "src.txt", "w.stol", "m.img", "F.bin"]
    )
    (folder / "c.yaml").write_text(text)
    again, direct = parse(["-config", "c.yaml"]), parse(flags)
    assert again.command_line == direct.command_line == tuple(flags)
    assert again.outputs == direct.outputs and again.trace_pixel == direct.trace_pixel
    assert again.experiment.crystal == direct.experiment.crystal
    assert parse(["-N", "9", "-config", "c.yaml", "-lambda", "2"]).experiment.crystal.n_cells == (9, 9, 9)
    for bad in ("command_line: 5", "- a", "command_line: [-config, x]", "a: [", "command_line: [{a: b}]", "x: 1"):
        (folder / "bad.yaml").write_text(bad)
        with pytest.raises(UsageError, match="^-config bad.yaml: .*command_line"):
            parse(["-config", "bad.yaml"])


@pytest.mark.parametrize(
    "flags", [["--help"], ["--version"], ["-defects", "list"], ["-bogus"], [*BASE, "-lambda", "x"]]
)
def test_answers_come_without_torch(flags):
    code = (
        "import sys; from nanobrag_torch.cli import main; main(sys.argv[1:]);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'gemmi', 'h5py')))"
    )
    assert subprocess.run([sys.executable, "-c", code, *flags], capture_output=True).returncode == 0


def test_list_of_defects(capsys):
    assert main(["-defects", "list"]) == 0
    said = capsys.readouterr().out
    assert "pix0_ignored" in said and "interpolation_latch" in said and "D-01" in said

"""Bad input: exit 2, one line that names the culprit, and nothing written."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from .program import BASE, write_smv

GOOD = [*BASE, "-default_F", "5"]
HKL = "1 2 3 10\n-1 0 2 5\n"
MATRIX = "0.02 0 0 0 0.016 0 0 0 0.014\n"
SMALL_MASK = write_smv(np.ones((8, 8)))

FLAGS = {
    "unknown flag": (["-bogus", "3"], "-bogus"),
    "substring of a flag": (["-twothet", "3"], "-twothet"),
    "stray word": (["stray"], "stray"),
    "stray number": (["-5"], "-5"),
    "value is a flag": (["-lambda", "-N", "5"], "-lambda: x is '-N'"),
    "value missing at the end": (["-distance"], "-distance"),
    "attenuation missing": (["-detector_abs"], "-detector_abs"),
    "thickness missing": (["-detector_thick"], "-detector_thick"),
    "layers missing": (["-thicksteps"], "-detector_thicksteps"),
    "half a vector": (["-beam_vector", "1", "0"], "-beam_vector"),
    "file name missing": (["-hkl"], "-hkl"),
    "file name is a flag": (["-hkl", "-N", "5"], "-hkl: FILE is '-N'"),
    "text for a number": (["-lambda", "abc"], "'abc'"),
    "number with a tail": (["-distance", "100mm"], "'100mm'"),
    "not a number": (["-distance", "nan"], "'nan'"),
    "infinite": (["-distance", "inf"], "'inf'"),
    "overflow": (["-distance", "1e999"], "'1e999'"),
    "hexadecimal": (["-distance", "0x10"], "'0x10'"),
    "fraction for a count": (["-N", "5.5"], "'5.5'"),
    "count beyond 32 bits": (["-phisteps", "99999999999"], "'99999999999'"),
    "wavelength 0": (["-lambda", "0"], "-lambda"),
    "wavelength negative": (["-lambda", "-1"], "-lambda"),
    "energy 0": (["-energy", "0"], "-energy"),
    "distance 0": (["-distance", "0"], "-distance"),
    "close distance 0": (["-close_distance", "0"], "-close_distance"),
    "pixel 0": (["-pixel", "0"], "-pixel"),
    "pixel negative": (["-pixel", "-1"], "-pixel"),
    "pixels negative": (["-detpixels", "-5"], "-detpixels"),
    "too many pixels": (["-detpixels", "60000"], "60000 x 60000"),
    "cell 0": (["-cell", "0", "0", "0", "90", "90", "90"], "-cell"),
    "cell negative": (["-cell", "50", "-60", "70"], "-cell"),
    "impossible angles": (["-cell", "50", "60", "70", "170", "90", "20"], "170 90 20"),
    "flat cell": (["-cell", "50", "60", "70", "60", "60", "120"], "60 60 120"),
    "straight angle": (["-cell", "50", "60", "70", "180", "90", "90"], "-cell"),
    "cell out of range": (["-cell", "1e300"], "-cell"),
    "flux through nothing": (["-flux", "1e12", "-beamsize", "0"], "-beamsize 0"),
    "region outside": (["-roi", "100", "120", "0", "3"], "-roi"),
    "region inverted": (["-roi", "5", "3", "0", "3"], "-roi"),
    "region with three limits": (["-roi", "0", "3", "0"], "-roi"),
    "oversample fraction": (["-oversample", "2.5"], "-oversample"),
    "too many steps": (["-oversample", "100000", "-phisteps", "1000000"], "steps"),
    "too many orientations": (["-phisteps", "1000000", "-mosaic", "1", "-mosaic_dom", "1000000"], "-phisteps"),
    "too many sources": (["-divergence", "5", "-divsteps", "100000"], "sources"),
    "sources that fill gigabytes": (
        ["-hdivrange", "1", "-hdivsteps", "4000", "-vdivrange", "1", "-vdivsteps", "4000"],
        "make 1.6e+07 sources",
    ),
    "orientations that fill gigabytes": (
        ["-phisteps", "1000", "-osc", "1", "-mosaic", "1", "-mosaic_dom", "20000"],
        "-phisteps",
    ),
    "tiny step": (["-hdivrange", "1", "-hdivstep", "1e-30"], "-hdivsteps"),
    "dispersion beyond 200 percent": (["-dispersion", "250"], "-dispersion"),
    "polarization beyond 1": (["-polar", "1.5"], "-polar"),
    "zero vector": (["-beam_vector", "0", "0", "0"], "-beam_vector"),
    "zero two-theta axis": (["-twotheta_axis", "0", "0", "0"], "-twotheta_axis"),
    "parallel detector axes": (["-fdet_vector", "1", "0", "0", "-sdet_vector", "2", "0", "0"], "-fdet_vector"),
    "pivot of no kind": (["-pivot", "wall"], "'wall'"),
    "misset of one angle": (["-misset", "10"], "-misset"),
    "misset of another word": (["-misset", "any"], "'any'"),
    "defect of no name": (["-defects", "default,+bug"], "'bug'"),
    "defect without sign": (["-defects", "default,running_product"], "'running_product'"),
    "preset of no name": (["-defects", "all"], "'all'"),
    "half a defect list": (["-defects", "default,"], "-defects"),
    "threads 0": (["-threads", "0"], "-threads"),
    "trace outside the detector": (["-trace_pixel", "8", "0"], "-trace_pixel 8 0"),
    "trace outside the region": (["-roi", "0", "3", "0", "3", "-trace_pixel", "5", "2"], "-trace_pixel 5 2"),
    "printout outside the detector": (["-printout_pixel", "0", "8"], "-printout_pixel 0 8 (fast slow)"),
    "printout outside the region": (["-roi", "0", "3", "0", "3", "-printout_pixel", "5", "2"], "-printout_pixel 5 2"),
    "trace negative": (["-trace_pixel", "-1", "0"], "-trace_pixel"),
    "output folder missing": (["-floatfile", "nowhere/f.bin"], "-floatfile"),
    "output is a folder": (["-intfile", "."], "-intfile"),
    "two outputs in one file": (["-floatfile", "a", "-intfile", "./a"], "both name './a'"),
    "a number that a unit makes 0": (["-lambda", "1e-320"], "-lambda"),
    "a wavelength whose square is 0": (["-lambda", "1e-200"], "-lambda"),
    "mosaic spread beyond a turn": (["-mosaic", "1e40", "-mosaic_dom", "2"], "-mosaic"),
    "a long number": (["-lambda", "1" + 200 * "0" + "e-200"], "-lambda"),
    "sample size in the wrong unit": (["-xtalsize", "1e15"], "-samplesize"),
}


def check_refused(nanobragg, arguments, culprit, files=None):
    before = set(files or {})
    result = nanobragg.run(*arguments, files=files)
    assert result.returncode == 2, result.stderr
    assert culprit in result.error
    assert len(result.error) > len("nanobragg: error: ") + 20
    assert {path.name for path in nanobragg.folder.iterdir()} == before


@pytest.mark.parametrize("name", FLAGS)
def test_flag(nanobragg, name):
    flags, culprit = FLAGS[name]
    check_refused(nanobragg, [*GOOD, *flags], culprit)


def test_no_arguments(nanobragg):
    check_refused(nanobragg, [], "no structure factors")


def test_no_cell(nanobragg):
    check_refused(nanobragg, ["-default_F", 1], "no unit cell")


def test_no_structure_factors(nanobragg):
    check_refused(nanobragg, BASE, "no structure factors")


def test_detector_without_pixels(nanobragg):
    check_refused(nanobragg, ["-cell", 50, "-default_F", 1, "-detsize", 0.01], "0 x 0 pixels")


FILES = {
    "hkl absent": (["-hkl", "absent"], {}, "'absent'"),
    "hkl folder": (["-hkl", "."], {}, "'.'"),
    "hkl empty": (["-hkl", "f"], {"f": ""}, "no reflection"),
    "hkl comment only": (["-hkl", "f"], {"f": "# nothing\n"}, "no reflection"),
    "hkl fraction": (["-hkl", "f"], {"f": HKL + "0.5 0 0 1\n"}, "line 3: index h is 0.5"),
    "hkl text": (["-hkl", "f"], {"f": HKL + "h k l F\n"}, "line 3"),
    "hkl unfinished": (["-hkl", "f"], {"f": HKL + "1 2 3\n"}, "amplitude F"),
    "hkl amplitude": (["-hkl", "f"], {"f": HKL + "1 2 3 nan\n"}, "'nan'"),
    "hkl huge box": (["-hkl", "f"], {"f": "0 0 0 1\n2000000 2000000 2000000 1\n"}, "box"),
    "hkl index beyond range": (["-hkl", "f"], {"f": "1e300 0 0 1\n"}, "line 1"),
    "hkl binary": (["-hkl", "f"], {"f": b"1 2\0 3 4\n"}, "not a text file"),
    "hkl number that is too long": (["-hkl", "f"], {"f": HKL + "1 2 3 1" + 150 * "0" + "\n"}, "longer than 127"),
    "hkl five columns": (["-hkl", "f"], {"f": "1 2 3 4 5\n" * 4}, "has 5 columns"),
    "mat absent": (["-mat", "absent"], {}, "'absent'"),
    "mat short": (["-mat", "f"], {"f": "1 0 0 0 1 0 0 0\n"}, "c*_z"),
    "mat text": (["-mat", "f"], {"f": "1 0 0 0 one 0 0 0 1\n"}, "b*_y"),
    "mat infinite": (["-mat", "f"], {"f": "1 0 0 0 inf 0 0 0 1\n"}, "'inf'"),
    "mat singular": (["-mat", "f"], {"f": "1 0 1 0 1 1 0 0 0\n"}, "singular"),
    "mat zero": (["-mat", "f"], {"f": "0 0 0 0 0 0 0 0 0\n"}, "singular"),
    "sources absent": (["-sourcefile", "absent"], {}, "'absent'"),
    "sources empty": (["-sourcefile", "f"], {"f": "\n ,;\n"}, "no source"),
    "sources comment": (["-sourcefile", "f"], {"f": "0 0 -10\n# none\n"}, "line 2: '#'"),
    "sources at the sample": (["-sourcefile", "f"], {"f": "0 0 0 1 1e-10\n"}, "line 1"),
    "sources text": (["-sourcefile", "f"], {"f": "0 0 -10\n0 0 here\n"}, "line 2: 'here'"),
    "sources six columns": (["-sourcefile", "f"], {"f": "0 0 -10 1 1e-10 7\n"}, "'7'"),
    "sources wavelength 0": (["-sourcefile", "f"], {"f": "0 0 -10 1 0\n"}, "wavelength"),
    "sources weight negative": (["-sourcefile", "f"], {"f": "0 0 -10 -1 1e-10\n"}, "weight"),
    "stol absent": (["-stol", "absent"], {}, "-stol"),
    "stol empty": (["-Q", "f"], {"f": ""}, "-Q"),
    "stol odd": (["-4stol", "f"], {"f": "1 2\n3\n"}, "-4stol"),
    "stol text": (["-stol", "f"], {"f": "a b\n"}, "'a'"),
    "dump absent": (["-dumpfile", "absent"], {}, "'absent'"),
    "dump of text": (["-dumpfile", "f"], {"f": "0 1 0 1 0 1\n"}, "not a structure factor dump"),
    "dump short": (["-dumpfile", "f"], {"f": "0 1 0 1 0 1\n\f12345678"}, "bytes"),
    "dump inverted": (["-dumpfile", "f"], {"f": "1 0 0 1 0 1\n\f"}, "not a structure factor dump"),
    "dump not finite": (["-dumpfile", "f"], {"f": b"0 0 0 0 0 0\n\f" + b"\xff" * 64}, "finite"),
    "dump with a zero byte": (
        ["-dumpfile", "f"],
        {"f": b"0 0 0 0 0 0\0\n\f" + bytes(64)},
        "not a structure factor dump",
    ),
    "mask absent": (["-mask", "absent"], {}, "'absent'"),
    "mask short": (["-mask", "f"], {"f": "{\nHEADER_BYTES=512;\n"}, "-mask"),
    "mask of text": (["-mask", "f"], {"f": "x" * 3000}, "not an SMV image"),
    "mask without a header size": (["-mask", "f"], {"f": b"{\nHEADER_BYTES=;\n".ljust(600)}, "HEADER_BYTES is ''"),
    "mask with a huge header": (["-mask", "f"], {"f": b"{\nHEADER_BYTES=100000;\n".ljust(600)}, "HEADER_BYTES"),
    "mask truncated": (["-mask", "f"], {"f": SMALL_MASK[:-2]}, "ends early"),
    "mask without size": (["-mask", "f"], {"f": b"{\nHEADER_BYTES=512;\n}\f".ljust(600)}, "SIZE1"),
    "mask of another size": (["-mask", "f", "-detpixels", "9"], {"f": SMALL_MASK}, "8 x 8"),
    "mask pixel size 0": (
        ["-mask", "f"],
        {"f": write_smv(np.ones((8, 8)), "PIXEL_SIZE=0;\nBEAM_CENTER_Y=3;\n")},
        "PIXEL_SIZE is 0, expected more than 0; add -pixel and -Ybeam",
    ),
    "mask pixel size text": (["-mask", "f"], {"f": write_smv(np.ones((8, 8)), "PIXEL_SIZE=big;\n")}, "'big'"),
    "image absent": (["-img", "absent"], {}, "'absent'"),
    "image of text": (["-img", "f"], {"f": "x" * 3000}, "-img"),
    "image wavelength of text": (["-img", "f"], {"f": write_smv(np.ones((2, 2)), "WAVELENGTH=x;\n")}, "WAVELENGTH"),
}


@pytest.mark.parametrize("name", FILES)
def test_file(nanobragg, name):
    flags, files, culprit = FILES[name]
    without_F = [argument for argument in GOOD if argument not in ("-default_F", "5")] if "-dumpfile" in flags else GOOD
    check_refused(nanobragg, [*without_F, *flags], culprit, files)


OVERWRITTEN = {"-hkl": HKL, "-mat": MATRIX, "-sourcefile": "0 0 -10\n", "-stol": "0 1\n", "-mask": SMALL_MASK}


@pytest.mark.parametrize("output", ["-floatfile", "-intfile", "-pgmfile", "-noisefile", "-dumpfile"])
@pytest.mark.parametrize("flag", OVERWRITTEN)
def test_input_is_not_overwritten(nanobragg, flag, output):
    (nanobragg.folder / "link").symlink_to("input")
    more = ["-hkl", "table"] if flag != "-hkl" else []
    files = {"input": OVERWRITTEN[flag], "table": HKL}
    result = nanobragg.run(*GOOD, *more, flag, "./input", output, "link", files=files)
    assert result.returncode == 2
    assert f"{output} 'link' would overwrite the input of {flag}" in result.error
    assert {path.name for path in nanobragg.folder.iterdir()} == {"input", "link", "table"}


def test_result_of_the_last_run_may_be_named_by_img(nanobragg):
    nanobragg.succeed(*GOOD)
    assert nanobragg.image(*GOOD, "-img", "intimage.img").sum() > 0


@pytest.mark.parametrize(
    "argument",
    ["\x1b[31mred", "a\bb", "a\u2028b", "a\x9bb", "a\u202eb", "\ufeff", "\ud800".encode("utf-8", "surrogatepass")],
)
def test_message_is_plain_text(nanobragg, argument):
    content = argument if isinstance(argument, bytes) else argument.encode()
    result = nanobragg.run(*GOOD, "-mat", "m", files={"m": b"1 2 3 4 5 6 7 8 " + content})
    assert result.returncode == 2 and result.error.isprintable()
    assert "?" in result.error and content not in result.error.encode()


def test_message_is_short(nanobragg):
    assert len(nanobragg.run(*GOOD, "-lambda", 100_000 * "x").error) < 400
    assert len(nanobragg.run(*GOOD, "-hkl", "f", files={"f": 100_000 * "x"}).error) < 400


def test_message_keeps_letters(nanobragg):
    assert "'größe'" in nanobragg.run(*GOOD, "-hkl", "größe").error


def test_masked_trace(nanobragg):
    mask = np.ones((8, 8))
    mask[2, 3] = 0
    check_refused(nanobragg, [*GOOD, "-mask", "m", "-trace_pixel", 2, 3], "-trace_pixel 2 3", {"m": write_smv(mask)})


def test_existing_outputs_survive_an_error(nanobragg):
    result = nanobragg.run(*GOOD, "-lambda", 0, files={"floatimage.bin": "precious"})
    assert result.returncode == 2
    assert (nanobragg.folder / "floatimage.bin").read_text() == "precious"


def test_left_handed_matrix_works(nanobragg):
    flags = [argument for argument in GOOD if argument not in ("-cell", "50", "60", "70", "90")]
    right = nanobragg.image(*flags, "-mat", "m", "-N", 3, files={"m": MATRIX})
    left = nanobragg.image(*flags, "-mat", "m", "-N", 3, files={"m": "0.02 0 0 0 -0.016 0 0 0 0.014\n"})
    assert left == pytest.approx(right, rel=1e-6) and right.sum() > 0


@pytest.mark.parametrize(
    "flags",
    [
        ["-oversample", "0", "-N", "1"],
        ["-N", "0"],
        ["-N", "-3"],
        ["-phisteps", "0"],
        ["-osc", "0", "-phistep", "1"],
        ["-roi", "-1", "-1", "-1", "-1"],
        ["-roi", "0", "8", "0", "8"],
        ["-curved_det"],
        ["-cell", "50", "0", "0"],
        ["-wavelength", "1", "-matrix", "m"],
    ],
)
def test_tolerated(nanobragg, flags):
    assert nanobragg.image(*GOOD, *flags, files={"m": MATRIX}).sum() > 0


@pytest.mark.parametrize("flag", ["-h", "--help", "-help", "--version"])
def test_help_and_version_win(nanobragg, flag):
    result = nanobragg.succeed("-mask", "absent", flag)
    assert result.stderr == "" and "nanobragg" in result.stdout
    assert list(nanobragg.folder.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_full_disk_leaves_nothing(nanobragg):
    result = nanobragg.run(*[argument for argument in GOOD if argument != "-nopgm"], "-floatfile", "/dev/full")
    assert result.returncode == 2 and "cannot write '/dev/full'" in result.stderr
    assert list(nanobragg.folder.iterdir()) == []


def test_file_size_limit_leaves_nothing(nanobragg):
    words = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", nanobragg.binary, *GOOD, "-detpixels", "300"]
    done = subprocess.run(words, cwd=nanobragg.folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "cannot write 'floatimage.bin'" in done.stderr
    assert list(nanobragg.folder.iterdir()) == []


def test_many_steps_of_no_width_take_no_time(nanobragg):
    steps = ["-phi", "0", "-osc", "0", "-phisteps", "1000000", "-roi", "0", "0", "0", "0"]
    assert nanobragg.run(*GOOD, *steps, timeout=30).returncode == 0

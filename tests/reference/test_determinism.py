"""The same bytes for any number of threads and any region."""

import subprocess

import numpy as np
import pytest

from tests.c_program import SOURCES, build

from .program import words

FEATURES = words(
    "-cell 70 80 90 85 95 105 -misset 7 8 9 -distance 100 -pixel 0.4 -detpixels 24 -N 6 -default_F 100 -mosaic 0.8 "
    "-mosaic_dom 12 -hdivrange 4 -hdivsteps 3 -phi 0 -osc 1 -phisteps 7 -oversample 2 -oversample_omega "
    "-detector_thick 100 -thicksteps 3 -fluence 1e31 -seed 3 -noprogress"
)
OUTPUTS = ("floatimage.bin", "intimage.img", "image.pgm", "noiseimage.img")


def outputs(nanobragg, *flags):
    nanobragg.succeed(*FEATURES, *flags)
    return [(nanobragg.folder / name).read_bytes() for name in OUTPUTS]


@pytest.mark.parametrize("defects", ["default", "historic", "none"])
def test_threads(nanobragg, defects):
    single, two, seven = (outputs(nanobragg, "-threads", n, "-defects", defects) for n in (1, 2, 7))
    assert single == two == seven and len({*single}) == len(OUTPUTS)


@pytest.mark.parametrize("defects", ["default", "historic"])
def test_region_is_a_crop(nanobragg, defects):
    whole = nanobragg.image(*FEATURES, "-defects", defects)
    part = nanobragg.image(*FEATURES, "-defects", defects, "-roi", 3, 10, 5, 20)
    inside = np.zeros_like(whole)
    inside[5:21, 3:11] = whole[5:21, 3:11]
    assert (part == inside).all() and inside.any()


@pytest.mark.slow
def test_optimised_program_gives_the_same_bytes(nanobragg, tmp_path_factory):
    plain = outputs(nanobragg)
    fast = build("fast", tmp_path_factory.mktemp("fast")) / "nanobragg_fast"
    subprocess.run([fast, *FEATURES], cwd=nanobragg.folder, check=True, capture_output=True, timeout=60)
    assert [(nanobragg.folder / name).read_bytes() for name in OUTPUTS] == plain


@pytest.mark.parametrize(
    ("setting", "message"),
    [("CC=no-such-compiler", "'no-such-compiler' was not found"), ("CC={folder}/without_openmp", "no OpenMP")],
)
def test_make_without_a_fit_compiler(tmp_path, setting, message):
    compiler = tmp_path / "without_openmp"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    command = ["make", "-C", SOURCES, f"BUILD={tmp_path / 'build'}", setting.format(folder=tmp_path)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60)
    errors = [line for line in made.stderr.splitlines() if line.startswith("error:")]
    assert made.returncode != 0 and len(errors) == 1 and message in errors[0]

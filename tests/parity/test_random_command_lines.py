"""Both programs on random command lines: the same image, the same files, the same trace key by key."""

import os
import re

import numpy as np
import pytest
import torch

from nanobragg_tables import flags
from tests.parity import input_files
from tests.parity.both_programs import FLOAT_FILE, LARGEST_DIFFERENCE, Pair, difference
from tests.parity.command_lines import SPELLINGS, CommandLine, command_line, with_beam_on_a_pixel
from trace_audit.compare.blame import blame
from trace_audit.compare.verdict import verdict

SEEDS = range(400) if os.environ.get("NB_RUN_PARALLEL") == "1" else range(25)
# flags that choose how and where a program runs, or end it at once; the runs themselves give -floatfile, -trace_pixel
ABOUT_THE_RUN = {
    "--help",
    "--version",
    "-device",
    "-dtype",
    "-threads",
    "-config",
    "-show_config",
    "-verbose",
    "-hdf5file",
}
GIVEN_BY_EACH_RUN = {"-floatfile", "-trace_pixel"}


BASE = "-cell 50 60 70 80 95 105 -misset 10 20 30 -lambda 1 -distance 60 -detpixels 12 -pixel 1 -nonoise -nopgm "
# command lines on which the programs once differed, each with what was different
FOUND = {
    "near point stated beside a beam centre": "-N 5 -oversample 1 -default_F 10 -beam_vector 1 0.02 0.01 -twotheta 5 "
    "-Xbeam 1 -Xclose 3 -Yclose 7 -defects default,-close_beam_ignored",
    "bent detector with a left-handed basis": "-N 5 -oversample 1 -default_F 10 -adxv -curved_det "
    "-defects default,-curved_axes",
    "polarization beyond the resolution limit": "-N 5 -oversample 2 -default_F 10 -water 10 -dmin 9 -oversample_polar "
    "-sourcefile sources.txt",
    "the same with a background that is scaled once": "-N 5 -oversample 2 -default_F 10 -water 10 -dmin 9 "
    "-oversample_polar -sourcefile sources.txt -defects default,-water_rescaled",
    "weights in a running product": "-N 5 -oversample 2 -default_F 10 -oversample_omega -sourcefile sources.txt "
    "-defects default,-source_weights_ignored,+running_product",
    "zero amplitudes in a running product": "-N 5 -oversample 2 -hkl sparse.hkl -nointerpolate -oversample_omega "
    "-defects default,+running_product",
    "squared tail of Gaussian spots in single precision": "-N 6 -gauss_xtal -fudge 4 -oversample 1 -default_F 10",
    "first source beyond the resolution limit, others not": "-N 5 -oversample 1 -default_F 10 -dispersion 40 "
    "-dispsteps 3 -dmin 9",
    "whole number of cells along an axis of a stated length": "-cell 70 80 90 75 85 95 -misset 0 0 0 "
    "-Na 7 -sample_y 0.000032 -oversample 1 -default_F 10",
    "the same in a crystal that a matrix turns": "-mat A.mat -cell 50 60 70 90 100 90 -wave 1.3517 "
    "-samplesize 0.000020 -oversample 1 -default_F 10",
    "the same with an angle about each axis": "-mat A.mat -cell 30 -energy 9166.54 -lambda 1.3526 "
    "-misset -54.290 89.680 -77.548 -width 0.000054 -Na 8 -Nb 12 -Nc 1 -oversample 1 -default_F 10",
    "whole number of cells in a crystal turned at random": "-mat A.mat -cell 30 -misset random -misset_seed 278 "
    "-samplesize 0.000048 -oversample 1 -default_F 10",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_programs_agree(seed, c_binary, tmp_path):
    assert_agreement(Pair(c_binary, command_line(seed), tmp_path))


@pytest.mark.parametrize("seed", SEEDS[::3])
def test_programs_agree_where_the_beam_meets_a_pixel(seed, c_binary, tmp_path, monkeypatch):
    """Eager code in both dtypes, and compiled code; to 1e-6 of the peak in float32 too."""
    line = with_beam_on_a_pixel(command_line(seed))
    c = Pair(c_binary, line, tmp_path).run_c()
    for mode, dtype in (("never", torch.float64), ("never", torch.float32), ("always", torch.float64)):
        monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", mode)
        folder = tmp_path / f"{mode}_{dtype}"
        folder.mkdir()
        torch_run = Pair(c_binary, line, folder).run_torch(dtype)
        assert difference(torch_run.image, c.image) <= 1e-6, f"{mode} {dtype}: {line}"


@pytest.mark.parametrize("disagreement", FOUND)
def test_programs_agree_where_they_once_did_not(disagreement, c_binary, tmp_path):
    files = {"A.mat": input_files.matrix(), "sparse.hkl": input_files.sparse_reflections()}
    files["sources.txt"] = b"-10 0.02 0.01 1 1e-10\n-10 -0.03 0.02 3 1.02e-10\n"
    assert_agreement(Pair(c_binary, CommandLine(-1, (BASE + FOUND[disagreement]).split(), files), tmp_path))


def assert_agreement(pair: Pair) -> None:
    """Images, files, and the traces of the brightest and the faintest pixel agree in both dtypes."""
    c, torch64, torch32 = pair.run_c(), pair.run_torch(torch.float64), pair.run_torch(torch.float32)
    assert difference(torch64.image, c.image) <= LARGEST_DIFFERENCE[torch.float64], str(pair.line)
    assert difference(torch32.image, c.image) <= LARGEST_DIFFERENCE[torch.float32], str(pair.line)
    assert_same_files(torch64.files, c.files, str(pair.line))
    computed = np.where(c.image > 0, c.image, np.nan)
    if not np.isfinite(computed).any():
        return
    for pixel in {int(np.nanargmax(computed)), int(np.nanargmin(computed))}:
        slow, fast = (int(index) for index in np.unravel_index(pixel, c.image.shape))
        for dtype in (torch.float64, torch.float32):
            comparison = pair.compare_traces(slow, fast, dtype)
            sentence = verdict(comparison, blame(comparison), None)["summary"]
            assert comparison.passed, f"{dtype}, pixel {slow} {fast}: {sentence} {pair.line}"


def assert_same_files(torch_files: dict[str, bytes], c_files: dict[str, bytes], line: str) -> None:
    """The same files; equal float images must lead to equal bytes of everything that is made from them.

    Header numbers have six digits, of which the last may be rounded either way.
    """
    assert set(torch_files) == set(c_files), line
    if torch_files[FLOAT_FILE] != c_files[FLOAT_FILE]:
        return
    for name, content in c_files.items():
        ours, theirs = torch_files[name], content
        if name.endswith(".img"):
            size = len(c_files[FLOAT_FILE]) // 2
            assert_same_header(ours[:-size].decode(), theirs[:-size].decode())
            ours, theirs = ours[-size:], theirs[-size:]
        if name == "double.bin":
            exact, c_exact = np.frombuffer(ours), np.frombuffer(theirs)
            assert np.abs(exact - c_exact).max() <= 1e-9 * np.abs(c_exact).max(), f"{name}: {line}"
            continue
        assert ours == theirs, f"{name}: {line}"


def assert_same_header(ours: str, theirs: str) -> None:
    number = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")
    assert number.sub("#", ours).rstrip() == number.sub("#", theirs).rstrip()
    for mine, their_number in zip(number.findall(ours), number.findall(theirs), strict=True):
        assert float(mine) == pytest.approx(float(their_number), rel=1e-5, abs=1e-12), (mine, their_number)


def test_every_flag_is_drawn_in_every_spelling():
    used = {
        argument
        for seed in range(3000)
        for argument in command_line(seed).words
        if re.match(r"-{1,2}([A-Za-z]|4stol)", argument)
    }
    both = {flag.name for flag in flags() if set(flag.programs) == {"c", "torch"}}
    expected = both - ABOUT_THE_RUN - GIVEN_BY_EACH_RUN
    assert used == {spelling for name in expected for spelling in SPELLINGS[name]}


def test_a_seed_is_one_command_line():
    first, again = command_line(7), command_line(7)
    assert (first.words, first.files) == (again.words, again.files)
    assert first.words != command_line(8).words

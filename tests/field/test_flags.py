"""In both programs: flags of other editions of nanoBragg, many steps, and help whose reader stops early."""

import subprocess
import sys

import pytest

GRID = ["-cell", "50", "60", "70", "90", "90", "90", "-default_F", "1", "-detpixels", "2", "-pixel", "5"]
ELSEWHERE = {
    "-precision single": None,
    "-thick 5": "-detector_thick",
    "-hdiv 1": "-hdivrange",
    "-vdiv 1": "-vdivrange",
    "-dispstep 2": "-dispsteps",
}


@pytest.mark.parametrize("flags", ELSEWHERE)
def test_the_right_spelling_is_named(program, flags):
    error = program(*GRID, *flags.split()).error
    assert "here it is" in error and (ELSEWHERE[flags] or "") in error


@pytest.mark.parametrize("flags", ["-phisteps 40000 -osc 1", "-mosaic 0.1 -mosaic_dom 40000", "-curved_det"])
def test_many_steps_and_a_last_switch(program, flags):
    seen = program(*GRID, *flags.split())
    assert seen.sum > 0 and ("40000" in seen.stdout or "curved" in flags)


BEAM = ["-xds", "-dials", "-mosflm", "-denzo", "-adxv"]


@pytest.mark.parametrize("convention", BEAM)
@pytest.mark.parametrize("flag", ["-Xbeam", "-ORGX", "-Xclose"])
def test_a_beam_flag_moves_the_beam_or_says_what_would(program, convention, flag):
    panel = [*GRID[:-4], "-detpixels", "12", "-pixel", "2", "-N", "3", convention]
    plain, moved = program(*panel), program(*panel, flag, "7.3")
    warned = [warning for warning in moved.warnings if warning.startswith(f"{flag} does not move the detector")]
    assert bool(warned) == bool((plain.image == moved.image).all())
    if warned:
        works = warned[0].partition("; ")[2].split()[0]
        assert (program(*panel, works, "7.3").image != plain.image).any()


def test_help_is_quiet_when_nobody_reads_on():
    command = f"{sys.executable} -m nanobrag_torch --help | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""

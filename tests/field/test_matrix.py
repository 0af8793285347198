"""Wrong orientation matrices: both programs say so, in the same words."""

import re

import pytest

GRID = ["-lambda", ".9768", "-default_F", "10", "-N", "3", "-detpixels", "8"]
WARNED = {
    "left.mat": "its axes are left-handed; expected right-handed a*, b*, c*",
    "direct.mat": "makes cell axes of 0.0192 x 0.0161 x 0.0145 A, so it looks like a real-space matrix",
    "mosflm_misset.mat": "the missets behind the matrix (1.5 -0.7 0.3 deg) are not used",
}


@pytest.mark.parametrize("name", WARNED)
def test_what_is_odd_about_a_matrix(program, name):
    seen = program("-mat", name, *GRID)
    warnings = [warning for warning in seen.warnings if warning.startswith(f"-mat {name}: ")]
    assert len(warnings) == 1 and WARNED[name] in warnings[0], warnings


def test_volume_is_the_same_in_both_programs(program):
    (volume,) = re.findall(r"volume (\S+) A\^3", program("-mat", "left.mat", *GRID).stdout)
    assert float(volume) == pytest.approx(210000, rel=1e-3)


def test_solid_angle_is_the_same_in_both_programs(program):
    flags = ["-cell", "50", "60", "70", "90", "90", "90", "-detpixels", "64", "-pixel", "0.8", "-distance", "100"]
    assert "0.246135" in program(*flags, "-default_F", "1").stdout


def test_the_file_of_a_good_matrix_is_taken_in_silence(program, here):
    (here / "good.mat").write_text("".join((here / "mosflm_misset.mat").read_text().splitlines(keepends=True)[:3]))
    for rest in ("", "0 0 0\n", "misset 1 2 3\n", "1 2 nothing\n"):
        (here / "good.mat").write_text((here / "good.mat").read_text() + rest)
        assert not any("-mat" in warning for warning in program("-mat", "good.mat", *GRID).warnings)

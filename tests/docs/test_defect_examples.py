"""The catalogue of known defects: each command line gives the sums that docs/defects.md prints."""

import subprocess

import numpy as np
import pytest

from nanobragg_tables import defect_examples, defects
from nanobragg_tables.__main__ import REPOSITORY
from nanobragg_tables.generate import defect_document
from tests.c_program import build

PRINTED_DIGITS = 1e-5  # six digits are printed


@pytest.fixture(scope="module")
def nanobragg(tmp_path_factory):
    return build("all", tmp_path_factory.mktemp("build")) / "nanobragg"


def test_catalogue_is_fresh():
    assert (REPOSITORY / "docs/defects.md").read_text(encoding="utf-8") == defect_document()
    assert list(defect_examples()) == [defect.name for defect in defects()]


@pytest.mark.parametrize("name", defect_examples())
def test_example(nanobragg, tmp_path, name):
    example = defect_examples()[name]
    if example.prepare:
        subprocess.run(example.prepare, shell=True, cwd=tmp_path, check=True)
    sums = []
    for sign in "+-":
        flags = f"{example.flags} -nonoise -nopgm -noprogress -floatfile image.bin"
        arguments = [*flags.split(), "-defects", example.switches(sign, name)]
        done = subprocess.run([nanobragg, *arguments], cwd=tmp_path, capture_output=True)
        assert done.returncode in (0, 2)
        made = np.fromfile(tmp_path / "image.bin", np.float32)
        sums.append(None if done.returncode else made.sum(dtype=float))
    assert sums[0] == pytest.approx(example.sum_on, rel=PRINTED_DIGITS)
    if example.sum_off is None:
        assert sums[1] is None
    else:
        assert sums[1] == pytest.approx(example.sum_off, rel=PRINTED_DIGITS)
        assert sums[0] != pytest.approx(sums[1], rel=10 * PRINTED_DIGITS)

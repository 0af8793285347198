"""Each row of the table of defects has a line that shows it, and each line does."""

import numpy as np
import pytest

from nanobragg_tables import defects
from tests.parity import input_files
from tests.physics.both import Refusal

FILES = {
    "sources.txt": b"-10 0.01 0 1 1e-10\n-10 -0.01 0.02 3 1.01e-10\n",
    "A.mat": input_files.matrix(),
    "dense.hkl": input_files.dense_reflections(),
}


def image_or_refusal(program, line):
    try:
        return program(line)
    except Refusal as refusal:
        return str(refusal)
    except Exception as error:  # torch's, of the same wording
        return str(error)


@pytest.mark.parametrize("defect", defects(), ids=lambda defect: defect.name)
def test_the_reproduction_shows_the_defect(defect, both):
    for name in FILES:
        if name in defect.reproduction:
            (both.folder / name).write_bytes(FILES[name])
    line, _, preset = defect.reproduction.partition(" -defects ")
    for program in (both.c, both.torch) if defect.torch else (both.c,):
        on, off = (image_or_refusal(program, f"{line} -defects {preset or 'default'},{s}{defect.name}") for s in "+-")
        if isinstance(on, str) or isinstance(off, str):
            assert isinstance(on, str) != isinstance(off, str), (on, off)
            continue
        assert np.abs(on - off).max() > 1e-6 * np.abs(off).max()


def test_names_and_numbers_are_unique():
    rows = defects()
    assert len({row.name for row in rows}) == len({row.number for row in rows}) == len(rows)

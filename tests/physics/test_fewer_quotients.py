"""Fewer quotients in compiled code: which texts have them, and the row of a pixel by a reciprocal."""

from __future__ import annotations

import ctypes
import re
import subprocess

import pytest
import torch

from nanobrag_torch.backends.compiled.compiler import compiler
from nanobrag_torch.backends.compiled.dialects import of_device
from nanobrag_torch.backends.compiled.programs import PROGRAMS
from nanobrag_torch.backends.compiled.recording import source_of
from nanobrag_torch.cli import parse
from nanobrag_torch.simulator import Simulation
from tests.c_program import needs_compiler

CRYSTAL = "-cell 50 60 70 80 90 100 -default_F 100 -N 5 -lambda 1 -distance 100 -detpixels 8 -oversample 1"


def statements(dtype: torch.dtype, device: str) -> tuple[list[str], list[str]]:
    """The lines with a quotient, of the loops over rays around that over orientations and of the innermost loop."""
    model = Simulation(parse(CRYSTAL.split()).experiment, dtype=dtype).model
    text = source_of(PROGRAMS["photons"], model, device=device)[0].split("\nENTRY")[1]
    inner = text.index("orientation++")
    around = [line for line in text[:inner].split("OVER_RAYS")[1].splitlines() if re.search(r" / |\(1 /", line)]
    return around, re.findall(r"^.*\bQUOTIENT\(.*$", text[inner:], re.MULTILINE)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_float32_has_one_quotient_a_step(device):
    around, innermost = statements(torch.float32, device)
    assert len(innermost) == 1
    assert len(around) == (2 if device == "cpu" else 0)  # by the distance of the pixel, and by its square


def test_float64_on_a_cpu_divides_as_plain_torch_does():
    around, innermost = statements(torch.float64, "cpu")
    assert len(innermost) == 3
    assert len(around) == 8  # three directions, three of the scattering vector, two of the solid angle


@needs_compiler
def test_rows_of_pixels(tmp_path):
    """For every width and place that an image can have, around the whole multiples of the width too."""
    program, library = tmp_path / "row.c", tmp_path / "row.so"
    program.write_text(
        f"{of_device('cpu').head('image', False)}int32_t row(int32_t p, int32_t w) {{ return ROW(p, w); }}"
    )
    subprocess.run([*compiler(), "-O2", "-shared", "-fPIC", str(program), "-o", str(library)], check=True)
    row = ctypes.CDLL(str(library)).row
    most = 2**31 - 1
    for width in (1, 2, 3, 7, 10, 49, 1000, 2463, 4096, 16384, 65537, 10**6 + 3, most // 2, most - 1, most):
        rows = most // width
        places = (count * width + off for count in (0, 1, 2, rows // 2, rows - 1, rows) for off in (-1, 0, 1))
        for place in places:
            if 0 <= place <= most:
                assert row(place, width) == place // width, (place, width)

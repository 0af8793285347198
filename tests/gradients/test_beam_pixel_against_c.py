"""Derivatives around the pixel that the direct beam hits, for every shape of a crystal, against the C program's images.

There h, k and l are 0 but for rounding, where formulas of a lattice factor have their singular point.
"""

from __future__ import annotations

import pytest

from nanobrag_torch.cli import parse
from tests.gradients.test_singular_points import scattering_of
from trace_audit.derivatives import gradients

SHAPES = {"SQUARE": "", "ROUND": "-round_xtal", "GAUSS": "-gauss_xtal", "TOPHAT": "-tophat_spots"}
PANEL = "-mosflm -detpixels 7 -pixel 0.5 -distance 100 -oversample 1 -lambda 1 -fluence 1e24 -default_F 100 -nonoise"
CRYSTAL = "-cell 50 60 70 90 90 90 -misset 10 20 30 -Na 5 -Nb 4 -Nc 3"
NAMES = ("cell_a", "misset_x", "distance", "rotx", "default_F")
JUMPS = ("cell_a", "misset_x", "rotx")  # differences of TOPHAT images see its steps, on which a derivative is 0
CASES = [(shape, name) for shape in SHAPES for name in NAMES if shape != "TOPHAT" or name not in JUMPS]


@pytest.mark.parametrize(("shape", "name"), CASES)
def test_derivatives_around_the_direct_beam(shape, name, c_binary, tmp_path):
    flags = f"{CRYSTAL} {PANEL} {SHAPES[shape]}".split()
    assert float(scattering_of(parse(flags).experiment, 4, 4).norm()) < 1e5  # 1/m
    record, _ = gradients.audit(name, flags, c_binary, tmp_path)
    assert record["reason"] is None and record["status"] == "pass"
    assert record["torch_gradient_norm"] > 0 and record["best_agreement"]["error_of_peak"] <= 1e-6

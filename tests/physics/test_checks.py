"""An impossible experiment is refused when it is stated: in Python by its fields, on a command line by its flags."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
import torch

from nanobrag_torch import limits, parameters
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.parameters import Beam, Crystal, Detector, ReflectionTable, SourceTable, Spindle, StructureFactors
from nanobrag_torch.parameters import checks as field_checks
from nanobrag_torch.simulator import Simulation, simulate
from nanobragg_tables import Range, flags
from tests.physics.helpers import small

ONES = torch.ones(3, dtype=torch.float64)
FAR = torch.tensor([[-10.0, 0.0, 0.0]] * 3, dtype=torch.float64)


def stated(**changes):
    base = small()
    return replace(base, detector=replace(base.detector, **changes))


REFUSED = {
    "shape": (lambda: Crystal(shape="square"), "Crystal.shape is 'square', expected one of SQUARE, ROUND, GAUSS"),
    "misset": (lambda: Crystal(misset_deg=(1, 2, 3, 4)), "Crystal.misset_deg has 4 numbers, expected 3"),
    "misset tensor": (lambda: Crystal(misset_deg=torch.ones(4)), "Crystal.misset_deg has the shape (4,), expected"),
    "no length": (lambda: Crystal(cell_lengths_A=(0, 50, 50)), "Crystal.cell_lengths_A[0] is 0, expected above 0"),
    "length": (
        lambda: Crystal(cell_lengths_A=(1e-9, 5, 5)),
        "Crystal.cell_lengths_A: a is 1e-09 A long, expected from",
    ),
    "angles": (lambda: Crystal(cell_angles_deg=(10, 20, 170)), "Crystal.cell_angles_deg: no cell has the angles 10 20"),
    "angle": (lambda: Crystal(cell_angles_deg=(90, 90, 190)), "Crystal.cell_angles_deg[2] is 190, expected 0 or more"),
    "cells": (lambda: Crystal(n_cells=(5, math.nan, 5)), "Crystal.n_cells[1] is nan, expected a finite number"),
    "too many cells": (lambda: Crystal(n_cells=(5, 2e9, 5)), "Crystal.n_cells[1] is 2e+09, expected at most"),
    "matrix": (lambda: Crystal(orientation_matrix=torch.eye(4)), "Crystal.orientation_matrix has the shape (4, 4)"),
    "fudge": (lambda: Crystal(fudge=ONES), "Crystal.fudge has the shape (3,), expected one number (a 0-d tensor)"),
    "text": (lambda: Crystal(fudge="1"), "Crystal.fudge is '1', expected a number"),
    "domains": (lambda: Crystal(mosaic_domains=2.5), "Crystal.mosaic_domains is 2.5, expected a whole number"),
    "mosaic": (lambda: Crystal(mosaic_spread_rad=7.0), "Crystal.mosaic_spread_rad is 7, expected 0.0 or more, at most"),
    "polarization": (
        lambda: Beam(polarization_factor=7),
        "Beam.polarization_factor is 7, expected -1 or more, at most",
    ),
    "wavelength": (lambda: Beam(wavelength_m=torch.tensor(-1e-10)), "Beam.wavelength_m is -1e-10, expected above 0"),
    "tiny wavelength": (lambda: Beam(wavelength_m=1e-40), "Beam.wavelength_m: 1e-40 m, expected 1e-30 to 1e+30 m"),
    "beam size": (lambda: Beam(flux_photons_per_s=1e9, beamsize_m=0), "Beam.beamsize_m is 0 m, expected above 0 with"),
    "steps": (lambda: Beam(hdiv_steps=-3), "Beam.hdiv_steps is -3, expected 0 or more"),
    "sources": (
        lambda: SourceTable(ONES, ONES, ONES),
        "SourceTable.position_m has the shape (3,), expected a tensor of",
    ),
    "weights": (
        lambda: SourceTable(FAR, ONES[:2], ONES),
        "SourceTable.weight has the shape (2,), expected a tensor of",
    ),
    "source": (lambda: SourceTable(0 * FAR, ONES, ONES), "SourceTable.position_m holds a source without a direction"),
    "wavelengths": (
        lambda: SourceTable(FAR, ONES, -ONES),
        "SourceTable.wavelength_m holds a number that is not finite",
    ),
    "oscillation": (lambda: Spindle(osc_deg=-1), "Spindle.osc_deg is -1, expected 0 or more"),
    "distance 0": (lambda: Detector(distance_m=0), "Detector.distance_m is 0, expected above 0"),
    "distance nan": (lambda: Detector(distance_m=math.nan), "Detector.distance_m is nan, expected a finite number"),
    "distance": (lambda: Detector(distance_m=-0.1), "Detector.distance_m is -0.1, expected above 0"),
    "pixels": (lambda: Detector(n_fast=0), "Detector.n_fast is 0, expected 1 or more"),
    "fewer pixels": (lambda: Detector(n_slow=-7), "Detector.n_slow is -7, expected 1 or more"),
    "convention": (lambda: Detector(convention="mosflm"), "Detector.convention is 'mosflm', expected one of MOSFLM"),
    "pivot": (lambda: Detector(pivot="sample"), "Detector.pivot is 'sample', expected one of BEAM, SAMPLE"),
    "direction": (lambda: Detector(beam_vector=(0, 0, 0)), "Detector.beam_vector is 0 0 0, expected a direction"),
    "region": (lambda: Detector(roi=(5, 2, 0, 9)), "Detector.roi: xmin 5 is above xmax 2"),
    "region of three": (lambda: Detector(roi=(1, 2, 3)), "Detector.roi is (1, 2, 3), expected four whole numbers"),
    "mask": (lambda: stated(mask=torch.ones(99, 99, dtype=torch.bool)), "Detector.mask: has 99 x 99 pixels, expected"),
    "mask of numbers": (lambda: stated(mask=torch.ones(20, 24)), "Detector.mask holds torch.float32, expected torch"),
    "table": (lambda: ReflectionTable(torch.ones(3, 3), 0, 0, 0), "ReflectionTable.F_electrons has the shape (3, 3)"),
    "limit": (lambda: StructureFactors(d_min_m=-1e-10), "StructureFactors.d_min_m is -1e-10, expected 0 or more"),
}
REFUSED_TOGETHER = {
    "region": ({"roi": (90, 95, 0, 5)}, "Detector.roi: xmin is 90, expected below 24, the number of pixels"),
    "mask of a size": (
        {"n_fast": None, "n_slow": None, "size_fast_m": 0.036, "size_slow_m": 0.03, "mask": torch.ones(9, 9).bool()},
        "Detector.mask: has 9 x 9 pixels, expected 24 x 20",
    ),
    "axes": (
        {"convention": "CUSTOM", "fdet_vector": (0, 0, 1), "sdet_vector": (0, 0, -2)},
        "Detector.fdet_vector and Detector.sdet_vector are parallel",
    ),
    "placement": ({"rotz_rad": math.radians(90), "convention": "XDS", "twotheta_rad": 0.0, "close_distance_m": 1e-25},
                  "holds the sample or misses the beam"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_where_it_is_stated(name):
    state, sentence = REFUSED[name]
    with pytest.raises(ExperimentError) as refused:
        state()
    assert str(refused.value).startswith(sentence) and "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["region", "mask of a size", "axes"])
def test_refused_where_it_comes_together(name):
    changes, sentence = REFUSED_TOGETHER[name]
    with pytest.raises(ExperimentError) as refused:
        Simulation(stated(**changes))
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_a_plane_that_misses_the_beam_is_refused():
    limits.check_placement(0.1, 0.2, "-distance")
    with pytest.raises(ExperimentError, match="misses the beam .close distance 0 m, distance inf m..*check -distance"):
        limits.check_placement(0.0, math.inf, "-distance")


def test_fields_have_the_ranges_of_their_flags():
    """If a flag refuses a value, the field that it sets refuses it too, in the field's unit."""
    known = {flag.name: flag for flag in flags()}
    rules = {
        (kind.lower().replace("structurefactors", "structure_factors"), name): rule
        for table in (field_checks.NUMBERS, field_checks.COUNTS, field_checks.VECTORS)
        for kind, names in table.items()
        for name, rule in names.items()
    }
    seen = set()
    for flag in known.values():
        effects = flag.sets["torch"] if "torch" in flag.programs and flag.args and flag.args[0].type != "file" else None
        for setting in effects.settings if effects else ():
            section, _, name = setting.name.partition("[")[0].partition(".")
            if setting.constant is not None or (section, name) not in rules:
                known_section = section in {kind for kind, _ in rules}
                assert setting.constant is not None or not known_section or flag.args[0].range is None, flag.name
                continue
            rule = rules[section, name]
            seen.add((section, name))
            stated, own = flag.args[rule.value if len(flag.args) > rule.value else 0].range, rule.range
            assert (stated is None) == (own == Range())
            for limit in ("min", "max", "exclusive_min", "exclusive_max") if stated else ():
                value, field = getattr(stated, limit), getattr(own, limit)
                assert field == (value if value is None else pytest.approx(value * rule.unit))
    assert seen == set(rules)


@pytest.mark.parametrize("kind", [Crystal, Beam, Spindle, Detector, StructureFactors])
def test_every_number_is_checked(kind):
    """A field that takes a number or a vector refuses one that is not finite."""
    annotated = [field for field in fields(kind) if "Scalar" in str(field.type) or "Vector" in str(field.type)]
    assert annotated
    for field in annotated:
        bad = (1.0, math.inf, 1.0) if "Vector" in str(field.type) or "tuple" in str(field.type) else math.inf
        with pytest.raises(ExperimentError, match=f"{kind.__name__}.{field.name}.* expected a finite number"):
            kind(**{field.name: bad})


def test_tensors_pass_with_their_graph():
    length = torch.tensor(50.0, dtype=torch.float64, requires_grad=True)
    crystal = Crystal(cell_lengths_A=[length, 60.0, 70.0], n_cells=(5, 5, 5))
    assert crystal.cell_lengths_A[0] is length and isinstance(crystal.cell_lengths_A, tuple)
    base = small()
    image = simulate(replace(base, crystal=replace(base.crystal, cell_lengths_A=[length, 60.0, 70.0])))
    (slope,) = torch.autograd.grad(image.sum(), length)
    assert slope != 0


def test_one_cell_has_the_slope_of_more_cells():
    """Less than one cell counts as one, so the derivative at one cell is the one-sided one towards more cells."""
    base = small()

    def photons(n):
        crystal = replace(base.crystal, n_cells=(n, 3, 2))
        return simulate(replace(base, crystal=crystal), image_dtype=torch.float64).square().sum()

    tensor = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(photons(tensor), tensor)
    step = 1e-5
    numeric = float(-3 * photons(1.0) + 4 * photons(1.0 + step) - photons(1.0 + 2 * step)) / (2 * step)
    assert float(slope) == pytest.approx(numeric, rel=1e-6) and slope != 0
    less = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    assert photons(less) == photons(1.0)
    (none,) = torch.autograd.grad(photons(less), less)
    assert none == 0


def test_a_parameter_that_nothing_reads_has_the_gradient_0():
    base = small()
    unread = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    image = simulate(replace(base, crystal=replace(base.crystal, fudge=unread)))  # of a parallelepiped
    (slope,) = torch.autograd.grad(image.sum(), unread)
    assert slope == 0
    assert parameters.Crystal(fudge=unread).fudge is unread


def test_nothing_that_scatters_is_refused():
    base = small()
    with pytest.raises(ExperimentError, match="no table, and default_F is 0: nothing scatters"):
        simulate(replace(base, structure_factors=StructureFactors()))
    amplitude = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    assert not simulate(replace(base, structure_factors=StructureFactors(default_F=amplitude))).any()
    assert simulate(replace(base, structure_factors=StructureFactors(water_size_m=1e-6))).any()

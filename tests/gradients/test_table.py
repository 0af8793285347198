"""The table of continuous parameters: complete, the same in docs, and the same number whichever way it is stated."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import torch

from nanobrag_torch import gradients
from nanobrag_torch import parameters as stated
from nanobrag_torch.cli import parse
from nanobrag_torch.simulator import simulate

REPOSITORY = Path(__file__).resolve().parents[2]
CRYSTAL = "-cell 31 37 43 82 96 101 -misset 11 23 35 -Na 5 -Nb 4 -Nc 3 -phi 1 -osc 0.4 -phisteps 2 -default_F 50"
REST = "-lambda 1.1 -fluence 1e24 -polar 0.7 -pixel 6 -detpixels 6 -distance 70 -Xbeam 17 -Ybeam 20 -oversample 1"
BASE = [*CRYSTAL.split(), *REST.split(), "-water", "2"]
TABLE = gradients.parameters()


def continuous_fields(owner=stated.Experiment, prefix=""):
    """Paths of all fields of an Experiment that hold real numbers."""
    kinds = typing.get_type_hints(owner, localns={"torch": torch})
    for field in fields(owner):
        options = [kinds[field.name], *typing.get_args(kinds[field.name])]
        group = next((option for option in options if is_dataclass(option)), None)
        if group is not None:
            yield from continuous_fields(group, f"{prefix}{field.name}.")
        elif any(option in (float, torch.Tensor) or float in typing.get_args(option) for option in options):
            yield prefix + field.name


def test_every_continuous_field_is_in_the_table():
    fields = {row.field.partition("[")[0] for row in TABLE.values()}
    expected = set(continuous_fields()) - {"detector.mask"}
    assert "detector.distance_m" in expected and "beam.sources.weight" in expected
    assert fields == expected


def test_names_are_unique():
    from nanobrag_torch.gradients.table import ROWS

    assert len(ROWS) == len(TABLE) > 60


def test_docs_are_the_table():
    done = subprocess.run(
        [sys.executable, "-m", "nanobrag_torch.gradients"], capture_output=True, text=True, check=True
    )
    assert (REPOSITORY / "docs/gradients.md").read_text() == done.stdout


def test_unknown_name_gets_near_ones():
    with pytest.raises(KeyError, match="did you mean: cell_a"):
        gradients.parameter("cell_aa")


def experiment_for(row, folder):
    flags = [*BASE, *(row.needs(parse(BASE).experiment, folder) if row.needs else [])]
    if row.is_tensor and "table" in row.field:
        (folder / "some.hkl").write_text("0 0 1 10\n1 2 3 40\n-4 -4 -4 5\n4 4 4 7.5\n")
        flags += ["-hkl", str(folder / "some.hkl")]
    return flags, parse(flags).experiment


def plain(value):
    """Nested numbers, tensors as lists."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, torch.Tensor):
        return value.tolist()
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def close(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, float) or isinstance(b, float):
        return a == pytest.approx(b, rel=1e-14, abs=1e-300)
    return a == b


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.flags])
def test_flags_and_put_state_the_same_experiment(name, tmp_path):
    row = TABLE[name]
    flags, experiment = experiment_for(row, tmp_path)
    index = (0,) * getattr(_field(row, experiment), "ndim", 0) if row.is_tensor else ()
    start = row.value(experiment, index)
    start = row.start if start is None or start == 0 else start
    changed = row.put(experiment, start * 1.01, index)
    assert plain(changed) != plain(experiment)
    told = parse([*flags, *row.flags(changed, tmp_path)]).experiment
    # some flags choose a pivot too
    told = dataclasses.replace(told, detector=dataclasses.replace(told.detector, pivot=changed.detector.pivot))
    assert close(plain(told), plain(changed))
    assert row.value(changed, index) == pytest.approx(start * 1.01, rel=1e-14)


def _field(row, experiment):
    for part in row.field.partition("[")[0].split("."):
        experiment = getattr(experiment, part)
    return experiment


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.kind != "none"])
def test_a_gradient_reaches_the_image(name, tmp_path):
    row = TABLE[name]
    _, experiment = experiment_for(row, tmp_path)
    index = (0,) * _field(row, experiment).ndim if row.is_tensor else ()
    start = row.value(experiment, index) or row.start
    value = torch.tensor(start if start else 1.0, dtype=torch.float64, requires_grad=True)
    image = simulate(row.put(experiment, value, index), image_dtype=torch.float64)
    (gradient,) = torch.autograd.grad(image.square().sum(), value)
    assert torch.isfinite(gradient)
    assert gradient != 0 or row.field == "structure_factors.table.F_electrons"


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.kind == "none"])
def test_what_has_no_gradient_says_why_and_has_none(name):
    row = TABLE[name]
    experiment = parse(BASE).experiment
    value = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    image = simulate(row.put(experiment, value), image_dtype=torch.float64)
    assert row.why and row.flags is None
    if image.requires_grad:
        (gradient,) = torch.autograd.grad(image.sum(), value, allow_unused=True)
        assert gradient is None or gradient == 0

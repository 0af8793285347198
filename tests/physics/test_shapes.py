"""The shapes that public functions of the physics state are those of the tensors they are called with and return."""

from __future__ import annotations

import importlib
import inspect
import typing

import jaxtyping
import pytest
import torch
from beartype import beartype

from nanobrag_torch.cli import parse
from nanobrag_torch.simulator import Simulation

MODULES = ["crystal", "detector_basis", "interference", "lattice", "mosaic", "placement", "polarization", "rays"]
MODULES += ["rotations", "scaling", "scattering", "sources", "structure_factor"]
NAMES = {"Bool": jaxtyping.Bool, "Float": jaxtyping.Float}
BASE = [
    "-cell",
    "50",
    "60",
    "70",
    "80",
    "95",
    "100",
    "-N",
    "4",
    "-lambda",
    "1.2",
    "-distance",
    "60",
    "-pixel",
    "0.5",
    "-detpixels",
    "6",
    "-defects",
    "none",
]
LINES = {
    "plain": "-default_F 20",
    "table": "-hkl f.hkl",
    "interpolated": "-hkl f.hkl -interpolate",
    "round": "-default_F 20 -round_xtal",
    "gauss": "-default_F 20 -gauss_xtal",
    "tophat": "-default_F 20 -tophat_spots",
    "thick": "-default_F 20 -detector_thick 300 -detector_abs 200 -detector_thicksteps 3 -oversample 2",
    "curved": "-default_F 20 -curved_det -detector_rotx 5",
    "sources": "-default_F 20 -dispersion 1 -dispsteps 3 -hdivrange 1 -hdivsteps 2",
    "orientations": "-default_F 20 -mosaic 0.4 -mosaic_dom 3 -phisteps 2 -osc 1",
    "limited": "-default_F 20 -dmin 3 -water 5 -nopolar",
}


def public_functions():
    for name in MODULES:
        module = importlib.import_module(f"nanobrag_torch.physics.{name}")
        for function in vars(module).values():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                yield module, function


def shapes_of(function) -> list:
    hints = typing.get_type_hints(function, localns=NAMES)
    each = [one for hint in hints.values() for one in (typing.get_args(hint) or (hint,))]  # of numpy or of torch
    return [one for one in each if getattr(one, "__module__", "") == "jaxtyping"]


@pytest.fixture
def checked(monkeypatch, tmp_path):
    """Every function that states shapes checks them when it is called; yields the names of those that were."""
    called = set()
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "never")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.hkl").write_text("".join(f"{h} {k} {l} 9\n" for h in range(-4, 5) for k in (0, 1) for l in (0, 1)))
    for module, function in list(public_functions()):
        if not shapes_of(function):
            continue
        monkeypatch.setattr(function, "__annotations__", typing.get_type_hints(function, localns=NAMES))
        checking = jaxtyping.jaxtyped(typechecker=beartype)(function)

        def counted(*arguments, checking=checking, name=f"{module.__name__}.{function.__name__}", **options):
            called.add(name)
            return checking(*arguments, **options)

        monkeypatch.setattr(module, function.__name__, counted)
    return called


@pytest.mark.parametrize("hooks", [None, lambda name, value, place: value], ids=["numpy", "torch"])
def test_shapes_are_as_stated(checked, hooks):
    """Without hooks the set-up is worked out by numpy, with them by torch."""
    for line in LINES.values():
        experiment = parse([*BASE, *line.split()]).experiment
        assert torch.isfinite(Simulation(experiment, hooks=hooks).image()).all(), line
    assert len(checked) >= 45, checked


def test_a_wrong_shape_is_noticed(checked):
    scattering = importlib.import_module("nanobrag_torch.physics.scattering")
    q_per_m, real_m = torch.zeros((3, 4), dtype=torch.float64), torch.zeros((2, 3, 3), dtype=torch.float64)
    assert scattering.fractional_indices(q_per_m, real_m).shape == (3, 2, 4)
    with pytest.raises(jaxtyping.TypeCheckError):
        scattering.fractional_indices(q_per_m.T, real_m)

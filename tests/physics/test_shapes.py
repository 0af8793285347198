"""The shapes that public functions of the physics state are those of the tensors they are called with and return."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
import typing
from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
import torch
from beartype import BeartypeConf, beartype

import nanobrag_torch.physics
from nanobrag_torch.cli import parse
from nanobrag_torch.physics import sampling, sources, tensors
from nanobrag_torch.physics.slopes import Sloped
from nanobrag_torch.simulator import Simulation

PHYSICS = [module.name for module in pkgutil.iter_modules(nanobrag_torch.physics.__path__)]
NAMES = {"Array": tensors.Array, "Bool": jaxtyping.Bool, "Float": jaxtyping.Float, "torch": torch}
BASE = "-cell 50 60 70 80 95 100 -N 4 -lambda 1.2 -distance 60 -pixel 0.5 -detpixels 6 -defects none"
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
    "source table": "-default_F 20 -sourcefile sources.txt",
    "orientations": "-default_F 20 -mosaic 0.4 -mosaic_dom 3 -phisteps 2 -osc 1",
    "historic": "-default_F 20 -mosaic 0.4 -mosaic_dom 3 -misset random -misset_seed 3 -curved_det -defects historic",
    "random": "-default_F 20 -misset random -misset_seed 3",
    "matrix": "-default_F 20 -mat A.mat -xds -twotheta 3",
    "limited": "-default_F 20 -dmin 3 -water 5 -nopolar",
}


def public_functions():
    for name in PHYSICS:
        module = importlib.import_module(f"nanobrag_torch.physics.{name}")
        for public_name, member in vars(module).items():
            own = inspect.isfunction(member) and member.__module__ == module.__name__
            if own and not public_name.startswith("_"):
                yield inspect.unwrap(member)


def shapes_of(owner) -> dict[str, object]:
    """The annotations of a function or of a class that state a shape, by name."""
    hints = typing.get_type_hints(owner, localns=NAMES)
    return {name: hint for name, hint in hints.items() if states_shape(hint)}


def states_shape(hint) -> bool:
    """Whether an annotation, or a member of a union or a sequence of it, is one of jaxtyping."""
    return getattr(hint, "__module__", "") == "jaxtyping" or any(map(states_shape, typing.get_args(hint)))


def check_fields(record) -> None:
    """Fields of a named tuple or dataclass, and of those that it holds, have the shapes that their class states."""
    module = type(record).__module__
    if module == Sloped.__module__ or not module.startswith("nanobrag_torch.physics."):
        return
    with jaxtyping.jaxtyped("context"):
        for name, hint in shapes_of(type(record)).items():
            value = getattr(record, name)
            value = float(value) if type(value) is int else value
            fits = any(isinstance(value, kind) for kind in typing.get_args(hint) or (hint,))
            assert fits, f"{type(record).__name__}.{name}: {value!r} is not {hint}"
    for value in record if isinstance(record, tuple) else vars(record).values():
        check_fields(value)


@pytest.fixture
def checked(monkeypatch, tmp_path):
    """Every function that states shapes checks them when it is called; the names of those that were called."""
    called: set[str] = set()
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "nanobrag_torch"]
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "never")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "A.mat").write_text("0.02 0.003 0.001\n0.001 0.018 0.002\n0 0.001 0.016\n")
    (tmp_path / "sources.txt").write_text("-10 0 0 1 1.2e-10\n-10 0.1 0 2 1.3e-10\n")
    (tmp_path / "f.hkl").write_text("".join(f"{h} {k} {l} 9\n" for h in range(-4, 5) for k in (0, 1) for l in (0, 1)))
    for function in list(public_functions()):
        monkeypatch.setattr(function, "__annotations__", shapes_of(function))
        counted = checking(function, called)
        for module in modules:
            if vars(module).get(function.__name__) is function:
                monkeypatch.setattr(module, function.__name__, counted)
    return called


def checking(function, called: set[str]):
    """The function with its shapes checked, and the fields of what it returns."""
    checked_function = jaxtyping.jaxtyped(typechecker=beartype(conf=BeartypeConf(is_pep484_tower=True)))(function)

    @functools.wraps(function)
    def counted(*arguments, **options):
        if function.__annotations__:
            called.add(f"{function.__module__}.{function.__name__}")
        result = checked_function(*arguments, **options)
        check_fields(result)
        return result

    return counted


@pytest.mark.parametrize("hooks", [None, lambda name, value, place: value], ids=["numpy", "torch"])
def test_shapes_are_as_stated(checked, hooks):
    """Without hooks the set-up is worked out by numpy, with them by torch. No function's statement goes untested."""
    for line in LINES.values():
        experiment = parse([*BASE.split(), *line.split()]).experiment
        assert torch.isfinite(Simulation(experiment, hooks=hooks).image()).all(), line
    assert sources.spectra_m(sampling.Grid(3, 0.02, 0.01), np.array([1.1e-10, 1.2e-10]), 6).shape == (2, 6)
    n_cells = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    crystal = replace(experiment.crystal, n_cells=(n_cells, n_cells, n_cells))
    Simulation(replace(experiment, crystal=crystal), hooks=hooks).image().sum().backward()
    assert torch.isfinite(n_cells.grad)
    stated = {f"{function.__module__}.{function.__name__}" for function in public_functions() if shapes_of(function)}
    uncalled = sorted(stated - checked)
    assert uncalled == []


def test_a_wrong_shape_is_noticed(checked):
    scattering = importlib.import_module("nanobrag_torch.physics.scattering")
    q_per_m, real_m = torch.zeros((3, 4), dtype=torch.float64), torch.zeros((2, 3, 3), dtype=torch.float64)
    assert scattering.fractional_indices(q_per_m, real_m).shape == (3, 2, 4)
    with pytest.raises(jaxtyping.TypeCheckError):
        scattering.fractional_indices(q_per_m.T, real_m)

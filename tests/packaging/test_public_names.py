"""`from nanobrag_torch import ...`: what `__all__` lists is there; torch is imported on first need."""

import ast
import subprocess
import sys

import pytest

import nanobrag_torch
from nanobragg_tables.__main__ import REPOSITORY

LITERALS = ("Convention", "CrystalShape", "Pivot")  # types made of words, which have no name of their own


@pytest.mark.parametrize("name", nanobrag_torch.__all__)
def test_every_public_name_is_there(name):
    value = getattr(nanobrag_torch, name)
    assert value is not None
    assert name in dir(nanobrag_torch)
    if callable(value) and name not in LITERALS:
        assert value.__name__ == name


def test_checkers_see_the_names_that_users_get():
    tree = ast.parse((REPOSITORY / "src/nanobrag_torch/__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    for_checkers = {alias.name: node.module for node in block.body for alias in node.names}
    homes = {name: f"nanobrag_torch.{home}" for name, home in nanobrag_torch._HOME.items()}
    assert for_checkers == homes
    assert sorted([*homes, "__version__"]) == sorted(nanobrag_torch.__all__)


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'Crysta'"):
        nanobrag_torch.Crysta  # noqa: B018


def test_importing_the_package_imports_no_torch():
    program = "import sys, nanobrag_torch as package; package.read_reflections; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_an_image_and_its_derivative_by_the_public_names_alone():
    import torch

    from nanobrag_torch import Beam, Crystal, Detector, Experiment, StructureFactors, simulate

    a_A = torch.tensor(50.0, dtype=torch.float64, requires_grad=True)
    experiment = Experiment(
        crystal=Crystal(cell_lengths_A=(a_A, 60.0, 70.0), n_cells=(5, 5, 5)),
        beam=Beam(wavelength_m=1e-10),
        detector=Detector(n_fast=24, n_slow=16, distance_m=0.05, oversample=1),
        structure_factors=StructureFactors(default_F=100.0),
    )
    image = simulate(experiment, device="cpu", dtype=torch.float64, image_dtype=torch.float64)
    assert image.shape == (16, 24)
    assert image.sum() > 0
    (derivative,) = torch.autograd.grad(image.sum(), a_A)
    assert derivative.isfinite() and derivative != 0

"""Derivatives of random experiments by all their parameters: four paths against each other, differences, and C.

25 experiments by default; NB_GRADIENT_SEEDS=400 (make gradients-fuzz) for more, then all of them compiled too.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from random import Random

import pytest
import torch

from nanobrag_torch.backends import eager
from nanobrag_torch.backends.compiled import cache, selection
from nanobrag_torch.simulator import Simulation
from tests.c_program import HAS_COMPILER
from tests.gradients import random_experiments
from trace_audit.derivatives.gradient_case import CProgram, same_pivot

SEEDS = range(int(os.environ.get("NB_GRADIENT_SEEDS", "25")))
COMPILED_EVERY = 1 if len(SEEDS) > 25 else 8
ZERO, ONE = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
OF_DIFFERENCES = 1e-6  # of the largest change of a pixel, beside rounding of the brightest
OF_PATHS = {"tiles": 1e-10, "compiled": 1e-8}  # of what the largest derivative of all adds along the direction
ROUNDING = 1e-11


@pytest.fixture(autouse=True)
def never(monkeypatch, compiled_code):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")


def tangent(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own rules use its deprecated script compiler
        return torch.func.jvp(case.along, (ZERO,), (ONE,))[1]


def gradient(case, weights):
    return gradient_and_path(case, weights)[0]


def gradient_and_path(case, weights, but=()):
    """The gradient by all parameters, 0 by those called `but`, and what made it."""
    leaves = case.start.clone().requires_grad_()
    values = [leaf.detach() if row.name in but else leaf for row, leaf in zip(case.rows, leaves, strict=True)]
    simulation = Simulation(case.at(values), dtype=torch.float64)
    image = simulation.image(image_dtype=torch.float64)
    (gradient,) = torch.autograd.grad((image * weights).sum(), leaves)
    return gradient, simulation.explain().derivative


def compiled_gradient(case, weights, whole):
    """The gradient by compiled code and that by eager code; None where this experiment is not compiled."""
    for but in ((), ("default_F",)):
        gradient, path = gradient_and_path(case, weights, but)
        if "compiled: " in path:
            return gradient, whole * torch.tensor([row.name not in but for row in case.rows])
    return None


@pytest.fixture
def check_near(record_property):
    """Check that two tensors agree, and record their difference for tests.gradients.fuzz_numbers."""

    def check(quantity, got, expected, tolerance, scale, case):
        assert bool(torch.isfinite(got).all()), f"{quantity}: {case.line}"
        off = float((got - expected).abs().max()) / scale if scale else 0.0
        record_property(quantity, off)
        assert off <= tolerance, f"{quantity}: {off:.2e} off, expected {tolerance:.0e} of {scale:.2e}: {case.line}"

    return check


@pytest.mark.parametrize("seed", SEEDS)
def test_four_paths_and_differences(seed, tmp_path, monkeypatch, check_near):
    case = random_experiments.case(seed, tmp_path)
    assert len(case.rows) >= 12, "parameters of every kind"
    brightest = float(case.image(case.start).max())
    numeric, smooth = random_experiments.differences(case)
    forward = tangent(case)
    largest = float(forward.abs().max()) + ROUNDING / OF_DIFFERENCES * brightest
    check_near("forward against differences", forward * smooth, numeric * smooth, OF_DIFFERENCES, largest, case)
    weights = torch.rand(numeric.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.5
    whole = gradient(case, weights)
    scale = float((whole * case.direction).abs().max()) + ROUNDING * brightest
    change = (forward * weights).sum()
    terms = float((whole * case.direction).abs().sum()) + ROUNDING * brightest
    check_near("backward against forward", whole @ case.direction, change, 1e-9, terms, case)
    gradients = {}
    with monkeypatch.context() as patch:
        patch.setattr(eager, "PAIRS_PER_PASS", max(8, Simulation(case.experiment).steps // 3))
        gradients["tiles"] = gradient(case, weights), whole
        check_near("forward by tiles", tangent(case), forward, 1e-9, largest, case)
    if seed % COMPILED_EVERY == 0 and HAS_COMPILER:
        monkeypatch.setenv(selection.MODE_VARIABLE, "always")
        gradients["compiled"] = compiled_gradient(case, weights, whole)
    for path, pair in gradients.items():
        if pair is not None:
            got, expected = (part * case.direction for part in pair)
            check_near(f"backward, {path}", got, expected, OF_PATHS[path], scale, case)


def image_of_the_c_program(case, experiment, row, program, folder):
    """The C program's image of a case with another value of one parameter."""
    counts = [f"-N{axis} {int(n)}" for axis, n in zip("abc", case.experiment.crystal.n_cells, strict=True)]
    sampled = f"-oversample {case.experiment.detector.oversample} -samplesize 0 {' '.join(counts)}".split()
    interpolated = "-interpolate" if case.experiment.structure_factors.interpolate else "-nointerpolate"
    arguments = [*case.words, *sampled, *row.flags(experiment, folder), interpolated, *same_pivot(case.experiment)]
    shape = tuple(case.image(case.start).shape)
    return torch.from_numpy(program.image(arguments, shape).copy())


def told_to_c(case):
    """The parameters of a case that the C program has a flag for, and does not round."""
    return [row for row in case.rows if row.flags is not None and not row.single]


# a pivot that a convention chose, no polarization, gaps of a table, sources without a wavelength, a matrix and no cell
@pytest.mark.parametrize("seed", [38, 152, 219, 380, 57])
def test_each_parameter_told_to_both_programs_makes_the_same_image(seed, c_binary, tmp_path):
    case = random_experiments.case(seed, tmp_path)
    for row in told_to_c(case):
        index = case.rows.index(row)
        moved = case.start.clone()
        moved[index] += 1000 * case.direction[index]
        image = image_of_the_c_program(case, case.at(moved), row, CProgram(c_binary), tmp_path)
        expected = case.image(moved)
        assert (image - expected).abs().max() <= 1e-9 * expected.max(), f"{row.name}: {case.line}"


@pytest.mark.parametrize("seed", SEEDS)
def test_one_parameter_of_the_c_program(seed, c_binary, tmp_path, check_near, record_property):
    """The derivative by one of the parameters, against differences of images of the C program."""
    case = random_experiments.case(seed, tmp_path)
    told = told_to_c(case)
    row = Random(seed).choice(told)
    record_property("parameter", row.name)
    index = case.rows.index(row)
    direction = torch.zeros_like(case.direction)
    direction[index] = 10 * case.direction[index]  # differences of decimals that are read
    alone = replace(case, direction=direction)
    _, smooth = random_experiments.differences(alone)
    expected = tangent(alone)
    program, images = CProgram(c_binary), {}
    for step in (-2, -1, 1, 2):
        experiment = alone.at(alone.start + step * direction)
        images[step] = image_of_the_c_program(case, experiment, row, program, tmp_path)
    near, far = (images[1] - images[-1]) / 2, (images[2] - images[-2]) / 4
    numeric = (4 * near - far) / 3
    largest = float(expected.abs().max()) + 1e-10 / 1e-5 * float(images[1].max())
    check_near("against the C program", expected * smooth, numeric * smooth, 1e-5, largest, case)

"""A refinement: stages from widened spots to the true spot size, from one or more starting points."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from nanobrag_torch.refine.config import SCALE, Config, ConfigError
from nanobrag_torch.refine.determined import Outlier, Undetermined, outliers, undetermined
from nanobrag_torch.refine.problem import Problem, load_problem
from nanobrag_torch.refine.solvers import SOLVERS, Stage, uncertainty
from nanobrag_torch.refine.targets import TARGETS

_COARSE_DECREASE = 0.01  # a stage with widened spots need not converge fully

Progress = Callable[[str, int, int], None]  # current activity, steps done, steps in all


@dataclass(frozen=True)
class Step:
    """One iteration of the record: target per pixel and the values."""

    start: int
    cells_factor: float
    iteration: int
    target_per_pixel: float
    values: list[float]


@dataclass(frozen=True)
class Refinement:
    """The outcome. `covariance` (parameters, parameters) in the units of the parameters; `steps`: every iteration."""

    problem: Problem
    start: torch.Tensor
    values: torch.Tensor
    covariance: torch.Tensor
    target: str
    method: str
    target_per_pixel: float
    start_target_per_pixel: float
    converged: bool
    seconds: float
    steps: list[Step] = field(default_factory=list)
    frozen: tuple[Undetermined, ...] = ()  # not determined: kept at their start
    outliers: tuple[Outlier, ...] = ()  # with any, it has not converged

    @property
    def sigmas(self) -> torch.Tensor:
        """Uncertainty of each parameter; infinite where the images do not determine it."""
        return self.covariance.diagonal().clamp(min=0.0).sqrt()

    @property
    def correlation(self) -> torch.Tensor:
        """(parameters, parameters); not finite where the images do not determine the parameters."""
        return self.covariance / torch.outer(self.sigmas, self.sigmas)


def refine(config: Config, folder: Path = Path(), progress: Progress | None = None) -> Refinement:
    """Run the refinement of a configuration; files are relative to `folder`. Raises ExperimentError with one line."""
    began = time.perf_counter()
    problem, frozen = _determined(config, load_problem(config, folder))
    best: Refinement | None = None
    steps: list[Step] = []
    for number, start in enumerate(_starts(config, problem)):
        outcome = _from_start(config, problem, number, start, steps, progress)
        if best is None or outcome.target_per_pixel < best.target_per_pixel:
            best = outcome
    assert best is not None
    odd = tuple(outliers(_stages(config, problem)[-1], problem, best.values))
    return replace(
        best,
        start=problem.start,
        seconds=time.perf_counter() - began,
        steps=steps,
        frozen=frozen,
        outliers=odd,
        converged=best.converged and not odd and bool(torch.isfinite(best.sigmas).all()),
    )


def _determined(config: Config, problem: Problem) -> tuple[Problem, tuple[Undetermined, ...]]:
    """The problem without the parameters that the images do not determine at the start, and those parameters."""
    values = _rescaled(problem, problem.start, 1.0)
    frozen = undetermined(problem.names, _stages(config, problem)[-1].curvature(values)[2])
    if frozen and config.undetermined == "refuse":
        raise ConfigError(f"parameters: {'; '.join(map(str, frozen))}: expected parameters that the images determine")
    if len(frozen) == len(problem.names):
        raise ConfigError(f"parameters: {'; '.join(map(str, frozen))}: expected one that the images determine")
    return problem.without([parameter.name for parameter in frozen]), tuple(frozen)


def _stages(config: Config, problem: Problem) -> list[Stage]:
    return [
        Stage(
            problem,
            TARGETS[config.target](),
            factor,
            config.max_iterations,
            config.tolerance_sigma,
            0.0 if factor == config.cells_factors[-1] else _COARSE_DECREASE,
        )
        for factor in config.cells_factors
    ]


def _starts(config: Config, problem: Problem) -> list[torch.Tensor]:
    """Starting points: the values of the flags, then uniform random points around them."""
    generator = torch.Generator().manual_seed(config.seed)
    spread = torch.tensor([config.start_spread.get(name, 0.0) for name in problem.names], dtype=torch.float64)
    draws = 2.0 * torch.rand(config.starts, len(problem.names), generator=generator, dtype=torch.float64) - 1.0
    draws[0] = 0.0
    return [problem.start + (draw * spread).to(problem.device) for draw in draws]


def _from_start(
    config: Config, problem: Problem, number: int, start: torch.Tensor, steps: list[Step], progress: Progress | None
) -> Refinement:
    values, converged = start, False
    total = config.starts * len(config.cells_factors)
    stages = _stages(config, problem)
    before = stages[-1].tried(_rescaled(problem, start, 1.0))
    for index, stage in enumerate(stages):

        def report(iteration: int, at: torch.Tensor, value: float, stage: Stage = stage, index: int = index) -> None:
            steps.append(Step(number, stage.cells_factor, iteration, value / problem.pixels, at.tolist()))
            if progress:
                text = f"start {number + 1}, cells x {stage.cells_factor:g}, iteration {iteration}, "
                text += f"target per pixel {value / problem.pixels:.5g}"
                progress(text, number * len(stages) + index, total)

        values = _rescaled(problem, values, stage.cells_factor)
        values, converged = SOLVERS[config.method](stage, values, report)
    value, pixels = stages[-1].tried(values), problem.pixels
    return Refinement(
        problem=problem,
        start=start,
        values=values,
        covariance=uncertainty(stages[-1], values),
        target=config.target,
        method=config.method,
        target_per_pixel=value / pixels,
        start_target_per_pixel=before / pixels,
        converged=converged,
        seconds=0.0,
    )


def _rescaled(problem: Problem, values: torch.Tensor, cells_factor: float) -> torch.Tensor:
    """The values with `scale` chosen so that the predicted photons add up to the measured ones."""
    if SCALE not in problem.names:
        return values
    index = problem.names.index(SCALE)
    unscaled = values.clone()
    unscaled[index] = 1.0
    with torch.no_grad():
        predicted = sum(float(problem.predicted(unscaled, image, cells_factor).sum()) for image in problem.images)
    measured = sum(float(image.photons.sum()) for image in problem.images)
    if not (predicted > 0 and measured > 0):
        raise ConfigError("scale: no photons are measured or predicted, expected images with signal")
    unscaled[index] = measured / predicted
    return unscaled

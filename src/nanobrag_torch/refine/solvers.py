"""Two minimisers: Levenberg-Marquardt with the Fisher matrix, and torch's L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce

import torch

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.refine.problem import Problem
from nanobrag_torch.refine.targets import Target

_FIRST_DAMPING = 1e-3
_LEAST_DAMPING = 1e-10
_MOST_DAMPING = 1e10
_RAISE, _LOWER = 5.0, 6.0
_RIDGE = 1e-8

Report = Callable[[int, torch.Tensor, float], None]  # iteration, values, target


@dataclass(frozen=True)
class Stage:
    """The target as a function of the values (parameters,), with the crystal's cell counts times a factor.

    `least_decrease`: an iteration that lowers the target by a smaller share ends the stage; with 0 only
    `tolerance_sigma` ends it.
    """

    problem: Problem
    target: Target
    cells_factor: float
    max_iterations: int
    tolerance_sigma: float
    least_decrease: float = 0.0

    def value(self, values: torch.Tensor) -> torch.Tensor:
        """The target; differentiable by reverse mode."""
        images = self.problem.images
        parts = [self.problem.predicted(values, image, self.cells_factor) for image in images]
        return reduce(
            torch.add, [self.target.value(part, image.photons) for part, image in zip(parts, images, strict=True)]
        )

    def tried(self, values: torch.Tensor) -> float:
        """The target as a number; infinite if the experiment is impossible."""
        with torch.no_grad():
            try:
                target = float(self.value(values))
            except ExperimentError:
                return float("inf")
        return target if target == target else float("inf")

    def curvature(self, values: torch.Tensor) -> tuple[float, torch.Tensor, torch.Tensor]:
        """Target, half its steepest descent (parameters,), and Fisher matrix J^T W J (parameters, parameters)."""
        value, count = 0.0, values.shape[0]
        descent, fisher = values.new_zeros(count), values.new_zeros(count, count)
        for image in self.problem.images:
            predicted, jacobian = self.problem.with_jacobian(values, image, self.cells_factor)
            weighted = jacobian * self.target.weights(predicted).unsqueeze(1)
            value += float(self.target.value(predicted, image.photons))
            descent = descent + weighted.T @ (image.photons - predicted)
            fisher = fisher + weighted.T @ jacobian
        return value, descent, fisher


def uncertainty(stage: Stage, values: torch.Tensor) -> torch.Tensor:
    """Covariance of the values (parameters, parameters).

    The inverse Fisher matrix if the target knows the variance of a pixel. Otherwise F^-1 M F^-1 with M = J^T W^2 r^2 J,
    where each pixel's variance is taken from its residual r.
    """
    _, _, fisher = stage.curvature(values)
    if stage.target.known_variance:
        return covariance(fisher, 1.0)
    scatter = torch.zeros_like(fisher)
    for image in stage.problem.images:
        predicted, jacobian = stage.problem.with_jacobian(values, image, stage.cells_factor)
        residual = (image.photons - predicted) * stage.target.weights(predicted)
        weighted = jacobian * residual.unsqueeze(1)
        scatter = scatter + weighted.T @ weighted
    inverse = covariance(fisher, 1.0)
    return inverse @ scatter @ inverse if bool(torch.isfinite(inverse).all()) else inverse


def sigmas(fisher: torch.Tensor, factor: float) -> torch.Tensor:
    """Uncertainties (parameters,): roots of the diagonal of the inverse Fisher matrix; infinite where it has none."""
    return covariance(fisher, factor).diagonal().clamp(min=0.0).sqrt()


def covariance(fisher: torch.Tensor, factor: float) -> torch.Tensor:
    """Inverse Fisher matrix times the variance factor; infinite where the matrix is singular."""
    scale = fisher.diagonal().sqrt()
    if not bool((scale > 0).all()):
        return torch.full_like(fisher, torch.inf)
    scaled = fisher / torch.outer(scale, scale)
    if float(torch.linalg.eigvalsh(scaled)[0]) < 1e-13:
        return torch.full_like(fisher, torch.inf)
    inverse: torch.Tensor = torch.linalg.inv(scaled)
    return factor * inverse / torch.outer(scale, scale)


def levenberg_marquardt(stage: Stage, values: torch.Tensor, report: Report) -> tuple[torch.Tensor, bool]:
    """Solve (F + d diag F) step = descent; d falls after a good step. Returns the values and whether they converged."""
    damping = _FIRST_DAMPING
    for iteration in range(stage.max_iterations):
        value, descent, fisher = stage.curvature(values)
        report(iteration, values, value)
        diagonal = fisher.diagonal().clamp(min=torch.finfo(torch.float64).tiny)
        sigma = sigmas(fisher, _factor(stage, value))
        while True:
            step = torch.linalg.lstsq(fisher + torch.diag(damping * diagonal), descent).solution
            small = bool((torch.isfinite(sigma) & (step.abs() <= stage.tolerance_sigma * sigma)).all())
            trial = stage.tried(values + step)
            if trial <= value:
                break
            if small or damping > _MOST_DAMPING:
                return values, small
            damping *= _RAISE
        values, damping = values + step, max(damping / _LOWER, _LEAST_DAMPING)
        if small or value - trial < stage.least_decrease * value:
            report(iteration + 1, values, trial)
            return values, True
    return values, False


def lbfgs(stage: Stage, values: torch.Tensor, report: Report) -> tuple[torch.Tensor, bool]:
    """torch.optim.LBFGS with a strong-Wolfe line search, in coordinates that make the initial Fisher matrix 1.

    One unit is one standard deviation. The coordinates are computed again whenever the search stalls.
    """
    iteration = 0
    while iteration < stage.max_iterations:
        value, _, fisher = stage.curvature(values)
        before = values
        for values_now, size, reached in _descend(stage, before, fisher, _factor(stage, value), report, iteration):
            values, iteration = values_now, iteration + 1
            little, value = value - reached < stage.least_decrease * value, reached
            if size <= stage.tolerance_sigma or little:
                report(iteration, values, reached)
                return values, True
            if iteration == stage.max_iterations:
                break
        if values is before:
            break
    return values, False


def _descend(
    stage: Stage, origin: torch.Tensor, fisher: torch.Tensor, factor: float, report: Report, iteration: int
) -> Iterator[tuple[torch.Tensor, float, float]]:
    """Yield values, the largest slope in standard deviations, and the target, until a step no longer moves them."""
    diagonal = fisher.diagonal().clamp(min=torch.finfo(torch.float64).tiny)
    root = torch.linalg.cholesky((fisher + _RIDGE * torch.diag(diagonal)) / factor)
    unit = torch.zeros_like(origin, requires_grad=True)
    optimizer = torch.optim.LBFGS([unit], max_iter=1, history_size=20, line_search_fn="strong_wolfe",
                                  tolerance_grad=0.0, tolerance_change=0.0)  # fmt: skip

    def at() -> torch.Tensor:
        step: torch.Tensor = torch.linalg.solve_triangular(root.T, unit.unsqueeze(1), upper=True).squeeze(1)
        return origin + step

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = stage.value(at()) / factor
        loss.backward()
        return loss

    while True:
        report(iteration, at().detach(), float(closure().detach()) * factor)
        before = unit.detach().clone()
        optimizer.step(closure)
        if bool((unit.detach() == before).all()):
            return
        iteration += 1
        value = float(closure().detach()) * factor
        slope = torch.zeros_like(unit) if unit.grad is None else unit.grad
        yield at().detach(), float(slope.abs().max()) / 2.0, value


def _factor(stage: Stage, value: float) -> float:
    return stage.target.variance_factor(value, stage.problem.pixels - len(stage.problem.names))


SOLVERS = {"levenberg_marquardt": levenberg_marquardt, "lbfgs": lbfgs}

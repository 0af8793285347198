"""Which parameters the images determine, and which single pixels decide a refinement."""

from __future__ import annotations

from typing import NamedTuple

import torch

from nanobrag_torch.refine.problem import Problem
from nanobrag_torch.refine.solvers import Stage

LEAST_SHARE = 1e-10  # share of a parameter's effect that no combination of earlier parameters explains
_PARTNER = 1e-3  # share of the effect: parameters with a smaller part in the combination are not named
_OUTLIER_SIGMAS = 20.0
_OUTLIER_SHARE = 0.5  # of the target


class Undetermined(NamedTuple):
    """A parameter that the images do not determine: alone (no partner), or beside its partners."""

    name: str
    partners: tuple[str, ...]

    def __str__(self) -> str:
        if not self.partners:
            return f"{self.name} changes no pixel of the images"
        return f"{self.name} changes the images as {' and '.join(self.partners)} can"


def undetermined(names: tuple[str, ...], fisher: torch.Tensor) -> list[Undetermined]:
    """The parameters, in the order of `names`, that have no effect or only that of a combination of earlier ones."""
    frozen: list[Undetermined] = []
    kept: list[int] = []
    scale = fisher.diagonal().clamp(min=0.0).sqrt()
    scaled = fisher / torch.outer(scale, scale)
    for index, name in enumerate(names):
        if not (bool(torch.isfinite(scale[index])) and float(scale[index]) > 0):
            frozen.append(Undetermined(name, ()))
            continue
        if kept:
            weights = torch.linalg.lstsq(scaled[kept][:, kept], scaled[kept, index].unsqueeze(1)).solution[:, 0]
            if 1.0 - float(weights @ scaled[kept, index]) < LEAST_SHARE:
                partners = [
                    names[i] for i, weight in zip(kept, weights.tolist(), strict=True) if abs(weight) > _PARTNER
                ]
                frozen.append(Undetermined(name, tuple(partners)))
                continue
        kept.append(index)
    return frozen


class Outlier(NamedTuple):
    """A single pixel that decides a refinement."""

    image: str
    fast: int
    slow: int
    measured: float
    predicted: float
    share: float  # of the target

    def __str__(self) -> str:
        return (
            f"{self.image}: pixel fast {self.fast} slow {self.slow} holds {self.measured:.4g} photons where "
            f"{self.predicted:.4g} are predicted, {self.share:.0%} of the target; mask it if it is wrong"
        )


def outliers(stage: Stage, problem: Problem, values: torch.Tensor) -> list[Outlier]:
    """Pixels that make up most of the target and are far from their predicted photons."""
    deciding, total = [], 0.0
    for image in problem.images:
        with torch.no_grad():
            predicted = problem.predicted(values, image)
        each = stage.target.each(predicted, image.photons)
        total += float(each.sum())
        worst = int(each.argmax())
        deciding.append((image, worst, float(each[worst]), float(image.photons[worst]), float(predicted[worst])))
    return [
        Outlier(image.name, int(image.fast[at]), int(image.slow[at]), measured, expected, value / total)
        for image, at, value, measured, expected in deciding
        if value > _OUTLIER_SHARE * total and abs(measured - expected) > _OUTLIER_SIGMAS * max(expected, 1.0) ** 0.5
    ]

"""A gradient against central differences of float64 images, along a random direction."""

from __future__ import annotations

from collections.abc import Callable

import torch

from nanobrag_torch.parameters import Experiment
from nanobrag_torch.simulator import simulate


def image(experiment: Experiment) -> torch.Tensor:
    return simulate(experiment, image_dtype=torch.float64)


def check_gradient(start: object, scale: float, build: Callable[..., Experiment], floor: float = 1e-7) -> None:
    """The error of central differences of an image of 5 x 6 pixels must fall as the square of the step."""
    value = torch.as_tensor(start, dtype=torch.float64).clone().requires_grad_()
    generator = torch.Generator().manual_seed(7)
    direction = torch.rand(value.shape, dtype=torch.float64, generator=generator) + 0.5
    weight = torch.rand(5, 6, dtype=torch.float64, generator=generator)
    (gradient,) = torch.autograd.grad((image(build(value)) * weight).sum(), value)
    analytic = float((gradient * direction).sum())
    assert analytic != 0.0
    errors = []
    for step in (scale, scale / 4):
        with torch.no_grad():
            above, below = (image(build(value + sign * step * direction)) for sign in (1, -1))
        numeric = float(((above - below) * weight).sum()) / (2 * step)
        errors.append(abs(numeric - analytic) / abs(analytic))
    assert errors[1] < 2e-5, errors
    assert errors[1] < errors[0] / 8 or errors[1] < floor, errors

"""The checks of torch.autograd: first derivatives, and second derivatives where they are supported."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch.simulator import simulate
from tests.gradients.test_gradients import BASE

PROMISED = {
    "cell lengths": ([50.0, 60.0, 70.0], "crystal", "cell_lengths_A"),
    "cell angles": ([80.0, 95.0, 100.0], "crystal", "cell_angles_deg"),
    "right angles": ([90.0, 90.0, 90.0], "crystal", "cell_angles_deg"),
    "misset": ([10.0, 20.0, 30.0], "crystal", "misset_deg"),
    "distance": (0.08, "detector", "distance_m"),
    "beam centre": (0.012, "detector", "Xbeam_m"),
}
SHAPES = ["SQUARE", "ROUND", "GAUSS"]


def photons_of(group, name, shape):
    base = replace(
        BASE,
        crystal=replace(BASE.crystal, shape=shape, mosaic_domains=2, fudge=1e-3 if shape == "GAUSS" else 1.0),
        detector=replace(BASE.detector, n_fast=2, n_slow=2, pixel_size_m=1e-2),
    )
    typical = float(simulate(base).max())

    def photons(value):
        changed = replace(base, **{group: replace(getattr(base, group), **{name: value})})
        return simulate(changed, image_dtype=torch.float64) / typical

    return photons


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("parameter", PROMISED)
def test_second_derivatives(parameter, shape):
    start, group, name = PROMISED[parameter]
    value = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    photons = photons_of(group, name, shape)
    assert torch.autograd.grad(photons(value).sum(), value)[0].abs().max() > 0
    step = 1e-7 * max(float(value.detach().abs().max()), 1e-2)
    # the bound is that of the differences: for the beam centre they are off by more than 1e-6 with steps this small
    assert torch.autograd.gradcheck(photons, (value,), eps=step, atol=1e-5, rtol=1e-5)
    assert torch.autograd.gradgradcheck(photons, (value,), eps=step, atol=1e-5, rtol=1e-5)


def test_cell_counts_as_real_numbers():
    """The C program has whole counts only; here central differences of torch's own images, to rounding."""
    counts = torch.tensor([6.3, 5.2, 4.1], dtype=torch.float64, requires_grad=True)

    def photons(n):
        return simulate(
            replace(BASE, crystal=replace(BASE.crystal, n_cells=tuple(n.unbind()))), image_dtype=torch.float64
        )

    (gradient,) = torch.autograd.grad(photons(counts).square().sum(), counts)
    for axis in range(3):
        errors = []
        for step in (1e-2, 1e-3, 1e-4):
            move = torch.zeros(3, dtype=torch.float64)
            move[axis] = step
            with torch.no_grad():
                above, below = (photons(counts + sign * move).square().sum() for sign in (1, -1))
            errors.append(abs(float((above - below) / (2 * step) / gradient[axis]) - 1))
        assert errors[1] < errors[0] / 50 and errors[2] < errors[1] / 50
        assert errors[2] < 1e-6

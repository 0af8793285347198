"""Gradients of what the corrections compute (`-defects none`), against central differences in float64."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from nanobrag_torch.parameters import Experiment
from nanobrag_torch.physics.mosaic import tilts_rad
from tests.gradients.differences import check_gradient
from tests.gradients.test_gradients import BASE as HISTORIC

BASE = replace(HISTORIC, defects=frozenset())
THICK = {"thickness_m": 3e-4, "attenuation_per_m": 3e3, "thick_steps": 3}


def changed(group: str, **values) -> Experiment:
    return replace(BASE, **{group: replace(getattr(BASE, group), **values)})


def with_water(size) -> Experiment:
    wet = changed("detector", **THICK, oversample=2)
    return replace(wet, structure_factors=replace(BASE.structure_factors, water_size_m=size, d_min_m=8e-10))


def tilted(**values) -> Experiment:
    return changed("detector", twotheta_rad=0.3, roty_rad=0.1, **values)


# name: (starting value, scale of a step, experiment of that value)
PARAMETERS = {
    "mosaic spread": (0.01, 1e-5, lambda v: changed("crystal", mosaic_spread_rad=v)),
    "wide mosaic spread": (1.5, 1e-5, lambda v: changed("crystal", mosaic_spread_rad=v, n_cells=(2, 2, 2))),
    "mosaic spread of a quadrature": (
        0.01, 1e-5, lambda v: changed("crystal", mosaic_spread_rad=v, mosaic_quadrature=True),
    ),
    "spindle range": (0.5, 1e-3, lambda v: replace(BASE, spindle=replace(BASE.spindle, osc_deg=v))),
    "close distance about the beam spot": (0.08, 1e-6, lambda v: tilted(close_distance_m=v)),
    "two-theta of a kept close distance": (
        0.3, 1e-5, lambda v: changed("detector", close_distance_m=0.08, twotheta_rad=v),
    ),
    "near point of a panel about the beam spot": (0.016, 1e-6, lambda v: tilted(Xclose_m=v)),
    "near point along the other axis": (0.014, 2e-7, lambda v: tilted(Yclose_m=v)),
    "depth of oblique layers": (3e-4, 1e-8, lambda v: tilted(**{**THICK, "thickness_m": v})),
    "radius of a curved detector": (0.08, 1e-6, lambda v: tilted(curved=True, distance_m=v, **THICK)),
    "two-theta of a curved detector": (0.2, 1e-5, lambda v: changed("detector", curved=True, twotheta_rad=v, **THICK)),
    "range of a divergence grid": (2e-3, 1e-6, lambda v: changed("beam", hdiv_range_rad=v, hdiv_steps=3)),
    "step of a divergence grid": (
        7e-4, 1e-6, lambda v: changed("beam", hdiv_range_rad=2e-3, hdiv_step_rad=v),
    ),
    "water": (5e-6, 1e-9, with_water),
    "cell of Gaussian spots": (
        (50.0, 60.0, 70.0), 1e-3, lambda v: changed("crystal", shape="GAUSS", fudge=0.05, cell_lengths_A=v),
    ),
    "angles of a triclinic cell": ((80.0, 95.0, 100.0), 1e-3, lambda v: changed("crystal", cell_angles_deg=v)),
}  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
def test_derivative_along_a_random_direction(name):
    check_gradient(*PARAMETERS[name])


@pytest.mark.parametrize("spread", [0.05, 0.5, 3.0])
def test_tilts_have_first_and_second_derivatives(spread):
    shares = torch.tensor([1e-3, 0.3, 0.9], dtype=torch.float64)
    value = torch.tensor(spread, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: tilts_rad(shares, s), (value,), eps=1e-6 * spread)
    assert torch.autograd.gradgradcheck(lambda s: tilts_rad(shares, s), (value,), eps=1e-5 * spread, atol=1e-5)


def test_tilts_solve_their_equation():
    shares = torch.linspace(1e-9, 1 - 1e-9, 101, dtype=torch.float64)
    for spread in (1e-4, 0.1, 1.0, math.pi):
        s = torch.tensor(spread, dtype=torch.float64)
        tilt = tilts_rad(shares, s)
        assert (tilt > 0).all() and (tilt <= s * (1 + 1e-15)).all()
        if spread >= 1.0:
            share = (tilt - torch.sin(tilt)) / (s - torch.sin(s))
            assert (share - shares).abs().max() < 1e-14
        elif spread <= 1e-4:
            assert (tilt / s / shares ** (1 / 3) - 1).abs().max() < 1e-9

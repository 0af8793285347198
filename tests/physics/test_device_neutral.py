"""The pass over pixels runs wherever its tensors are: nothing in it is pinned to the host."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch import integrate
from nanobrag_torch.parameters import Beam
from nanobrag_torch.simulator import Simulation
from tests.physics.helpers import per_term, small


def to_device(value, device):
    """Every tensor of a nest of named tuples moved."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        moved = [to_device(item, device) for item in value]
        return type(value)(*moved) if hasattr(value, "_fields") else tuple(moved)
    return value


BASE = small()
EXPERIMENTS = {
    "square": BASE,
    "round": replace(BASE, crystal=replace(BASE.crystal, shape="ROUND")),
    "gauss": replace(BASE, crystal=replace(BASE.crystal, shape="GAUSS")),
    "tophat": replace(BASE, crystal=replace(BASE.crystal, shape="TOPHAT")),
    "interpolated": replace(BASE, structure_factors=replace(BASE.structure_factors, interpolate=True)),
    "resolution_limit": replace(BASE, structure_factors=replace(BASE.structure_factors, d_min_m=4e-10)),
    "per_term": per_term(BASE),
    "curved": replace(BASE, detector=replace(BASE.detector, curved=True)),
    "divergent": replace(BASE, beam=Beam(hdiv_range_rad=1e-3, hdiv_steps=3, vdiv_range_rad=1e-3, vdiv_steps=3)),
    "running_product": replace(BASE, defects=frozenset({"running_product", "last_value_factors"})),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_tensor_of_the_pass_is_made_on_the_host(name, dtype):
    """On the meta device any mixture with a host tensor raises, and reading a value raises too."""
    model = to_device(Simulation(EXPERIMENTS[name], dtype=dtype).model, "meta")
    fast = torch.arange(50, device="meta")
    sums = integrate.integrate(model, fast, fast)
    assert sums.photons.device.type == "meta"
    assert sums.photons.shape == (50,)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_cuda_gives_the_image_of_the_cpu(name):
    from nanobrag_torch.simulator import simulate

    expected = simulate(EXPERIMENTS[name])
    got = simulate(EXPERIMENTS[name], device="cuda").cpu()
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6 * float(expected.max()))

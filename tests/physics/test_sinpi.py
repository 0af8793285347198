"""The sine of pi x by a polynomial."""

import pytest
import torch

from nanobrag_torch.physics.sinpi import sinpi


@pytest.mark.parametrize("dtype,limit", [(torch.float64, 7e-16), (torch.float32, 3e-7)], ids=["float64", "float32"])
def test_sinpi_is_the_sine(dtype, limit):
    """A few roundings of the type; in float64 half of them are those of pi x and of the sine compared with."""
    x = torch.linspace(-0.5, 0.5, 200_001, dtype=torch.float64)
    x = x[x != 0].to(dtype)
    exact = torch.sin(torch.pi * x.double())
    assert float((sinpi(x).double() / exact - 1).abs().max()) < limit

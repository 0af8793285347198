"""The text for a GPU, run thread by thread on the CPU, gives the images and derivatives of the kernel."""

from __future__ import annotations

import ctypes

import pytest
import torch

from nanobrag_torch.backends.compiled import selection
from nanobrag_torch.simulator import Simulation
from tests.gradients.test_compiled_derivatives import EXPERIMENTS, TIGHT, derivatives, used, whole_graph  # noqa: F401
from tests.physics.emulated_gpu import EmulatedGpu, emulate, needs_cpp

pytestmark = needs_cpp


@pytest.fixture
def gpu(tmp_path_factory, monkeypatch):
    emulate(monkeypatch, tmp_path_factory.getbasetemp() / "emulated")


CASES = [
    *(("one_sample", dtype, limit) for dtype, limit in ((torch.float64, 1e-9), (torch.float32, 2e-5))),
    *((name, torch.float64, 1e-9) for name in ("interpolated", "sources", "ROUND")),
]


@pytest.mark.parametrize("name,dtype,tolerance", CASES)
def test_derivatives(name, dtype, tolerance, gpu, used, monkeypatch, capfd):  # noqa: F811
    got, again = derivatives(EXPERIMENTS[name], dtype), derivatives(EXPERIMENTS[name], dtype)
    said = capfd.readouterr().err
    assert used and EmulatedGpu.launches and "not used" not in said, said
    whole_graph(monkeypatch)
    expected = derivatives(EXPERIMENTS[name], dtype)
    for leaf, value in expected.items():
        assert torch.equal(got[leaf], again[leaf]), leaf
        limit = TIGHT[dtype] if leaf in ("amplitudes", "default_F") else tolerance
        assert float((got[leaf] - value).abs().max()) <= limit * float(value.abs().max()), leaf


def test_the_order_of_blocks_changes_no_byte_of_what_is_by_amplitudes(gpu, monkeypatch):
    gradients = []
    for backwards in (0, 1):
        real = EmulatedGpu.__call__

        def ordered(self, *arguments, backwards=backwards, real=real):
            ctypes.c_int.in_dll(self._library, "backwards").value = backwards
            real(self, *arguments)

        monkeypatch.setattr(EmulatedGpu, "__call__", ordered)
        gradients.append(derivatives(EXPERIMENTS["one_sample"], torch.float64)["amplitudes"])
    assert torch.equal(*gradients) and gradients[0].any()


@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-6)], ids=["float64", "float32"])
def test_image(dtype, tolerance, gpu, monkeypatch, capfd):
    got = Simulation(EXPERIMENTS["one_sample"], dtype=dtype).image(image_dtype=torch.float64)
    said = capfd.readouterr().err
    assert EmulatedGpu.launches and "not used" not in said, said
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    expected = Simulation(EXPERIMENTS["one_sample"], dtype=dtype).image(image_dtype=torch.float64)
    assert float((got - expected).abs().max()) <= tolerance * float(expected.max())

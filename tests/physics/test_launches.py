"""The operations that an image needs on a GPU, on a device without values: reading a value raises here, as it would
make the host wait.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nanobrag_torch import nests
from nanobrag_torch.backends.compiled import gradient, launch, loading, selection
from nanobrag_torch.backends.compiled.compiler import Build
from nanobrag_torch.parameters import Beam
from nanobrag_torch.simulator import Simulation, graphs, making, simulate
from tests.physics.helpers import small
from tests.physics.test_one_transfer import Counted

BASE = small()


class FakeGpu:
    """A program that is launched and writes nothing."""

    launches: list[tuple[int, int]] = []

    def __call__(self, tensors, rays, orientations, *rest):
        self.launches.append((rays, orientations))
        assert all(tensor.device.type == "meta" and tensor.is_contiguous() for tensor in tensors)


@pytest.fixture
def gpu(monkeypatch):
    """Compiled code is launched on the meta device, and its images have been looked at before."""

    class Looked(dict):
        def get(self, key, default=None):
            return 2

    monkeypatch.setenv(selection.MODE_VARIABLE, "always")
    monkeypatch.setattr(selection, "not_compilable", lambda model: None)
    monkeypatch.setattr(selection, "package_of", lambda program, model, folder, build: Path(__file__))
    monkeypatch.setattr(launch, "about", lambda file: Build("0" * 64, "fake", []))
    monkeypatch.setattr(launch, "load", lambda file, device: FakeGpu())
    monkeypatch.setattr(making, "IMAGES", Looked())
    monkeypatch.setattr(FakeGpu, "launches", [])


def cost(work) -> tuple[list[str], int]:
    """Operations of torch on the device without mere allocations, and programs launched."""
    FakeGpu.launches.clear()
    with Counted() as counted:
        work()
    return [name for name in counted.names if not name.startswith("empty")], len(FakeGpu.launches)


def test_an_image_of_an_experiment_is_one_copy_and_one_launch(gpu):
    """The program counts its own pixels and writes the image in place; constants of the detector's size stay there."""
    simulate(BASE, device="meta")
    moved = replace(BASE, crystal=replace(BASE.crystal, misset_deg=(1.0, 2.0, 3.0)))
    assert cost(lambda: simulate(moved, device="meta")) == (["_to_copy"], 1)


def test_another_image_of_a_simulation_is_one_launch(gpu):
    simulation = Simulation(BASE, "meta")
    simulation.image()
    assert cost(simulation.image) == ([], 1)


def test_a_region_of_interest_is_one_launch_and_goes_to_its_place(gpu):
    simulation = Simulation(replace(BASE, detector=replace(BASE.detector, roi=(2, 9, 3, 10))), "meta")
    simulation.image()
    assert cost(simulation.image) == (["zeros", "copy_"], 1)
    assert FakeGpu.launches == [(64, 8)]


SOURCES = replace(BASE, beam=Beam(hdiv_range_rad=1e-3, hdiv_steps=3, dispersion_fraction=0.01, dispersion_steps=2))
THICK = replace(BASE.detector, thickness_m=3e-4, thick_steps=3, attenuation_per_m=2e3, oversample=2)


@pytest.mark.parametrize("detector", [BASE.detector, THICK], ids=["", "samples"])
@pytest.mark.parametrize("base", [BASE, SOURCES], ids=["", "sources"])
@pytest.mark.parametrize("defects", [None, frozenset()], ids=["historic", "corrected"])
def test_several_samples_layers_and_sources_are_one_launch(detector, base, defects, gpu):
    """The program goes through them itself; no operation of torch comes before or after it."""
    factors = replace(BASE.structure_factors, d_min_m=3e-10, water_size_m=1e-6)
    several = replace(base, detector=detector, structure_factors=factors, defects=defects)
    simulate(several, device="meta")
    moved = replace(several, crystal=replace(BASE.crystal, misset_deg=(1.0, 2.0, 3.0)))
    assert cost(lambda: simulate(moved, device="meta")) == (["_to_copy"], 1)


def test_a_mask_is_read_by_the_program(gpu):
    """It is sent with the first image; hidden pixels get their 0 from the program."""
    mask = torch.ones(BASE.detector.n_slow, BASE.detector.n_fast, dtype=torch.bool)
    mask[4:6] = False
    masked = replace(BASE, detector=replace(BASE.detector, mask=mask))
    simulate(masked, device="meta")
    moved = replace(masked, crystal=replace(BASE.crystal, misset_deg=(1.0, 2.0, 3.0)))
    assert cost(lambda: simulate(moved, device="meta")) == (["_to_copy"], 1)


def test_no_image_waits_for_the_device(gpu):
    """On the meta device reading a value raises; compiled code that raises is reported and no longer used."""
    simulation = Simulation(BASE, "meta")
    assert simulation.image().device.type == "meta"
    assert simulation.made_by.name == "compiled"


class FakeSums(FakeGpu, loading.OnGpu):
    """Sums over rays that nothing is added to."""

    def __init__(self):
        self._device = torch.device("meta")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("base,detector", [(BASE, BASE.detector), (SOURCES, THICK)])
def test_derivatives_are_one_launch_for_all_samples_and_sources(base, detector, dtype, gpu, monkeypatch):
    """Before it come zeros for its sums, after it a sum over warps for each tensor of the model.

    The derivative by the image is read where it is, in the image's type.
    """
    monkeypatch.setattr(gradient, "load", lambda file, device: FakeSums())
    monkeypatch.setattr(selection, "check_once", lambda files, check: None)
    distance = torch.tensor(0.08, dtype=torch.float64, requires_grad=True)
    simulation = Simulation(replace(base, detector=replace(detector, distance_m=distance)), "meta")
    model = simulation.model
    copies = [leaf for leaf in nests.leaves(model) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    backend = simulation.derivative_backend(model, lambda *_: [], dtype)
    pixels = graphs.pixels_with_graph(simulation.plain, simulation.device, backend, 1)
    (region,) = graphs.regions_with_graph(simulation.pixels, backend, pixels)
    by_image = torch.empty(detector.n_slow, detector.n_fast, dtype=dtype, device="meta")
    backend.slopes(copies, region.arguments(by_image.device), region.pixels, by_image)
    names, launches = cost(lambda: backend.slopes(copies, region.arguments(by_image.device), region.pixels, by_image))
    read = [name for name in backend.program.by if name != "first_incident"]
    assert launches == 1 and names == ["zeros", *["sum"] * len(read)]

"""A series gives, to the bit, the images that each experiment gives alone."""

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nanobrag_torch import nests
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.parameters import Beam, SourceTable
from nanobrag_torch.simulator import Simulation, simulate
from nanobrag_torch.simulator.series import Series
from tests.physics.helpers import small
from tests.physics.test_one_transfer import VIEWS

BASE = small()
MATRIX = torch.tensor([[0.02, 0.001, 0.0], [0.0, 0.018, 0.002], [0.001, 0.0, 0.015]], dtype=torch.float64)
SOURCES = SourceTable(
    torch.tensor([[-10.0, 0.0, 0.0], [-10.0, 0.1, 0.0]], dtype=torch.float64),
    torch.tensor([1.0, 2.0], dtype=torch.float64),
    torch.tensor([1e-10, 1.01e-10], dtype=torch.float64),
)
EXPERIMENTS = {
    "plain": BASE,
    "sources": replace(BASE, beam=Beam(hdiv_range_rad=1e-3, hdiv_steps=3, dispersion_fraction=0.01)),
    "sample size": replace(BASE, crystal=replace(BASE.crystal, sample_size_m=(2e-8, 3e-8, 2.5e-8))),
    "automatic oversampling": replace(BASE, detector=replace(BASE.detector, oversample=None)),
    "masked": replace(BASE, detector=replace(BASE.detector, roi=(3, 20, 2, 17))),
}


class Counted(TorchDispatchMode):
    """Names of all operations of torch."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.names.append(function.overloadpacket.__name__)
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_images_are_those_of_simulate(name, dtype):
    base = EXPERIMENTS[name]
    series = Series(base, dtype=dtype)
    images = []
    with torch.no_grad():
        for misset_deg, wavelength_m in (((10.0, 20.0, 30.0), 1e-10), ((-50.0, 5.0, 170.0), 1.03e-10)):
            crystal = replace(base.crystal, misset_deg=misset_deg)
            alone = replace(base, crystal=crystal, beam=replace(base.beam, wavelength_m=wavelength_m))
            simulation = series.at(misset_deg, wavelength_m)
            assert torch.equal(simulation.model.real_m, Simulation(alone, dtype=dtype).model.real_m)
            images.append(simulation.image())
            assert torch.equal(images[-1], simulate(alone, dtype=dtype))
    assert float(images[0].max()) > 0 and not torch.equal(*images)


def test_matrix_of_a_frame_takes_the_place_of_the_first():
    base = replace(BASE, crystal=replace(BASE.crystal, orientation_matrix=MATRIX, cell_lengths_A=None))
    series = Series(base)
    with torch.no_grad():
        got = series.at((1.0, 2.0, 3.0), 1.1e-10, MATRIX * 1.1).image()
        crystal = replace(base.crystal, orientation_matrix=MATRIX * 1.1, misset_deg=(1.0, 2.0, 3.0))
        alone = replace(base, crystal=crystal, beam=replace(base.beam, wavelength_m=1.1e-10))
        assert torch.equal(got, simulate(alone))
    with pytest.raises(ExperimentError, match="another orientation matrix"):
        series.at((1.0, 2.0, 3.0), 1.2e-10)


def test_random_orientations_are_no_series():
    with pytest.raises(ExperimentError, match="a series needs its orientations as angles"):
        Series(replace(BASE, crystal=replace(BASE.crystal, misset_random=True, misset_seed=-1)))


def test_an_image_does_not_disturb_another():
    series = Series(BASE)
    with torch.no_grad():
        first, second = series.at((0.0, 0.0, 0.0), 1e-10), series.at((5.0, 0.0, 0.0), 1e-10)
        before = first.image()
        second.image()
        assert torch.equal(first.image(), before)
    assert series.first.experiment is BASE


def tensors_of_model(model):
    return [leaf for leaf in nests.leaves(model) if isinstance(leaf, torch.Tensor)]


TOGETHER = {
    **EXPERIMENTS,
    "table of sources": replace(BASE, beam=Beam(sources=SOURCES)),
    "corrected": replace(EXPERIMENTS["sample size"], defects=frozenset()),
    "orientations of a matrix": replace(BASE, crystal=replace(BASE.crystal, orientation_matrix=MATRIX)),
    "nothing but a matrix": replace(
        BASE, crystal=replace(BASE.crystal, orientation_matrix=MATRIX, cell_lengths_A=None), defects=frozenset()
    ),
}
MOVES = VIEWS | {"unsqueeze", "permute", "_unsafe_view"}
ANGLES = [(10.0, 20.0, 30.0), (-50.0, 5.0, 170.0), (0.0, 0.0, 0.0), (90.0, 1e-9, -360.0), (10.0, 20.0, 30.0)]
LENGTHS_M = [1e-10, 1.03e-10, 0.97e-10, 1.8e-10, 1e-10]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", TOGETHER)
def test_several_frames_are_each_frame_to_the_bit(name, dtype):
    """Whatever is resolved of them together, and with frames that are not like the first."""
    series = Series(TOGETHER[name], dtype=dtype)
    matrices = None
    if TOGETHER[name].crystal.orientation_matrix is not None:
        matrices = [MATRIX * (length_m * 1e10) for length_m in LENGTHS_M]
    together = series.several(ANGLES, LENGTHS_M, matrices)
    alone = [series.at(*frame) for frame in zip(ANGLES, LENGTHS_M, matrices or [None] * len(ANGLES), strict=True)]
    for got, expected in zip(together, alone, strict=True):
        assert got.experiment.crystal.misset_deg == expected.experiment.crystal.misset_deg
        assert got.experiment.beam.wavelength_m == expected.experiment.beam.wavelength_m
        assert got.plain_host.oversample == expected.plain_host.oversample
        for mine, other in zip(tensors_of_model(got.plain_host), tensors_of_model(expected.plain_host), strict=True):
            assert mine.dtype == other.dtype and mine.shape == other.shape
            assert mine.contiguous().numpy().tobytes() == other.contiguous().numpy().tobytes()
    with torch.no_grad():
        assert torch.equal(together[1].image(), alone[1].image())


def test_one_frame_that_is_impossible_is_named():
    series = Series(BASE)
    with pytest.raises(ExperimentError, match="misset_deg"):
        series.several([(1.0, 2.0, 3.0), (float("nan"), 2.0, 3.0)], [1e-10, 1e-10])
    with pytest.raises(ExperimentError, match="wavelength_m"):
        series.several([(1.0, 2.0, 3.0), (4.0, 2.0, 3.0)], [1e-10, -1e-10])
    assert series.several([], []) == []


def test_several_frames_keep_a_derivative():
    length = torch.tensor(50.0, dtype=torch.float64, requires_grad=True)
    series = Series(replace(BASE, crystal=replace(BASE.crystal, cell_lengths_A=(length, 60.0, 70.0))))
    first, _ = series.several([(1.0, 2.0, 3.0), (4.0, 5.0, 6.0)], [1e-10, 1e-10])
    first.image().sum().backward()
    assert length.grad is not None and bool(length.grad != 0)


def test_the_host_works_out_frames_together():
    """Operations of torch that more frames of a launch add: a product by the domains."""

    def operations(count):
        with Counted() as counted:
            series.several(ANGLES[:1] * count, LENGTHS_M[:1] * count)
        return sum(name not in MOVES for name in counted.names)

    series = Series(BASE)
    assert operations(17) - operations(1) <= 16 * 3
    assert operations(1) <= 20

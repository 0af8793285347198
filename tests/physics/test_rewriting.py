"""Numbers of the innermost loop as CUDA works them out: ties, what is no number, and how large they may be."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from nanobrag_torch.backends.compiled import cuda_text, selection
from nanobrag_torch.backends.compiled.codegen import source
from nanobrag_torch.backends.compiled.dialects import CUDA
from nanobrag_torch.backends.compiled.programs import PROGRAMS
from nanobrag_torch.backends.compiled.recording import source_of
from nanobrag_torch.backends.compiled.rewriting import for_gpu, why_not_rounded
from nanobrag_torch.simulator import Simulation
from tests.physics.emulated_gpu import EmulatedGpu, build_text, needs_cpp
from tests.physics.helpers import small
from tests.physics.test_recording import recorded

EDGES = [2.5, 3.5, -0.5, -1.5, 0.5, 0.0, -0.0, 0.49999999999999994, 7.0, -7.3, 1e-300, 2.0**31 - 2, -(2.0**31) + 2.5]
EDGES += [math.nextafter(2.5, 0), math.nextafter(2.5, 9), math.nextafter(-0.5, 0), 2.0**30 + 0.5, -(2.0**30) - 0.5]
SMALL = [1e-21, -1e-21, 0.0, -0.0, 1e-20, 2e-20, -2e-20, 0.3, -0.5, 5e-324, 1e300, math.inf, -math.inf, math.nan]
LAST = 26


def _whole(ray, orientation, constants, table):
    """What a step does: the nearest whole number is an index, kept inside a table; another number is rounded."""
    number = ray[0] + 0.0 * orientation[:, :1]
    up = torch.ceil(number - 0.5)
    index = up.int()
    index = torch.where(index < 0, 0, index)
    index = torch.where(index > LAST, LAST, index)
    found = table.gather(0, index.long().reshape(-1)).view(index.shape)
    return torch.stack([up.sum(0), torch.round(number).sum(0), found.sum(0)])


def _away_from_zero(ray, orientation, constants, table):
    number = ray[0] + 0.0 * orientation[:, :1]
    return torch.where(number.abs() < 1e-20, 1e-20, number).sum(0).unsqueeze(0)


def _emulated(function, values, table, single, folder):
    ray, orientation = torch.tensor([values], dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    constants = torch.ones(1, dtype=torch.float64)
    inputs, outputs = recorded(function, ray[:, :1].clone(), orientation.clone(), constants.clone(), table)
    outputs, _ = for_gpu(outputs, {}, 0, single)
    text = source(inputs, outputs, dialect=CUDA)
    build_text(text, folder / "gpu.so")
    got = torch.full((len(outputs[0]), len(values)), -1, dtype=torch.float64)
    with (folder / "gpu.so").open("rb") as file:
        EmulatedGpu(file)([ray, orientation, constants, table, got], len(values), 1)
    return text, got, function(ray.clone(), orientation, constants, table)


@needs_cpp
@pytest.mark.parametrize("single", [True, False], ids=["float32", "float64"])
def test_ties_are_rounded_as_torch_does(single, tmp_path):
    table = torch.arange(LAST + 1.0, dtype=torch.float64)
    text, got, expected = _emulated(_whole, EDGES, table, single, tmp_path)
    assert torch.equal(got, expected.reshape(got.shape))
    assert ("SHIFTED_UP(v" in text) == ("LOW_WORD(v" in text) == ("ROUNDED(v" in text) == single
    assert ("ceil(v" in text) == ("rint(v" in text) == (not single)


@needs_cpp
def test_what_is_no_number_has_an_index_inside_the_table(tmp_path):
    table = torch.arange(LAST + 1.0, dtype=torch.float64)
    _, got, _ = _emulated(_whole, [math.nan, math.inf, -math.inf, 1e300, -1e300], table, True, tmp_path)
    assert not got[0].isfinite()[:3].any() and ((got[2] >= 0) & (got[2] <= LAST)).all()


@needs_cpp
def test_a_fraction_is_kept_from_zero(tmp_path):
    text, got, expected = _emulated(_away_from_zero, SMALL, torch.zeros(1, dtype=torch.float64), False, tmp_path)
    assert "AT_LEAST(v" in text
    torch.testing.assert_close(got, expected.reshape(got.shape), rtol=2e-6, atol=0, equal_nan=True)
    exact = [abs(value) > 1e-20 for value in SMALL]
    assert torch.equal(got[0][exact], expected.reshape(-1)[exact])


def test_what_is_too_large_to_be_rounded_by_a_sum_is_said():
    assert why_not_rounded(1e3, 1e9) is None
    assert why_not_rounded(2.0**31, 5.0) == "Miller indices may reach 2.15e+09, and 32 bits count to 2147483647"
    assert why_not_rounded(math.inf, 5.0) and why_not_rounded(math.nan, 5.0)
    assert why_not_rounded(5.0, 2.0**51) == "2.25e+15 cells along an axis, more than 2^51"


def test_no_index_exceeds_what_the_model_says():
    """By |a| (1 + 1)/lambda of the longest axis and the shortest wavelength; such a model is plain torch's on a GPU."""
    experiment = small()
    model = Simulation(experiment).plain_host
    axes = model.real_m.reshape(-1, 3).norm(dim=-1)
    assert model.largest_hkl == pytest.approx(2 * float(axes.max()) / float(model.sources.wavelength_m.min()))
    assert model.most_cells == float(model.n_cells.max())
    far = replace(experiment, beam=replace(experiment.beam, wavelength_m=experiment.beam.wavelength_m * 1e-9))
    assert Simulation(far).plain_host.largest_hkl == pytest.approx(1e9 * model.largest_hkl)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_on_a_gpu_large_indices_are_not_compiled_in_float32(dtype):
    class Elsewhere:  # a tensor on a GPU, of which only the device is asked
        device = torch.device("cuda")

    model = Simulation(small(), dtype=dtype).plain_host._replace(real_m=Elsewhere())
    assert selection.not_compilable(model) is None
    refused = selection.not_compilable(model._replace(largest_hkl=3e9))
    assert (refused is None) == (dtype == torch.float64) and "3e+09" in (refused or "3e+09")


def _quotients(ray, orientation, constants, table):
    """Vectors of rays: their directions, what is divided by constants, and by a square; nothing of one orientation."""
    length = (ray * ray).sum(0).sqrt()
    direction = ray / length
    once = 1.0 / (constants[0] + 2.0)
    return torch.cat(
        [
            direction,
            (ray[0] / (constants[1] + 3.0) * once).unsqueeze(0),
            (constants[2] / (length * length)).unsqueeze(0),
        ]
    )


@needs_cpp
def test_quotients_of_rays_become_products(tmp_path):
    generator = torch.Generator().manual_seed(3)
    ray, constants = (
        torch.randn(3, 700, dtype=torch.float64, generator=generator),
        torch.tensor([0.3, 0.7, 1.9]).double(),
    )
    orientation, table = torch.zeros(1, 3, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    inputs, outputs = recorded(_quotients, ray[:, :1].clone(), orientation.clone(), constants.clone(), table)
    outputs, _ = for_gpu(outputs, {}, 0, False)
    text = source(inputs, outputs, dialect=CUDA)
    of_rays = text[text.index("OVER_RAYS {") :]
    assert " / " not in of_rays and "sqrt" not in of_rays and of_rays.count("RECIPROCAL_ROOT(") == 1
    build_text(text, tmp_path / "gpu.so")
    got = torch.full((5, 700), -1, dtype=torch.float64)
    with (tmp_path / "gpu.so").open("rb") as file:
        EmulatedGpu(file)([ray, orientation, constants, table, got], 700, 1)
    torch.testing.assert_close(got, _quotients(ray, orientation, constants, table), rtol=1e-15, atol=0)


@needs_cpp
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_number_of_blocks_changes_no_byte(dtype, tmp_path):
    """Threads with one pair of rays, with many, and with half a pair or none; in one launch and in parts."""
    model = Simulation(small(), dtype=dtype).plain
    program = PROGRAMS["photons"]
    text, _ = source_of(program, model, device="cuda")
    build_text(text, tmp_path / "gpu.so")
    pixels = torch.arange(900, dtype=torch.int32)
    fast, slow = pixels % 30, pixels // 30
    with (tmp_path / "gpu.so").open("rb") as file:
        gpu = EmulatedGpu(file)

    def image(blocks: int, parts: int = 1) -> torch.Tensor:
        gpu.blocks = lambda rays: blocks
        made = []
        for x, y in zip(fast.chunk(parts), slow.chunk(parts), strict=True):
            made.append(torch.full((len(x),), -1.0, dtype=torch.float64))
            gpu([*program.inputs(model).values(), x.contiguous(), y.contiguous(), made[-1]], len(x), len(model.real_m))
        return torch.cat(made)

    first = image(4)
    assert float(first.min()) >= 0 and float(first.max()) > 0
    for other in (image(1), image(3), image(9), image(2, parts=7)):
        assert torch.equal(other, first)


def test_a_large_image_has_several_pairs_of_rays_for_each_thread():
    kernel, at_once = cuda_text.Image(2, 8), 132 * 8
    blocks = {side: kernel.blocks(side * side, 132) for side in (1, 512, 520, 1024, 2500, 20000)}
    assert blocks[1] == 1 and blocks[512] == 1024  # a pair of rays for each thread
    assert blocks[520] == at_once and blocks[1024] == at_once  # up to four pairs
    assert blocks[2500] == 3052 and blocks[20000] == -(-(20000**2) // (256 * 8))  # eight pairs
    assert kernel.blocks(512 * 512, 132, images=4) == at_once // 4
    assert kernel.blocks(512 * 512, 132, images=64) == 1024 // 8


@pytest.mark.parametrize("shape,at_once", [("square", (2, 8)), ("round", (1, 7)), ("gauss", (1, 7))])
def test_a_kernel_says_how_it_is_launched(shape, at_once):
    model = Simulation(replace(small(), crystal=replace(small().crystal, shape=shape.upper()))).plain
    text, _ = source_of(PROGRAMS["photons"], model, device="cuda")
    assert cuda_text.image_of(text) == cuda_text.Image(*at_once)
    by_place, _ = source_of(PROGRAMS["photons"].derivative(("real_m",)), model, device="cuda")
    assert cuda_text.image_of(by_place) is None and "gridDim" not in by_place

"""The recording of a function gives the numbers of torch when it is compiled; unsupported operations are refused."""

from __future__ import annotations

import ctypes
import subprocess

import pytest
import torch

from nanobrag_torch.backends.compiled.capture import Recorder
from nanobrag_torch.backends.compiled.codegen import source
from nanobrag_torch.backends.compiled.compiler import compiler
from nanobrag_torch.backends.compiled.declared import Input, Output
from nanobrag_torch.backends.compiled.dialects import CUDA
from nanobrag_torch.backends.compiled.recorded import ORIENTATION, RAY, Unrecordable
from nanobrag_torch.backends.compiled.recording import ENTRY
from nanobrag_torch.physics.tensors import cross, length, unit
from tests.c_program import needs_compiler
from tests.physics.emulated_gpu import EmulatedGpu, build_text, needs_cpp

RAYS, ORIENTATIONS = 131, 3  # two whole blocks and a part of one


def recorded(function, one_ray, one_orientation, constants, table):
    recorder = Recorder()
    inputs = [
        Input("in0", torch.float64, RAY, elements=3),
        Input("in1", torch.float64, ORIENTATION, elements=3),
        Input("in2", torch.float64, 0, elements=3),
        Input("in3", torch.float64, 0, table=True),
    ]
    for declared, value in zip(inputs[:3], (one_ray, one_orientation, constants), strict=True):
        recorder.give(value, declared.name, declared.varies)
    recorder.give_table(table, "in3")
    with torch.no_grad(), recorder:
        result = function(one_ray, one_orientation, constants, table)
    return inputs, [
        [Output(f"out0_{i}", number, RAY) for i, number in enumerate(recorder.numbers_of(result.contiguous()))]
    ]


def numbers():
    """Rays (3, rays), orientations (orientations, 3), constants (3,) and a table."""
    generator = torch.Generator().manual_seed(4)
    ray, orientation, constants, table = (
        torch.rand(shape, dtype=torch.float64, generator=generator)
        for shape in ((3, RAYS), (ORIENTATIONS, 3), (3,), (5,))
    )
    return ray, orientation, constants - 0.5, table


def compiled(function, folder):
    """The function of (3, rays), (orientations, 3), (3,) and a table as a call of compiled code."""
    inputs, outputs = recorded(
        function,
        torch.tensor([[0.3], [0.2], [0.1]], dtype=torch.float64),
        torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64),
        torch.tensor([0.5, 1.5, -2.5], dtype=torch.float64),
        torch.arange(5, dtype=torch.float64),
    )
    (folder / "program.c").write_text(source(inputs, outputs))
    library = folder / "program.so"
    command = [*compiler(), "-O1", "-shared", "-fPIC", str(folder / "program.c"), "-o", str(library), "-lm"]
    subprocess.run(command, check=True, capture_output=True)
    kind = outputs[0][0].number.dtype

    def call(*tensors):
        result = torch.full((len(outputs[0]), RAYS), -1, dtype=kind)
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (*tensors, result)]
        ctypes.CDLL(str(library))[ENTRY](*pointers, ctypes.c_int(RAYS), ctypes.c_int(ORIENTATIONS))
        return result

    return call


def in_place(ray, orientation, constants, table):
    moved = ray.clone()
    moved[1].mul_(constants[0]).add_(2)
    moved.sub_(ray[2])
    return moved


def views(ray, orientation, constants, table):
    return torch.stack([ray.T[:, 2], (ray.unsqueeze(1) * constants.view(3, 1, 1)).sum(0)[0], ray.flip(0)[0]])


def types(ray, orientation, constants, table):
    narrow = (ray * constants.unsqueeze(1)).float()
    whole = torch.ceil(ray * 4).long() + 2
    return (narrow * narrow / 3 + whole).double()


def conditions(ray, orientation, constants, table):
    chosen = torch.where((ray > 0.1) & ~(ray >= 0.8), ray, constants.unsqueeze(1))
    return torch.where((constants == constants).all(), chosen, 0.0)


def functions(ray, orientation, constants, table):
    bent = torch.exp(-ray) + torch.sin(ray) * torch.cos(ray) - torch.round(3 * ray) + (ray - 0.5).abs()
    return bent + torch.floor(7 * ray).neg() + ray.reciprocal() + torch.addcmul(ray, ray, ray) + (1.0 - ray).sign()


def vectors(ray, orientation, constants, table):
    turned = cross(ray.T, constants)
    return unit(turned).T * length(ray)


def summed(ray, orientation, constants, table):
    product = torch.addcmul(orientation[:, 0].unsqueeze(1) * ray[0], orientation[:, 1].unsqueeze(1), ray[1])
    return (product * product).sum(0).unsqueeze(0) * ray


def looked_up(ray, orientation, constants, table):
    index = (orientation[:, 2].unsqueeze(1) * ray[0] * 2).clone()
    index = torch.where(index < 4, index, 4.0).long()
    return table.gather(0, index.reshape(-1)).view(index.shape).sum(0).unsqueeze(0)


@needs_compiler
@pytest.mark.parametrize(
    "function", [in_place, views, types, conditions, functions, vectors, summed, looked_up], ids=lambda f: f.__name__
)
def test_compiled_code_gives_the_numbers_of_torch(function, tmp_path):
    ray, orientation, constants, table = numbers()
    expected = function(ray.clone(), orientation, constants, table)
    got = compiled(function, tmp_path)(ray, orientation, constants, table)
    torch.testing.assert_close(got, expected.reshape(got.shape), rtol=1e-14, atol=1e-15)


@needs_cpp
@pytest.mark.parametrize(
    "function", [in_place, types, conditions, functions, summed, looked_up], ids=lambda f: f.__name__
)
def test_the_text_for_a_gpu_gives_the_numbers_of_torch(function, tmp_path):
    ray, orientation, constants, table = numbers()
    inputs, outputs = recorded(function, ray[:, :1].clone(), orientation[:1].clone(), constants.clone(), table)
    build_text(source(inputs, outputs, dialect=CUDA), tmp_path / "gpu.so")
    expected = function(ray.clone(), orientation, constants, table)
    got = torch.full((len(outputs[0]), RAYS), -1, dtype=torch.float64)
    with (tmp_path / "gpu.so").open("rb") as file:
        EmulatedGpu(file)([ray, orientation, constants, table, got], RAYS, ORIENTATIONS)
    torch.testing.assert_close(got, expected.reshape(got.shape), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (lambda ray, *_: ray if float(ray[0]) > 0 else -ray, "a decision or constant taken from a number"),
        (lambda ray, *_: torch.erf(ray), "operation erf"),
        (lambda ray, *_: ray + torch.sort(ray.flatten()).values[0], "operation sort"),
        (lambda ray, *_: ray * ELSEWHERE, "that was not given"),
        (lambda ray, o, c, table: ray * table.sum(), "all of in3"),
        (lambda ray, *_: torch.add(ray, ray, alpha=2), "add with alpha"),
        (lambda ray, *_: torch.div(ray, ray, rounding_mode="floor"), "div with rounding_mode"),
    ],
)
def test_what_cannot_be_said_is_refused(function, complaint):
    one = torch.ones((3, 1), dtype=torch.float64)
    with pytest.raises(Unrecordable, match=complaint):
        recorded(function, one, one.T.clone(), one.flatten().clone(), torch.ones(5, dtype=torch.float64))


ELSEWHERE = torch.tensor(2.0, dtype=torch.float64)


def test_a_second_loop_over_the_orientations_is_refused():
    def normalized(ray, orientation, constants, table):
        product = orientation[:, 0].unsqueeze(1) * ray[0]
        return (product / product.sum(0)).sum(0)

    one = torch.ones((3, 1), dtype=torch.float64)
    inputs, outputs = recorded(normalized, one, one.T.clone(), one.flatten().clone(), torch.ones(5))
    with pytest.raises(Unrecordable, match="a second loop"):
        source(inputs, outputs)

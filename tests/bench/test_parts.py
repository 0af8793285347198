"""Each part of the benchmark on processes that take a known time and memory: flags, ratios, goals."""

from pathlib import Path

import pytest

from nanobrag_bench import table
from nanobrag_bench.case import Bench, Sizes, from_a_cell, steps
from nanobrag_bench.compiled import MODE_VARIABLE
from nanobrag_bench.documents import PartResult
from nanobrag_bench.gpu.rows import check, figure, milliseconds, not_run
from nanobrag_bench.machine import machine
from nanobrag_bench.parts import gpu, gradient, kernel, large, memory, process
from nanobrag_bench.parts import steps as steps_part
from nanobrag_bench.programs import DEFAULT, EXTERNAL, PLAIN, TUNED, Program
from nanobrag_torch.cli import parse
from nanobrag_torch.simulator import Simulation
from tests.cli.conftest import BASE
from trace_audit.core.errors import InputError

SIZES = Sizes(large=10, memory=10, huge=100, gradient=20, steps=10)
PROGRAMS = [Program(name, Path(name)) for name in (DEFAULT, PLAIN, TUNED, EXTERNAL)]
IMPORT_S = 1.5
C_SECONDS = {DEFAULT: 8.0, PLAIN: 6.0, TUNED: 3.0, EXTERNAL: 9.0}


def bench(tmp_path, repeats=3, scenario="small"):
    return Bench(scenario, list(BASE), PROGRAMS, tmp_path, repeats, SIZES)


def value(arguments, flag, missing=1):
    return int(arguments[len(arguments) - arguments[::-1].index(flag)]) if flag in arguments else missing


def steps_of(arguments):
    """Steps a pixel that a command line asks for."""
    product = value(arguments, "-phisteps") * value(arguments, "-mosaic_dom") * value(arguments, "-dispsteps")
    return product * value(arguments, "-oversample") ** 2


class FakeWorker:
    """Takes 1 ms and 1 us a step in float32, twice that in float64, three times for a gradient."""

    WORKS = {"image": 1.0, "simulate": 1.5, "gradient": 3.0}
    POWER, BYTES_A_PIXEL = 1.0, 20

    def __init__(self, arguments, environment, by=()):
        self.words, self.environment = arguments, environment
        self.peak_MiB = 100.0 + self.BYTES_A_PIXEL * value(arguments, "-detpixels_x") ** 2 / 2**20
        self.factor = {"float32": 1.0, "float64": 2.0}[arguments[arguments.index("-dtype") + 1]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, request):
        count = steps_of(self.words) * value(self.words, "-detpixels_x", 1000) ** 2
        seconds = self.factor * (1e-3 + 1e-6 * count**self.POWER) * self.WORKS[request]
        return {"wall_s": seconds, "cpu_s": 2 * seconds}


def fake_whole(command, environment=None):
    seconds = C_SECONDS.get(command[0], IMPORT_S if process.IMPORT in command else 2.0)
    return {"wall_s": seconds, "cpu_s": seconds, "peak_MiB": 500.0 if "nanobrag_torch" in command else 50.0}


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    for part in (kernel, gradient, steps_part, gpu):
        monkeypatch.setattr(part, "Worker", FakeWorker)
    for part in (kernel, steps_part, gpu):
        monkeypatch.setattr(part, "c_simulation", lambda binary, flags: fake_whole([str(binary)]))
    for part in (process, large, memory, gpu):
        monkeypatch.setattr(part, "whole", fake_whole)
    monkeypatch.setattr(large, "import_torch", lambda: fake_whole([process.IMPORT]))


def goals(result):
    return {goal["goal"]: (goal["measured"], goal["met"]) for goal in result["goals"]}


def test_kernel(tmp_path):
    result = kernel.run(bench(tmp_path, scenario="supervisor"))
    reached = goals(result)
    assert reached.pop("C -O3, s (the classic program took 3.66)") == (6.0, False)
    assert reached["C -O3 / torch float32"] == (pytest.approx(6.0 / 1.001, rel=1e-3), False)
    times = [row for row in result["rows"] if row["what"] == "simulation"]
    assert [row["program"] for row in times] == [DEFAULT, PLAIN, TUNED, EXTERNAL, "torch float32", "torch float64"]
    assert all(len(row["runs"]) == 3 for row in times)
    assert len(result["ratios"]) == 8


def test_process(tmp_path, monkeypatch):
    def start_is_half(command, environment=None):
        share = 0.5 if "-roi" in command else 1.0
        return {name: share * figure for name, figure in fake_whole(command).items()}

    monkeypatch.setattr(process, "whole", start_is_half)
    result = process.run(bench(tmp_path))
    starts = {ratio["of"]: ratio["median"] for ratio in result["ratios"] if ratio["of"] == f"{ratio['to']}, one pixel"}
    assert starts == dict.fromkeys([f"{name}, one pixel" for name in ("torch float32", "torch float64", PLAIN)], 0.5)
    assert goals(result) == {
        "torch float32 less import torch, s": (0.5, False),
        "torch float64 less import torch, s": (0.5, False),
    }
    own = next(ratio for ratio in result["rows"] if ratio["program"] == "torch float32 less import torch")
    assert own["runs"] == [0.5] * 3


def test_large_job_has_two_thousand_steps_a_pixel(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(large, "whole", lambda command, more=None: asked.append(command) or fake_whole(command))
    result = large.run(bench(tmp_path))
    assert result["steps"] == 10 * 10 * 2000
    assert {steps_of(command) for command in asked} == {2000} and len(asked) == 3 * 6
    assert goals(result) == {"C -O3 / torch float32 less import torch": (12.0, True)}


def test_large_job_runs_a_slow_c_program_less_often(tmp_path, monkeypatch):
    monkeypatch.setitem(C_SECONDS, PLAIN, large.LONG_S + 1.0)
    result = large.run(bench(tmp_path, repeats=5))
    assert result["repeats"] == dict.fromkeys(
        [DEFAULT, TUNED, EXTERNAL, "torch float32", "torch float64", process.IMPORT], 5
    ) | {PLAIN: 3}  # fmt: skip
    runs = {(ratio["of"], ratio["to"]): len(ratio["runs"]) for ratio in result["ratios"]}
    assert runs[PLAIN, "torch float32"] == 3 and runs[TUNED, "torch float32"] == 5


def test_memory_of_many_steps_is_compared_within_the_same_code(tmp_path, monkeypatch):
    modes = {}

    def keep(command, environment=None):
        if "nanobrag_torch" in command and value(command, "-detpixels_x") == SIZES.memory:
            modes[steps_of(command)] = environment[MODE_VARIABLE]
        return fake_whole(command)

    monkeypatch.setattr(memory, "whole", keep)
    memory.run(bench(tmp_path))
    assert modes == dict.fromkeys([1, 32, 64], "always")


@pytest.mark.parametrize("kind", ["-phisteps", "-mosaic_dom", "-dispsteps", "-oversample"])
def test_memory(tmp_path, monkeypatch, kind):
    def grows(command, environment=None):
        more = 100.0 if value(command, kind) > 2 else 0.0
        return fake_whole(command) | {"peak_MiB": 500.0 + more}

    reached = goals(memory.run(bench(tmp_path)))
    assert reached["32 to 64 steps a pixel / one, the worst"] == (1.0, True)
    assert reached["image, torch float32, MiB"] == (500.0, True)
    monkeypatch.setattr(memory, "whole", grows)
    assert goals(memory.run(bench(tmp_path)))["32 to 64 steps a pixel / one, the worst"] == (1.2, False)


def test_gradient(tmp_path):
    result = gradient.run(bench(tmp_path))
    reached = goals(result)
    assert reached["torch float64 gradient / torch float64 simulate"] == (pytest.approx(2.0), True)
    assert {(ratio["of"], ratio["to"]): ratio["median"] for ratio in result["ratios"]}[
        "torch float32 gradient", "torch float32 image"
    ] == pytest.approx(3.0)
    assert reached["gradient, memory of a further pixel, B"] == (pytest.approx(20), True)


def test_gradient_that_keeps_its_graph_or_takes_long_misses(tmp_path, monkeypatch):
    monkeypatch.setattr(FakeWorker, "BYTES_A_PIXEL", 5000)
    monkeypatch.setattr(FakeWorker, "WORKS", FakeWorker.WORKS | {"gradient": 15.0})
    assert {met for _, met in goals(gradient.run(bench(tmp_path))).values()} == {False}


def test_cost_is_a_line(tmp_path):
    result = steps_part.run(bench(tmp_path))
    law = result["laws"]["torch float32"]
    assert law["ns_per_step"] == pytest.approx(1000) and law["start_s"] == pytest.approx(1e-3, rel=1e-6)
    assert law["off_line"] < 1e-6
    assert 0.8 < law["exponent"] < 1.0 and all(met for _, met in goals(result).values())
    assert {row["steps"] for row in result["rows"]} >= {100, 100_000}


def test_cost_that_grows_faster_than_the_steps_misses(tmp_path, monkeypatch):
    monkeypatch.setattr(FakeWorker, "POWER", 1.5)
    reached = goals(steps_part.run(bench(tmp_path)))
    assert reached["torch float32, exponent"][1] is False
    assert reached["torch float32, furthest from a line / longest"][1] is False


@pytest.mark.parametrize("part", [steps_part, gradient])
def test_sizes_are_compared_within_the_same_code(tmp_path, monkeypatch, part):
    environments = []

    class Kept(FakeWorker):
        def __init__(self, arguments, environment, by=()):
            super().__init__(arguments, environment, by)
            environments.append(environment)

    monkeypatch.setattr(part, "Worker", Kept)
    part.run(bench(tmp_path, repeats=1))
    assert {variables[MODE_VARIABLE] for variables in environments} == {"always"}


CHECKED = [
    check("image: one sample", True), check("golden: tilted", False, "1e-3 of the peak"),
    milliseconds("kernel, 2500 x 2500, 10 orientations, float32", 0.25e-3),
    figure("frames, 512 x 512, with noise", 299.0, "frames/s"),
    not_run("image times, the rest", "stopped", holds=False),
]  # fmt: skip


@pytest.fixture
def a_gpu(monkeypatch):
    """A part that finds a GPU, whose checks have run."""
    monkeypatch.setattr(gpu, "why_not", lambda: None)
    monkeypatch.setattr(gpu, "measured", lambda device, repeats: CHECKED)
    monkeypatch.setattr(gpu, "about", lambda device: ["Some card", "CUDA 13"])
    monkeypatch.delenv(gpu.CUDA_PROGRAM, raising=False)


def test_gpu(tmp_path, monkeypatch, a_gpu):
    devices = []

    class Kept(FakeWorker):
        def __init__(self, arguments, environment, by=()):
            super().__init__(arguments, environment, by)
            devices.append(arguments[arguments.index("-device") + 1])

    monkeypatch.setattr(gpu, "Worker", Kept)
    result = gpu.run(bench(tmp_path))
    assert devices == ["cuda", "cuda"]
    medians = {(ratio["of"], ratio["to"]): ratio["median"] for ratio in result["ratios"]}
    assert medians["C -O3", "torch cuda float32"] == pytest.approx(6.0 / 1.001, rel=1e-3)
    assert medians["C -O3, process", "torch cuda float64, process"] == 3.0
    assert len(medians) == 4 and len(result["rows"]) == 6 + 2
    assert goals(result)["kernel, 2500 x 2500, 10 orientations, float32"] == (0.25, True)
    assert goals(result)["frames, 512 x 512, with noise"] == (299.0, False)
    assert goals(result)["golden cases, by eager and compiled code, in both types"] == (None, False)
    PartResult.model_validate({"part": "gpu", "machine": machine(), **result})
    text = table.text({"gpu": result}, machine())
    for said in ("all hold: 0 of 1", "NB_CUDA_BIN names no program", "FAIL  golden: tilted", "Some card", "CUDA 13",
                 "image times, the rest: not run: stopped"):  # fmt: skip
        assert said in text


def test_a_cuda_program_is_timed_beside_with_its_kernels(tmp_path, monkeypatch, a_gpu):
    program = tmp_path / "nanoBraggCUDA"
    program.write_text("#!/bin/sh\necho kernel 1.25 ms\n")
    program.chmod(0o755)
    monkeypatch.setenv(gpu.CUDA_PROGRAM, f"{program} -gpu")
    result = gpu.run(bench(tmp_path))
    rows = {(row["program"], row["what"]): row["median"] for row in result["rows"]}
    assert rows["NB_CUDA_BIN", "kernels, as it prints them"] == pytest.approx(1.25e-3)
    assert ("NB_CUDA_BIN, process", "process") in rows
    assert ("NB_CUDA_BIN, process", "torch cuda float32, process") in {
        (row["of"], row["to"]) for row in result["ratios"]
    }
    program.write_text("#!/bin/sh\necho no device >&2\nexit 3\n")
    result = gpu.run(bench(tmp_path))
    assert "NB_CUDA_BIN is not timed: benchmark: nanoBraggCUDA ended with 3: no device" in result["notes"]
    monkeypatch.setenv(gpu.CUDA_PROGRAM, str(tmp_path / "absent"))
    assert "NB_CUDA_BIN is not timed: " in gpu.run(bench(tmp_path))["notes"][0]


def test_gpu_says_why_not(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "why_not", lambda: "torch sees no CUDA device")
    result = gpu.run(bench(tmp_path))
    assert result["not_run"].startswith("torch sees no CUDA device; left out: simulation and process on a GPU, images")
    assert "frames of a campaign" in result["not_run"] and "NB_CUDA_BIN" in result["not_run"]
    assert (result["rows"], result["ratios"], result["goals"]) == ([], [], [])


def test_external_program_that_fails_is_left_out(tmp_path, monkeypatch):
    def fails(name):
        def run(binary, arguments):
            if str(binary) == name:
                raise InputError(f"{name} ended with 1")
            return fake_whole([str(binary)])

        return run

    monkeypatch.setattr(kernel, "c_simulation", fails(EXTERNAL))
    assert EXTERNAL not in {row["program"] for row in kernel.run(bench(tmp_path))["rows"]}
    monkeypatch.setattr(kernel, "c_simulation", fails(TUNED))
    with pytest.raises(InputError, match="fast-math ended with 1"):
        kernel.run(bench(tmp_path))


@pytest.mark.parametrize(
    "more", [{}, {"phi": 3}, {"mosaic": 4}, {"sources": 4}, {"oversample": 3}, {"phi": 2, "mosaic": 5}]
)
def test_flags_give_the_steps_they_say(more):
    flags = [*BASE, "-detpixels", "4", "-pixel", "1", "-phi", "0", "-osc", "1", *steps(**more)]
    assert Simulation(parse(flags).experiment).model.steps == steps_of(flags)


def test_matrix_gives_way_to_a_cell():
    flags = from_a_cell(["-mat", "A.mat", "-default_F", "1", "-lambda", "1", "-distance", "100", "-N", "3"])
    assert "A.mat" not in flags
    assert parse(flags).experiment.crystal.cell_lengths_A == (74, 83, 92)

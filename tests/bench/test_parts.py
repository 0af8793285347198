"""Each part of the benchmark on processes that take a known time and memory: flags, ratios, goals."""

from pathlib import Path

import pytest

from nanobrag_bench.case import Bench, Sizes, from_a_cell, steps
from nanobrag_bench.parts import gpu, gradient, kernel, large, memory, process
from nanobrag_bench.parts import steps as steps_part
from nanobrag_bench.programs import DEFAULT, EXTERNAL, PLAIN, TUNED, Program
from nanobrag_torch.cli import parse
from nanobrag_torch.simulator import Simulation
from tests.cli.conftest import BASE
from trace_audit.errors import InputError

SIZES = Sizes(large=10, memory=10, huge=100, gradient=20, steps=10)
PROGRAMS = [Program(name, Path(name)) for name in (DEFAULT, PLAIN, TUNED, EXTERNAL)]
C_SECONDS = {DEFAULT: 8.0, PLAIN: 6.0, TUNED: 3.0, EXTERNAL: 9.0}


def bench(tmp_path, repeats=3, scenario="small"):
    return Bench(scenario, list(BASE), PROGRAMS, tmp_path, repeats, SIZES)


def value(words, flag, missing=1):
    return int(words[len(words) - words[::-1].index(flag)]) if flag in words else missing


def steps_of(words):
    """Steps a pixel that a command line asks for."""
    product = value(words, "-phisteps") * value(words, "-mosaic_dom") * value(words, "-dispsteps")
    return product * value(words, "-oversample") ** 2


class FakeWorker:
    """Takes 1 ms and 1 us a step in float32, twice that in float64, three times for a gradient."""

    def __init__(self, words, environment, by=()):
        self.words, self.peak_MiB = words, 100.0 + 0.01 * value(words, "-detpixels_x")
        self.factor = {"float32": 1.0, "float64": 2.0}[words[words.index("-dtype") + 1]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, what):
        count = steps_of(self.words) * value(self.words, "-detpixels_x", 1000) ** 2
        seconds = self.factor * (1e-3 + 1e-6 * count) * {"image": 1, "gradient": 3}[what]
        return {"wall_s": seconds, "cpu_s": 2 * seconds}


def fake_whole(command, environment=None):
    seconds = C_SECONDS.get(command[0], 2.0)
    return {"wall_s": seconds, "cpu_s": seconds, "peak_MiB": 500.0 if "nanobrag_torch" in command else 50.0}


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    for part in (kernel, gradient, steps_part):
        monkeypatch.setattr(part, "Worker", FakeWorker)
    for part in (kernel, steps_part):
        monkeypatch.setattr(part, "c_simulation", lambda binary, words: fake_whole([str(binary)]))
    for part in (process, large, memory):
        monkeypatch.setattr(part, "whole", fake_whole)


def goals(result):
    return {one["goal"]: (one["measured"], one["met"]) for one in result["goals"]}


def test_kernel(tmp_path):
    result = kernel.run(bench(tmp_path, scenario="supervisor"))
    found = goals(result)
    assert found.pop("C -O3, s (the classic program took 3.66)") == (6.0, False)
    assert found["C -O3 / torch float32"] == (pytest.approx(6.0 / 1.001, rel=1e-3), False)
    times = [one for one in result["rows"] if one["what"] == "simulation"]
    assert [one["program"] for one in times] == [DEFAULT, PLAIN, TUNED, EXTERNAL, "torch float32", "torch float64"]
    assert all(len(one["runs"]) == 3 for one in times)
    assert len(result["ratios"]) == 8


def test_process(tmp_path):
    result = process.run(bench(tmp_path))
    assert goals(result) == {
        "torch float32 cold / C -O3": (pytest.approx(1 / 3), True),
        "torch float32 / C -O3": (pytest.approx(1 / 3), True),
    }


def test_large_job_has_two_thousand_steps_a_pixel(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(large, "whole", lambda command, more=None: asked.append(command) or fake_whole(command))
    result = large.run(bench(tmp_path))
    assert result["steps"] == 10 * 10 * 2000
    assert {steps_of(command) for command in asked} == {2000} and len(asked) == 3 * 6
    assert goals(result) == {"C -O3 / torch float32": (3.0, False)}


def test_memory(tmp_path, monkeypatch):
    def grows(command, environment=None):
        more = 100.0 if value(command, "-mosaic_dom") > 1 else 0.0
        return fake_whole(command) | {"peak_MiB": 500.0 + more}

    found = goals(memory.run(bench(tmp_path)))
    assert found["many steps a pixel / one, the worst"] == (1.0, True)
    assert found["image, torch float32, MiB"] == (500.0, True)
    monkeypatch.setattr(memory, "whole", grows)
    assert goals(memory.run(bench(tmp_path)))["many steps a pixel / one, the worst"] == (1.2, False)


def test_gradient(tmp_path):
    found = goals(gradient.run(bench(tmp_path)))
    assert found["torch float64 gradient / torch float64 image"] == (pytest.approx(3.0), True)
    assert found["memory at 4 times the pixels / at 1, with gradient"][1]


def test_cost_is_a_line(tmp_path):
    result = steps_part.run(bench(tmp_path))
    law = result["laws"]["torch float32"]
    assert law["ns_per_step"] == pytest.approx(1000) and law["start_s"] == pytest.approx(1e-3, rel=1e-6)
    assert 0.8 < law["exponent"] < 1.0 and all(met for _, met in goals(result).values())
    assert {one["steps"] for one in result["rows"]} >= {100, 100_000}


def test_gpu_says_why_not(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "why_not", lambda: "torch sees no CUDA device")
    assert gpu.run(bench(tmp_path)) | {"title": ""} == {
        "title": "", "rows": [], "ratios": [], "goals": [], "not_run": "torch sees no CUDA device",
    }  # fmt: skip


def test_external_program_that_fails_is_left_out(tmp_path, monkeypatch):
    def fails(name):
        def run(binary, words):
            if str(binary) == name:
                raise InputError(f"{name} ended with 1")
            return fake_whole([str(binary)])

        return run

    monkeypatch.setattr(kernel, "c_simulation", fails(EXTERNAL))
    assert EXTERNAL not in {one["program"] for one in kernel.run(bench(tmp_path))["rows"]}
    monkeypatch.setattr(kernel, "c_simulation", fails(TUNED))
    with pytest.raises(InputError, match="fast-math ended with 1"):
        kernel.run(bench(tmp_path))


@pytest.mark.parametrize(
    "more", [{}, {"phi": 3}, {"mosaic": 4}, {"sources": 4}, {"oversample": 3}, {"phi": 2, "mosaic": 5}]
)
def test_flags_give_the_steps_they_say(more):
    words = [*BASE, "-detpixels", "4", "-pixel", "1", "-phi", "0", "-osc", "1", *steps(**more)]
    assert Simulation(parse(words).experiment).model.steps == steps_of(words)


def test_matrix_gives_way_to_a_cell():
    words = from_a_cell(["-mat", "A.mat", "-default_F", "1", "-lambda", "1", "-distance", "100", "-N", "3"])
    assert "A.mat" not in words
    assert parse(words).experiment.crystal.cell_lengths_A == (74, 83, 92)

"""`gpu-check` on the CPU at small size: what it checks, what it says of failures, and that its time is bounded."""

from __future__ import annotations

import sys
import time

import pytest
import torch

from nanobrag_bench.__main__ import main
from nanobrag_bench.gpu import beside, check, clock, goals, golden, images, rows, slopes, times
from nanobrag_bench.gpu.runs import FULL, QUICK, Plan
from nanobrag_torch.backends.compiled import selection
from tests.c_program import needs_compiler, quick_compiler

CPU = Plan("cpu", 1, QUICK)


def said_by(tasks):
    return list(check.rows_of(tasks, time.time() + 1000))


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """The settings of the parts are undone after each test."""
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "auto")
    monkeypatch.setenv("NANOBRAG_TORCH_CACHE", str(tmp_path))
    monkeypatch.delenv(beside.PROGRAM, raising=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_check_says_that_there_is_no_gpu(capsys):
    assert main(["gpu-check"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "gpu-check: error: torch sees no CUDA device; run it where there is one, or with --device cpu"
    ]


@needs_compiler
def test_everything_runs_on_the_cpu(capsys, monkeypatch, tmp_path):
    """Every part at small size in this process; the goals decided by checks are met, those of figures not measured."""
    monkeypatch.setenv("CC", quick_compiler(tmp_path))
    monkeypatch.setattr(check, "QUICK", QUICK._replace(types=("float32",)))
    assert main(["gpu-check", "--device", "cpu", "--quick", "--here", "--repeats", "1"]) == 0
    said = capsys.readouterr().out
    assert "image: one sample, compiled, float32" in said and "tiles, compiled" in said
    assert "golden: simple_cubic, compiled, float32" in said
    for kind in slopes.KINDS:
        assert f"derivatives: by {kind}, one sample, compiled, float32" in said
        assert f"image and derivatives by {kind}, 48 x 48, float32" in said
    for subject in ("image(), 50 x 50", "rate, 48 x 48, 20 orientations, 4 sources", "image from an experiment"):
        assert subject in said
    assert "frames, 32 x 32, with noise" in said and "images and their noise, 32 x 32, float32" in said
    assert "NB_CUDA_BIN: not run: NB_CUDA_BIN names no program" in said
    table = said[said.index("\ngoal ") :].splitlines()
    for goal in goals.CHECKS:
        assert next(line for line in table if line.startswith(goal.subject)).endswith("met")
    for limit in goals.LIMITS:
        assert next(line for line in table if line.startswith(limit.figure)).endswith("not measured")
    assert f"torch {torch.__version__}" in said and " 0 checks failed, 0 not run" in said
    assert selection.mode() == "auto", "the environment is as it was"


def test_a_wrong_image_fails_its_check_alone(monkeypatch):
    monkeypatch.setattr(images, "MODES", {"eager": "never"})
    monkeypatch.setattr(images, "TOLERANCE_OF_PEAK", 0.0)
    found = {row.name: row.holds for row in said_by(images.tasks(CPU))}
    assert not found.pop("image: one sample, eager, float32") and found["same bytes: one sample, eager, float32"]


@needs_compiler
def test_a_wrong_derivative_fails_its_check(monkeypatch):
    real = slopes.derivatives

    def wrong(experiment, kind, device, dtype, reach=3):
        found, simulation = real(experiment, kind, device, dtype, reach)
        scale = 1.0001 if dtype == torch.float32 else 1.0
        return {leaf: scale * value for leaf, value in found.items()}, simulation

    monkeypatch.setattr(slopes, "derivatives", wrong)
    monkeypatch.setattr(slopes, "KINDS", {kind: slopes.KINDS[kind] for kind in (slopes.GEOMETRY, "default_F")})
    failed = [row.name for row in said_by(list(slopes.tasks(CPU))[1:]) if not row.holds]
    assert failed == ["derivatives: by default_F, one sample, compiled, float32"]


def test_a_task_that_raises_ends_no_other():
    def broken():
        yield rows.check("a: first", True)
        raise RuntimeError("CUDA error:\nan illegal memory access")

    tasks = [("a", broken), ("b", lambda: iter([rows.check("b: second", True)]))]
    first, failure, second = said_by(tasks)
    assert (first.holds, second.name, second.holds) == (True, "b: second", True)
    assert failure == rows.check("a, all of it", False, "ended with RuntimeError: CUDA error: an illegal memory access")


def test_no_task_begins_when_the_time_is_over():
    def never():
        pytest.fail("begun")

    (row,) = check.rows_of([("a", never)], time.time() - 1)
    assert row == rows.not_run("a", "no time is left", holds=False)


def of_process(program, seconds=20.0):
    return list(check.by_process("part", [sys.executable, "-S", "-c", program], time.time() + seconds))


def test_rows_come_from_a_process_and_its_end_is_told():
    row = rows.milliseconds("image", 0.25, "quickly")
    kept, other, failure = of_process(f"print({row.as_json()!r}); print('a warning'); raise SystemExit(9)")
    assert kept == row and other == rows.Row("note", "a warning")
    assert failure == rows.check("part, the rest", False, "its process ended with 9")


def test_a_process_that_hangs_is_stopped():
    started = time.time()
    (row,) = of_process("import time; time.sleep(60)", 0.2)
    assert row == rows.not_run("part, the rest", "stopped, its time is over", holds=False)
    assert time.time() - started < 30


def test_the_parts_share_the_time(monkeypatch):
    """Each part knows when it has to end; the time left for the last step is less than four minutes."""
    asked = []
    monkeypatch.setattr(check, "by_process", lambda name, command, stops: asked.append((name, command, stops)) or [])
    options = check._parser().parse_args(["--device", "cuda:1", "--repeats", "3"])
    began = time.time()
    assert not list(check.all_rows(options, check.parts()))
    ends = [float(command[command.index("--ends") + 1]) - began for _, command, _ in asked]
    assert ends == sorted(ends) and ends[-1] == pytest.approx(check.BUDGET_S, abs=1)
    assert asked[-1][2] - began < 240
    assert sum(part.share for part in check.parts().values()) == pytest.approx(1)
    assert all(command[command.index("--device") + 1] == "cuda:1" for _, command, _ in asked)


def test_every_goal_has_a_row_of_that_name():
    """The names in the table of goals are those under which the parts report at full size."""
    named = {f"{what}, {size}, {dtype}" for what in ("kernel", "image()", "rate") for size in times.images(FULL)
             for dtype in goals.DTYPES}  # fmt: skip
    plan = CPU._replace(extent=FULL)
    named |= {name for name, _ in (*times.tasks(plan), *slopes.times(plan))}
    named |= {"launches of an image with samples, sources and layers"}
    named |= {f"frames, {FULL.frame} x {FULL.frame}, {noise}" for noise in ("without noise", "with noise")}
    assert {limit.figure for limit in goals.LIMITS} <= named


def test_goals_are_met_missed_or_not_measured():
    found = [
        rows.check("image: a", True), rows.check("image: b", False, "1e-3 of the peak"),
        rows.check("golden: c", True), rows.not_run("golden: d", "no time is left", holds=False),
        rows.milliseconds("kernel, 2500 x 2500, 10 orientations, float32", 0.29e-3),
        rows.figure("frames, 512 x 512, with noise", 299.0, "frames/s"),
    ]  # fmt: skip
    verdicts = {one.goal: one for one in goals.verdicts(found)}
    assert verdicts["images to 1e-6 of the peak"][2:4] == ("1 of 2", False)
    assert verdicts["golden cases, by eager and compiled code, in both types"][2:4] == ("1 of 1, 1 not run", False)
    assert verdicts["kernel, 2500 x 2500, 10 orientations, float32"].met is True
    assert verdicts["frames, 512 x 512, with noise"].met is False
    assert verdicts["frames, 512 x 512, without noise"].word == "not measured"
    assert len(verdicts) == len(goals.CHECKS) + len(goals.LIMITS)


def test_golden_cases_that_are_not_there_are_said_to_be_missing(tmp_path):
    (row,) = said_by(golden.tasks(CPU._replace(golden=tmp_path)))
    assert row.kind == "not run" and row.holds and "cases.json is not there; --golden names a folder" in row.note


def test_launches_are_read_from_a_profile(monkeypatch):
    class Event:
        device_type = torch.profiler.DeviceType.CUDA

        def __init__(self, name, microseconds):
            self.name, self.time_range = name, self
            self.elapsed_us = lambda: microseconds

    class Profiler:
        def __init__(self, **_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def events(self):
            return [Event("run", 300.0), Event("Memcpy HtoD", 50.0), Event("run", 200.0), Event("Memset", 9.0)]

    monkeypatch.setattr(torch.profiler, "profile", Profiler)
    monkeypatch.setattr(clock, "wait", lambda device: None)
    assert clock.profile(lambda: None, "cuda") == clock.Profile(2, 1, pytest.approx(5e-4))
    monkeypatch.setattr(Profiler, "events", lambda self: [])
    assert clock.profile(lambda: None, "cuda") == "no profile: it shows no kernel"


def test_another_program_is_timed_beside(monkeypatch, tmp_path):
    program = tmp_path / "nanoBraggCUDA"
    program.write_text("#!/bin/sh\necho kernel time: 1.25 ms\necho second Kernel 250 us\n")
    program.chmod(0o755)
    monkeypatch.setenv(beside.PROGRAM, f"{program} -gpu")
    found = said_by(beside.tasks(CPU))
    assert len(found) == 2 * len(times.images(QUICK))
    assert {row.value for row in found if row.name.startswith("NB_CUDA_BIN, kernels")} == {1.5}
    program.write_text("#!/bin/sh\necho no times\n")
    assert [row.kind for row in said_by(beside.tasks(CPU))][:2] == ["figure", "note"]
    program.write_text("#!/bin/sh\necho no device >&2\nexit 3\n")
    assert all(row.note == "ended with 3: no device" and not row.holds for row in said_by(beside.tasks(CPU)))

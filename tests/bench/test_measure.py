"""Processes measured from outside, workers, tables and pictures."""

import json
import sys
from pathlib import Path

import pytest

from nanobrag_bench import plots, table
from nanobrag_bench.compiled import MODE_VARIABLE, VARIABLE, build, check_used, environment, one_code
from nanobrag_bench.machine import in_words, machine
from nanobrag_bench.measure import measure
from nanobrag_bench.series import LongRuns, at_least, at_most, in_turn, median_ratio, ratios
from nanobrag_bench.worker import timed
from nanobrag_bench.workers import Worker
from tests.cli.conftest import BASE
from trace_audit.core.errors import InputError

WORDS = [*BASE, "-detpixels", "8", "-pixel", "1", "-N", "3", "-dtype", "float64"]


def test_time_and_memory_of_a_process():
    program = "import time; x = bytearray(100 << 20); sum(range(2000000)); time.sleep(0.3); print(len(x))"
    measured = measure([sys.executable, "-c", program])
    assert measured.said == f"{100 << 20}\n"
    assert measured.wall_s > 0.3 and 0.01 < measured.cpu_s < measured.wall_s
    assert 100 < measured.peak_MiB < 140, "what the process has, not what this one has"


def test_environment_reaches_the_process():
    program = f"import os; print(os.environ[{VARIABLE!r}])"
    assert measure([sys.executable, "-c", program], environment(Path("/x"))).said == "/x\n"


def test_one_code_is_compiled_unless_that_is_switched_off(monkeypatch):
    monkeypatch.delenv(MODE_VARIABLE, raising=False)
    assert one_code(Path("/x")) == {VARIABLE: "/x", MODE_VARIABLE: "always"}
    monkeypatch.setenv(MODE_VARIABLE, "never")
    assert one_code(Path("/x"))[MODE_VARIABLE] == "never"


def test_program_that_goes_without_compiled_code_is_no_measurement_of_it():
    said = "nanobrag_torch: compiled code is not used: no C compiler found\n"
    check_used(said, environment(Path("/x")))
    with pytest.raises(InputError, match="no C compiler found$"):
        check_used(said, {MODE_VARIABLE: "always"})
    broken = {VARIABLE: "/proc/nowhere", MODE_VARIABLE: "always"}
    with pytest.raises(InputError, match="compiled code is not used"), Worker(WORDS, broken) as worker:
        worker.ask("image")


def test_compiled_code_is_built_for_all_images(tmp_path, monkeypatch):
    monkeypatch.delenv(MODE_VARIABLE, raising=False)
    images = {"one sample": [*WORDS, "-oversample", "1"], "several": [*WORDS, "-oversample", "2"]}
    record = build(tmp_path, images)
    assert record["built"] and list(record["wall_s"]) == ["one sample", "several"]
    programs = sorted({name.split("-")[0] for name in record["programs"]})
    assert programs == ["photons_in_float32", "photons_in_float32_of_samples"]
    assert record["bytes"] > 0
    with pytest.raises(InputError, match="build ended with 2"):
        build(tmp_path, {"refused": ["-bogus"]})


def test_failure_is_one_line():
    with pytest.raises(InputError, match="ended with 3: it broke$"):
        measure([sys.executable, "-c", "import sys; print('a\\nit broke', file=sys.stderr); sys.exit(3)"])


def test_runs_are_taken_in_turn():
    order = []
    actions = {name: lambda name=name: order.append(name) or {"wall_s": len(order)} for name in "ab"}
    runs = in_turn(actions, 2)
    assert order == ["a", "b", "a", "b"]
    assert [ratio["median"] for ratio in ratios(runs, [("b", "a"), ("a", "c")])] == [(2 / 1 + 4 / 3) / 2]
    assert median_ratio([], "a", "b") is None


def test_a_long_run_is_repeated_less_often():
    seconds = {"slow": 31.0, "quick": 1.0, "kept": 99.0}
    actions = {name: lambda name=name: {"wall_s": seconds[name]} for name in seconds}
    runs = in_turn(actions, 5, LongRuns(frozenset({"slow", "quick"}), 30, 3))
    assert {name: len(measured) for name, measured in runs.items()} == {"slow": 3, "quick": 5, "kept": 5}
    assert ratios(runs, [("kept", "slow")])[0]["runs"] == [99 / 31] * 3


@pytest.mark.parametrize(("goal", "met"), [(at_least("x", 2, 2), True), (at_least("x", 1.9, 2), False),
                                           (at_most("x", 2.1, 2), False), (at_most("x", None, 2), None)])  # fmt: skip
def test_goals(goal, met):
    assert goal["met"] is met


def test_worker_answers_and_its_death_is_told():
    with Worker(WORDS, gradient=["distance", "cell_a"]) as worker:
        for quantity in ("image", "simulate", "gradient"):
            assert min(worker.ask(quantity).values()) > 0
    assert worker.peak_MiB > 50
    with Worker(["-bogus"]) as worker, pytest.raises(InputError, match="torch worker ended with .*-bogus"):
        worker.ask("image")
    assert timed(lambda: None)["wall_s"] < 0.1


RESULT = {
    "part": "kernel",
    "title": "simulation alone",
    "rows": [
        {"program": "C -O3", "what": "simulation", "unit": "s", "median": 2.0, "runs": [1.0, 2.0, 3.0]},
        {"program": "torch float32", "what": "simulation", "unit": "s", "median": 0.1, "runs": [0.1, 0.1, 0.2]},
    ],
    "ratios": [{"of": "C -O3", "to": "torch float32", "median": 20.5, "runs": [20.5]}],
    "goals": [at_least("C -O3 / torch float32", 20.5, 20), at_most("seconds", None, 1)],
}
GPU = {"part": "gpu", "title": "on a GPU", "rows": [], "ratios": [], "goals": [], "not_run": "no GPU here"}
ABOUT = {"cpu": "Some CPU", "vector_units": "avx2", "cores": 2, "memory_GiB": 8.0, "gpu": "none", "python": "3.11",
         "torch": "2", "load_before": [0.5, 0, 0]}  # fmt: skip


def test_tables():
    text = table.text({"kernel": RESULT, "gpu": GPU}, ABOUT)
    assert "C -O3 / torch float32 = 20.5" in text and "not run: no GPU here" in text
    readme = table.markdown({"kernel": RESULT, "gpu": GPU}, ABOUT)
    assert "Some CPU (avx2), 2 cores" in readme
    assert "| kernel: C -O3 / torch float32 | at least 20 | 20.5 | met |" in readme
    assert "| kernel: seconds | at most 1 | - | not measured |" in readme
    assert "| gpu | | | not run: no GPU here |" in readme
    assert "| simulation, s | 2 | 0.1 |" in readme


def test_pictures_hold_every_program_and_repeat_to_the_byte():
    rows = [row | {"steps": count, "median": row["median"] * count} for row in RESULT["rows"] for count in (1, 10)]
    steps = {
        **RESULT,
        "rows": rows,
        "laws": {"torch float32": {"exponent": 1.0, "ns_per_step": 1e8, "start_s": 0.0, "off_line": 0.1},
                 "C -O3": {"exponent": 1.0, "ns_per_step": 2e9, "start_s": 0.0, "off_line": 0.0}},
    }  # fmt: skip
    assert "ns x steps, exponent 1.000, 10.0% of the longest off the line" in table.text({"steps": steps}, ABOUT)
    no_program_of_ours = {**RESULT, "rows": [RESULT["rows"][0] | {"program": "import torch"}]}
    for part, result in {"kernel": RESULT, "steps": steps, "gpu": GPU, "process": no_program_of_ours}.items():
        picture = plots.svg(part, result, in_words(ABOUT))
        assert picture.startswith(b"<?xml") and picture == plots.svg(part, result, in_words(ABOUT))


def test_machine_is_described():
    assert json.loads(json.dumps(machine()))["cores"] >= 1
    assert f"torch {machine()['torch']}" in in_words(machine())

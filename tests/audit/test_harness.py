"""The torch side: what it writes, that it repeats, what it records of the environment, and how it refuses."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml

from trace_audit.compare.comparison import compare
from trace_audit.compare.skipped import why_skipped
from trace_audit.core.errors import run_command
from trace_audit.programs.environment import VARIABLES
from trace_audit.programs.harness import deviations, main
from trace_audit.trace.parse import read_trace

from .test_scenario import MINIMAL

FILES = [
    "trace_py_scaling.log",
    "trace_py_stdout.txt",
    "trace_py_stderr.txt",
    "trace_py_run.json",
    "trace_py_env.json",
    "config_snapshot.json",
    "capture_notes.md",
]


@pytest.fixture
def scenarios(tmp_path):
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(yaml.safe_dump(MINIMAL))
    return folder


def run(scenarios, folder, *more, pixel=("3", "4")):
    arguments = [
        "--pixel",
        *pixel,
        "--out",
        str(folder / FILES[0]),
        "--config",
        "tiny",
        "--scenario-dir",
        str(scenarios),
    ]
    return run_command(main, [*arguments, *more])


def test_all_files_are_written_and_the_log_is_whole(scenarios, tmp_path, capsys):
    assert run(scenarios, tmp_path / "a") == 0
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(FILES)
    parsed = read_trace(tmp_path / "a" / FILES[0])
    assert parsed.problems == [] and not parsed.historic
    assert parsed.values("pixel_slow_fast") == (3, 4)
    assert capsys.readouterr().out == "", "the trace goes to its file, not to the terminal"


def test_a_rerun_gives_the_same_bytes(scenarios, tmp_path):
    for name in ("a", "b"):
        assert run(scenarios, tmp_path / name, "--dtype", "float32") == 0
    for name in (*FILES[:3], "config_snapshot.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    snapshot = json.loads((tmp_path / "a" / "config_snapshot.json").read_text())
    assert snapshot["dtype"] == "float32" and snapshot["scenario"]["detector"]["pixel_mm"] == 0.1
    assert str(tmp_path) not in json.dumps(snapshot), "no machine paths in what must repeat"


def test_environment_is_described_by_allow_list(scenarios, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    assert run(scenarios, tmp_path / "a") == 0
    text = (tmp_path / "a" / "trace_py_env.json").read_text()
    env = json.loads(text)
    assert "hunter2" not in text and "SECRET_TOKEN" not in text
    assert set(env["variables"]) == set(VARIABLES) and env["variables"]["KMP_DUPLICATE_LIB_OK"] == "TRUE"
    assert {"python", "packages", "torch", "git", "platform", "cpu_model", "compiler"} <= set(env)
    assert {"commit", "status", "diff_sha256"} == set(env["git"]["before"]) == set(env["git"]["after"])
    assert {"version", "build", "threads", "cuda_available", "gpus", "gpu_driver"} <= set(env["torch"])


def test_variable_is_set_before_torch_is_imported():
    imports = "import sys, os, trace_audit.programs.harness"
    code = f"{imports}; print('torch' in sys.modules, os.environ['KMP_DUPLICATE_LIB_OK'])"
    environment = {name: value for name, value in os.environ.items() if name != "KMP_DUPLICATE_LIB_OK"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False TRUE\n"


def test_importing_the_harness_is_lean():
    heavy = ("torch", "pandas", "matplotlib", "snakemake", "gemmi", "rich", "numpy")
    code = f"import trace_audit.programs.harness, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--device", "cuda:99"), "cuda"),
        (("--device", "abacus"), "abacus"),
        (("--hkl", "nowhere.hkl"), "nowhere.hkl: no such file"),
    ],
)
def test_what_is_not_there_is_refused_and_no_log_is_left(scenarios, tmp_path, capsys, more, message):
    assert run(scenarios, tmp_path / "a", *more) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "a" / FILES[0]).exists()


def test_a_pixel_off_the_detector_is_refused_and_nothing_written(scenarios, tmp_path, capsys):
    assert run(scenarios, tmp_path / "a", pixel=("3", "16")) == 2
    assert "pixel 3 16 (slow fast) is off the detector" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_a_fault_of_the_simulator_keeps_its_story(scenarios, tmp_path, monkeypatch, capsys):
    import nanobrag_torch.trace

    def broken(*_, **__):
        yield "TRACE_PY: pixel_slow_fast 3 4"
        raise RuntimeError("out of tiles")

    monkeypatch.setattr(nanobrag_torch.trace, "trace_simulation", broken)
    assert run(scenarios, tmp_path / "a") == 2
    assert "RuntimeError: out of tiles" in capsys.readouterr().err
    assert "Traceback" in (tmp_path / "a" / "trace_py_stderr.txt").read_text()
    assert not (tmp_path / "a" / FILES[0]).exists()


def test_output_of_native_libraries_is_caught(scenarios, tmp_path, monkeypatch, capfd):
    import nanobrag_torch.trace

    def noisy(*_, **__):
        os.write(2, b"a library speaks\n")
        yield "TRACE_PY: pixel_slow_fast 3 4"

    monkeypatch.setattr(nanobrag_torch.trace, "trace_simulation", noisy)
    assert run(scenarios, tmp_path / "a") == 0
    assert "a library speaks" in (tmp_path / "a" / "trace_py_stderr.txt").read_text()
    assert capfd.readouterr().err == ""


def test_deviations_name_a_missing_gpu_and_a_changed_tree():
    clean = {"commit": "c", "status": [], "diff_sha256": "d"}
    env = {"torch": {"cuda_available": False}, "git": {"before": clean, "after": {**clean, "diff_sha256": "e"}}}
    assert len(deviations(env, "cpu")) == 2
    env = {"torch": {"cuda_available": True}, "git": {"before": clean, "after": clean}}
    assert deviations(env, "cpu") == []


def test_the_scenario_attributes_a_divergence_to_its_defect(scenarios, tmp_path):
    """End to end: the reference has the phi carry-over, torch has not, and the audit names the difference."""
    from trace_audit.compare.__main__ import main as compare

    data = {**MINIMAL, "spindle": {"phi_start_deg": 0.0, "osc_deg": 1.0, "phisteps": 3}}
    (scenarios / "tiny.yaml").write_text(yaml.safe_dump(data))
    (scenarios / "carry.yaml").write_text(
        yaml.safe_dump({**data, "name": "carry", "defects": "default,+phi_carryover"})
    )
    for name in ("tiny", "carry"):
        arguments = ["--pixel", "3", "4", "--config", name, "--scenario-dir", str(scenarios)]
        assert run_command(main, [*arguments, "--out", str(tmp_path / name / "t.log")]) == 0
    log = (tmp_path / "carry" / "t.log").read_text().replace("TRACE_PY", "TRACE_C")
    (tmp_path / "c.log").write_text(log)
    arguments = ["--c-log", str(tmp_path / "c.log"), "--py-log", str(tmp_path / "tiny/t.log"), "--pixel", "3", "4"]
    arguments += ["--config", "tiny", "--scenario-dir", str(scenarios), "--out", str(tmp_path / "x.json")]
    assert run_command(compare, arguments) == 1
    verdict = json.loads((tmp_path / "x.json").read_text())
    assert verdict["attribution"] == ["phi_carryover"]
    assert "rot_a_angstroms" in verdict["root_causes"] and "with phi_carryover on" in verdict["summary"]


def test_compiled_code_traces_the_same_pixel_and_says_what_it_is(scenarios, tmp_path, monkeypatch):
    """Both agree within the tolerances; the record holds the source's sha256 and the compiler."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler here")
    monkeypatch.setenv("NANOBRAG_TORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "never")  # what the audit asks for goes before
    (tmp_path / "cache").mkdir()
    traces = {}
    for backend in ("eager", "compiled"):
        assert run(scenarios, tmp_path / backend, "--backend", backend) == 0
        traces[backend] = read_trace(tmp_path / backend / FILES[0])
        made_by = json.loads((tmp_path / backend / "trace_py_run.json").read_text())["made_by"]
        assert made_by["name"] == backend and bool(made_by["source_sha256"]) == (backend == "compiled")
        assert json.loads((tmp_path / backend / "config_snapshot.json").read_text())["backend"] == backend
    assert compare(traces["eager"], traces["compiled"]).passed


def test_an_experiment_without_compiled_code_is_skipped_with_the_reason(scenarios, tmp_path, monkeypatch):
    from nanobrag_torch.backends.compiled import selection

    monkeypatch.setattr(selection, "not_compilable", lambda model: "amplitudes are interpolated")
    assert run(scenarios, tmp_path / "a", "--backend", "compiled") == 0
    reason = why_skipped(tmp_path / "a" / "config_snapshot.json")
    assert reason == "compiled code cannot trace this: amplitudes are interpolated"
    assert (tmp_path / "a" / FILES[0]).read_text() == ""

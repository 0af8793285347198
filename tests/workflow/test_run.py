"""One audit from end to end on a small experiment, then everything that can go wrong with it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.workflow.conftest import REPOSITORY, Project, make_project
from trace_audit.trail import attempts, hash_chain
from trace_audit.trail.verify import verify

AUDIT = "results/small/S20_F30/cpu_float64"
C_SIDE = "results/small/S20_F30/c"

ARTIFACTS = [
    *(f"{C_SIDE}/{name}" for name in ("c_trace_scaling.log", "c_trace_stdout.txt", "c_trace_stderr.txt")),
    f"{C_SIDE}/c_trace_run.json",
    *(f"{AUDIT}/trace_py_{name}" for name in ("scaling.log", "stdout.txt", "stderr.txt", "run.json", "env.json")),
    *(f"{AUDIT}/{name}" for name in ("config_snapshot.json", "capture_notes.md", "diff_summary.md")),
    *(f"{AUDIT}/compare_scaling_traces.{kind}" for kind in ("json", "md")),
    *(f"results/audit/{name}" for name in ("attempt_history.md", "notes.md", "gate.json", "summary.txt")),
    *(f"results/audit/{name}" for name in ("protected_before.json", "regression_test.json", "ledger/000001.json")),
    *(f"results/reference/{name}" for name in ("build.json", "nanobragg")),
]


def fake_reference(folder: Path, edit: str) -> Path:
    """A program that runs the true reference and passes its output through `sed -e edit`."""
    fake = folder / "fake nanobragg"
    true_one = folder / "results/reference/nanobragg"
    fake.write_text(f"#!/bin/bash\nset -o pipefail\n'{true_one}' \"$@\" | sed -e '{edit}'\n")
    fake.chmod(0o755)
    return fake


def test_every_artifact_is_there(finished: Project):
    assert [name for name in ARTIFACTS if not finished.file(name).is_file()] == []
    verdict = json.loads(finished.file(f"{AUDIT}/compare_scaling_traces.json").read_text())
    assert verdict["status"] == "pass"


def test_progress_and_table_are_printed(finished: Project):
    printed = finished.file("terminal.txt").read_text()
    assert "Torch trace: small, pixel (20, 30), cpu, float64" in printed
    assert re.search(r"\d+ of \d+ steps \(100%\) done", printed)
    assert re.search(r"small +\(20, 30\) +cpu +float64 +eager +\S+ +\S+ +pass", printed)


def test_logs_are_kept_apart_from_results(finished: Project):
    rules = {path.name for path in finished.file("logs").iterdir()}
    assert {"build_reference", "c_trace", "torch_trace", "compare", "gate"} <= rules
    assert finished.file("logs/torch_trace/small_S20_F30_cpu_float64.benchmark.tsv").is_file()


def test_build_record_names_compiler_and_hashes(finished: Project):
    record = json.loads(finished.file("results/reference/build.json").read_text())
    assert record["compiler"]["command"] == "gcc"
    assert any("-ffp-contract=off" in command for command in record["commands"])
    assert not any("-march" in command for command in record["commands"])  # runs on any node, wherever it was built
    assert {len(sha) for sha in (record["binary_sha256"], record["source_sha256"])} == {64}
    assert "cli/main.c" in record["sources"]


def test_second_run_runs_no_job(finished: Project):
    done = finished.snakemake()
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_table_that_a_full_disk_kept_from_being_written_is_made_by_the_next_run(finished: Project, tmp_path: Path):
    project = finished.copy(tmp_path)
    tables = ("results/audit/factors.csv", "results/audit/worst_factors.csv")
    for name in (*tables, "results/audit/gate.json", "results/audit/receipts/seal.json"):
        project.file(name).unlink()  # summary.txt, of the same job, is there
    done = project.snakemake("--quiet", "host", "reason")
    assert done.returncode == 0, done.stderr
    assert [project.file(name).read_bytes() for name in tables] == [finished.file(name).read_bytes() for name in tables]


def test_results_verify(finished: Project):
    done = subprocess.run(
        [sys.executable, "-m", "trace_audit", "verify", str(finished.file("results"))],
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_comparison_script_has_three_exit_codes(finished: Project, tmp_path: Path):
    script = REPOSITORY / "workflow/scripts/compare_scaling_traces.py"
    c_log, torch_log = finished.file(f"{C_SIDE}/c_trace_scaling.log"), finished.file(f"{AUDIT}/trace_py_scaling.log")
    changed = tmp_path / "changed.log"
    changed.write_text(re.sub(r"(?m)^TRACE_C: r_e_sqr .*$", "TRACE_C: r_e_sqr 8e-30", c_log.read_text()))
    out = tmp_path / "compare_scaling_traces.json"
    for log, expected in ((c_log, 0), (changed, 1), (tmp_path / "not there.log", 2)):
        arguments = ["--c-log", str(log), "--py-log", str(torch_log), "--out", str(out)]
        done = subprocess.run([sys.executable, str(script), *arguments], text=True, capture_output=True, check=False)
        assert done.returncode == expected, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "not there.log" in done.stderr


@pytest.fixture(scope="module")
def halted(finished: Project, tmp_path_factory) -> tuple[Project, subprocess.CompletedProcess]:
    """The audit again, with a reference that prints another polarization factor."""
    project = finished.copy(tmp_path_factory.mktemp("halted"))
    fake = fake_reference(project.folder, r"s/^TRACE_C: polar .*/TRACE_C: polar 0.5/")
    return project, project.snakemake("--quiet", "host", "reason", NB_C_BIN=str(fake))


def test_gate_halts_and_names_the_keys(halted):
    project, done = halted
    assert done.returncode == 1
    assert re.search(r"gate: +polar: relative difference \S+ \(root cause\)", done.stderr)
    assert not project.file("results/audit/gate.json").exists()


def test_gate_keeps_all_artifacts(halted):
    project, _ = halted
    verdict = json.loads(project.file(f"{AUDIT}/compare_scaling_traces.json").read_text())
    assert verdict["status"] == "fail"
    assert "polar" in verdict["root_causes"]
    external = {"results/audit/gate.json", "results/reference/nanobragg"}
    assert [name for name in ARTIFACTS if name not in external and not project.file(name).is_file()] == []
    log = project.file(f"{AUDIT}/attempt_failed.log").read_text()
    for name in ("c_trace_stdout.txt", "c_trace_stderr.txt", "trace_py_stdout.txt", "trace_py_stderr.txt"):
        assert name in log
    assert "TRACE_C: polar 0.5" in log
    assert project.file(f"{AUDIT}/diff_on_blocker.patch").is_file()


def test_failed_attempt_is_on_record(halted):
    project, _ = halted
    history = project.file("results/audit/attempt_history.md").read_text()
    rows = [line for line in history.splitlines() if line.startswith("| ") and "(20, 30)" in line]
    assert [row.split("|")[7].strip() for row in rows] == ["pass", "fail"]
    assert "## Blockers" in history


def test_a_failed_run_says_in_ten_lines_what_failed_and_what_to_open(halted):
    project, done = halted
    ending = done.stderr[done.stderr.index("1 of 1 audit failed.") :].split("Complete log")[0].strip().splitlines()
    assert ending[1].startswith("  1 audit: polar") and "small (20, 30)" in ending[1]
    assert len(ending) <= 10 and ending[-1] == f"{AUDIT}/diff_summary.md"
    assert project.file(ending[-1]).is_file()
    assert re.search(
        r"\(20, 30\) +cpu +float64 +eager +polar +\S+ +polar", project.file("results/audit/summary.txt").read_text()
    )


def test_gate_notices_a_changed_protected_file(finished: Project, tmp_path: Path):
    project = finished.copy(tmp_path)
    record = project.file("results/audit/protected_before.json")
    another = "0" * 64
    record.write_text(re.sub(r'("config/scenarios/small.yaml": )"[0-9a-f]+"', rf'\1"{another}"', record.read_text()))
    done = project.snakemake("--quiet", "host", "reason", "--forcerun", "gate")
    assert done.returncode == 1
    assert "protected asset config/scenarios/small.yaml changed" in done.stderr


def test_crash_of_the_reference_leaves_its_output(finished: Project, tmp_path: Path):
    project = finished.copy(tmp_path)
    program = project.file("crashing")
    program.write_text("#!/bin/sh\necho 'last words' >&2\nkill -SEGV $$\n")
    program.chmod(0o755)
    done = project.snakemake("--quiet", "host", "reason", NB_C_BIN=str(program))
    assert done.returncode == 1
    assert "was killed by signal SIGSEGV" in done.stderr
    assert project.file(f"{C_SIDE}/c_trace_stderr.txt").read_text() == "last words\n"
    record = hash_chain.load(project.file("results") / attempts.LEDGER)[-2].record
    assert record["kind"] == "attempt" and record["status"] == "fail" and record["dtype"] == "float64"
    assert record["summary"] == "crashing failed before anything could be compared: was killed by signal SIGSEGV"
    assert record["commands"][0]["exit_code"] == -11 and record["commands"][0]["last_words"] == ["last words"]
    assert "last words" in project.file(f"{AUDIT}/attempt_failed.log").read_text()
    assert verify(project.file("results")) == []
    # once it is repaired, nothing beside the comparison tells of the crash, but the evidence is kept
    program.write_text(f"#!/bin/sh\nexec '{finished.file('results/reference/nanobragg')}' \"$@\"\n")
    repaired = project.snakemake("--quiet", "host", "reason", NB_C_BIN=str(program))
    assert repaired.returncode == 0, repaired.stderr
    assert not project.file(f"{AUDIT}/attempt_failed.log").exists()
    shelf = project.file(f"results/audit/blockers/{record['number']:06d}")
    assert "last words" in (shelf / "attempt_failed.log").read_text()
    assert verify(project.file("results")) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device that the test needs to be missing")
def test_missing_device_fails_in_one_line(finished: Project, tmp_path: Path):
    project = finished.copy(tmp_path)
    project.write_config(devices=["cuda"])
    done = project.snakemake("--quiet", "host", "reason", "--until", "torch_trace")
    assert done.returncode == 1
    log = project.file("logs/torch_trace/small_S20_F30_cuda_float64.log").read_text()
    assert len(log.splitlines()) == 1
    assert "cuda" in log
    record = hash_chain.load(project.file("results") / attempts.LEDGER)[-2].record
    assert record["device"] == "cuda" and record["commands"][0]["exit_code"] == 2
    assert record["summary"].startswith("nanobrag_torch failed before anything could be compared: ")
    assert not project.file("results/small/S20_F30/cuda_float64/trace_py_scaling.log").exists()
    assert "allow_missing_device: true" in done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device that the test needs to be missing")
def test_missing_device_that_is_allowed_is_a_recorded_skip(finished: Project, tmp_path: Path):
    project = finished.copy(tmp_path)
    project.write_config(devices=["cpu", "cuda"], allow_missing_device=True)
    done = project.snakemake("--quiet", "host", "reason")
    assert done.returncode == 0, done.stderr
    table = project.file("results/audit/summary.txt").read_text()
    assert re.search(r"small +\(20, 30\) +cuda +float64 +eager +skipped\n", table)
    assert re.search(
        r"Nothing was compared: device cuda is not there: .*\n  small \(20, 30\) cuda float64 eager\n", table
    )
    gate = json.loads(project.file("results/audit/gate.json").read_text())
    assert gate["audits"] == 1 and list(gate["skipped"]) == ["results/small/S20_F30/cuda_float64"]
    assert "deviation: device cuda is not there: " in project.file("results/audit/notes.md").read_text()
    assert re.search(r"\| cuda +\| float64 +\| skipped ", project.file("results/audit/attempt_history.md").read_text())
    verify = [sys.executable, "-m", "trace_audit", "verify", str(project.file("results"))]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0

    project.write_config(devices=["cuda"], allow_missing_device=True)  # now there is no audit but the skipped one
    done = project.snakemake("--quiet", "host", "reason")
    assert done.returncode == 1
    assert "gate: every audit was skipped, so nothing is known" in project.file("logs/gate/gate.log").read_text()
    assert not project.file("results/audit/gate.json").exists()


def test_missing_compiler_fails_in_one_line(project: Project):
    project.write_config(reference={"compiler": "no-such-gcc"})
    done = project.snakemake("--quiet", "host", "reason", "--until", "build_reference")
    assert done.returncode == 1
    assert "no-such-gcc not found on PATH" in done.stderr
    assert len(project.file("logs/build_reference/reference.log").read_text().splitlines()) == 1
    assert [path for path in project.file("results").rglob("*") if path.name in ("nanobragg", "build.json")] == []


def test_failing_regression_test_stops_before_torch(finished: Project, tmp_path: Path):
    project = make_project(tmp_path / "failing")
    shutil.copytree(finished.file("results"), project.file("results"))
    project.write_config(gate={"regression_test": "tests/test_trace_pixel.py::no_such_test"})
    done = project.snakemake("--quiet", "host", "reason", "--until", "regression_test", "--forcerun", "regression_test")
    assert done.returncode == 1
    assert "torch is not traced until it passes" in done.stderr

"""A recorded audit run again: the same bytes, or the difference by name; hostile records are refused."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY, Project
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import sha256_of_bytes
from trace_audit.trail import attempts, hash_chain
from trace_audit.trail.ledger import main as ledger
from trace_audit.trail.rerun import environment_differences, rerun
from trace_audit.trail.rerun_limits import confined_flags, reference_for

AUDIT, C_SIDE = "small/S20_F30/cpu_float64", "small/S20_F30/c"


def copy_of(project: Project, folder: Path) -> Path:
    return shutil.copytree(project.file("results"), folder / "results", symlinks=True)


def again(results: Path, number: int, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "trace_audit", "rerun", str(number), "--results", str(results), *arguments]
    return subprocess.run(command, cwd=results.parent, text=True, capture_output=True, timeout=120, check=False)


def forged(results: Path, **changes) -> int:
    """One more record, the first one with some fields changed; its number."""
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    number = hash_chain.append(results / attempts.LEDGER, {**record, **changes})["number"]
    assert run_command(ledger, ["seal", "--results", str(results)]) == 0
    return number


def test_an_attempt_comes_out_the_same(finished: Project, tmp_path: Path):
    done = again(finished.file("results"), 1, "--out", str(tmp_path / "kept here"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Reference: built from nanobragg_c, whose sources are the recorded ones: the recorded bytes" in done.stdout
    assert "record 1 comes out the same" in done.stdout and done.stdout.count(": same bytes") == 12
    assert "Sources and config changed since:\n  none" in done.stdout
    assert (tmp_path / "kept here/compare_scaling_traces.json").is_file()


def test_the_script_of_an_attempt_repeats_it(finished: Project, tmp_path: Path):
    script = tmp_path / "again.sh"
    done = again(finished.file("results"), 1, "--script", str(script))
    assert done.returncode == 0, done.stdout + done.stderr
    text = script.read_text()
    assert "/@OUT@" not in text and "trace_audit.harness" in text and "RUN_RECORDED_PROGRAM" not in text
    environment = os.environ | {"PYTHON": sys.executable}
    command = ["bash", str(script), str(tmp_path / "made here")]
    ran = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count(": same bytes") == 12
    refused = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode != 0 and "File exists" in refused.stderr


def snapshot_of(results: Path, **changes) -> dict[str, str]:
    """The snapshot of the first record with some keys of it or of its scenario changed; its new hash."""
    path = results / AUDIT / "config_snapshot.json"
    content = json.loads(path.read_text())
    if isinstance(changes.get("scenario"), dict):
        changes["scenario"] = {**content["scenario"], **changes["scenario"]}
    path.write_text(json.dumps({**content, **changes}))
    return hash_chain.hashes_below([path], results)


def test_a_strangers_record_writes_nothing_and_what_comes_out_otherwise_is_named(finished: Project, tmp_path: Path):
    results, victim = copy_of(finished, tmp_path), tmp_path / "victim"
    victim.write_text("precious")
    log, built = results / AUDIT / "trace_py_scaling.log", results / "reference/build.json"
    log.write_text(log.read_text().replace("TRACE_PY: steps 1", "TRACE_PY: steps 2"))
    built.write_text(json.dumps({**json.loads(built.read_text()), "sources": {"evil.c": "0" * 64}}))
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    changed = snapshot_of(results, scenario={"extra_flags": ["-intfile", str(victim), "-nointerpolate"]})
    changed |= hash_chain.hashes_below([log], results)
    inputs = {**record["inputs"], "results/reference/build.json": sha256_of_bytes(built.read_bytes())}
    number = forged(results, artifacts={**record["artifacts"], **changed}, inputs=inputs)
    with pytest.raises(InputError, match="came with the results.*nothing was run.*--run-recorded-program"):
        rerun(results, number, None)
    done = again(results, number, "--run-recorded-program")
    assert done.returncode == 1 and victim.read_text() == "precious" and "Traceback" not in done.stderr
    assert f"Left out, as they write files: -intfile {victim}" in done.stdout
    assert "trace_py_scaling.log: differs, numbers do not agree" in done.stdout
    assert "c_trace_scaling.log: same bytes" in done.stdout and "does not come out the same" in done.stdout


def test_a_program_that_changes_after_the_check_is_not_run(finished: Project, tmp_path: Path):
    program = finished.file("results/reference/nanobragg")
    with pytest.raises(InputError, match="it changed just now"):
        reference_for(program, "0" * 64, None, tmp_path / "other", consent=True)
    assert not (tmp_path / "other/nanobragg").exists()


def test_flags_that_write_are_left_out_and_files_that_are_read_must_be_recorded(tmp_path: Path):
    command = [
        "-stolout",
        "/x",
        "-noisefile",
        "/y",
        "-mask",
        "m",
        "-dumpfile",
        "d",
        "-misset",
        "1",
        "2",
        "3",
        "-hdf5file",
        "z",
    ]
    ledger_names = []
    kept, dropped = confined_flags(command, lambda name: ledger_names.append(name) or tmp_path / name, reads_dump=False)
    assert kept == ["-mask", str(tmp_path / "m"), "-misset", "1", "2", "3"] and ledger_names == ["m"]
    assert dropped == ["-stolout", "/x", "-noisefile", "/y", "-dumpfile", "d", "-hdf5file", "z"]
    assert confined_flags(["-dumpfile", "d"], lambda name: tmp_path / name, reads_dump=True)[1] == []
    for bad in (["-config", "x"], ["-nobody_knows", "x"], ["stray"], ["-intfile"]):
        with pytest.raises(InputError, match="extra_flags of the record"):
            confined_flags(bad, Path, reads_dump=False)


@pytest.mark.parametrize(
    "scenario",
    [
        {"extra_flags": ["-mask", "/etc/hostname"]},
        {"extra_flags": ["-sourcefile", "../outside"]},
        {"structure_factors": {"file": "/etc/shadow"}},
    ],
)
def test_a_record_cannot_make_it_read_what_is_not_its_own(finished: Project, tmp_path: Path, scenario: dict):
    results = copy_of(finished, tmp_path)
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    changed = snapshot_of(results, scenario=scenario, input_sha256={})
    if "structure_factors" not in scenario:
        changed = snapshot_of(results, scenario={"structure_factors": {"default_F_electrons": 1.0}})
    number = forged(results, artifacts={**record["artifacts"], **changed})
    with pytest.raises(InputError, match="it is not read|of which it has no hash"):
        rerun(results, number, None)


def test_an_anchor_or_signers_that_do_not_fit_stop_it(finished: Project, tmp_path: Path):
    results = finished.file("results")
    with pytest.raises(InputError, match="no record has the SHA-256.*nothing was run"):
        rerun(results, 1, None, anchor="0" * 64)
    with pytest.raises(InputError, match="expected the SHA-256 of a record"):
        rerun(results, 1, None, anchor="abc")
    (tmp_path / "signers").write_text("")
    with pytest.raises(InputError, match="not signed"):
        rerun(results, 1, None, allowed_signers=tmp_path / "signers")


def test_a_changed_artifact_or_a_record_of_another_kind_is_refused(finished: Project, tmp_path: Path):
    results = copy_of(finished, tmp_path)
    with pytest.raises(InputError, match="is not the record of an attempt"):
        rerun(results, 2, None)
    with pytest.raises(InputError, match="no such record"):
        rerun(results, 99, None)
    (results / C_SIDE / "c_trace_stdout.txt").write_text("other\n")
    with pytest.raises(InputError, match="c_trace_stdout.txt: changed"):
        rerun(results, 1, None)


def test_a_lost_binary_is_named(finished: Project, tmp_path: Path):
    results = copy_of(finished, tmp_path)
    (results / "reference/nanobragg").unlink()
    with pytest.raises(InputError, match="reference/nanobragg: missing.*nothing was run"):
        rerun(results, 1, None)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname", "link/outside.json", "a\0b"])
def test_a_record_cannot_make_it_read_or_write_outside(finished: Project, tmp_path: Path, name: str):
    results = copy_of(finished, tmp_path)
    (tmp_path / "outside.json").write_text("{}")
    (results / "link").symlink_to(tmp_path)
    before = sorted(tmp_path.iterdir())
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    with pytest.raises(InputError, match="is not as recorded|has not the fields"):
        rerun(results, forged(results, artifacts={name: "0" * 64, **record["artifacts"]}), None)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"device": "cpu; touch pwned"}, "unknown to the harness"),
        ({"dtype": "--out=/tmp/x"}, "dtype: input should be"),
        ({"backend": 3}, "backend: input should be"),
        ({"scenario": {"name": "../../x"}}, "no scenario of today's form"),
        ({"scenario": None}, "scenario: input should be"),
        ({"pixel_slow_fast": [1e400, "x"]}, "is not JSON as expected|pixel_slow_fast"),
    ],
)
def test_a_hostile_snapshot_is_refused_in_one_line(finished: Project, tmp_path: Path, change: dict, message: str):
    results = copy_of(finished, tmp_path)
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    number = forged(results, artifacts={**record["artifacts"], **snapshot_of(results, **change)})
    with pytest.raises(InputError, match=message) as caught:
        rerun(results, number, None)
    assert "\n" not in str(caught.value) and not list(tmp_path.rglob("pwned"))


def test_an_existing_folder_is_not_written_into(finished: Project, tmp_path: Path):
    done = again(finished.file("results"), 1, "--out", str(tmp_path))
    assert done.returncode == 2 and "is there already" in done.stderr and list(tmp_path.iterdir()) == []


def test_environments_differ_leaf_by_leaf():
    before = {"torch": {"version": "1", "threads": 1}, "gone": 1}
    now = {"torch": {"version": "2", "threads": 1}, "new": [1]}
    expected = ["gone: 1 -> None", "new: None -> [1]", "torch.version: 1 -> 2"]
    assert environment_differences(before, now) == expected

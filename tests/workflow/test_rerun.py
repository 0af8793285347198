"""A recorded audit run again: the same bytes, or the difference by name; hostile records are refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import Project
from trace_audit.core.errors import InputError
from trace_audit.trail import attempts, hash_chain
from trace_audit.trail.rerun import environment_differences, rerun

AUDIT, C_SIDE = "small/S20_F30/cpu_float64", "small/S20_F30/c"


def copy_of(project: Project, folder: Path) -> Path:
    return shutil.copytree(project.file("results"), folder / "results", symlinks=True)


def again(results: Path, number: int, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "trace_audit", "rerun", str(number), "--results", str(results), *words]
    return subprocess.run(command, cwd=results.parent, text=True, capture_output=True, timeout=120, check=False)


def forged(results: Path, **changes) -> int:
    """One more record, the first one with some fields changed; its number."""
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    return hash_chain.append(results / attempts.LEDGER, {**record, **changes})["number"]


def test_an_attempt_comes_out_the_same(finished: Project, tmp_path: Path):
    done = again(finished.file("results"), 1, "--out", str(tmp_path / "kept here"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "record 1 comes out the same" in done.stdout and done.stdout.count(": same bytes") == 12
    assert "Sources and config changed since:\n  none" in done.stdout
    assert (tmp_path / "kept here/compare_scaling_traces.json").is_file()


def test_what_comes_out_otherwise_is_named_with_its_numbers(finished: Project, tmp_path: Path):
    results = copy_of(finished, tmp_path)
    log = results / AUDIT / "trace_py_scaling.log"
    log.write_text(log.read_text().replace("TRACE_PY: steps 1", "TRACE_PY: steps 2"))
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    name = f"{AUDIT}/trace_py_scaling.log"
    number = forged(results, artifacts={**record["artifacts"], **hash_chain.hashes_below([log], results)})
    done = again(results, number)
    assert done.returncode == 1 and name.endswith(log.name)
    assert "trace_py_scaling.log: differs, numbers do not agree" in done.stdout
    assert "c_trace_scaling.log: same bytes" in done.stdout and "does not come out the same" in done.stdout


def test_a_changed_artifact_or_a_record_of_another_kind_is_refused(finished: Project, tmp_path: Path):
    results = copy_of(finished, tmp_path)
    with pytest.raises(InputError, match="is not the record of an attempt"):
        rerun(results, 2, None)
    with pytest.raises(InputError, match="no such record"):
        rerun(results, 99, None)
    (results / C_SIDE / "c_trace_stdout.txt").write_text("other\n")
    with pytest.raises(InputError, match="c_trace_stdout.txt is not as recorded"):
        rerun(results, 1, None)


def test_a_lost_binary_is_named(finished: Project, tmp_path: Path):
    results = copy_of(finished, tmp_path)
    (results / "reference/nanobragg").unlink()
    with pytest.raises(InputError, match="the reference program with SHA-256 .* is no longer there"):
        rerun(results, 1, None)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname", "link/outside.json", "a\0b"])
def test_a_record_cannot_make_it_read_or_write_outside(finished: Project, tmp_path: Path, name: str):
    results = copy_of(finished, tmp_path)
    (tmp_path / "outside.json").write_text("{}")
    (results / "link").symlink_to(tmp_path)
    before = sorted(tmp_path.iterdir())
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    with pytest.raises(InputError, match="is not as recorded"):
        rerun(results, forged(results, artifacts={name: "0" * 64, **record["artifacts"]}), None)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "cpu; touch pwned"}, "none that the harness knows"),
        ({"dtype": "--out=/tmp/x"}, "none that the harness knows"),
        ({"scenario": {"name": "../../x"}}, "no scenario of today's form"),
        ({"scenario": None}, "no scenario of today's form"),
    ],
)
def test_a_hostile_snapshot_is_refused_in_one_line(finished: Project, tmp_path: Path, change: dict, words: str):
    results = copy_of(finished, tmp_path)
    path = results / AUDIT / "config_snapshot.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    record = hash_chain.load(results / attempts.LEDGER)[0].record
    number = forged(results, artifacts={**record["artifacts"], **hash_chain.hashes_below([path], results)})
    done = again(results, number)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and words in done.stderr
    assert not list(tmp_path.rglob("pwned"))


def test_an_existing_folder_is_not_written_into(finished: Project, tmp_path: Path):
    done = again(finished.file("results"), 1, "--out", str(tmp_path))
    assert done.returncode == 2 and "is there already" in done.stderr and list(tmp_path.iterdir()) == []


def test_environments_differ_leaf_by_leaf():
    before = {"torch": {"version": "1", "threads": 1}, "gone": 1}
    now = {"torch": {"version": "2", "threads": 1}, "new": [1]}
    expected = ["gone: 1 -> None", "new: None -> [1]", "torch.version: 1 -> 2"]
    assert environment_differences(before, now) == expected

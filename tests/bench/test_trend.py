"""Parity and speed over commits: what the ledger says of each, what is kept, and the page."""

import json

import pytest

from nanobrag_bench import trend
from trace_audit.core.errors import InputError, run_command
from trace_audit.trail import attempts, hash_chain

RECORD = {
    "kind": "attempt",
    "scenario": "small",
    "pixel_slow_fast": [1, 2],
    "device": "cpu",
    "backend": "eager",
    "inputs": {},
    "artifacts": {},
    "summary": "s",
    "root_causes": [],
    "attribution": [],
    "commands": [],
    "deviations": [],
    "tolerance_relative": 1e-6,
    "tolerances_sha256": "0" * 64,
}
SPEED = {"C_s": 2.0, "torch_s": 3.0, "import_s": 2.0, "torch_own_s": 1.0, "torch_own_over_C": 0.5}
SPEED |= {"repeats": 5, "machine": "a <machine>"}


def record(results, commit, dtype, difference, status="pass", day=1):
    more = {"git_commit": commit, "dtype": dtype, "status": status, "time_utc": f"2030-01-{day:02d}T00:00:00+00:00"}
    hash_chain.append(
        results / attempts.LEDGER,
        {**RECORD, **more, "metrics": {"worst_key": None, "worst_relative_difference": difference}},
    )


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results"
    record(folder, "a" * 40, "float64", 1e-13, day=1)
    record(folder, "b" * 40, "float64", 3e-3, "fail", day=2)
    record(folder, "b" * 40, "float64", 2e-13, day=3)
    record(folder, "b" * 40, "float32", 4e-7, day=3)
    monkeypatch.setattr(trend, "present_commit", lambda: "b" * 40)
    monkeypatch.setattr(trend, "speed", lambda binary: SPEED)
    return folder


def test_the_last_attempt_of_each_audit_at_a_commit_counts(results):
    points = trend.parity(results)
    assert list(points) == ["a" * 40, "b" * 40]
    assert points["b" * 40]["worst_relative_difference"] == {"float64": 2e-13, "float32": 4e-7}
    assert (points["b" * 40]["passed"], points["b" * 40]["audits"]) == (2, 2)


def test_points_are_kept_when_the_ledger_is_gone(results):
    assert run_command(trend.main, ["--binary", "c", "--results", "results"]) == 0
    kept = json.loads((results / "trend/points.json").read_text())["points"]
    assert [point["commit"][0] for point in kept] == ["a", "b"] and kept[1]["speed"] == SPEED and "speed" not in kept[0]
    for path in (results / attempts.LEDGER).iterdir():
        path.unlink()
    record(results, "b" * 40, "float64", 5e-13, day=4)
    assert run_command(trend.main, ["--binary", "c", "--results", "results"]) == 0
    again = json.loads((results / "trend/points.json").read_text())["points"]
    assert again[0] == kept[0] and again[1]["worst_relative_difference"] == {"float64": 5e-13}


def test_the_page_loads_nothing_and_shows_every_commit(results):
    assert run_command(trend.main, ["--binary", "c", "--results", "results"]) == 0
    text = (results / "trend/index.html").read_text()
    assert "aaaaaaaaaa" in text and "bbbbbbbbbb" in text and "2 of 2" in text and "2.0e-13" in text
    assert "a &lt;machine&gt;" in text and "<script" not in text
    assert "http" not in text.replace("data:image/svg+xml;base64", "")


def test_a_commit_without_an_audit_is_refused_before_anything_is_measured(results, monkeypatch):
    monkeypatch.setattr(trend, "present_commit", lambda: "c" * 40)
    monkeypatch.setattr(trend, "speed", lambda binary: pytest.fail("measured"))
    with pytest.raises(InputError, match="no audit of commit cccccccccc is on record"):
        trend.main(["--binary", "c", "--results", "results"])


def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="no git checkout"):
        trend.present_commit()


def test_both_programs_are_measured(build_folder):
    measured = trend.speed(build_folder / "nanobragg", repeats=1)
    assert measured["C_s"] > 0 and measured["torch_s"] > 0 and measured["import_s"] > 0
    assert measured["torch_own_s"] == pytest.approx(max(0.0, measured["torch_s"] - measured["import_s"]))
    assert measured["torch_own_over_C"] == pytest.approx(measured["torch_own_s"] / measured["C_s"])

"""Every JSON file that a command reads, with each of its values exchanged: the command answers, or refuses the file in
one line.

Each damaged file has the hash that its record states, so that only the reader protects the command from it.
"""

import base64
import io
import json
import os
import shutil
import sys
from types import SimpleNamespace

import pytest

from nanobrag_bench import commands as bench
from nanobrag_bench import trend
from nanobrag_campaign import summary as campaign_summary
from nanobrag_campaign import verify as campaign_verify
from nanobrag_campaign.shards import Shard, audit_file, side_file
from tests.audit.exchanged_values import into, outcomes
from tests.audit.test_ledger import ENVIRONMENT, make_audit
from trace_audit.config.campaign import Noise
from trace_audit.core.files import sha256_of_file
from trace_audit.derivatives import gradients, refinement
from trace_audit.port import other_gate
from trace_audit.report import ending, other_results
from trace_audit.trail import attempts, failed_jobs, hash_chain, rerun, rerun_record, sbom, statements
from trace_audit.workflow import plan

SHA = "0" * 64
SHARD = Shard("still", 0, 0, 2)


@pytest.fixture(autouse=True)
def _no_flush(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # thousands of files that nobody has to find after a power cut


GRADIENT = {"parameter": "cell_a_A", "status": "fail", "best_agreement_of_peak": 0.5, "fitted_slope": 2.0}
GRADIENTS = {"scenario": "g", "parameters": [{**GRADIENT, "stages_to_blame": ["cell"], "reason": None}]}
PARAMETER = {"name": "a", "unit": "A", "start": 1.0, "value": 2.0, "sigma": 0.1}
REFINED = {"parameters": [PARAMETER], "covariance": [[0.01]], "correlation": [[1.0]], "undetermined": [{"why": "b"}]}
REFINED |= {"outliers": ["c"], "target": "poisson", "method": "m", "converged": True, "target_per_pixel_start": 2.0}
REFINED |= {"target_per_pixel": 1.0, "pixels": 4, "images": ["i"], "seconds": 1.5}
TRUTH = {"values": {"a": 2.05}, "limits": {"sigmas": 3.0, "seconds": 60.0}}
VERDICT = {"status": "fail", "reasons": ["late"], "seconds": 3.0}
VERDICT |= {"parameters": [{"name": "a", "true": 1.0, "start_off": 0.1, "off_sigma": 0.5}]}
PAIR = {"status": "fail", "summary": "s", "sides": {"reference": "C", "candidate": "my port"}}
PAIR |= {"causes": [{"side": "my port", "key": "polar", "role": "first", "sentence": "t", "explanation": None}]}
PAIR |= {"factors": [{"key": "k", "reference": 1.0, "candidate": 2.0, "relative_difference": 1, "verdict": "differs"}]}
FRAME = {"frame": 0, "index_in_file": 0, "status": "fail", "worst_difference_of_peak": 0.5, "c": 1.0, "stored": 2.0}
FRAME |= {"worst_pixel_slow_fast": [1, 2], "other_counts": 1}
SHARD_VERDICT = {"shard": "still/000000", "sha256": SHA, "tolerance_of_peak": 1e-6, "tolerances_sha256": SHA}
SHARD_VERDICT |= {"frames": [FRAME]}
SHARD_RECORD = {"sha256": SHA, "bytes": 10, "frames": 2, "shape_slow_fast": [4, 5], "interval_s": [1.0, 2.0]}
SHARD_RECORD |= {"seconds": {"wall": 1.0, "cpu": 0.5}, "provenance": {"settings": {}}, "environment": ENVIRONMENT}
IMAGE = {"status": "fail", "scenario": "s", "device": "cpu", "dtype": "float64", "shape_slow_fast": [4, 5]}
IMAGE |= {"worst_difference_of_peak": 0.5, "tolerance_relative": 1e-6, "root_causes": ["polar"], "summary": "no"}
INJECTION = {"as_expected": False, "key": "k", "component": 0, "case": "a", "status": "pass", "roots": ["r"]}
SELFTEST = {"injections": [INJECTION], "not_separable": {"k": "why"}, "untested": ["u"], "keys": 2, "numbers": 3}
SELFTEST |= {"as_expected": 2, "loud_relative_error": 1e-3, "quiet_relative_error": 1e-9}
MACHINE = {"cpu": "c", "vector_units": "avx", "cores": 2, "memory_GiB": 4.0, "gpu": "none", "python": "3", "torch": "2"}
MACHINE |= {"load_before": [0.5]}
ROW = {"program": "C make", "what": "image", "unit": "s", "median": 1.0, "runs": [1.0, 2.0]}
PART = {"part": "kernel", "title": "t", "machine": MACHINE, "rows": [ROW], "goals": []}
PART |= {"ratios": [{"of": "a", "to": "b", "median": 2.0}]}
PART["goals"] = [{"goal": "g", "wanted": "w", "measured": 1.0, "met": True}]
POINT = {
    "commit": "a" * 40,
    "time_utc": "2024",
    "audits": 2,
    "passed": 1,
    "worst_relative_difference": {"float64": 1.0},
}
POINT |= {"speed": {"machine": "m", "C_s": 1.0, "torch_own_s": 2.0, "import_s": 3.0, "torch_own_over_C": 2.0}}
EXTERNAL = {"kind": "external", "binary": "/bin/true", "binary_sha256": SHA}
BUILT = {"kind": "built", "binary_sha256": SHA, "source": "src", "sources": {"a.c": SHA}}
BUILT |= {"compiler": {"command": "gcc", "version": "12"}}


@pytest.mark.parametrize("name", ["compare_scaling_traces.json", "port_audit.json", "image_parity.json"])
def test_the_ending(tmp_path, name):
    from tests.audit.test_ledger import bad_record

    verdict = json.loads((bad_record(tmp_path / "results", "wrong") / "compare_scaling_traces.json").read_text())
    verdict["factors"] = [row for row in verdict["factors"] if row["verdict"] == "fail"][:1]
    verdict["context_differs"] = [verdict["factors"][0]["key"]]
    cause = {"key": "polar", "explanation": None}
    trial = {"switched": ["a"], "sentence": "b"}
    verdict |= {"causes": [cause], "attribution_trials": {"explanations": [trial]}}
    verdict["multiply_back"] = {side: rows[:1] for side, rows in verdict["multiply_back"].items()}
    path = tmp_path / "a/S1_F2/b" / name
    assert 0 in outcomes(lambda: ending.main([str(path)]), into(path), verdict, (0, 2))


def test_verdicts_of_gates(tmp_path):
    path = tmp_path / "a/x.json"
    write, out = into(path), str(tmp_path / "out")
    assert outcomes(lambda: other_gate.main([str(path), "--out", out]), write, PAIR) >= {1, 2}
    assert outcomes(lambda: gradients.main(["check", str(path)]), write, GRADIENTS) == {1, 2}
    assert outcomes(lambda: refinement.main(["check", str(path)]), write, VERDICT) == {1, 2}
    gate = campaign_summary.main
    summary = {"status": "fail", "summary": "s", "name": "n", "device": "cpu", "dtype": "float32", "frames": 2}
    summary |= dict.fromkeys(("bytes", "bytes_per_frame", "frames_per_s", "frames_per_s_of_one_job"), 2.0)
    summary |= {"cpu_s_per_frame": 1.0, "audited": 1, "shards": 1, "shape_slow_fast": [4, 5]}
    summary |= {"noise": "none", "structure_factors": {"s": {"kind": "file", "line": "l", "remarks": []}}}
    summary |= {"failed": [{**FRAME, "shard": "s"}], "worst": {**FRAME, "shard": "s"}}
    summary |= {"tolerance_of_peak": 1e-6, "tolerances_sha256": SHA}
    assert outcomes(lambda: gate(["gate", str(path)]), write, summary) == {1, 2}
    results = tmp_path / "results"
    wanted = into(results / "campaign/first/summary.json")
    outcomes(lambda: other_results.other_results(results) and None, wanted, summary, (0,))


def test_a_refinement_and_its_truth(tmp_path):
    into(tmp_path / "truth.json")(TRUTH)
    into(tmp_path / "refinement.json")(REFINED)
    arguments = ["judge", "--result", tmp_path, "--truth", tmp_path / "truth.json"]
    arguments += ["--page", tmp_path / "p", "--out", tmp_path / "v"]
    for name, base in (("refinement.json", REFINED), ("truth.json", TRUTH)):
        refusals = outcomes(
            lambda: refinement.main([str(argument) for argument in arguments]), into(tmp_path / name), base, (0, 2)
        )
        assert refusals == {0, 2}
        into(tmp_path / name)(base)


def test_records_of_a_campaign(tmp_path):
    records, folder = tmp_path / "records", tmp_path / "data"
    settings = SimpleNamespace(name="n", device="cpu", dtype="float32", noise=Noise())
    made = SimpleNamespace(settings=settings, shards=[SHARD])
    write_record, write_verdict = into(side_file(folder, SHARD)), into(audit_file(records, SHARD))
    write_record(SHARD_RECORD)

    def summary():
        campaign_summary.text(campaign_summary.summarize(made, folder, records))
        assert campaign_verify.fault(folder, SHARD)

    assert outcomes(summary, write_verdict, SHARD_VERDICT, (0, 2)) == {0, 2}
    write_verdict(SHARD_VERDICT)
    assert outcomes(summary, write_record, SHARD_RECORD, (0, 2)) == {0, 2}


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("odd/images/cpu_float64/image_parity.json", IMAGE),
        ("untraced/x/port_audit.json", PAIR),
        ("selftest/selftest.json", SELFTEST),
        ("gradients/g/gradients.json", GRADIENTS),
        ("refinement/demo/verdict.json", VERDICT),
        ("matrix/x/matrix.json", {"cells": [{"status": "pass", "n": 1}], "facts": {"a": [1]}}),
    ],
)
def test_sections_of_the_page(tmp_path, name, base):
    assert outcomes(lambda: other_results.other_results(tmp_path) and None, into(tmp_path / name), base) == {0}


def test_the_benchmark(tmp_path, monkeypatch):
    monkeypatch.setattr("nanobrag_bench.plots.svg", lambda *_: "")  # slow; its fields are those of the tables
    path = tmp_path / "kernel.json"
    arguments = ["show", str(path), "--folder", str(tmp_path / "out")]
    assert outcomes(lambda: bench.main(arguments), into(path), PART, (0, 2)) == {0, 2}
    kept = tmp_path / "results" / trend.FOLDER / "points.json"
    monkeypatch.setattr(trend, "picture", lambda _: b"")
    monkeypatch.setattr(trend, "speed", lambda _: POINT["speed"])
    monkeypatch.setattr(trend, "present_commit", lambda: "b" * 40)
    monkeypatch.setattr(trend, "parity", lambda _: {"b" * 40: {**POINT, "commit": "b" * 40}})
    arguments = ["--results", str(tmp_path / "results"), "--binary", "/bin/true"]
    assert outcomes(lambda: trend.main(arguments), into(kept), {"points": [POINT]}, (0, 2)) == {0, 2}


@pytest.mark.parametrize("base", [EXTERNAL, BUILT])
def test_the_record_of_a_build(tmp_path, base):
    path = tmp_path / "reference/build.json"

    def read():
        plan.recorded_reference(path)
        sbom._reference(tmp_path)

    assert outcomes(read, into(path), base, (0, 2)) == {0, 2}


def test_a_signed_statement():
    payload = base64.b64encode(b'{"_type": "x"}').decode()
    envelope = {"payloadType": "x", "payload": payload, "signatures": [{"keyid": "k", "sig": payload}]}
    texts = []

    def read():
        statements.check_envelope(texts[-1], None)

    assert outcomes(read, lambda content: texts.append(json.dumps(content)), envelope, (0, 2)) == {0, 2}


def test_the_list_of_audits_that_a_run_missed(tmp_path, monkeypatch):
    audits = [{"scenario": "s", "slow": 1, "fast": 2, "device": "cpu", "dtype": "float64", "backend": "eager"}]
    arguments = ["--results", str(tmp_path), "--logs", str(tmp_path / "none"), "--since-s", "0"]

    def write(content):
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(content)))

    assert outcomes(lambda: failed_jobs.main(arguments), write, audits, (0, 2)) == {0, 2}


def test_the_sides_of_a_pair_as_a_snapshot_states_them():
    stated = {"reference": {"program": "c"}, "candidate": {"command": ["a", "{flags}"], "environment": {}}}
    snapshots = []

    def read():
        for side in rerun_record.stated_sides({"sides": snapshots[-1]}, 1):
            assert isinstance(side.log, str)

    assert outcomes(read, lambda sides: snapshots.append(sides if isinstance(sides, dict) else {}), stated, (0, 2)) == {
        0,
        2,
    }


@pytest.mark.parametrize("name", ["config_snapshot.json", "trace_py_env.json", "c_trace_run.json", "x"])
def test_rerun_of_a_record_whose_files_have_their_hashes(tmp_path, monkeypatch, name):
    """The programs are not run; the test is about what is read from the records."""
    monkeypatch.setattr(rerun.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0))
    monkeypatch.setattr(rerun, "reference_for", lambda binary, *_: (binary, "the recorded one"))
    monkeypatch.setattr(rerun, "verify", lambda *_, **__: [])  # faults of verify are the subject of others
    monkeypatch.setattr(rerun, "changed_inputs", lambda _: [])
    results = tmp_path / "results"
    audit = make_audit(results)
    program = tmp_path / "reference/nanobragg"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    run = {"program": "nanobragg", "arguments": ["-x"], "exit_code": 0, "binary_sha256": sha256_of_file(program)}
    into(audit.parent / "c/c_trace_run.json")(run)
    paths = [path for folder in (audit, audit.parent / "c") for path in folder.iterdir()]
    path = next((path for path in paths if path.name == name), audit / "compare_scaling_traces.json")
    base = json.loads(path.read_text())
    if "factors" in base:
        base |= {"factors": base["factors"][:1], "problems": [], "multiply_back": {"c": [], "py": []}}
    if "scenario" in base:
        base |= {"scenario": {"name": "tiny", "pixels": [[1, 2]]}, "sides": {}}
    fields = {
        "kind": "attempt",
        "scenario": "tiny",
        "pixel_slow_fast": [685, 1039],
        "device": "cpu",
        "dtype": "float64",
    }
    fields |= {"status": "pass", "summary": "s", "root_causes": [], "attribution": [], "commands": []}
    fields |= {"metrics": {"worst_key": None, "worst_relative_difference": None}, "tolerance_relative": 1e-6}
    fields |= {"tolerances_sha256": SHA, "git_commit": None, "deviations": []}
    numbers = [0]

    def write(content):
        into(path)(content)
        shutil.rmtree(results / attempts.LEDGER, ignore_errors=True)
        artifacts = hash_chain.hashes_below(paths, results)
        inputs = {"reference/nanobragg": sha256_of_file(program)}
        record = {**fields, "artifacts": artifacts, "inputs": inputs}
        numbers[0] = hash_chain.append(results / attempts.LEDGER, record)["number"]

    def again():
        return rerun.rerun(results, numbers[0], None, consent=True)

    assert 2 in outcomes(again, write, base, (0, 1, 2))

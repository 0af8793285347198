"""A results folder with audits and other results of every kind, and the page about it."""

import json

import numpy as np
import pytest

from tests.audit.test_ledger import bad_record, make_audit, record_attempt
from trace_audit.core.errors import run_command
from trace_audit.core.files import write_atomic
from trace_audit.images.overview import packed
from trace_audit.report.__main__ import main as report
from trace_audit.trail.ledger import main as ledger

HOSTILE = "x\"'><img src=x onerror=window.pwned=1><script>window.pwned=1<:script>{{7*7}}"


MADE_BY = {
    "c": {"program": "nanobragg", "sha256": "0123456789abcdef" * 4},
    "py": {"program": "nanobrag_torch", "backend": "eager", "device": "cpu", "dtype": "float64", "torch": "2.0"},
}


def write_patch(folder, difference=0.0, **changes):
    c = [[float(100 * s + f) for f in range(20)] for s in range(10)]
    py = [[value + difference for value in row] for row in c]
    patch = {"first_slow_fast": [680, 1030], "failure": None, "made_by": MADE_BY, "c": c, "py": py, **changes}
    write_atomic(folder / "patch.json", json.dumps(patch))


def write_overview(results, scenario, **changes):
    """A whole image of 100 x 120 pixels, made small by blocks of 5 x 5."""
    c = np.arange(20.0 * 24.0).reshape(20, 24)
    ring = {"radius_pixels": [5.0, 15.0, 25.0], "mean_photons": [3.0, 2.0, 1.0]}
    about = {"scenario": scenario, "device": "cpu", "dtype": "float64", "failure": None, "shape_slow_fast": [100, 120]}
    about["made_by"] = MADE_BY
    about |= {"block_pixels": 5, "c": packed(c), "py": packed(c + 1), "difference": packed(c * 0 + 1)}
    about |= {"peak_photons": 479.0, "peak_slow_fast": [99, 119], "worst_difference_photons": 1.0}
    about |= {"worst_slow_fast": [1, 2], "worst_of_peak": 0.002, "beam_centre_slow_fast": [50.5, 60.25]}
    about |= {"profiles": {"c": ring, "py": ring}, **changes}
    name = f"report/images/{len(list(results.glob('report/images/*')))}_cpu_float64.json"
    write_atomic(results / name, json.dumps(about))


def write_other_results(results):
    """One result of each kind, some failed, one of a kind that nobody knows, all with hostile text in them."""
    image = {"status": "fail", "scenario": HOSTILE, "device": "cpu", "dtype": "float64", "shape_slow_fast": [4, 5]}
    image |= {"worst_difference_of_peak": 0.5, "tolerance_relative": 1e-6, "root_causes": ["polar"], "summary": "no"}
    write_atomic(results / "odd/images/cpu_float64/image_parity.json", json.dumps(image))
    injection = {"as_expected": False, "key": HOSTILE, "component": 0, "case": "a", "status": "pass", "roots": []}
    selftest = {"injections": [injection], "not_separable": {"k": HOSTILE}, "untested": [], "keys": 2, "numbers": 3}
    selftest |= {"as_expected": 2, "loud_relative_error": 1e-3, "quiet_relative_error": 1e-9}
    write_atomic(results / "selftest/selftest.json", json.dumps(selftest))
    row = {"parameter": HOSTILE, "status": "pass", "best_agreement_of_peak": 1e-9, "fitted_slope": 2.0}
    gradients = {"scenario": "g", "parameters": [{**row, "stages_to_blame": [], "reason": None}]}
    write_atomic(results / "gradients/g/gradients.json", json.dumps(gradients))
    value = {"name": HOSTILE, "true": 1.0, "start_off": 0.1, "off_sigma": None}
    refinement = {"status": "pass", "reasons": [], "seconds": 3.0, "parameters": [value]}
    write_atomic(results / "refinement/demo/verdict.json", json.dumps(refinement))
    shard = {"name": HOSTILE, "status": "fail", "frames": 10, "where": {"folder": HOSTILE}}
    campaign = {"status": "fail", "summary": f"a shard of {HOSTILE}", "shards": [shard], "frames": 20, HOSTILE: None}
    write_atomic(results / "campaign/first/summary.json", json.dumps(campaign))
    write_atomic(results / "campaign/odd/summary.json", json.dumps([1, 2]))
    write_atomic(results / "campaign/broken/summary.json", "{")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four audits: two that pass, one that fails, one with a hostile name; the first attempted twice."""
    folder = tmp_path_factory.mktemp("report of Ångström") / "results"
    audits = [make_audit(folder), make_audit(folder), make_audit(folder, dtype="float32"), bad_record(folder, "wrong")]
    audits.append(make_audit(folder, scenario=HOSTILE))
    for audit in audits:
        write_patch(audit, difference=1.0 if "wrong" in str(audit) else 0.0)
    write_patch(audits[-1], failure=f"the C program said {HOSTILE}")
    write_overview(folder, "tiny")
    write_overview(folder, "wrong", profiles=None, beam_centre_slow_fast=None)
    write_overview(folder, HOSTILE, failure=f"the C program said {HOSTILE}")
    write_overview(folder, "not audited any more")
    write_other_results(folder)
    write_atomic(
        audits[0] / "key_graph.svg", '<svg xmlns="http://www.w3.org/2000/svg"><script>window.pwned=1</script></svg>'
    )
    for audit in audits:
        assert record_attempt(folder, audit) == 0
    assert run_command(ledger, ["seal", "--results", str(folder)]) == 0
    assert run_command(report, ["--results", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def text(results):
    return (results / "report/index.html").read_text(encoding="utf-8")

"""Proof by substitution on real programs: which stage is to blame, and which only inherited its difference."""

import json

import pytest

from trace_audit.compare.__main__ import main as compare_main
from trace_audit.compare.comparison import compare
from trace_audit.compare.selftest import PIXEL, Case, moved, place_of
from trace_audit.compare.substitute import substitute
from trace_audit.programs import harness
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Context, parse_trace

from . import logs

ROTATED = ["rot_a_angstroms", "rot_b_angstroms", "rot_c_angstroms"]


@pytest.fixture(scope="module")
def case(c_binary):
    return Case("sample_pivot", c_binary)


def proofs_of(case, name, component=0, relative=1e-3):
    """Proofs for a reference that has an error at one stage, and a torch program that has none."""
    from nanobrag_torch.trace import trace_lines
    from trace_audit.stages.intervene import watched_trace

    key = registry()[name]
    record = place_of(case.reference, key)
    reference = case.trace(name, record.context, moved(record, component, relative))
    run = case.invocation
    torch = parse_trace(list(trace_lines(run.experiment, *PIXEL, device=run.device, dtype=run.dtype)))

    def watched(visit):
        return watched_trace(run.experiment, PIXEL, device=run.device, dtype=run.dtype, visit=visit)

    return {proof.factor.key.name: proof for proof in substitute(compare(reference, torch), watched)}


@pytest.mark.parametrize(
    "name",
    [
        "twotheta_axis",
        "ratio",
        "term_close_before_rot",
        "R_distance_meters",
        "diffracted_vec",
        "incident_vec",
        "lambda_meters",
        "scattering_vec_A_inv",
        "rot_b_star_A_inv",
        "rot_b_angstroms",
        "hkl_frac",
        "F_latt_a",
        "TRACE_PHI.k_frac",
        "term.F_latt",
        "term.F_cell",
        "I_before_scaling",
        "capture_fraction",
        "polar",
        "r_e_sqr",
        "fluence_photons_per_m2",
        "I_pixel_final",
    ],
)
def test_only_the_stage_with_the_error_is_to_blame(case, name):
    proofs = proofs_of(case, name)
    assert {key for key, proof in proofs.items() if proof.verdict == "to blame"} == {name}
    assert all(proof.verdict == "inherited" for key, proof in proofs.items() if key != name)
    assert proofs[name].relative_difference == pytest.approx(1e-3, rel=0.01)


def test_two_stages_with_errors_are_both_to_blame(case):
    """hkl_frac and the scaling below it: the graph alone sees one root, the substitution sees two."""
    log = logs.lines("historic_supervisor")
    log = logs.shifted(log, parse_trace(log).of("I_pixel_final")[0], 0, 1e-3)
    comparison = compare(parse_trace(log), logs.trace("c_supervisor"))
    record = comparison.c.records["I_before_scaling"][Context()]

    def stages(visit):
        for factor in comparison.diverging:
            values = [c.py for c in factor.components] if factor.key.name == "I_pixel_final" else None
            visit(factor.key.name, factor.context, values or [c.c for c in factor.components])

    proofs = {proof.factor.key.name: proof.verdict for proof in substitute(comparison, stages)}
    assert record and proofs["I_pixel_final"] == "to blame" and proofs["hkl_frac"] == "inherited"


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """Torch's log of the supervisor pixel, with and without the phi carry-over."""
    folder = tmp_path_factory.mktemp("torch")
    for name in ("supervisor", "supervisor_historic"):
        harness.main(["--pixel", "685", "1039", "--out", str(folder / name / "py.log"), "--config", name])
    return folder


def audited(tmp_path, traced, scenario, c_log):
    out = {name: tmp_path / name for name in ("v.json", "v.md", "diff_summary.md")}
    arguments = ["--c-log", c_log, "--py-log", traced / scenario / "py.log", "--names", "C", "torch"]
    arguments += ["--out", out["v.json"], "--md", out["v.md"]]
    arguments += [
        "--summary",
        out["diff_summary.md"],
        "--pictures",
        tmp_path,
        "--config",
        scenario,
        "--pixel",
        685,
        1039,
    ]
    status = compare_main([str(argument) for argument in arguments])
    return status, json.loads(out["v.json"].read_text()), out["diff_summary.md"].read_text()


def check_historic(tmp_path, traced, c_log, exact):
    status, verdict, summary = audited(tmp_path, traced, "supervisor", c_log)
    assert status == 1 and verdict["root_causes"] == ROTATED and verdict["attribution"] == ["phi_carryover"]
    assert "hkl_frac" in verdict["roots"][0]["downstream"]
    proofs = {row["key"]: row["verdict"] for row in verdict["substitution"]}
    assert {key for key, proof in proofs.items() if proof == "to blame"} == set(ROTATED)
    assert proofs["hkl_frac"] == proofs["I_pixel_final"] == "inherited"
    first = summary.splitlines()[2]
    assert first.startswith("C and torch part at rot_a_angstroms (phi step 0):") and "phi_carryover on" in first
    assert summary.index("## Root causes") < summary.index("## Proof by") < summary.index("## Known defects")
    assert "<details>" in summary and "<svg" in (tmp_path / "key_graph.svg").read_text()
    status, verdict, _ = audited(tmp_path, traced, "supervisor_historic", c_log)
    assert (status, verdict["status"]) == (0, "pass")
    assert verdict["worst"]["relative_difference"] <= exact


def test_values_that_torch_refuses_are_reported(tmp_path, traced):
    log = (logs.DATA / "historic_supervisor.log").read_text()
    same = "-0.0290510954135954 -0.0293958845208845 0.0107498771498771"
    flat = "".join(
        f"TRACE_C: rot_{axis}_star_A_inv {same}\n" if f"rot_{axis}_star" in line else line
        for line in log.splitlines(keepends=True)
        for axis in [line.split("rot_")[1][0] if "rot_" in line and "_star" in line else "x"]
    )
    (tmp_path / "c.log").write_text(flat)
    status, verdict, summary = audited(tmp_path, traced, "supervisor", tmp_path / "c.log")
    assert status == 1 and "rot_b_star_A_inv" in verdict["root_causes"] and verdict["substitution"] == []
    assert "do not span space" in verdict["substitution_note"] and "do not span space" in summary


def test_a_log_in_the_historic_style_is_attributed_and_proved(tmp_path, traced):
    check_historic(tmp_path, traced, logs.DATA / "historic_supervisor.log", 1e-9)


@pytest.mark.shared
def test_the_published_log_of_the_historic_program_is_attributed_and_proved(tmp_path, traced, shared_golden):
    cases = json.loads((shared_golden / "cases.json").read_text())
    for trace in cases["supervisor"]["traces"]:
        if trace["pixel_slow_fast"] == [685, 1039]:
            (tmp_path / "c.log").write_text("\n".join(trace["lines"]) + "\n")
            check_historic(tmp_path, traced, tmp_path / "c.log", 1e-9)
            return
    raise AssertionError("cases.json has no trace of pixel 685 1039")

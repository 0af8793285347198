"""The audit of the audit: an error injected at a stage of the torch program is found, and only that stage is blamed."""

import json

import pytest

from tests.c_program import quick_compiler
from trace_audit.compare.selftest import CASES, NOT_SEPARABLE, PIXEL, Case, plan, report, untested
from trace_audit.compare.selftest_command import main
from trace_audit.compare.selftest_compiled import STAGES, compiled_injections
from trace_audit.core.errors import run_command
from trace_audit.trace.keys import registry

SOME = [
    "beam_vector",
    "initial_odet",
    "fdet_vec",
    "Fclose_m",
    "term_close_before_rot",
    "pixel_pos_meters",
    "omega_pixel_sr",
    "incident_vec",
    "lambda_meters",
    "rot_b_star_A_inv",
    "rot_b_angstroms",
    "hkl_frac",
    "hkl_rounded",
    "F_latt_a",
    "TRACE_PHI.k_frac",
    "term.F_latt",
    "term.value",
    "I_before_scaling",
    "steps",
    "polar",
    "I_pixel_final",
    "floatimage_accumulated",
    "defects",
]


@pytest.fixture(scope="module")
def cases(c_binary):
    return {name: Case(name, c_binary) for name in CASES}


@pytest.mark.parametrize("name", SOME)
def test_an_error_is_blamed_on_its_own_stage(cases, name):
    key = registry()[name]
    injected = cases["sample_pivot"].inject(key, key.size - 1)
    assert injected.as_expected, injected


@pytest.mark.parametrize("name", CASES)
def test_a_visitor_that_changes_nothing_changes_nothing(cases, name):
    from nanobrag_torch.trace import trace_lines
    from trace_audit.stages.intervene import watched_trace

    run = cases[name].invocation
    seen = set()

    def visit(key, context, values):
        seen.add(key)

    watched = watched_trace(run.experiment, PIXEL, device=run.device, dtype=run.dtype, visit=visit)
    assert watched == list(trace_lines(run.experiment, *PIXEL, device=run.device, dtype=run.dtype))
    assert set(cases[name].reference.records) - seen == set(NOT_SEPARABLE)


def test_the_production_code_is_as_it_was_after_an_error(cases):
    from nanobrag_torch import kernel
    from trace_audit.stages.intervene import watched_trace

    before = kernel.diffract
    run = cases["beam_pivot"].invocation

    def fail(key, context, values):
        raise RuntimeError("visit")

    with pytest.raises(RuntimeError, match="visit"):
        watched_trace(run.experiment, PIXEL, device=run.device, dtype=run.dtype, visit=fail)
    assert kernel.diffract is before


def test_an_audit_that_misses_an_error_is_reported(cases, monkeypatch):
    key = registry()["polar"]
    monkeypatch.setattr("trace_audit.compare.selftest.LOUD", 1e-9)
    missed = cases["sample_pivot"].inject(key, 0)
    assert not missed.as_expected and missed.status == "pass"
    result = report([missed])
    assert result["as_expected"] == 0 and "hkl_frac" in result["untested"]


def test_the_plan_leaves_no_key_out(cases):
    planned = {key.name for _, key, _ in plan(list(cases.values()))}
    assert planned | set(NOT_SEPARABLE) == set(registry())


def test_a_binary_that_is_not_there_is_refused(tmp_path, capsys):
    assert run_command(main, ["--binary", str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    assert "no such file" in capsys.readouterr().err


@pytest.mark.slow
def test_every_number_of_every_key(c_binary, tmp_path, monkeypatch, capsys):
    """An error in the text of a program is in what any compiler makes of it, so the quickest one makes it."""
    monkeypatch.setenv("CC", quick_compiler(tmp_path))
    status = main(["--binary", str(c_binary), "--out", str(tmp_path)])
    assert status == 0, capsys.readouterr().out
    result = json.loads((tmp_path / "selftest.json").read_text())
    assert result["untested"] == [] and result["as_expected"] == result["numbers"] > 300
    assert "hkl_frac h" in (tmp_path / "selftest.md").read_text()
    assert untested([]) == [name for name in registry() if name not in NOT_SEPARABLE]


def test_an_error_built_into_compiled_code_is_blamed_on_its_own_stage(cases):
    (injection,) = compiled_injections(cases["sample_pivot"], ("hkl",))
    assert injection.as_expected and injection.key == "hkl_frac" and injection.quiet_status == "pass", injection


def test_stages_of_compiled_code_have_keys_that_can_be_blamed():
    assert all(not registry()[key].context for key in STAGES.values())
    assert len(set(STAGES.values())) == len(STAGES)

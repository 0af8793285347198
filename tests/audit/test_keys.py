"""The registry of trace keys: complete, acyclic, documented, and used by both logs of the programs."""

from pathlib import Path

import pytest

from trace_audit.__main__ import main
from trace_audit.core.errors import InputError, run_command
from trace_audit.trace import keys
from trace_audit.trace.document import trace_document
from trace_audit.trace.keys import registry
from trace_audit.trace.tolerances import rows, tolerance_of

from . import logs

ROOT = Path(__file__).parents[2]


def test_every_parent_is_a_key_and_has_meaning_and_formula():
    for key in registry().values():
        assert set(key.parents) <= set(registry()), key.name
        assert key.meaning and key.formula and key.stage, key.name
        assert len(key.components) == (key.size if key.size > 1 else 0), key.name


def test_topological_order_puts_parents_first():
    order = keys.topological_order()
    assert sorted(order) == sorted(registry())
    for key in registry().values():
        assert all(order.index(parent) < order.index(key.name) for parent in key.parents), key.name


def test_only_the_mislabelled_beam_centre_is_not_compared():
    assert [key.name for key in registry().values() if not key.compared] == ["beam_center_m"]


@pytest.mark.parametrize("key", ["scattering_vec_A_inv", "F_latt_b", "term.F_cell", "polar", "pix0_before_rotation"])
def test_every_chain_ends_at_the_pixel(key):
    assert keys.downstream(key)[-1] == "floatimage_accumulated"


def test_roots_are_those_without_diverging_parents():
    diverging = ["I_pixel_final", "hkl_frac", "F_latt_b", "F_latt", "polar", "R_total", "lambda_angstroms"]
    assert keys.roots(diverging) == ("hkl_frac", "polar")


def test_a_parent_that_is_not_printed_gives_way_to_its_own():
    sample = frozenset(set(registry()) - {"Rx", "Ry", "Rz", "R_total"})
    assert keys.parents_among(sample)["fdet_after_rotz"] == ("initial_fdet", "angles_rad")
    assert keys.parents_among(frozenset(registry()))["fdet_after_rotz"] == ("initial_fdet", "Rx", "Ry", "Rz")
    old = frozenset(name for name in registry() if not name.startswith("term."))
    assert {"F_latt", "TRACE_PHI.F_latt", "F_cell"} <= set(keys.parents_among(old)["I_before_scaling"])


def test_a_context_key_can_be_a_root_only_as_the_one_witness_of_what_is_not_printed():
    everything = frozenset(registry())
    assert [key for key in registry() if not keys.can_be_root(key, everything)] == [
        key.name for key in registry().values() if key.context
    ]
    without = everything - {"lambda_meters"}
    assert keys.can_be_root("lambda_angstroms", without)
    assert "lambda_angstroms" in keys.parents_among(without)["scattering_vec_A_inv"]
    assert not keys.can_be_root("R_total", everything - {"Rx", "Ry", "Rz"}), "the angles are printed"
    assert not keys.can_be_root("defects", without)


def test_logs_of_both_pivots_use_every_key():
    seen = {name for log in logs.NAMES for name in logs.trace(log).records}
    assert seen == set(registry())


def test_explain_names_unit_formula_parents_and_children():
    text = keys.explain("polar")
    assert "Kahn" in text and "incident_vec, diffracted_vec" in text and "I_pixel_final" in text
    assert "1/m" in keys.explain("scattering_vec_A_inv")


def test_explain_takes_historic_names():
    assert keys.find("TRACE_C_PHI.k_frac").name == "TRACE_PHI.k_frac"


def test_explain_refuses_an_unknown_key_with_near_names(capsys):
    with pytest.raises(InputError, match="polar"):
        keys.explain("polr")
    assert run_command(main, ["explain", "polr"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("trace_audit: error: trace key 'polr'") and error.count("\n") == 1


def test_explain_command_lists_all_keys(capsys):
    assert main(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(registry())


def test_document_is_what_the_registry_renders_to():
    assert (ROOT / "docs/trace.md").read_text() == trace_document(), "run python -m trace_audit docs"


def test_every_tolerance_row_has_a_reason_and_matches_a_key():
    for row in rows():
        assert len(row.reason) > 15 and row.floor >= 0
        assert any(tolerance_of(name) == row for name in registry()), row.key

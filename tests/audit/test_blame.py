"""Roots, chains, suggestions from ratios, and attribution to known defects."""

import pytest

from trace_audit.compare.__main__ import judge
from trace_audit.compare.known_defects import attribute
from trace_audit.trace.keys import downstream, registry
from trace_audit.trace.parse import Context, parse_trace

from . import logs

SQUARE_CHAIN = ("hkl_frac", "F_latt_b", "F_latt", "term.F_latt", "term.value", "I_before_scaling", "I_pixel_final")
SQUARE_CHAIN = (*SQUARE_CHAIN, "floatimage_accumulated")


def with_values(log, *changes):
    """The log with (key, context, component, text) replaced, one after the other."""
    for key, context, component, text in changes:
        log = logs.replaced(log, parse_trace(log).records[key][context], component, text)
    return log


def verdict_of(log, reference="c_supervisor"):
    return judge(logs.trace(reference), parse_trace(logs.as_torch(log)))[1]


def test_only_the_first_of_a_chain_is_a_root():
    log = logs.lines("c_supervisor")
    for key in SQUARE_CHAIN:
        log = logs.shifted(log, parse_trace(log).of(key)[0], 0, 1e-3)
    verdict = verdict_of(log)
    assert verdict["root_causes"] == ["hkl_frac"]
    assert set(verdict["roots"][0]["downstream"]) == set(SQUARE_CHAIN[1:])
    assert verdict["roots"][0]["chain"][0] == "hkl_frac"
    assert verdict["roots"][0]["chain"][-1] == "floatimage_accumulated"


def test_independent_divergences_are_two_roots_in_order_of_computation():
    log = logs.lines("c_supervisor")
    for key in ("polar", "Fclose_m"):
        log = logs.shifted(log, parse_trace(log).of(key)[0], 0, 1e-3)
    assert verdict_of(log)["root_causes"] == ["Fclose_m", "polar"]


def test_a_parent_in_another_sub_pixel_is_no_excuse():
    log = logs.lines("c_beam_pivot")
    elsewhere, here = Context(2), Context(5)
    log = logs.shifted(log, parse_trace(log).records["hkl_frac"][elsewhere], 0, 1e-3)
    log = logs.shifted(log, parse_trace(log).records["F_latt_a"][here], 0, 1e-3)
    verdict = verdict_of(log, "c_beam_pivot")
    assert verdict["root_causes"] == ["hkl_frac", "F_latt_a"]
    assert verdict["roots"][0]["context"]["sub_slow"] == 1 and verdict["roots"][0]["context"]["layer"] == 0


def test_a_parent_in_another_phi_step_is_no_excuse():
    log = logs.lines("c_supervisor")
    log = logs.shifted(log, parse_trace(log).records["TRACE_PHI.k_frac"][Context(0, phi_tic=2)], 0, 1e-3)
    log = logs.shifted(log, parse_trace(log).records["TRACE_PHI.F_latt_b"][Context(0, phi_tic=5)], 0, 1e-3)
    assert verdict_of(log)["root_causes"] == ["TRACE_PHI.k_frac", "TRACE_PHI.F_latt_b"]


def test_the_stored_solid_angle_follows_from_the_first_sub_pixel():
    log = logs.lines("c_beam_pivot")
    log = logs.shifted(log, parse_trace(log).records["R_distance_meters"][Context(0)], 0, 1e-3)
    log = logs.shifted(log, parse_trace(log).records["omega_pixel_sr"][Context(3)], 0, 1e-3)
    assert verdict_of(log, "c_beam_pivot")["root_causes"] == ["R_distance_meters"]


def test_parents_within_tolerance_but_beyond_rounding_are_named():
    log = logs.lines("c_supervisor")
    log = logs.shifted(log, parse_trace(log).of("hkl_frac")[0], 0, 3e-7)
    log = logs.shifted(log, parse_trace(log).of("F_latt_a")[0], 0, 1e-3)
    verdict = verdict_of(log)
    assert verdict["root_causes"] == ["F_latt_a"] and verdict["roots"][0]["suspects"] == ["hkl_frac"]


def test_a_guilty_rotation_is_not_acquitted_by_the_product_that_is_only_printed():
    log = logs.lines("c_beam_pivot")
    for key in ("R_total", "fdet_after_rotz"):
        log = logs.shifted(log, parse_trace(log).of(key)[0], 0, 1e-3)
    verdict = verdict_of(log, "c_beam_pivot")
    assert verdict["root_causes"] == ["fdet_after_rotz"] and verdict["context_differs"] == ["R_total"]
    assert "R_total, from which no pixel is computed, too" in verdict["summary"]


@pytest.mark.parametrize("pivot", ["c_supervisor", "c_beam_pivot"])
def test_a_wrong_angle_explains_what_is_turned_by_it(pivot):
    log = logs.lines(pivot)
    keys = ["angles_rad", "fdet_after_rotz", *(["Rx"] if pivot == "c_beam_pivot" else [])]
    for key in keys:
        log = with_values(log, (key, NO, 0, "0.5"))
    assert verdict_of(log, pivot)["root_causes"] == ["angles_rad"]


def test_a_wavelength_in_angstrom_stands_for_the_one_in_metres_that_is_not_printed():
    reference, log = (
        [line for line in logs.lines("historic_supervisor") if " lambda_meters " not in line] for _ in range(2)
    )
    for key in ("lambda_angstroms", "scattering_vec_A_inv"):
        log = logs.shifted(log, parse_trace(log).of(key)[0], 0, 1e-3)
    verdict = judge(parse_trace(reference), parse_trace(logs.as_torch(log)))[1]
    assert verdict["root_causes"] == ["lambda_angstroms"]


@pytest.mark.parametrize("key", [key for key in registry() if key not in ("beam_center_m", "floatimage_accumulated")])
def test_downstream_keys_never_include_their_own_ancestors(key):
    after = downstream(key)
    assert key not in after
    assert all(key not in downstream(name) for name in after)


NO = Context()
BLOCK = Context(0)


@pytest.mark.parametrize(
    ("key", "context", "component", "text", "recognised"),
    [
        ("lambda_meters", BLOCK, 0, "0.99", "1e10: metres against Angstrom"),
        ("distance_m", NO, 0, "100", "1e3: metres against millimetres"),
        ("angles_rad", NO, 0, "4", "180/pi: radians against degrees"),
        ("term_fast", NO, 0, "-0.000180248763374178", "sign of component x"),
        ("r_e_sqr", NO, 0, "2.81794117756025e-15", "r_e for r_e^2"),
        ("r_e_meters", NO, 0, "7.94079248018965e-30", "r_e^2 for r_e"),
        ("polar", NO, 0, "1", "polarization is off in torch"),
        ("capture_fraction", NO, 0, "1", "absorption is off in torch"),
        ("I_pixel_final", NO, 0, "13.9339065", "larger by the factor steps"),
        ("F_latt_a", BLOCK, 0, "15.01680296979665", "factor of N = 5"),
        ("F_latt_a", BLOCK, 0, "-3.00336059395933", "equal but for the sign"),
        ("pix0_vector", NO, 0, "0.00181778596370446", "components x and y are swapped"),
        ("pixel_slow_fast", NO, 0, "7", "fast and slow are swapped"),
        ("Fbeam_m", NO, 0, "0.00165", "off by half a pixel"),
    ],
)
def test_mistakes_are_recognised_from_the_numbers(key, context, component, text, recognised):
    log = logs.lines("c_beam_pivot")
    changes = [(key, context, component, text)]
    if key == "angles_rad":
        changes = [(key, context, 0, "4"), (key, context, 1, "-7"), (key, context, 2, "11")]
    elif key == "pix0_vector":
        changes.append((key, context, 1, "0.0998424771584511"))
    elif key == "pixel_slow_fast":
        changes.append((key, context, 1, "9"))
    elif key == "I_pixel_final":
        value = float(parse_trace(log).values(key)[0])
        changes = [(key, context, 0, format(32 * value, ".15g"))]
    verdict = verdict_of(with_values(log, *changes), "c_beam_pivot")
    assert any(recognised in row["suggestion"] for row in verdict["suggestions"] if row["key"] == key), verdict[
        "suggestions"
    ]


def test_pixel_positions_half_a_pixel_off_or_swapped_are_recognised():
    parsed = logs.trace("c_supervisor")
    pix0, fast, slow = (parsed.values(name, BLOCK) for name in ("pix0_vector_meters", "fdet_vec", "sdet_vec"))
    pixel_m = 0.172e-3
    for steps, recognised in (
        ((1039.0, 685.5), "half a pixel along fast"),
        ((685.5, 1039.5), "fast and slow are swapped"),
    ):
        position = [p + pixel_m * (steps[0] * f + steps[1] * s) for p, f, s in zip(pix0, fast, slow, strict=True)]
        changes = [("pixel_pos_meters", BLOCK, i, format(x, ".15g")) for i, x in enumerate(position)]
        rows = verdict_of(with_values(logs.lines("c_supervisor"), *changes))["suggestions"]
        assert any(recognised in row["suggestion"] for row in rows), rows


def test_a_plain_numeric_error_gets_no_suggestion():
    log = logs.lines("c_supervisor")
    assert verdict_of(logs.shifted(log, parse_trace(log).of("polar")[0], 0, 1e-3))["suggestions"] == []


def program(names):
    """A torch program with two defects: `phi_carryover`, and `scale`, which turns a fluence wrong."""
    log = logs.lines("historic_supervisor" if "phi_carryover" in names else "c_supervisor")
    if "scale" in names:
        log = [line.replace("fluence_photons_per_m2 1e+24", "fluence_photons_per_m2 2e+24") for line in log]
    return parse_trace(log)


def find(reference, active=frozenset()):
    candidates = ["axis", "phi_carryover", "scale"]
    return attribute(reference, program, active=active, candidates=candidates)


def test_one_defect_is_found():
    blamed = find(logs.trace("historic_supervisor"))
    assert blamed.defects == ("phi_carryover",)
    assert blamed.explanations[0].sentence() == "agrees to 0.0e+00 with phi_carryover on"
    assert blamed.trials == 3


def test_a_defect_that_the_reference_lacks_is_found():
    blamed = find(parse_trace(logs.lines("c_supervisor")), frozenset({"phi_carryover"}))
    assert blamed.defects == ("phi_carryover",) and "phi_carryover off" in blamed.explanations[0].sentence()


def test_a_pair_of_defects_is_found_and_only_if_no_single_one_explains():
    blamed = find(program({"phi_carryover", "scale"}))
    assert set(blamed.defects) == {"phi_carryover", "scale"} and blamed.trials == 6


def test_nothing_is_attributed_where_nothing_explains():
    log = logs.lines("historic_supervisor")
    unknown = parse_trace(logs.shifted(log, parse_trace(log).of("polar")[0], 0, 1e-3))
    blamed = find(unknown)
    assert blamed.defects == () and blamed.explanations == () and blamed.trials == 6


def test_a_refused_combination_is_passed_over():
    def refuse(names):
        raise ValueError("not in torch")

    attribution = attribute(logs.trace("c_supervisor"), refuse, active=frozenset(), candidates=["a", "b"])
    assert attribution.defects == ()

"""A log that contradicts itself is caught on its own side, even if both sides agree."""

import pytest

from trace_audit.compare.__main__ import judge
from trace_audit.compare.multiply_back import check
from trace_audit.trace.parse import parse_trace

from . import logs

CHECKED = {
    "c_supervisor": "r_e_meters r_e_sqr fluence_photons_per_m2 steps capture_fraction polar omega_pixel I_pixel_final "
    "I_before_scaling floatimage_accumulated sources mosaic_domains phi_steps oversample F_latt_a F_latt_b "
    "F_latt_c F_latt TRACE_PHI.F_latt term.F_latt term.F_cell term.capture_fraction term.polar term.omega_sr "
    "term.value oversample_polar oversample_omega lambda_meters lambda_angstroms",
    "c_beam_pivot": "r_e_meters r_e_sqr fluence_photons_per_m2 steps I_before_scaling I_background I_pixel_final "
    "oversample_thick oversample_polar oversample_omega F_latt_a F_latt term.F_latt term.F_cell term.capture_fraction "
    "term.polar term.omega_sr term.value",
}
CASES = [(name, key) for name, keys in CHECKED.items() for key in keys.split()]


@pytest.mark.parametrize("name", [*logs.NAMES, "historic_supervisor"])
def test_logs_multiply_back(name):
    identities = check(logs.trace(name))
    assert all(identity.holds for identity in identities)
    assert max(identity.relative_difference for identity in identities) < 1e-7
    names = " ".join(identity.name for identity in identities)
    for wanted in ("I_pixel_final = ", "r_e_sqr = ", "F_latt = F_latt_a", "floatimage_accumulated = "):
        assert wanted in names
    if not name.startswith("historic"):
        assert "I_before_scaling = I_background + sum of terms" in names and "steps = " in names


@pytest.mark.parametrize(("name", "key"), CASES)
def test_each_factor_that_is_wrong_on_both_sides_alike_is_caught(name, key):
    log = logs.lines(name)
    record = logs.trace(name).of(key)[0]
    if key.startswith("oversample_"):
        wrong = logs.replaced(log, record, 0, str(1 - record.values[0]))
    else:
        wrong = logs.shifted(log, record, 0, 1e-4 if key == "I_background" else 1e-5)
    comparison, verdict = judge(parse_trace(wrong), parse_trace(logs.as_torch(wrong)))
    assert comparison.diverging == []
    assert verdict["status"] == "fail", key
    for side in ("c", "py"):
        assert [identity for identity in verdict["multiply_back"][side] if not identity["holds"]]


def test_the_sentence_says_which_identity_fails():
    log = logs.lines("c_supervisor")
    wrong = logs.shifted(log, logs.trace("c_supervisor").of("polar")[0], 0, 1e-5)
    verdict = judge(parse_trace(wrong), parse_trace(wrong))[1]
    assert verdict["summary"].startswith("The C log contradicts itself: I_pixel_final = product of its factors")


def test_constant_in_place_of_a_factor_is_caught():
    record = logs.trace("c_supervisor").of("polar")[0]
    wrong = logs.replaced(logs.lines("c_supervisor"), record, 0, "1")
    assert not all(identity.holds for identity in check(parse_trace(wrong)))


def test_running_product_multiplies_the_whole_sum_after_each_term():
    log = [
        "TRACE_C: pixel_slow_fast 0 0",
        "TRACE_C: defects phi_carryover,running_product,water_rescaled",
        "TRACE_C: subpixel 0 0 0",
        "TRACE_C: term 0 0 0 0 0 0 1 1 1 2 3 1 0.5 1 18",
        "TRACE_C: term 0 0 0 0 1 0 1 1 1 1 3 1 0.5 1 4.5",
        "TRACE_C: I_background 1",
        "TRACE_C: I_before_scaling 13.75",
    ]
    assert all(identity.holds for identity in check(parse_trace(log)))
    late = [line.replace(",water_rescaled", "").replace("13.75", "14.5") for line in log]  # background added at the end
    assert all(identity.holds for identity in check(parse_trace(late)))
    plain = [line.replace(",running_product", "") for line in log]
    assert not all(identity.holds for identity in check(parse_trace(plain)))

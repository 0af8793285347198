"""The interval of a fault and the way to it: for any wrong stage, printing the keys that are asked for leads to it."""

import math

import pytest

from trace_audit.compare.gaps import ancestors, intervals
from trace_audit.trace.keys import registry, topological_order

IN_A_LOG = [
    name
    for name, key in registry().items()
    if key.compared and key.where not in ("setup_sample",) and not name.startswith(("term.", "TRACE_PHI"))
]


def descendants(name):
    return {key for key in registry() if name in ancestors(key)}


def walk(fault):
    """Print the pixel, then each key that is asked for, until one stage is left; the number of runs and that stage."""
    wrong = {fault, *descendants(fault)}
    printed = {"floatimage_accumulated": "floatimage_accumulated" not in wrong}
    steps = 0
    while True:
        gaps = intervals(printed, IN_A_LOG)
        assert all(fault in interval.possible for interval in gaps), "every interval holds the fault at every step"
        if not gaps[0].next_keys:
            return steps, gaps[0]
        assert not printed.keys() & set(gaps[0].next_keys)
        printed |= {name: name not in wrong for name in gaps[0].next_keys}
        steps += 1


@pytest.mark.parametrize("fault", [name for name in IN_A_LOG if "floatimage_accumulated" in {name, *descendants(name)}])
def test_one_line_leads_to_every_stage(fault):
    steps, interval = walk(fault)
    assert interval.key == fault and interval.is_one_stage
    assert steps <= math.ceil(math.log2(len(IN_A_LOG))) + 1, f"{steps} runs"


def test_agreeing_keys_clear_what_they_are_made_of():
    [gap] = intervals({"incident_vec": True, "diffracted_vec": True, "hkl_frac": False}, IN_A_LOG)
    assert "pixel_pos_meters" not in gap.possible
    assert {"incident_vec", "diffracted_vec"} <= set(gap.agreeing)
    assert "scattering_vec_A_inv" in gap.possible and gap.next_keys


def test_everything_printed_is_one_stage():
    printed = dict.fromkeys(IN_A_LOG, True) | {"polar": False, "I_pixel_final": False}
    [gap] = intervals(printed, IN_A_LOG)
    assert gap.key == "polar" and gap.is_one_stage and not gap.next_keys


def test_order_of_computation():
    [gap] = intervals({"floatimage_accumulated": False}, IN_A_LOG)
    order = topological_order()
    assert list(gap.possible) == sorted(gap.possible, key=order.index)

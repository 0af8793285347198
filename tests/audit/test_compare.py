"""The comparison: every key and component is judged, every fault fails by name, the verdict is exact and repeatable."""

import pytest

from trace_audit.compare.__main__ import judge
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Context, parse_trace

from . import logs

COMPONENTS = [
    (name, record.key.name, component)
    for name in logs.NAMES
    for record in logs.first_records(logs.trace(name))
    if record.key.kind != "word"
    for component in range(record.key.size)
]
QUIET = [  # integers move by 1 at least, a zero has no magnitude to be relative to
    (name, key, component)
    for name, key, component in COMPONENTS
    if registry()[key].kind in ("vector", "matrix")
    or (registry()[key].kind != "integer" and logs.trace(name).of(key)[0].values[component] != 0)
]
LINES = [(name, record.key.name) for name in logs.NAMES for record in logs.first_records(logs.trace(name))]


def edited(name, key, edit):
    """Verdict for log `name` against itself after `edit(lines, record)` on the torch side."""
    record = logs.torch_trace(name).of(key)[0]
    return judge(logs.trace(name), parse_trace(edit(list(logs.torch_lines(name)), record)))[1]


@pytest.mark.parametrize("name", [*logs.NAMES, "historic_supervisor"])
def test_a_log_agrees_with_itself(name):
    verdict = judge(logs.trace(name), parse_trace(logs.as_torch(logs.lines(name))))[1]
    assert verdict["status"] == "pass"
    assert verdict["root_causes"] == verdict["attribution"] == verdict["problems"] == []
    assert {row["verdict"] for row in verdict["factors"]} == {"pass", "informative"}
    assert "agree on all" in verdict["summary"]


@pytest.mark.parametrize(("name", "key", "component"), COMPONENTS)
def test_1e_5_in_any_component_is_found_and_is_the_only_root(name, key, component):
    verdict = edited(name, key, lambda log, record: logs.shifted(log, record, component, 1e-5))
    if not registry()[key].compared:
        assert verdict["status"] == "pass"
        return
    assert verdict["status"] == "fail"
    root_causes, context = ([], [key]) if registry()[key].context else ([key], [])
    assert (verdict["root_causes"], verdict["context_differs"]) == (root_causes, context)
    failed = {row["component"] for row in verdict["factors"] if row["verdict"] == "fail"}
    assert failed == {registry()[key].component_name(component)}
    assert verdict["first_divergence"]["key"] == key and key in verdict["summary"]


@pytest.mark.parametrize("name", logs.NAMES)
def test_1e_9_in_all_components_at_once_is_no_difference(name):
    """One that alone would be a difference is one among all."""
    log = list(logs.torch_lines(name))
    for key, component in ((key, component) for log_name, key, component in QUIET if log_name == name):
        log = logs.shifted(log, logs.torch_trace(name).of(key)[0], component, 1e-9)
    verdict = judge(logs.trace(name), parse_trace(log))[1]
    assert verdict["status"] == "pass", verdict["summary"]


@pytest.mark.parametrize(("name", "key"), LINES)
def test_a_missing_line_fails_by_name(name, key):
    verdict = edited(name, key, logs.without)
    assert verdict["status"] == "fail"
    wanted = {"TRACE_PHI": "TRACE_PHI.", "term": "term"}.get(key.split(".")[0], key)
    assert [p for p in verdict["problems"] if p["side"] == "py" and p["kind"] == "missing" and wanted in p["key"]]


@pytest.mark.parametrize(("name", "key"), LINES)
def test_a_line_missing_on_both_sides_fails_by_name(name, key):
    log = logs.lines(name)
    record = parse_trace(log).of(key)[0]
    both = [line for line in log if line.split()[:2] != log[record.line - 1].split()[:2]]
    verdict = judge(parse_trace(both), parse_trace(logs.as_torch(both)))[1]
    assert verdict["status"] == "fail"
    assert {problem["kind"] for problem in verdict["problems"]} == {"missing"}


@pytest.mark.parametrize(("name", "key"), LINES)
def test_a_repeated_line_fails_by_name(name, key):
    verdict = edited(name, key, lambda log, record: [*log, log[record.line - 1]])
    assert verdict["status"] == "fail"
    kinds = {(problem["kind"], problem["line"] is not None) for problem in verdict["problems"]}
    assert kinds <= {("repeated", True), ("unparsable", True)} and kinds


@pytest.mark.parametrize(("text", "kind"), [("nan", "non-finite"), ("1.0.0", "unparsable")])
@pytest.mark.parametrize(("name", "key", "component"), COMPONENTS)
def test_a_bad_number_fails_by_name(name, key, component, text, kind):
    verdict = edited(name, key, lambda log, record: logs.replaced(log, record, component, text))
    assert verdict["status"] == "fail"
    assert (kind, key) in [(problem["kind"], problem["key"]) for problem in verdict["problems"]]


@pytest.mark.parametrize("text", ["\u0661.\u0665", "1_0"])
@pytest.mark.parametrize(("name", "key", "component"), COMPONENTS)
def test_what_python_alone_takes_for_a_number_is_unparsable(name, key, component, text):
    """Shown at the parser: that its problems fail the comparison is shown above, for each component."""
    log = logs.replaced(list(logs.torch_lines(name)), logs.torch_trace(name).of(key)[0], component, text)
    assert ("unparsable", key) in [(problem.kind, problem.key) for problem in parse_trace(log).problems]


def test_an_unknown_key_fails_by_name():
    verdict = edited("c_supervisor", "polar", lambda log, record: [*log, "TRACE_PY: polarisation 1"])
    assert verdict["status"] == "fail"
    assert [problem["key"] for problem in verdict["problems"]] == ["polarisation"]


def test_different_words_fail():
    verdict = edited(
        "c_supervisor",
        "detector_convention",
        lambda log, record: [line.replace("=CUSTOM", "=MOSFLM") for line in log],
    )
    assert verdict["status"] == "fail" and "detector_convention" in verdict["summary"]
    assert (verdict["root_causes"], verdict["context_differs"]) == ([], ["detector_convention"])


def test_different_sub_pixels_fail():
    log = [line.replace("subpixel 1 1 1", "subpixel 1 1 2") for line in logs.lines("c_beam_pivot")]
    log = [line.replace("term 1 1 1", "term 1 1 2") for line in log]
    verdict = judge(logs.trace("c_beam_pivot"), parse_trace(log))[1]
    assert verdict["status"] == "fail"
    assert "subpixel" in [problem["key"] for problem in verdict["problems"]]


def test_small_components_of_a_vector_are_judged_against_its_length():
    record = logs.trace("c_supervisor").of("incident_vec")[0]
    log = logs.replaced(logs.lines("c_supervisor"), record, 1, "1e-9")  # was exactly 0
    assert judge(logs.trace("c_supervisor"), parse_trace(log))[1]["status"] == "pass"
    log = logs.replaced(logs.lines("c_supervisor"), record, 1, "2e-6")
    assert judge(logs.trace("c_supervisor"), parse_trace(log))[1]["root_causes"] == ["incident_vec"]


def test_a_lattice_factor_at_a_zero_is_judged_against_the_number_of_cells():
    log = logs.lines("c_supervisor")
    context = Context(0, phi_tic=3)
    record = parse_trace(log).records["TRACE_PHI.F_latt_b"][context]
    near, nearer = (logs.replaced(log, record, 0, text) for text in ("1e-13", "2e-13"))
    far = logs.replaced(log, record, 0, "2e-9")
    rows = judge(parse_trace(near), parse_trace(nearer))[1]["factors"]
    assert {row["verdict"] for row in rows if row["key"] == "TRACE_PHI.F_latt_b"} == {"pass"}
    assert judge(parse_trace(near), parse_trace(far))[1]["root_causes"] == ["TRACE_PHI.F_latt_b"]


def test_historic_log_lists_what_one_side_alone_has():
    verdict = judge(logs.trace("historic_supervisor"), logs.trace("c_supervisor"))[1]
    assert verdict["problems"] == [] and verdict["only_in_c"] == []
    assert "term.value" in verdict["only_in_py"] and "N_cells" in verdict["only_in_py"]


@pytest.mark.parametrize("key", [key.name for key in registry().values() if key.required])
def test_historic_log_must_have_the_required_keys(key):
    log = logs.lines("historic_supervisor")
    short = logs.without(log, parse_trace(log).of(key)[0])
    problems = judge(parse_trace(short), logs.trace("c_supervisor"))[1]["problems"]
    assert key in {problem["key"] for problem in problems}


def test_historic_log_may_lack_the_others_and_have_more():
    log = logs.lines("historic_supervisor")
    short = logs.without(log, parse_trace(log).of("obliquity_factor")[0])
    verdict = judge(parse_trace([*short, "TRACE_C: my_own_key 3"]), parse_trace(log))[1]
    assert verdict["status"] == "pass"
    assert verdict["only_in_c"] == ["my_own_key"] and verdict["only_in_py"] == ["obliquity_factor"]


def test_historic_log_of_the_carry_over_parts_at_the_rotated_cell():
    verdict = judge(logs.trace("historic_supervisor"), logs.trace("c_supervisor"))[1]
    assert verdict["status"] == "fail"
    assert verdict["root_causes"] == ["rot_a_angstroms", "rot_b_angstroms", "rot_c_angstroms"]
    assert verdict["first_divergence"]["context"]["phi_tic"] == 0
    assert {"hkl_frac", "F_latt", "I_before_scaling", "I_pixel_final"} <= set(verdict["roots"][0]["downstream"])
    assert verdict["roots"][0]["chain"][-1] == "floatimage_accumulated"

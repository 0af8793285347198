"""The comparison: every key and component is judged, every fault fails by name, the verdict is exact and repeatable."""

import json
import re
from xml.etree import ElementTree

import pytest

from trace_audit.compare.__main__ import judge, main
from trace_audit.core.errors import run_command
from trace_audit.core.junit import Case, junit
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Context, parse_trace
from trace_audit.trace.tolerances import relative_tolerance

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


@pytest.mark.parametrize(("name", "key", "component"), QUIET)
def test_1e_9_in_any_component_is_no_difference(name, key, component):
    verdict = edited(name, key, lambda log, record: logs.shifted(log, record, component, 1e-9))
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


@pytest.mark.parametrize(
    ("text", "kind"),
    [("nan", "non-finite"), ("1.0.0", "unparsable"), ("\u0661.\u0665", "unparsable"), ("1_0", "unparsable")],
)
@pytest.mark.parametrize(("name", "key", "component"), COMPONENTS)
def test_a_bad_number_fails_by_name(name, key, component, text, kind):
    verdict = edited(name, key, lambda log, record: logs.replaced(log, record, component, text))
    assert verdict["status"] == "fail"
    assert (kind, key) in [(problem["kind"], problem["key"]) for problem in verdict["problems"]]


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


@pytest.fixture
def log_files(tmp_path):
    c, py = tmp_path / "c.log", tmp_path / "py.log"
    c.write_text("\n".join(logs.lines("c_supervisor")) + "\n")
    py.write_text("\n".join(logs.as_torch(logs.lines("c_supervisor"))) + "\n")
    return c, py, tmp_path


def options(c, py, folder, out="x"):
    names = {"--out": "json", "--md": "md", "--summary": "summary.md"}
    paths = [word for flag, suffix in names.items() for word in (flag, str(folder / f"{out}.{suffix}"))]
    return ["--c-log", str(c), "--py-log", str(py), *paths, "--names", "C", "torch"]


def test_command_passes_with_status_0_and_the_same_bytes_each_time(log_files, capsys):
    c, py, folder = log_files
    assert run_command(main, options(c, py, folder)) == 0
    assert run_command(main, options(c, py, folder, "y")) == 0
    for suffix in ("json", "md", "summary.md"):
        assert (folder / f"x.{suffix}").read_bytes() == (folder / f"y.{suffix}").read_bytes()
    verdict = json.loads((folder / "x.json").read_text())
    assert list(verdict)[:4] == ["status", "summary", "root_causes", "attribution"]
    row = next(row for row in verdict["factors"] if row["key"] == "polar")
    assert {"component", "c", "py", "absolute_difference", "relative_difference", "tolerance", "verdict"} <= set(row)
    assert row["tolerance"] == relative_tolerance() == 1e-6
    assert capsys.readouterr().out.startswith("pass: ")


def test_command_fails_with_status_1_and_names_key_and_numbers(log_files, capsys):
    c, py, folder = log_files
    py.write_text(py.read_text().replace("polar 0.91463969894451", "polar 1"))
    assert run_command(main, options(c, py, folder)) == 1
    summary = (folder / "x.summary.md").read_text()
    assert summary.startswith("# FAIL: polar\n\nC and torch part at polar")
    assert "0.91463969894451" in summary and "polarization is off in torch" in summary
    assert "fail: C and torch part at polar" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("", ""),
        ("polar 0.91463969894451", "polar 1"),
        ("TRACE_PY: polar", "TRACE_PY: polarity"),
        ("r_e_sqr 7.94079248018965e-30", "r_e_sqr 2.81794117756e-15"),
    ],
)
def test_sides_are_called_by_their_names_alone(log_files, capsys, line, changed):
    """No sentence, table or picture says C or torch where these are not the names."""
    c, py, folder = log_files
    py.write_text(py.read_text().replace(line, changed))
    forms = [*options(c, py, folder), "--names", "Alpha", "Omega"]
    run_command(main, [*forms, "--junit", str(folder / "x.xml"), "--pictures", str(folder)])
    capsys.readouterr()
    for path in (*folder.glob("x.*"), *folder.glob("*.svg")):
        text = path.read_text()
        assert not re.search(r"\btorch\b|\bC\b(?![0-9(])(?! *[-0-9.]+ [-0-9.]+ )", text), path.name
        assert "Alpha" in text or "Omega" in text or path.name == "key_graph.svg"


def test_names_of_the_sides_without_any_said(log_files, capsys):
    c, py, folder = log_files
    run_command(main, options(c, py, folder)[:-3])
    assert capsys.readouterr().out.startswith("pass: reference and candidate agree")


@pytest.mark.parametrize(
    "change, status, failing",
    [
        (("", ""), 0, {}),
        (
            ("polar 0.91463969894451", "polar 1"),
            1,
            {"polar": "root cause, relative difference 0.0854 in 1"},
        ),
        (("polar 0.91463969894451", "polar nan"), 1, {"problem 1": "polar"}),
    ],
)
def test_a_ci_sees_the_same_as_the_exit_status(log_files, change, status, failing):
    c, py, folder = log_files
    py.write_text(py.read_text().replace(*change) if change[0] else py.read_text())
    assert run_command(main, [*options(c, py, folder), "--junit", str(folder / "x.xml")]) == status
    suite = ElementTree.parse(folder / "x.xml").getroot()
    found = {case.get("name"): case[0].get("message") for case in suite if len(case)}
    assert set(failing) <= set(found) and bool(found) == bool(status)
    assert all(text in found[name] for name, text in failing.items())
    assert int(suite.get("failures")) == len(found) and int(suite.get("tests")) >= 60


def test_no_suite_is_green_where_the_audit_did_not_pass():
    suite = ElementTree.fromstring(junit("s", [Case("trace", "polar")], "its log cannot be read \x1b[31m"))
    assert [(case.get("name"), len(case)) for case in suite] == [("polar", 0), ("verdict", 1)]
    assert suite.get("failures") == "1" and "\\x1b" in suite[1][0].get("message")
    green = ElementTree.fromstring(junit("s", [Case("trace", "polar")]))
    assert green.get("failures") == "0" and len(green) == 1


def test_command_refuses_bad_input_with_status_2(log_files, capsys):
    c, py, folder = log_files
    assert run_command(main, options(folder / "none.log", py, folder)) == 2
    assert "none.log" in capsys.readouterr().err
    py.write_text("")
    assert run_command(main, options(c, py, folder)) == 2
    assert run_command(main, [*options(c, py, folder), "--config", "supervisor"]) == 2
    assert not (folder / "x.json").exists()


def test_nothing_on_the_command_line_loosens_the_tolerance(log_files):
    c, py, folder = log_files
    for flag in ("--tolerance", "--rtol", "--tol"):
        with pytest.raises(SystemExit) as stop:
            main([*options(c, py, folder), flag, "1"])
        assert stop.value.code == 2


def test_hostile_text_in_a_log_stays_text(log_files):
    c, py, folder = log_files
    py.write_text(py.read_text() + "TRACE_PY: <script>alert(1)</script>|x 1\n")
    assert run_command(main, options(c, py, folder)) == 1
    for suffix in ("md", "summary.md"):
        assert "\\<script" in (folder / f"x.{suffix}").read_text() or suffix == "md"
        assert " <script" not in (folder / f"x.{suffix}").read_text()

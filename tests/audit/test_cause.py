"""A failure's cause in a few words; audits that fail for the same reason are reported together."""

import json

import pytest

from trace_audit.compare.__main__ import main as compare
from trace_audit.compare.cause import NOT_KNOWN, by_cause, cause, defect_difference
from trace_audit.compare.markdown_report import sides
from trace_audit.core.errors import run_command
from trace_audit.report.ending import MOST_LINES, lines
from trace_audit.report.ending import main as ending

from . import logs
from .test_ledger import bad_record, make_audit


def verdict(**changes):
    return {"status": "fail", "root_causes": [], "factors": [], **changes}


def explained(*switched):
    return {"explanations": [{"switched": list(names), "sentence": f"agrees with {names}"} for names in switched]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "pass"}, ""),
        ({"status": "skipped"}, ""),
        ({"attribution_trials": explained(["phi_carryover"]), "root_causes": ["polar"]}, "phi_carryover"),
        ({"attribution_trials": explained(["a", "b"])}, "a with b"),
        ({"attribution_trials": explained(["a"], ["b"])}, "a or b"),
        ({"root_causes": ["polar"]}, "polar"),
        ({"root_causes": ["a", "b", "c", "d"]}, "a, b, c and 1 more"),
        ({"problems": [{"side": "c", "key": "polar", "kind": "missing", "message": ""}]}, "C log: polar missing"),
        ({"multiply_back": {"c": [{"holds": True}], "py": [{"holds": False}]}}, "the torch log contradicts itself"),
        ({"causes": [{"explanation": "polar is 1", "key": "polar"}]}, "polar is 1"),
        ({"causes": [{"explanation": None, "key": "polar"}]}, "not known (first key that differs: polar)"),
        ({}, NOT_KNOWN),
    ],
)
def test_the_strongest_evidence_gives_the_name(changes, expected):
    assert cause(verdict(**changes)) == expected


def test_defects_are_told_by_their_difference():
    assert defect_difference("a,b,c", "a,c,d") == "+d -b"
    assert defect_difference("none", "phi_carryover") == "+phi_carryover"
    assert sides("defects", "a,b", "a,b,phi_carryover") == ("2 names", "+phi_carryover")
    assert sides("defects", "a", "a") == ("a", "a") and sides("polar", 0.5, 1.0) == (0.5, 1.0)
    row = {"key": "defects", "c": "a", "py": "a,phi_carryover", "verdict": "fail"}
    told = cause(verdict(context_differs=["defects"], factors=[row]))
    assert told == "defects +phi_carryover, from which no pixel is computed"


def test_a_log_with_other_defects_and_the_same_numbers_has_no_worst_key_of_words(tmp_path):
    ours = logs.lines("c_supervisor")
    theirs = [f"{line},phi_carryover" if " defects " in line else line for line in ours]
    assert theirs != ours
    for name, rows in (("c", ours), ("py", theirs)):
        (tmp_path / name).write_text("\n".join(rows) + "\n")
    arguments = ["--c-log", str(tmp_path / "c"), "--py-log", str(tmp_path / "py"), "--out", str(tmp_path / "out.json")]
    assert run_command(compare, arguments) == 1
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["worst"]["key"] != "defects" and "defects +" in cause(result)


def test_audits_of_one_cause_are_one_line_and_the_summary_comes_last(tmp_path, capsys):
    bad = [bad_record(tmp_path, name) for name in ("wrong", "wrong_too")]
    good = make_audit(tmp_path, "good")
    paths = [str(folder / "compare_scaling_traces.json") for folder in (*bad, good)]
    capsys.readouterr()
    assert run_command(ending, paths) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "2 of 3 audits failed."
    assert rows[1] == "  2 audits: polar: wrong (685, 1039), wrong_too (685, 1039)"
    assert rows[-1] == str(bad[0] / "diff_summary.md")


def test_many_causes_and_places_keep_to_ten_lines(tmp_path):
    causes = [verdict(root_causes=[f"key{i}"]) for i in range(40)]
    paths = [tmp_path / f"scenario/S{i}_F{i}/cpu_float64/compare_scaling_traces.json" for i in range(40)]
    told = lines(list(zip(paths, causes, strict=True)), not_compared=3)
    assert len(told) <= MOST_LINES and told[-1].endswith("diff_summary.md")
    assert "  35 more, of 35 other causes" in told and any(row.startswith("3 not compared") for row in told)
    told = lines([(path, causes[0]) for path in paths], not_compared=0)
    assert told[1].startswith("  40 audits: key0: scenario (0, 0), ") and " more" in told[1] and len(told[1]) < 140


def test_a_run_that_compared_nothing_says_where_its_messages_are():
    assert lines([], 0)[0].startswith("A job failed before anything was compared")


def test_groups_are_sorted_by_their_number():
    named = [("a", verdict(root_causes=["one"])), ("b", verdict(root_causes=["two"])), ("c", verdict(status="pass"))]
    assert by_cause([*named, ("d", verdict(root_causes=["two"]))]) == [("two", ["b", "d"]), ("one", ["a"])]

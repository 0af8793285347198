"""The command `python -m trace_audit.compare`: files, exit status, sentences, JUnit."""

import json
import re
from xml.etree import ElementTree

import pytest

from trace_audit.compare.__main__ import main
from trace_audit.core.errors import run_command
from trace_audit.core.junit import Case, junit
from trace_audit.trace.tolerances import relative_tolerance

from . import logs


@pytest.fixture
def log_files(tmp_path):
    c, py = tmp_path / "c.log", tmp_path / "py.log"
    c.write_text("\n".join(logs.lines("c_supervisor")) + "\n")
    py.write_text("\n".join(logs.as_torch(logs.lines("c_supervisor"))) + "\n")
    return c, py, tmp_path


def options(c, py, folder, out="x"):
    names = {"--out": "json", "--md": "md", "--summary": "summary.md"}
    paths = [argument for flag, suffix in names.items() for argument in (flag, str(folder / f"{out}.{suffix}"))]
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
    """No sentence, table or picture says "C" or "torch" if the sides have other names."""
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
    messages = {case.get("name"): case[0].get("message") for case in suite if len(case)}
    assert set(failing) <= set(messages) and bool(messages) == bool(status)
    assert all(text in messages[name] for name, text in failing.items())
    assert int(suite.get("failures")) == len(messages) and int(suite.get("tests")) >= 60


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

"""The pictures of a comparison: what they show, and that the same verdict gives the same bytes."""

import xml.etree.ElementTree as ElementTree

import pytest

from trace_audit.compare.__main__ import judge, say
from trace_audit.compare.pictures import COLOURS, differences, key_graph, states, write_pictures
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import parse_trace

from . import logs


@pytest.fixture
def failed():
    log = logs.lines("c_supervisor")
    for key in ("hkl_frac", "F_latt_b"):
        log = logs.shifted(log, parse_trace(log).of(key)[0], 0, 1e-3)
    return judge(logs.trace("c_supervisor"), parse_trace(logs.as_torch(log)))[1]


def boxes(svg):
    """Fill of each box by the words of its title."""
    space = "{http://www.w3.org/2000/svg}"
    boxes = ElementTree.fromstring(svg).iter(f"{space}rect")
    return {rect[0].text.split(":")[0]: rect.get("fill") for rect in boxes if len(rect)}


def test_roots_consequences_and_the_rest_are_told_apart(failed):
    state = states(failed)
    assert (state["hkl_frac"], state["F_latt_b"], state["polar"]) == ("root", "downstream", "pass")
    assert (state["beam_center_m"], state["Fbeam_m"]) == ("informative", "absent")


def test_the_graph_has_every_key_of_the_log_in_its_colour(failed):
    fill = boxes(key_graph(failed))
    assert set(fill) == set(logs.trace("c_supervisor").records)
    assert fill == {name: COLOURS[states(failed)[name]] for name in fill}


def test_bars_grow_with_the_difference_and_the_tolerance_is_drawn(failed):
    svg = differences(failed)
    assert boxes(svg)["hkl_frac"] == COLOURS["root"] and "tolerance 1e-06" in svg
    assert all(name in svg for name in registry() if name in logs.trace("c_supervisor").records)


def test_the_same_verdict_gives_the_same_bytes(failed, tmp_path):
    for folder in ("a", "b"):
        write_pictures(failed, tmp_path / folder)
    for name in ("key_graph.svg", "differences.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_sentence_is_coloured_on_a_terminal_alone(failed, capsys, monkeypatch):
    say(failed)
    assert capsys.readouterr().out == f"fail: {failed['summary']}\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    say(failed)
    assert "\x1b[" in capsys.readouterr().out

"""Logs become records, or problems with a name and a line number; nothing makes the parser fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace_audit.core.errors import InputError
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Context, parse_trace, read_trace

from . import logs


@pytest.mark.parametrize("name", [*logs.NAMES, "historic_supervisor"])
def test_logs_parse_without_problems(name):
    parsed = logs.trace(name)
    assert parsed.problems == [] and parsed.historic == name.startswith("historic")


def test_all_line_forms_give_their_values():
    parsed = logs.trace("c_beam_pivot")
    assert parsed.values("angles_rad")[0] == 0.0698131700797732
    assert parsed.values("R_total")[5] == -0.0916719728233832
    assert parsed.values("N_cells") == (5, 6, 4)
    assert parsed.values("detector_convention") == ("MOSFLM",)
    assert parsed.blocks == [(t, u, v) for t in (0, 1) for u in (0, 1) for v in (0, 1)]
    assert parsed.values("hkl_rounded", Context(0)) == (0, 1, -1)
    assert len(parsed.of("term.value")) == 8 * 2 * 2 * 2
    assert parsed.number("term.value", Context(7, 1, 1, 1)) == parsed.of("term.value")[-1].values[0]
    assert len(parsed.of("TRACE_PHI.k_frac")) == 8 * 2


def test_colon_form_of_a_setup_key_is_read_too():
    assert parse_trace(["TRACE_C: ratio 0.5"]).number("ratio") == 0.5
    assert parse_trace(["TRACE_PY:polar=0.5"]).number("polar") == 0.5


def test_historic_blocks_begin_at_the_origin_of_the_detector():
    log = logs.lines("historic_supervisor")
    start = next(i for i, line in enumerate(log) if "pix0_vector_meters" in line)
    end = next(i for i, line in enumerate(log) if "I_before_scaling" in line)
    parsed = parse_trace([*log[:end], *log[start:end], *log[end:]])
    assert parsed.problems == []
    assert [record.context.block for record in parsed.of("hkl_frac")] == [0, 1]
    assert len(parsed.of("TRACE_PHI.F_latt")) == 20


def test_historic_setup_keeps_the_first_rotation_and_drops_wrong_labels():
    log = [
        "TRACE_C:fdet_after_rotz=0 0 1",
        "TRACE_C:detector_convention=MOSFLM",
        "TRACE_C:initial_fdet=0 0 1",
        "TRACE_C:fdet_after_rotz=0 1 0",
        "TRACE_C:convention_mapping=Fbeam\u2190Ybeam_mm(+0.5px)",
        "TRACE_C:Fbeam_m=0.1",
        "TRACE_CONFIG: tracing pixel (spixel=49, fpixel=49)",
        "TRACE_C_SOURCE2: F_cell 100",
        "TRACE: prose of 6 digits",
        "DETECTOR_FAST_AXIS 0 0 1",
    ]
    parsed = parse_trace(log)
    assert parsed.problems == []
    assert parsed.values("fdet_after_rotz") == (0.0, 0.0, 1.0)
    assert "detector_convention" not in parsed.records and "initial_fdet" not in parsed.records


@pytest.mark.parametrize(
    ("line", "kind", "key"),
    [
        ("TRACE_C: polar nan", "non-finite", "polar"),
        ("TRACE_C: polar -inf", "non-finite", "polar"),
        ("TRACE_C: polar 1e999", "non-finite", "polar"),
        ("TRACE_C: polar 0.9x", "unparsable", "polar"),
        ("TRACE_C: polar", "unparsable", "polar"),
        ("TRACE_C: polar 0.9 0.8", "unparsable", "polar"),
        ("TRACE_C: polar 0x1p3", "unparsable", "polar"),
        ("TRACE_C: steps 10.5", "unparsable", "steps"),
        ("TRACE_C: polarisation 0.9", "unknown", "polarisation"),
        ("TRACE_C: term.value 1", "unknown", "term.value"),
        ("TRACE_C: term 0 0 0 0 0", "unparsable", "term"),
        ("TRACE_C: term 0 0 9 0 0 0 -7 -1 -14 1 1 1 1 1 1", "unparsable", "term"),
        ("TRACE_C: subpixel 0 0", "unparsable", "subpixel"),
        ("TRACE_C: subpixel 0 0 0", "repeated", "subpixel"),
        ("TRACE_C:angles_rad=a:0 b:0 c:0 d:0", "unparsable", "angles_rad"),
        ("TRACE_C:detector_convention=", "unparsable", "detector_convention"),
        ("TRACE_C_PHI phi_deg=0", "unparsable", "TRACE_PHI.phi_tic"),
        ("TRACE_C_PHI phi_tic=77 phi_deg=0 F_latt_b=1 F_latt=1", "missing", "TRACE_PHI.k_frac"),
        ("TRACE_C_PHI phi_tic=0 phi_deg=0 k_frac=0 F_latt_b=1 F_latt=1", "repeated", "TRACE_PHI.k_frac"),
        ("TRACE_C_PHI phi_tic=78 phi_deg=0 k_frac=0 F_latt_b=1 F_latt=1 x=1", "unknown", "TRACE_PHI.x"),
        ("TRACE_C: ratio 0.9", "repeated", "ratio"),
        ("Segmentation fault", "unparsable", "Segmentation"),
    ],
)
def test_each_fault_is_named_with_its_line(line, kind, key):
    log = [entry for entry in logs.lines("c_supervisor") if " polar " not in entry and " steps " not in entry]
    parsed = parse_trace([*log, line])
    assert (kind, key) in [(problem.kind, problem.key) for problem in parsed.problems]
    assert all(problem.line == len(log) + 1 for problem in parsed.problems)
    assert all(str(len(log) + 1) in problem.message for problem in parsed.problems)


def test_values_before_any_sub_pixel_are_refused():
    parsed = parse_trace(["TRACE_C: pixel_slow_fast 0 0", "TRACE_C: R_distance_meters 1"])
    assert [problem.key for problem in parsed.problems] == ["R_distance_meters"]


@given(st.lists(st.one_of(st.text(max_size=60), st.sampled_from(list(registry())).map("TRACE_C: {} ".format))))
def test_no_text_makes_the_parser_fail(texts):
    parse_trace(texts)
    parse_trace([f"TRACE_C: {text}" for text in texts] + [f"TRACE_PY_PHI {text}" for text in texts])


def test_a_log_without_trace_lines_is_refused(tmp_path):
    path = tmp_path / "empty.log"
    path.write_text("hello\n")
    with pytest.raises(InputError, match="no line begins with TRACE_C"):
        read_trace(path)
    with pytest.raises(InputError, match="nothing.log"):
        read_trace(tmp_path / "nothing.log")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_trace(path)

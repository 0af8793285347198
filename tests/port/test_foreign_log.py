"""Trace lines are found in whatever a program prints; what is no trace line is counted, never a fault."""

import itertools

import pytest

from trace_audit.compare.multiply_back import check
from trace_audit.core.errors import InputError
from trace_audit.trace.foreign_log import MOST_LINES_OF_A_KEY, read_foreign_lines, read_foreign_log
from trace_audit.trace.key_names import KeyNames, read_key_names
from trace_audit.trace.own_keys import OwnKey
from trace_audit.trace.parse import Context

BLOCK = Context(block=0)


def read(*lines, **names):
    return read_foreign_lines([line.encode() + b"\n" for line in lines], KeyNames(**names))


@pytest.mark.parametrize(
    "line",
    [
        "TRACE_PY: hkl_frac 1.5 -2 3e-1",
        "TRACE_C: hkl_frac=1.5 -2 0.3",
        "TRACE_PY: hkl_frac: 1.5, -2.0, 0.3",
        "TRACE_PY: hkl_frac [1.5, -2, 0.3]",
        "TRACE_PY: hkl_frac tensor([ 1.5000, -2.0000,  0.3000], dtype=torch.float64)",
        "TRACE_PY: hkl_frac (np.float64(1.5), -2.0, 0.3)",
        "\x1b[32mTRACE_PY:\x1b[0m hkl_frac \x1b[1m1.5\x1b[0m -2 0.3",
        '{"key": "hkl_frac", "value": [1.5, -2, 0.3]}',
        '{"hkl_frac": [1.5, -2.0, 0.3], "other": 5}',
        "TRACE_PY: hkl_frac 1.5D+00 -0.2D1 3.d-1",
        "2026-11-27 03:00:00,123 INFO TRACE_PY: hkl_frac=[1.5, -2.0, 0.3]",
        "INFO:root:TRACE_C: hkl_frac 1.5 -2 0.3",
        "\x1b[2m[03:00:00]\x1b[0m [my_port.trace] TRACE_JAX: hkl_frac 1.5 -2 0.3",
    ],
)
def test_forms_of_a_line(line):
    log = read("Simulating ...", line, "done")
    assert log.trace.values("hkl_frac", BLOCK) == (1.5, -2.0, 0.3)
    assert (log.trace_lines, log.other_lines, log.problems) == (1, 2, [])


@pytest.mark.parametrize(
    "line",
    [
        "TRACE_JAX: hkl_frac 1.5 -2 0.3",
        "[TRACE] hkl_frac = 1.5, -2, 0.3",
        "TRACE: hkl_frac: 1.5 -2 0.3",
        "TRACE hkl_frac 1.5 -2 0.3",
    ],
)
def test_other_prefixes_need_no_key_file(line):
    log = read("TRACE_CONFIG: nothing of it", "[TRACE] starting", line)
    assert log.trace.values("hkl_frac", BLOCK) == (1.5, -2.0, 0.3)
    assert (log.trace_lines, log.other_lines) == (1, 2)


def test_a_logger_before_a_prefix_of_the_key_file():
    names = {"prefixes": ("DBG>",), "own": {"amplitude": OwnKey()}}
    log = read("12:00 debug DBG> steps 4", "12:00 debug DBG> amplitude 3", "12:00 more of DBG> here", **names)
    assert log.trace.number("steps") == 4 and log.own_values == {"amplitude": 3.0}
    assert (log.trace_lines, log.other_lines) == (2, 1)
    assert read('{"amplitude": 3}', **names).own_values == {"amplitude": 3.0}


def test_text_about_a_trace_is_none():
    log = read("see TRACE_PY: hkl lines", "x = 1.5D+24", "the prefix TRACE_PY: is for keys")
    assert (log.trace_lines, log.other_lines) == (0, 3)


def test_naming_the_pixel_does_not_make_a_log_ours():
    """The other keys still need no line that opens a sub-pixel, and a sum no terms."""
    log = read("TRACE_PY: pixel_slow_fast 15 6", "TRACE_PY: hkl_frac 1 2 3", "TRACE_PY: I_before_scaling 5")
    assert log.problems == [] and log.trace.values("hkl_frac", BLOCK) == (1.0, 2.0, 3.0)
    assert [identity.name for identity in check(log.trace) if not identity.holds] == []


def test_keys_that_only_the_port_has_are_listed_with_their_meaning(tmp_path):
    file = tmp_path / "keys.yaml"
    file.write_text("own: {spindle_magnitude: {unit: '', meaning: length of the axis}}\n")
    log = read_foreign_lines([b"TRACE_PY: spindle_magnitude 1\n", b"TRACE_PY: steps 4\n"], read_key_names(file))
    assert log.own == {"spindle_magnitude": "length of the axis"} and not log.unknown


def test_prefix_names_and_factors_of_a_key_file(tmp_path):
    file = tmp_path / "keys.yaml"
    file.write_text("prefixes: ['DBG>']\nnames: {Flux: fluence_photons_per_m2}\nfactors: {Flux: 1.0e+4}\n")
    names = read_key_names(file)
    log = read_foreign_lines([b"DBG> Flux 5e20\n"], names)
    assert log.trace.number("fluence_photons_per_m2") == pytest.approx(5e24)


@pytest.mark.parametrize(
    "text, told",
    [
        ("names: {a: hkl_frak}", "hkl_frak"),
        ("surprise: 1", "surprise"),
        ("factors: {a: much}", "factors.a"),
        ("- 1", "expected the parts"),
        ("a: [", "not YAML"),
    ],
)
def test_faults_of_a_key_file_are_named(tmp_path, text, told):
    file = tmp_path / "keys.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=told):
        read_key_names(file)


def test_names_that_nobody_knows_are_listed_and_no_fault():
    log = read("TRACE_PY: spindle_magnitude 1", "TRACE_PY: steps 10", "TRACE_PY: spindle_magnitude 1")
    assert log.unknown == {"spindle_magnitude": 2}
    assert log.problems == [] and log.trace.number("steps") == 10


@pytest.mark.parametrize(
    "line, kind",
    [
        ("TRACE_PY: polar nan", "non-finite"),
        ("TRACE_PY: polar -inf", "non-finite"),
        ("TRACE_PY: polar 1e999", "non-finite"),
        ("TRACE_PY: hkl_frac 1 2", "unparsable"),
        ("TRACE_PY: polar 0,5", "unparsable"),
        ("TRACE_PY: steps 1.5", "unparsable"),
        ("TRACE_PY: polar half", "unparsable"),
        ("TRACE_PY: polar", "unparsable"),
    ],
)
def test_values_that_cannot_be_read_are_faults_by_name(line, kind):
    log = read(line)
    assert [(p.kind, p.key) for p in log.problems] == [(kind, line.split()[1])]
    assert line.split()[1] not in log.trace.records


def test_decimal_comma_is_explained():
    assert "decimal comma" in read("TRACE_PY: polar 0,5").problems[0].message


def test_a_flood_is_bounded():
    lines = itertools.chain(itertools.repeat(b"TRACE_PY: polar 0.5\n", 1_000), itertools.repeat(b"noise\n", 1_000))
    log = read_foreign_lines(lines, KeyNames())
    assert log.repeated == {"polar": 999} and log.other_lines == 1_000
    many = (f"TRACE_PY: unknown_{n} 1\n".encode() for n in range(2_000))
    assert len(read_foreign_lines(many, KeyNames()).unknown) <= 500
    assert MOST_LINES_OF_A_KEY < 10**6


def test_a_line_without_end_does_not_fill_memory(tmp_path):
    file = tmp_path / "log"
    file.write_bytes(b"TRACE_PY: steps 4\n" + b"x" * 3_000_000)
    log = read_foreign_log(file, KeyNames())
    assert log.trace.number("steps") == 4


def test_no_trace_line_says_what_one_looks_like(tmp_path):
    file = tmp_path / "log"
    file.write_text("hello\nworld\n")
    with pytest.raises(InputError, match="2 lines and no trace line.*TRACE_PY: I_before_scaling"):
        read_foreign_log(file, KeyNames())

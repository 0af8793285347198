"""`python -m trace_audit.compare` on what any two programs print: no simulation, and nothing said that is not shown."""

import json
from xml.etree import ElementTree

import pytest

from tests.port.test_planted_mistakes import lines
from trace_audit.compare.__main__ import main
from trace_audit.core.errors import run_command

WITHOUT = ("Simulating ...", "took 3.2 s")


def key_of(line: str) -> str:
    return line.split(": ", 1)[-1].split("=")[0].split()[0]


def text_of(mistake: str, shown: tuple[str, ...] = ()) -> str:
    chosen = [line for line in lines(mistake) if not shown or key_of(line) in shown]
    return "\n".join([WITHOUT[0], *chosen, WITHOUT[1], ""])


@pytest.fixture
def compare(tmp_path, capsys):
    """Exit status, verdict, summary and what was said."""

    def run(reference: str | bytes, candidate: str | bytes, *more: str):
        for name, text in (("old.log", reference), ("new.log", candidate)):
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        logs = ["--c-log", str(tmp_path / "old.log"), "--py-log", str(tmp_path / "new.log")]
        out = [
            "--out",
            str(tmp_path / "v.json"),
            "--summary",
            str(tmp_path / "s.md"),
            "--junit",
            str(tmp_path / "v.xml"),
        ]
        status = run_command(main, [*logs, *out, "--names", "old", "new", *more])
        said = capsys.readouterr()
        if status == 2:
            return status, {}, "", said.err
        return status, json.loads((tmp_path / "v.json").read_text()), (tmp_path / "s.md").read_text(), said.out

    return run


def test_the_whole_output_of_our_programs_is_a_whole_trace(compare):
    status, verdict, _, said = compare(text_of("polar_off"), text_of("polar_off"))
    assert status == 0 and "agree on all" in said and not verdict["problems"]
    status, verdict, _, said = compare(text_of("polar_off"), text_of("polar_off").replace(": fluence_photons", ": x"))
    assert status == 1, "a whole trace without a key that it has to have"


def test_logs_of_few_keys_agree_on_those_that_both_print(compare):
    few = ("polar", "fluence_photons_per_m2", "hkl_frac")
    status, verdict, _, said = compare(text_of("polar_off"), text_of("polar_off", few))
    assert status == 0 and "all 3 keys that both print" in said
    assert not verdict["problems"] and verdict["coverage"]["printed"] == 3


def test_a_difference_is_an_interval_or_a_stage_and_says_what_to_type_next(compare):
    shown = ("incident_vec", "diffracted_vec", "polar_vector", "polar", "I_pixel_final", "cos_2theta", "beam_vector")
    status, verdict, summary, _ = compare(text_of("fluence_per_mm2", shown), text_of("polar_off", shown))
    assert status == 1 and "polar" in verdict["root_causes"]
    assert "python -m trace_audit.port" in summary and "Simulating" not in summary
    status, verdict, summary, _ = compare(
        text_of("fluence_per_mm2", ("steps", "I_pixel_final")), text_of("polar_off", ("steps", "I_pixel_final"))
    )
    [cause] = verdict["causes"]
    assert {"polar", "fluence_photons_per_m2"} <= set(cause["possible"]) and cause["print_next"]
    assert not cause["is_one_stage"] and "at fault" not in summary


def test_float32_numbers_leave_the_fault_open(compare):
    """What rounding can do is no stage's fault without a simulation."""
    plain = "TRACE_PY: r_e_sqr {}\nTRACE_PY: r_e_meters {}\nTRACE_PY: polar {}\nTRACE_PY: fluence_photons_per_m2 {}\n"
    doubles = plain.format(7.94079248018965e-30, 2.81794117756025e-15, 0.914639698944511, 1.00001234567891e24)
    singles = plain.format(7.9407927259064e-30, 2.81794118441937e-15, 0.914639711380005, 1.00004000581312e24)
    _, verdict, summary, _ = compare(doubles, singles)
    assert verdict["status"] == "fail" and "may be at fault" in summary and "float32 numbers" in summary
    _, _, summary, _ = compare(doubles, doubles.replace("1.00001", "1.00004"))
    assert "float32 numbers" not in summary and ", is at fault" in summary


def test_key_files_of_both_sides_and_own_keys(compare, tmp_path):
    own = "own: {amplitude: {parents: [F_cell, F_latt], used_by: [I_before_scaling]}}\n"
    (tmp_path / "new.yaml").write_text(own + "prefixes: ['DBG>']\nnames: {Flux: fluence_photons_per_m2}\n")
    (tmp_path / "old.yaml").write_text(own)
    keys = ("--keys", str(tmp_path / "new.yaml"), "--reference-keys", str(tmp_path / "old.yaml"))
    old = "TRACE_C: fluence_photons_per_m2 5e24\nTRACE_C: amplitude 3\nTRACE_C: I_before_scaling 9\n"
    new = old.replace("TRACE_C: fluence_photons_per_m2", "DBG> Flux").replace("scaling 9", "scaling 18")
    status, verdict, _, _ = compare(old, new, *keys)
    assert status == 1 and verdict["coverage"]["printed"] == 3
    [cause] = verdict["causes"]
    assert cause["key"] == "I_before_scaling" and "amplitude" in cause["agreeing_above"]
    _, verdict, _, _ = compare(old, new.replace("amplitude 3", "amplitude 4"), *keys)
    assert verdict["root_causes"] == ["amplitude"]


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("TRACE_PY: polar nan\n", "polar"),
        ("TRACE_PY: polar 0,91\n", "decimal comma"),
    ],
)
def test_what_cannot_be_read_fails_by_name(compare, log, told):
    for pair in ((log, "TRACE_PY: polar 0.91\n"), ("TRACE_PY: polar 0.91\n", log)):
        status, verdict, summary, _ = compare(*pair)
        assert status == 1 and told in str(verdict["problems"]) and told in summary


def test_other_bytes_and_colours(compare):
    status, verdict, _, _ = compare(
        "cell 70 \xc5\n\x1b[32mTRACE_PY:\x1b[0m polar=0.91\r\n".encode("latin-1"),
        '{"key": "polar", "value": 0.91}\n',
    )
    assert status == 0 and [row["key"] for row in verdict["factors"]] == ["polar"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--config", "supervisor", "--pixel", "685", "1039"), "python -m trace_audit.port --config supervisor"),
        (("--pictures", "x"), "--pictures"),
        (("--keys", "/not/there.yaml"), "/not/there.yaml"),
    ],
)
def test_what_a_log_of_few_keys_cannot_have_is_one_line(compare, more, told):
    status, _, _, error = compare("TRACE_PY: polar 1\n", "TRACE_PY: polar 1\n", *more)
    assert status == 2 and told in error and error.count("\n") == 1


def test_logs_without_a_key_in_common_and_without_a_trace_line(compare):
    status, verdict, _, said = compare("TRACE_PY: polar 1\n", "TRACE_PY: steps 1\n")
    assert status == 1 and "no key in common" in said and verdict["causes"] == []
    status, _, _, error = compare("TRACE_PY: polar 1\n", "nothing\n")
    assert status == 2 and "no trace line" in error


def test_the_junit_file_has_a_test_for_each_key(compare, tmp_path):
    compare("TRACE_PY: polar 1\nTRACE_PY: steps 2\n", "TRACE_PY: polar 1\nTRACE_PY: steps 3\n")
    suite = ElementTree.parse(tmp_path / "v.xml").getroot()
    assert {case.get("name"): len(case) for case in suite} == {"polar": 0, "steps": 1}

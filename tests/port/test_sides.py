"""Two sides of any kind: the report names the side at fault, whichever it is."""

import json
import re
import shlex
import sys
from functools import cache

import numpy as np
import pytest

from tests.port.planted import MISTAKES, visitor
from trace_audit.compare.cause import cause as cause_of
from trace_audit.config.side import Candidate, Reference, labels
from trace_audit.core.errors import run_command
from trace_audit.images.image_pixels import _mismatch, _not_computed
from trace_audit.port.__main__ import main
from trace_audit.port.document import as_json, as_junit
from trace_audit.port.findings import PortCase
from trace_audit.port.our_program import OurProgram, one_pixel
from trace_audit.port.pair import audit_pair
from trace_audit.port.report import as_markdown, lines_for_terminal
from trace_audit.port.side import command_of
from trace_audit.stages.intervene import watched_trace
from trace_audit.trace.foreign_log import read_foreign_lines
from trace_audit.trace.key_names import KeyNames
from trace_audit.trail.gate import reasons

FLAGS = (
    "-cell 70 80 90 85 95 105 -misset 10 20 30 -lambda 1.1 -distance 90 -pixel 0.4 -detpixels 16 "
    "-Na 5 -Nb 7 -Nc 6 -default_F 100 -fluence 1e24 -oversample 1 -mosflm"
)
PIXEL = (9, 5)
OUR_PROGRAMS = re.compile(r"(?<![\w-])(C|torch)(?![\w-])")  # what only our two programs are called


@cache
def ours():
    return OurProgram(tuple(shlex.split(FLAGS)), PIXEL)


@cache
def side(name: str, mistake: str = "", shown: str = ""):
    """A side whose stage is changed (`mistake`), that prints all keys or those `shown`."""
    import torch

    visit = visitor(*MISTAKES[mistake]) if mistake else lambda *_: None
    experiment = one_pixel(ours().base, PIXEL)
    lines = watched_trace(experiment, PIXEL, device="cpu", dtype=torch.float64, visit=visit)
    chosen = [line.encode() for line in lines if not shown or any(f" {key}" in line for key in shown.split(","))]
    return PortCase(name, read_foreign_lines(chosen, KeyNames()), None)


def pair(reference: PortCase, candidate: PortCase):
    return audit_pair(reference, candidate, ours(), budget_s=0)


def test_the_candidate_at_fault():
    audit = pair(side("old"), side("new", "polar_off"))
    assert [(cause.key, cause.side) for cause in audit.causes] == [("polar", "")]
    assert audit.reference.stands_for_it and "polar" in as_markdown(audit)


def test_the_reference_at_fault_is_said_by_its_name():
    audit = pair(side("old", "polar_off"), side("new"))
    assert not audit.passed and not audit.reference.stands_for_it
    assert [(cause.key, cause.side) for cause in audit.causes] == [("polar", "old")]
    text = as_markdown(audit)
    assert "old is at fault: polar" in text and "old is not our program (polar" in text
    assert as_json(audit)["causes"][0]["side"] == "old"


def test_both_at_fault_in_different_stages():
    audit = pair(side("old", "polar_off"), side("new", "fluence_per_mm2"))
    assert {(cause.key, cause.side) for cause in audit.causes} == {("fluence_photons_per_m2", ""), ("polar", "old")}


def test_two_programs_with_the_same_fault_agree():
    assert pair(side("old", "polar_off"), side("new", "polar_off")).passed


def test_a_reference_with_few_keys_is_completed_by_our_program():
    audit = pair(side("old", shown="polar,steps"), side("new", "fluence_per_mm2"))
    assert [cause.key for cause in audit.causes] == ["fluence_photons_per_m2"]
    assert "our program stands in for it" in as_markdown(audit)


@pytest.mark.parametrize("mistake", ["", "polar_off"])
def test_sides_have_their_own_names_in_every_form_of_the_report(mistake):
    audit = pair(side("Alpha", mistake), side("Omega", "fluence_per_mm2"))
    verdict = as_json(audit)
    told = "\n".join([*reasons(verdict, []), cause_of(verdict), *verdict["reasons"]])
    assert OUR_PROGRAMS.search("The C image") and OUR_PROGRAMS.search("of torch.")
    for text in (as_markdown(audit), as_junit(audit), "\n".join(lines_for_terminal(audit)), json.dumps(verdict), told):
        assert "Omega" in text or text == told
        assert not OUR_PROGRAMS.search(text) and "candidate:" not in text


def test_logs_and_images_are_called_by_the_names_of_their_sides():
    broken = [{"name": "I_pixel_final", "holds": False}]
    verdict = {
        "status": "fail",
        "summary": "",
        "sides": {"reference": "old", "candidate": "new"},
        "root_causes": [],
        "factors": [],
        "problems": [{"side": "py", "key": "polar", "kind": "missing", "message": "no polar"}],
        "multiply_back": {"c": broken, "py": broken},
    }
    told = [*reasons(verdict, []), cause_of(verdict), cause_of({**verdict, "problems": []})]
    assert "old log contradicts itself: I_pixel_final" in told and "new log: polar missing" in told
    told += [_mismatch("new", 2.0, 1.0, 0.0), _not_computed(1, 2, {"c": 0.0, "py": 1.0}, {"c": "old", "py": "new"})]
    assert "image_of_new" in str(told[-1]) and told[-2][0] == "image_of_new"
    assert not OUR_PROGRAMS.search(str(told))


IMAGE = np.linspace(1.0, 2.0, 256, dtype=np.float32).reshape(16, 16)
PROGRAM = f"""#!{sys.executable}
import subprocess, sys, struct
out = sys.argv[sys.argv.index("-floatfile") + 1]
subprocess.run([{{binary!r}}, *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
data = open(out, "rb").read()
values = struct.unpack(f"<{{{{len(data) // 4}}}}f", data)
open(out, "wb").write(struct.pack(f"<{{{{len(values)}}}}f", *({{change}} for v in values)))
"""


@pytest.fixture
def silent(tmp_path, c_binary):
    """A nanoBragg that prints no trace and changes its image."""

    def make(change: str):
        path = tmp_path / "their nanoBragg"
        path.write_text(PROGRAM.format(binary=str(c_binary), change=change))
        path.chmod(0o755)
        return path

    return make


def cli(tmp_path, candidate, reference, *more):
    """Exit status and verdict of the command."""
    arguments = ["--flags", FLAGS, "--pixel", "9", "5", "--candidate", candidate, "--reference", reference]
    status = run_command(main, [*arguments, "--budget-s", "1", "--out", str(tmp_path / "out"), *more])
    path = tmp_path / "out/port_audit.json"
    return status, json.loads(path.read_text()) if path.is_file() else {}


def test_a_program_without_a_trace_is_judged_by_its_image(tmp_path, silent, c_binary, capsys):
    status, verdict = cli(tmp_path, f"{{binary: '{silent('v')}'}}", f"{{name: C, binary: '{c_binary}'}}")
    assert (status, verdict["status"]) == (0, "pass")
    assert verdict["coverage"]["printed"] == 0 and "prints no trace" in verdict["summary"]
    assert verdict["image"]["pixels"] == 256


def test_a_wrong_image_alone_says_what_is_wrong_and_what_to_print_next(tmp_path, silent, c_binary, capsys):
    status, verdict = cli(tmp_path, f"{{binary: '{silent('1.5 * v')}'}}", f"{{name: C, binary: '{c_binary}'}}")
    assert (status, verdict["status"]) == (1, "fail")
    assert verdict["image"]["before"]["scale"] == pytest.approx(1.5, rel=1e-6)
    assert any(cause["print_next"] for cause in verdict["causes"])


def test_a_single_wrong_pixel_is_seen(tmp_path, silent, c_binary, capsys):
    changed = "v if n else 2 * v + 1"
    program = silent("v")
    program.write_text(program.read_text().replace("(v for v in values)", f"({changed} for n, v in enumerate(values))"))
    status, verdict = cli(tmp_path, f"{{binary: '{program}'}}", f"{{name: C, binary: '{c_binary}'}}")
    assert (status, verdict["status"]) == (1, "fail")


def test_an_image_that_is_not_finite_is_reported_as_that(tmp_path, silent, c_binary, capsys):
    change = "float('nan') if v == values[0] else v"
    status, _ = cli(tmp_path, f"{{binary: '{silent(change)}'}}", f"{{name: C, binary: '{c_binary}'}}")
    error = capsys.readouterr().err
    assert status == 2 and "not finite" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("{}", "says nothing of what it is"),
        ("{binary: /not/there}", "no such file"),
        ("{program: c, log: x}", "not both"),
        ("{programme: c}", "programme"),
        ("[1]", "expected a side"),
        ("{command: [x]}", "{flags}"),
    ],
)
def test_a_side_that_is_wrong_is_one_line(tmp_path, stated, told, capsys):
    assert cli(tmp_path, stated, "{program: torch}")[0] == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_labels():
    assert labels(Reference(), Candidate(command=["x", "{flags}"])) == ("reference", "candidate")
    assert labels(Reference(program="c"), Candidate(program="c", compiler="/usr/bin/clang")) == ("C", "C-clang")
    assert labels(Reference(program="torch"), Candidate(program="torch", backend="compiled", dtype="float32")) == (
        "torch",
        "torch-compiled-float32",
    )
    assert labels(Reference(program="c"), Candidate(program="c")) == ("C-reference", "C-candidate")


def test_command_lines_of_ours():
    eager = command_of(Candidate(program="torch", dtype="float32"), None, image=True)
    assert eager.environment["NANOBRAG_TORCH_COMPILE"] == "never" and "{image}" in eager.words
    compiled = command_of(Candidate(program="torch", backend="compiled"), None, image=False)
    assert compiled.environment["NANOBRAG_TORCH_COMPILE"] == "always" and "-roi" in compiled.words


def test_a_recorded_reference(tmp_path, c_binary, capsys):
    np.save(tmp_path / "theirs.npy", IMAGE)
    (tmp_path / "theirs.log").write_text("TRACE_C: polar 0.5\n")
    recorded = f"{{name: theirs, log: '{tmp_path / 'theirs.log'}', image: '{tmp_path / 'theirs.npy'}'}}"
    status, verdict = cli(tmp_path, f"{{name: mine, binary: '{c_binary}'}}", recorded)
    assert status == 1 and not verdict["reference"]["is_as_our_program"]
    assert {cause["side"] for cause in verdict["causes"]} == {"theirs"}, verdict["summary"]

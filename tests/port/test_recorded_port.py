"""The recorded output of a real port: the causes that were found by hand are the ones that are named."""

import json
from functools import cache
from pathlib import Path

import pytest

from trace_audit.port.audit import audit_port
from trace_audit.port.document import as_json, as_junit
from trace_audit.port.findings import PortAudit, PortCase
from trace_audit.port.our_program import OurProgram
from trace_audit.port.report import as_markdown, lines_for_terminal
from trace_audit.port.two_images import read_port_image
from trace_audit.trace.foreign_log import read_foreign_log
from trace_audit.trace.key_names import KeyNames

DATA = Path(__file__).parent / "data"
CASES = json.loads((DATA / "cases.json").read_text())


@cache
def audit(name: str) -> PortAudit:
    case = CASES[name]
    ours = OurProgram(tuple(case["args"].split()), tuple(case["traced_slow_fast"]))
    log = read_foreign_log(DATA / f"{name}.log", KeyNames())
    image = read_port_image(DATA / f"{name}.npz", ours.shape, ours.base.detector.roi)
    return audit_port(PortCase("my-port", log, image), ours, budget_s=600)


def causes(name: str, role: str) -> dict[str, str | None]:
    return {cause.key: cause.explanation for cause in audit(name).causes if cause.role == role}


def test_flags_without_effect_are_named_by_size():
    found = audit("flux_beam_clip")
    explanations = [cause.explanation for cause in found.causes if cause.role == "in the image"]
    assert explanations == ["-flux 1e12 is ignored", "-samplesize 0.0006 is ignored"]
    assert found.causes[0].effect == pytest.approx(2518.6, rel=1e-4)
    assert found.image.after.pattern <= found.image.allowed.pattern
    assert abs(found.image.after.scale - 1.0) < 1e-4
    metres = "it is printed in metres where Angstrom are expected"
    assert causes("flux_beam_clip", "in the trace only") == {"rot_a_angstroms": metres}


def test_a_trace_at_another_point_of_the_pixel_is_no_cause_of_the_image():
    found = audit("triclinic_misset")
    assert found.image.agrees, "the image differs by float32 alone"
    assert not [cause for cause in found.causes if cause.role == "in the image"]
    [centre] = [cause for cause in found.causes if cause.key == "pixel_pos_meters"]
    assert centre.explanation == "a pixel is evaluated at its centre alone (-oversample 1)"
    assert centre.role == "in the trace only"
    assert centre.contradicts == ("steps",), "it prints the number of steps of the image, which took 2 x 2 points"
    assert found.precision.name == "float32"
    printed = {cause.key: cause.explanation for cause in found.causes}
    assert printed["rot_a_angstroms"] == "it is printed in metres where Angstrom are expected"
    assert printed["polar"] == "there is no polarization factor (-nopolar)"


def test_a_convention_switched_by_a_flag():
    explained = {cause.key: cause.explanation for cause in audit("phi_sweep").causes}
    assert explained["incident_vec"] == "it runs along z where x is expected"
    assert explained["pix0_vector_meters"] is None, "our program refuses a detector whose plane holds the sample"


def test_what_is_not_known_is_not_named():
    """The port's mosaic domains are others; no flag and no convention gives its image."""
    found = audit("mosaic")
    assert not found.image.agrees
    assert not found.image_search.explanations
    assert "not known" in as_markdown(found)


@pytest.mark.parametrize("name", ["flux_beam_clip", "triclinic_misset", "mosaic"])
def test_every_form_of_the_report(name):
    found = audit(name)
    document = as_json(found)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["coverage"]["printed"] == 38 or name != "flux_beam_clip"
    assert len(list(lines_for_terminal(found))) <= 10
    assert "<testsuite" in as_junit(found)
    text = as_markdown(found)
    assert "torch" not in text.replace("my-port", "") and " C " not in text, "sides have their own names"

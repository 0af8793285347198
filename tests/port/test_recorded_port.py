"""The recorded output of a real port: the causes that were found by hand are the ones that are named.

Tried are every fifth hypothesis and those that are to be found, so that the tests stay quick.
"""

import json
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from trace_audit.port import trials
from trace_audit.port.audit import audit_port
from trace_audit.port.document import as_json, as_junit
from trace_audit.port.findings import PortAudit, PortCase
from trace_audit.port.hypotheses import all_hypotheses
from trace_audit.port.our_program import OurProgram
from trace_audit.port.report import as_markdown, lines_for_terminal, sentence, summary
from trace_audit.port.two_images import read_port_image
from trace_audit.trace.foreign_log import read_foreign_log
from trace_audit.trace.key_names import KeyNames
from trace_audit.trace.parse import Context

DATA = Path(__file__).parent / "data"


SHARED = Path(__file__).resolve().parents[2].parent / "shared"
TO_FIND = {
    *("-flux ignored", "-samplesize ignored", "oversample 1", "-N ignored", "no polarization", "polar is 1"),
    *("pivot sample", "defect nominal_cell_volume off", "reciprocal axes printed turned"),
}
METRES = "it is printed in metres where Angstrom are expected"
NOMINAL = "the known defect nominal_cell_volume is off"
TURNED = "the reciprocal axes are printed as the spindle and the mosaic domain have turned them"


def fewer(*words, **options):
    made = all_hypotheses(*words, **options)
    return [h for number, h in enumerate(made) if number % 5 == 0 or h.name in TO_FIND]


@cache
def audit(name: str, folder: Path = DATA) -> PortAudit:
    case = json.loads((folder / "cases.json").read_text())[name]
    flags = [
        str(SHARED / "golden" / argument) if argument in ("A.mat", "scaled.hkl") else argument
        for argument in case["args"].split()
    ]
    ours = OurProgram(tuple(flags), tuple(case["traced_slow_fast"]))
    log = read_foreign_log(folder / f"{name}.log", KeyNames())
    image = read_port_image(folder / f"{name}.npz", ours.shape, ours.base.detector.roi)
    with patch.object(trials, "all_hypotheses", fewer):
        return audit_port(PortCase("my-port", log, image), ours, budget_s=600)


def causes(name: str, role: str, folder: Path = DATA) -> dict[str, str | None]:
    return {cause.key: cause.explanation for cause in audit(name, folder).causes if cause.role == role}


@pytest.mark.shared
@pytest.mark.skipif(not (SHARED / "foreign").is_dir(), reason="../shared is not here")
@pytest.mark.parametrize("name", ["supervisor", "supervisor_roi"])
def test_a_whole_experiment(name):
    """The port uses the default fluence, and in one case a detector that turns about the sample; a wrong unit affects
    the trace alone.
    """
    audited = audit(name, SHARED / "foreign")
    [first, *more] = [cause for cause in audited.causes if cause.role == "in the image"]
    assert (first.key, first.explanation) == ("fluence_photons_per_m2", "-flux 1e18 is ignored")
    assert first.effect == pytest.approx(125_932.0, rel=1e-5)
    pivot = {"pix0_vector_meters": "the detector turns about the sample (-pivot sample)"}
    assert {cause.key: cause.explanation for cause in more} == (pivot if name == "supervisor_roi" else {})
    assert audited.image.after.pattern <= audited.image.allowed.pattern
    turned = (
        {"rot_a_star_A_inv": TURNED} if name == "supervisor_roi" else {}
    )  # its spindle starts at 0 in the other one
    assert causes(name, "in the trace only", SHARED / "foreign") == {"rot_a_angstroms": METRES, **turned}
    assert not causes(name, "not known", SHARED / "foreign")


def test_flags_without_effect_are_named_by_size():
    audited = audit("flux_beam_clip")
    explanations = [cause.explanation for cause in audited.causes if cause.role == "in the image"]
    assert explanations == ["-flux 1e12 is ignored", "-samplesize 0.0006 is ignored"]
    assert audited.causes[0].effect == pytest.approx(2518.6, rel=1e-4)
    assert audited.image.after.pattern <= audited.image.allowed.pattern
    assert abs(audited.image.after.scale - 1.0) < 1e-4
    assert causes("flux_beam_clip", "in the trace only") == {"rot_a_angstroms": METRES}


def test_a_trace_at_another_point_of_the_pixel_is_no_cause_of_the_image():
    audited = audit("triclinic_misset")
    assert audited.image.agrees, "the image differs by float32 alone"
    assert not [cause for cause in audited.causes if cause.role == "in the image"]
    [centre] = [cause for cause in audited.causes if cause.key == "pixel_pos_meters"]
    assert centre.explanation == "a pixel is evaluated at its centre alone (-oversample 1)"
    assert centre.role == "in the trace only"
    assert centre.contradicts == ("steps",), "it prints the number of steps of the image, which took 2 x 2 points"
    assert audited.precision.name == "float32"
    printed = {cause.key: cause.explanation for cause in audited.causes}
    assert printed["rot_a_angstroms"] == METRES
    assert printed["polar"] == "there is no polarization factor (-nopolar)"


def test_a_convention_switched_by_a_flag():
    explained = {cause.key: cause.explanation for cause in audit("phi_sweep").causes}
    assert explained["incident_vec"] == "it runs along z where x is expected"
    assert explained["pix0_vector_meters"] is None, "our program refuses a detector whose plane holds the sample"
    assert explained["rot_a_star_A_inv"] == f"{NOMINAL} and {TURNED}", "neither alone gives its numbers"
    assert "why is not known" in found_summary("phi_sweep")


def test_reciprocal_axes_are_those_of_the_printed_axes_and_not_off_by_rounding():
    """2.4e-5 is 200 times what float32 does: the port divides by a . b x c, nanoBragg by the volume of the cell."""
    audited = audit("triclinic_misset")
    [cause] = [cause for cause in audited.causes if cause.key == "rot_a_star_A_inv"]
    assert (cause.explanation, cause.role) == (NOMINAL, "in the trace only")
    assert cause.residual < 2e-7 and "to " in sentence(audited, cause)
    rows = {x: audited.log.trace.values(f"rot_{x}_star_A_inv", Context(block=0)) for x in "abc"}
    real = np.array([audited.log.trace.values(f"rot_{x}_angstroms", Context(block=0)) for x in "abc"]) * 1e10
    printed = np.array([rows[x] for x in "abc"])
    own, nominal = real_volume(np.float32(real)), np.float32(nominal_volume(70, 80, 90, 85, 95, 105))
    for volume, least, most in ((own, 0.0, 3e-7), (nominal, 2e-5, 3e-5)):
        single = np.float32(real)
        area = np.array([np.cross(single[(i + 1) % 3], single[(i + 2) % 3]) for i in range(3)], dtype=np.float32)
        off = np.abs(area / volume - printed).max() / np.abs(printed).max()
        assert least <= off <= most


def real_volume(axes):
    return np.float32(np.dot(axes[0], np.cross(axes[1], axes[2])))


def nominal_volume(a, b, c, alpha, beta, gamma):
    x, y, z = np.cos(np.radians([alpha, beta, gamma]))
    return a * b * c * np.sqrt(1.0 - x * x - y * y - z * z + 2.0 * x * y * z)


def found_summary(name: str) -> str:
    return summary(audit(name))


def test_what_is_not_known_is_not_named():
    """The port has other mosaic domains; no flag and no convention gives its image."""
    audited = audit("mosaic")
    assert not audited.image.agrees
    assert not audited.image_search.explanations
    assert "why is not known" in summary(audited)


@pytest.mark.parametrize("name", ["flux_beam_clip", "triclinic_misset", "mosaic"])
def test_every_form_of_the_report(name):
    audited = audit(name)
    document = as_json(audited)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["coverage"]["printed"] == 38 or name != "flux_beam_clip"
    assert len(list(lines_for_terminal(audited))) <= 10
    assert "<testsuite" in as_junit(audited)
    text = as_markdown(audited)
    assert "torch" not in text.replace("my-port", "") and " C " not in text, "sides have their own names"

"""Keys that only the port has: compared by their formula or with the other side's, and they narrow the interval."""

import pytest

from tests.port.test_planted_mistakes import lines, ours
from trace_audit.core.errors import InputError
from trace_audit.port.audit import audit_port
from trace_audit.port.document import as_json
from trace_audit.port.findings import PortCase
from trace_audit.port.report import as_markdown
from trace_audit.trace.foreign_log import read_foreign_lines
from trace_audit.trace.key_names import KeyNames, read_key_names

AMPLITUDE = {
    "parents": ["term.F_cell", "term.F_latt"],
    "used_by": ["term.value"],
    "unit": "electrons",
    "meaning": "F of the crystal",
    "formula": "F_cell * F_latt",
}


def audit(
    mistake: str, printed: tuple[str, ...], amplitude: float | None, own=AMPLITUDE, reference: float | None = None
):
    """A port that prints a few keys, and an amplitude that our log does not have."""

    def log(value: float | None):
        chosen = [line for line in lines(mistake) if line.split(": ", 1)[-1].split("=")[0].split()[0] in printed]
        chosen += [] if value is None else [f"TRACE_PY: amplitude {value!r}"]
        return read_foreign_lines([f"{line}\n".encode() for line in chosen], KeyNames(own={"amplitude": own}))

    trusted = None if reference is None else PortCase("old", log(reference), None)
    return audit_port(PortCase("mine", log(amplitude), None), ours(), budget_s=0, reference=trusted)


def our_amplitude() -> float:
    trace = ours().trace()
    return float(
        next(iter(trace.records["F_cell"].values())).values[0]
        * float(next(iter(trace.records["F_latt"].values())).values[0])
    )


def test_an_own_key_that_agrees_clears_what_it_is_made_of():
    [without] = audit("scale_at_the_end", ("I_before_scaling", "floatimage_accumulated"), None).causes
    assert "polar" in without.interval.possible
    [cause] = audit("steps_not_divided", ("floatimage_accumulated",), None).causes
    [narrowed] = audit("steps_not_divided", ("floatimage_accumulated",), our_amplitude()).causes
    gone = set(cause.interval.possible) - set(narrowed.interval.possible)
    assert {"term.F_cell", "hkl_frac", "F_latt", "rot_a_angstroms"} <= gone
    assert "steps" in narrowed.interval.possible, "the fault stays in the interval"


def test_an_own_key_that_differs_is_the_head_and_bounds_the_fault_from_below():
    found = audit("F_latt_factor_missing", ("floatimage_accumulated", "hkl_frac"), our_amplitude() / 3.0)
    [cause] = found.causes
    assert cause.key == "amplitude" and "F_latt" in cause.interval.possible
    assert not {"polar", "steps", "fluence_photons_per_m2", "hkl_frac"} & set(cause.interval.possible)
    text = as_markdown(found)
    assert "of them compared: amplitude" in text and "own stage amplitude" in text
    assert as_json(found)["causes"][0]["key"] == "amplitude"


def test_two_sides_with_the_same_own_key_need_no_formula():
    plain = {**AMPLITUDE, "formula": ""}
    assert audit("polar_off", ("polar",), 3.0, plain).rows.keys() == {"polar"}, "nothing to compare it with"
    found = audit("polar_off", ("floatimage_accumulated",), 3.0, plain, reference=4.0)
    assert found.rows["amplitude"].verdict == "differs" and found.causes[0].key == "amplitude"
    assert (
        audit("polar_off", ("floatimage_accumulated",), 3.0, plain, reference=3.0).rows["amplitude"].verdict == "agrees"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("own: {x: {parents: [nobody]}}", "nobody is no key"),
        ("own: {x: {formula: 'F_cell *'}}", "is no formula"),
        ("own: {x: {formula: '__import__(polar)'}}", "__import__ is no key"),
        ("own: {polar: {}}", "is a key of ours"),
        ("own: {x: {parents: [y]}, y: {parents: [x]}}", "computed from each other"),
        ("own: {x: {parents: [I_pixel_final], used_by: [polar]}}", "computed from each other"),
    ],
)
def test_faults_of_own_keys_are_one_line(tmp_path, text, told):
    (tmp_path / "keys.yaml").write_text(text)
    with pytest.raises(InputError, match=told):
        read_key_names(tmp_path / "keys.yaml")

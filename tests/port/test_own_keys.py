"""Keys that only the port has: compared by their formula or with the other side's, and they narrow the interval."""

import pytest

from tests.port.test_planted_mistakes import lines, ours
from trace_audit.core.errors import InputError
from trace_audit.port.audit import audit_port
from trace_audit.port.document import as_json
from trace_audit.port.findings import PortCase
from trace_audit.port.pair import audit_pair
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
    audited = audit("F_latt_factor_missing", ("floatimage_accumulated", "hkl_frac"), our_amplitude() / 3.0)
    [cause] = audited.causes
    assert cause.key == "amplitude" and "F_latt" in cause.interval.possible
    assert not {"polar", "steps", "fluence_photons_per_m2", "hkl_frac"} & set(cause.interval.possible)
    text = as_markdown(audited)
    assert "of them compared: amplitude" in text and "own stage amplitude" in text
    assert as_json(audited)["causes"][0]["key"] == "amplitude"


def test_two_sides_with_the_same_own_key_need_no_formula():
    plain = {**AMPLITUDE, "formula": ""}
    assert audit("polar_off", ("polar",), 3.0, plain).rows.keys() == {"polar"}, "nothing to compare it with"
    audited = audit("polar_off", ("floatimage_accumulated",), 3.0, plain, reference=4.0)
    assert audited.rows["amplitude"].verdict == "differs" and audited.causes[0].key == "amplitude"
    assert (
        audit("polar_off", ("floatimage_accumulated",), 3.0, plain, reference=3.0).rows["amplitude"].verdict == "agrees"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("own: {x: {parents: [nobody]}}", "nobody is no key"),
        ("own: {x: {formula: 'F_cell *'}}", "is no formula"),
        ("own: {x: {formula: '__import__(polar)'}}", "__import__ is no key"),
        ("own: {polar: {}}", "is one of our keys"),
        ("own: {x: {parents: [y]}, y: {parents: [x]}}", "computed from each other"),
        ("own: {x: {parents: [I_pixel_final], used_by: [polar]}}", "computed from each other"),
    ],
)
def test_faults_of_own_keys_are_one_line(tmp_path, text, told):
    (tmp_path / "keys.yaml").write_text(text)
    with pytest.raises(InputError, match=told):
        read_key_names(tmp_path / "keys.yaml")


PLAIN = {**AMPLITUDE, "formula": ""}


def pair(printed: tuple[str, ...], amplitudes: tuple[float | None, float | None], mistakes: tuple[str, str], own=PLAIN):
    """Two ports, neither of them ours, with their own mistakes and an own key of the same name."""

    def side(name: str, mistake: str, value: float | None) -> PortCase:
        chosen = [line for line in lines(mistake) if line.split(": ", 1)[-1].split("=")[0].split()[0] in printed]
        chosen += [] if value is None else [f"TRACE_PY: amplitude {value!r}"]
        log = read_foreign_lines([f"{line}\n".encode() for line in chosen], KeyNames(own={"amplitude": own}))
        return PortCase(name, log, None)

    old, new = (side(*each) for each in zip(("old", "new"), mistakes, amplitudes, strict=True))
    found = audit_pair(old, new, ours(), budget_s=0)
    assert not found.reference.stands_for_it, "the reference is not our program either"
    return found


LAST = ("floatimage_accumulated",)


def test_an_own_key_of_two_ports_clears_what_both_make_it_of():
    mistakes = ("scale_at_the_end", "steps_not_divided")
    [wide] = pair(LAST, (None, None), mistakes).causes
    [narrow] = pair(LAST, (5.0, 5.0), mistakes).causes
    gone = set(wide.interval.possible) - set(narrow.interval.possible)
    assert {"term.F_cell", "hkl_frac", "F_latt", "rot_a_angstroms"} <= gone
    assert "steps" in narrow.interval.possible, "the fault stays in the interval"


def test_an_own_key_of_two_ports_that_differs_is_the_head_and_nobody_is_blamed():
    found = pair(("hkl_frac", *LAST), (5.0, 15.0), ("scale_at_the_end", "F_latt_factor_missing"))
    [cause] = found.causes
    assert cause.key == "amplitude" and "F_latt" in cause.interval.possible
    assert not {"polar", "steps", "fluence_photons_per_m2", "hkl_frac"} & set(cause.interval.possible)
    text = as_markdown(found)
    assert "amplitude: cause not known, nor whose fault it is" in text and "own stage amplitude" in text
    assert "of them compared: amplitude" in text and "old is at fault" not in text
    assert as_json(found)["causes"][0]["side"] == "not known"


def test_an_own_key_with_a_formula_tells_whose_fault_it_is():
    for amplitudes, side in (((our_amplitude(), 3.0), ""), ((3.0, our_amplitude()), "old")):
        causes = pair(LAST, amplitudes, ("steps_not_divided", "scale_at_the_end"), AMPLITUDE).causes
        assert ("amplitude", side) in {(cause.key, cause.side) for cause in causes}


def test_a_fault_that_both_share_hides_no_other():
    """Both have the fluence in another unit; the candidate's pixel is wrong by more than that."""
    shown = ("fluence_photons_per_m2", *LAST)
    log = pair(shown, (None, None), ("fluence_per_mm2", "fluence_per_mm2"))
    assert log.passed and not log.causes
    both = [line for line in lines("fluence_per_mm2") if "fluence" in line]
    last = [float(line.split()[-1]) for line in lines("fluence_per_mm2") if "floatimage_accumulated" in line][0]
    cases = [
        PortCase(
            name,
            read_foreign_lines(
                [f"{line}\n".encode() for line in [*both, f"TRACE_PY: floatimage_accumulated {last * by!r}"]],
                KeyNames(),
            ),
            None,
        )
        for name, by in (("old", 1.0), ("new", 3.0))
    ]
    found = audit_pair(*cases, ours(), budget_s=0)
    [cause] = found.causes
    assert cause.key == "floatimage_accumulated" and "fluence_photons_per_m2" not in cause.interval.possible
    assert "no printed key shows where" not in as_markdown(found)

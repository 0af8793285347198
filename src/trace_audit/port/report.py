"""The audit of a port for people (Markdown, a few lines for a terminal) and for machines (JSON, JUnit XML)."""

import math
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from trace_audit.core.markdown import table
from trace_audit.port.audit import Cause, PortAudit, Row
from trace_audit.port.own_image import IN_IMAGE, NOT_KNOWN, TRACE_ONLY
from trace_audit.port.trials import IMAGE_PATTERN, IMAGE_SCALE
from trace_audit.trace import tolerances
from trace_audit.trace.keys import registry


def summary(audit: PortAudit) -> str:
    """One sentence: whether the port agrees, and if not the first cause."""
    covered, total = audit.covered
    if audit.passed:
        image = ", and so do the images" if audit.image else ""
        return (
            f"{audit.name} agrees with {audit.reference_name} on all {covered} of {total} keys that it prints{image}."
        )
    if audit.image is not None and audit.image.agrees:
        head = f"the image of {audit.name} agrees with ours; its trace does not"
    elif audit.image is not None:
        head = f"the image of {audit.name} differs"
    else:
        head = f"{audit.name} differs from {audit.reference_name} ({covered} of {total} keys compared)"
    first = next(iter(audit.causes), None)
    if first is not None:
        return f"{head}: {sentence(audit, first)}"
    if audit.log.problems:
        return f"{head}: its log cannot be read in full: {audit.log.problems[0].message}."
    return f"{head}; no printed key shows where."


def sentence(audit: PortAudit, cause: Cause) -> str:
    """One cause in words."""
    where = f" ({cause.role})" if audit.image is not None or audit.roles is not None else ""
    size = f", a factor {cause.effect:.7g} in every pixel" if cause.effect else ""
    name = f"{cause.key}{size}{where}: " if cause.key else f"the image{where}: "
    if cause.explanation is not None:
        more = f" (or: {'; '.join(cause.equals)}; they give the same numbers)" if cause.equals else ""
        said = () if cause.key else (IMAGE_PATTERN, IMAGE_SCALE)  # by _as_if
        also = [key for key in cause.explains if key not in (cause.key, "", *said)]
        rest = f"; this explains {', '.join(also)} too" if also else ""
        but = f", but not {', '.join(cause.contradicts)}" if cause.contradicts else ""
        return f"{name}{_as_if(audit, cause)}{more}{rest}{but}."
    return f"{name}cause not known; {_interval(audit, cause)}."


def _as_if(audit: PortAudit, cause: Cause) -> str:
    assert cause.explanation is not None
    if cause.explanation.startswith("it "):
        return cause.explanation
    return f"our program gives {_given(cause)} of {audit.name} if {cause.explanation}"


def _given(cause: Cause) -> str:
    """What our changed program has in common with the port: of an image, perhaps its pattern alone."""
    parts = [part for part in (IMAGE_PATTERN, IMAGE_SCALE) if part in cause.explains]
    if cause.key or not parts:
        return "the value"
    return "the image" if len(parts) == 2 else f"the {parts[0]}"


def _interval(audit: PortAudit, cause: Cause) -> str:
    interval = cause.interval
    if interval is None:
        return "nothing that was tried gives this image"
    above = ", ".join(interval.agreeing[-3:]) or "the command line"
    text = f"between {above} (agree) and {interval.key} (differs): stage {', '.join(interval.stages)}"
    if cause.proof is not None and cause.proof.verdict == "to blame":
        text += f"; our stage {registry()[interval.key].stage}, fed with the values that {audit.name} printed, gives"
        text += f" {_values(cause.proof.our_stage_gives)} and not {_values(cause.proof.ports_value)}"
    if interval.next_keys:
        text += f"; print next: {' or '.join(interval.next_keys)}"
    return text


def _values(values: tuple[Any, ...] | None) -> str:
    return "nothing" if values is None else " ".join(f"{v:.7g}" if isinstance(v, float) else str(v) for v in values)


def lines_for_terminal(audit: PortAudit) -> Iterator[str]:
    """At most ten lines."""
    yield f"{'pass' if audit.passed else 'fail'}: {summary(audit)}"
    for cause in audit.causes[1:6]:
        yield f"  also {sentence(audit, cause)}"
    if len(audit.causes) > 6:
        yield f"  and {len(audit.causes) - 6} more, see the summary"


def as_json(audit: PortAudit) -> dict[str, Any]:
    """Everything, JSON-ready."""
    return {
        "status": "pass" if audit.passed else "fail",
        "summary": summary(audit),
        "sides": {"reference": audit.reference_name, "candidate": audit.name},
        "coverage": {
            "printed": audit.covered[0],
            "keys": audit.covered[1],
            "trace_lines": audit.log.trace_lines,
            "other_lines": audit.log.other_lines,
            "not_known": audit.log.unknown,
            "repeated": audit.log.repeated,
        },
        "precision": {"detected": audit.precision.name, "numbers": audit.precision.numbers},
        "root_causes": [cause.key for cause in audit.causes if cause.key],
        "causes": [_cause_json(audit, cause) for cause in audit.causes],
        "image": _image_json(audit),
        "trace_is_its_image": _own_image(audit),
        "contradictions": [
            {"identity": i.name, "printed": _finite(i.printed), "computed": _finite(i.computed)}
            for i in audit.contradictions
        ],
        "problems": [problem.message for problem in audit.log.problems],
        "trials": {
            "image": audit.image_search.trials,
            "trace": audit.trace_search.trials,
            "complete": audit.image_search.is_complete and audit.trace_search.is_complete,
        },
        "tolerance_relative": tolerances.relative_tolerance(),
        "factors": [_row_json(row) for row in audit.rows.values()],
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _cause_json(audit: PortAudit, cause: Cause) -> dict[str, Any]:
    interval = cause.interval
    return {
        "key": cause.key,
        "role": cause.role,
        "explanation": cause.explanation,
        "equally_good": list(cause.equals),
        "explains": list(cause.explains),
        "contradicts": list(cause.contradicts),
        "effect_on_pixel": cause.effect,
        "sentence": sentence(audit, cause),
        "stages": list(interval.stages) if interval else [],
        "agreeing_above": list(interval.agreeing) if interval else [],
        "print_next": [
            {"key": key, "formula": registry()[key].formula, "unit": registry()[key].unit}
            for key in (interval.next_keys if interval else ())
        ],
        "own_stage": cause.proof.verdict if cause.proof else None,
    }


def _image_json(audit: PortAudit) -> dict[str, Any] | None:
    if audit.image is None:
        return None
    parts = (("before", audit.image.before), ("after", audit.image.after), ("allowed_by_rounding", audit.image.allowed))
    distances = {
        name: {"scale": _finite(d.scale), "pattern": _finite(d.pattern), "worst_over_peak": _finite(d.worst)}
        for name, d in parts
    }
    return {**distances, "pixels": int(audit.image.sample.photons.size), "agrees": audit.image.agrees}


def _own_image(audit: PortAudit) -> dict[str, Any] | None:
    """Whether the printed trace can have made the port's own pixel, and from which key on not."""
    if audit.roles is None:
        return None
    strays = [key for key, role in audit.roles.roles.items() if role == TRACE_ONLY]
    text = f"what {audit.name} printed is what made its pixel"
    if strays:
        text = f"the trace of {audit.name} is not what made its image, from {strays[0]} on"
    elif any(role == NOT_KNOWN for role in audit.roles.roles.values()):
        text = f"whether the trace of {audit.name} is what made its image is not known"
    return {"sentence": text, "from_key": strays[0] if strays else None, "pixel": audit.roles.port_pixel}


def _row_json(row: Row) -> dict[str, Any]:
    worst = max(row.factor.components, key=lambda c: (not c.agrees, c.relative_difference))
    return {
        "key": row.factor.key.name,
        "component": worst.name,
        "unit": row.factor.key.unit,
        "reference": worst.c,
        "candidate": worst.py,
        "relative_difference": _finite(row.factor.relative_difference),
        "spread_of_doubles": row.spread_double,
        "spread_of_its_precision": row.spread_port,
        "allowed": row.allowed,
        "verdict": row.verdict,
    }


def as_markdown(audit: PortAudit) -> str:
    """The summary that a person reads first."""
    covered, total = audit.covered
    log = audit.log
    parts = [
        f"# {audit.name} against {audit.reference_name}\n\n**{'pass' if audit.passed else 'FAIL'}**: {summary(audit)}\n"
    ]
    parts.append(
        f"{audit.name} prints {covered} of {total} keys ({log.trace_lines} trace lines, {log.other_lines} others). "
        f"Its numbers are {audit.precision.name} numbers.\n"
    )
    for role, heading in (
        (IN_IMAGE, "Causes in the image"),
        (NOT_KNOWN, "Not known whether in the image"),
        (TRACE_ONLY, "Wrong in the trace only"),
    ):
        rows = [f"- {sentence(audit, cause)}" for cause in audit.causes if cause.role == role]
        if rows:
            parts.append(f"## {heading}\n\n" + "\n".join(rows) + "\n")
    own = _own_image(audit)
    if own is not None:
        parts.append(f"{own['sentence'][0].upper()}{own['sentence'][1:]}.\n")
    if audit.image is not None:
        parts.append(_image_markdown(audit))
    next_rows = [
        (key, registry()[key].unit, registry()[key].formula)
        for cause in audit.causes
        if cause.explanation is None and cause.interval is not None
        for key in cause.interval.next_keys
    ]
    if next_rows:
        parts.append("## Print next\n\n" + table(("key", "unit", "formula"), dict.fromkeys(next_rows)))
    parts.append(_keys_markdown(audit))
    if log.unknown:
        names = ", ".join(list(log.unknown)[:20])
        parts.append(f"Names that are not known (a key file can map them): {names}.\n")
    if log.problems:
        parts.append("## What could not be read\n\n" + "\n".join(f"- {p.message}" for p in log.problems[:20]) + "\n")
    if audit.contradictions:
        rows = [f"- {i.name}: printed {i.printed:.7g}, computed {i.computed:.7g}" for i in audit.contradictions[:10]]
        parts.append("## Its own numbers contradict each other\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _image_markdown(audit: PortAudit) -> str:
    assert audit.image is not None
    rows = [
        (name, f"{d.scale:.7g}", f"{d.pattern:.2e}", f"{d.worst:.2e}")
        for name, d in (
            (f"{audit.name} against ours", audit.image.before),
            ("against ours with the causes in the image", audit.image.after),
        )
    ]
    limit = f"rounding explains {audit.image.allowed.pattern:.1e} of the pattern and of the scale"
    text = table(("images", "scale", "pattern left", "worst pixel / peak"), rows)
    return f"## The images\n\n{text}\n{audit.image.sample.photons.size} pixels compared; {limit}.\n"


def _keys_markdown(audit: PortAudit) -> str:
    rows = []
    for row in audit.rows.values():
        data = _row_json(row)
        if row.verdict != "agrees":
            ulp = "" if not row.spread_port else f"{row.spread_port:.1e}"
            name = data["key"] + (f".{data['component']}" if data["component"] else "")
            difference = f"{data['relative_difference']:.1e}"
            verdict = "ill-conditioned here" if row.verdict == "rounding" else row.verdict
            rows.append((name, data["reference"], data["candidate"], difference, ulp, verdict))
    if not rows:
        return "Every printed key agrees within 1e-6.\n"
    headings = ("key", audit.reference_name, audit.name, "relative", "spread of rounding", "verdict")
    return f"## Keys outside {tolerances.relative_tolerance():.0e}\n\n" + table(headings, rows)


def as_junit(audit: PortAudit) -> str:
    """One test case for each printed key and one for the image, for a CI that shows JUnit files."""
    cases = [(row.factor.key.name, row.verdict == "differs", _row_json(row)) for row in audit.rows.values()]
    failures = sum(failed for _, failed, _ in cases) + (audit.image is not None and not audit.image.agrees)
    count = len(cases) + (audit.image is not None)
    suite = ElementTree.Element("testsuite", name=audit.name, tests=str(count), failures=str(failures))
    for name, failed, data in cases:
        case = ElementTree.SubElement(suite, "testcase", classname="trace", name=name)
        if failed:
            text = f"{audit.reference_name} {data['reference']}, {audit.name} {data['candidate']}"
            ElementTree.SubElement(
                case, "failure", message=f"relative difference {data['relative_difference']}"
            ).text = text
    if audit.image is not None:
        case = ElementTree.SubElement(suite, "testcase", classname="image", name="image")
        if not audit.image.agrees:
            ElementTree.SubElement(case, "failure", message=summary(audit))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"

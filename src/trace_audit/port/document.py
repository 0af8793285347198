"""The audit of a port for machines (JSON, JUnit XML), and all forms of it written into a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trace_audit.compare.comparison import SIDES
from trace_audit.compare.multiply_back import Identity
from trace_audit.compare.report_parts import finite, next_data
from trace_audit.core.files import printable, readable_json, write_atomic
from trace_audit.core.junit import Case, junit
from trace_audit.port.findings import Cause, PortAudit
from trace_audit.port.report import as_markdown, own_image, row_of, sentence, summary
from trace_audit.trace import tolerances

DOCUMENT = "port_audit.json"
MOST_REASONS = 8


def write(audit: PortAudit, folder: Path) -> None:
    """The verdict for machines, for people and for a CI."""
    write_atomic(folder / DOCUMENT, readable_json(as_json(audit)))
    write_atomic(folder / "port_audit.md", as_markdown(audit))
    write_atomic(folder / "port_audit.junit.xml", as_junit(audit))


def not_compared(reference: str, candidate: str, reasons: list[str], folder: Path) -> None:
    """The verdict where a side gave nothing that can be compared."""
    text = "; ".join(map(printable, reasons))
    document: dict[str, Any] = {
        "status": "fail",
        "summary": f"{text}.",
        "sides": {"reference": reference, "candidate": candidate},
        "reasons": [printable(reason) for reason in reasons],
        "root_causes": [],
        "attribution": [],
        "causes": [],
        "factors": [],
        "worst": None,
        "counts": {"keys": 0, "compared": 0, "diverging": 0},
        "problems": [],
        "multiply_back": {"c": [], "py": []},
        "tolerance_relative": tolerances.relative_tolerance(),
        "tolerances_sha256": tolerances.file_sha256(),
    }
    write_atomic(folder / DOCUMENT, readable_json(document))
    write_atomic(folder / "port_audit.md", f"# {candidate} against {reference}\n\n**FAIL**: {text}.\n")
    write_atomic(folder / "port_audit.junit.xml", junit(candidate, [Case("run", "run", text)]))


def as_json(audit: PortAudit) -> dict[str, Any]:
    """Everything, JSON-ready."""
    return {
        "status": "pass" if audit.passed else "fail",
        "summary": summary(audit),
        "sides": {"reference": audit.reference_name, "candidate": audit.name},
        "reference": {
            "is_as_our_program": audit.reference.stands_for_it,
            "differs_from_our_program": list(audit.reference.differs),
            "printed": audit.reference.printed[0],
        },
        "reasons": reasons(audit),
        "worst": _worst(audit),
        "counts": _counts(audit),
        "attribution": [cause.explanation for cause in audit.causes if cause.explanation],
        "coverage": _coverage(audit),
        "precision": {"detected": audit.precision.name, "numbers": audit.precision.numbers},
        "root_causes": [cause.key for cause in audit.causes if cause.key],
        "causes": [_cause_json(audit, cause) for cause in audit.causes],
        "image": _image_json(audit),
        "trace_is_its_image": own_image(audit),
        "contradictions": _identities(audit.contradictions),
        "problems": [{"side": name, "key": p.key, "kind": p.kind, "message": p.message} for name, p in audit.problems],
        "multiply_back": {side: _identities(audit.comparison.identities[side]) for side in SIDES},
        "trials": _trials(audit),
        "tolerance_relative": tolerances.relative_tolerance(),
        "tolerances_sha256": tolerances.file_sha256(),
        "factors": [row_of(row) for row in audit.rows.values()],
    }


def _counts(audit: PortAudit) -> dict[str, int]:
    differing = sum(row.verdict == "differs" for row in audit.rows.values())
    return {"keys": audit.covered[0], "compared": len(audit.rows), "diverging": differing}


def _coverage(audit: PortAudit) -> dict[str, Any]:
    """How much of its output could be used."""
    return {
        "printed": audit.covered[0],
        "keys": audit.covered[1],
        "trace_lines": audit.log.trace_lines,
        "other_lines": audit.log.other_lines,
        "not_known": audit.log.unknown,
        "its_own": audit.log.own,
        "repeated": audit.log.repeated,
    }


def _trials(audit: PortAudit) -> dict[str, Any]:
    """What was tried, and what would give a pixel that is off by a plain factor."""
    searches = audit.image_search, audit.trace_search
    return {
        "image": audit.image_search.trials,
        "trace": audit.trace_search.trials,
        "complete": all(search.is_complete for search in searches),
        "suspects": list(dict.fromkeys(text for search in searches for text in search.suspects)),
    }


def reasons(audit: PortAudit) -> list[str]:
    """Why the audit fails, one line each; nothing if it passes."""
    if audit.passed:
        return []
    rows = [sentence(audit, cause) for cause in audit.causes[:MOST_REASONS]]
    rows += [f"{name}: {problem.message}" for name, problem in audit.problems[: max(0, MOST_REASONS - len(rows))]]
    return rows or [summary(audit)]


def _worst(audit: PortAudit) -> dict[str, Any] | None:
    worst = max(audit.rows.values(), key=lambda row: row.factor.relative_difference, default=None)
    return None if worst is None else row_of(worst)


def _identities(identities: list[Identity]) -> list[dict[str, Any]]:
    """Equations between a side's own values."""
    return [
        {"name": i.name, "holds": i.holds, "printed": finite(i.printed), "computed": finite(i.computed)}
        for i in identities
    ]


def _cause_json(audit: PortAudit, cause: Cause) -> dict[str, Any]:
    interval = cause.interval
    return {
        "key": cause.key,
        "side": cause.side or audit.name,
        "role": cause.role,
        "explanation": cause.explanation,
        "equally_good": list(cause.equals),
        "explains": list(cause.explains),
        "contradicts": list(cause.contradicts),
        "effect_on_pixel": cause.effect,
        "residual": cause.residual,
        "sentence": sentence(audit, cause),
        "stages": list(interval.stages) if interval else [],
        "agreeing_above": list(interval.agreeing) if interval else [],
        "print_next": next_data(interval.next_keys if interval else (), audit.graph.keys),
        "own_stage": cause.proof.verdict if cause.proof else None,
    }


def _image_json(audit: PortAudit) -> dict[str, Any] | None:
    if audit.image is None:
        return None
    parts = (("before", audit.image.before), ("after", audit.image.after), ("allowed_by_rounding", audit.image.allowed))
    distances = {
        name: {"scale": finite(d.scale), "pattern": finite(d.pattern), "worst_over_peak": finite(d.worst)}
        for name, d in parts
    }
    return {**distances, "pixels": audit.image.pixels, "agrees": audit.image.agrees}


def as_junit(audit: PortAudit) -> str:
    """A test for each printed key, one for the image, and one for each value that cannot be read."""
    return junit(audit.name, _cases(audit), None if audit.passed else summary(audit))


def _cases(audit: PortAudit) -> Iterator[Case]:
    for row in audit.rows.values():
        if row.verdict != "differs":
            yield Case("trace", row.factor.key.name)
            continue
        data = row_of(row)
        text = f"{audit.reference_name} {data['reference']}, {audit.name} {data['candidate']}"
        yield Case("trace", row.factor.key.name, f"relative difference {data['relative_difference']}", text)
    for number, (name, problem) in enumerate(audit.problems, 1):
        yield Case("log", f"problem {number}", f"{name}: {problem.message}")
    if audit.image is not None:
        yield Case("image", "image", None if audit.image.agrees else summary(audit))

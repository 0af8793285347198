"""The cause of a failed audit, in a few words; audits with the same cause are grouped.

A cause is a known defect that, switched, restores agreement; else the keys that differ while their parents agree; else
a problem of a log. Without any of these the cause is not known.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

NOT_KNOWN = "not known"
MOST_NAMES = 3
Place = TypeVar("Place")


def names_of(verdict: dict[str, Any]) -> dict[str, str]:
    """The names of the two sides of a comparison, by `c` and `py`."""
    sides = verdict.get("sides", {"reference": "C", "candidate": "torch"})
    return {"c": sides["reference"], "py": sides["candidate"]}


def cause(verdict: dict[str, Any]) -> str:
    """The cause of a failure; "" for a comparison that passed or was skipped."""
    if verdict["status"] != "fail":
        return ""
    makers = (_defects, _causes_of_a_port, _roots, _context, _faults, _contradictions)
    return next(filter(None, (make(verdict) for make in makers)), NOT_KNOWN)


def evidence(verdict: dict[str, Any]) -> str:
    """How a known defect was identified as the cause; empty if it is none."""
    explanations = _explanations(verdict)
    return str(explanations[0]["sentence"]) if explanations else ""


def by_cause(verdicts: Iterable[tuple[Place, dict[str, Any]]]) -> list[tuple[str, list[Place]]]:
    """The places of failed verdicts under their cause, the most frequent cause first."""
    places_of: dict[str, list[Place]] = {}
    for place, verdict in verdicts:
        name = cause(verdict)
        if name:
            places_of.setdefault(name, []).append(place)
    return sorted(places_of.items(), key=lambda item: -len(item[1]))


def defect_difference(reference: str, candidate: str) -> str:
    """Names that only the candidate has with a plus, those that only the reference has with a minus; "" if none."""
    ours, theirs = (_names(text) for text in (candidate, reference))
    added = [f"+{name}" for name in ours if name not in theirs]
    return " ".join([*added, *(f"-{name}" for name in theirs if name not in ours)])


def _names(text: str) -> list[str]:
    return [name for name in text.replace(",", " ").split() if name not in ("none", "-")]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _explanations(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    explanations: list[dict[str, Any]] = verdict.get("attribution_trials", {}).get("explanations", [])
    return explanations


def _defects(verdict: dict[str, Any]) -> str:
    switches = [" with ".join(trial["switched"]) for trial in _explanations(verdict)]
    return " or ".join(switches[:MOST_NAMES]) + (" or others" if len(switches) > MOST_NAMES else "")


def _causes_of_a_port(verdict: dict[str, Any]) -> str:
    first = next(iter(verdict.get("causes", ())), None)
    if first is None:
        return ""
    return str(first["explanation"] or f"{NOT_KNOWN} (first key that differs: {first['key'] or 'none'})")


def _roots(verdict: dict[str, Any]) -> str:
    return _listed(list(verdict["root_causes"]))


def _context(verdict: dict[str, Any]) -> str:
    names = verdict.get("context_differs", ())
    rows = {row["key"]: row for row in verdict.get("factors", ()) if row["verdict"] == "fail"}
    told = []
    for name in names:
        row = rows.get(name, {})
        told.append(f"{name} {defect_difference(row['c'], row['py'])}" if name == "defects" and row else name)
    return f"{_listed(told)}, from which no pixel is computed" if told else ""


def _faults(verdict: dict[str, Any]) -> str:
    problems = [problem for problem in verdict.get("problems", ()) if isinstance(problem, dict)]
    names = names_of(verdict)
    told = (f"{names.get(p.get('side', ''), p.get('side', ''))} log: {p['key']} {p['kind']}".strip() for p in problems)
    return _listed(list(dict.fromkeys(told)))


def _contradictions(verdict: dict[str, Any]) -> str:
    sides = verdict.get("multiply_back", {})
    broken = [side for side, rows in sides.items() if not all(row["holds"] for row in rows)]
    return ", ".join(f"the {names_of(verdict).get(side, side)} log contradicts itself" for side in broken)

"""The comparison as Markdown: `compare_scaling_traces.md` (every factor), `diff_summary.md` (differences, causes)."""

from typing import Any

from trace_audit.compare.cause import cause, defect_difference, names_of
from trace_audit.compare.verdict import place_text
from trace_audit.core.markdown import cell, table
from trace_audit.trace.tolerances import tolerance_of


def _difference(value: float | None) -> str:
    return "" if value is None else f"{value:.2e}"


def sides(key: str, c: Any, py: Any) -> tuple[Any, Any]:
    """The two values as shown: for two lists of defects, the number in C, and the differences in torch."""
    if not key.startswith("defects") or not (isinstance(c, str) and isinstance(py, str)) or c == py:
        return c, py
    number = 0 if c in ("none", "-") else len(c.replace(",", " ").split())
    return f"{number} names", defect_difference(c, py)


def comparison_markdown(verdict: dict[str, Any]) -> str:
    """Every compared value with its differences, after the verdict and the multiply-back checks."""
    text = f"# Comparison of the scaling traces: {verdict['status']}\n\n{cell(verdict['summary'])}\n\n"
    text += f"Tolerance: {verdict['tolerance_relative']:.0e} relative, every key, every dtype.\n\n"
    rows = [
        (
            row["key"] + (f" {row['component']}" if row["component"] else ""),
            place_text(row["context"]),
            row["unit"],
            *sides(row["key"], row["c"], row["py"]),
            _difference(row["absolute_difference"]),
            _difference(row["relative_difference"]),
            row["verdict"],
        )
        for row in verdict["factors"]
    ]
    headings = ("key", "where", "unit", *_names(verdict), "absolute", "relative", "verdict")
    return text + table(headings, rows) + "\n" + _multiply_back(verdict)


def _names(verdict: dict[str, Any]) -> tuple[str, str]:
    """The names of reference and candidate."""
    names = names_of(verdict)
    return names["c"], names["py"]


def _multiply_back(verdict: dict[str, Any]) -> str:
    rows = [
        (
            names_of(verdict)[side],
            identity["name"],
            identity["instances"],
            identity["printed"],
            identity["computed"],
            _difference(identity["relative_difference"]),
            "pass" if identity["holds"] else "fail",
        )
        for side in ("c", "py")
        for identity in verdict["multiply_back"][side]
    ]
    headings = ("side", "identity (worst instance)", "instances", "printed", "computed", "relative", "verdict")
    return "## Do the factors multiply back to the pixel?\n\n" + table(headings, rows)


def summary_markdown(verdict: dict[str, Any]) -> str:
    """The sentence first, then roots, explanation, problems, and everything downstream folded away."""
    title = verdict["status"].upper() + (f": {cause(verdict)}" if cause(verdict) else "")
    text = f"# {cell(title)}\n\n{cell(verdict['summary'])}\n"
    sections = (
        _first,
        _roots,
        _context,
        _substitution,
        _attribution,
        _suggestions,
        _problems,
        _contradictions,
        _offending,
        _alone,
    )
    return text + "".join(f"\n{section}" for section in (make(verdict) for make in sections) if section)


def _first(verdict: dict[str, Any]) -> str:
    divergence = verdict["first_divergence"]
    if not divergence:
        return ""
    c, py = sides(divergence["where"], divergence["c"], divergence["py"])
    first, second = map(cell, _names(verdict))
    return (
        f"First divergence: **{cell(divergence['where'])}**, {first} {cell(c)}, {second} {cell(py)}, "
        f"relative difference {divergence['relative_difference']:.2e}.\n"
    )


def _context(verdict: dict[str, Any]) -> str:
    if not verdict["context_differs"]:
        return ""
    names = cell(", ".join(verdict["context_differs"]))
    return f"## Context\n\n{names}: different, but no pixel is computed from it, so it is no root cause.\n"


def _roots(verdict: dict[str, Any]) -> str:
    if not verdict["roots"]:
        return ""
    rows = [
        (
            r["where"],
            r["component"],
            *sides(r["key"], r["c"], r["py"]),
            _difference(r["relative_difference"]),
            " → ".join(r["chain"][1:]),
        )
        for r in verdict["roots"]
    ]
    text = "## Root causes\n\nThese differ although everything they are computed from agrees.\n\n"
    text += table(("key", "component", *_names(verdict), "relative", "leads to"), rows)
    suspects = sorted({name for root in verdict["roots"] for name in root["suspects"]})
    if suspects:
        text += f"\nWithin tolerance, yet beyond rounding, just before: {cell(', '.join(suspects))}.\n"
    return text


def _substitution(verdict: dict[str, Any]) -> str:
    proofs = verdict["substitution"]
    if not proofs:
        note = verdict["substitution_note"]
        return f"## Proof by substitution\n\n{cell(note)}\n" if note else ""
    rows = [
        (
            p["where"],
            p["stage"],
            p["verdict"],
            *sides(p["key"], *("" if value is None else value for value in (p["c"], p["stage_gives"]))),
            _difference(p["relative_difference"]),
        )
        for p in sorted(proofs, key=lambda p: p["verdict"] == "inherited")
    ]
    reference, candidate = map(cell, _names(verdict))
    fed = f"{candidate}'s stage fed with {reference}'s parents"
    headings = ("key (worst place)", "stage", "so it is", reference, fed, "relative")
    blamed = [row for row in rows if row[2] != "inherited"]
    text = (
        f"## Proof by substitution\n\nEach stage of {candidate} was fed with the values that {reference} traced. "
        f"Where it then gives {reference}'s "
    )
    text += "value, the difference was inherited; where it does not, that stage is to blame.\n\n"
    text += table(headings, blamed) if blamed else f"Every stage gives {reference}'s value: all are inherited.\n"
    inherited = rows[len(blamed) :]
    if inherited:
        text += f"\n<details><summary>{len(inherited)} keys that inherited their difference</summary>\n\n"
        text += table(headings, inherited) + "\n</details>\n"
    return text


def _attribution(verdict: dict[str, Any]) -> str:
    trials = verdict["attribution_trials"]
    if not trials["tried"]:
        return ""
    candidate = cell(_names(verdict)[1])
    text = f"## Known defects\n\n{trials['tried']} re-traces of {candidate} with known defects switched.\n\n"
    if not trials["explanations"]:
        return text + "No single defect and no pair of them restores agreement.\n"
    return text + "".join(
        f"- {cell(_names(verdict)[1])} {cell(trial['sentence'])}\n" for trial in trials["explanations"]
    )


def _suggestions(verdict: dict[str, Any]) -> str:
    rows = [f"- {cell(row['key'])}: {cell(row['suggestion'])}\n" for row in verdict["suggestions"]]
    return "## What the numbers look like\n\n" + "".join(rows) if rows else ""


def _problems(verdict: dict[str, Any]) -> str:
    rows = [(names_of(verdict)[p["side"]], p["kind"], p["key"], p["message"]) for p in verdict["problems"]]
    return "## Faults of the logs\n\n" + table(("log", "kind", "key", "what"), rows) if rows else ""


def _contradictions(verdict: dict[str, Any]) -> str:
    broken = [i for side in ("c", "py") for i in verdict["multiply_back"][side] if not i["holds"]]
    return _multiply_back(verdict) if broken else ""


def _offending(verdict: dict[str, Any]) -> str:
    failed = [row for row in verdict["factors"] if row["verdict"] == "fail"]
    if not failed:
        return ""
    rows = [
        (
            row["key"] + (f" {row['component']}" if row["component"] else ""),
            place_text(row["context"]),
            *sides(row["key"], row["c"], row["py"]),
            _difference(row["absolute_difference"]),
            _difference(row["relative_difference"]),
            tolerance_of(row["key"]).reason,
        )
        for row in failed
    ]
    headings = ("key", "where", *_names(verdict), "absolute", "relative", "reason of the bar")
    body = table(headings, rows)
    return f"<details><summary>All {len(rows)} differing values</summary>\n\n{body}\n</details>\n"


def _alone(verdict: dict[str, Any]) -> str:
    lines = [
        f"- only in the {cell(names_of(verdict)[side])} log: {cell(', '.join(names))}\n"
        for side, names in (("c", verdict["only_in_c"]), ("py", verdict["only_in_py"]))
        if names
    ]
    return "## Keys of one side alone\n\n" + "".join(lines) if lines else ""

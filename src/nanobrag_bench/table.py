"""All figures as text for a terminal, and the goals as a table for a README."""

from __future__ import annotations

from typing import Any

from nanobrag_bench.machine import in_words

Results = dict[str, dict[str, Any]]  # by part


def text(results: Results, about: dict[str, Any]) -> str:
    """Every median, ratio and goal, part by part, with the card of those on a GPU."""
    lines = [in_words(about), ""]
    for part, result in results.items():
        lines.append(f"{part}: {result['title']}")
        if "not_run" in result:
            lines.append(f"  not run: {result['not_run']}")
        lines += [
            f"  {goal['program']:<24} {goal['what']:<44} {_number(goal['median']):>9} {goal['unit']:<4} "
            f"of {len(goal['runs'])}: {_number(min(goal['runs']))} to {_number(max(goal['runs']))}"
            for goal in result["rows"]
        ]
        lines += [
            f"  {name:<24} time = {law['start_s']:.3g} s + {law['ns_per_step']:.3g} ns x steps, exponent "
            f"{law['exponent']:.3f}, {law['off_line']:.1%} of the longest off the line"
            for name, law in result.get("laws", {}).items()
        ]
        lines += [f"  {goal['of']} / {goal['to']} = {_number(goal['median'])}" for goal in result["ratios"]]
        lines += [
            f"  goal  {goal['goal']:<56} {goal['wanted']:<16} {_number(goal['measured']):>9}  {_verdict(goal)}"
            for goal in result["goals"]
        ]
        lines += [f"  {note}" for note in (*result.get("notes", []), *result.get("about", []))]
        lines.append("")
    return "\n".join(lines)


def markdown(results: Results, about: dict[str, Any]) -> str:
    """The goals, and what each program took, for a README."""
    lines = [f"Measured on {in_words(about)}.", "", "| goal | wanted | measured | |", "|---|---|---|---|"]
    lines += [
        f"| {part}: {goal['goal']} | {goal['wanted']} | {_number(goal['measured'])} | {_verdict(goal)} |"
        for part, result in results.items()
        for goal in result["goals"]
    ]
    lines += [
        f"| {part} | | | not run: {part_results['not_run']} |"
        for part, part_results in results.items()
        if "not_run" in part_results
    ]
    for part in ("kernel", "process", "large"):
        if part in results:
            lines += ["", *_medians(results[part])]
    return "\n".join(lines) + "\n"


def _medians(result: dict[str, Any]) -> list[str]:
    """The first figure of every program as a row of columns."""
    subject = result["rows"][0]["what"]
    first = [measured for measured in result["rows"] if measured["what"] == subject]
    return [
        f"| {result['title']} | {' | '.join(measured['program'] for measured in first)} |",
        f"|---|{'---|' * len(first)}",
        f"| {subject}, {first[0]['unit']} | {' | '.join(_number(measured['median']) for measured in first)} |",
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _verdict(goal: dict[str, Any]) -> str:
    return {True: "met", False: "missed", None: "not measured"}[goal["met"]]

"""All figures as text for a terminal, and the goals as a table for a README."""

from __future__ import annotations

from typing import Any

from nanobrag_bench.machine import in_words

Results = dict[str, dict[str, Any]]  # by part


def text(results: Results, about: dict[str, Any]) -> str:
    """Every median, ratio and goal, part by part."""
    lines = [in_words(about), ""]
    for part, result in results.items():
        lines.append(f"{part}: {result['title']}")
        if "not_run" in result:
            lines.append(f"  not run: {result['not_run']}")
        lines += [
            f"  {one['program']:<24} {one['what']:<44} {_number(one['median']):>9} {one['unit']:<4} "
            f"of {len(one['runs'])}: {_number(min(one['runs']))} to {_number(max(one['runs']))}"
            for one in result["rows"]
        ]
        lines += [
            f"  {name:<24} time = {law['start_s']:.3g} s + {law['ns_per_step']:.3g} ns x steps, exponent "
            f"{law['exponent']:.3f}, {law['off_line']:.1%} of the longest off the line"
            for name, law in result.get("laws", {}).items()
        ]
        lines += [f"  {one['of']} / {one['to']} = {_number(one['median'])}" for one in result["ratios"]]
        lines += [
            f"  goal  {one['goal']:<56} {one['wanted']:<16} {_number(one['measured']):>9}  {_verdict(one)}"
            for one in result["goals"]
        ]
        lines.append("")
    return "\n".join(lines)


def markdown(results: Results, about: dict[str, Any]) -> str:
    """The goals, and what each program took, for a README."""
    lines = [f"Measured on {in_words(about)}.", "", "| goal | wanted | measured | |", "|---|---|---|---|"]
    lines += [
        f"| {part}: {one['goal']} | {one['wanted']} | {_number(one['measured'])} | {_verdict(one)} |"
        for part, result in results.items()
        for one in result["goals"]
    ]
    lines += [f"| {part} | | | not run: {found['not_run']} |" for part, found in results.items() if "not_run" in found]
    for part in ("kernel", "process", "large"):
        if part in results:
            lines += ["", *_medians(results[part])]
    return "\n".join(lines) + "\n"


def _medians(result: dict[str, Any]) -> list[str]:
    """The first figure of every program as a row of columns."""
    what = result["rows"][0]["what"]
    first = [one for one in result["rows"] if one["what"] == what]
    return [
        f"| {result['title']} | {' | '.join(one['program'] for one in first)} |",
        f"|---|{'---|' * len(first)}",
        f"| {what}, {first[0]['unit']} | {' | '.join(_number(one['median']) for one in first)} |",
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _verdict(goal: dict[str, Any]) -> str:
    return {True: "met", False: "missed", None: "not measured"}[goal["met"]]

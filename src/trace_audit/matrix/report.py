"""The matrix as a table (Markdown), a picture (SVG) and data (JSON)."""

import math
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from trace_audit.core.markdown import table
from trace_audit.matrix.cells import Distance
from trace_audit.matrix.culprits import Culprit, Culprits
from trace_audit.matrix.variants import Variant
from trace_audit.trace.tolerances import relative_tolerance

_LOWEST = -17
_COLOURS = {"key": "#3b6fb6", "image": "#e08a1e", "beyond": "#d62728"}


@dataclass(frozen=True)
class Cell:
    """One way to compute, its distance, and, if that is beyond the tolerance, the source files responsible."""

    variant: Variant
    distance: Distance
    culprits: Culprits = Culprits()


@dataclass(frozen=True)
class Matrix:
    """All cells, and what was left out, with the reasons."""

    experiment: str
    pixel: tuple[int, int]
    strictest: str
    cells: tuple[Cell, ...]
    left_out: tuple[tuple[str, str], ...]
    versions: dict[str, str] = field(default_factory=dict)


def summary(matrix: Matrix) -> str:
    """One sentence: how many ways are within the tolerance, and which are not."""
    beyond = [cell.variant.name for cell in matrix.cells if cell.distance.is_beyond]
    within = len(matrix.cells) - len(beyond)
    text = f"{within} of {len(matrix.cells)} ways to compute {matrix.experiment} are within the tolerance of "
    return f"{text}{matrix.strictest}" + (f"; beyond: {', '.join(beyond)}." if beyond else ".")


def as_json(matrix: Matrix) -> dict[str, Any]:
    """The matrix as JSON-ready data."""
    return {
        "summary": summary(matrix),
        "experiment": matrix.experiment,
        "pixel_slow_fast": list(matrix.pixel),
        "strictest": matrix.strictest,
        "tolerance_relative": relative_tolerance(),
        "versions": matrix.versions,
        "cells": [
            {
                "name": cell.variant.name,
                "worst_key": cell.distance.key,
                "key_difference": cell.distance.key_difference,
                "keys_beyond": cell.distance.diverging,
                "image_difference_of_peak": cell.distance.image_difference,
                "allowed_of_peak": cell.distance.allowed_of_peak,
                "beyond": cell.distance.is_beyond,
                "failure": cell.distance.failure,
                "culprits": [_culprit_json(group) for group in cell.culprits.groups],
                "rest": _distance_json(cell.culprits.rest),
                "links": cell.culprits.links,
            }
            for cell in matrix.cells
        ],
        "left_out": [{"what": variant, "why": why} for variant, why in matrix.left_out],
    }


def _culprit_json(group: Culprit) -> dict[str, Any]:
    return {"files": list(group.files), **(_distance_json(group.distance) or {})}


def _distance_json(d: Distance | None) -> dict[str, Any] | None:
    if d is None:
        return None
    numbers = {"worst_key": d.key, "key_difference": d.key_difference, "image_difference_of_peak": d.image_difference}
    return {**numbers, "beyond": d.is_beyond, "failure": d.failure}


def as_markdown(matrix: Matrix) -> str:
    """The matrix as a Markdown page."""
    slow, fast = matrix.pixel
    parts = [
        f"# {matrix.experiment}, pixel ({slow}, {fast}), against {matrix.strictest}\n\n{summary(matrix)}\n",
        table(
            ("computed by", "worst key", "relative", "keys beyond", "image / peak", "verdict", "source files"),
            [_row(cell) for cell in matrix.cells],
        ),
        f"Tolerance: {relative_tolerance():.0e} relative for a key; for the image {_image_tolerances(matrix)} of the "
        "peak. Where an option moves the result beyond it, objects of that build and of the strictest one of the same "
        "compiler were mixed to find the source files; the rest is what the option does everywhere else.\n",
    ]
    if matrix.left_out:
        parts.append("## Left out\n\n" + "".join(f"- {variant}: {why}\n" for variant, why in matrix.left_out))
    if matrix.versions:
        parts.append("## Versions\n\n" + "".join(f"- {name}: {text}\n" for name, text in matrix.versions.items()))
    return "\n".join(parts)


def _image_tolerances(matrix: Matrix) -> str:
    values = sorted({cell.distance.allowed_of_peak for cell in matrix.cells})
    return " or ".join(f"{value:.0e}" for value in values)


def _row(cell: Cell) -> tuple[object, ...]:
    d = cell.distance
    if d.failure is not None:
        return cell.variant.name, "-", "-", "-", "-", f"gives nothing: {d.failure}", _culprits(cell)
    verdict = "beyond" if d.is_beyond else "within"
    key = d.key if d.key_difference else "-"
    numbers = f"{d.key_difference:.1e}", d.diverging, f"{d.image_difference:.1e}"
    return cell.variant.name, key, *numbers, verdict, _culprits(cell)


def _culprits(cell: Cell) -> str:
    """The source files, the effect of each, and the remaining effect without them."""
    culprits = cell.culprits
    if not culprits.groups:
        return "not found: mixed objects do not show it" if culprits.links else ""
    parts = [f"{' + '.join(group.files)}: {_effect(group.distance)}" for group in culprits.groups]
    if culprits.rest is not None:
        parts.append(f"the rest: {'beyond, ' if culprits.rest.is_beyond else 'within, '}{_effect(culprits.rest)}")
    return "; ".join(parts)


def _effect(d: Distance) -> str:
    if d.failure is not None:
        return "gives nothing"
    key = f"{d.key} {d.key_difference:.1e}" if d.key_difference else "no key"
    return f"{key}, image {d.image_difference:.1e}"


def as_svg(matrix: Matrix) -> str:
    """Two bars for each way to compute, on a log axis: the worst key, and the image."""
    left, width, step = 330, 620, 30
    bottom = 66 + step * len(matrix.cells)

    def across(value: float) -> float:
        power = math.log10(value) if value > 0 else _LOWEST
        return left + width * (min(max(power, _LOWEST), 0.0) - _LOWEST) / -_LOWEST

    body = []
    for power in range(-16, 1, 2):
        x = across(10.0**power)
        body.append(f'<line x1="{x:.1f}" y1="56" x2="{x:.1f}" y2="{bottom}" stroke="#e3e5e8"/>')
        body.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">1e{power}</text>')
    for index, cell in enumerate(matrix.cells):
        body += _bars(cell, 62 + step * index, left, across)
    x = across(relative_tolerance())
    body.append(f'<line x1="{x:.1f}" y1="50" x2="{x:.1f}" y2="{bottom}" stroke="#202124" stroke-dasharray="4 3"/>')
    body.append(f'<text x="{x + 4:.1f}" y="54">tolerance {relative_tolerance():.0e}</text>')
    title = f"{matrix.experiment}: largest difference from {matrix.strictest}"
    legend = "".join(
        f'<rect x="{10 + 190 * i}" y="28" width="11" height="11" fill="{_COLOURS[name]}"/>'
        f'<text x="{25 + 190 * i}" y="38">{text}</text>'
        for i, (name, text) in enumerate(
            (("key", "worst key, relative"), ("image", "image, of the peak"), ("beyond", "beyond the tolerance"))
        )
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 40}" height="{bottom + 24}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="10">\n<rect width="100%" height="100%" '
        'fill="#ffffff"/>\n'
        f'<text x="10" y="18" font-size="13">{escape(title)}</text>\n{legend}\n' + "\n".join(body) + "\n</svg>\n"
    )


def _bars(cell: Cell, top: int, left: int, across: Any) -> list[str]:
    d, name = cell.distance, escape(cell.variant.name)
    lines = [f'<text x="{left - 6}" y="{top + 14}" text-anchor="end">{name}</text>']
    if d.failure is not None:
        text = escape(f"gives nothing: {d.failure}"[:110])
        return [*lines, f'<text x="{left + 4}" y="{top + 14}" fill="{_COLOURS["beyond"]}">{text}</text>']
    for offset, kind, value, beyond in (
        (0, "key", d.key_difference, d.diverging > 0),
        (12, "image", d.image_difference, d.image_difference > d.allowed_of_peak),
    ):
        if value > 0:
            colour = _COLOURS["beyond" if beyond else kind]
            title = escape(f"{d.key}: {value:.2e}" if kind == "key" else f"image: {value:.2e} of the peak")
            lines.append(
                f'<rect x="{left}" y="{top + offset}" width="{across(value) - left:.1f}" height="10" fill="{colour}">'
                f"<title>{name}, {title}</title></rect>"
            )
    return lines

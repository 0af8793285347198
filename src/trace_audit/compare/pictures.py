"""Two pictures of a comparison, as SVG text: the graph of keys with its verdicts, and how far each key is off.

The SVG text is written directly, so that the same verdict gives the same bytes and no plotting library is needed.
"""

import math
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from trace_audit.compare.cause import names_of
from trace_audit.core.files import write_atomic
from trace_audit.trace.keys import registry, topological_order

COLOURS = {"root": "#d62728", "downstream": "#ff9f4a", "pass": "#5aa469", "informative": "#9aa0a6", "absent": "#e3e5e8"}
_SMALLEST = 1e-17
_ROW, _BOX, _COLUMN, _TOP = 20, 16, 220, 62
_COLUMNS = {
    "experiment": ("run",),
    "set-up of the detector": ("setup", "setup_sample", "setup_beam"),
    "each sub-pixel": ("block",),
    "source 0, phi step 0, domain 0": ("orientation", "square"),
    "each phi step, each term": ("phi", "term"),
    "the pixel": ("end",),
}


def write_pictures(verdict: dict[str, Any], folder: Path) -> None:
    """Write `key_graph.svg` and `differences.svg` into `folder`."""
    write_atomic(folder / "key_graph.svg", key_graph(verdict))
    write_atomic(folder / "differences.svg", differences(verdict))


def states(verdict: dict[str, Any]) -> dict[str, str]:
    """For each key of the registry: root, downstream, pass, informative or absent."""
    state_of = dict.fromkeys(registry(), "absent")
    for row in verdict["factors"]:
        state = {"fail": "downstream"}.get(row["verdict"], row["verdict"])
        if state_of[row["key"]] in ("absent", "pass"):
            state_of[row["key"]] = state
    return state_of | dict.fromkeys(verdict["root_causes"], "root")


def key_graph(verdict: dict[str, Any]) -> str:
    """Keys in columns by their part of the log, with lines from each key to the keys computed from it."""
    state = {name: value for name, value in states(verdict).items() if value != "absent"}
    position = _positions(state)
    width = 20 + _COLUMN * len(_COLUMNS)
    height = 80 + _ROW * (1 + max((y for _, y in position.values()), default=0))
    body = [_edge(position[parent], position[name], state[parent], state[name]) for parent, name in _edges(state)]
    for column, heading in enumerate(_COLUMNS):
        body.append(f'<text x="{10 + column * _COLUMN}" y="54" font-weight="bold">{heading}</text>')
    for name, (x, y) in position.items():
        left, top = 10 + x * _COLUMN, _TOP + y * _ROW
        ink = "#ffffff" if state[name] in ("root", "pass") else "#202124"
        body.append(
            f'<rect x="{left}" y="{top}" width="{_COLUMN - 60}" height="{_BOX}" rx="4" fill="{COLOURS[state[name]]}">'
            f"<title>{escape(name)}: {state[name]}</title></rect>"
        )
        body.append(f'<text x="{left + 5}" y="{top + 12}" fill="{ink}">{escape(name)}</text>')
    return _svg(width, height, body, "Keys of the trace, and what is computed from them")


def _positions(state: dict[str, str]) -> dict[str, tuple[int, int]]:
    """Column: part of the log; row: order of computation within it."""
    column = {where: i for i, keys in enumerate(_COLUMNS.values()) for where in keys}
    filled = [0] * len(_COLUMNS)
    position = {}
    for name in topological_order():
        if name in state:
            x = column[registry()[name].where]
            position[name] = (x, filled[x])
            filled[x] += 1
    return position


def _edges(state: dict[str, str]) -> list[tuple[str, str]]:
    pairs = [(parent, name) for name in state for parent in registry()[name].parents if parent in state]
    return sorted(pairs, key=lambda pair: (state[pair[0]] in ("root", "downstream"), pair))


def _edge(start: tuple[int, int], end: tuple[int, int], parent: str, child: str) -> str:
    """A curve from the right side of a box to the left side of another, or round the right side of its own column."""
    x0, y0 = 10 + start[0] * _COLUMN + _COLUMN - 60, _TOP + start[1] * _ROW + _BOX // 2
    x1, y1 = 10 + end[0] * _COLUMN, _TOP + end[1] * _ROW + _BOX // 2
    bend, back = x0 + 28, x1 - 28
    if end[0] == start[0]:
        x1 = x0
        bend = back = x0 + 8 + min(40, 4 * abs(end[1] - start[1]))
    carries = parent in ("root", "downstream") and child in ("root", "downstream")
    style = 'stroke="#d62728" stroke-width="1.6"' if carries else 'stroke="#c4c7cc" stroke-width="0.6"'
    return f'<path d="M{x0} {y0} C{bend} {y0} {back} {y1} {x1} {y1}" fill="none" {style}/>'


def differences(verdict: dict[str, Any]) -> str:
    """The worst relative difference of each key on a log axis, and the tolerance as a line."""
    worst: dict[str, float] = {}
    for row in verdict["factors"]:
        worst[row["key"]] = max(worst.get(row["key"], 0.0), row["relative_difference"])
    state = states(verdict)
    names = [name for name in registry() if name in worst]
    left, width, bottom = 190, 640, 66 + 15 * len(names)
    top_power = max(0, math.ceil(math.log10(max([1.0, *worst.values()]))))

    def across(value: float) -> float:
        low = math.log10(_SMALLEST)
        return left + width * (math.log10(max(value, _SMALLEST)) - low) / (top_power - low)

    body = []
    for power in range(-16, top_power + 1, 2):
        x = across(10.0**power)
        body.append(f'<line x1="{x:.1f}" y1="56" x2="{x:.1f}" y2="{bottom}" stroke="#e3e5e8"/>')
        body.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">1e{power}</text>')
    for row, name in enumerate(names):
        y = 62 + 15 * row
        title = f"<title>{escape(name)}: {worst[name]:.2e}, {state[name]}</title>"
        body.append(f'<text x="{left - 6}" y="{y + 9}" text-anchor="end">{escape(name)}</text>')
        if worst[name] > 0:
            body.append(
                f'<rect x="{left}" y="{y}" width="{across(worst[name]) - left:.1f}" height="11" '
                f'fill="{COLOURS[state[name]]}">{title}</rect>'
            )
    x = across(verdict["tolerance_relative"])
    body.append(f'<line x1="{x:.1f}" y1="50" x2="{x:.1f}" y2="{bottom}" stroke="#202124" stroke-dasharray="4 3"/>')
    body.append(f'<text x="{x + 4:.1f}" y="54">tolerance {verdict["tolerance_relative"]:.0e}</text>')
    return _svg(
        left + width + 40,
        bottom + 24,
        body,
        f"Largest relative difference between {' and '.join(names_of(verdict).values())}, by key",
    )


def _svg(width: int, height: int, body: list[str], title: str) -> str:
    legend = "".join(
        f'<rect x="{10 + 90 * i}" y="28" width="11" height="11" fill="{COLOURS[name]}"/>'
        f'<text x="{25 + 90 * i}" y="38">{name}</text>'
        for i, name in enumerate(("root", "downstream", "pass", "informative"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{max(width, 760)}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="10">\n'
        '<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<text x="10" y="18" font-size="13">{escape(title)}</text>\n{legend}\n' + "\n".join(body) + "\n</svg>\n"
    )

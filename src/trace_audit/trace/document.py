"""`docs/trace.md`, made from the registry of keys and the tolerance file."""

from trace_audit.core.markdown import cell, table
from trace_audit.trace.keys import children, registry, topological_order
from trace_audit.trace.tolerances import relative_tolerance, tolerance_of

_PLACES = {
    "setup": "Set-up, both pivots",
    "setup_sample": "Set-up, SAMPLE pivot",
    "setup_beam": "Set-up, BEAM pivot",
    "run": "What was asked for",
    "block": "Each layer and sub-pixel, source 0",
    "orientation": "Each layer and sub-pixel: source 0, phi step 0, mosaic domain 0",
    "square": "As above, SQUARE crystals only",
    "phi": "Each phi step: source 0, mosaic domain 0, SQUARE crystals only (`TRACE_C_PHI phi_tic=J ...`)",
    "term": "Each term of the sum (`term layer sub_slow sub_fast source phi_tic mosaic_domain ...`)",
    "end": "End of the pixel",
}

_INTRODUCTION = """# The trace

Made from `src/trace_audit/data/trace_keys.json` and `tolerances.json` by `python -m trace_audit docs`; do not edit.

`-trace_pixel SLOW FAST` makes either program print every factor of one pixel. Lines begin with `TRACE_C` (C) or
`TRACE_PY` (torch). Set-up lines are `TRACE_C:key=value`, all others `TRACE_C: key value ...`, per-phi lines
`TRACE_C_PHI phi_tic=J name=value ...`. Numbers have 15 significant digits, a vector is three numbers. A line
`subpixel layer sub_slow sub_fast` precedes the values of one sub-pixel. `python -m trace_audit explain KEY` shows one
key. Names are the historic ones, even if misleading: `scattering_vec_A_inv` is in 1/m. Numbers of equations are
those of [physics.md](physics.md).
"""


def trace_document() -> str:
    """The whole document as Markdown."""
    text = _INTRODUCTION
    for part, title in _PLACES.items():
        rows = [
            (
                key.name,
                key.unit or "word",
                key.formula,
                " ".join(f"({number})" for number in key.equations),
                ", ".join(key.parents),
                key.meaning,
            )
            for key in registry().values()
            if key.where == part
        ]
        text += f"\n## {title}\n\n" + table(("key", "unit", "formula", "equation", "computed from", "meaning"), rows)
    text += "\n## Order of computation\n\nA key is a root cause if it differs and all keys it is computed from agree. "
    text += "Each key follows the keys it is computed from:\n\n"
    text += ", ".join(cell(name) for name in topological_order()) + "\n"
    return text + _tolerances() + _unused()


def _tolerances() -> str:
    rows = []
    for key in registry().values():
        row = tolerance_of(key.name)
        exact = key.kind in ("word", "integer")
        bar = "not compared" if not key.compared else "equal" if exact else f"{relative_tolerance():.0e}"
        floor = "" if exact or not row.floor else f"{row.floor:g} ({row.floor_unit})"
        rows.append((key.name, bar, floor, "exact" if exact else row.reason))
    text = "\n## Tolerances\n\nA value passes if the difference is at most the relative tolerance times the larger "
    text += "magnitude (for a vector: length), or the tolerance times the floor if that is larger.\n\n"
    return text + table(("key", "bar", "floor", "reason"), rows)


def _unused() -> str:
    names = [name for name, used in children().items() if not used]
    return "\n## Keys that no other key is computed from\n\n" + ", ".join(cell(name) for name in names) + "\n"

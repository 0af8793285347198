"""`python -m trace_audit.report.table`: one line per audit.

Scenario, pixel, device, dtype, backend, worst key, difference, verdict.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trace_audit.core.documents import Comparison, Snapshot, read_document
from trace_audit.core.errors import run_command
from trace_audit.core.files import write_atomic

HEADINGS = ("scenario", "pixel (slow, fast)", "device", "dtype", "backend", "worst key", "relative", "verdict")


def audit_row(comparison: Path) -> tuple[tuple[str, ...], str]:
    """Cells of one audit and its sentence, from its verdict and the configuration beside it."""
    verdict = read_document(comparison, "comparison", Comparison)
    config = read_document(comparison.parent / "config_snapshot.json", "configuration snapshot", Snapshot)
    worst: dict[str, Any] = verdict["worst"] or {}
    relative = worst.get("relative_difference")
    cells = (
        config["scenario"]["name"],
        "({}, {})".format(*config["pixel_slow_fast"]),
        config["device"],
        config["dtype"],
        config.get("backend", "eager"),
        worst.get("key") or "",
        "" if relative is None else f"{relative:.1e}",
        verdict["status"],
    )
    return cells, verdict["summary"]


def plain(rows: Sequence[tuple[tuple[str, ...], str]]) -> str:
    """The table in plain text, the sentences of failed audits below it."""
    grid = [HEADINGS, *(cells for cells, _ in rows)]
    widths = [max(len(row[i]) for row in grid) for i in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in grid]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines += [f"{' '.join(cells[:5])}: {sentence}" for cells, sentence in rows if cells[-1] != "pass"]
    return "\n".join(lines) + "\n"


def show(rows: Sequence[tuple[tuple[str, ...], str]]) -> None:
    """Print the table: in colour on a terminal, plainly elsewhere."""
    if not sys.stdout.isatty():
        print(plain(rows), end="")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, grid = Console(), Table()
    for heading in HEADINGS:
        grid.add_column(heading)
    for cells, _ in rows:
        colour = "green" if cells[-1] == "pass" else "bold red"
        grid.add_row(*map(Text, cells[:-1]), Text(cells[-1], style=colour))
    console.print(grid)
    for cells, sentence in rows:
        if cells[-1] != "pass":
            console.print(Text(f"{' '.join(cells[:5])}: {sentence}", style="red"))


def main(argv: list[str]) -> int:
    """Show the table of some comparisons and, if asked, write it as plain text."""
    parser = argparse.ArgumentParser(prog="python -m trace_audit.report.table", description=__doc__, allow_abbrev=False)
    parser.add_argument("comparisons", type=Path, nargs="+", metavar="compare_scaling_traces.json")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write it as plain text")
    options = parser.parse_args(argv)
    rows = sorted(audit_row(path) for path in options.comparisons)
    if options.out:
        write_atomic(options.out, plain(rows))
    show(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

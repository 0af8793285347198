"""`python -m trace_audit.report.table`: one line per audit.

Columns: scenario, pixel, device, dtype, backend, the key with the largest difference, that difference, the cause of a
failure, verdict. Each cause follows below with its audits and its sentence.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trace_audit.compare.cause import cause
from trace_audit.core.documents import Comparison, Snapshot, StructureFactors, read_document
from trace_audit.core.errors import run_command
from trace_audit.core.files import write_atomic

HEADINGS = ("scenario", "pixel (slow, fast)", "device", "dtype", "backend", "worst key", "relative", "cause", "verdict")
_CAUSE = HEADINGS.index("cause")
Row = tuple[tuple[str, ...], str]  # cells, sentence


def audit_row(comparison: Path) -> Row:
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
        cause(verdict),
        verdict["status"],
    )
    return cells, verdict["summary"]


def plain(rows: Sequence[Row]) -> str:
    """The table as plain text, followed by the causes of failures."""
    grid = [HEADINGS, *(cells for cells, _ in rows)]
    shown = _columns(rows)
    widths = {i: max(len(row[i]) for row in grid) for i in shown}
    lines = ["  ".join(row[i].ljust(widths[i]) for i in shown).rstrip() for row in grid]
    lines.insert(1, "  ".join("-" * widths[i] for i in shown))
    return "\n".join([*lines, *failures(rows)]) + "\n"


def _columns(rows: Sequence[Row]) -> list[int]:
    """Numbers of the columns to show: the cause only if something failed."""
    failed = any(cells[_CAUSE] for cells, _ in rows)
    return [i for i in range(len(HEADINGS)) if i != _CAUSE or failed]


def failures(rows: Sequence[Row]) -> list[str]:
    """Each cause with its audits and the first one's sentence; and why some audits were skipped."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row[0][-1] != "pass":
            groups.setdefault(row[0][_CAUSE] or row[1], []).append(row)
    lines = []
    for cause_of_all, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        lines.append(f"\n{len(members)} audit{'s' * (len(members) > 1)}: {cause_of_all}")
        lines += [f"  {' '.join(cells[:5])}" for cells, _ in members]
        if members[0][1] != cause_of_all:
            lines.append(f"  {members[0][1]}")
    return lines


def show(rows: Sequence[Row]) -> None:
    """Print the table: in colour on a terminal, otherwise plain."""
    if not sys.stdout.isatty():
        print(plain(rows), end="")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, grid = Console(), Table()
    shown = _columns(rows)
    for i in shown:
        grid.add_column(HEADINGS[i])
    for cells, _ in rows:
        colour = "green" if cells[-1] == "pass" else "bold red"
        grid.add_row(*(Text(cells[i]) for i in shown[:-1]), Text(cells[-1], style=colour))
    console.print(grid)
    for line in failures(rows):
        console.print(Text(line, style="red"))


def main(argv: list[str]) -> int:
    """Show the table of some comparisons and, on request, write it as plain text."""
    parser = argparse.ArgumentParser(prog="python -m trace_audit.report.table", description=__doc__, allow_abbrev=False)
    parser.add_argument("comparisons", type=Path, nargs="+", metavar="compare_scaling_traces.json")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write it as plain text")
    parser.add_argument(
        "--taken", type=Path, nargs="*", default=[], metavar="FILE", help="what was taken of users' files, JSON"
    )
    options = parser.parse_args(argv)
    taken = taken_lines(options.taken)
    rows = sorted(audit_row(path) for path in options.comparisons)
    if options.out:
        write_atomic(options.out, plain(rows) + taken)
    show(rows)
    print(taken, end="")
    return 0


def taken_lines(files: Sequence[Path]) -> str:
    """What was read from each user's file, and the remarks, as printed for a single run."""
    records = [read_document(path, "record of structure factors", StructureFactors) for path in files]
    return "".join(f"\n{line}\n" for record in records for line in (record["line"], *record.get("remarks", ())))


if __name__ == "__main__":
    raise SystemExit(run_command(main))

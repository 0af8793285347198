"""`python -m trace_audit.report.ending`: the last lines of a failed run, at most ten.

Audits with the same cause share one line. The last line is the path of the summary to open first.
"""

import argparse
import re
from pathlib import Path
from typing import Any

from trace_audit.compare.cause import by_cause, evidence
from trace_audit.core.documents import Comparison, read_document
from trace_audit.core.errors import run_command
from trace_audit.core.files import printable

MOST_LINES = 10
_MOST_CAUSES = 5
_WIDTH = 120
_SUMMARIES = {
    "compare_scaling_traces.json": "diff_summary.md",
    "image_parity.json": "image_parity.md",
    "port_audit.json": "port_audit.md",
}
_KINDS = {"image_parity.json": "image"}  # others are audits


def lines(verdicts: list[tuple[Path, dict[str, Any]]], not_compared: int) -> list[str]:
    """The last lines of a run with these comparisons, some of which failed; `not_compared` more were never made."""
    failed = [(path, verdict) for path, verdict in verdicts if verdict["status"] == "fail"]
    known = dict(verdicts)
    rows = []
    if verdicts:
        rows.append(f"{len(failed)} of {_counted(len(verdicts), verdicts[0][0])} failed.")
    groups = by_cause(failed)
    for cause, paths in groups[:_MOST_CAUSES]:
        proof = evidence(known[paths[0]])
        head = f"  {_counted(len(paths), paths[0])}: {cause}" + (f" ({proof})" if proof else "")
        rows.append(printable(head + ": " + _fitting(_locations(paths), _WIDTH - len(head))))
    if len(groups) > _MOST_CAUSES:
        rest = sum(len(paths) for _, paths in groups[_MOST_CAUSES:])
        rows.append(f"  {rest} more, of {len(groups) - _MOST_CAUSES} other causes")
    if not_compared:
        rows.append(f"{not_compared} not compared, since a job before failed; its messages are above and in logs/.")
    if not rows:
        rows.append("A job failed before anything was compared; its messages are above and in logs/.")
    kept = "All that was made is kept in results/, messages in logs/; make report draws the page."
    rows.append(kept + (" What differs, and where:" if groups else ""))
    if groups:
        first = groups[0][1][0]
        rows.append(str(first.with_name(_SUMMARIES.get(first.name, first.name))))
    return rows


def _counted(number: int, path: Path) -> str:
    return f"{number} {_KINDS.get(path.name, 'audit')}{'' if number == 1 else 's'}"


def _locations(paths: list[Path]) -> list[str]:
    """Scenario and pixel of each audit, each once: "still (200, 256)"."""
    names = []
    for path in paths:
        scenario, pixel = (path.parts[-4], path.parts[-3]) if len(path.parts) > 3 else ("", path.parent.name)
        match = re.fullmatch(r"S(\d+)_F(\d+)", pixel)
        names.append(f"{scenario} ({match[1]}, {match[2]})" if match else scenario or pixel)
    return list(dict.fromkeys(names))


def _fitting(names: list[str], width: int) -> str:
    """As many names as fit, at least one, and the number of the rest."""
    shown = names[:1]
    while len(shown) < len(names) and len(", ".join([*shown, names[len(shown)]])) < width:
        shown.append(names[len(shown)])
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def main(argv: list[str]) -> int:
    """Print the ending."""
    parser = argparse.ArgumentParser(
        prog="python -m trace_audit.report.ending", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("comparisons", type=Path, nargs="*", metavar="compare_scaling_traces.json")
    parser.add_argument("--not-compared", type=int, default=0, metavar="NUMBER", help="audits without a comparison")
    options = parser.parse_args(argv)
    verdicts = []
    for path in options.comparisons:
        verdicts.append((path, read_document(path, "comparison", Comparison)))
    print("\n".join(lines(verdicts, options.not_compared)))
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

"""`python -m trace_audit.report.factors`: every factor of every audit in one long table (CSV).

One row a compared component: which audit, which key and where in the pixel, both values, differences, verdict.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from trace_audit.core.documents import FactorList, Snapshot, read_document
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import write_atomic

AUDIT = ["scenario", "slow", "fast", "device", "dtype", "backend"]
PLACE = ["layer", "sub_slow", "sub_fast", "source", "phi_tic", "mosaic_domain"]
VALUES = ["unit", "c", "py", "absolute_difference", "relative_difference", "tolerance", "verdict"]
COLUMNS = [*AUDIT, "key", "component", *PLACE, *VALUES]


def long_table(comparisons: Sequence[Path]) -> pd.DataFrame:
    """The factors of some comparisons, in the order of the traces, audits sorted.

    Raises InputError for a file that is no comparison.
    """
    rows = [row for path in sorted(comparisons) for row in _rows(path)]
    table = pd.DataFrame.from_records(rows, columns=COLUMNS)
    return table.astype(dict.fromkeys(PLACE, "Int64"))


def worst_by_key(table: pd.DataFrame) -> pd.DataFrame:
    """The largest relative difference of each key over all audits, with the audit it is from, worst first."""
    compared = table.dropna(subset="relative_difference")
    worst = compared.loc[compared.groupby("key")["relative_difference"].idxmax()]
    return worst.sort_values(["relative_difference", "key"], ascending=[False, True], ignore_index=True)


def _rows(comparison: Path) -> Iterator[dict[str, Any]]:
    verdict = read_document(comparison, "comparison", FactorList)
    config = read_document(comparison.parent / "config_snapshot.json", "configuration snapshot", Snapshot)
    try:
        slow, fast = config["pixel_slow_fast"]
        names = (
            config["scenario"]["name"],
            slow,
            fast,
            config["device"],
            config["dtype"],
            config.get("backend", "eager"),
        )
        audit = dict(zip(AUDIT, names, strict=True))
        for factor in verdict["factors"]:
            yield audit | factor["context"] | {name: factor.get(name) for name in ("key", "component", *VALUES)}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{comparison}: no comparison of two traces ({error}); make it anew") from error


def main(argv: list[str]) -> int:
    """Write the table of all factors, and on request the worst of each key."""
    parser = argparse.ArgumentParser(
        prog="python -m trace_audit.report.factors", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("comparisons", type=Path, nargs="+", metavar="compare_scaling_traces.json")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    parser.add_argument("--worst", type=Path, metavar="FILE.csv", help="also the worst difference of each key")
    options = parser.parse_args(argv)
    table = long_table(options.comparisons)
    write_atomic(options.out, table.to_csv(index=False))
    if options.worst:
        write_atomic(options.worst, worst_by_key(table).to_csv(index=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

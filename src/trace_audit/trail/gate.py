"""`python -m trace_audit.trail.gate`: continue the workflow after a pass, stop it after a fail. Exit status 0 or 1.

On a fail the offending keys go to stderr, and `attempt_failed.log` (all output of both programs),
`diff_on_blocker.patch` (the working tree against its commit) and a blocker record in the ledger are kept.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from trace_audit.compare.cause import cause, names_of
from trace_audit.compare.skipped import SKIPPED, require_some_made
from trace_audit.core.documents import Build, Comparison, Run, read_document
from trace_audit.core.errors import run_command
from trace_audit.core.files import printable, readable_json, write_atomic
from trace_audit.trail import attempts, evidence, hash_chain, history
from trace_audit.trail.protect import changes_since
from trace_audit.trail.signing import Signer


def reasons(verdict: dict[str, Any], protected_changes: list[str]) -> list[str]:
    """Why the gate stops the run, one line each; empty if it opens."""
    rows = list(protected_changes)
    if verdict["status"] in ("pass", SKIPPED):
        return rows
    if "reasons" in verdict:  # an audit of two sides states them itself
        return [*rows, *verdict["reasons"]] if verdict["reasons"] else [*rows, verdict["summary"]]
    worst: dict[str, float] = {}
    for row in verdict["factors"]:
        if row["verdict"] == "fail":
            worst[row["key"]] = max(worst.get(row["key"], 0.0), row["relative_difference"])
    for key, relative in worst.items():
        role = "root cause" if key in verdict["root_causes"] else "follows"
        role = "no pixel is computed from it" if key in verdict.get("context_differs", ()) else role
        rows.append(f"{key}: relative difference {relative:.2e} ({role})")
    rows += [f"{problem['key']}: {problem['kind']}, {problem['message']}" for problem in verdict["problems"]]
    for side, name in names_of(verdict).items():
        for identity in verdict["multiply_back"][side]:
            if not identity["holds"]:
                rows.append(f"{name} log contradicts itself: {identity['name']}")
    return rows or [verdict["summary"]]


def built_sha256(results: Path) -> str | None:
    """SHA-256 of the reference as it was built or first recorded; None where no record tells."""
    path = results / "reference" / "build.json"
    if not path.is_file():
        return None
    sha256: str = read_document(path, "record of the reference's build", Build)["binary_sha256"]
    return sha256


def other_programs(comparison: Path, verdict: dict[str, Any], built: str | None) -> list[str]:
    """A line for each run of a reference that is not the one that was built."""
    if built is None:
        return []
    ran = {"the comparison": verdict.get("reference_sha256")}
    for name in ("c_trace_run.json", "c_image_run.json"):
        path = comparison.parent.parent / "c" / name
        if path.is_file():
            ran[name] = read_document(path, "record of the reference run", Run).get("binary_sha256")
    return [
        f"the reference that ran ({name}: {sha256[:16]}...) is not the one of build.json ({built[:16]}...)"
        for name, sha256 in ran.items()
        if sha256 is not None and sha256 != built
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.trail.gate", description=__doc__, allow_abbrev=False)
    parser.add_argument("comparisons", type=Path, nargs="+", metavar="compare_scaling_traces.json")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--protected", type=Path, metavar="FILE", help="hashes of protected assets before the run")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="written on a pass only")
    return parser


def main(argv: list[str]) -> int:
    """Read the verdicts and open, or keep the evidence of each failed audit and stay shut."""
    options = _parser().parse_args(argv)
    changed = changes_since(options.protected) if options.protected else []
    verdicts = {path: read_document(path, "comparison", Comparison) for path in options.comparisons}
    built = built_sha256(options.results)
    shut = {
        path: reasons(verdict, [*changed, *other_programs(path, verdict, built)]) for path, verdict in verdicts.items()
    }
    shelve_evidence([path for path, rows in shut.items() if not rows], options.results)
    if not any(shut.values()):
        assets = "unchanged" if options.protected else "not checked"
        skipped = require_some_made(verdicts)
        passed = {"status": "pass", "audits": len(verdicts) - len(skipped), "protected_assets": assets}
        passed["reference"] = "as built" if built else "not checked"
        if skipped:
            passed[SKIPPED] = skipped
            print(f"gate: {len(skipped)} of {len(verdicts)} audits were skipped", file=sys.stderr)
        write_atomic(options.out, readable_json(passed))
        return 0
    options.out.unlink(missing_ok=True)
    closed = {path: rows for path, rows in shut.items() if rows}
    for path, rows in closed.items():
        keep_evidence(path, options.results, rows)
    tell(closed, verdicts)
    return 1


def tell(closed: dict[Path, list[str]], verdicts: dict[Path, dict[str, Any]]) -> None:
    """Each audit that failed, and its keys on standard error; what has the same keys and cause is told once."""
    groups: dict[tuple[str, ...], list[Path]] = {}
    for path, rows in closed.items():
        names = [row.partition(": relative difference ")[::2] for row in rows]
        alike = (cause(verdicts[path]), *(f"{name} {rest.rpartition('(')[2]}" for name, rest in names))
        groups.setdefault(alike, []).append(path)
    for (reason, *_), paths in groups.items():
        for path in paths:
            print(printable(f"gate: {path.parent}: {reason or 'protected assets'}"), file=sys.stderr)
        print(printable(f"gate: {verdicts[paths[0]]['summary']}"), file=sys.stderr)
        for row in closed[paths[0]]:
            print(printable(f"gate:   {row}"), file=sys.stderr)


def keep_evidence(comparison: Path, results: Path, rows: list[str]) -> None:
    """Write the log of both programs and the working tree's diff beside `comparison`, and record the blocker."""
    kept = evidence.keep(comparison.parent, evidence.outputs_of(comparison.name))
    signer = Signer.from_environment()
    with hash_chain.locked(results / attempts.LEDGER):
        artifacts = hash_chain.hashes_below([*kept, comparison], results)
        hash_chain.append_locked(
            results / attempts.LEDGER, attempts.blocker_fields(comparison, artifacts, rows), signer
        )
        history.render_locked(results)


def shelve_evidence(passed: list[Path], results: Path) -> None:
    """Move away the evidence of earlier failures beside comparisons that pass now."""
    stale = [path.parent for path in passed if (path.parent / evidence.LOG).is_file()]
    if stale:
        entries = hash_chain.load(results / attempts.LEDGER)
        for folder in stale:
            evidence.shelve(folder, results, entries)


if __name__ == "__main__":
    raise SystemExit(run_command(main))

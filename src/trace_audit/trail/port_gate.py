"""`python -m trace_audit.trail.port_gate`: go on after every audit of a port passed, else stop. Exit status 0 or 1."""

import argparse
import sys
from pathlib import Path

from trace_audit.core.errors import run_command
from trace_audit.core.files import printable, read_json, readable_json, write_atomic
from trace_audit.trail.protect import changes_since


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.trail.port_gate", description=__doc__)
    parser.add_argument("audits", type=Path, nargs="+", metavar="port_audit.json")
    parser.add_argument("--protected", type=Path, metavar="FILE", help="hashes of protected assets before the run")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="written on a pass only")
    return parser


def main(argv: list[str]) -> int:
    """Read the verdicts and open, or name the causes and stay shut."""
    options = _parser().parse_args(argv)
    rows = list(changes_since(options.protected)) if options.protected else []
    verdicts = {path: read_json(path, "port audit") for path in options.audits}
    failed = {path: verdict for path, verdict in verdicts.items() if verdict["status"] != "pass"}
    for path, verdict in failed.items():
        rows += [f"{path.parent}: {cause['sentence']}" for cause in verdict["causes"][:8]] or [verdict["summary"]]
        rows.append(f"read {path.with_suffix('.md')}")
    if not rows:
        write_atomic(options.out, readable_json({"status": "pass", "audits": len(verdicts)}))
        return 0
    options.out.unlink(missing_ok=True)
    for row in rows:
        print(f"gate: {printable(row)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(run_command(main))

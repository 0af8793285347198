"""`python -m trace_audit.port.other_gate`: after the audits of another simulator: go on if all passed, stop else.

Exit status 0: all passed, their summaries are in --out; 1: the summaries of those that did not are on stderr.
"""

import argparse
import sys
from pathlib import Path

from trace_audit.core.errors import run_command
from trace_audit.core.files import printable, write_atomic
from trace_audit.core.result_documents import OtherVerdict
from trace_audit.port.records import read_record


def main(argv: list[str]) -> int:
    """Read the verdicts."""
    parser = argparse.ArgumentParser(prog="python -m trace_audit.port.other_gate", allow_abbrev=False)
    parser.add_argument("audits", type=Path, nargs="+", metavar="FILE", help="port_audit.json of each experiment")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(argv)
    lines, failed = [], []
    for path in options.audits:
        verdict = read_record(path, "verdict", OtherVerdict)
        line = printable(f"{path.parent.name}: {verdict.status}: {verdict.summary}")
        lines.append(f"{line}\n")
        if verdict.status != "pass":
            failed.append(f"{line}\n  {path.with_suffix('.md')}")
    for line in failed:
        print(line, file=sys.stderr)
    if not failed:
        write_atomic(options.out, "".join(lines))
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(run_command(main))

"""`python -m trace_audit.ledger`: add to the ledger below results/ and render its documents.

`attempt` records one audit, `seal` every file below results/. Both render `attempt_history.md` and `notes.md` and
write a receipt {number, sha256} if asked to. With TRACE_AUDIT_SIGNING_KEY set, records are signed.
"""

import argparse
from pathlib import Path
from typing import Any

from trace_audit.core.errors import run_command
from trace_audit.trail import attempts, hash_chain, history
from trace_audit.trail.append import add_record


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.ledger", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    attempt = commands.add_parser("attempt", help="record one audit")
    attempt.add_argument("--comparison", type=Path, required=True, metavar="FILE")
    attempt.add_argument("--snapshot", type=Path, required=True, metavar="FILE", help="config_snapshot.json")
    attempt.add_argument("--environment", type=Path, required=True, metavar="FILE", help="trace_py_env.json")
    attempt.add_argument("--c-run", "--reference-run", type=Path, metavar="FILE", help="run of the reference")
    attempt.add_argument("--torch-run", "--candidate-run", type=Path, metavar="FILE", help="run of the candidate")
    attempt.add_argument("--artifacts", type=Path, nargs="+", default=[], metavar="PATH", help="files or folders")
    attempt.add_argument("--inputs", type=Path, nargs="+", default=[], metavar="PATH", help="files or folders")
    attempt.add_argument("--taken", type=Path, metavar="FILE", help="what was read of the structure factors, JSON")
    attempt.add_argument("--deviation", action="append", default=[], metavar="TEXT")
    seal = commands.add_parser("seal", help="record every file below results/")
    render = commands.add_parser("render", help="only render the documents")
    for command in (attempt, seal, render):
        command.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    for command in (attempt, seal):
        command.add_argument("--receipt", type=Path, metavar="FILE", help="below results/audit/receipts/")
    return parser


def _attempt_fields(options: argparse.Namespace) -> dict[str, Any]:
    runs = [path for path in (options.c_run, options.torch_run) if path]
    files = [options.comparison, options.snapshot, options.environment, *runs]
    return attempts.attempt_fields(
        options.comparison,
        options.snapshot,
        options.environment,
        options.c_run,
        options.torch_run,
        hash_chain.hashes_below([*files, *options.artifacts], options.results),
        hash_chain.hashes_of_inputs(options.inputs),
        options.deviation,
        options.taken,
    )


def main(argv: list[str]) -> int:
    """Append a record or render."""
    options = _parser().parse_args(argv)
    if options.command == "render":
        history.render(options.results)
        return 0
    seal = options.command == "seal"
    add_record(
        options.results,
        lambda: attempts.seal_fields(options.results) if seal else _attempt_fields(options),
        options.receipt,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

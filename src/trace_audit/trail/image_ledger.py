"""`python -m trace_audit.trail.image_ledger`: record one comparison of images in the ledger below results/."""

import argparse
from pathlib import Path
from typing import Any

from trace_audit.core.errors import run_command
from trace_audit.trail import attempts, hash_chain
from trace_audit.trail.append import add_record


def image_fields(
    comparison: Path,
    environment: Path,
    c_run: Path,
    torch_run: Path,
    artifacts: Any,
    inputs: Any,
    taken: Path | None = None,
) -> dict[str, Any]:
    """The record of one comparison of images: as that of an attempt, of another kind and with its own command."""
    snapshot = comparison.parent / "config_snapshot.json"
    fields = attempts.attempt_fields(comparison, snapshot, environment, c_run, torch_run, artifacts, inputs, [], taken)
    return {**fields, "kind": "image"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trace_audit.trail.image_ledger", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--comparison", type=Path, required=True, metavar="FILE", help="image_parity.json")
    parser.add_argument("--environment", type=Path, required=True, metavar="FILE", help="py_image_env.json")
    parser.add_argument("--c-run", type=Path, required=True, metavar="FILE", help="c_image_run.json")
    parser.add_argument("--torch-run", type=Path, required=True, metavar="FILE", help="py_image_run.json")
    parser.add_argument("--artifacts", type=Path, nargs="+", default=[], metavar="PATH", help="files or folders")
    parser.add_argument("--inputs", type=Path, nargs="+", default=[], metavar="PATH", help="files or folders")
    parser.add_argument("--taken", type=Path, metavar="FILE", help="what was read of the structure factors, JSON")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--receipt", type=Path, required=True, metavar="FILE", help="below results/audit/receipts/")
    return parser


def main(argv: list[str]) -> int:
    """Append a record and render the history."""
    options = _parser().parse_args(argv)
    files = [options.comparison, options.environment, options.c_run, options.torch_run, *options.artifacts]
    artifacts, inputs = hash_chain.hashes_below(files, options.results), hash_chain.hashes_of_inputs(options.inputs)
    runs = options.c_run, options.torch_run
    add_record(
        options.results,
        lambda: image_fields(options.comparison, options.environment, *runs, artifacts, inputs, options.taken),
        options.receipt,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

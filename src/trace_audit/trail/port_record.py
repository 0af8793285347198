"""`python -m trace_audit.trail.port_record`: put the audit of a port on record in the ledger below results/."""

import argparse
from pathlib import Path
from typing import Any

from trace_audit.core.errors import run_command
from trace_audit.core.files import canonical_json, read_json, sha256_of_bytes
from trace_audit.programs.environment import capture
from trace_audit.trace.tolerances import file_sha256, relative_tolerance
from trace_audit.trail import hash_chain
from trace_audit.trail.append import add_record


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.trail.port_record", description=__doc__)
    parser.add_argument("--audit", type=Path, required=True, metavar="port_audit.json")
    parser.add_argument("--run", type=Path, required=True, metavar="candidate_run.json")
    parser.add_argument("--artifacts", type=Path, nargs="+", default=[], metavar="PATH")
    parser.add_argument("--inputs", type=Path, nargs="+", default=[], metavar="PATH")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--receipt", type=Path, required=True, metavar="FILE")
    return parser


def fields(options: argparse.Namespace) -> dict[str, Any]:
    """The record: an attempt like any other, whose device and dtype are those of the candidate as far as known."""
    audit, run = read_json(options.audit, "port audit"), read_json(options.run, "record of the candidate's run")
    _, environment = capture(Path.cwd(), lambda: None)
    below = [path for path in options.artifacts if path.resolve().is_relative_to(options.results.resolve())]
    worst = max(audit["factors"], key=lambda row: row["relative_difference"] or 0.0, default=None)
    return {
        "kind": "attempt",
        "scenario": run["scenario"],
        "pixel_slow_fast": run["pixel_slow_fast"],
        "device": audit["sides"]["candidate"],
        "dtype": audit["precision"]["detected"],
        "status": audit["status"],
        "summary": audit["summary"],
        "root_causes": audit["root_causes"],
        "attribution": [cause["explanation"] for cause in audit["causes"] if cause["explanation"]],
        "metrics": {
            "worst_key": worst["key"] if worst else None,
            "worst_relative_difference": worst["relative_difference"] if worst else None,
            "keys": audit["coverage"]["printed"],
            "diverging": sum(row["verdict"] == "differs" for row in audit["factors"]),
        },
        "tolerance_relative": relative_tolerance(),
        "tolerances_sha256": file_sha256(),
        "commands": [{"arguments": run["words"] or [run.get("log", "")], "exit_code": run["exit_code"]}],
        "environment": environment,
        "environment_sha256": sha256_of_bytes(canonical_json(environment).encode()),
        "git_commit": environment["git"]["before"]["commit"],
        "deviations": [],
        "inputs": hash_chain.hashes_of_inputs(options.inputs),
        "artifacts": hash_chain.hashes_below(below, options.results),
    }


def main(argv: list[str]) -> int:
    """Append one record."""
    options = _parser().parse_args(argv)
    add_record(options.results, lambda: fields(options), options.receipt)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

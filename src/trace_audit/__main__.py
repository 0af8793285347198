"""`python -m trace_audit`: explain a key, verify results, rerun an audit, regenerate documents and schema."""

import argparse
import runpy
import sys
from pathlib import Path

from trace_audit.core.commands import FOR_PEOPLE, FOR_RULES
from trace_audit.core.errors import run_command
from trace_audit.core.files import write_atomic

DOCUMENT = Path("docs/trace.md")
SCHEMA = Path("workflow/schemas/scenario.schema.json")
SCENARIO_DOCUMENT = Path("docs/scenario.md")
SETTINGS_DOCUMENT = Path("docs/config.md")
EXIT_CODES = (
    "exit codes: 0 done, all checks passed; 1 a check failed: a verdict is fail, a file is not as recorded;",
    "2 a mistake in the command line or in an input, in one line on stderr; 3 a bug, traceback in logs/;",
    "128 and more: stopped by the signal of that number less 128",
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trace_audit",
        description=__doc__,
        epilog=_other_commands(),
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    explain = commands.add_parser("explain", help="meaning, unit, formula, parents and children of a trace key")
    explain.add_argument("key", nargs="?", help="name of the key; without it all keys are listed")
    verify = commands.add_parser("verify", help="recompute every hash of a results folder and its ledger")
    verify.add_argument("results", type=Path)
    again = commands.add_parser("rerun", help="repeat a recorded audit in a fresh folder and compare what comes out")
    again.add_argument("number", type=int, metavar="N", help="number of the record")
    again.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    again.add_argument("--out", type=Path, metavar="DIR", help="keep the rerun's files in this new folder")
    again.add_argument("--script", type=Path, metavar="FILE", help="run nothing; write a shell script that does")
    again.add_argument(
        "--run-recorded-program",
        action="store_true",
        help="run the reference that came with the results where it cannot be built from recorded sources",
    )
    for command in (verify, again):
        command.add_argument(
            "--allowed-signers", type=Path, metavar="FILE", help="every record must be signed by one of them"
        )
        command.add_argument("--anchor", metavar="SHA256", help="hash of a record, noted elsewhere, that must be there")
    docs = commands.add_parser("docs", help=f"write {DOCUMENT}")
    docs.add_argument("--out", type=Path, default=DOCUMENT, metavar="FILE")
    schema = commands.add_parser("schema", help=f"write {SCHEMA}, {SCENARIO_DOCUMENT}, {SETTINGS_DOCUMENT}")
    schema.add_argument("--out", type=Path, default=SCHEMA, metavar="FILE")
    schema.add_argument("--document", type=Path, default=SCENARIO_DOCUMENT, metavar="FILE")
    schema.add_argument("--config-document", type=Path, default=SETTINGS_DOCUMENT, metavar="FILE")
    return parser


def _other_commands() -> str:
    lines = ["more commands, each with a --help of its own:"]
    lines += [f"  python -m trace_audit.{name:26s} {text}" for name, text in FOR_PEOPLE.items()]
    lines += ["", "run by the workflow's rules:"]
    lines += [f"  python -m trace_audit.{name:26s} {text}" for name, text in FOR_RULES.items()]
    lines += ["", *EXIT_CODES]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run one command."""
    if argv and argv[0] in {**FOR_PEOPLE, **FOR_RULES}:
        return _run_module(f"trace_audit.{argv[0]}", argv[1:])
    options = _parser().parse_args(argv)
    if options.command == "explain":
        return _explain(options.key)
    if options.command == "verify":
        return _verify(options)
    if options.command == "rerun":
        from trace_audit.trail.rerun import rerun, write_script

        trust = {"allowed_signers": options.allowed_signers, "anchor": options.anchor}
        if options.script:
            return write_script(options.results, options.number, options.script, **trust)
        return rerun(
            options.results,
            options.number,
            options.out,
            consent=options.run_recorded_program,
            **trust,
        )
    if options.command == "docs":
        from trace_audit.trace.document import trace_document

        write_atomic(options.out, trace_document())
    else:
        from trace_audit.config.scenario import schema_text
        from trace_audit.config.scenario_document import scenario_document
        from trace_audit.config.settings_document import settings_document

        write_atomic(options.out, schema_text())
        write_atomic(options.document, scenario_document())
        write_atomic(options.config_document, settings_document())
    return 0


def start() -> int:
    """Run the command line of this process; returns the exit code."""
    return run_command(main)


def _run_module(name: str, argv: list[str]) -> int:
    """Exit status of `python -m name argv...`, run in this process."""
    sys.argv = [name, *argv]
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        return end.code or 0
    return 0


def _explain(key: str | None) -> int:
    from trace_audit.trace.keys import explain, registry

    if key is not None:
        print(explain(key), end="")
        return 0
    for row in registry().values():
        print(f"{row.name:24s} {row.unit:14s} {row.meaning}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from trace_audit.trail.verify import changed_inputs, sealed_otherwise, verify

    results = options.results
    faults = verify(results, allowed_signers=options.allowed_signers, anchor=options.anchor)
    for fault in faults:
        print(fault)
    inputs = changed_inputs(results)
    if inputs:
        print(f"\nInputs outside {results} that changed since they were used (no fault of the record):")
        for line in inputs:
            print(f"  {line}")
        print()
    if others := sealed_otherwise(results):
        print("\nSealed with other bytes than an attempt recorded: a run was cut off, or somebody changed files:")
        for line in others:
            print(f"  {line}")
        print()
    if faults:
        print(f"verify: {len(faults)} faults in {results}")
        return 1
    print(f"verify: {results} is as recorded")
    return 0


if __name__ == "__main__":
    raise SystemExit(start())

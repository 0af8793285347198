"""Results folders to damage, and the output that is allowed when a command reads a damaged one."""

import contextlib
import io
import time
from collections.abc import Callable
from pathlib import Path

from tests.audit.test_ledger import bad_record, make_audit, record_attempt
from trace_audit.core.errors import run_command
from trace_audit.trail.ledger import main as ledger

REPOSITORY = Path(__file__).resolve().parents[2]
SLOWEST_S = 20.0
PORT_DATA = REPOSITORY / "tests/port/data"
GOOD, NAMED, REFUSED = 0, 1, 2


def base_results(folder: Path) -> Path:
    """Two audits and one that failed, recorded and sealed, with pictures and a whole image for the page."""
    from tests.report.conftest import write_other_results, write_overview, write_patch

    results = folder / "results"
    audits = [make_audit(results), make_audit(results, dtype="float32"), bad_record(results, "wrong")]
    for audit in audits:
        write_patch(audit)
        record_attempt(results, audit)
    write_overview(results, "tiny")
    write_other_results(results)
    run_command(ledger, ["seal", "--results", str(results), "--receipt", str(results / "audit/receipts/seal.json")])
    return results


def base_folder(folder: Path) -> Path:
    """`base_results` without output on the terminal."""
    with contextlib.redirect_stdout(io.StringIO()):
        return base_results(folder)


def outcome(command: Callable[[list[str]], int], arguments: list[object], allowed: tuple[int, ...]) -> int:
    """Exit status of a command; raises AssertionError if its output is not fit for a user."""
    out, error = io.StringIO(), io.StringIO()
    started, worked = time.monotonic(), time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        status = run_command(command, [str(argument) for argument in arguments], catch_faults=False)
    seconds, worked = time.monotonic() - started, time.process_time() - worked
    said = error.getvalue()
    assert status in allowed, f"exit status {status}, expected one of {allowed}: {said or out.getvalue()[-500:]}"
    # on a busy machine a command waits for a processor; one that waits for something else works little, and long
    assert worked < SLOWEST_S and seconds < 10 * SLOWEST_S, f"{worked:.1f} s of work in {seconds:.1f} s"
    strange = [char for char in out.getvalue() + said if not (char.isprintable() or char == "\n")]
    assert not strange, f"control character {strange[0]!r} on the terminal"
    if status == REFUSED:
        lines = said.splitlines()
        assert lines and all(line.startswith("  ") for line in lines[1:]), f"no one line: {said!r}"
    return status


def reader(read: Callable[[Path], object], path: Path, data: bytes) -> None:
    path.write_bytes(data)

    def command(_: list[str]) -> int:
        read(path)
        return GOOD

    outcome(command, [], (GOOD, REFUSED))

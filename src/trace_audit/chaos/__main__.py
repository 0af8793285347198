"""Break runs of the workflow in many ways, run them again, and check that the same bytes result.

Works on copies of this checkout in a temporary folder. A kill is SIGKILL at a random moment, of snakemake, of the C
program, or of the torch run. The next run must complete, and every artifact without a time or machine in it must be the
same as after an undisturbed run. Any other fault must lead to the same bytes or to one clear line.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from trace_audit.chaos.checkout import artifacts, last_error, make_checkout, run
from trace_audit.chaos.kills import Tally, kills
from trace_audit.chaos.surroundings import Row, enter_own_mounts, surroundings
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import write_atomic


def table(tallies: list[Tally], rows: list[Row]) -> str:
    """The results as plain text."""
    lines = ["kill -9 at a random moment   tried  struck  same bytes after the next run  first fault"]
    for t in tallies:
        lines.append(f"{t.victim:<29}{t.tried:>5}  {t.struck:>6}  {t.same:>29}  {t.first_fault or 'none'}")
    tried, struck, same = (sum(getattr(t, name) for t in tallies) for name in ("tried", "struck", "same"))
    lines += [f"{'all':<29}{tried:>5}  {struck:>6}  {same:>29}", ""] if tallies else []
    width = max((len(condition) for condition, *_ in rows), default=0)
    lines += [f"{condition:<{width}}  {'ok   ' if good else 'FAULT'}  {outcome}" for condition, outcome, good in rows]
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    """Run everything and write the table; exit status 1 if any outcome is not the expected one."""
    parser = argparse.ArgumentParser(prog="python -m trace_audit.chaos", description=__doc__, allow_abbrev=False)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-kills", action="store_true", help="leave out the strange surroundings")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(argv)
    enter_own_mounts()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        base = Path(name).resolve()
        started = time.perf_counter()
        template = make_checkout(base / "template")

        def make(folder: Path) -> Path:
            return shutil.copytree(template, folder, symlinks=True)

        done = run(make(base / "undisturbed"))
        if done.returncode:
            raise InputError(f"chaos: the undisturbed run ended with {done.returncode}: {last_error(done)}")
        full_s = time.perf_counter() - started
        expected = artifacts(base / "undisturbed")
        print(f"an undisturbed run took {full_s:.1f} s and left {len(expected)} files to be compared", flush=True)
        rows = []
        for row in [] if options.only_kills else surroundings(make, base, expected):
            print(*row[:2], sep=": ", flush=True)
            rows.append(row)
        killed = kills(template, base, expected, options.kills, full_s, options.seed)
    text = table(killed, rows)
    write_atomic(options.out, text)
    print(text, end="")
    return 0 if all(row[-1] for row in rows) and all(tally.same == tally.tried for tally in killed) else 1


if __name__ == "__main__":
    sys.exit(run_command(main))

"""Break runs of the workflow in every way that a machine can, run them again, and see that the same bytes come out.

    python workflow/scripts/chaos.py --kills 100 --out results/report/chaos.txt

Works on a small project of its own in a temporary folder. A kill is SIGKILL at a random moment, of snakemake alone, of
the C program, or of the torch run; the run after it must complete and every artifact without a time in it must be the
same as that of an undisturbed run. Other faults must end in success or in a failure that says one clear thing.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from trace_audit.errors import InputError, run_command  # noqa: E402 - found by the line above
from trace_audit.files import ASIDE, sha256_of_file, write_atomic  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
SCENARIO = {
    "name": "small",
    "description": "A cubic crystal on a detector of 64 x 48 pixels.",
    "crystal": {"cell": {"a_A": 50.0, "b_A": 50.0, "c_A": 50.0}, "N_cells": [5, 4, 3]},
    "structure_factors": {"default_F_electrons": 100.0},
    "beam": {"wavelength_A": 1.0, "fluence_photons_per_m2": 1.0e24},
    "detector": {"pixel_mm": 0.1, "pixels_fast": 48, "pixels_slow": 64, "distance_mm": 100.0},
    "pixels": [[20, 30]],
}
VICTIMS = {"snakemake": None, "C program": "trace_audit.reference", "torch run": "trace_audit.harness"}
TIMED = ("trace_py_env.json", "capture_notes.md", "regression_test.json", "build.json")
TIMED_FOLDERS = ("audit/ledger", "audit/receipts")
TIMED_DOCUMENTS = ("attempt_history.md", "notes.md")
LIMIT_S = 300


def make_project(folder: Path) -> Path:
    """A small project to be audited."""
    (folder / "config/scenarios").mkdir(parents=True)
    config = {"scenarios": ["small"], "devices": ["cpu"], "dtypes": ["float64"]}
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    (folder / "config/scenarios/small.yaml").write_text(yaml.safe_dump(SCENARIO))
    (folder / "config/protected_assets.yaml").write_text("- config/scenarios/small.yaml\n")
    return folder


def command() -> list[str]:
    return [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "2"]


def environment(**changes: str | None) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if name not in ("NB_C_BIN", "MAKELEVEL")}
    given |= {"OMP_NUM_THREADS": "1", **{name: value for name, value in changes.items() if value is not None}}
    return {name: value for name, value in given.items() if changes.get(name, "") is not None}


def run(folder: Path, *prefix: str, **changes: str | None) -> subprocess.CompletedProcess:
    """The audit from start to end, after whatever was there before."""
    words = [*prefix, *command()]
    given = environment(**changes)
    subprocess.run([*command(), "--unlock"], cwd=folder, env=given, capture_output=True, check=False, timeout=LIMIT_S)
    return subprocess.run(
        words, cwd=folder, env=given, text=True, capture_output=True, check=False, timeout=LIMIT_S, errors="replace"
    )


def artifacts(folder: Path) -> dict[str, str]:
    """Hashes of the files below results/ that carry no time."""
    results = folder / "results"
    names = {path.relative_to(results).as_posix(): path for path in results.rglob("*") if path.is_file()}
    kept = {n: p for n, p in names.items() if p.name not in (*TIMED, *TIMED_DOCUMENTS)}
    return {name: sha256_of_file(path) for name, path in kept.items() if not name.startswith(TIMED_FOLDERS)}


def processes_of(session: int) -> dict[int, str]:
    """Command lines of the processes in a session, by process id."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if os.getsid(int(path.name)) == session:
                    found[int(path.name)] = (
                        (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    )
            except OSError:
                continue
    return found


def kill_at(folder: Path, victim: str, moment_s: float) -> str:
    """Start the audit, kill `victim` after `moment_s` (of its own life, for a program); what was killed."""
    process = subprocess.Popen(
        command(),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        pattern = VICTIMS[victim]
        if pattern is None:
            time.sleep(moment_s)
            outcome = "killed" if process.poll() is None else "had ended"
            process.kill()
        else:
            outcome = _kill_program(process, pattern, moment_s)
        process.wait(LIMIT_S)
    finally:
        for pid in processes_of(process.pid):
            _kill(pid)
    return outcome


def _kill_program(process: subprocess.Popen, pattern: str, moment_s: float) -> str:
    while process.poll() is None:
        pids = [
            pid
            for pid, line in processes_of(process.pid).items()
            if f"-m {pattern}" in line and "/bin/bash" not in line
        ]
        if pids:
            time.sleep(moment_s)
            for pid in pids:
                _kill(pid)
            return "killed"
        time.sleep(0.005)
    return "was not seen"


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def faults_after(folder: Path, expected: dict[str, str]) -> str:
    """Run again and compare; empty if it completes with the same bytes."""
    done = run(folder)
    if done.returncode:
        return f"the next run ended with {done.returncode}"
    now = artifacts(folder)
    wrong = sorted(name for name in {*expected, *now} if expected.get(name) != now.get(name))
    left = [name for name in wrong if name.endswith(ASIDE)]
    verified = subprocess.run(
        [sys.executable, "-m", "trace_audit", "verify", "results"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if verified.returncode:
        return "verify: " + verified.stdout.splitlines()[0]
    return f"left behind: {left[0]}" if left else f"other bytes: {', '.join(wrong[:3])}" if wrong else ""


def kills(
    base: Path, expected: dict[str, str], count: int, full_s: float, seed: int
) -> list[tuple[str, int, int, str]]:
    """`count` kills, shared among the victims: victim, kills that struck, runs that came out the same, first fault."""
    rng = random.Random(seed)
    rows = []
    for place, victim in enumerate(VICTIMS):
        struck, good, first = 0, 0, ""
        share = count // len(VICTIMS) + (place < count % len(VICTIMS))
        for number in range(share):
            folder = make_project(base / f"{place}-{number}")
            moment_s = rng.uniform(0, full_s if VICTIMS[victim] is None else 0.5 if victim == "C program" else 3)
            struck += kill_at(folder, victim, moment_s) == "killed"
            fault = faults_after(folder, expected)
            good += not fault
            first = first or fault
            print(f"kill {victim} after {moment_s:.2f} s: {fault or 'same bytes'}", flush=True)
            shutil.rmtree(folder)
        rows.append((f"kill -9 of the {victim}, {share} times", struck, good, first))
    return rows


def conditions(base: Path, expected: dict[str, str]) -> list[tuple[str, str]]:
    """Strange surroundings: what happened in each."""
    rows = []
    names = {
        "path with blanks and letters beyond ASCII": "a b Ångström ✓",
        "path with shell characters": "it's $(a) & b;",
    }
    for what, name in names.items():
        rows.append((what, faults_after(make_project(base / name), expected) or "same bytes"))
    done = run(make_project(base / "no home"), HOME=None)
    rows.append(("HOME unset", "same bytes" if artifacts(base / "no home") == expected else last_line(done)))
    folder = make_project(base / "git")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    (folder / "config/scenarios/small.yaml").open("a").write("# dirty\n")
    done = run(folder)
    rows.append(("dirty git tree", f"exit status {done.returncode}"))
    pair = [make_project(base / name) for name in ("one", "two")]
    both = [subprocess.Popen(command(), cwd=f, env=environment(), stdout=-3, stderr=-3) for f in pair]
    statuses = [process.wait(LIMIT_S) for process in both]
    same = all(artifacts(folder) == expected for folder in pair)
    rows.append(("two checkouts at once", "same bytes" if same else f"exit statuses {statuses}"))
    folder = make_project(base / "full")
    done = run(folder, "bash", "-c", 'ulimit -f 8; trap "" XFSZ; exec "$@"', "-")
    rows.append(("disk full (files limited to 8 blocks)", f"exit status {done.returncode}: {last_line(done)}"))
    rows.append(("... and the run after it", faults_after(folder, expected) or "same bytes"))
    return rows


def last_line(done: subprocess.CompletedProcess) -> str:
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line] or ["nothing said"]
    return lines[-1].strip()[:150]


def main(argv: list[str]) -> int:
    """Run everything, write the table; exit status 1 if a killed run did not come out the same."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        base = Path(name)
        started = time.perf_counter()
        done = run(make_project(base / "undisturbed"))
        if done.returncode:
            raise InputError(f"chaos: the undisturbed run ended with {done.returncode}: {last_line(done)}")
        full_s = time.perf_counter() - started
        expected = artifacts(base / "undisturbed")
        killed = kills(base, expected, options.kills, full_s, options.seed)
        strange = conditions(base, expected)
    lines = [
        f"{what}: {struck} struck, {good} came out the same{'; ' + first if first else ''}\n"
        for what, struck, good, first in killed
    ]
    lines += [f"{what}: {outcome}\n" for what, outcome in strange]
    write_atomic(options.out, "".join(lines))
    print("".join(lines), end="")
    return 1 if any(first for *_, first in killed) else 0


if __name__ == "__main__":
    sys.exit(run_command(main))

"""Unusual surroundings: full and read-only disks, odd paths, no git, two checkouts at once, no HOME."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from trace_audit.chaos.checkout import (
    LIMIT_S,
    command,
    difference,
    environment,
    fault_of,
    last_error,
    run,
)

Row = tuple[str, str, bool]  # condition, outcome, whether the outcome is the expected one
_OWN_MOUNTS = "CHAOS_HAS_ITS_OWN_MOUNTS"
_FULL_AT = (0.1, 0.3, 0.5, 0.7, 0.9, 0.98)  # shares of the bytes that an undisturbed run writes
_ROOM = "size=1g"
SAME = "same bytes"


def enter_own_mounts() -> None:
    """Restart this program with a private mount namespace, if the machine permits that."""
    if _OWN_MOUNTS in os.environ or shutil.which("unshare") is None:
        return
    for rights in ([], ["--map-root-user"]):
        argv = ["unshare", "--mount", *rights]
        probe = [*argv, "mount", "-t", "tmpfs", "-o", "size=64k", "chaos", "/mnt"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            os.environ[_OWN_MOUNTS] = "yes"
            sys.stdout.flush()
            os.execvp("unshare", [*argv, *sys.orig_argv])


def surroundings(make: Callable[[Path], Path], base: Path, expected: dict[str, str]) -> Iterator[Row]:
    """One row for each condition, in checkouts made by `make` below `base`."""
    for condition, name in (
        ("path with blanks and letters beyond ASCII", "a b Ångström ✓"),
        ("path with shell characters", "it's $(touch pwned) & b;"),
    ):
        yield _completes(condition, fault_of(make(base / name), expected))
    yield _without_home(make(base / "no home"), expected)
    yield _completes("no git", fault_of(make(base / "no git"), expected))
    yield _dirty_tree(make(base / "git"), expected)
    yield _two_at_once([make(base / "one"), make(base / "two")], expected)
    if _OWN_MOUNTS in os.environ:
        for part in _FULL_AT:
            yield from _full_disk(make(base / f"full at {part}"), "results", part, expected)
        yield from _full_disk(make(base / "all full"), ".", 0.5, expected)
        yield from _read_only(make(base / "read-only"), expected)
    else:
        yield from _limited_files(make(base / "limited"), expected)
        yield "read-only results/, full tmpfs", "not tried: no right to mount a file system here", True


def _completes(condition: str, fault: str) -> Row:
    return condition, fault or SAME, not fault


def _refuses(condition: str, done: subprocess.CompletedProcess[str]) -> Row:
    """A run that cannot complete must report it: a failing exit status and a line that names the reason."""
    return condition, f"exit status {done.returncode}: {last_error(done)}", _is_clear(done)


def _is_clear(done: subprocess.CompletedProcess[str]) -> bool:
    reasons = ("no space left on device", "read-only file system", "file too large")
    return done.returncode != 0 and any(reason in last_error(done).lower() for reason in reasons)


def _without_home(folder: Path, expected: dict[str, str]) -> Row:
    done = run(folder, HOME=None)
    fault = f"exit status {done.returncode}: {last_error(done)}" if done.returncode else difference(folder, expected)
    return _completes("HOME unset", fault)


def _dirty_tree(folder: Path, expected: dict[str, str]) -> Row:
    for argv in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first"]):
        subprocess.run(["git", *argv], cwd=folder, check=True, capture_output=True)
    with (folder / "Snakefile").open("a") as stream:
        stream.write("# an edit that is not committed\n")
    fault = fault_of(folder, expected)
    recorded = (folder / "results/small/S20_F30/cpu_float64/trace_py_env.json").read_text()
    return _completes("dirty git tree", fault or ("" if " M Snakefile" in recorded else "the edit is not on record"))


def _two_at_once(folders: list[Path], expected: dict[str, str]) -> Row:
    both = [
        subprocess.Popen(command(), cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for folder in folders
    ]
    statuses = [process.wait(LIMIT_S) for process in both]
    faults = [difference(folder, expected) for folder in folders]
    return _completes("two checkouts at once", "" if statuses == [0, 0] and not any(faults) else f"{statuses} {faults}")


def _full_disk(folder: Path, disk: str, part: float, expected: dict[str, str]) -> Iterator[Row]:
    """A run with `place` on a disk with that share of the space it needs, then one with enough space."""
    condition = f"results/ on a disk that fills up at {part:.0%}" if disk == "results" else "checkout on a full disk"
    away = folder.with_name(f"{folder.name} away")
    if disk == ".":
        folder.rename(away)
    (folder / disk).mkdir(parents=True, exist_ok=True)
    needed_bytes = _used_bytes(folder.parent / "undisturbed" / disk)
    held_bytes = _used_bytes(away) if disk == "." else 0
    limit = f"size={int(held_bytes + part * (needed_bytes - held_bytes))}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", limit, "chaos", str(folder / disk)], check=True)
    try:
        if disk == ".":
            shutil.copytree(away, folder, symlinks=True, dirs_exist_ok=True)
        yield _refuses(condition, run(folder))
        subprocess.run(["mount", "-o", f"remount,{_ROOM}", str(folder / disk)], check=True)
        yield _completes("... and the run after it", fault_of(folder, expected))
    finally:
        subprocess.run(["umount", str(folder / disk)], check=True)


def _used_bytes(folder: Path) -> int:
    """Space that files take on a tmpfs, in whole pages."""
    return sum(4096 * -(-path.lstat().st_size // 4096) for path in folder.rglob("*") if path.is_file())


def _read_only(folder: Path, expected: dict[str, str]) -> Iterator[Row]:
    results = folder / "results"
    results.mkdir()
    subprocess.run(["mount", "--bind", str(results), str(results)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(results)], check=True)
    try:
        yield _refuses("results/ read-only", run(folder))
    finally:
        subprocess.run(["umount", str(results)], check=True)
    yield _completes("... and the run after it", fault_of(folder, expected))


def _limited_files(folder: Path, expected: dict[str, str]) -> Iterator[Row]:
    done = run(folder, "bash", "-c", 'ulimit -f 8; trap "" XFSZ; exec "$@"', "-")
    yield _refuses("files limited to 8 blocks, in place of a full disk", done)
    yield _completes("... and the run after it", fault_of(folder, expected))

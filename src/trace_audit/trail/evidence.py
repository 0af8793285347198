"""Evidence of a failed audit: the output of both programs, and the working tree against its commit.

It is beside the comparison as long as the audit fails. Once the audit passes, it moves to `audit/blockers/NUMBER/`,
where NUMBER is the record of the blocker, so that no file beside a comparison belongs to another run.
"""

from pathlib import Path

from trace_audit.core.files import flush_folder, printable, write_atomic
from trace_audit.programs.environment import git_diff
from trace_audit.trail.hash_chain import Entry

LOG, PATCH = "attempt_failed.log", "diff_on_blocker.patch"
SHELF = Path("audit/blockers")
OF_TRACES = ("c_trace_stdout.txt", "c_trace_stderr.txt", "trace_py_stdout.txt", "trace_py_stderr.txt")
OF_PAIRS = tuple(f"{side}/std{name}.txt" for side in ("reference", "candidate") for name in ("out", "err"))
OF_IMAGES = ("c_image_stdout.txt", "c_image_stderr.txt", "py_image_stdout.txt", "py_image_stderr.txt")


def outputs_of(comparison: str) -> tuple[str, ...]:
    """Names of the files with the output of both programs, by the name of the comparison."""
    return {"image_parity.json": OF_IMAGES, "port_audit.json": OF_PAIRS}.get(comparison, OF_TRACES)


def failure_log(folders: list[Path], names: tuple[str, ...]) -> bytes:
    """Standard output and error of both programs, each under its name, with nothing in them that a terminal obeys."""
    parts = []
    for name in names:
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        text = path.read_bytes().decode(errors="backslashreplace") if path else "(not there)\n"
        shown = "".join(f"{printable(line)}\n" for line in text.split("\n"))
        parts.append(f"==== {name} ====\n{shown}".encode())
    return b"\n".join(parts)


def keep(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Write log and patch into `folder`; output is looked for there, in the folder `c` beside it, and above."""
    write_atomic(folder / LOG, failure_log([folder, folder.parent / "c", folder.parent], names))
    write_atomic(folder / PATCH, git_diff(Path.cwd()))
    return [folder / LOG, folder / PATCH]


def shelve(folder: Path, results: Path, entries: list[Entry]) -> None:
    """Move the evidence of an earlier failure in `folder` to the shelf, under the last record that names it."""
    for path in (folder / LOG, folder / PATCH):
        if not path.is_file():
            continue
        name = path.resolve().relative_to(results.resolve()).as_posix()
        numbers = [
            int(entry.path.stem)
            for entry in entries
            if entry.record and name in (entry.record.get("artifacts") or {}) and entry.record["kind"] != "seal"
        ]
        target = results / SHELF / f"{max(numbers, default=0):06d}"
        target.mkdir(parents=True, exist_ok=True)
        path.replace(target / path.name)
        flush_folder(target)

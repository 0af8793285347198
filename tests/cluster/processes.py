"""The processes of a job, known by their environment."""

import contextlib
import os
from pathlib import Path


def processes_with(*marks: str) -> set[int]:
    """This user's processes whose environment holds every `NAME=value`, and their descendants, zombies aside."""
    found, parents = set(), {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state == "Z" or folder.stat().st_uid != os.geteuid():
                continue
            pid = int(folder.name)
            parents[pid] = int(parent)
            if set(marks) <= set((folder / "environ").read_text(errors="replace").split("\0")):
                found.add(pid)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found

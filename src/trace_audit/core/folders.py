"""What lies below a folder, whoever made it: links are not followed, and no depth or size makes a reader wait."""

import os
import stat
from pathlib import Path

DEEPEST = 100
_LARGE_BYTES = 1 << 30
_HOLES = 1000


def below(folder: Path) -> tuple[dict[str, os.stat_result], list[str]]:
    """Status of every file, link and pipe by its name relative to `folder`; a line for each folder not looked into."""
    found: dict[str, os.stat_result] = {}
    unread: list[str] = []
    waiting = [("", 0)]
    while waiting:
        name, depth = waiting.pop()
        try:
            with os.scandir(folder / name) as entries:
                listed = [(f"{name}/{entry.name}".lstrip("/"), entry.stat(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            unread.append(f"{name or '.'}: cannot be read ({error.strerror})")
            continue
        for path, status in listed:
            if not stat.S_ISDIR(status.st_mode):
                found[path] = status
            elif depth + 1 < DEEPEST:
                waiting.append((path, depth + 1))
            else:
                unread.append(f"{path}: is nested deeper than {DEEPEST} folders, what is in it was not read")
    return dict(sorted(found.items())), sorted(unread)


def mostly_holes(status: os.stat_result) -> bool:
    """Whether a large file has next to nothing of its length on the disk, so that reading it never ends."""
    return status.st_size > _LARGE_BYTES and status.st_blocks * 512 * _HOLES < status.st_size

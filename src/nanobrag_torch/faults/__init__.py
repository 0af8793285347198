"""The last resort of every command: a programming error becomes one line and a file, lack of memory one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from nanobrag_torch.faults.interrupts import INTERRUPTED, as_exception, end_at_once

OUR_FAULT = 3
LOGS = Path("logs")
_OF_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "std::bad_alloc",
    "can't start new thread",
    "failed to map segment",
)


def drop_output() -> None:
    """Discard output that Python would otherwise write to a closed pipe at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_memory(error: BaseException) -> bool:
    """Whether an exception of any library says that there is too little memory."""
    return isinstance(error, MemoryError) or any(phrase in str(error).lower() for phrase in _OF_MEMORY)


def keep(error: BaseException) -> str:
    """Write the traceback of an exception to a file below logs/; returns the line for the user."""
    import time
    import traceback

    name = f"fault-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    text = "".join(traceback.format_exception(error)).encode(errors="backslashreplace")
    return f"{_description(error)}; a fault of ours, please report it with {_written(name, text)}"


def _description(error: BaseException) -> str:
    """Kind of an exception and the place of the code where it arose."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    location = f" at {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    return type(error).__name__ + location


def _written(name: str, text: bytes) -> str:
    """The file's name as text for the message; an existing file is never overwritten."""
    import tempfile

    for folder in (LOGS, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(exist_ok=True)
            with (folder / name).open("xb") as file:
                file.write(text)
        except OSError:
            continue
        return str(folder / name)
    return "its traceback, which could not be written anywhere"


def guarded(program: str, command: Callable[[], int]) -> int:
    """Run a command that reports user mistakes itself; returns its exit status, or 3 after an unforeseen exception."""
    began = False
    try:
        began = as_exception()
        return command()
    except KeyboardInterrupt:
        message, status = "interrupted; nothing more is written", INTERRUPTED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message, status = where + (error.strerror or str(error)), 2
    except Exception as error:
        if is_memory(error):
            message, status = "not enough memory, expected a smaller experiment or a machine with more", 2
        else:
            message, status = keep(error), OUR_FAULT
    finally:
        if began:
            end_at_once(program)
    kind = "fault" if status == OUR_FAULT else "error"
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
    print(f"{program}: {kind}: {shown}", file=sys.stderr)
    return status

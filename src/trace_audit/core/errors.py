"""One kind of error for everything a user can get wrong, shown as one line; a fault of ours is one line too."""

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from nanobrag_torch.errors import ExperimentError

USER_MISTAKE, OUR_FAULT = 2, 3
LOGS = Path("logs")


class InputError(Exception):
    """What was read, where, what was expected and what to do next, in one line, or a line for each mistake."""


def run_command(
    command: Callable[[list[str]], int], argv: list[str] | None = None, *, catch_faults: bool = True
) -> int:
    """Exit status of `command(argv)`: its own, or 2 after one line on stderr for a mistake of the user's.

    Any other exception is a fault of ours: its traceback goes to a file below logs/, one line names that, and the
    status is 3; without `catch_faults` it is raised.
    """
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return command(arguments)
    except (InputError, ExperimentError) as error:
        message = str(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{error.strerror or error}"
    except MemoryError:
        message = "out of memory; use a machine with more, or a smaller input"
    except Exception as error:
        if not catch_faults:
            raise
        _say("fault", f"{_what(error)}; a fault of ours, please report it with {_keep_traceback()}")
        return OUR_FAULT
    _say("error", message)
    return USER_MISTAKE


def _say(kind: str, message: str) -> None:
    lines = [" ".join(line.split()) for line in message.split("\n") if line.strip()]
    shown = ["".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line) for line in lines]
    print(f"trace_audit: {kind}: " + "\n  ".join(shown or [""]), file=sys.stderr)


def _what(error: Exception) -> str:
    """Kind of an exception and the place of our code where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    return type(error).__name__ + place


def _keep_traceback() -> str:
    """Write the traceback of the exception that is handled; says where it is."""
    name = f"fault-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    text = traceback.format_exc().encode(errors="backslashreplace")
    for folder in (LOGS, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(exist_ok=True)
            with (folder / name).open("xb") as file:
                file.write(text)
        except OSError:
            continue
        return str(folder / name)
    return "its traceback, which could not be written anywhere"

"""One kind of error for everything a user can get wrong, shown as one line."""

import sys
from collections.abc import Callable


class InputError(Exception):
    """What was read, where, what was expected and what to do next, in one line, or a line for each mistake."""


def run_command(command: Callable[[list[str]], int], argv: list[str] | None = None) -> int:
    """Exit status of `command(argv)`: its own, or 2 after one line on stderr for an `InputError` or `OSError`."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return command(arguments)
    except InputError as error:
        message = str(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{error.strerror or error}"
    lines = [" ".join(line.split()) for line in message.split("\n") if line.strip()]
    print("trace_audit: error: " + "\n  ".join(lines or [""]), file=sys.stderr)
    return 2

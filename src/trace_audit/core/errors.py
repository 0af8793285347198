"""One error type for everything a user can get wrong, shown as one line; a bug of this program is one line too."""

import sys
from collections.abc import Callable

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.faults import OUR_FAULT, drop_output, is_memory, keep
from nanobrag_torch.faults.interrupts import INTERRUPTED, as_exception, end_at_once
from trace_audit.core.escapes import output_plain

USER_MISTAKE = 2
READER_GONE = 128 + 13  # 13: SIGPIPE


class InputError(Exception):
    """What was read, where, what was expected and what to do next: one line, or one for each mistake."""


def run_command(
    command: Callable[[list[str]], int], argv: list[str] | None = None, *, catch_faults: bool = True
) -> int:
    """Exit status of `command(argv)`: its own, or 2 after one line on stderr for a user's mistake.

    If the reader of the output has closed it, as `| head` does, nothing more is printed and the status is 141, as for a
    program that SIGPIPE ended; 130 after Ctrl-C. Any other exception is a bug: its traceback goes to a file below
    logs/, one line names the file, and the status is 3; without `catch_faults` it is raised.
    """
    arguments = sys.argv[1:] if argv is None else argv
    began = False
    try:
        began = as_exception()
        with output_plain():
            status = command(arguments)
        if sys.stdout is not None:  # it is None where standard output is closed from the start
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        drop_output()
        return READER_GONE
    except KeyboardInterrupt:
        print("trace_audit: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (InputError, ExperimentError) as error:
        message = str(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{error.strerror or error}"
    except Exception as error:
        if not is_memory(error):
            if not catch_faults:
                raise
            _say("fault", keep(error))
            return OUR_FAULT
        message = "out of memory; use a machine with more, or a smaller input"
    finally:
        if began:
            end_at_once("trace_audit")
    _say("error", message)
    return USER_MISTAKE


def _say(kind: str, message: str) -> None:
    lines = [" ".join(line.split()) for line in message.split("\n") if line.strip()]
    shown = ["".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line) for line in lines]
    print(f"trace_audit: {kind}: " + "\n  ".join(shown or [""]), file=sys.stderr)

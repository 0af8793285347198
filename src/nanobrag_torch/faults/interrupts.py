# ruff: noqa: PTH100, PTH119 - pathlib takes longer to import than all of this
"""Ctrl-C at any moment of a command is one line and status 130, where Python alone would show a traceback.

Python raises KeyboardInterrupt wherever a program is, amid its imports too. Before a command begins nothing is half
done, and after it nothing is left to do: there the process ends at once. During the command the exception is raised as
in any program. A program of somebody else's that imports these packages keeps Python's ways.
"""

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
_INSTALLED = ("nanobrag-torch", "nanobrag-audit")
_CHECKOUT = os.path.abspath(f"{__file__}/../../../..")
_SCRIPTS = tuple(f"{_CHECKOUT}/{folder}/" for folder in ("docs", "workflow"))
_LATER_S = 0.002
_program = ""


def at_start(program: str) -> None:
    """The first thing that a package does: from here on Ctrl-C ends its command.

    While `python -m` imports the package of a module the command line begins with "-m".
    """
    name = sys.argv[0] if sys.argv else ""
    if name == "-m" or os.path.basename(name) in _INSTALLED or os.path.abspath(name).startswith(_SCRIPTS):
        end_at_once(program)


def end_at_once(program: str) -> None:
    """From here on Ctrl-C ends the process, unless its caller has it ignored or handles it."""
    global _program
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _end):
        _program = program
        signal.signal(signal.SIGINT, _end)


def as_exception() -> bool:
    """From here on Ctrl-C raises KeyboardInterrupt; whether it has ended the process so far."""
    if signal.getsignal(signal.SIGINT) is not _end:
        return False
    sys.unraisablehook = _say_again
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return True


def _end(number: int, _: FrameType | None) -> None:
    os.write(2, f"{_program}: interrupted\n".encode())
    os._exit(128 + number)


def _say_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Raise an interrupt that came where Python drops exceptions, in a finalizer say, a moment later."""
    if unraisable.exc_type is KeyboardInterrupt:
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, _LATER_S)
    else:
        sys.__unraisablehook__(unraisable)

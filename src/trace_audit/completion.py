"""`python -m trace_audit.completion bash|zsh`: prints the completion of the command lines, for the shell to read.

In ~/.bashrc: `source <(nanobrag-audit completion bash)`; in ~/.zshrc, after compinit: the same with zsh. It completes
nanobragg and nanobrag-torch (flags, files, the values of a flag) and nanobrag-audit (commands, their options, keys of
`explain`). A shell starts faster from a file: save the output in one.
"""

import contextlib
import io
import re
import runpy
import sys
import warnings

from nanobragg_tables.completion import Command, bash, zsh
from trace_audit.core.commands import FOR_PEOPLE, command_parser
from trace_audit.core.errors import run_command
from trace_audit.trace.keys import registry

# Commands that `python -m trace_audit` has itself.
OWN = {
    "explain": "meaning, unit, formula, parents and children of a trace key",
    "verify": "recompute every hash of a results folder and its ledger",
    "rerun": "repeat a recorded audit in a fresh folder and compare what comes out",
}


def options_of(command: str) -> tuple[str, ...]:
    """The options that the help of a command lists."""
    text, before = io.StringIO(), sys.argv
    sys.argv = ["trace_audit", command, "--help"]
    try:
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # runpy: it is the module that runs now
            runpy.run_module("trace_audit", run_name="__main__", alter_sys=True)
    finally:
        sys.argv = before
    return tuple(sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]*\b", text.getvalue())) - {"--help"}))


def commands() -> dict[str, Command]:
    """The commands for users, by name."""
    completed = {}
    for name, meaning in {**OWN, **FOR_PEOPLE}.items():
        values = tuple(registry()) if name == "explain" else ("bash", "zsh") if name == "completion" else ()
        completed[name] = Command(meaning, () if name == "completion" else options_of(name), values)
    return completed


def main(argv: list[str]) -> int:
    """Print the functions of one shell."""
    parser = command_parser("python -m trace_audit.completion", __doc__)
    parser.add_argument("shell", choices=["bash", "zsh"])
    shell = parser.parse_args(argv).shell
    print((bash if shell == "bash" else zsh)(commands()), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

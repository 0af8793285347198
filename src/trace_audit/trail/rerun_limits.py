"""Limits for a record from somebody else: it may only make `rerun` read files below its own folder.

Flags that write a file are left out, files that are read must be recorded inputs, and the reference is built from our
own sources where these are the recorded ones. A program that came with the results runs only after a yes.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nanobrag_torch.cli.tokens import Occurrence, UsageError, split
from trace_audit.core.documents import Build, read_document
from trace_audit.core.errors import InputError
from trace_audit.core.files import copy_checked, printable, sha256_of_file
from trace_audit.core.shipped import CHECKOUT
from trace_audit.programs import build

CONSENT = "--run-recorded-program"
OUR_SOURCE = CHECKOUT / "src" / "nanobragg_c"
_COMPILER = re.compile(r"(gcc|clang|cc|icx)(-[0-9]{1,3})?", re.ASCII)
_WRITES = ("-stolout",)  # beside the group Output
_COMMAND_LINES = ("-config",)


def confined_flags(
    flags: Sequence[str], find: Callable[[str], Path], *, reads_dump: bool
) -> tuple[list[str], list[str]]:
    """Extra flags that may be run again, files found by `find`; and the words that were left out.

    `reads_dump`: whether -dumpfile is an input, as it is without -hkl. Raises InputError for a flag that nobody knows,
    and for one that takes a command line from a file.
    """
    try:
        occurrences = split(list(flags))
    except UsageError as error:
        raise InputError(f"extra_flags of the record: {error}") from error
    kept: list[str] = []
    dropped: list[str] = []
    position = 0
    for occurrence in occurrences:
        own = list(flags[position : position + 1 + len(occurrence.values)])
        position += len(own)
        if _is_written(occurrence, reads_dump):
            dropped += own
        elif occurrence.name in _COMMAND_LINES:
            raise InputError(f"extra_flags of the record: {occurrence.spelling} takes flags from a file, not run again")
        elif occurrence.flag.args and occurrence.flag.args[0].type == "file":
            kept += [own[0], str(find(own[1]))]
        else:
            kept += own
    return kept, dropped


def _is_written(occurrence: Occurrence, reads_dump: bool) -> bool:
    takes_file = bool(occurrence.flag.args) and occurrence.flag.args[0].type == "file"
    if occurrence.name == "-dumpfile":
        return not reads_dump
    return takes_file and (occurrence.flag.group == "Output" or occurrence.name in _WRITES)


def reference_for(
    recorded: Path, sha256: str, build_record: Path | None, folder: Path, consent: bool
) -> tuple[Path, str]:
    """The reference to run, in `folder`, and how it came there: built from our sources, or a copy of the recorded one.

    Raises InputError where only the recorded program would do and nobody said yes to it.
    """
    target = folder / "nanobragg"
    if build_record is not None:
        about = read_document(build_record, "record of the reference's build", Build)
        if about["kind"] == "built" and OUR_SOURCE.is_dir() and about.get("sources") == build.hashes(OUR_SOURCE):
            build.make(OUR_SOURCE, _compiler(about), 2, target, folder / "build.json")
            same = sha256_of_file(target) == sha256
            outcome = "the recorded bytes" if same else "other bytes than recorded, by another compiler or its flags"
            return target, f"built from {OUR_SOURCE.name}, whose sources are the recorded ones: {outcome}"
    if not consent and not _says_yes(recorded, sha256):
        raise InputError(
            f"rerun: {printable(str(recorded))} came with the results and cannot be built here from the recorded "
            f"sources; nothing was run; give {CONSENT} if you trust who made it"
        )
    copy_checked(recorded, sha256, target, 0o555)
    return target, "the recorded program, which came with the results"


def recorded_compiler(build_record: Path | None) -> str:
    """The compiler that built a recorded reference, if it is one of those that we call; else gcc."""
    return _compiler(read_document(build_record, "record of the reference's build", Build)) if build_record else "gcc"


def _compiler(about: dict[str, Any]) -> str:
    name: str = (about.get("compiler") or {}).get("command", "")
    return name if _COMPILER.fullmatch(name) else "gcc"


def _says_yes(recorded: Path, sha256: str) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(
        f"The reference {printable(str(recorded))} (SHA-256 {sha256}) came with the results.\n"
        "It runs with your rights. Run it? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")

"""Texts made from the tables: help, version, list of defects."""

from __future__ import annotations

import textwrap

from nanobrag_torch.cli.tokens import PROGRAM, spellings
from nanobragg_tables import Flag, defects, flags

_WIDTH = 100
_INDENT = 32

USAGE = "usage: python -m nanobrag_torch FLAG [VALUE...] ..."
INTRO = "Simulates the absolute diffraction image of a small crystal. The least that makes an image:"
EXAMPLE = "  python -m nanobrag_torch -cell 50 60 70 90 90 90 -default_F 100 -N 5 -distance 100 -lambda 1"
EXIT_CODES = (
    "Exit codes: 0 done; 2 the command line or an input file was refused, or the run was stopped (one line on\n"
    "stderr says why)."
)


def early_answer(argv: list[str]) -> str | None:
    """The text for --help, --version or -defects list; None if none of them is asked for."""
    asked = {spellings()[word].name for word in argv if word in spellings()}
    if "--help" in asked:
        return help_text()
    if "--version" in asked:
        return version_text()
    if ("-defects", "list") in zip(argv, argv[1:], strict=False):
        return defect_text()
    return None


def help_text() -> str:
    """Every flag of this program, by group, from the table."""
    lines = [USAGE, "", INTRO, EXAMPLE]
    mine = [flag for flag in flags() if PROGRAM in flag.programs]
    for group in dict.fromkeys(flag.group for flag in mine):
        lines += ["", f"{group}:"]
        for flag in mine:
            if flag.group == group:
                lines += _flag_lines(flag)
    return "\n".join([*lines, "", EXIT_CODES])


def _flag_lines(flag: Flag) -> list[str]:
    facts = [flag.unit and f"in {flag.unit}", flag.default and f"default {flag.default}", flag.effect]
    if flag.aliases:
        facts.append(f"also {' '.join(flag.aliases)}")
    about = "; ".join(fact for fact in facts if fact)
    text = f"{flag.meaning} ({about})" if about else flag.meaning
    wrapped = textwrap.wrap(text, _WIDTH - _INDENT, break_on_hyphens=False)
    first = f"  {flag.usage}"
    if len(first) < _INDENT:
        head, rest = [first.ljust(_INDENT) + wrapped[0]], wrapped[1:]
    else:
        head, rest = [first], wrapped
    return head + [" " * _INDENT + line for line in rest]


def version_text() -> str:
    from nanobrag_torch._version import __version__

    return f"nanobrag_torch {__version__}"


def defect_text() -> str:
    """The registry of defects: name, number, whether on by default, meaning."""
    rows = []
    for defect in defects():
        state = "on" if defect.default_on else "off"
        only = "" if defect.torch else " (not in this program)"
        rows.append(f"{defect.name:<28}{defect.number:<6}{state:<4}{defect.meaning}{only}")
    return "\n".join([f"{'name':<28}{'id':<6}{'def':<4}meaning", *rows])

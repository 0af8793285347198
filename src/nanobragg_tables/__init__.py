"""The flags and the historic defects of both programs, as data.

`flags.json` holds every command-line flag in the order of the help text, `defects.json` every historic defect
that can be switched, `defect_examples.json` a command line for each that shows it. The parsers, the help texts, the C
header and the documentation are all made from them.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PRESETS = ("default", "historic", "none")


@dataclass(frozen=True)
class Range:
    """Limits of a number; `infinite` also accepts the word `inf`."""

    min: float | None = None
    max: float | None = None
    exclusive_min: float | None = None
    exclusive_max: float | None = None
    infinite: bool = False

    def contains(self, value: float) -> bool:
        return (
            (self.min is None or value >= self.min)
            and (self.max is None or value <= self.max)
            and (self.exclusive_min is None or value > self.exclusive_min)
            and (self.exclusive_max is None or value < self.exclusive_max)
        )

    def describe(self) -> str:
        """The limits in words: `0 or more, below 180`."""
        parts = [
            (self.min, f"{self.min} or more"),
            (self.exclusive_min, f"above {self.exclusive_min}"),
            (self.max, f"at most {self.max}"),
            (self.exclusive_max, f"below {self.exclusive_max}"),
            (self.infinite or None, "or inf"),
        ]
        return ", ".join(text for limit, text in parts if limit is not None)


@dataclass(frozen=True)
class Arg:
    """One value behind a flag. `word` is the text that may stand for all values of the flag."""

    name: str
    type: str  # float, int, file or word
    optional: bool = False
    range: Range | None = None
    choices: tuple[str, ...] = ()
    word: str | None = None


@dataclass(frozen=True)
class Setting:
    """A parameter that a flag sets: to its own value, or to `constant` where there is one."""

    name: str  # `section.field`, of `nanobrag_torch.parameters` or of the C struct `options`; may end with [index]
    constant: bool | str | None = None


@dataclass(frozen=True)
class Effects:
    """What a flag sets in one program; `by_code`: the program's own code does it, `settings` only names it."""

    settings: tuple[Setting, ...]
    by_code: bool = False


@dataclass(frozen=True)
class Flag:
    """One flag: its spellings, values, unit, and what it does to the order-dependent settings."""

    name: str
    aliases: tuple[str, ...]
    group: str
    args: tuple[Arg, ...]
    unit: str
    default: str
    meaning: str
    effect: str | None
    sets_pivot: str | None
    sets_convention: str | None
    programs: tuple[str, ...]
    sets: dict[str, Effects]  # by program: c, torch
    convert: str | None = None  # from the unit of the command line: a function of that name in both programs

    @property
    def spellings(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)

    @property
    def min_args(self) -> int:
        if any(arg.word for arg in self.args):
            return 1
        return sum(not arg.optional for arg in self.args)

    @property
    def max_args(self) -> int:
        return len(self.args)

    @property
    def usage(self) -> str:
        """Name and values as the help text shows them: `-cell a [b] [c] [alpha] [beta] [gamma]`."""
        arguments = [f"[{arg.name}]" if arg.optional else arg.name for arg in self.args]
        if self.args and self.args[0].word:
            arguments = [*(arg.name for arg in self.args), "|", self.args[0].word]
        return " ".join([self.name, *arguments])


@dataclass(frozen=True)
class Defect:
    """A deterministic or accidental departure of the historic program from the physics."""

    name: str
    number: str
    group: str  # default_on or default_off
    torch: bool  # the torch program can reproduce it
    warns: bool
    meaning: str

    @property
    def default_on(self) -> bool:
        return self.group == "default_on"


@dataclass(frozen=True)
class Example:
    """A command line that shows a defect: the sum of its float image with the defect on and off (photons).

    None in the place of a sum: the line is refused.
    """

    right: str  # what is done without the defect
    prepare: str  # shell command that writes the input files; empty: none
    flags: str
    sum_on: float
    sum_off: float | None
    also: str = ""  # what else has to be switched for the defect to show

    def switches(self, sign: str, name: str) -> str:
        """The argument of -defects with the defect on (+) or off (-)."""
        return ",".join(part for part in ("default", self.also, sign + name) if part)


def _read(name: str) -> Any:
    return json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))


def _effects(entry: Any) -> Effects:
    if isinstance(entry, dict):
        return Effects(tuple(map(Setting, entry["by_code"])), by_code=True)
    return Effects(tuple(Setting(setting) if isinstance(setting, str) else Setting(*setting) for setting in entry))


def _flag(row: dict[str, Any]) -> Flag:
    shared = row.pop("range")
    args = []
    for arg in row.pop("args"):
        limits = arg.pop("range", shared)
        choices = tuple(arg.pop("choices", ()))
        args.append(Arg(**arg, choices=choices, range=Range(**limits) if limits else None))
    aliases, programs = tuple(row.pop("aliases")), tuple(row.pop("programs"))
    sets = {program: _effects(entry) for program, entry in row.pop("sets").items()}
    return Flag(**row, args=tuple(args), aliases=aliases, programs=programs, sets=sets)


@cache
def flags() -> tuple[Flag, ...]:
    """Every flag of either program, in the order of the help text."""
    return tuple(_flag(row) for row in _read("flags.json"))


@cache
def defects() -> tuple[Defect, ...]:
    """Every defect that can be switched, first those that are on by default."""
    return tuple(Defect(**row) for row in _read("defects.json"))


@cache
def defect_examples() -> dict[str, Example]:
    """An example for each defect, by its name."""
    return {name: Example(**row) for name, row in _read("defect_examples.json").items()}


def resolve_defects(text: str, program: str = "torch") -> frozenset[str]:
    """Names of the active defects for `PRESET[,+name][,-name]...`; the preset may be left out (`default`).

    `program` is "torch" or "c": `historic` holds what that program can reproduce, and naming another is an error.
    Raises ValueError with one line that names the word and what was expected.
    """
    possible = {defect.name: defect.torch or program == "c" for defect in defects()}
    presets = {
        "default": {defect.name for defect in defects() if defect.default_on},
        "historic": {name for name, can in possible.items() if can},
        "none": set(),
    }
    parts = text.split(",")
    active = set(presets[parts.pop(0)]) if parts[0] in PRESETS else set(presets["default"])
    for word in parts:
        sign, name = word[:1], word[1:]
        if sign not in ("+", "-"):
            raise ValueError(f"'{word}': expected {', '.join(PRESETS)} first, then +name or -name, between commas")
        if name not in possible:
            raise ValueError(f"'{name}' is no defect; '-defects list' prints them all")
        if sign == "+" and not possible[name]:
            raise ValueError(f"the torch program cannot reproduce '{name}'; use the C program with one thread")
        (active.add if sign == "+" else active.discard)(name)
    return frozenset(active)

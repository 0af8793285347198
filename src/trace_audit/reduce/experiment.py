"""An experiment as flags and a pixel, and the kinds of its values: counts, numbers, files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from nanobragg_tables import Flag
from trace_audit.port.our_program import split_words
from trace_audit.trace.printed import is_number

FlagWords = tuple[str, ...]  # a flag and its values


@dataclass(frozen=True)
class Experiment:
    """A command line in flags, each with its values, and the pixel (slow, fast)."""

    flags: tuple[FlagWords, ...]
    pixel: tuple[int, int]

    @property
    def words(self) -> list[str]:
        """The command line."""
        return [argument for flag in self.flags for argument in flag]

    def with_value(self, flag: int, value: int, text: str) -> "Experiment":
        """The experiment with value number `value` (from 1) of flag number `flag` replaced."""
        changed = (*self.flags[flag][:value], text, *self.flags[flag][value + 1 :])
        return replace(self, flags=(*self.flags[:flag], changed, *self.flags[flag + 1 :]))

    def only(self, keep: Callable[[FlagWords], bool]) -> "Experiment":
        """The experiment with only the flags marked in `kept`."""
        return replace(self, flags=tuple(flag for flag in self.flags if keep(flag)))

    def plus(self, *flag: str) -> "Experiment":
        """The experiment with one more flag at the end."""
        return replace(self, flags=(*self.flags, flag))


class Language(Protocol):
    """The meaning of a program's command line. Values are numbered from 1 after their flag."""

    def split(self, argv: Sequence[str]) -> list[FlagWords]:
        """The command line as flags with their values. Raises InputError for an unknown flag."""

    def name(self, flag: FlagWords) -> str:
        """The name of a flag, for any of its spellings."""

    def counts(self, flag: FlagWords) -> list[int]:
        """Values that are counts: whole numbers with 1 as the smallest useful value."""

    def numbers(self, flag: FlagWords) -> list[int]:
        """Values that are real numbers."""

    def files(self, flag: FlagWords) -> list[int]:
        """Values that are files that the program reads."""


class NanoBraggLanguage:
    """The command line of a nanoBragg."""

    _NO_COUNTS = ("-roi", "-detpixels", "-detpixels_f", "-detpixels_s", "-trace_pixel", "-printout_pixel", "-threads")

    def split(self, argv: Sequence[str]) -> list[FlagWords]:
        return split_words(argv)

    def name(self, flag: FlagWords) -> str:
        return self._known(flag).name

    def counts(self, flag: FlagWords) -> list[int]:
        name = self.name(flag)
        if name in self._NO_COUNTS or "seed" in name:
            return []
        return [index for index in self._of_type(flag, "int") if _is_count(flag[index])]

    def numbers(self, flag: FlagWords) -> list[int]:
        return [index for index in self._of_type(flag, "float") if is_number(flag[index])]

    def files(self, flag: FlagWords) -> list[int]:
        return [index for index in self._of_type(flag, "file") if Path(flag[index]).is_file()]

    def _of_type(self, flag: FlagWords, kind: str) -> list[int]:
        return [
            number for number, arg in enumerate(self._known(flag).args, 1) if arg.type == kind and number < len(flag)
        ]

    def _known(self, flag: FlagWords) -> Flag:
        from nanobrag_torch.cli.tokens import spellings

        return spellings()[flag[0]]


class PlainLanguage:
    """The command line of another simulator: an argument that begins with `-` and is no number starts a flag."""

    def split(self, argv: Sequence[str]) -> list[FlagWords]:
        flags: list[FlagWords] = []
        for argument in argv:
            if flags and (not argument.startswith("-") or is_number(argument)):
                flags[-1] = (*flags[-1], argument)
            else:
                flags.append((argument,))
        return flags

    def name(self, flag: FlagWords) -> str:
        return flag[0]

    def counts(self, flag: FlagWords) -> list[int]:
        return [index for index in range(1, len(flag)) if _is_count(flag[index])]

    def numbers(self, flag: FlagWords) -> list[int]:
        return [index for index in range(1, len(flag)) if is_number(flag[index]) and not flag[index].isdigit()]

    def files(self, flag: FlagWords) -> list[int]:
        return [index for index in range(1, len(flag)) if "/" in flag[index] and Path(flag[index]).is_file()]


def _is_count(text: str) -> bool:
    return text.isdigit() and int(text) > 1

"""Reads trace lines from the output of any program.

`line_forms` says which lines those are; all others are counted and ignored. Fortran's exponents (1.5D+24) are read.
Names in no registry are listed as unknown; they are no error. Memory is bounded for any amount of output.
"""

import codecs
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from trace_audit.core.errors import InputError
from trace_audit.core.files import printable
from trace_audit.trace.key_names import KeyNames
from trace_audit.trace.keys import Key, registry
from trace_audit.trace.line_forms import LineForms, plain_text
from trace_audit.trace.own_keys import OwnKey
from trace_audit.trace.parse import Problem, Trace, parse_trace

LONGEST_LINE = 1 << 16
MOST_LINES_OF_A_KEY = 20_000
MOST_TRACE_LINES = 400_000
MOST_NAMES = 500

_FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[+-]?\d)", re.ASCII)
_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?)\b", re.IGNORECASE | re.ASCII
)
_WRAPPERS = re.compile(
    r"\b(?:tensor|array|np\.\w+|numpy\.\w+)\s*\(|(?:dtype|device|grad_fn)=[^,)\]]*|[\[\](){};]", re.ASCII
)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_LABEL = re.compile(r"[A-Za-z_]\w*:(?=[+-]?[\d.])", re.ASCII)


@dataclass
class ForeignLog:
    """A program's output, as far as it could be read.

    `numbers[key]` are the texts of its numbers as printed, for the number of digits. `unknown` counts the names in no
    registry, `repeated` the values of a key after its first. `own`: keys that the key file lists as the program's own,
    with their meaning.
    """

    trace: Trace
    trace_lines: int = 0
    other_lines: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    own: dict[str, str] = field(default_factory=dict)
    own_values: dict[str, float] = field(default_factory=dict)
    own_keys: Mapping[str, OwnKey] = field(default_factory=dict)


def read_foreign_log(
    path: Path, names: KeyNames, *, name: str | None = None, may_be_silent: bool = False, recorded: bool = True
) -> ForeignLog:
    """The trace in the file `path`. Raises InputError if it cannot be read, or lacks a required trace line.

    `name`: the side's name, for messages. `may_be_silent`: an image is used instead of a trace.
    `recorded`: the file is the user's, not what a run of the program left.
    """
    try:
        with Path(path).open("rb") as stream:
            log = read_foreign_lines(lines_of(stream), names)
    except OSError as error:
        raise InputError(f"log {path}: {error.strerror}; give what the program printed") from error
    if not log.trace_lines and not may_be_silent:
        prefixes = ", ".join(("TRACE_C", "TRACE_PY", *names.prefixes))
        name_of_log = f"log {path}" if recorded else "standard output"
        name_of_log = name_of_log if name is None else f"{name}: {name_of_log}"
        raise InputError(
            f"{name_of_log}: {log.other_lines} lines and no trace line (a line begins with {prefixes}, or is a JSON "
            "object with key and value); print one, for instance 'TRACE_PY: I_before_scaling 1.5', or have it write "
            "an image, see docs/porting.md"
        )
    return log


def lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a program's output, as UTF-8; a PowerShell writes UTF-16. A line without end comes in pieces."""
    start = stream.read(2)
    stream.seek(0)
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        text = io.TextIOWrapper(stream, "utf-16", errors="replace")
        yield from (line.encode("utf-8", errors="replace") for line in iter(lambda: text.readline(LONGEST_LINE), ""))
        text.detach()  # the caller closes the stream
    else:
        yield from iter(lambda: stream.readline(LONGEST_LINE), b"")


def read_foreign_lines(lines: Iterable[bytes], names: KeyNames) -> ForeignLog:
    """The trace in the lines of a program's output."""
    reader = LineReader(names)
    for number, line in enumerate(lines, start=1):
        reader.read(number, line)
    return reader.finish()


class LineReader:
    """State of one pass through the output. `keys` are the known keys; a nanoBragg prints lines beside its keys."""

    beside_keys: tuple[str, ...] = ("TRACE_PHI", "subpixel", "term")

    def __init__(self, names: KeyNames, keys: Mapping[str, Key] | None = None) -> None:
        self.names = names
        self.keys = registry() if keys is None else keys
        self.forms = LineForms(names, self.keys, lambda name: self._key(name) is not None)
        self.log = ForeignLog(Trace(historic=True), own_keys=names.own)
        self.blocks: list[dict[str, str]] = [{}]  # block keys of each sub-pixel, by name
        self.whole: dict[str, str] = {}  # keys that occur once in a log
        self.phi: dict[str, str] = {}
        self.own_form: list[str] = []  # `subpixel` and `term` lines: a log in this project's own form
        self.opener = ""
        self.counts: dict[str, int] = {}
        self.kept = 0

    def read(self, number: int, raw: bytes) -> None:
        line = plain_text(raw)
        pairs = list(self.forms.pairs_of(line))
        if not pairs:
            self.log.other_lines += bool(line)
            return
        self.log.trace_lines += 1
        for name, text in pairs:
            self.take(number, name, text)

    def take(self, number: int, name: str, text: str) -> None:
        """Keep one value of one key."""
        if name in self.beside_keys:
            if self._has_room(number, name):
                self._keep_line(name, text)
            return
        key = self._key(name)
        if key is None and name in self.names.own:
            self.log.own[name] = self.names.own[name].meaning
            self._store_own(name, text)
            return
        if key is None:
            self._count(self.log.unknown, name)
            return
        if key.name in self.names.leave_out or name in self.names.leave_out:
            return
        if not self._has_room(number, key.name):
            return
        factor = self.names.factors.get(name, self.names.factors.get(key.name, 1.0))
        values = self._values(number, key, text, factor)
        if values is not None:
            self._store(key, values)

    def _store_own(self, name: str, text: str) -> None:
        """Keep the first value of a key of the program's own, if it is one number."""
        texts = _FORTRAN.sub("e", _WRAPPERS.sub(" ", text).replace(",", " ")).split()
        if len(texts) == 1 and _NUMBER.fullmatch(texts[0]) and math.isfinite(float(texts[0])):
            self.log.own_values.setdefault(name, float(texts[0]) * self.names.factors.get(name, 1.0))

    def _key(self, name: str) -> Key | None:
        key = self.keys.get(self.names.names.get(name, name))
        if key is None:
            key = next((k for k in self.keys.values() if name in k.aliases), None)
        return None if key is None or key.name.startswith("term.") else key

    def _has_room(self, number: int, name: str) -> bool:
        self.counts[name] = self.counts.get(name, 0) + 1
        limit = MOST_TRACE_LINES if name in ("term", "TRACE_PHI") else MOST_LINES_OF_A_KEY
        if self.counts[name] <= limit and self.kept < MOST_TRACE_LINES:
            self.kept += 1
            return True
        self._count(self.log.repeated, name)
        return False

    def _keep_line(self, name: str, text: str) -> None:
        if name == "TRACE_PHI":
            tic = re.search(r"phi_tic=(\S+)", text)
            label = f"{len(self.blocks) - 1} {tic[1] if tic else text}"
            if label in self.phi:
                self._count(self.log.repeated, name)
            self.phi.setdefault(label, text)
        else:
            if name == "subpixel" and (self.own_form or self.blocks[-1]):
                self.blocks.append({})
            self.own_form.append(f"{len(self.blocks) - 1} {name} {text}")

    def _store(self, key: Key, values: str) -> None:
        if key.where in ("run", "setup", "setup_sample", "setup_beam", "end"):
            values_of_part = self.whole
        else:
            self.opener = self.opener or key.name  # the first key of a sub-pixel is repeated for the next one
            if key.name == self.opener and key.name in self.blocks[-1] and not self.own_form:
                self.blocks.append({})
            values_of_part = self.blocks[-1]
        if key.name in values_of_part:
            self._count(self.log.repeated, key.name)
        else:
            values_of_part[key.name] = values
            self.log.numbers.setdefault(key.name, []).extend(values.split())

    def _values(self, number: int, key: Key, text: str, factor: float) -> str | None:
        """The values of a key in our format; None, with a recorded problem, if they cannot be read."""
        if key.kind == "word":
            if not text.split():
                self._problem(number, key, "unparsable", "no value")
                return None
            return text.split()[0]
        texts = text.split()
        if len(texts) == key.size and any(_DECIMAL_COMMA.fullmatch(text_of_number) for text_of_number in texts):
            self._problem(number, key, "unparsable", f"{text[:40]!r} has a decimal comma; print decimal points")
            return None
        plain = _FORTRAN.sub("e", _WRAPPERS.sub(" ", _LABEL.sub(" ", text)).replace(",", " "))
        texts = plain.split()
        if len(texts) != key.size or not all(_NUMBER.fullmatch(text_of_number) for text_of_number in texts):
            count = f"{key.size} number{'s' if key.size > 1 else ''}"
            self._problem(number, key, "unparsable", f"expected {count}, found {text[:60]!r}")
            return None
        numbers = [float(text_of_number) for text_of_number in texts]
        if not all(map(math.isfinite, numbers)):
            self._problem(number, key, "non-finite", f"{text[:60]!r} is not finite")
            return None
        if key.kind == "integer":
            if any(value != round(value) for value in numbers):
                self._problem(number, key, "unparsable", f"expected whole numbers, found {text[:60]!r}")
                return None
            return " ".join(str(int(value)) for value in numbers)
        return " ".join(texts if factor == 1.0 else [repr(value * factor) for value in numbers])

    def _problem(self, number: int, key: Key, kind: str, fault: str) -> None:
        """Record a value that cannot be read."""
        if len(self.log.problems) < MOST_NAMES:
            self.log.problems.append(Problem(kind, key.name, number, f"line {number}: {key.name}: {printable(fault)}"))

    def _count(self, counts: dict[str, int], name: str) -> None:
        name = printable(name[:60])
        if name in counts or len(counts) < MOST_NAMES:
            counts[name] = counts.get(name, 0) + 1

    def finish(self) -> ForeignLog:
        """All recorded lines as a trace."""
        lines = [f"TRACE_PY: {_labelled(name, values)}" for name, values in self.whole.items()]
        for index, block in enumerate(self.blocks):
            lines += [f"TRACE_PY: {r.split(' ', 1)[1]}" for r in self.own_form if r.startswith(f"{index} subpixel")]
            ordered = sorted(block.items(), key=lambda item: item[0] != "pix0_vector_meters")
            lines += [f"TRACE_PY: {name} {values}" for name, values in ordered]
            lines += [f"TRACE_PY_PHI {text}" for label, text in self.phi.items() if label.startswith(f"{index} ")]
            lines += [f"TRACE_PY: {r.split(' ', 1)[1]}" for r in self.own_form if r.startswith(f"{index} term")]
        historic = not self.own_form
        block_is_open = historic and "pix0_vector_meters" not in self.blocks[0]
        trace = parse_trace(lines, block_is_open=block_is_open, historic=historic)
        for problem in trace.problems:
            if problem.kind == "unknown":
                self._count(self.log.unknown, problem.key)
            elif problem.kind != "missing":
                self.log.problems.append(Problem(problem.kind, problem.key, None, _without_line(problem.message)))
        trace.problems = list(self.log.problems)
        self.log.trace = trace
        return self.log


def _labelled(name: str, values: str) -> str:
    """A key and its values; a record gets the labels of its components, as in our own format."""
    key = registry()[name]
    if key.kind == "record":
        values = " ".join(f"{label}:{value}" for label, value in zip(key.components, values.split(), strict=True))
    return f"{name} {values}"


def _without_line(message: str) -> str:
    """A message without its line number, which does not refer to the program's output."""
    return re.sub(r"^line \d+: ", "", message)

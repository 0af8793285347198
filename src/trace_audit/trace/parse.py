"""Trace logs as records: our own form and the historic ones.

Lines that count begin with `TRACE_C:` or `TRACE_PY:` (`key=value` or ` key value ...`) or with `TRACE_C_PHI ` or
`TRACE_PY_PHI ` (`name=value ...`). In our form `subpixel layer slow fast` opens each block, and `term` lines carry
their own indices. A log without such lines is historic: there a block opens at `pix0_vector_meters`, setup keys may
occur twice (the first `*_after_rotz` is the pure rotation), and labels known to be wrong are not compared.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from trace_audit.core.errors import InputError
from trace_audit.core.files import read_text
from trace_audit.trace.keys import GLOBAL_PLACES, SETUP_PLACES, Key, registry

Value = float | int | str

_LINE = re.compile(r"TRACE_(C|PY)(?::\s*|(_PHI)\s+)(.*)", re.ASCII)
_DIAGNOSTIC = re.compile(r"TRACE:|TRACE_CONFIG:|TRACE_(C|PY)_(SOURCE2|TAP5|TAP5_HKL):|DETECTOR_[A-Z0-9_]+ ")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)(\(.*\))?", re.IGNORECASE | re.ASCII)
_FIELD = re.compile(r"([A-Za-z_]\w*)[:=](\S*)", re.ASCII)
_BEAM_PIVOT_MISLABELLED = ("detector_convention", "initial_fdet", "initial_sdet", "initial_odet")
_TERM_COLUMNS = tuple(name for name in registry() if name.startswith("term."))
_PHI_COLUMNS = tuple(name for name in registry() if name.startswith("TRACE_PHI."))


class Context(NamedTuple):
    """Which evaluation a value belongs to. `block` counts (layer, slow sub-pixel, fast sub-pixel) in loop order."""

    block: int | None = None
    source: int | None = None
    phi_tic: int | None = None
    mosaic_domain: int | None = None


@dataclass(frozen=True)
class Record:
    """One key in one context, as read from line `line`."""

    key: Key
    context: Context
    values: tuple[Value, ...]
    line: int


@dataclass(frozen=True)
class Problem:
    """Why a log cannot be trusted: `kind` is missing, unknown, repeated, non-finite or unparsable."""

    kind: str
    key: str
    line: int | None
    message: str


@dataclass
class Trace:
    """A parsed log. `blocks[n]` is (layer, slow, fast) of block n, None in a historic log."""

    historic: bool
    records: dict[str, dict[Context, Record]] = field(default_factory=dict)
    blocks: list[tuple[int, int, int] | None] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored_lines: int = 0

    def values(self, name: str, context: Context | None = None) -> tuple[Value, ...] | None:
        """Values of a key; None if the log lacks it."""
        record = self.records.get(name, {}).get(context or Context())
        return record.values if record else None

    def number(self, name: str, context: Context | None = None) -> float | None:
        """First value of a numeric key; None if the log lacks it."""
        values = self.values(name, context)
        return None if values is None else float(values[0])

    def of(self, name: str) -> list[Record]:
        """All records of a key, in the order of the log."""
        return list(self.records.get(name, {}).values())


def is_trace_line(line: str) -> bool:
    """Whether a line of a program's output belongs to its trace log."""
    return line.startswith(("TRACE_C:", "TRACE_C_PHI ", "TRACE_PY:", "TRACE_PY_PHI "))


def read_trace(path: Path) -> Trace:
    """Parse the log at `path`. Raises InputError if it cannot be read or holds no trace line at all.

    Of a program's whole output the lines count that speak of a trace.
    """
    lines = [line for line in read_text(path, "trace log").splitlines() if "TRACE" in line]
    if not any(map(is_trace_line, lines)):
        raise InputError(
            f"trace log {path}: no line begins with TRACE_C: or TRACE_PY:; run the program with -trace_pixel SLOW FAST"
        )
    return parse_trace(lines)


def is_whole(trace: Trace) -> bool:
    """Whether a log is in this project's form, or holds every key that a historic one has to have."""
    return not trace.historic or all(name in trace.records for name, key in registry().items() if key.required)


def parse_trace(lines: list[str], *, block_is_open: bool = False, historic: bool | None = None) -> Trace:
    """Parse the lines of a log. Never raises on a bad line: each becomes a `Problem` with its name and number.

    `block_is_open`: the first sub-pixel needs no opening line, as in a log that prints only some keys. `historic`: the
    form of the log where that is known.
    """
    own = re.compile(r"TRACE_(C|PY): (subpixel|pixel_slow_fast|term)\b")
    historic = not any(own.match(line) for line in lines) if historic is None else historic
    reader = _Reader(Trace(historic=historic))
    if block_is_open:
        reader.trace.blocks.append(None)
        reader.block = 0
    for number, line in enumerate(lines, start=1):
        reader.read(number, line.rstrip())
    reader.finish()
    return reader.trace


class _Reader:
    """State of one pass through a log."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.block: int | None = None

    def problem(self, kind: str, key: str, line: int, message: str) -> None:
        self.trace.problems.append(Problem(kind, key, line, f"line {line}: {message}"))

    def read(self, number: int, line: str) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            if not line or _DIAGNOSTIC.match(line):
                self.trace.ignored_lines += 1
            else:
                self.problem("unparsable", line.split()[0][:40], number, f"not a trace line: {line[:60]!r}")
            return
        body = match[3].strip()
        if match[2]:
            self.read_phi(number, body)
            return
        name, values = _split_key(body)
        if name == "subpixel":
            self.open_block(number, values)
        elif name == "term":
            self.read_term(number, values)
        elif name == "convention_mapping":
            self.trace.ignored_lines += 1
        elif name not in registry() or "." in name:
            self.problem("unknown", name, number, f"key {name!r} is not in the registry of trace keys")
        else:
            self.read_key(number, registry()[name], values)

    def open_block(self, number: int, values: str) -> None:
        indices = self.parse(number, "subpixel", "integer", values.split(), 3)
        if indices is None:
            return
        label = (int(indices[0]), int(indices[1]), int(indices[2]))
        if label in self.trace.blocks:
            self.problem("repeated", "subpixel", number, f"sub-pixel {label} is already there")
        self.trace.blocks.append(label)
        self.block = len(self.trace.blocks) - 1

    def read_key(self, number: int, key: Key, text: str) -> None:
        if self.trace.historic and key.name == "pix0_vector_meters":
            self.trace.blocks.append(None)
            self.block = len(self.trace.blocks) - 1
        values = self.parse_key(number, key, text)
        if values is None:
            return
        if key.where not in GLOBAL_PLACES and self.block is None:
            self.problem("unparsable", key.name, number, f"{key.name} before the first sub-pixel of the log")
            return
        context = Context() if key.where in GLOBAL_PLACES else Context(block=self.block)
        self.add(number, key, context, values)

    def parse_key(self, number: int, key: Key, text: str) -> tuple[Value, ...] | None:
        if key.kind == "word":
            if len(text.split()) == 1:
                return (text,)
            self.problem("unparsable", key.name, number, f"{key.name}: expected one word, found {text!r}")
            return None
        if key.kind == "record":
            fields = _FIELD.findall(text)
            if key.compared and tuple(name for name, _ in fields) != key.components:
                expected = " ".join(f"{name}:value" for name in key.components)
                self.problem("unparsable", key.name, number, f"{key.name}: expected {expected}, found {text[:60]!r}")
                return None
            texts = [value for _, value in fields]
        else:
            texts = text.strip("[]").replace(";", " ").split()
        return self.parse(number, key.name, key.kind, texts, key.size)

    def parse(self, number: int, name: str, kind: str, texts: list[str], size: int) -> tuple[Value, ...] | None:
        if len(texts) != size:
            self.problem("unparsable", name, number, f"{name}: expected {size} values, found {len(texts)}")
            return None
        pattern, expected, convert = (
            (_INTEGER, "an integer", int) if kind == "integer" else (_NUMBER, "a number", float)
        )
        for text in texts:
            if pattern.fullmatch(text):
                continue
            if _NOT_FINITE.fullmatch(text):
                self.problem("non-finite", name, number, f"{name}: {text} is not finite")
            else:
                self.problem("unparsable", name, number, f"{name}: {text[:40]!r} is not {expected}")
            return None
        values = tuple(map(convert, texts))
        if not all(map(math.isfinite, values)):
            self.problem("non-finite", name, number, f"{name}: a value is beyond the range of a double")
            return None
        return values

    def read_phi(self, number: int, body: str) -> None:
        fields = dict(field.split("=", 1) for field in body.split() if "=" in field)
        tic = fields.pop("phi_tic", "")
        if not _INTEGER.fullmatch(tic) or self.block is None:
            self.problem("unparsable", "TRACE_PHI.phi_tic", number, "per-phi line without its phi_tic or sub-pixel")
            return
        context = Context(block=self.block, phi_tic=int(tic))
        for name in _PHI_COLUMNS:
            text = fields.pop(name.split(".")[1], None)
            if text is None:
                self.problem("missing", name, number, f"{name} is missing in the per-phi line of phi_tic {tic}")
                continue
            values = self.parse(number, name, "number", [text], 1)
            if values is not None:
                self.add(number, registry()[name], context, values)
        for name in fields:
            self.problem("unknown", f"TRACE_PHI.{name}", number, f"per-phi column {name!r} is not in the registry")

    def read_term(self, number: int, text: str) -> None:
        texts = text.split()
        indices = self.parse(number, "term", "integer", texts[:6], 6)
        width = 6 + sum(registry()[name].size for name in _TERM_COLUMNS)
        if indices is None:
            return
        if len(texts) != width:
            self.problem("unparsable", "term", number, f"term: expected {width} values, found {len(texts)}")
            return
        if self.block is None or self.trace.blocks[self.block] != indices[:3]:
            self.problem("unparsable", "term", number, f"term of sub-pixel {indices[:3]} stands in another block")
            return
        context = Context(self.block, *(int(i) for i in indices[3:]))
        at = 6
        for name in _TERM_COLUMNS:
            key = registry()[name]
            values = self.parse(number, name, key.kind, texts[at : at + key.size], key.size)
            at += key.size
            if values is not None:
                self.add(number, key, context, values)

    def add(self, number: int, key: Key, context: Context, values: tuple[Value, ...]) -> None:
        known = self.trace.records.get(key.name, {}).get(context)
        if known is None:
            self.trace.records.setdefault(key.name, {})[context] = Record(key, context, values, number)
        elif not (self.trace.historic and key.where in SETUP_PLACES):
            self.problem("repeated", key.name, number, f"{key.name} is already on line {known.line}")

    def finish(self) -> None:
        trace = self.trace
        if trace.historic and "Fbeam_m" in trace.records:
            for name in _BEAM_PIVOT_MISLABELLED:
                trace.records.pop(name, None)


def _split_key(body: str) -> tuple[str, str]:
    """Key and value text of `key=value` or `key value`."""
    match = re.match(r"([^\s=]*)(?:=|\s+|$)(.*)", body, re.DOTALL)
    assert match is not None
    return match[1], match[2].strip()

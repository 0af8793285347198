"""The trace of a program other than nanoBragg: the first value of each of its keys, from any output."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from trace_audit.core.errors import InputError
from trace_audit.trace.foreign_log import LineReader, lines_of
from trace_audit.trace.keys import Key
from trace_audit.trace.parse import Problem, Value
from trace_audit.trace.simulator import Simulator


@dataclass
class PlainLog:
    """A program's output. `unknown` counts names in no registry, `repeated` values after the first of a key."""

    values: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)
    trace_lines: int = 0
    other_lines: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _PlainReader(LineReader):
    """Keeps the first value of each key."""

    beside_keys = ()

    def _store(self, key: Key, values: str) -> None:
        if key.name in self.whole:
            self._count(self.log.repeated, key.name)
            return
        self.whole[key.name] = values
        self.log.numbers[key.name] = values.split()


def read_plain_lines(lines: Iterable[bytes], simulator: Simulator) -> PlainLog:
    """The trace in the lines of a program's output."""
    reader = _PlainReader(simulator.names, simulator.graph.keys)
    for number, line in enumerate(lines, start=1):
        reader.read(number, line)
    log = reader.log
    values = {name: _typed(simulator.graph.keys[name], text) for name, text in reader.whole.items()}
    return PlainLog(
        values, log.numbers, log.trace_lines, log.other_lines, log.unknown, log.repeated, list(log.problems)
    )


def read_plain_log(path: Path, simulator: Simulator) -> PlainLog:
    """The trace in the file `path`. Raises InputError if it cannot be read or holds no key of the registry."""
    try:
        with Path(path).open("rb") as stream:
            log = read_plain_lines(lines_of(stream), simulator)
    except OSError as error:
        raise InputError(f"log {path}: {error.strerror}; give what the program printed") from error
    if not log.values and not log.problems:
        first = next(iter(simulator.graph.keys))
        prefixes = ", ".join(("TRACE_C", "TRACE_PY", *simulator.prefixes))
        raise InputError(
            f"log {path}: {log.other_lines + log.trace_lines} lines and no key of {simulator.program} (a line begins "
            f"with {prefixes}, or is a JSON object); print one, for instance 'TRACE_PY: {first} 1.5'"
        )
    return log


def _typed(key: Key, text: str) -> tuple[Value, ...]:
    if key.kind == "word":
        return (text,)
    return tuple(int(number_text) if key.kind == "integer" else float(number_text) for number_text in text.split())

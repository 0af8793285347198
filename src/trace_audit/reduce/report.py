"""The result of a reduction: Markdown and a few lines of text, and JSON."""

from dataclasses import dataclass
from typing import Any

from trace_audit.core.markdown import table
from trace_audit.reduce.experiment import Experiment
from trace_audit.reduce.passes import Search
from trace_audit.reduce.trials import RUN


@dataclass(frozen=True)
class Reduction:
    """The search at its end. `is_complete` False: a limit was reached; the same command continues from the record."""

    search: Search
    first: Experiment
    is_complete: bool

    @property
    def commands(self) -> tuple[tuple[str, str], ...]:
        """Name and command line of each program, on the smallest experiment."""
        trials = self.search.trials
        return tuple((side.name, side.command_line(self.search.best)) for side in (trials.reference, trials.candidate))


def as_json(reduction: Reduction) -> dict[str, Any]:
    """The reduction as JSON-ready data."""
    search, trials = reduction.search, reduction.search.trials
    failure = trials.failure
    assert failure is not None
    values = trials.values(search.best)
    return {
        "key": failure.key,
        "complete": reduction.is_complete,
        "trials": len(trials.record.known),
        "before": {"flags": len(reduction.first.flags), "pixel": list(reduction.first.pixel)},
        "after": {
            "flags": len(search.best.flags),
            "pixel": list(search.best.pixel),
            "words": search.best.words,
        },
        "values": {trials.reference.name: list(values[0]), trials.candidate.name: list(values[1])},
        "steps": search.steps,
        "commands": dict(reduction.commands),
    }


def lines_for_terminal(reduction: Reduction) -> list[str]:
    """The two command lines at the end, ready to paste."""
    search, document = reduction.search, as_json(reduction)
    before, after = document["before"]["flags"], document["after"]["flags"]
    lines = [f"{_summary(document)}: {before} flags to {after}, {document['trials']} trials"]
    if not reduction.is_complete:
        lines[0] += "; stopped at a limit, the same command goes on"
    lines += [f"  {name}: {_text(values)}" for name, values in document["values"].items() if values]
    lines += [line for name, command in reduction.commands for line in (f"# {name}", command)]
    lines.append(str(search.trials.folder / "reduce.md"))
    return lines


def as_markdown(reduction: Reduction) -> str:
    """The reduction as a Markdown page."""
    document = as_json(reduction)
    state = "" if reduction.is_complete else " A limit was reached: the same command goes on from here."
    parts = [
        f"# The smallest experiment that still fails\n\n{_summary(document)}, after {document['trials']} trials: "
        f"{document['before']['flags']} flags to {document['after']['flags']}, "
        f"pixel {_text(document['before']['pixel'])} to {_text(document['after']['pixel'])}.{state}\n",
        table(("program", "value"), [(name, _text(values)) for name, values in document["values"].items()]),
    ]
    for name, command in reduction.commands:
        parts.append(f"## {name}\n\n```sh\n{command}\n```\n")
    if document["steps"]:
        parts.append("## What was removed\n\n" + "".join(f"{n}. {s}\n" for n, s in enumerate(document["steps"], 1)))
    return "\n".join(parts)


def _summary(document: dict[str, Any]) -> str:
    return "the candidate does not come to its end" if document["key"] == RUN else f"differs at {document['key']}"


def _text(values: list[Any]) -> str:
    return " ".join(f"{value:.10g}" if isinstance(value, float) else str(value) for value in values) or "-"

"""The audit of the audit: a small error in any stage of torch must be found in that stage.

For each key and each of its numbers the torch program is traced with that number moved at the border of its stage, and
compared with the trace of the C program: by 1e-5, which must be a fail with exactly that key as root cause, and by
1e-9, which must stay a pass. Whole numbers move by one, flags change, words are replaced. Of a key from which no pixel
is computed the error must be found, and be no root cause.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trace_audit.compare.blame import blame
from trace_audit.compare.comparison import compare
from trace_audit.core.errors import InputError
from trace_audit.core.markdown import table
from trace_audit.programs.reference import run_program
from trace_audit.trace.keys import Key, registry
from trace_audit.trace.log import trace_log
from trace_audit.trace.parse import Context, Record, Trace, Value, parse_trace

LOUD, QUIET = 1e-5, 1e-9
PIXEL = (11, 16)
NOT_SEPARABLE = {"beam_center_m": "informative: its historic label is wrong by a factor, so it is never judged"}

_COMMON = """-cell 5 9 7 80 95 105 -misset 81 27 34 -N 2 -default_F 100 -lambda 1 -distance 10 -detpixels 24 -pixel 0.3
 -detector_rotx 3 -detector_roty -4 -detector_rotz 5 -twotheta 6 -phi 1 -osc 0.2 -phisteps 2 -water 20
 -detector_thick 300 -detector_abs 400 -detector_thicksteps 2 -nonoise -nopgm"""
CASES = {
    "sample_pivot": f"{_COMMON} -xds -oversample 1 -mosaic 0.1 -mosaic_dom 2 -hdivrange 2 -hdivsteps 2",
    "beam_pivot": f"{_COMMON} -oversample 2 -oversample_thick -oversample_polar -oversample_omega",
}


@dataclass(frozen=True)
class Injection:
    """One number of one key in one context, changed at its stage; and the audit's result."""

    case: str
    key: str
    component: str
    relative_error: float | None  # None: a whole number moved by one, or a word replaced
    roots: tuple[str, ...]
    context_keys: tuple[str, ...]
    status: str
    quiet_status: str | None
    quiet_worst: float | None

    @property
    def as_expected(self) -> bool:
        """Found, blamed on this key alone or on none if no pixel is computed from it, and silent where expected."""
        blamed = ((), (self.key,)) if registry()[self.key].context else ((self.key,), ())
        is_blamed = self.status == "fail" and (self.roots, self.context_keys) == blamed
        return is_blamed and self.quiet_status in (None, "pass")


class Case:
    """One experiment: the C program's trace of it, and torch traces of it with errors."""

    def __init__(self, name: str, binary: Path, time_limit_s: float = 60.0):
        from nanobrag_torch.cli import parse

        arguments = [*CASES[name].split(), "-trace_pixel", *map(str, PIXEL)]
        run = run_program(binary.resolve(), arguments, time_limit_s)
        if failure := run.failure(time_limit_s):
            raise InputError(f"reference program {binary} {failure}")
        self.name = name
        self.invocation = parse(arguments)
        self.reference = parse_trace(trace_log(run.stdout.decode(), f"reference program {binary}").splitlines())

    def trace(self, key: str, context: Context, values: Sequence[Value]) -> Trace:
        """The torch trace with the values of one key in one context replaced."""
        import torch

        from trace_audit.stages.intervene import watched_trace

        def visit(name: str, place: Context, _: list[Value]) -> Sequence[Value] | None:
            return values if (name, place) == (key, context) else None

        invocation = self.invocation
        dtype = invocation.dtype or torch.float64
        lines = watched_trace(invocation.experiment, PIXEL, device=invocation.device, dtype=dtype, visit=visit)
        return parse_trace(lines)

    def inject(self, key: Key, component: int) -> Injection:
        """Change one number of a key at its stage, once by a large and once by a tolerated amount."""
        record = place_of(self.reference, key)
        assert record is not None
        exact = key.kind in ("word", "integer")
        loud = compare(self.reference, self.trace(key.name, record.context, moved(record, component, LOUD)))
        quiet = None
        if not exact:
            quiet = compare(self.reference, self.trace(key.name, record.context, moved(record, component, QUIET)))
        blamed = blame(loud)
        return Injection(
            self.name,
            key.name,
            key.component_name(component),
            None if exact else LOUD,
            tuple(blamed.root_keys),
            tuple(blamed.context_keys),
            "pass" if loud.passed else "fail",
            None if quiet is None else "pass" if quiet.passed else "fail",
            quiet.worst.relative_difference if quiet and quiet.worst else None,
        )


def place_of(trace: Trace, key: Key) -> Record | None:
    """The record of a key that shares its number with no other key; None if the log has none."""
    records = trace.of(key.name)
    if key.name == "sources" and records and records[0].values == (1,):
        return None
    if key.where == "phi":
        records = [record for record in records if record.context.phi_tic]  # step 0 is also printed by itself
    if key.name in ("term.F_latt", "term.F_cell", "term.hkl_rounded", "term.value"):
        records = [record for record in records if record.context.source or record.context.mosaic_domain]
        return max(records, key=lambda record: abs(float(record.values[0])), default=None)
    if key.where == "term":  # a factor of all terms of a source
        records = [record for record in records if not (record.context.phi_tic or record.context.mosaic_domain)]
    return records[0] if records else None


def moved(record: Record, component: int, relative: float) -> list[Value]:
    """The values with one changed by `relative` of its size; of a vector or matrix row, of its length."""
    values, key = list(record.values), record.key
    if key.kind == "word":
        values[component] = f"not_{values[component]}"
    elif key.name.startswith("oversample_"):
        values[component] = 1 - int(values[component])
    elif key.kind == "integer":
        values[component] = int(values[component]) + (-1 if key.name == "sources" else 1)  # there is no other source
    else:
        rows = {"vector": slice(0, key.size), "matrix": slice(component // 3 * 3, component // 3 * 3 + 3)}
        part = rows.get(key.kind, slice(component, component + 1))
        size = math.hypot(*(float(value) for value in values[part]))
        values[component] = float(values[component]) + relative * size
    return values


def plan(cases: Sequence[Case]) -> Iterator[tuple[Case, Key, int]]:
    """Every number of every key, in each case in which a value belongs to that key alone."""
    for case in cases:
        for key in registry().values():
            if key.name not in NOT_SEPARABLE and place_of(case.reference, key):
                for component in range(key.size):
                    yield case, key, component


def untested(injections: Sequence[Injection]) -> list[str]:
    """Keys of the registry that no injection tried and that have no stated reason."""
    tried = {injection.key for injection in injections}
    return [name for name in registry() if name not in tried and name not in NOT_SEPARABLE]


def report(injections: Sequence[Injection]) -> dict[str, Any]:
    """All results as JSON-ready data."""
    return {
        "loud_relative_error": LOUD,
        "quiet_relative_error": QUIET,
        "keys": len({injection.key for injection in injections}),
        "numbers": len(injections),
        "as_expected": sum(injection.as_expected for injection in injections),
        "untested": untested(injections),
        "not_separable": NOT_SEPARABLE,
        "cases": {name: " ".join(flags.split()) for name, flags in CASES.items()},
        "injections": [{**asdict(injection), "as_expected": injection.as_expected} for injection in injections],
    }


def report_markdown(result: dict[str, Any]) -> str:
    """The results as Markdown."""
    text = (
        f"# The audit, audited\n\n{result['as_expected']} of {result['numbers']} numbers in {result['keys']} keys: an "
        f"error of {LOUD:.0e} at that stage of the torch program is found and blamed on that key alone, and one of "
        f"{QUIET:.0e} passes.\n\n"
    )
    text += "".join(f"- not tried: {name}: {reason}\n" for name, reason in result["not_separable"].items())
    text += "".join(f"- not tried: {name}\n" for name in result["untested"])
    rows = [
        (
            row["key"] + (f" {row['component']}" if row["component"] else ""),
            row["case"],
            "replaced" if row["relative_error"] is None else f"{row['relative_error']:.0e}",
            row["status"],
            ", ".join(row["roots"]) or "none: " + ", ".join(row["context_keys"]),
            row["quiet_status"] or "",
            "" if row["quiet_worst"] is None else f"{row['quiet_worst']:.1e}",
            "yes" if row["as_expected"] else "NO",
        )
        for row in result["injections"]
    ]
    headings = ("key", "case", "error", "verdict", "root causes", "at 1e-9", "worst at 1e-9", "as expected")
    return text + "\n" + table(headings, rows)

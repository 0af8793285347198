"""C or CUDA for recorded numbers: over blocks of rays, in each over orientations; both read like the recording.

`dialects` defines the names in capitals for each language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch

from nanobrag_torch.backends.compiled.cuda_text import PIXELS_OF_A_ROW
from nanobrag_torch.backends.compiled.dialects import C, Dialect
from nanobrag_torch.backends.compiled.recorded import C_TYPES, ORIENTATION, RAY, SAMPLE, SOURCE, TERMS
from nanobrag_torch.backends.compiled.schedule import Input, Loops, Output

_BOTH = ORIENTATION | RAY
_PIXELS = frozenset(("fast", "slow"))
_LONG = re.compile(r"\b(exp|sin|cos)f?\(")  # functions that a compiler writes out at length
_TERM = "((int64_t)sample * loops[1] + source)"


def source(
    inputs: list[Input],
    outputs: list[list[Output]],
    entry: str = "run",
    labels: Mapping[int, str] | None = None,
    dialect: Dialect = C,
    over: int = 0,
) -> str:
    """The text of a program whose arguments are its inputs, its outputs (each of some numbers), rays and orientations.

    An output for every ray is written component after component, one for every orientation and ray likewise within each
    orientation. `labels`: what numbers are called, by their id. Sums are float64 and are added to what is there: those
    over everything are (numbers,), those over the rays of each orientation in C (orientations, numbers, LANES), still
    to be summed over its lanes; in CUDA both begin with a dimension of warps, which is still to be summed over.
    What goes to places of a table is added to what is there too, float64 in C; for CUDA see `Dialect.table`.
    `over`: with loops over SAMPLE, SOURCE or both around that over orientations, whose counts are the first two numbers
    of the input `loops`; an output that varies with them is written for each sample and source, one after the other.
    Raises Unrecordable for what takes another loop.
    """
    loops = Loops(inputs, [one for group in outputs for one in group], labels, over)
    arguments = [f"const {C_TYPES[one.dtype]} *__restrict__ {one.name}" for one in inputs]
    tables = [group for group in outputs if group[0].place is not None]
    for group in outputs:
        plain = [f"{_written_type(group)} *__restrict__ {_name(group)}"]
        arguments += dialect.table(_name(group)) if group in tables else plain
    sums = [group for group in outputs if group[0].varies == 0 and group not in tables]
    lines = [
        f"CONSTANTS({', '.join(loops.constants)})" if loops.constants else "",
        f"ENTRY {entry}({', '.join(arguments)}, const int rays, const int orientations)",
        "{",
        *_of_all_rays(loops, inputs, dialect),
        *(f"double {one.name}_sum[BLOCK] = {{0}};" for group in sums for one in group),
        *(f"TERMS({_name(group)});" for group in tables),
        "double ones[BLOCK]; EACH ones[l] = 1;",
        *_over_rays(loops, inputs, outputs, dialect, over),
        *(line for group in sums for line in dialect.sums(_name(group), group)),
        *(f"TERMS_OF_WARP({_name(group)});" for group in tables),
        "}",
    ]
    return dialect.head(_kind(inputs, outputs, loops), bool(tables)) + "\n".join(lines) + "\n"


def _of_all_rays(loops: Loops, inputs: list[Input], dialect: Dialect) -> list[str]:
    """What is the same for all rays; where threads share memory one of them works it out."""
    lines, shared = loops.lines["uniform"], dict(loops.shared)
    if not dialect.shares:
        return lines
    if {one.name for one in inputs} >= _PIXELS:
        name, expression = PIXELS_OF_A_ROW
        lines, shared[name] = [*lines, f"const double {name} = {expression};"], "double"
    if not shared:
        return []
    return [
        *(f"__shared__ {kind} shared_{name};" for name, kind in shared.items()),
        "ONE_THREAD {",
        *(line for statement in lines for line in _shared(statement, shared)),
        "}",
        "__syncthreads();",
        *(f"const {kind} &{name} = shared_{name};" for name, kind in shared.items()),
    ]


def _shared(statement: str, shared: Mapping[str, str]) -> list[str]:
    """A statement, and where it works out a number for all threads one that shares it."""
    name = statement.partition(" = ")[0].split()[-1]
    return [statement, f"shared_{name} = {name};"] if name in shared else [statement]


def _kind(inputs: list[Input], outputs: list[list[Output]], loops: Loops) -> str:
    """What decides how many registers a thread of a GPU needs."""
    derived = any(one.name.startswith("along_") for one in inputs) or any(not g[0].varies & RAY for g in outputs)
    single = any(one.dtype == torch.float32 for one in inputs)
    if not derived:
        lines = loops.lines["pair"] + loops.lines["found"]
        return "image, one ray" if any(_LONG.search(line) for line in lines) else "image"
    if loops.lookups_of_pair > 1:
        return "derivative, interpolated"
    by_place = all(group[0].place is not None for group in outputs)
    return "derivative by place" if by_place else f"derivative{', float32' * single}"


def _over_rays(
    loops: Loops, inputs: list[Input], outputs: list[list[Output]], dialect: Dialect, over: int
) -> list[str]:
    """The loop over blocks of rays, with all that is computed for each ray."""
    return [
        "OVER_RAYS {",
        *_forget(dialect),
        "const int count = COUNT;",
        *_loads(inputs),
        *(f"{kind} {name}[BLOCK];" for name, kind in loops.arrays.items()),
        *_shown(inputs, outputs, _over_terms(loops, inputs, outputs, dialect, over)),
        *(line for group in outputs if group[0].varies == RAY for line in _stores(group)),
        "}",
    ]


def _shown(inputs: list[Input], outputs: list[list[Output]], lines: list[str]) -> list[str]:
    """Statements for pixels: those that a mask hides get 0 where outputs are of each ray, and add nothing to sums."""
    if not {one.name for one in inputs} >= _PIXELS:
        return lines
    if not all(group[0].varies & RAY for group in outputs):
        return [
            "bool hidden[BLOCK];",
            "const int some = shown(hidden, fast_0, slow_0, fast, slow);",
            *(f"{C_TYPES[one.dtype]} {one.name}_0[BLOCK];" for one in _upstream(inputs)),
            *(f"OF_PIXELS({one.name}_0, {one.name}, fast_0, slow_0, fast, hidden);" for one in _upstream(inputs)),
            "HIDE(fast_0, slow_0, fast, hidden);",
            "IF_ANY(some) {",
            *lines,
            "}",
        ]
    results = [one.name for group in outputs if group[0].varies == RAY for one in group]
    nothing = [f"if (hidden[l]) {name}_at[l] = 0;" for name in results]
    return ["bool hidden[BLOCK];", "if (shown(hidden, fast_0, slow_0, fast, slow)) {", *lines, "}", *_each(nothing)]


def _over_terms(
    loops: Loops, inputs: list[Input], outputs: list[list[Output]], dialect: Dialect, over: int
) -> list[str]:
    """What is done for each ray; for each sample and source, where there are several."""
    lines, unseen = loops.lines, [f"{a}[l] = -1;" for a in loops.seen]
    begun = [f"{a}[l] = 0;" for a in loops.totals]
    if not over:
        sums = any(group[0].varies == 0 and group[0].place is None for group in outputs)
        after = _again(loops) if dialect.shares and sums else _each(lines["after"])
        inner = [*_over_orientations(loops, outputs, dialect), *_held(outputs), *_forget(dialect), *after]
        return [*_each([*_forget(dialect), *lines["before"], *begun, *unseen]), *inner]
    counters = (("sample", SAMPLE, 0), ("source", SOURCE, 1))
    sample, source = (
        f"for (int {name} = 0; {name} < (int)loops[{place}]; {name}++) {{"
        if over & one
        else f"{{ const int {name} = 0;"
        for name, one, place in counters
    )
    return [
        *_each([*_forget(dialect), *lines["before"], *unseen]),
        sample,
        *lines["sample"],
        *_each([*_forget(dialect), *lines["of_sample"]]),
        source,
        *_forget(dialect),
        *lines["source"],
        *_each([*_forget(dialect), *lines["of_source"], *begun]),
        *_over_orientations(loops, outputs, dialect),
        *_forget(dialect),
        *_each([*lines["after"], *loops.following]),
        *(line for group in outputs if group[0].varies == RAY | TERMS for line in _stores(group, f"{_TERM} * ")),
        "}",
        "}",
        *_each(lines["finally"]),
    ]


def _again(loops: Loops) -> list[str]:
    """The statements after the loop over orientations, for which those before it are worked out again: a thread that
    keeps no numbers during the loop leaves room for others."""
    return [
        "{",
        *(f"{name}_0[0] = again({name}_0[0]);" for name in sorted(_PIXELS)),
        *_each(loops.lines["before"]),
        *_each(loops.lines["after"]),
        "}",
    ]


def _forget(dialect: Dialect) -> list[str]:
    return ["FORGET;"] if dialect.shares else []


def _upstream(inputs: list[Input]) -> list[Input]:
    """What is given for each pixel, which one that is hidden or does not exist has none of."""
    return [one for one in inputs if one.padding == "zero"]


def _held(outputs: list[list[Output]]) -> Iterable[str]:
    """What has been added at the last place of each ray goes to the table."""
    for group in outputs:
        for one in group if group[0].place is not None else ():
            yield f"SCATTER_HELD({_name(group)}, {one.name}_kept, {one.name}_held);"


def _each(lines: list[str]) -> list[str]:
    return ["EACH {", *lines, "}"] if lines else []


def _over_orientations(loops: Loops, outputs: list[list[Output]], dialect: Dialect) -> list[str]:
    if not loops.lines["pair"] and not any(group[0].varies == ORIENTATION for group in outputs):
        return []
    return [
        "for (int orientation = 0; orientation < orientations; orientation++) {",
        *map(dialect.row, loops.lines["orientation"]),
        *_each(loops.lines["pair"]),
        *loops.lookups,
        *_each(loops.lines["found"]),
        *(
            line
            for group in outputs
            if group[0].varies == ORIENTATION
            for line in dialect.sums_of_orientation(_name(group), group, loops.products)
        ),
        *(line for group in outputs if group[0].place is not None for line in _scatters(group, loops)),
        *(line for group in outputs if group[0].varies & ~TERMS == _BOTH for line in _stores_of_orientation(group)),
        "}",
    ]


def _name(group: list[Output]) -> str:
    return group[0].name.rpartition("_")[0]


def _written_type(group: list[Output]) -> str:
    return C_TYPES[group[0].number.dtype] if group[0].varies & RAY else "double"


def _loads(inputs: list[Input]) -> Iterable[str]:
    pixels = _PIXELS if {one.name for one in inputs} >= _PIXELS else frozenset()
    if pixels:
        yield "int32_t fast_0[BLOCK], slow_0[BLOCK];"
        yield "PIXELS(fast_0, slow_0, fast, slow);"
    for one in inputs:
        if one.name in pixels or (pixels and one.padding == "zero"):
            continue
        for place in range(one.elements if one.varies == RAY else 0):
            name = f"{one.name}_{place}"
            padding = "0" if one.padding == "zero" else f"{name}[0]"
            yield f"{C_TYPES[one.dtype]} {name}[BLOCK];"
            yield f"LOAD({name}, {one.name} + (int64_t){place} * rays, {padding});"


def _stores(group: list[Output], pass_of: str = "") -> Iterable[str]:
    for place, one in enumerate(group):
        where = f"({pass_of}{len(group)} + {place})" if pass_of else f"(int64_t){place}"
        yield f"STORE({_name(group)} + {where} * rays + start, {one.name}_at);"


def _scatters(group: list[Output], loops: Loops) -> Iterable[str]:
    for one in group:
        where = f"{loops.scatters[one.name]}, {one.name}_kept, {one.name}_held"
        yield f"SCATTER({_name(group)}, {one.name}_value, {where});"


def _stores_of_orientation(group: list[Output]) -> Iterable[str]:
    turn = f"({_TERM} * orientations + orientation)" if group[0].varies & TERMS else "(int64_t)orientation"
    for place, one in enumerate(group):
        yield f"STORE({_name(group)} + ({turn} * {len(group)} + {place}) * rays + start, {one.name}_at);"

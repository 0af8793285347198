"""The registry of trace keys: the meaning of each, its formula, and the keys it is computed from.

The data are in `data/trace_keys.json`. `where` says in which part of the log a key occurs and so which context it
carries: `run`, `setup`, `setup_sample`, `setup_beam` and `end` once per log; `block` once per (layer, sub-pixel);
`orientation` and `square` once per block for source 0, phi step 0, mosaic domain 0; `phi` once per block and phi step;
`term` once per block, source, phi step and mosaic domain.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from importlib.resources import files
from typing import Any, Literal

from trace_audit.core.errors import InputError

Kind = Literal["word", "number", "integer", "vector", "matrix", "record"]

SETUP_PLACES = ("setup", "setup_sample", "setup_beam")
GLOBAL_PLACES = ("run", *SETUP_PLACES, "end")


@dataclass(frozen=True)
class Key:
    """One row of the registry.

    `size` is the number of values; `components` names them where there is more than one. `compared` False: shown, never
    judged. `required` True: its absence fails a comparison even if one log is in the historic form. `parents` are the
    keys that its value is computed from directly. `context` True: the pixel is not computed from it, so it can never be
    the cause of a wrong pixel.
    """

    name: str
    kind: Kind
    size: int
    unit: str
    where: str
    stage: str
    parents: tuple[str, ...]
    meaning: str
    formula: str
    compared: bool
    required: bool
    context: bool = False
    aliases: tuple[str, ...] = ()
    equations: tuple[str, ...] = ()  # numbers in docs/physics.md
    components: tuple[str, ...] = ()

    def component_name(self, index: int) -> str:
        """Name of component `index`: empty for a scalar."""
        return self.components[index] if self.components else ""


@cache
def registry() -> Mapping[str, Key]:
    """All keys by name, in the order in which a log prints them or later."""
    text = files("trace_audit").joinpath("data/trace_keys.json").read_text(encoding="utf-8")
    rows = json.loads(text)["keys"]
    return {row["name"]: _key(row) for row in rows}


def _key(row: dict[str, Any]) -> Key:
    lists = ("parents", "aliases", "components", "equations")
    fields: dict[str, Any] = {name: tuple(value) if name in lists else value for name, value in row.items()}
    return Key(**fields)


def find(name: str) -> Key:
    """The key called `name`, aliases included. Raises InputError with near names for an unknown one."""
    keys = registry()
    if name in keys:
        return keys[name]
    for key in keys.values():
        if name in key.aliases:
            return key
    from difflib import get_close_matches

    near = ", ".join(get_close_matches(name, keys, n=3)) or "none"
    raise InputError(f"trace key {name!r} is not known; near names: {near}; `explain` without a key lists all")


@cache
def children() -> Mapping[str, tuple[str, ...]]:
    """For each key, the keys that are computed from it."""
    result: dict[str, list[str]] = {name: [] for name in registry()}
    for key in registry().values():
        for parent in key.parents:
            result[parent].append(key.name)
    return {name: tuple(names) for name, names in result.items()}


@cache
def parents_among(printed: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    """Parents of each key among those in a log.

    A parent that is not printed is replaced by its own parents, and by printed context keys computed from it: if a
    wavelength in metres is left out, the one in Angstrom shows its value.
    """

    def seen(name: str) -> tuple[str, ...]:
        if name in printed:
            return (name,)
        witnesses = [child for child in children()[name] if registry()[child].context and child in printed]
        return tuple(dict.fromkeys([*witnesses, *(n for parent in registry()[name].parents for n in seen(parent))]))

    return {
        key.name: tuple(dict.fromkeys(name for parent in key.parents for name in seen(parent) if name != key.name))
        for key in registry().values()
    }


def can_be_root(name: str, printed: frozenset[str]) -> bool:
    """Whether a key can be the cause of a wrong pixel: a context key only if it alone shows another key's value."""
    key = registry()[name]
    return not key.context or any(
        parent not in printed and not _printed_above(parent, printed) for parent in key.parents
    )


def _printed_above(name: str, printed: frozenset[str]) -> bool:
    """Whether all keys that a key is computed from are printed."""
    parents = registry()[name].parents
    return bool(parents) and all(parent in printed or _printed_above(parent, printed) for parent in parents)


class KeyGraph:
    """Keys by name and their dependencies: of a nanoBragg, or of any other simulator."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self.keys = keys

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All keys, parents before children, otherwise in the order of the registry. Raises CycleError."""
        sorter = TopologicalSorter({key.name: key.parents for key in self.keys.values()})
        sorter.prepare()
        position = {name: i for i, name in enumerate(self.keys)}
        order: list[str] = []
        ready: set[str] = set()
        while sorter.is_active():
            ready.update(sorter.get_ready())
            name = min(ready, key=position.__getitem__)
            ready.remove(name)
            sorter.done(name)
            order.append(name)
        return tuple(order)

    @cached_property
    def _above(self) -> Mapping[str, frozenset[str]]:
        above: dict[str, frozenset[str]] = {}
        for name in self.order:
            parents = self.keys[name].parents
            above[name] = frozenset(parents).union(*(above[parent] for parent in parents))
        return above

    def ancestors(self, name: str) -> frozenset[str]:
        """Every key that `name` is computed from, directly or not."""
        return self._above[name]

    def heads(self, diverging: Iterable[str]) -> tuple[str, ...]:
        """The diverging keys that are computed from no other diverging key, in order of computation."""
        names = set(diverging)
        return tuple(name for name in self.order if name in names and not names & self.ancestors(name))


@cache
def graph() -> KeyGraph:
    """The keys of a nanoBragg."""
    return KeyGraph(registry())


def topological_order() -> tuple[str, ...]:
    """All keys, parents before children, otherwise in the order of the registry."""
    return graph().order


def downstream(name: str) -> tuple[str, ...]:
    """Every key that is computed, directly or not, from `name`, in topological order."""
    reached = {name}
    for candidate in topological_order():
        if reached.intersection(registry()[candidate].parents):
            reached.add(candidate)
    return tuple(n for n in topological_order() if n in reached and n != name)


def roots(diverging: Iterable[str]) -> tuple[str, ...]:
    """The diverging keys without a diverging parent, in topological order. No context keys."""
    names = {name for name in diverging if not registry()[name].context}
    return tuple(n for n in topological_order() if n in names and not names.intersection(registry()[n].parents))


def _files_of(equation: str) -> str:
    """The C and the torch file that open with an equation, if the sources are present."""
    from nanobragg_tables import equations

    if not equations.DOCUMENT.is_file():
        return ""
    files = [str(path) for program in equations.PROGRAMS for path in equations.owners(program).get(equation, ())]
    return f": {', '.join(files)}"


def explain(name: str) -> str:
    """Meaning, unit, formula, parents and children of a key as text. Raises InputError if it is unknown."""
    key = find(name)
    count = {"vector": "3 numbers", "matrix": "3 x 3 numbers", "word": "a word"}.get(key.kind)
    shape = count or (f"{key.size} {key.kind}s" if key.size > 1 else f"one {key.kind}")
    rows = [
        ("key", key.name),
        ("meaning", key.meaning),
        ("unit", key.unit or "none"),
        ("shape", shape + (f" ({', '.join(key.components)})" if key.components else "")),
        ("formula", key.formula),
        *(("equation", f"({number}) of docs/physics.md{_files_of(number)}") for number in key.equations),
        ("stage", f"{key.stage}, printed in the {key.where} part"),
        ("from", ", ".join(key.parents) or "the command line"),
        ("used by", ", ".join(children()[key.name]) or "nothing"),
        ("context", "yes: the pixel is not computed from it" if key.context else "no"),
        ("compared", "yes" if key.compared else "no, informative"),
    ]
    return "".join(f"{label:9s} {text}\n" for label, text in rows)

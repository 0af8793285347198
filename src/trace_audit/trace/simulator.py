"""The keys of a simulator other than nanoBragg, from a user's file: names, units, formulas, parents, tolerances.

    program: sphere
    prefixes: [TRACE]
    tolerance: 1.0e-9
    keys:
      - { name: q_per_nm, unit: 1/nm, stage: scattering, parents: [theta_rad, wavelength_nm],
          formula: q = 4 pi sin(theta) / lambda, meaning: length of the scattering vector }

`docs/porting.md` explains each part.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from trace_audit.core.errors import InputError
from trace_audit.core.files import read_yaml
from trace_audit.trace.key_names import KeyNames, in_one_line
from trace_audit.trace.keys import Key, KeyGraph

KeyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]{0,59}$")]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=400)]
DEFAULT_TOLERANCE = 1e-6


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Row(_Part):
    """One key of the file."""

    name: KeyName
    unit: Text = ""
    stage: Text = Field("", description="the step of the program; default: the name of the key")
    parents: tuple[KeyName, ...] = ()
    formula: Text = ""
    meaning: Text = ""
    kind: Literal["number", "integer", "word", "vector"] = "number"
    components: tuple[Text, ...] = Field((), description="names of the numbers of a vector (x, y, z)")
    aliases: tuple[KeyName, ...] = ()
    tolerance: float | None = Field(None, gt=0)
    floor: float = Field(0.0, ge=0)
    compared: bool = True


class _File(_Part):
    program: Text
    prefixes: tuple[str, ...] = ()
    tolerance: float = Field(DEFAULT_TOLERANCE, gt=0)
    keys: tuple[_Row, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Simulator:
    """A simulator: its keys, and how much two values of a key may differ.

    `tolerances[key]` is relative; below the magnitude `floors[key]` a difference is judged against the floor.
    """

    program: str
    graph: KeyGraph
    prefixes: tuple[str, ...]
    tolerances: Mapping[str, float]
    floors: Mapping[str, float]

    @property
    def names(self) -> KeyNames:
        """How to read its trace lines."""
        return KeyNames(prefixes=self.prefixes)


def read_simulator(path: Path) -> Simulator:
    """The registry file at `path`. Raises InputError with every mistake of the file in one line."""
    document = read_yaml(path, "registry")
    if not isinstance(document, dict):
        raise InputError(f"registry {path}: expected the parts {', '.join(_File.model_fields)}")
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        raise InputError(f"registry {path}: {in_one_line(error.errors())}; see docs/porting.md") from None
    _check(path, file)
    graph = KeyGraph({row.name: _key(row) for row in file.keys})
    try:
        _ = graph.order
    except CycleError as error:
        circle = " from ".join(map(str, error.args[1]))
        raise InputError(f"registry {path}: keys are computed from each other in a circle: {circle}") from None
    return Simulator(
        file.program,
        graph,
        file.prefixes,
        {row.name: row.tolerance or file.tolerance for row in file.keys},
        {row.name: row.floor for row in file.keys},
    )


def _check(path: Path, file: _File) -> None:
    names = [name for row in file.keys for name in (row.name, *row.aliases)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"registry {path}: {', '.join(twice)} is there twice; give each key and alias once")
    known = {row.name for row in file.keys}
    for row in file.keys:
        strange = [parent for parent in row.parents if parent not in known]
        if strange:
            raise InputError(f"registry {path}: keys.{row.name}.parents: {', '.join(strange)} is no key of this file")


def _key(row: _Row) -> Key:
    components = row.components or (("x", "y", "z") if row.kind == "vector" else ())
    return Key(
        name=row.name,
        kind=row.kind,
        size=max(len(components), 1),
        unit=row.unit,
        where="run",
        stage=row.stage or row.name,
        parents=row.parents,
        meaning=row.meaning,
        formula=row.formula,
        compared=row.compared,
        required=False,
        aliases=row.aliases,
        components=components,
    )

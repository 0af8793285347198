"""A continuous parameter of an experiment: its field, its flags, and whether the image is differentiable by it.

A `Parameter` knows its field of `parameters.Experiment` and its nanoBragg flags, so the same number can enter both
programs: a tensor through `put`, text through `flags`. Nothing here needs torch. docs/gradients.md is made from this
table: `python -m nanobrag_torch.gradients > docs/gradients.md`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from nanobrag_torch.parameters import Experiment

Kind = Literal["differentiable", "piecewise", "none"]
Flags = Callable[["Experiment", Path], list[str]]

DEG_PER_RAD = 57.29577951308232


@dataclass(frozen=True)
class Unit:
    """A unit of the command line: its name, and the conversions to the field's unit and back, as in the C program."""

    name: str
    to_field: Callable[[Any], Any]
    from_field: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


PLAIN = Unit("1", _same, _same)
DEGREE = Unit("deg", _same, _same)
ANGSTROM = Unit("A", _same, _same)
PIXEL = Unit("pixel", _same, _same)
ELECTRON = Unit("electron", _same, _same)
MM = Unit("mm", lambda v: v / 1000.0, lambda x: x * 1000.0)
UM = Unit("um", lambda v: v * 1e-6, lambda x: x / 1e-6)
MRAD = Unit("mrad", lambda v: v / 1000.0, lambda x: x * 1000.0)
ANGLE = Unit("deg", lambda v: v / DEG_PER_RAD, lambda x: x * DEG_PER_RAD)
PERCENT = Unit("%", lambda v: v / 100.0, lambda x: x * 100.0)
WAVELENGTH = Unit("A", lambda v: v / 1e10, lambda x: x * 1e10)
METRE = Unit("m", _same, _same)
SPACING = Unit("A", lambda v: v * 1e-10, lambda x: x / 1e-10)
ATTENUATION = Unit("um", lambda v: 1.0 / (v * 1e-6), lambda x: 1.0 / x / 1e-6 if x else math.inf)


@dataclass(frozen=True)
class Parameter:
    """One continuous number.

    `field` is its place in an Experiment: `detector.distance_m`, `crystal.n_cells[0]`, or a tensor
    (`beam.sources.weight`) of which one element is chosen.

    `flags(experiment, folder)`: the flags that state the field of that experiment; files they name are written to
    `folder`. None: the C program has no real number for it. `needs`: flags that make the parameter matter, after those
    of the experiment. `start`: the value (in `unit`) where the experiment has none. `single`: the C program rounds it
    to single precision, which limits the accuracy of differences of its images. `range`: the lowest and highest value.
    """

    name: str
    field: str
    unit: Unit
    kind: Kind
    why: str
    flags: Flags | None = None
    needs: Flags | None = None
    start: float | None = None
    single: bool = False
    range: tuple[float, float] | None = None

    def value(self, experiment: Experiment, index: tuple[int, ...] = ()) -> float | None:
        """The number in `unit`; None where the experiment does not state it."""
        part: Any = experiment
        for name in self._names:
            part = getattr(part, name)
        if self._component is not None:
            part = None if part is None else part[self._component]
        elif index:
            part = part[index]
        return None if part is None else float(self.unit.from_field(part))

    def put(self, experiment: Experiment, value: Any, index: tuple[int, ...] = ()) -> Experiment:
        """The experiment with the parameter (or element `index` of a tensor) at `value`, in `unit`; tensors pass."""
        changed: Experiment = self._set(experiment, self._names, self.unit.to_field(value), index)
        return changed

    @property
    def is_tensor(self) -> bool:
        """Whether the field is a tensor, so that an element has to be chosen."""
        return self.field in TENSOR_FIELDS

    @property
    def _names(self) -> list[str]:
        return self.field.partition("[")[0].split(".")

    @property
    def _component(self) -> int | None:
        index = re.search(r"\[(\d)\]$", self.field)
        return int(index[1]) if index else None

    def _set(self, owner: Any, names: list[str], value: Any, index: tuple[int, ...]) -> Any:
        name, rest = names[0], names[1:]
        old = getattr(owner, name)
        if rest:
            return replace(owner, **{name: self._set(old, rest, value, index)})
        if self._component is not None:
            value = tuple(value if i == self._component else x for i, x in enumerate(old))
        elif index:
            tensor = old.clone()
            tensor[index] = value
            value = tensor
        return replace(owner, **{name: value})


TENSOR_FIELDS = (
    "crystal.orientation_matrix",
    "beam.sources.position_m",
    "beam.sources.weight",
    "beam.sources.wavelength_m",
    "structure_factors.table.F_electrons",
)

"""What the name of a refined parameter stands for: a row of docs/gradients.md, or the amplitude of a reflection.

`F_reflection 1 -2 3` is the amplitude of (1, -2, 3), in electrons: that element of the table alone, so neither its
Friedel mate nor a symmetry mate moves with it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from nanobrag_torch.gradients import Parameter, parameter
from nanobrag_torch.parameters import Experiment, Scalar

AMPLITUDE = "F_reflection"
_FORM = f"'{AMPLITUDE} 1 -2 3'"


class Named(NamedTuple):
    """A refined parameter; `hkl` of a reflection, None for a number of the experiment."""

    row: Parameter
    hkl: tuple[int, int, int] | None = None

    def value(self, experiment: Experiment) -> float | None:
        """The number in the unit of its row; None where the experiment does not state it. Raises ValueError."""
        return self.row.value(experiment, self._index(experiment) if self.hkl else ())

    def put(self, experiment: Experiment, value: Scalar) -> Experiment:
        """The experiment with the parameter at `value`, differentiable in it in every mode."""
        if self.hkl is None:
            return self.row.put(experiment, value)
        import torch

        factors = experiment.structure_factors
        assert factors.table is not None  # `_index` says so where there is none
        F = factors.table.F_electrons
        indices = tuple(torch.tensor(i, device=F.device) for i in self._index(experiment))
        changed = F.double().index_put(indices, torch.as_tensor(value, dtype=torch.float64, device=F.device))
        return replace(
            experiment, structure_factors=replace(factors, table=replace(factors.table, F_electrons=changed))
        )

    def is_looked_up(self, experiment: Experiment) -> bool:
        """Whether it is an amplitude that is looked up in a table: a reflection's, or that of all beyond the table."""
        beyond = self.row.name == "default_F" and experiment.structure_factors.table is not None
        return self.hkl is not None or beyond

    def _index(self, experiment: Experiment) -> tuple[int, int, int]:
        """Where the reflection is in the table."""
        table, name = experiment.structure_factors.table, f"{AMPLITUDE} {' '.join(map(str, self.hkl or ()))}"
        if table is None:
            raise ValueError(f"{name}: the flags state no table of amplitudes, expected -hkl")
        low = (table.h_min, table.k_min, table.l_min)
        h, k, l = (index - first for index, first in zip(self.hkl or (), low, strict=True))
        if not all(0 <= place < size for place, size in zip((h, k, l), table.F_electrons.shape, strict=True)):
            ends = ", ".join(
                f"{first} to {first + size - 1}" for first, size in zip(low, table.F_electrons.shape, strict=True)
            )
            raise ValueError(f"{name}: not in the table of amplitudes, whose h, k, l are {ends}")
        return h, k, l


def named(name: str) -> Named:
    """The parameter of a name. Raises KeyError, naming near ones, or ValueError."""
    quantity, *indices = name.split()
    row = parameter(quantity)
    if quantity != AMPLITUDE:
        if indices:
            raise ValueError(f"{name}: only {AMPLITUDE} takes indices, as in {_FORM}")
        return Named(row)
    try:
        h, k, l = map(int, indices)
    except ValueError:
        raise ValueError(f"{name}: expected the indices of one reflection, as in {_FORM}") from None
    return Named(row, (h, k, l))

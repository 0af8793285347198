"""What a program reads and what it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nanobrag_torch.backends.compiled.recorded import Number


@dataclass(frozen=True)
class Input:
    """A tensor that a program reads: by element, by component and ray, by orientation, by source, or by index."""

    name: str
    dtype: torch.dtype
    varies: int
    elements: int = 1  # of each ray, of each orientation or source, or in all; any number in a table
    table: bool = False
    padding: str = "first"  # what stands in for rays after the last: the first ray of the block, or "zero"


@dataclass(frozen=True)
class Output:
    """A number that a program writes: for every ray, or its sum over all dimensions that `varies` does not name."""

    name: str
    number: Number
    varies: int
    place: Number | None = None  # in a table, to which the number of every ray and orientation is added there
    last: Number | None = None  # what is added after all samples and sources, of each of which the number is one

    @property
    def numbers(self) -> list[Number]:
        """All that it depends on at once."""
        return [number for number in (self.number, self.place, self.last) if number is not None]


def name_of(group: Sequence[Output]) -> str:
    """What outputs of the same name but for their number at its end are called together."""
    return group[0].name.rpartition("_")[0]

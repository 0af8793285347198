"""A random command line in the making: its random numbers, its flags, and the files that they name."""

from dataclasses import dataclass, field
from random import Random

from nanobragg_tables import flags

SPELLINGS = {flag.name: flag.spellings for flag in flags()}


@dataclass
class CommandLine:
    """Words of a command line and the files (by name) that they speak of."""

    seed: int
    words: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"seed {self.seed}: {' '.join(self.words)}"


class Draft:
    """A command line in the making."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.groups: list[list[str]] = []
        self.files: dict[str, bytes] = {}
        self.n_fast, self.n_slow = self.random.choice([11, 16, 23]), 0
        self.n_slow = self.n_fast + self.random.choice([0, 3])
        self.pixel_mm = self.random.choice([0.1, 0.4, 1.5])

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def uniform(self, low: float, high: float, digits: int = 3) -> str:
        return f"{self.random.uniform(low, high):.{digits}f}"

    def add(self, flag: str, *values: object) -> None:
        """Give a flag, in any of its spellings."""
        self.groups.append([self.random.choice(SPELLINGS[flag]), *map(str, values)])

    def maybe(self, probability: float, flag: str, *values: object) -> None:
        if self.chance(probability):
            self.add(flag, *values)

    def give(self, flag: str, name: str, content: bytes) -> None:
        """Give a flag that names a file."""
        self.files[name] = content
        self.add(flag, name)

"""The findings of a port audit as data: rows of keys, the image, causes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from trace_audit.compare.comparison import Comparison, Factor, compare
from trace_audit.compare.gaps import Interval
from trace_audit.compare.multiply_back import Identity
from trace_audit.port import own_image, trials
from trace_audit.port.precision import MARGIN, Single, Spread
from trace_audit.port.proof import StageProof
from trace_audit.port.two_images import Distance, agree
from trace_audit.trace.foreign_log import ForeignLog
from trace_audit.trace.keys import KeyGraph, graph
from trace_audit.trace.parse import Problem, Trace
from trace_audit.trace.printed import Precision
from trace_audit.trace.tolerances import relative_tolerance

PIXEL = own_image.PIXEL
EITHER_SIDE = "not known"  # whose fault it is


@dataclass(frozen=True)
class Row:
    """One printed key: the worst of its contexts, and what rounding allows there.

    `verdict`: agrees, rounding (outside the tolerance, inside what the port's precision explains), differs.
    """

    factor: Factor
    spread_double: float
    spread_port: float
    allowed: float
    verdict: str


@dataclass
class Cause:
    """Why some keys differ. `key` heads them ("" for the image as a whole).

    `role`: in the image, in the trace only, not known. `explanation`: None where no cause has been shown.
    `effect`: the factor by which the port's pixel changes through it, where that could be worked out.
    """

    key: str
    role: str
    explanation: str | None
    equals: tuple[str, ...] = ()
    explains: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()
    effect: float | None = None
    interval: Interval | None = None
    proof: StageProof | None = None
    residual: float | None = None  # what stays of the key's difference with the explanation, relative
    side: str = ""  # whose fault it is, where that is not the candidate, or EITHER_SIDE


@dataclass
class ImageFinding:
    """The port's image against the other side's: as it is, and against ours with what explains it.

    `pixels` were compared; `of_reference`: with an image that the reference made, not with our program's.
    """

    before: Distance
    after: Distance
    allowed: Distance
    pixels: int
    of_reference: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the images are the same but for rounding."""
        return agree(self.before, self.allowed)


@dataclass(frozen=True)
class ReferenceStanding:
    """How the reference stands to our program, with which causes are looked for.

    `stands_for_it`: all that the reference shows is what our program gives. `printed`: keys that it prints of all keys.
    `differs`: keys, or parts of its image, at which it is not our program.
    """

    stands_for_it: bool = True
    printed: tuple[int, int] = (0, 0)
    differs: tuple[str, ...] = ()


@dataclass
class PortAudit:
    """Everything that the audit of a port found."""

    name: str
    reference_name: str
    ours: Trace
    log: ForeignLog
    comparison: Comparison
    precision: Precision
    spreads: Mapping[float, Spread]  # how far rounding moves each key, by precision
    allowed: Callable[[Factor], float]
    rows: dict[str, Row]
    covered: tuple[int, int]  # printed keys of ours, and all keys of ours
    proofs: dict[str, StageProof]
    image: ImageFinding | None
    image_search: trials.Findings
    trace_search: trials.Findings
    roles: own_image.ImageRole | None
    causes: list[Cause] = field(default_factory=list)
    reference: ReferenceStanding = field(default_factory=ReferenceStanding)
    single: Single | None = None  # the part of the port that computes in float32, where only a part does
    graph: KeyGraph = field(default_factory=graph)  # of the keys, with the port's own
    reference_log: ForeignLog | None = None  # None where our program is the reference

    @property
    def problems(self) -> list[tuple[str, Problem]]:
        """What could not be read of both sides' output, each with the name of its side."""
        of_reference = self.reference_log.problems if self.reference_log is not None else []
        sides = ((self.name, self.log.problems), (self.reference_name, of_reference))
        return [(name, problem) for name, problems in sides for problem in problems]

    @property
    def contradictions(self) -> list[Identity]:
        """Equations between the port's own printed values that do not hold."""
        return [identity for identity in self.comparison.identities["py"] if not identity.holds]

    @property
    def differing(self) -> frozenset[str]:
        """The printed keys that differ by more than rounding."""
        return frozenset(name for name, row in self.rows.items() if row.verdict == "differs")

    @property
    def is_alike(self) -> bool:
        """Whether nothing that could be compared differs; something could."""
        compared = bool(self.rows) or self.image is not None
        return compared and not self.differing and (self.image is None or self.image.agrees)

    @property
    def passed(self) -> bool:
        """Whether the port's trace and its image agree with ours."""
        return self.is_alike and not self.problems


@dataclass(frozen=True)
class PortCase:
    """What one side shows: its name, its log, its image (slow, fast; NaN where there is none) if there is one."""

    name: str
    log: ForeignLog
    image: np.ndarray | None


def same(ours: Trace, port: Trace, name: str, moved: Spread) -> bool:
    """Whether a key agrees in two traces but for rounding."""
    for factor in compare(ours, port).factors:
        if factor.key.name == name and not factor.agrees:
            spread_here = moved.get((name, factor.context), 0.0)
            if factor.relative_difference > max(relative_tolerance(), MARGIN * spread_here):
                return False
    return True


def apart(ours: Trace, port: Trace, name: str) -> float | None:
    """The largest relative difference of a key in two traces; None if they do not both have it."""
    return max((f.relative_difference for f in compare(ours, port).factors if f.key.name == name), default=None)

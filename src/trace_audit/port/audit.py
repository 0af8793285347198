"""The audit of a port from what it printed and the image that it made.

In order: which printed values differ from ours by more than rounding; between which keys each fault lies; whether the
port's own stage is wrong or was fed wrong values; what, done to our program, gives the port's image and its numbers;
which faults are in the image and which in the trace alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from trace_audit.compare.comparison import Comparison, Factor, compare
from trace_audit.compare.gaps import Interval, intervals
from trace_audit.compare.multiply_back import Identity
from trace_audit.port import own_image, trials
from trace_audit.port.our_program import OurProgram, Refused
from trace_audit.port.precision import MARGIN, Precision, Spread, detect, moved_by_each, spread
from trace_audit.port.proof import StageProof, prove
from trace_audit.port.two_images import Distance, Sample, distance, rounding_of, sample
from trace_audit.port.units import unit_of_ratio
from trace_audit.trace.foreign_log import ForeignLog
from trace_audit.trace.parse import Trace
from trace_audit.trace.printed import printing_error
from trace_audit.trace.tolerances import relative_tolerance

PIXEL = own_image.PIXEL


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


@dataclass
class ImageFinding:
    """The port's image against ours, as it is and with what explains it."""

    sample: Sample
    before: Distance
    after: Distance
    allowed: Distance

    @property
    def agrees(self) -> bool:
        """Whether the images are the same but for rounding."""
        return self.before.pattern <= self.allowed.pattern and abs(self.before.scale - 1.0) <= self.allowed.scale


@dataclass
class PortAudit:
    """Everything that the audit of a port found."""

    name: str
    reference_name: str
    ours: Trace
    log: ForeignLog
    comparison: Comparison
    precision: Precision
    rows: dict[str, Row]
    covered: tuple[int, int]  # printed keys of ours, and all keys of ours
    proofs: dict[str, StageProof]
    image: ImageFinding | None
    image_search: trials.Findings
    trace_search: trials.Findings
    roles: own_image.ImageRole | None
    causes: list[Cause] = field(default_factory=list)

    @property
    def contradictions(self) -> list[Identity]:
        """Equations between the port's own printed values that do not hold."""
        return [identity for identity in self.comparison.identities["py"] if not identity.holds]

    @property
    def trace_agrees(self) -> bool:
        """Whether every printed key agrees but for rounding."""
        return bool(self.rows) and not self.log.problems and all(row.verdict != "differs" for row in self.rows.values())

    @property
    def passed(self) -> bool:
        """Whether the port's trace and its image agree with ours."""
        return self.trace_agrees and (self.image is None or self.image.agrees)


@dataclass(frozen=True)
class PortCase:
    """What is audited: the port's name, its log, its image (slow, fast; NaN where there is none) if there is one."""

    name: str
    log: ForeignLog
    image: np.ndarray | None
    reference_name: str = "reference"


def audit_port(
    case: PortCase,
    ours: OurProgram,
    *,
    budget_s: float = 60.0,
    reference: Trace | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> PortAudit:
    """Audit a port. `reference` is the trace to compare with (None: that of our torch program)."""
    say("our trace, and how far rounding moves it")
    base = ours.once("trace", ours.trace)
    precision = detect(case.log.numbers)
    spreads = {
        eps: ours.once(("spread", eps), partial(spread, base, ours.watched, eps)) for eps in {2.0**-52, precision.eps}
    }
    moves = ours.once("moves", lambda: moved_by_each(base, ours.watched))
    comparison = compare(base if reference is None else reference, case.log.trace)
    allowed = _allowed(case.log, spreads[precision.eps])
    rows = _rows(comparison, spreads, precision, allowed)
    agrees = {name: row.verdict != "differs" for name, row in rows.items()}
    chosen, before, image_allowed = _images(case, ours, precision)
    judge = trials.Judge(case.log.trace, allowed, chosen, image_allowed)
    image_target = trials.Target(True, frozenset(trials.OF_THE_IMAGE))
    image_search = trials.search(ours, judge, image_target, budget_s / 2.0, say)
    found = intervals(agrees, base.records, moves)
    heads = frozenset(interval.key for interval in found)
    trace_search = trials.search(ours, judge, trials.Target(False, heads), budget_s / 2.0, say)
    explained = OurProgram(image_search.words, ours.pixel, ours.reflections)
    audit = PortAudit(
        name=case.name,
        reference_name=case.reference_name,
        ours=base,
        log=case.log,
        comparison=comparison,
        precision=precision,
        rows=rows,
        covered=(len(set(rows) & set(base.records)), len(base.records)),
        proofs=_proofs(case.log.trace, base, ours, allowed),
        image=None,
        image_search=image_search,
        trace_search=trace_search,
        roles=_roles(case, explained, found, spreads[precision.eps], ours.pixel),
    )
    if chosen is not None and before is not None:
        after = distance(chosen.photons, explained.photons(chosen.slow, chosen.fast))
        audit.image = ImageFinding(chosen, before, after, image_allowed)
    audit.causes = _causes(audit, found, explained)
    return audit


def _allowed(log: ForeignLog, moved: Spread) -> Callable[[Factor], float]:
    """The relative difference that counts as agreement for a printed value."""
    bar, printed = relative_tolerance(), 2.0 * printing_error(log.numbers)

    def allowed(factor: Factor) -> float:
        return max(bar, printed, MARGIN * moved.get((factor.key.name, factor.context), 0.0))

    return allowed


def _rows(
    comparison: Comparison, spreads: Mapping[float, Spread], precision: Precision, allowed: Callable[[Factor], float]
) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for factor in comparison.factors:
        name, place = factor.key.name, (factor.key.name, factor.context)
        if not factor.key.compared or name == "defects":
            continue
        limit = allowed(factor)
        verdict = "agrees" if factor.agrees else "rounding" if factor.relative_difference <= limit else "differs"
        double, port = (spreads[eps].get(place, 0.0) for eps in (2.0**-52, precision.eps))
        row = Row(factor, double, port, limit, verdict)
        known = rows.get(name)
        order = ("agrees", "rounding", "differs").index
        if known is None or (order(verdict), factor.relative_difference) > (
            order(known.verdict),
            known.factor.relative_difference,
        ):
            rows[name] = row
    return rows


def _images(case: PortCase, ours: OurProgram, precision: Precision) -> tuple[Sample | None, Distance | None, Distance]:
    if case.image is None:
        return None, None, Distance(0.0, 0.0, 0.0)
    chosen = sample(case.image, ours.pixel, ours)
    before = distance(chosen.photons, ours.photons(chosen.slow, chosen.fast))
    return chosen, before, rounding_of(ours, chosen, precision.eps)


def _proofs(port: Trace, base: Trace, ours: OurProgram, allowed: Callable[[Factor], float]) -> dict[str, StageProof]:
    try:
        return prove(port, base, ours.watched, allowed)
    except Refused:  # our stages cannot work with the port's values, a distance of 0 for instance
        return {}


def _roles(
    case: PortCase, explained: OurProgram, found: Sequence[Interval], moved: Spread, pixel: tuple[int, int]
) -> own_image.ImageRole | None:
    """Which faulty keys are in the port's pixel, on top of what explains its image."""
    if case.image is not None and np.isfinite(case.image[pixel]):
        port_pixel, source = float(case.image[pixel]), "its image"
    elif case.log.trace.number(PIXEL) is not None:
        port_pixel, source = float(case.log.trace.number(PIXEL) or 0.0), f"the last key of its trace, {PIXEL}"
    else:
        return None
    now = explained.trace()
    still = [interval.key for interval in found if not _same(now, case.log.trace, interval.key, moved)]
    share = max((value for (name, _), value in moved.items() if name == PIXEL), default=0.0)
    limit = max(relative_tolerance(), MARGIN * share)
    return own_image.roles(case.log.trace, port_pixel, source, still, explained.watched, lambda _: limit)


def _same(ours: Trace, port: Trace, name: str, moved: Spread) -> bool:
    """Whether a key agrees in two traces but for rounding."""
    for factor in compare(ours, port).factors:
        if factor.key.name == name and not factor.agrees:
            spread_here = moved.get((name, factor.context), 0.0)
            if factor.relative_difference > max(relative_tolerance(), MARGIN * spread_here):
                return False
    return True


def _causes(audit: PortAudit, found: Sequence[Interval], explained: OurProgram) -> list[Cause]:
    """What is wrong, causes in the image first, by the size of their effect on the pixel."""
    by_key = {interval.key: interval for interval in found}
    causes = []
    accounted: set[str] = set()
    for explanation in audit.image_search.explanations:
        keys = _keys_moved(audit, explained, by_key, explanation, accounted)
        accounted |= set(keys)
        causes.append(
            Cause(
                key=keys[0] if keys else "",
                role=own_image.IN_IMAGE,
                explanation=explanation.hypothesis.sentence,
                equals=explanation.equals,
                explains=tuple(dict.fromkeys((*keys, *explanation.explains))),
                contradicts=explanation.contradicts,
                interval=by_key.get(keys[0]) if keys else None,
                proof=audit.proofs.get(keys[0]) if keys else None,
            )
        )
    grouped: dict[tuple[str, str], Cause] = {}
    for interval in found:
        if interval.key in accounted:
            continue
        cause = _cause_of(audit, interval)
        same = grouped.get((cause.role, cause.explanation or interval.key))
        if same is not None and cause.explanation is not None:
            same.explains = tuple(dict.fromkeys((*same.explains, *cause.explains)))
        else:
            grouped[cause.role, cause.explanation or interval.key] = cause
    causes += grouped.values()
    order = (own_image.IN_IMAGE, own_image.NOT_KNOWN, own_image.TRACE_ONLY)
    _effects(audit, causes)
    return sorted(causes, key=lambda c: (order.index(c.role), -abs(np.log(c.effect)) if c.effect else 0.0))


def _keys_moved(
    audit: PortAudit,
    explained: OurProgram,
    by_key: Mapping[str, Interval],
    explanation: trials.Explanation,
    accounted: set[str],
) -> list[str]:
    """Heads of the trace that agree once this hypothesis is in force."""
    try:
        now = OurProgram(explanation.hypothesis.words, explained.pixel, explained.reflections).trace()
    except Refused:
        return []
    moved = {(row.factor.key.name, row.factor.context): row.spread_port for row in audit.rows.values()}
    return [key for key in by_key if key not in accounted and _same(now, audit.log.trace, key, moved)]


def _cause_of(audit: PortAudit, interval: Interval) -> Cause:
    """The cause of one head of the trace that does not explain the image."""
    role = own_image.NOT_KNOWN
    if audit.roles is not None:
        role = audit.roles.roles.get(interval.key, own_image.NOT_KNOWN)
    cause = Cause(
        key=interval.key,
        role=role,
        explanation=unit_of_ratio(audit.rows[interval.key].factor),
        explains=(interval.key,),
        interval=interval,
        proof=audit.proofs.get(interval.key),
    )
    for known in audit.trace_search.explanations:
        if interval.key in known.explains:
            cause.explanation, cause.equals = known.hypothesis.sentence, known.equals
            cause.explains, cause.contradicts = known.explains, known.contradicts
    return cause


def _effects(audit: PortAudit, causes: Sequence[Cause]) -> None:
    """The factor in the pixel that goes with each cause that one printed factor stands for."""
    for cause in causes:
        row = audit.rows.get(cause.key)
        if cause.role != own_image.IN_IMAGE or row is None or row.factor.key.size != 1:
            continue
        component = row.factor.components[0]
        is_factor = cause.key in ("fluence_photons_per_m2", "polar", "capture_fraction", "omega_pixel", "r_e_sqr")
        if is_factor and component.c and component.py:
            cause.effect = abs(float(component.py) / float(component.c))

"""The audit of a port from its printed values and its image.

In order: which printed values differ from the reference's by more than rounding; between which keys each fault lies;
whether the port's own stage is wrong or got wrong values; which change of our program gives the port's image and
numbers; which faults are in the image and which only in the trace.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from trace_audit.compare.comparison import Comparison, Factor, compare
from trace_audit.compare.gaps import Interval, intervals
from trace_audit.compare.substitute import INHERITED, TO_BLAME
from trace_audit.port import own_image, trials
from trace_audit.port.causes import causes_of
from trace_audit.port.findings import PIXEL, ImageFinding, PortAudit, PortCase, Row, same
from trace_audit.port.judge import OF_THE_IMAGE, Judge, Target
from trace_audit.port.our_program import OurProgram, Refused
from trace_audit.port.own_rows import moves_with, own_rows
from trace_audit.port.precision import MARGIN, Spread, moved_by_each, single_part, spread
from trace_audit.port.proof import StageProof, prove
from trace_audit.port.two_images import Distance, Sample, distance, rounding_of, sample
from trace_audit.port.units import unit_of_ratio
from trace_audit.trace.foreign_log import ForeignLog
from trace_audit.trace.keys import graph, registry
from trace_audit.trace.own_keys import graph_with
from trace_audit.trace.parse import Context, Record, Trace
from trace_audit.trace.printed import Precision, detect, printing_error
from trace_audit.trace.tolerances import relative_tolerance

Say = Callable[[str], None]
_NO_LENGTH = ("", "1", "deg", "rad")  # units that are no lengths


def audit_port(
    case: PortCase,
    ours: OurProgram,
    *,
    budget_s: float = 60.0,
    reference: PortCase | None = None,
    reference_name: str = "reference",
    say: Say = lambda _: None,
) -> PortAudit:
    """Audit a port against our program, or against a `reference` that shows what our program gives."""
    say("our trace, and how far rounding moves it")
    printed = set(case.log.trace.records)
    case = replace(case, log=with_pixel_of_image(case, ours.pixel))
    audit, moves = _compared(case, ours, reference, reference_name)
    audit.covered = len(printed & set(audit.ours.records)), len(audit.ours.records)
    moved = audit.spreads[audit.precision.eps]
    audit.rows |= own_rows(case.log, None if reference is None else reference.log, audit.ours, audit.graph, moved)
    heads = _heads(audit, moves)
    chosen, image_allowed = _images(case, ours, audit.precision)
    _explain(audit, Judge(case.log.trace, audit.allowed, chosen, image_allowed, audit.ours), ours, heads, budget_s, say)
    explained = ours.changed(audit.image_search.variant)
    audit.roles = _roles(case, explained, _of_one_cause(audit, heads), moved, ours.pixel)
    if chosen is not None:
        audit.image = image_finding(case, reference, chosen, ours, explained, image_allowed)
    audit.causes = causes_of(audit, heads, explained)
    return audit


def _compared(
    case: PortCase, ours: OurProgram, reference: PortCase | None, reference_name: str
) -> tuple[PortAudit, Mapping[str, frozenset[str]]]:
    """The rows of a case with what rounding explains and what our stages say; and which keys move which, here."""
    base = ours.once("trace", ours.trace)
    precision = detect(case.log.numbers)
    spreads = spreads_of(ours, precision)
    comparison = compare(base if reference is None else completed(reference.log.trace, base), case.log.trace)
    allowed = allowed_for(case.log, spreads[precision.eps])
    nothing = trials.Findings(ours.variant, {}, {})
    audit = PortAudit(
        name=case.name,
        reference_name=reference_name if reference is None else reference.name,
        ours=base,
        log=case.log,
        comparison=comparison,
        precision=precision,
        spreads=spreads,
        allowed=allowed,
        rows=rows_of(comparison, spreads, precision, allowed),
        covered=(0, 0),
        proofs=_proofs(case.log.trace, base, ours, allowed),
        image=None,
        image_search=nothing,
        trace_search=nothing,
        roles=None,
        graph=graph_with(case.log.own_keys) if case.log.own_keys else graph(),
    )
    return audit, moves_of(ours)


def moves_of(ours: OurProgram) -> Mapping[str, frozenset[str]]:
    """Which keys move which, in this experiment."""
    base = ours.once("trace", ours.trace)
    moves: Mapping[str, frozenset[str]] = ours.once("moves", lambda: moved_by_each(base, ours.watched))
    return moves


def _explain(
    audit: PortAudit, judge: Judge, ours: OurProgram, heads: Sequence[Interval], budget_s: float, say: Say
) -> None:
    """Look for what, done to our program, gives the port's image, then its trace."""
    judge = replace(judge, differing=audit.differing, is_single=audit.precision.name != "float64")
    audit.image_search = trials.search(ours, judge, Target(True, frozenset(OF_THE_IMAGE)), budget_s / 2.0, say)
    possible = frozenset(name for interval in heads for name in interval.possible)
    of_trace = Target(False, frozenset(interval.key for interval in heads), possible)
    audit.trace_search = trials.search(ours, judge, of_trace, budget_s / 2.0, say)
    if heads and audit.precision.name == "float64":
        audit.single = single_part(audit.log.numbers, audit.ours, ours.watched)


def _heads(audit: PortAudit, moves: Mapping[str, frozenset[str]]) -> list[Interval]:
    """Where a fault lies: keys that no other diverging key explains, and keys whose own stage is proved wrong.

    A length in another unit, and a factor that is off, tell that of themselves, unless a length that is not printed can
    have brought it in.
    """
    keys, rows, proofs = audit.graph, audit.rows, audit.proofs
    agrees = {name: row.verdict != "differs" for name, row in rows.items()}
    own = [name for name in audit.log.own_keys if name in rows]
    diverging = intervals(agrees, [*audit.ours.records, *own], moves_with(moves, own, keys), keys)
    known = {interval.key for interval in diverging}
    differing = {name: proof for name, proof in proofs.items() if agrees.get(name) is False}
    proved = [name for name, proof in differing.items() if proof.verdict == TO_BLAME or _tells(proof, rows[name])]
    at_fault = [keys.keys[name] for name in proved if name not in known and not name.startswith("term.")]
    of_stage = [Interval(key.name, key.parents, (key.name,), (), (key.stage,)) for key in at_fault]
    return sorted([*diverging, *of_stage], key=lambda interval: keys.order.index(interval.key))


def _tells(proof: StageProof, row: Row) -> bool:
    """Whether a key's value says of itself what is wrong with it, whatever it is computed from."""
    told = unit_of_ratio(row.factor)
    if proof.verdict == INHERITED or told is None:
        return False
    has_no_length = all(registry()[name].unit in _NO_LENGTH for name in proof.parents_not_printed)
    return proof.key == "polar" or ("metres" in told and has_no_length)


def with_pixel_of_image(case: PortCase, pixel: tuple[int, int]) -> ForeignLog:
    """The log, with the pixel as its image has it where it does not print that."""
    trace = case.log.trace
    if PIXEL in trace.records or case.image is None or not np.isfinite(case.image[pixel]):
        return case.log
    record = Record(registry()[PIXEL], Context(), (float(case.image[pixel]),), 0)
    return replace(case.log, trace=replace(trace, records={**trace.records, PIXEL: {Context(): record}}))


def completed(reference: Trace, ours: Trace) -> Trace:
    """A reference's trace, with our values for the keys that it does not print."""
    return replace(reference, records={**ours.records, **reference.records}, blocks=reference.blocks or ours.blocks)


def spreads_of(ours: OurProgram, precision: Precision) -> dict[float, Spread]:
    """How far rounding moves each key, of doubles and of this precision."""
    base = ours.once("trace", ours.trace)
    return {
        eps: ours.once(("spread", eps), partial(spread, base, ours.watched, eps)) for eps in {2.0**-52, precision.eps}
    }


def image_finding(
    case: PortCase,
    reference: PortCase | None,
    chosen: Sample,
    ours: OurProgram,
    explained: OurProgram,
    allowed: Distance,
) -> ImageFinding:
    """The port's image against the reference's, pixel by pixel, or where it has none against ours on a sample."""
    after = distance(chosen.photons, explained.photons(chosen.slow, chosen.fast))
    if reference is None or reference.image is None or case.image is None:
        before = distance(chosen.photons, ours.photons(chosen.slow, chosen.fast))
        return ImageFinding(before, after, allowed, int(chosen.photons.size))
    both = np.isfinite(case.image) & np.isfinite(reference.image)
    before = distance(case.image[both], reference.image[both])
    return ImageFinding(before, after, allowed, int(both.sum()), of_reference=True)


def allowed_for(log: ForeignLog, moved: Spread) -> Callable[[Factor], float]:
    """The relative difference that counts as agreement for a printed value."""
    bar, printed = relative_tolerance(), 2.0 * printing_error(log.numbers)

    def allowed(factor: Factor) -> float:
        return max(bar, printed, MARGIN * moved.get((factor.key.name, factor.context), 0.0))

    return allowed


def rows_of(
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


def _images(case: PortCase, ours: OurProgram, precision: Precision) -> tuple[Sample | None, Distance]:
    """The pixels on which images are compared, None without an image, and what rounding allows there."""
    if case.image is None:
        return None, Distance(0.0, 0.0, 0.0)
    chosen = sample(case.image, ours.pixel, ours)
    return chosen, rounding_of(ours, chosen, precision.eps)


def _proofs(port: Trace, base: Trace, ours: OurProgram, allowed: Callable[[Factor], float]) -> dict[str, StageProof]:
    try:
        return prove(port, base, ours.watched, allowed)
    except Refused:  # our stages cannot work with the port's values, a distance of 0 for instance
        return {}


def _of_one_cause(audit: PortAudit, heads: Sequence[Interval]) -> list[tuple[str, ...]]:
    """The faulty keys in groups that have one explanation; each other key is a group of its own."""
    groups: dict[str, list[str]] = {}
    for interval in heads:
        if interval.key not in registry():
            continue
        told = next((e for e in audit.trace_search.explanations if interval.key in e.explains), None)
        label = told.hypothesis.name if told else unit_of_ratio(audit.rows[interval.key].factor)
        groups.setdefault(label or interval.key, []).append(interval.key)
    return [tuple(group) for group in groups.values()]


def _roles(
    case: PortCase,
    explained: OurProgram,
    groups: Sequence[tuple[str, ...]],
    moved: Spread,
    pixel: tuple[int, int],
) -> own_image.ImageRole | None:
    """Which faulty keys are in the port's pixel, on top of what explains its image."""
    if case.image is not None and np.isfinite(case.image[pixel]):
        port_pixel, source = float(case.image[pixel]), "its image"
    elif case.log.trace.number(PIXEL) is not None:
        port_pixel, source = float(case.log.trace.number(PIXEL) or 0.0), f"the last key of its trace, {PIXEL}"
    else:
        return None
    now = explained.trace()
    differing = [tuple(key for key in group if not same(now, case.log.trace, key, moved)) for group in groups]
    still = [group for group in differing if group]
    share = max((value for (name, _), value in moved.items() if name == PIXEL), default=0.0)
    limit = max(relative_tolerance(), MARGIN * share)
    return own_image.roles(case.log.trace, port_pixel, source, still, explained.watched, lambda _: limit)

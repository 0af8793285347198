"""From findings to causes: those in the image first, by the size of their effect."""

from collections.abc import Mapping, Sequence

import numpy as np

from trace_audit.compare.gaps import Interval
from trace_audit.port import own_image, trials
from trace_audit.port.findings import Cause, PortAudit, apart, same
from trace_audit.port.our_program import OurProgram, Refused
from trace_audit.port.units import unit_of_ratio
from trace_audit.trace.keys import registry


def causes_of(audit: PortAudit, heads: Sequence[Interval], explained: OurProgram) -> list[Cause]:
    """The causes, those in the image first, by the size of their effect on the pixel."""
    by_key = {interval.key: interval for interval in heads}
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
                residual=apart(explained.trace(), audit.log.trace, keys[0]) if keys else None,
                interval=by_key.get(keys[0]) if keys else None,
                proof=audit.proofs.get(keys[0]) if keys else None,
            )
        )
    grouped: dict[tuple[str, str], Cause] = {}
    for interval in heads:
        if interval.key in accounted:
            continue
        cause = _cause_of(audit, interval, explained)
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
    """Heads of the trace that agree under this hypothesis."""
    try:
        now = explained.trace(explanation.hypothesis.variant)
    except Refused:
        return []
    moved = {(row.factor.key.name, row.factor.context): row.spread_port for row in audit.rows.values()}
    ours = [key for key in by_key if key in registry() and key not in accounted]
    return [key for key in ours if same(now, audit.log.trace, key, moved)]


def _cause_of(audit: PortAudit, interval: Interval, explained: OurProgram) -> Cause:
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
            cause.role = cause.role if known.moves_image else own_image.TRACE_ONLY
            now = explained.trace(known.hypothesis.variant)
            cause.residual = apart(now, audit.log.trace, interval.key)
    if cause.explanation is None and audit.single is not None:
        factors = [factor for factor in audit.comparison.factors if factor.key.name == interval.key]
        if factors and audit.single.explains(factors):
            cause.explanation = f"it computes in float32 from {audit.single.first} on, as its printed numbers show"
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

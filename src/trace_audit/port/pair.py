"""Two sides against each other, whatever they are, with our program as the model that tells whose numbers are whose.

A reference that shows what our program gives, as our C program does, is stood for by our program: the candidate's
causes are looked for with it. Where the reference is not our program, both sides are audited against it, and a
difference between them is the fault of the side that departs from it.
"""

from dataclasses import replace

import numpy as np

from trace_audit.compare.comparison import compare
from trace_audit.port.audit import (
    Say,
    allowed_for,
    audit_port,
    moves_of,
    rows_of,
    spreads_of,
    with_pixel_of_image,
)
from trace_audit.port.between import own_of_both, parted, with_intervals
from trace_audit.port.findings import Cause, ImageFinding, PortAudit, PortCase, ReferenceStanding
from trace_audit.port.judge import OF_THE_IMAGE
from trace_audit.port.our_program import OurProgram
from trace_audit.port.own_image import IN_IMAGE
from trace_audit.port.two_images import agree, distance, rounding_of, sample
from trace_audit.trace.printed import detect


def audit_pair(
    reference: PortCase,
    candidate: PortCase,
    ours: OurProgram,
    *,
    budget_s: float = 60.0,
    say: Say = lambda _: None,
) -> PortAudit:
    """Audit the candidate against the reference."""
    standing = _standing(reference, ours)
    if standing.stands_for_it:
        audit = audit_port(candidate, ours, reference=reference, budget_s=budget_s, say=say)
    else:
        audit = _apart(reference, candidate, ours, budget_s, say)
    audit.reference, audit.reference_log = standing, reference.log
    return audit


def _standing(reference: PortCase, ours: OurProgram) -> ReferenceStanding:
    """Whether the reference shows what our program gives."""
    base = ours.once("trace", ours.trace)
    log = with_pixel_of_image(reference, ours.pixel)
    precision = detect(log.numbers)
    spreads = spreads_of(ours, precision)
    rows = rows_of(compare(base, log.trace), spreads, precision, allowed_for(log, spreads[precision.eps]))
    differs = [name for name, row in rows.items() if row.verdict == "differs"]
    if reference.image is not None:
        chosen = sample(reference.image, ours.pixel, ours)
        apart = distance(chosen.photons, ours.photons(chosen.slow, chosen.fast))
        if not agree(apart, rounding_of(ours, chosen, precision.eps)):
            differs.append("its image")
    printed = len(set(reference.log.trace.records) & set(base.records)), len(base.records)
    return ReferenceStanding(not differs, printed, tuple(differs))


def _apart(reference: PortCase, candidate: PortCase, ours: OurProgram, budget_s: float, say: Say) -> PortAudit:
    """Both sides against our program; what is left between them, and whose it is."""
    model = "our program"
    audit = audit_port(candidate, ours, reference_name=model, budget_s=budget_s / 2.0, say=say)
    audit_of_reference = audit_port(reference, ours, reference_name=model, budget_s=budget_s / 2.0, say=say)
    eps = max(audit.precision.eps, audit_of_reference.precision.eps)
    precision = audit.precision if audit.precision.eps == eps else audit_of_reference.precision
    spreads = spreads_of(ours, precision)
    comparison = compare(audit_of_reference.log.trace, audit.log.trace)
    rows = rows_of(comparison, spreads, precision, allowed_for(audit.log, spreads[eps]))
    own, keys = own_of_both(reference.log, candidate.log, spreads[eps])
    rows |= own
    image = _images_of_both(reference, candidate, audit, audit_of_reference)
    differing = {name for name, row in rows.items() if row.verdict == "differs"}
    images_differ = image is not None and not image.agrees
    shared = {(cause.key, cause.explanation) for cause in audit.causes if cause.explanation} & {
        (cause.key, cause.explanation) for cause in audit_of_reference.causes if cause.explanation
    }
    causes = [*audit.causes, *(replace(cause, side=reference.name) for cause in audit_of_reference.causes)]
    kept = [
        cause
        for cause in causes
        if (cause.key, cause.explanation) not in shared and _counts(cause, differing, images_differ)
    ]
    audit.reference_name, audit.comparison, audit.rows, audit.image = reference.name, comparison, rows, image
    audit.graph = keys
    audit.causes = with_intervals(kept, parted(audit, moves_of(ours)), keys)
    return audit


def _counts(cause: Cause, differing: set[str], images_differ: bool) -> bool:
    """Whether a cause on one side is part of the difference between the two."""
    if cause.role == IN_IMAGE and images_differ:
        return True
    return bool(differing.intersection((cause.key, *cause.explains)) - set(OF_THE_IMAGE[:2]))


def _images_of_both(
    reference: PortCase, candidate: PortCase, audit: PortAudit, audit_of_reference: PortAudit
) -> ImageFinding | None:
    """The two images against each other; None where one is missing."""
    if audit.image is None or audit_of_reference.image is None or reference.image is None or candidate.image is None:
        return None
    both = np.isfinite(candidate.image) & np.isfinite(reference.image)
    before = distance(candidate.image[both], reference.image[both])
    allowed = max(audit.image.allowed, audit_of_reference.image.allowed, key=lambda a: a.pattern)
    return replace(audit.image, before=before, allowed=allowed, pixels=int(both.sum()), of_reference=True)

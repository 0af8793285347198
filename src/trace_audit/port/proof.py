"""Is the port's stage wrong, or its input? Our stage decides, run with the port's own parents.

If our formula gives the port's value from the port's parents, the port's stage is right and the difference is
inherited. If it does not, that stage of the port computes something else. Where a parent is not printed, our value
stands in for it, and a difference then decides nothing about the stage alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from trace_audit.compare.comparison import Comparison, Factor, compare
from trace_audit.compare.substitute import INHERITED, TO_BLAME, UNDECIDED, Visit, substitute
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Trace


@dataclass(frozen=True)
class StageProof:
    """What our stage gives from the port's parents, for one diverging key of the port."""

    key: str
    verdict: str  # inherited, to blame, undecided
    ports_value: tuple[float | int | str, ...]
    our_stage_gives: tuple[float | int | str, ...] | None
    relative_difference: float | None
    parents_not_printed: tuple[str, ...]


def prove(
    port: Trace, ours: Trace, run: Callable[[Visit], Trace], allowed: Callable[[Factor], float]
) -> dict[str, StageProof]:
    """A proof for each key of the port that differs from ours, by name.

    `allowed(factor)` is the relative difference that still counts as agreement: the tolerance or the rounding of the
    port's precision.
    """
    turned: Comparison = compare(port, ours)  # the port takes the reference's place: its values feed our stages
    proofs = {}
    for proof in substitute(turned, run):
        key, fed = proof.factor.key, proof.fed
        missing = tuple(name for name in key.parents if name not in port.records and name in ours.records)
        if fed is None:
            verdict = UNDECIDED
        elif fed.relative_difference <= allowed(fed):
            verdict = INHERITED if key.parents else TO_BLAME
        else:
            verdict = UNDECIDED if missing and not _enough(port, key.name) else TO_BLAME
        proofs[key.name] = StageProof(
            key.name,
            verdict,
            tuple(component.c for component in proof.factor.components),
            None if fed is None else tuple(component.py for component in fed.components),
            None if fed is None else fed.relative_difference,
            missing,
        )
    return proofs


def _enough(port: Trace, name: str) -> bool:
    """Whether the printed parents alone determine a key, so that the others cannot matter."""
    alternatives = {
        "pix0_vector_meters": ("pix0_vector",),
        "F_latt": ("F_latt_a", "F_latt_b", "F_latt_c"),
        "omega_pixel": ("omega_pixel_sr",),
        "F_cell": ("hkl_rounded",),
        "capture_fraction": ("diffracted_vec", "odet_after_twotheta"),
        "polar": ("incident_vec", "diffracted_vec", "polar_vector"),
    }.get(name, registry()[name].parents)
    return all(parent in port.records for parent in alternatives)

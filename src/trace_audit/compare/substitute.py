"""Proof by substitution: does a torch stage, fed with the reference's own parents, give the reference's value?

In one pass of the production code, every value that the reference traced replaces torch's own, stage by stage. The
value that a stage returns before the replacement is its answer to the reference's parents. If it equals the reference's
value, the difference of that key was inherited; if not, this stage is to blame. Parents that the reference did not
trace have the scenario's values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trace_audit.compare.comparison import Comparison, Factor, factor_of
from trace_audit.trace.keys import registry, topological_order
from trace_audit.trace.parse import Context, Record, Trace, Value

Visit = Callable[[str, Context, list[Value]], Sequence[Value] | None]
Pass = Callable[[Visit], object]

INHERITED, TO_BLAME, UNDECIDED = "inherited", "to blame", "undecided"


@dataclass(frozen=True)
class Proof:
    """What substitution says about one diverging key, from its worst context.

    `relative_difference` is between the reference and the stage fed with the reference's parents; None if the stage
    returned nothing. `untraced_parents` had the scenario's values: with any of those, a difference decides nothing.
    """

    factor: Factor
    verdict: str
    fed: Factor | None
    contexts: int
    untraced_parents: tuple[str, ...]

    @property
    def relative_difference(self) -> float | None:
        return None if self.fed is None else self.fed.relative_difference


def stage_answers(reference: Trace, run: Pass) -> dict[tuple[str, Context], list[Value]]:
    """The value that each stage of the pass `run` returns when it gets the values of the reference."""
    answers: dict[tuple[str, Context], list[Value]] = {}

    def visit(key: str, context: Context, values: list[Value]) -> Sequence[Value] | None:
        answers.setdefault((key, context), values)
        record = reference.records.get(key, {}).get(context)
        return None if record is None or record.key.kind == "word" else record.values

    run(visit)
    return answers


def substitute(comparison: Comparison, run: Pass) -> list[Proof]:
    """One proof for each diverging key, in order of computation."""
    answers = stage_answers(comparison.c, run)
    rows: dict[str, list[Factor]] = {}
    for factor in comparison.diverging:
        rows.setdefault(factor.key.name, []).append(factor)
    return [_proof(comparison.c, answers, rows[name]) for name in topological_order() if name in rows]


def _proof(reference: Trace, answers: dict[tuple[str, Context], list[Value]], factors: list[Factor]) -> Proof:
    key = factors[0].key
    untraced = tuple(name for name in key.parents if not _is_fed(reference, name))
    pairs = [(factor, _fed(reference, answers, factor)) for factor in factors]
    judged = [(factor, fed) for factor, fed in pairs if fed is not None]
    if not judged:
        return Proof(factors[0], UNDECIDED, None, len(factors), untraced)
    wrong = [pair for pair in judged if not pair[1].agrees]
    factor, fed = max(wrong or judged, key=lambda pair: pair[1].relative_difference)
    verdict = INHERITED if not wrong else UNDECIDED if untraced and not _complete(reference, key.name) else TO_BLAME
    return Proof(factor, verdict, fed, len(factors), untraced)


def _is_fed(reference: Trace, name: str) -> bool:
    """Whether the stage got the reference's value: it is in the log, or computed from values in the log."""
    parents = registry()[name].parents
    return name in reference.records or bool(parents) and all(_is_fed(reference, parent) for parent in parents)


def _complete(reference: Trace, name: str) -> bool:
    """Whether a key's own formula needs none of the parents that this log lacks: one pivot or shape prints no other."""
    sums = ("I_before_scaling", "term.value", "term.F_latt", "term.F_cell", "term.hkl_rounded")
    return name not in sums or "term.value" in reference.records


def _fed(reference: Trace, answers: dict[tuple[str, Context], list[Value]], factor: Factor) -> Factor | None:
    """The reference's value against the stage's answer; a stage that runs once answers for all contexts."""
    context = factor.context
    contexts = [context, context._replace(block=0)]
    if factor.key.where == "term":
        contexts.append(Context(context.block, context.source, 0, 0))
    for tried in contexts:
        values = answers.get((factor.key.name, tried))
        if values is not None:
            c = reference.records[factor.key.name][context]
            return factor_of(c, Record(factor.key, context, tuple(values), 0), factor.floor)
    return None

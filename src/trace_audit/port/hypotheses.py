"""What a port may have done differently: every change of our program that is tried.

A flag ignored or read in another unit, a convention swapped, a known defect; a factor left out or applied twice, a
matrix transposed or inverted, rotations in another order; float32 at a stage, or from a stage on. Each is run and its
numbers compared with the port's, so none of them is a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from trace_audit.port.changes import Variant
from trace_audit.port.flag_hypotheses import flag_changes
from trace_audit.port.precision_changes import precision_changes
from trace_audit.port.stage_changes import stage_changes


@dataclass(frozen=True)
class Hypothesis:
    """`sentence` completes "our program gives the port's numbers if ..."; `variant` is our program changed so.

    `keys`: what the change alters first, empty for what is not known (a flag). Of equals the lower rank is named.
    """

    name: str
    sentence: str
    variant: Variant
    rank: int = 1
    keys: tuple[str, ...] = ()


def all_hypotheses(
    base: Variant, flags: list[tuple[str, ...]], defects: Sequence[tuple[str, bool]], *, of_precision: bool = True
) -> list[Hypothesis]:
    """Every change of `base`, whose command line is `flags`. `defects`: name, and whether it is on now.

    `of_precision`: with values rounded to float32.
    """
    by_flags = [
        Hypothesis(change.name, change.sentence, Variant(change.words, base.changes), change.rank)
        for change in flag_changes(flags, defects)
    ]
    changes = [*stage_changes(), *(precision_changes() if of_precision else ())]
    return by_flags + [
        Hypothesis(change.name, change.sentence, base.with_change(change), change.rank, change.keys)
        for change in changes
        if change not in base.changes
    ]

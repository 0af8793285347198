"""Hypotheses are tried one after the other: which of them changes a diverging key to the port's value?

A hypothesis counts only if the baseline, our program as it is, misses the port's value of a key and the changed program
meets it, and if it gets right far more than it gets wrong; what it gets wrong is said (a trace may be worked out at one
point of the pixel and still print the number of steps of the image). What one hypothesis leaves unexplained is looked
for with a second and a third on top of it, until the time is over; where none counts alone, pairs are tried. Of
hypotheses that explain the same, the one that changes fewest of our own numbers is named, and the others beside it.

One number that is off by a plain factor (2, 10, 2 pi) shows no cause: too many mistakes give it. What would give it is
listed, and not named.

The image and the trace are explained apart from each other, since a port's trace need not be what made its image. The
image counts as two keys, its scale and its pattern, beside its pixel.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trace_audit.compare.comparison import compare
from trace_audit.port.changes import Variant
from trace_audit.port.hypotheses import Hypothesis, all_hypotheses
from trace_audit.port.judge import Agreement, Judge, Target
from trace_audit.port.our_program import OurProgram, Refused, split_words
from trace_audit.port.pairs import most_promising

MOST_ROUNDS = 4
MOST_PAIRS = 80
_MOST_EQUALS = 6
_GAIN_OF_A_LOSS = 4
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Explanation:
    """A hypothesis that counts: what it explains, others that give the very same agreement, and what it gets wrong.

    `moves_image`: whether our image is another one with it.
    """

    hypothesis: Hypothesis
    explains: tuple[str, ...]
    equals: tuple[str, ...]
    contradicts: tuple[str, ...] = ()
    moves_image: bool = True


@dataclass
class Findings:
    """Explanations in the order in which they were added to each other, and what stays unexplained.

    `variant`: our program with all of them. `baseline` and `final`: what agrees without and with them. `suspects`: what
    would give a number that is off by a plain factor.
    """

    variant: Variant
    baseline: Agreement
    final: Agreement
    explanations: list[Explanation] = field(default_factory=list)
    suspects: list[str] = field(default_factory=list)
    trials: int = 0
    refused: int = 0
    seconds: float = 0.0
    is_complete: bool = True

    @property
    def unexplained(self) -> tuple[str, ...]:
        """What still differs, in order."""
        return tuple(name for name, agrees in self.final.items() if not agrees)


@dataclass(frozen=True)
class _Tried:
    """One hypothesis that was run, and what agrees with it."""

    hypothesis: Hypothesis
    numbers: tuple[float, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    after: dict[str, bool]


def search(ours: OurProgram, judge: Judge, target: Target, budget_s: float, say: Progress = lambda _: None) -> Findings:
    """Try every single hypothesis, then more on top of the best, then pairs, within `budget_s` seconds."""
    started = time.monotonic()
    now = judge.agreement(ours, ours.variant, target)[0]
    findings = Findings(ours.variant, now, now)
    searching = _Search(ours, judge, target, findings, started + budget_s, say)
    for _ in range(MOST_ROUNDS):
        if not target.heads.intersection(findings.unexplained):
            break
        tried = searching.singles()
        scored = searching.counting(tried)
        if not scored:
            scored = searching.counting(searching.pairs(tried), most=_MOST_EQUALS)
        if not scored:
            break
        searching.take(scored)
    findings.seconds = time.monotonic() - started
    return findings


@dataclass
class _Search:
    ours: OurProgram
    judge: Judge
    target: Target
    findings: Findings
    deadline: float
    say: Progress
    idle: set[str] = field(default_factory=set)  # names of hypotheses that move none of the numbers

    def singles(self) -> list[_Tried]:
        """Every hypothesis on top of those found so far that may move a number, as far as the time allows."""
        base = self._base()
        candidates = [h for h in self._candidates(self.findings.variant) if self.target.may_explain(h.keys)]
        tried = self._tried([h for h in candidates if h.name not in self.idle], "")
        self.idle |= {t.hypothesis.name for t in tried if t.numbers == base}
        return tried

    def pairs(self, singles: Sequence[_Tried]) -> list[_Tried]:
        """Two changes of which neither counts alone, the most promising first."""
        moving = [(tried.hypothesis, tried.numbers) for tried in singles]
        pairs = most_promising(moving, self._base(), self.judge.aim(self.target), MOST_PAIRS)
        return self._tried(self._combined(pairs), "pairs, ")

    def _base(self) -> tuple[float, ...]:
        """The numbers with what was found so far."""
        return self.judge.agreement(self.ours, self.findings.variant, self.target)[1]

    def _candidates(self, base: Variant) -> list[Hypothesis]:
        from nanobragg_tables import defects, resolve_defects

        flags = split_words(base.words)
        stated = next((flag[1] for flag in reversed(flags) if flag[0] == "-defects"), "default")
        active = resolve_defects(stated)
        known = [(defect.name, defect.name in active) for defect in defects() if defect.torch]
        return all_hypotheses(base, flags, known, of_precision=not self.judge.is_single)

    def _combined(self, pairs: Sequence[tuple[Hypothesis, Hypothesis]]) -> list[Hypothesis]:
        """Each pair as one hypothesis: the second on top of the first."""
        result: list[Hypothesis] = []
        by_first: dict[str, dict[str, Hypothesis]] = {}
        for first, second in pairs:
            if first.name.startswith("-") and first.name.split()[0] == second.name.split()[0]:
                continue  # one flag read in two ways at once
            if first.name not in by_first:
                by_first[first.name] = {h.name: h for h in self._candidates(first.variant)}
            both = by_first[first.name].get(second.name)
            if both is not None:
                sentence = f"{first.sentence} and {second.sentence}"
                name, rank = f"{first.name} and {second.name}", max(first.rank, second.rank)
                result.append(Hypothesis(name, sentence, both.variant, rank, (*first.keys, *second.keys)))
        return result

    def _tried(self, candidates: Sequence[Hypothesis], kind: str) -> list[_Tried]:
        now, findings, result = self.findings.final, self.findings, []
        for number, hypothesis in enumerate(candidates, start=1):
            if time.monotonic() > self.deadline:
                findings.is_complete = False
                break
            done = len(findings.explanations)
            self.say(f"{done} explained, {kind}trying {number} of {len(candidates)}: {hypothesis.name}")
            findings.trials += 1
            try:
                after, numbers = self.judge.agreement(self.ours, hypothesis.variant, self.target)
            except Refused:
                findings.refused += 1
                continue
            gained = tuple(name for name, agrees in now.items() if not agrees and after.get(name))
            lost = tuple(name for name, agrees in now.items() if agrees and not after.get(name, True))
            result.append(_Tried(hypothesis, numbers, gained, lost, after))
        return result

    def counting(self, tried: Sequence[_Tried], most: int | None = None) -> list[_Tried]:
        """The hypotheses that count; none of more than `most` that all would give the port's numbers."""
        heads = self.target.heads
        scored = [t for t in tried if heads.intersection(t.gained) and len(t.gained) >= _GAIN_OF_A_LOSS * len(t.lost)]
        shown = scored
        if self.judge.is_plain_factor(self.target, self.findings.final):
            shown = [t for t in scored if self._shown(t) > 0]
        self.findings.suspects += [t.hypothesis.sentence for t in scored if t not in shown]
        return [] if most is not None and len(shown) > most else shown

    def take(self, scored: Sequence[_Tried]) -> None:
        """Name the best of those that count, and go on with it."""
        shown = {id(t): self._shown(t) for t in scored}
        changed = {id(t): self._changed(t.hypothesis.variant) for t in scored}
        best = min(scored, key=lambda t: self._order(t, shown[id(t)], changed[id(t)]))
        of_best = set(best.gained), best.lost, shown[id(best)]
        same = [t for t in scored if t is not best and (set(t.gained), t.lost, shown[id(t)]) == of_best]
        equals = tuple(t.hypothesis.sentence for t in same[:_MOST_EQUALS])
        moves = self.judge.moves_image(self.ours, self.findings.variant, best.hypothesis.variant)
        self.findings.explanations.append(Explanation(best.hypothesis, best.gained, equals, best.lost, moves))
        before = self.findings.final
        self.findings.variant = best.hypothesis.variant
        self.findings.final = {name: agrees or best.after.get(name, False) for name, agrees in before.items()}

    def _shown(self, tried: _Tried) -> int:
        """What the printed trace says to a hypothesis about the image."""
        return self.judge.shown_in_trace(self.ours, tried.hypothesis.variant) if self.target.about_image else 0

    def _order(self, tried: _Tried, shown: int, changed: int) -> tuple[int, ...]:
        """Best first: nothing that agreed is lost, more heads, more keys, the least change, the plainer hypothesis."""
        heads = len(self.target.heads.intersection(tried.gained))
        return len(tried.lost), -heads, -len(tried.gained), -shown, changed, tried.hypothesis.rank

    def _changed(self, variant: Variant) -> int:
        """How many values of our trace a variant changes."""
        before = self.ours.once("trace", self.ours.trace)
        return sum(factor.relative_difference > 0.0 for factor in compare(before, self.ours.trace(variant)).factors)

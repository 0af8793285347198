"""Hypotheses tried one after the other: which of them moves a diverging key to the port's value?

A hypothesis counts only if the baseline, our program as it is, misses the port's value of a key and the changed program
meets it, and if no key that agreed before is lost. The image counts as two more keys: its scale and its pattern. What
one hypothesis leaves unexplained is looked for with a second and a third on top of it, until the time is over.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trace_audit.compare.comparison import Factor, compare
from trace_audit.port.hypotheses import Hypothesis, all_hypotheses
from trace_audit.port.our_program import OurProgram, Refused, split_words
from trace_audit.port.two_images import Distance, Sample, distance
from trace_audit.trace.parse import Trace

IMAGE_SCALE, IMAGE_PATTERN = "scale of the image", "pattern of the image"
MOST_ROUNDS = 4
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Judge:
    """The port's numbers, and the relative difference that counts as agreement for each."""

    port: Trace
    allowed: Callable[[Factor], float]
    sample: Sample | None
    image_allowed: Distance

    def agreement(self, trace: Trace, photons: object | None) -> dict[str, bool]:
        """Whether each printed key, and the image, agree with a trace and an image of ours."""
        result: dict[str, bool] = {}
        for factor in compare(trace, self.port).factors:
            if factor.key.compared and factor.key.name != "defects":
                agrees = factor.agrees or factor.relative_difference <= self.allowed(factor)
                result[factor.key.name] = result.get(factor.key.name, True) and agrees
        if self.sample is not None and photons is not None:
            apart = distance(self.sample.photons, photons)
            result[IMAGE_PATTERN] = apart.pattern <= self.image_allowed.pattern
            result[IMAGE_SCALE] = abs(apart.scale - 1.0) <= self.image_allowed.scale
        return result


@dataclass(frozen=True)
class Explanation:
    """A hypothesis that counts: what it explains, and others that give the very same agreement."""

    hypothesis: Hypothesis
    explains: tuple[str, ...]
    equals: tuple[str, ...]


@dataclass
class Findings:
    """Explanations in the order in which they were added to each other, and what stays unexplained."""

    baseline: Mapping[str, bool]
    explanations: list[Explanation] = field(default_factory=list)
    unexplained: tuple[str, ...] = ()
    trials: int = 0
    refused: int = 0
    seconds: float = 0.0
    is_complete: bool = True


def search(
    ours: OurProgram, judge: Judge, roots: Sequence[str], budget_s: float, say: Progress = lambda _: None
) -> Findings:
    """Try every single hypothesis, then more on top of the best, within `budget_s` seconds.

    `roots`: the keys at the head of each interval; a hypothesis must explain one of them or a property of the image.
    """
    started = time.monotonic()
    words = tuple(ours.words)
    now = _run(ours, judge, words)
    assert now is not None  # the baseline has been run before
    findings = Findings(baseline=dict(now))
    heads = {*roots, IMAGE_SCALE, IMAGE_PATTERN}
    for _ in range(MOST_ROUNDS):
        open_heads = [name for name, agrees in now.items() if not agrees and name in heads]
        if not open_heads:
            break
        scored = []
        candidates = _candidates(words)
        for number, hypothesis in enumerate(candidates, start=1):
            if time.monotonic() - started > budget_s:
                findings.is_complete = False
                break
            say(f"{len(findings.explanations)} explained, trying {number} of {len(candidates)}: {hypothesis.name}")
            after = _run(ours, judge, hypothesis.words)
            findings.trials += 1
            if after is None:
                findings.refused += 1
                continue
            gained = tuple(n for n in now if not now[n] and after.get(n))
            lost = [n for n in now if now[n] and not after.get(n, True)]
            if not lost and heads.intersection(gained):
                scored.append((hypothesis, gained, after))
        if not scored:
            break
        best = min(scored, key=lambda row: (-len(heads.intersection(row[1])), -len(row[1]), row[0].rank))
        equals = [row[0].sentence for row in scored if set(row[1]) == set(best[1]) and row[0] is not best[0]]
        findings.explanations.append(Explanation(best[0], best[1], tuple(equals[:6])))
        words, now = best[0].words, best[2]
        if not findings.is_complete:
            break
    findings.unexplained = tuple(name for name, agrees in now.items() if not agrees)
    findings.seconds = time.monotonic() - started
    return findings


def _candidates(words: Sequence[str]) -> list[Hypothesis]:
    from nanobragg_tables import defects, resolve_defects

    flags = split_words(words)
    stated = next((flag[1] for flag in reversed(flags) if flag[0] == "-defects"), "default")
    active = resolve_defects(stated)
    return all_hypotheses(flags, [(defect.name, defect.name in active) for defect in defects() if defect.torch])


def _run(ours: OurProgram, judge: Judge, words: Sequence[str]) -> dict[str, bool] | None:
    try:
        trace = ours.trace(words)
        photons = None if judge.sample is None else ours.photons(judge.sample.slow, judge.sample.fast, words)
    except Refused:
        return None
    return judge.agreement(trace, photons)

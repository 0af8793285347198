"""Hypotheses tried one after the other: which of them moves a diverging key to the port's value?

A hypothesis counts only if the baseline, our program as it is, misses the port's value of a key and the changed program
meets it, and if it gets right far more than it gets wrong; what it gets wrong is said (a trace may be worked out at one
point of the pixel and still print the number of steps of the image). What one hypothesis leaves unexplained is looked
for with a second and a third on top of it, until the time is over. Of hypotheses that explain the same, the one that
changes fewest of our own numbers is named, and the others beside it.

The image and the trace are explained apart from each other, since a port's trace need not be what made its image. The
image counts as two keys, its scale and its pattern, beside its pixel.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from trace_audit.compare.comparison import Factor, compare
from trace_audit.port.hypotheses import Hypothesis, all_hypotheses
from trace_audit.port.our_program import OurProgram, Refused, split_words
from trace_audit.port.two_images import Distance, Sample, distance
from trace_audit.trace.parse import Trace

IMAGE_SCALE, IMAGE_PATTERN = "scale of the image", "pattern of the image"
OF_THE_IMAGE = (IMAGE_SCALE, IMAGE_PATTERN, "I_pixel_final", "floatimage_accumulated")
MOST_ROUNDS = 4
_GAIN_OF_A_LOSS = 4
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Judge:
    """The port's numbers, and the relative difference that counts as agreement for each."""

    port: Trace
    allowed: Callable[[Factor], float]
    sample: Sample | None
    image_allowed: Distance

    def agreement(self, trace: Trace, photons: np.ndarray | None) -> dict[str, bool]:
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
    """A hypothesis that counts: what it explains, others that give the very same agreement, and what it gets wrong."""

    hypothesis: Hypothesis
    explains: tuple[str, ...]
    equals: tuple[str, ...]
    contradicts: tuple[str, ...] = ()


@dataclass
class Findings:
    """Explanations in the order in which they were added to each other, and what stays unexplained.

    `words`: our command line with all of them. `baseline` and `final`: what agrees without and with them.
    """

    words: tuple[str, ...]
    baseline: Mapping[str, bool]
    final: Mapping[str, bool]
    explanations: list[Explanation] = field(default_factory=list)
    trials: int = 0
    refused: int = 0
    seconds: float = 0.0
    is_complete: bool = True

    @property
    def unexplained(self) -> tuple[str, ...]:
        """What still differs, in order."""
        return tuple(name for name, agrees in self.final.items() if not agrees)


@dataclass(frozen=True)
class Target:
    """What is to be explained: the keys that count, and those of them that a hypothesis has to explain."""

    about_image: bool
    heads: frozenset[str]

    def part(self, agreement: Mapping[str, bool]) -> dict[str, bool]:
        """The keys that count."""
        return {name: agrees for name, agrees in agreement.items() if (name in OF_THE_IMAGE) == self.about_image}


def search(
    ours: OurProgram,
    judge: Judge,
    target: Target,
    budget_s: float,
    say: Progress = lambda _: None,
    words: Sequence[str] | None = None,
) -> Findings:
    """Try every single hypothesis, then more on top of the best, within `budget_s` seconds."""
    started = time.monotonic()
    now = target.part(_run(ours, judge, target, ours.words if words is None else words) or {})
    findings = Findings(tuple(ours.words if words is None else words), now, now)
    for _ in range(MOST_ROUNDS):
        if not any(not agrees and name in target.heads for name, agrees in findings.final.items()):
            break
        scored = _round(ours, judge, target, findings, started + budget_s, say)
        if not scored:
            break
        best = min(scored, key=lambda s: _order(s, target))
        same = [s for s in scored if s is not best and (set(s.gained), s.lost) == (set(best.gained), best.lost)]
        equals = tuple(s.hypothesis.sentence for s in same[:6])
        findings.explanations.append(Explanation(best.hypothesis, best.gained, equals, best.lost))
        findings.words, findings.final = best.hypothesis.words, best.after
    findings.seconds = time.monotonic() - started
    return findings


@dataclass(frozen=True)
class _Scored:
    hypothesis: Hypothesis
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    changed: int  # values of our own trace that it changes
    after: dict[str, bool]


def _order(scored: _Scored, target: Target) -> tuple[int, ...]:
    """Best first: nothing that agreed is lost, more heads, more keys, the least change, the plainer hypothesis."""
    heads = len(target.heads.intersection(scored.gained))
    return len(scored.lost), -heads, -len(scored.gained), scored.changed, scored.hypothesis.rank


def _round(
    ours: OurProgram, judge: Judge, target: Target, findings: Findings, deadline: float, say: Progress
) -> list[_Scored]:
    """The hypotheses that count on top of those found so far."""
    now, scored = findings.final, []
    candidates = _candidates(findings.words)
    for number, hypothesis in enumerate(candidates, start=1):
        if time.monotonic() > deadline:
            findings.is_complete = False
            break
        say(f"{len(findings.explanations)} explained, trying {number} of {len(candidates)}: {hypothesis.name}")
        findings.trials += 1
        result = _run(ours, judge, target, hypothesis.words)
        if result is None:
            findings.refused += 1
            continue
        after = target.part(result)
        gained = tuple(name for name, agrees in now.items() if not agrees and after.get(name))
        lost = tuple(name for name, agrees in now.items() if agrees and not after.get(name, True))
        if target.heads.intersection(gained) and len(gained) >= _GAIN_OF_A_LOSS * len(lost):
            kept = {name: agrees or after.get(name, False) for name, agrees in now.items()}
            scored.append(_Scored(hypothesis, gained, lost, _changed(ours, hypothesis.words), kept))
    return scored


def _changed(ours: OurProgram, words: Sequence[str]) -> int:
    """How many values of our trace a command line changes."""
    before = ours.once("trace", ours.trace)
    return sum(factor.relative_difference > 0.0 for factor in compare(before, ours.trace(words)).factors)


def _candidates(words: Sequence[str]) -> list[Hypothesis]:
    from nanobragg_tables import defects, resolve_defects

    flags = split_words(words)
    stated = next((flag[1] for flag in reversed(flags) if flag[0] == "-defects"), "default")
    active = resolve_defects(stated)
    return all_hypotheses(flags, [(defect.name, defect.name in active) for defect in defects() if defect.torch])


def _run(ours: OurProgram, judge: Judge, target: Target, words: Sequence[str]) -> dict[str, bool] | None:
    """What agrees with this command line; None if our program refuses it."""
    try:
        trace, photons = ours.trace(words), None
        if target.about_image and judge.sample is not None:
            photons = ours.photons(judge.sample.slow, judge.sample.fast, words)
    except Refused:
        return None
    return judge.agreement(trace, photons)

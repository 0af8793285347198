"""The port's numbers, and whether those of our program, changed or not, are the same."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from trace_audit.compare.comparison import Factor, compare
from trace_audit.port.changes import Variant
from trace_audit.port.our_program import OurProgram
from trace_audit.port.two_images import Distance, Sample, distance
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Context, Record, Trace

IMAGE_SCALE, IMAGE_PATTERN = "scale of the image", "pattern of the image"
PIXEL_KEYS = ("I_pixel_final", "floatimage_accumulated")
OF_THE_IMAGE = (IMAGE_SCALE, IMAGE_PATTERN, *PIXEL_KEYS)
_BRIGHTEST = 24
_PLAIN = (2.0 * math.pi, 4.0 * math.pi, (2.0 * math.pi) ** 2, *(10.0**n for n in range(1, 40)))
_LARGEST_DENOMINATOR = 12
_SAME_FACTOR = 1e-5
Agreement = Mapping[str, bool]


@dataclass(frozen=True)
class Target:
    """What is to be explained: the image or the trace, and the keys of it that a hypothesis has to explain.

    `possible`: the keys whose stage may be at fault; empty for all.
    """

    about_image: bool
    heads: frozenset[str]
    possible: frozenset[str] = frozenset()

    def may_explain(self, keys: tuple[str, ...]) -> bool:
        """Whether a change of these keys can be behind what differs; of a flag nothing is known."""
        return not keys or not self.possible or bool(self.possible.intersection(keys))


@dataclass(frozen=True)
class Judge:
    """The port's numbers, and the relative difference that counts as agreement for each."""

    port: Trace
    allowed: Callable[[Factor], float]
    sample: Sample | None
    image_allowed: Distance
    base: Trace  # ours
    differing: frozenset[str] = frozenset()  # printed keys that are not ours
    is_single: bool = False  # all its numbers are float32 numbers: rounding to float32 is in what is allowed
    kept: dict[str, np.ndarray] = field(default_factory=dict)

    def agreement(
        self, ours: OurProgram, variant: Variant, target: Target
    ) -> tuple[dict[str, bool], tuple[float, ...]]:
        """What agrees with a variant of our program, and its numbers beside `aim`. Raises Refused."""
        if target.about_image:
            return self._of_image(ours, variant)
        trace = ours.trace(variant)
        agreed = {name: agrees for name, agrees in self._of_trace(trace).items() if name not in PIXEL_KEYS}
        return agreed, self._numbers(trace, target)

    def aim(self, target: Target) -> tuple[float, ...]:
        """The port's numbers that a hypothesis has to give."""
        if not target.about_image:
            return self._numbers(self.port, target)
        bright = [] if self.sample is None else self.sample.photons[self.kept["bright"]].tolist()
        return (*bright, *(self.port.number(name) or 0.0 for name in PIXEL_KEYS if name in self.port.records))

    def _numbers(self, trace: Trace, target: Target) -> tuple[float, ...]:
        """All values of the keys that have to be explained."""
        names = [n for n in sorted(target.heads) if n in self.port.records and registry()[n].kind != "word"]
        compared = [
            (n, context) for n in names for context in self.port.records[n] if context in self.base.records.get(n, {})
        ]
        values = ((trace.values(n, context) or (), registry()[n].size) for n, context in compared)
        return tuple(float(v) for row, size in values for v in (row if len(row) == size else (math.nan,) * size))

    def _of_trace(self, trace: Trace) -> dict[str, bool]:
        """Whether each printed key agrees with a trace of ours."""
        result: dict[str, bool] = {}
        for factor in compare(trace, self.port).factors:
            if factor.key.compared and factor.key.name != "defects":
                agrees = factor.agrees or factor.relative_difference <= self.allowed(factor)
                result[factor.key.name] = result.get(factor.key.name, True) and agrees
        return result

    def _of_image(self, ours: OurProgram, variant: Variant) -> tuple[dict[str, bool], tuple[float, ...]]:
        """Whether pixel, pattern and scale agree. A scale counts only beside a pattern that agrees.

        The brightest pixels come first: where they cannot have the port's pattern, the others need not be computed.
        """
        slow, fast = (np.array([n], dtype=np.int64) for n in ours.pixel)
        if self.sample is None:
            pixel = float(ours.photons(slow, fast, variant)[0])
            return self._of_pixel(pixel)
        bright = self._bright(ours)
        some = ours.photons(
            np.concatenate([self.sample.slow[bright], slow]), np.concatenate([self.sample.fast[bright], fast]), variant
        )
        result, numbers = self._of_pixel(float(some[-1]))
        result |= self._of_pattern(ours, variant, bright, some[:-1])
        return result, (*some[:-1].tolist(), *numbers)

    def _bright(self, ours: OurProgram) -> np.ndarray:
        """Positions in the sample of the brightest pixels of the port's image and of ours."""
        assert self.sample is not None
        if "bright" not in self.kept:
            base = ours.photons(self.sample.slow, self.sample.fast)
            both = (np.argsort(photons)[-_BRIGHTEST:] for photons in (self.sample.photons, base))
            self.kept["bright"] = np.unique(np.concatenate(list(both)))
        return self.kept["bright"]

    def _of_pattern(self, ours: OurProgram, variant: Variant, bright: np.ndarray, some: np.ndarray) -> dict[str, bool]:
        assert self.sample is not None
        port, allowed = self.sample.photons, self.image_allowed
        near, size = distance(port[bright], some), float(np.linalg.norm(port))
        if near.pattern * float(np.linalg.norm(port[bright])) > allowed.pattern * size:
            return {IMAGE_PATTERN: False, IMAGE_SCALE: False}
        apart = distance(port, ours.photons(self.sample.slow, self.sample.fast, variant))
        agrees = apart.pattern <= allowed.pattern
        return {IMAGE_PATTERN: agrees, IMAGE_SCALE: agrees and abs(apart.scale - 1.0) <= allowed.scale}

    def _of_pixel(self, photons: float) -> tuple[dict[str, bool], tuple[float, ...]]:
        """The traced pixel as the last keys of a trace."""
        values = {"I_pixel_final": photons, "floatimage_accumulated": float(np.float32(photons))}
        names = [name for name in PIXEL_KEYS if name in self.port.records]
        records = {name: {Context(): Record(registry()[name], Context(), (values[name],), 0)} for name in names}
        agreed = self._of_trace(Trace(historic=True, records=records))
        return {name: agreed[name] for name in names if name in agreed}, tuple(values[name] for name in names)

    def shown_in_trace(self, ours: OurProgram, variant: Variant) -> int:
        """How many printed keys of the trace, that are not ours, agree with a variant, less those that it breaks."""
        agreed = {
            name: agrees for name, agrees in self._of_trace(ours.trace(variant)).items() if name not in PIXEL_KEYS
        }
        mended = sum(agrees for name, agrees in agreed.items() if name in self.differing)
        return mended - sum(not agrees for name, agrees in agreed.items() if name not in self.differing)

    def is_plain_factor(self, target: Target, now: Agreement) -> bool:
        """Whether all that is to be explained is one number that is off by 2, 10, 2 pi or the like."""
        if not target.about_image or now.get(IMAGE_PATTERN) is False:
            return False
        key = next((name for name in PIXEL_KEYS if name in self.port.records), "")
        return _is_plain(*(trace.number(key) for trace in (self.base, self.port)))

    def moves_image(self, ours: OurProgram, before: Variant, after: Variant) -> bool:
        """Whether the traced pixel, or a bright one of the image, is another with a variant."""
        slow, fast = (np.array([n], dtype=np.int64) for n in ours.pixel)
        if self.sample is not None:
            bright = self._bright(ours)
            slow, fast = (
                np.concatenate([p, q[bright]]) for p, q in ((slow, self.sample.slow), (fast, self.sample.fast))
            )
        return not np.array_equal(ours.photons(slow, fast, before), ours.photons(slow, fast, after))


def _is_plain(ours: float | None, port: float | None) -> bool:
    """Whether two numbers are a power of ten, 2 pi, a small number or a ratio of such from each other."""
    if not ours or not port:
        return False
    ratio = max(abs(port / ours), abs(ours / port))
    near = float(Fraction(min(ratio, 1e4)).limit_denominator(_LARGEST_DENOMINATOR))
    return any(abs(ratio / plain - 1.0) < _SAME_FACTOR for plain in (*_PLAIN, near))

"""The audit of ports, audited: every planted mistake against what the audit names.

    python -m tests.port.confusion

With all keys printed the fault has to be named at its key; with half of them, or with the pixel alone, the interval
has to hold it. A name outside that is wrong. Of mistakes as ports make them the explanation has to be found too: by
name, or among those that give the very same numbers; any other explanation is wrong. Exit status 1 if there is any.
"""

import itertools
import shlex
import sys
from collections import Counter

import numpy as np

from tests.port.as_ports_do import AS_PORTS_DO, Mistake, lines_of
from tests.port.planted import MISTAKES
from tests.port.test_planted_mistakes import SEEN_AT, audit
from trace_audit.port.audit import audit_port
from trace_audit.port.findings import PortAudit, PortCase
from trace_audit.port.our_program import OurProgram
from trace_audit.trace.foreign_log import read_foreign_lines
from trace_audit.trace.key_names import KeyNames

LAST, PART_OF_IMAGE = "floatimage_accumulated", "pixel and image"
PRINTED = ("all", "half", LAST)
PIXEL = (15, 6)


def outcome(mistake: str, printed: str) -> str:
    """The result for one mistake: named, in the interval, not seen (no printed key differs), or wrong."""
    causes = audit(mistake, printed).causes
    key = MISTAKES[mistake][0]
    if not causes:
        return "not seen"
    if {cause.key for cause in causes} <= {key, SEEN_AT.get(mistake, key)}:
        return "named"
    held = all(cause.interval is not None and key in cause.interval.possible for cause in causes)
    return "in the interval" if held else "wrong"


def explained(name: str, printed: str) -> str:
    """explained, among equals, not explained, or wrong."""
    causes = audit_of(name, printed).causes
    told = [cause for cause in causes if cause.explanation is not None]
    if not told:
        return "not explained"
    mistake = AS_PORTS_DO[name]
    if any(mistake.told in str(cause.explanation) for cause in told):
        return "explained"
    return "among equals" if any(mistake.told in text for cause in told for text in cause.equals) else "wrong"


def audit_of(name: str, printed: str) -> PortAudit:
    """The audit of a port with one mistake that prints some of its keys, or its pixel beside a part of its image."""
    mistake = AS_PORTS_DO[name]
    ours = OurProgram(tuple(shlex.split(mistake.flags)), PIXEL)
    lines = [line for line in lines_of(mistake, PIXEL) if printed != PART_OF_IMAGE or LAST in line]
    if printed == "half":
        lines = lines[1::2]
    elif printed == LAST:
        lines = [line for line in lines if LAST in line]
    log = read_foreign_lines([f"{line}\n".encode() for line in lines], KeyNames())
    image = part_of_image(mistake, ours.shape) if printed == PART_OF_IMAGE else None
    return audit_port(PortCase("planted", log, image), ours, budget_s=3600.0)


def part_of_image(mistake: Mistake, shape: tuple[int, int]) -> np.ndarray:
    """The port's image near the pixel, from its trace of each pixel; NaN elsewhere."""
    image = np.full(shape, np.nan)
    for slow, fast in itertools.product(*(range(at - 3, at + 4) for at in PIXEL)):
        [last] = [line for line in lines_of(mistake, (slow, fast)) if LAST in line]
        image[slow, fast] = float(last.split()[-1])
    return image


def show(title: str, columns: tuple[str, ...], rows: dict[str, Counter[str]]) -> None:
    """Print a table of counts."""
    print(f"{title:24}" + "".join(f"{name:>17}" for name in columns))
    for printed, count in rows.items():
        print(f"{printed:24}" + "".join(f"{count[name]:17d}" for name in columns), flush=True)


def main() -> int:
    """Print both tables, and which mistakes are not explained or explained wrongly."""
    counts = {printed: Counter(outcome(mistake, printed) for mistake in MISTAKES) for printed in PRINTED}
    show("keys printed", ("named", "in the interval", "not seen", "wrong"), counts)
    explanations = {p: {name: explained(name, p) for name in AS_PORTS_DO} for p in (*PRINTED, PART_OF_IMAGE)}
    columns = ("explained", "among equals", "not explained", "wrong")
    show("explanation, keys", columns, {p: Counter(outcomes.values()) for p, outcomes in explanations.items()})
    for printed, outcomes in explanations.items():
        for name, verdict in outcomes.items():
            if verdict in ("not explained", "wrong"):
                print(f"{printed}: {name}: {verdict}")
    wrong = [*(count["wrong"] for count in counts.values())]
    wrong += [verdict == "wrong" for outcomes in explanations.values() for verdict in outcomes.values()]
    return 1 if any(wrong) else 0


if __name__ == "__main__":
    sys.exit(main())

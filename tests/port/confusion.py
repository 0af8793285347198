"""The audit of ports, audited: every planted mistake against what the audit names.

    python -m tests.port.confusion

With all keys printed the fault has to be named at its key; with half of them, or with the pixel alone, the interval
has to hold it. A name outside that is wrong. Exit status 1 if there is any.
"""

import sys
from collections import Counter

from tests.port.planted import MISTAKES
from tests.port.test_planted_mistakes import SEEN_AT, audit

PRINTED = ("all", "half", "floatimage_accumulated")


def outcome(mistake: str, printed: str) -> str:
    """named, in the interval, not seen (no printed key differs), or wrong."""
    causes = audit(mistake, printed).causes
    key = MISTAKES[mistake][0]
    if not causes:
        return "not seen"
    if {cause.key for cause in causes} <= {key, SEEN_AT.get(mistake, key)}:
        return "named"
    held = all(cause.interval is not None and key in cause.interval.possible for cause in causes)
    return "in the interval" if held else "wrong"


def main() -> int:
    """Print the matrix."""
    counts = {printed: Counter(outcome(mistake, printed) for mistake in MISTAKES) for printed in PRINTED}
    columns = ("named", "in the interval", "not seen", "wrong")
    print(f"{'keys printed':24}" + "".join(f"{name:>17}" for name in columns))
    for printed, count in counts.items():
        print(f"{printed:24}" + "".join(f"{count[name]:17d}" for name in columns))
    return 1 if any(count["wrong"] for count in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

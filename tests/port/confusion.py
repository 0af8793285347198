"""The audit of ports, audited: every planted mistake against what the audit names.

    python -m tests.port.confusion

With all keys printed the fault has to be named at its key; with half of them, or with the pixel alone, the interval
has to hold it. A name outside that is wrong. Of mistakes as ports make them the explanation has to be found too: by
name, or among those that give the very same numbers; any other explanation is wrong. Exit status 1 if there is any.
"""

import shlex
import sys
from collections import Counter

from tests.port.as_ports_do import AS_PORTS_DO, lines_of
from tests.port.planted import MISTAKES
from tests.port.test_planted_mistakes import SEEN_AT, audit
from trace_audit.port.audit import audit_port
from trace_audit.port.findings import PortCase
from trace_audit.port.our_program import OurProgram
from trace_audit.trace.foreign_log import read_foreign_lines
from trace_audit.trace.key_names import KeyNames

PRINTED = ("all", "half", "floatimage_accumulated")
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
    mistake = AS_PORTS_DO[name]
    lines = (f"{line}\n".encode() for line in lines_of(mistake, PIXEL))
    log = read_foreign_lines([line for line in lines if printed == "all" or printed.encode() in line], KeyNames())
    ours = OurProgram(tuple(shlex.split(mistake.flags)), PIXEL)
    causes = audit_port(PortCase("planted", log, None), ours, budget_s=3600.0).causes
    told = [cause for cause in causes if cause.explanation is not None]
    if not told:
        return "not explained"
    if any(mistake.told in str(cause.explanation) for cause in told):
        return "explained"
    return "among equals" if any(mistake.told in text for cause in told for text in cause.equals) else "wrong"


def show(title: str, columns: tuple[str, ...], rows: dict[str, Counter[str]]) -> None:
    """Print a table of counts."""
    print(f"{title:24}" + "".join(f"{name:>17}" for name in columns))
    for printed, count in rows.items():
        print(f"{printed:24}" + "".join(f"{count[name]:17d}" for name in columns), flush=True)


def main() -> int:
    """Print both tables, and which mistakes are not explained or explained wrongly."""
    counts = {printed: Counter(outcome(mistake, printed) for mistake in MISTAKES) for printed in PRINTED}
    show("keys printed", ("named", "in the interval", "not seen", "wrong"), counts)
    explanations = {p: {name: explained(name, p) for name in AS_PORTS_DO} for p in ("all", "floatimage_accumulated")}
    columns = ("explained", "among equals", "not explained", "wrong")
    show("explanation, keys", columns, {p: Counter(outcomes.values()) for p, outcomes in explanations.items()})
    for printed, outcomes in explanations.items():
        for name, verdict in outcomes.items():
            if verdict in ("not explained", "wrong"):
                print(f"{printed}: {name}: {verdict}")
    wrong = [*(count["wrong"] for count in counts.values())]
    return (
        1
        if any(wrong) or "wrong" in (verdict for outcomes in explanations.values() for verdict in outcomes.values())
        else 0
    )


if __name__ == "__main__":
    sys.exit(main())

"""The audit of a port for people: Markdown, and a few lines for a terminal."""

from collections.abc import Iterator
from typing import Any

from trace_audit.compare.report_parts import heading, listed, name_of, next_section, next_text, row_data
from trace_audit.core.markdown import table
from trace_audit.port.findings import EITHER_SIDE, Cause, PortAudit, Row
from trace_audit.port.judge import IMAGE_PATTERN, IMAGE_SCALE
from trace_audit.port.own_image import IN_IMAGE, NOT_KNOWN, TRACE_ONLY
from trace_audit.trace import tolerances

_MOST_SUSPECTS = 6
_HEADINGS = (
    (IN_IMAGE, "Causes in the image"),
    (NOT_KNOWN, "Not known whether in the image"),
    (TRACE_ONLY, "Wrong in the trace only"),
)


def summary(audit: PortAudit) -> str:
    """One sentence: whether the two sides agree, and if not the first cause."""
    covered, total = audit.covered
    if audit.passed:
        image = ", and so do the images" if audit.image else ""
        if not covered:
            return f"The image of {audit.name} agrees with that of {audit.reference_name}; it prints no trace."
        return (
            f"{audit.name} agrees with {audit.reference_name} on all {covered} of {total} keys that it prints{image}."
        )
    has_nothing = not audit.rows and audit.image is None
    if audit.problems and (audit.is_alike or has_nothing):
        name, problem = audit.problems[0]
        both = f"{audit.name} cannot be compared with {audit.reference_name} in full"
        return f"{both}: the log of {name} cannot be read: {problem.message}."
    if has_nothing:
        unknown = f"; names that are not known: {', '.join(list(audit.log.unknown)[:6])}" if audit.log.unknown else ""
        return f"{audit.name} prints no key that can be compared with {audit.reference_name}{unknown}."
    head = f"{audit.name} differs from {audit.reference_name} ({covered} of {total} keys compared)"
    if audit.image is not None and audit.image.agrees:
        head = f"the image of {audit.name} agrees with that of {audit.reference_name}; its trace does not"
    elif audit.image is not None:
        head = f"the image of {audit.name} differs from that of {audit.reference_name}"
        known = any(cause.role == IN_IMAGE for cause in audit.causes)
        head += "" if known else ", and why is not known"
    first = next(iter(audit.causes), None)
    return f"{head}: {sentence(audit, first)}" if first else f"{head}; no printed key shows where."


def sentence(audit: PortAudit, cause: Cause) -> str:
    """One cause in words."""
    has_pixel = audit.image is not None or audit.roles is not None
    where = f" ({cause.role})" if has_pixel and cause.role != NOT_KNOWN else ""
    size = f", a factor {cause.effect:.7g} in every pixel" if cause.effect else ""
    whose = f"{cause.side} is at fault: " if cause.side not in ("", EITHER_SIDE) else ""
    name = whose + (f"{cause.key}{size}{where}: " if cause.key else f"the image{where}: ")
    if cause.explanation is not None:
        more = f" (or: {'; '.join(cause.equals)}; they give the same numbers)" if cause.equals else ""
        said = () if cause.key else (IMAGE_PATTERN, IMAGE_SCALE)  # by _as_if
        also = [key for key in cause.explains if key not in (cause.key, "", *said)]
        explains_too = f"; this explains {', '.join(also)} too" if also else ""
        but = f", but not {', '.join(cause.contradicts)}" if cause.contradicts else ""
        return f"{name}{_as_if(audit, cause)}{more}{explains_too}{but}."
    nor = ", nor whose fault it is" if cause.side == EITHER_SIDE else ""
    return f"{name}cause not known{nor}; {_interval(audit, cause)}."


def _as_if(audit: PortAudit, cause: Cause) -> str:
    assert cause.explanation is not None
    if cause.explanation.startswith("it "):
        return cause.explanation
    to = f", to {cause.residual:.0e}," if cause.residual else ""
    return f"our program gives {_statement(cause)} of {cause.side or audit.name}{to} if {cause.explanation}"


def _statement(cause: Cause) -> str:
    """What our changed program has in common with the port: of an image, perhaps its pattern alone."""
    parts = [part for part in (IMAGE_PATTERN, IMAGE_SCALE) if part in cause.explains]
    if cause.key or not parts:
        return "the value"
    return "the image" if len(parts) == 2 else f"the {parts[0]}"


def _interval(audit: PortAudit, cause: Cause) -> str:
    interval = cause.interval
    if interval is None:
        return "nothing that was tried gives this image"
    above = "from the command line to"
    if interval.agreeing:
        above = f"between {', '.join(interval.agreeing[-3:])} (agree) and"
    stages = "stage" if len(interval.stages) == 1 else "stages"
    text = f"{above} {interval.key} (differs): {stages} {', '.join(interval.stages)}"
    if cause.proof is not None and cause.proof.verdict == "to blame":
        stage, whose = audit.graph.keys[interval.key].stage, cause.side or audit.name
        text += f"; our stage {stage}, fed with the values that {whose} printed, gives"
        text += f" {_values(cause.proof.our_stage_gives)} and not {_values(cause.proof.ports_value)}"
    return text + next_text(interval, audit.graph.keys)


def _values(values: tuple[Any, ...] | None) -> str:
    return "nothing" if values is None else " ".join(f"{v:.7g}" if isinstance(v, float) else str(v) for v in values)


def lines_for_terminal(audit: PortAudit) -> Iterator[str]:
    """At most ten lines."""
    yield f"{'pass' if audit.passed else 'fail'}: {summary(audit)}"
    for cause in audit.causes[1:6]:
        yield f"  also {sentence(audit, cause)}"
    if len(audit.causes) > 6:
        yield f"  and {len(audit.causes) - 6} more, see the summary"


def as_markdown(audit: PortAudit) -> str:
    """The summary that a person reads first."""
    own = own_image(audit)
    next_keys = (
        key
        for cause in audit.causes
        if cause.explanation is None and cause.interval is not None
        for key in cause.interval.next_keys
    )
    parts = [
        heading(audit.name, audit.reference_name, audit.passed, summary(audit)),
        _coverage(audit),
        *(
            listed(title, [sentence(audit, c) for c in audit.causes if c.role == role], len(audit.causes))
            for role, title in _HEADINGS
        ),
        f"{own['sentence'][0].upper()}{own['sentence'][1:]}.\n" if own is not None else "",
        _search_markdown(audit),
        _image_markdown(audit) if audit.image is not None else "",
        next_section(next_keys, audit.graph.keys),
        _keys_markdown(audit),
        *_log_markdown(audit),
    ]
    return "\n".join(part for part in parts if part)


def _search_markdown(audit: PortAudit) -> str:
    """How many changes of our program were tried, whether the time was enough, and what showed no cause."""
    searches = audit.image_search, audit.trace_search
    tried = sum(search.trials for search in searches)
    text = f"{tried} changes of our program were tried." if tried else ""
    if not all(search.is_complete for search in searches):
        text += " The time was over before all were; `--budget-s` gives it more."
    suspects = list(dict.fromkeys(sentence for search in searches for sentence in search.suspects))
    if suspects:
        listed_here = "; ".join(suspects[:_MOST_SUSPECTS])
        text += f" The pixel is off by a plain factor, which shows no cause; it would be if: {listed_here}."
    return f"{text.strip()}\n" if text else ""


def _coverage(audit: PortAudit) -> str:
    covered, total = audit.covered
    lines = f"trace lines: {audit.log.trace_lines}, other lines: {audit.log.other_lines}"
    precision = f" Its numbers are {audit.precision.in_words} numbers." if audit.precision.numbers else ""
    return f"{audit.name} prints {covered} of {total} keys ({lines}).{precision} {_reference(audit)}\n"


def _log_markdown(audit: PortAudit) -> Iterator[str]:
    """What the log holds beside the keys that are compared."""
    log = audit.log
    if log.own:
        named = [f"{name} ({meaning})" if meaning else name for name, meaning in list(log.own.items())[:20]]
        yield f"Keys of {audit.name} that are none of ours{_compared(audit)}: {', '.join(named)}.\n"
    if log.unknown:
        names = ", ".join(list(log.unknown)[:20])
        how = f"a key file (`--keys`) says which of our keys they are: `names: {{{next(iter(log.unknown))}: hkl_frac}}`"
        yield f"Names that are not known: {names}; {how}, for instance.\n"
    yield listed("What could not be read", [f"{name}: {problem.message}" for name, problem in audit.problems])
    off = [f"{i.name}: printed {i.printed:.7g}, computed {i.computed:.7g}" for i in audit.contradictions]
    yield listed("Its own numbers contradict each other", off, 10)


def _reference(audit: PortAudit) -> str:
    """How the reference stands to our program, with which causes are looked for."""
    printed, total = audit.reference.printed
    name = audit.reference_name
    if total and not printed and audit.reference.stands_for_it:
        return f"{name} prints no key that can be compared: our program stands in for it."
    if not audit.reference.stands_for_it:
        keys = ", ".join(audit.reference.differs[:6])
        return f"{name} is not our program ({keys}): both sides were examined with our program."
    if not total:
        return "Causes are looked for with our program."
    missing = f"; at the other {total - printed} keys our program stands in for it" if printed < total else ""
    return f"{name} prints {printed} of {total} keys, as our program does{missing}."


def _compared(audit: PortAudit) -> str:
    """Which of the candidate's own keys were compared."""
    names = [name for name in audit.log.own if name in audit.rows]
    return f" (of them compared: {', '.join(names)})" if names else ", not compared"


def _image_markdown(audit: PortAudit) -> str:
    assert audit.image is not None
    compared_with = audit.reference_name if audit.image.of_reference else "our program"
    compared = [(f"{audit.name} against {compared_with}", audit.image.before)]
    if any(cause.role == IN_IMAGE and cause.explanation for cause in audit.causes):
        compared.append((f"{audit.name} against our program with the causes in the image", audit.image.after))
    rows = [(name, f"{d.scale:.7g}", f"{d.pattern:.2e}", f"{d.worst:.2e}") for name, d in compared]
    limit = f"rounding explains {audit.image.allowed.pattern:.1e} of the pattern and of the scale"
    text = table(("images", "scale", "pattern left", "worst pixel / peak"), rows)
    return f"## The images\n\n{text}\n{audit.image.pixels} pixels compared; {limit}.\n"


def _keys_markdown(audit: PortAudit) -> str:
    rows = []
    for row in audit.rows.values():
        data = row_of(row)
        if row.verdict != "agrees":
            ulp = "" if not row.spread_port else f"{row.spread_port:.1e}"
            difference = f"{data['relative_difference']:.1e}"
            verdict = "ill-conditioned here" if row.verdict == "rounding" else row.verdict
            rows.append((name_of(data), data["reference"], data["candidate"], difference, ulp, verdict))
    if not rows:
        return "Every printed key agrees within 1e-6.\n"
    headings = ("key", audit.reference_name, audit.name, "relative", "spread of rounding", "verdict")
    return f"## Keys outside {tolerances.relative_tolerance():.0e}\n\n" + table(headings, rows)


def own_image(audit: PortAudit) -> dict[str, Any] | None:
    """Whether the printed trace can have made the port's own pixel, and from which key on not; None without one."""
    if audit.roles is None or not audit.covered[0]:
        return None
    strays = [key for key, role in audit.roles.roles.items() if role == TRACE_ONLY]
    read = "could be read of what " if audit.log.problems else ""
    text = f"what {read}{audit.name} printed is what made its pixel"
    if strays:
        text = f"the trace of {audit.name} is not what made its image, from {strays[0]} on"
    elif any(role == NOT_KNOWN for role in audit.roles.roles.values()):
        text = f"whether the trace of {audit.name} is what made its image is not known"
    return {"sentence": text, "from_key": strays[0] if strays else None, "pixel": audit.roles.port_pixel}


def row_of(row: Row) -> dict[str, Any]:
    """One row as JSON-ready data."""
    spreads = {"spread_of_doubles": row.spread_double, "spread_of_its_precision": row.spread_port}
    return {**row_data(row.factor, row.allowed, row.verdict), **spreads}

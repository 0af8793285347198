"""Numbers and sentences of the page."""

import re
from typing import Any

from markupsafe import Markup, escape

from trace_audit.core.files import printable

# numbers and parentheses with numbers, which a browser could break at a sign or point
_NUMBER = re.compile(r"\([\d., -]+\)|(?<![\w.])(?:-?\d+\.\d+(?:e[-+]?\d+)?|-?\d+e[-+]?\d+|-\d+)(?!\w)")


def number(value: Any) -> str:
    """A number in the format of the traces; text unchanged."""
    return f"{value:.15g}" if isinstance(value, float) else printable(str(value))


def short(value: float) -> str:
    """A number with two or three digits: 4.7e-6, 0.0379, 466."""
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        return re.sub(r"e([-+])0*", lambda sign: "e" + sign[1].replace("+", ""), f"{value:.1e}")
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def prose(text: Any) -> Markup:
    """An escaped sentence whose numbers stay on one line."""
    pieces, at = [], 0
    plain = printable(str(text))
    for match in _NUMBER.finditer(plain):
        pieces += [escape(plain[at : match.start()]), Markup('<span class="n">{}</span>').format(match[0])]
        at = match.end()
    return Markup("").join([*pieces, escape(plain[at:])])


def short_or_blank(value: float | None) -> str:
    """A number in few digits; nothing where there is none."""
    return "" if value is None else short(value)


def signed(value: float | None) -> str:
    """A number with its sign and two decimals."""
    return "not determined" if value is None else f"{value:+.2f}"

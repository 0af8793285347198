"""From a program's standard output to its trace log."""

from trace_audit.core.errors import InputError
from trace_audit.core.escapes import escaped
from trace_audit.trace.parse import is_trace_line


def trace_log(output: str, program: str) -> str:
    """The trace lines of `output`, each ended by a newline. Raises InputError if there is none."""
    lines = [line for line in output.splitlines() if is_trace_line(line)]
    if not lines:
        raise InputError(
            f"{program}: its output has no trace line; build it with tracing and -trace_pixel SLOW FAST, or "
            "audit its image: python -m trace_audit.port --candidate '{binary: PROGRAM}'"
        )
    return escaped("".join(f"{line}\n" for line in lines).encode()).decode()

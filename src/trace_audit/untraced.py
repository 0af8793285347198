"""`python -m trace_audit.untraced` is `trace_audit.images.untraced`."""

from trace_audit.core.errors import run_command
from trace_audit.images.untraced import main

if __name__ == "__main__":
    raise SystemExit(run_command(main))

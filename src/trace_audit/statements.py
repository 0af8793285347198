"""`python -m trace_audit.statements` is `trace_audit.trail.statements`."""

from trace_audit.core.errors import run_command
from trace_audit.trail.statements import main

if __name__ == "__main__":
    raise SystemExit(run_command(main))

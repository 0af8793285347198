"""`python -m trace_audit.crate` is `trace_audit.trail.crate`."""

from trace_audit.core.errors import run_command
from trace_audit.trail.crate import main

if __name__ == "__main__":
    raise SystemExit(run_command(main))

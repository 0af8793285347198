"""`python -m trace_audit.harness` is `trace_audit.programs.harness`."""

from trace_audit.core.errors import run_command
from trace_audit.programs.harness import main

if __name__ == "__main__":
    raise SystemExit(run_command(main))

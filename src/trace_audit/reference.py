"""`python -m trace_audit.reference` is `trace_audit.programs.reference`."""

from trace_audit.core.errors import run_command
from trace_audit.programs.reference import main

if __name__ == "__main__":
    raise SystemExit(run_command(main))

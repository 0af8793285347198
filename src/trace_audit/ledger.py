"""`python -m trace_audit.ledger` is `trace_audit.trail.ledger`."""

from trace_audit.core.errors import run_command
from trace_audit.trail.ledger import main

if __name__ == "__main__":
    raise SystemExit(run_command(main))

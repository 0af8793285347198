"""`python -m trace_audit.sbom` is `trace_audit.trail.sbom`."""

from trace_audit.core.errors import run_command
from trace_audit.trail.sbom import main

if __name__ == "__main__":
    raise SystemExit(run_command(main))

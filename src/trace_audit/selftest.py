"""`python -m trace_audit.selftest` is `trace_audit.compare.selftest_command`."""

from trace_audit.compare.selftest_command import main
from trace_audit.core.errors import run_command

if __name__ == "__main__":
    raise SystemExit(run_command(main))

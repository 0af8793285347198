"""`python -m trace_audit.harness` is `trace_audit.programs.harness`."""

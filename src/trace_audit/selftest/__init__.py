"""`python -m trace_audit.selftest` is `trace_audit.compare.selftest`."""

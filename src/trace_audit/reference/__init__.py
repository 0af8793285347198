"""`python -m trace_audit.reference` is `trace_audit.programs.reference`."""

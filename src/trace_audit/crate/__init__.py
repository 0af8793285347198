"""`python -m trace_audit.crate` is `trace_audit.trail.crate`."""

"""`python -m trace_audit.untraced` is `trace_audit.images.untraced`."""

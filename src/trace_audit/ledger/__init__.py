"""`python -m trace_audit.ledger` is `trace_audit.trail.ledger`."""

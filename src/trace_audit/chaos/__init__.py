"""`python -m trace_audit.chaos`: runs broken in every way that a machine can break them, and run again."""

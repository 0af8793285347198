"""`python -m trace_audit.chaos`: breaks runs in many ways, repeats them and compares the results."""

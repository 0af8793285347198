"""`python -m trace_audit.report`: everything that an audit found as one HTML file that needs no network.

It is drawn from the ledger and the files below results/. Every value reaches the page through a template that escapes
it; the page forbids itself to load anything.
"""

"""`python -m trace_audit.report`: all results of the audits as one HTML file that needs no network.

It is made from the ledger and the files below results/. Every value reaches the page through a template that escapes
it; the page's own policy forbids loading anything.
"""

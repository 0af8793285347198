"""The record of every audit: ledger, signatures, evidence, gate, verification, rerun, crate."""

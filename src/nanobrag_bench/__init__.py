"""How fast both programs are on this machine, and how much memory they need: no part of the audit."""

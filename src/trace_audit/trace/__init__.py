"""Trace logs: the registry of keys, the parser, the tolerances, and the page that documents them."""

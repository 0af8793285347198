"""One experiment with every available compiler, option, backend, device and type, each against the strictest."""

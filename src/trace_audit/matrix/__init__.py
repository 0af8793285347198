"""One experiment through every compiler, option, backend, device and type at hand, each against the strictest."""

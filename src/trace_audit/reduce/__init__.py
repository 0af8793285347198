"""The smallest experiment on which two programs still differ at the same key."""

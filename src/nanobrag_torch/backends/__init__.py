"""The ways to run the kernel: eager torch, and code compiled from its recorded operations."""

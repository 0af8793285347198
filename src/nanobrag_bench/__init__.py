"""Times and memory of both programs on this machine; not a part of the audit."""

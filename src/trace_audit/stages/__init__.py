"""The hook interface of the torch program, by stage: each stage is observed, or gets other values."""

"""The kernel's stages as compiled code, kept on disk: the same functions, exported and built ahead of time."""

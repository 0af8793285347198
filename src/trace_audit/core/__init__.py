"""Used by every room: errors shown as one line, files that are whole or absent, Markdown tables."""

"""What every room uses: errors shown as one line, files that are whole or absent, Markdown tables."""

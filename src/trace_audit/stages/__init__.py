"""The seam of the torch program: each stage observed, or fed with other values."""

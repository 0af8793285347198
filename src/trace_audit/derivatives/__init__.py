"""Torch's derivatives against finite differences of the C program, and the refinement that uses them."""

"""Torch's derivatives against finite differences of the C program, and a refinement that uses them."""

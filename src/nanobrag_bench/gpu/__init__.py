"""The torch program on a GPU: checks, times against the goals, and the CUDA code as nvcc compiles it."""

"""Whole images of both programs, compared; a difference is traced to a factor."""

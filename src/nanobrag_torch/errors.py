"""Errors that a user can correct."""


class ExperimentError(ValueError):
    """The stated experiment contradicts itself or cannot be simulated; the message is one line, meant for the user."""

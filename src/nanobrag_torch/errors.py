"""Errors that a user can correct."""


class ExperimentError(ValueError):
    """The stated experiment contradicts itself or cannot be simulated; the message is one line, meant for the user."""


TRACED = "an image is made from numbers and cannot be traced (linearize, make_fx, export); use torch.func.jvp or vjp"

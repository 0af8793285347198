"""Absolute X-ray diffraction images of nanocrystals, differentiable, in torch."""

from nanobrag_torch._version import __version__

__all__ = ["__version__"]

"""Absolute X-ray diffraction images of nanocrystals, differentiable, in torch."""

from importlib.metadata import version as _version

__version__ = _version("nanobragg-audit")

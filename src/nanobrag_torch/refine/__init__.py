"""Refinement: the parameters of an experiment that best explain measured images, and their uncertainties."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nanobrag_torch.refine.config import Config as Config
from nanobrag_torch.refine.config import ImageFile as ImageFile
from nanobrag_torch.refine.config import load_config as load_config

if TYPE_CHECKING:
    from nanobrag_torch.refine.refinement import Refinement as Refinement
    from nanobrag_torch.refine.refinement import refine as refine

_WITH_TORCH = ("Refinement", "refine")


def __getattr__(name: str) -> Any:
    """Import modules that need torch on first use: a configuration is read and checked without torch."""
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("nanobrag_torch.refine.refinement"), name)

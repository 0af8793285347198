"""Refinement: the parameters of an experiment that explain measured images best, and how certain they are."""

from nanobrag_torch.refine.config import Config as Config
from nanobrag_torch.refine.config import ImageFile as ImageFile
from nanobrag_torch.refine.config import load_config as load_config
from nanobrag_torch.refine.refinement import Refinement as Refinement
from nanobrag_torch.refine.refinement import refine as refine

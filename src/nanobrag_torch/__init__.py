"""Absolute X-ray diffraction images of nanocrystals, differentiable, in torch.

    import torch
    from nanobrag_torch import Beam, Crystal, Detector, Experiment, StructureFactors, simulate
    image = simulate(Experiment(...), device="cpu", dtype=torch.float64)    # (slow, fast), photons

The public interface is what `__all__` lists. Each name is imported on its first use, so that importing the package
needs no torch: `read_reflections`, the parameters and the errors work without it where they can.
"""

from nanobrag_torch.faults import interrupts

interrupts.at_start("nanobrag_torch")  # before anything that takes longer to import

from importlib import import_module  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from nanobrag_torch._version import __version__  # noqa: E402

if TYPE_CHECKING:
    from nanobrag_torch.errors import ExperimentError as ExperimentError
    from nanobrag_torch.io.float_image import read_float_image as read_float_image
    from nanobrag_torch.io.float_image import write_float_image as write_float_image
    from nanobrag_torch.io.matrix import read_matrix as read_matrix
    from nanobrag_torch.io.reading import ReaderError as ReaderError
    from nanobrag_torch.io.reflections import ReflectionFile as ReflectionFile
    from nanobrag_torch.io.reflections import read_reflections as read_reflections
    from nanobrag_torch.io.smv import read_smv as read_smv
    from nanobrag_torch.io.source_table import read_sources as read_sources
    from nanobrag_torch.parameters import Beam as Beam
    from nanobrag_torch.parameters import Convention as Convention
    from nanobrag_torch.parameters import Crystal as Crystal
    from nanobrag_torch.parameters import CrystalShape as CrystalShape
    from nanobrag_torch.parameters import Detector as Detector
    from nanobrag_torch.parameters import Experiment as Experiment
    from nanobrag_torch.parameters import Pivot as Pivot
    from nanobrag_torch.parameters import ReflectionTable as ReflectionTable
    from nanobrag_torch.parameters import SourceTable as SourceTable
    from nanobrag_torch.parameters import Spindle as Spindle
    from nanobrag_torch.parameters import StructureFactors as StructureFactors
    from nanobrag_torch.refine import Refinement as Refinement
    from nanobrag_torch.simulator import Simulation as Simulation
    from nanobrag_torch.simulator import simulate as simulate
    from nanobrag_torch.simulator.series import Series as Series

# Where each name lives, relative to the package.
_HOME = {
    "Beam": "parameters",
    "Convention": "parameters",
    "Crystal": "parameters",
    "CrystalShape": "parameters",
    "Detector": "parameters",
    "Experiment": "parameters",
    "ExperimentError": "errors",
    "Pivot": "parameters",
    "ReaderError": "io.reading",
    "Refinement": "refine",
    "ReflectionFile": "io.reflections",
    "ReflectionTable": "parameters",
    "Series": "simulator.series",
    "Simulation": "simulator",
    "SourceTable": "parameters",
    "Spindle": "parameters",
    "StructureFactors": "parameters",
    "read_float_image": "io.float_image",
    "read_matrix": "io.matrix",
    "read_reflections": "io.reflections",
    "read_smv": "io.smv",
    "read_sources": "io.source_table",
    "simulate": "simulator",
    "write_float_image": "io.float_image",
}

__all__ = [
    "Beam",
    "Convention",
    "Crystal",
    "CrystalShape",
    "Detector",
    "Experiment",
    "ExperimentError",
    "Pivot",
    "ReaderError",
    "Refinement",
    "ReflectionFile",
    "ReflectionTable",
    "Series",
    "Simulation",
    "SourceTable",
    "Spindle",
    "StructureFactors",
    "__version__",
    "read_float_image",
    "read_matrix",
    "read_reflections",
    "read_smv",
    "read_sources",
    "simulate",
    "write_float_image",
]


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

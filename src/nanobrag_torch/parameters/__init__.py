"""The parameters of an experiment: what a user states, conventions, and the switches of known defects."""

from nanobrag_torch.parameters.experiment import (
    DEFAULT_FLUENCE_PHOTONS_PER_M2,
    DEFAULT_MOSAIC_SEED,
    Beam,
    Convention,
    Crystal,
    CrystalShape,
    Detector,
    Experiment,
    Pivot,
    ReflectionTable,
    Scalar,
    SourceTable,
    Spindle,
    StructureFactors,
    Vector,
    number,
)

__all__ = [
    "DEFAULT_FLUENCE_PHOTONS_PER_M2",
    "DEFAULT_MOSAIC_SEED",
    "Beam",
    "Convention",
    "Crystal",
    "CrystalShape",
    "Detector",
    "Experiment",
    "Pivot",
    "ReflectionTable",
    "Scalar",
    "SourceTable",
    "Spindle",
    "StructureFactors",
    "Vector",
    "number",
]

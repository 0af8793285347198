"""What determines the image: the experiment as a user states it, and the defects that are switched on."""

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

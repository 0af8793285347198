"""The experiment as a user states it: frozen dataclasses, the unit in every name.

Nothing here is derived. `None` means "not stated": the rules that choose step counts, beam centres and pivots need to
know what was stated. Any number may be a 0-d `torch.Tensor` instead of a float; gradients then flow from the image to
it. Torch is not imported here, so that a command line can be checked without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, Union

from nanobrag_torch.parameters import checks

if TYPE_CHECKING:
    import torch

Scalar: TypeAlias = Union[float, "torch.Tensor"]
Vector: TypeAlias = Union[tuple[Scalar, Scalar, Scalar], "torch.Tensor"]

Convention = Literal["MOSFLM", "DENZO", "ADXV", "XDS", "DIALS", "CUSTOM"]
Pivot = Literal["BEAM", "SAMPLE"]
CrystalShape = Literal["SQUARE", "ROUND", "GAUSS", "TOPHAT"]

DEFAULT_FLUENCE_PHOTONS_PER_M2 = 125932015286227086360700780544.0
DEFAULT_MOSAIC_SEED = -12345678


def number(value: Scalar) -> float:
    """The plain number, for decisions that no gradient flows through."""
    detach = getattr(value, "detach", None)
    return float(value if detach is None else detach())


@dataclass(frozen=True)
class Crystal:
    """Unit cell, orientation, size, shape and mosaicity of the crystal.

    Seeds are seed variables: the negative of the number behind `-misset_seed` or `-mosaic_seed`.
    """

    cell_lengths_A: Vector | None = None
    cell_angles_deg: Vector = (90.0, 90.0, 90.0)
    orientation_matrix: torch.Tensor | None = None  # (3, 3) columns a*, b*, c*, times the wavelength
    misset_deg: Vector | None = None
    misset_random: bool = False
    misset_seed: int | None = None  # None: from the clock
    n_cells: tuple[Scalar, Scalar, Scalar] = (1, 1, 1)
    sample_size_m: Vector = (0.0, 0.0, 0.0)  # X, Y, Z; 0: not given
    shape: CrystalShape = "SQUARE"
    fudge: Scalar = 1.0
    mosaic_spread_rad: Scalar | None = None
    mosaic_domains: int | None = None
    mosaic_seed: int = DEFAULT_MOSAIC_SEED
    mosaic_quadrature: bool = False  # fixed tilts instead of random ones; without the defect `mosaic_uneven` alone

    def __post_init__(self) -> None:
        checks.check(self, globals())
        if self.orientation_matrix is not None:
            checks.check_tensor("Crystal.orientation_matrix", self.orientation_matrix, (3, 3))


@dataclass(frozen=True)
class SourceTable:
    """Rows of a source file: where each source stands, its weight and wavelength."""

    position_m: torch.Tensor  # (n, 3) from the sample to the source; any length but zero
    weight: torch.Tensor  # (n,)
    wavelength_m: torch.Tensor  # (n,)

    def __post_init__(self) -> None:
        checks.check_tensor("SourceTable.position_m", self.position_m, ("n", 3))
        n = self.position_m.shape[0]
        checks.check_tensor("SourceTable.weight", self.weight, (n,))
        checks.check_tensor("SourceTable.wavelength_m", self.wavelength_m, (n,), above=0.0)
        checks.check_places("SourceTable.position_m", self.position_m)


@dataclass(frozen=True)
class Beam:
    """Spectrum, divergence, intensity and polarization of the beam."""

    wavelength_m: Scalar = 1e-10
    dispersion_fraction: Scalar = 0.0
    dispersion_steps: int | None = None
    hdiv_range_rad: Scalar | None = None
    hdiv_step_rad: Scalar | None = None
    hdiv_steps: int | None = None
    vdiv_range_rad: Scalar | None = None
    vdiv_step_rad: Scalar | None = None
    vdiv_steps: int | None = None
    round_divergence: bool = True
    sources: SourceTable | None = None
    fluence_photons_per_m2: Scalar = DEFAULT_FLUENCE_PHOTONS_PER_M2
    flux_photons_per_s: Scalar = 0.0
    exposure_s: Scalar = 1.0
    beamsize_m: Scalar = 1e-4
    polarization_factor: Scalar = 0.0  # Kahn factor K
    polarized: bool = True  # False: -nopolar

    def __post_init__(self) -> None:
        checks.check(self, globals())
        checks.check_exposure(self.flux_photons_per_s, self.exposure_s, self.beamsize_m)


@dataclass(frozen=True)
class Spindle:
    """Rotation of the crystal during the exposure."""

    phi_start_deg: Scalar = 0.0
    osc_deg: Scalar | None = None
    phistep_deg: Scalar | None = None
    phisteps: int | None = None

    def __post_init__(self) -> None:
        checks.check(self, globals())


@dataclass(frozen=True)
class Detector:
    """Pixels, placement, sensor and sampling of the detector.

    Vectors are as given on the command line; they take effect in the CUSTOM convention alone.
    """

    pixel_size_m: Scalar = 1e-4
    n_fast: int | None = None
    n_slow: int | None = None
    size_fast_m: float | None = None
    size_slow_m: float | None = None
    convention: Convention = "MOSFLM"
    pivot: Pivot | None = None  # what the last pivot-setting flag chose
    pivot_explicit: Pivot | None = None  # what -pivot itself chose
    distance_m: Scalar = 0.1
    close_distance_m: Scalar | None = None
    Xbeam_m: Scalar | None = None
    Ybeam_m: Scalar | None = None
    Xclose_m: Scalar | None = None
    Yclose_m: Scalar | None = None
    ORGX_pixels: Scalar | None = None
    ORGY_pixels: Scalar | None = None
    fdet_vector: Vector | None = None
    sdet_vector: Vector | None = None
    odet_vector: Vector | None = None
    beam_vector: Vector | None = None
    polar_vector: Vector | None = None
    spindle_axis: Vector | None = None
    twotheta_axis: Vector | None = None
    pix0_vector_m: Vector | None = None
    rotx_rad: Scalar = 0.0
    roty_rad: Scalar = 0.0
    rotz_rad: Scalar = 0.0
    twotheta_rad: Scalar = 0.0
    curved: bool = False
    point_pixel: bool = False
    thickness_m: Scalar = 0.0
    attenuation_per_m: Scalar | None = None  # mu
    thick_steps: int | None = None
    oversample: int | None = None
    oversample_thick: bool = False
    oversample_polar: bool = False
    oversample_omega: bool = False
    roi: tuple[int, int, int, int] | None = None  # xmin xmax ymin ymax (x fast), inclusive; negative: full
    mask: torch.Tensor | None = None  # (slow, fast) bool, True: compute this pixel

    def __post_init__(self) -> None:
        checks.check(self, globals())
        if self.roi is not None:
            checks.check_region("Detector.roi", self.roi)
        if self.mask is not None:
            checks.check_mask("Detector.mask", self.mask, self.n_fast, self.n_slow)


@dataclass(frozen=True)
class ReflectionTable:
    """Structure factor amplitudes on a box of Miller indices, gaps filled with `default_F`.

    `F_electrons[h - h_min, k - k_min, l - l_min]` is the amplitude of (h, k, l).
    """

    F_electrons: torch.Tensor  # (nh, nk, nl)
    h_min: int
    k_min: int
    l_min: int

    def __post_init__(self) -> None:
        checks.check_tensor("ReflectionTable.F_electrons", self.F_electrons, ("nh", "nk", "nl"))


@dataclass(frozen=True)
class StructureFactors:
    """Amplitudes, how they are looked up, and the isotropic background."""

    table: ReflectionTable | None = None
    default_F: Scalar = 0.0
    interpolate: bool | None = None  # None: decided from the crystal size
    d_min_m: Scalar = 0.0  # 0: no limit
    water_size_m: Scalar = 0.0

    def __post_init__(self) -> None:
        checks.check(self, globals())


@dataclass(frozen=True)
class Experiment:
    """Everything that determines the float image."""

    crystal: Crystal = field(default_factory=Crystal)
    beam: Beam = field(default_factory=Beam)
    spindle: Spindle = field(default_factory=Spindle)
    detector: Detector = field(default_factory=Detector)
    structure_factors: StructureFactors = field(default_factory=StructureFactors)
    defects: frozenset[str] | None = None  # active defect names; None: the `default` preset

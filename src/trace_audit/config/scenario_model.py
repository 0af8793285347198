"""The fields of a scenario file, each with its unit in its name. The JSON schema is made from these classes."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Vector3 = Annotated[list[float], Field(min_length=3, max_length=3)]
Integers3 = Annotated[list[int], Field(min_length=3, max_length=3)]
Nine = Annotated[list[float], Field(min_length=9, max_length=9)]
PixelPair = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cell(_Section):
    """Unit cell; angles default to 90 degrees."""

    a_A: Positive
    b_A: Positive
    c_A: Positive
    alpha_deg: Positive = 90.0
    beta_deg: Positive = 90.0
    gamma_deg: Positive = 90.0


class Crystal(_Section):
    """Cell, orientation, size and mosaicity of the crystal."""

    matrix: Nine | None = Field(None, description="orientation matrix row by row; columns a*, b*, c* times wavelength")
    cell: Cell | None = None
    misset_deg: Vector3 | None = None
    misset_random_seed: Count | None = Field(None, description="a random orientation, drawn from this seed")
    N_cells: Annotated[list[Count], Field(min_length=3, max_length=3)] | None = None
    sample_size_mm: Positive | None = Field(None, description="all three extents; they take the place of N_cells")
    sample_x_mm: Positive | None = None
    sample_y_mm: Positive | None = None
    sample_z_mm: Positive | None = None
    shape: Literal["square", "round", "gauss", "tophat"] = "square"
    fudge: Positive | None = None
    mosaic_spread_deg: Annotated[float, Field(ge=0)] | None = None
    mosaic_domains: Count | None = None
    mosaic_seed: int | None = None

    @model_validator(mode="after")
    def _has_a_cell(self) -> "Crystal":
        if self.matrix is None and self.cell is None:
            raise ValueError("give matrix (nine numbers) or cell")
        if self.misset_deg is not None and self.misset_random_seed is not None:
            raise ValueError("give misset_deg or misset_random_seed, not both")
        return self


class SyntheticModel(_Section):
    """A seeded protein-like atom model in P1, from which structure factors are calculated."""

    seed: Annotated[int, Field(ge=0)] = 1
    volume_per_atom_A3: Annotated[float, Field(ge=5)] = 20.0
    protein_fraction: Annotated[float, Field(gt=0, le=0.52)] = 0.5
    mean_B_A2: Positive = 20.0
    resolution_A: Positive | None = Field(None, description="default: the corner of the detector")


class FixedAmplitude(_Section):
    """An amplitude that is set whatever the model says, with its Friedel mate."""

    hkl: Integers3
    F_electrons: Annotated[float, Field(ge=0)]


class StructureFactors(_Section):
    """Where amplitudes come from: a synthetic model, a user's file, or one number for all."""

    synthetic: SyntheticModel | None = None
    file: str | None = Field(None, description="hkl text, MTZ, mmCIF or PDB, relative to the scenario file")
    fixed_amplitudes: list[FixedAmplitude] = []
    default_F_electrons: Annotated[float, Field(ge=0)] | None = None
    interpolate: bool | None = None
    d_min_A: Positive | None = None
    water_um: Positive | None = None

    @model_validator(mode="after")
    def _has_one_origin(self) -> "StructureFactors":
        if self.synthetic is not None and self.file is not None:
            raise ValueError("give synthetic or file, not both")
        if self.synthetic is None and self.file is None and self.default_F_electrons is None:
            raise ValueError("give synthetic, file or default_F_electrons")
        if self.fixed_amplitudes and self.synthetic is None:
            raise ValueError("fixed_amplitudes go with synthetic; put them into the file otherwise")
        return self


class Source(_Section):
    """One line of a source file: a source at `position_m` shoots towards the sample; only the direction counts."""

    position_m: Vector3
    weight: Annotated[float, Field(ge=0)] = 1.0
    wavelength_A: Positive | None = Field(None, description="default: that of the beam")


class Beam(_Section):
    """Spectrum, divergence, intensity and polarization."""

    wavelength_A: Positive | None = None
    energy_eV: Positive | None = None
    flux_photons_per_s: Positive | None = None
    exposure_s: Positive | None = None
    beamsize_mm: Positive | None = None
    fluence_photons_per_m2: Positive | None = None
    polarization: bool = True
    polarization_factor: Annotated[float, Field(ge=-1, le=1)] | None = None
    dispersion_percent: Positive | None = None
    dispersion_steps: Count | None = None
    hdivrange_mrad: Positive | None = None
    hdivstep_mrad: Positive | None = None
    hdivsteps: Count | None = None
    vdivrange_mrad: Positive | None = None
    vdivstep_mrad: Positive | None = None
    vdivsteps: Count | None = None
    square_divergence: bool = False
    sources: Annotated[list[Source], Field(min_length=1)] | None = Field(
        None, description="written as a source file; takes the place of divergence and dispersion"
    )

    @model_validator(mode="after")
    def _has_one_wavelength(self) -> "Beam":
        if (self.wavelength_A is None) == (self.energy_eV is None):
            raise ValueError("give wavelength_A or energy_eV, one of them")
        return self


class Spindle(_Section):
    """Rotation during the exposure."""

    axis: Vector3 | None = None
    phi_start_deg: float | None = None
    osc_deg: Annotated[float, Field(ge=0)] | None = None
    phistep_deg: float | None = None
    phisteps: Count | None = None


class Region(_Section):
    """A rectangle of pixels, first and last of each direction inclusive."""

    fast: PixelPair
    slow: PixelPair

    @model_validator(mode="after")
    def _in_order(self) -> "Region":
        for name in ("fast", "slow"):
            first, last = getattr(self, name)
            if first > last:
                raise ValueError(f"{name}: first pixel {first} is beyond the last, {last}")
        return self

    def holds(self, slow: int, fast: int) -> bool:
        """Whether pixel (slow, fast) is in the rectangle."""
        return self.slow[0] <= slow <= self.slow[1] and self.fast[0] <= fast <= self.fast[1]


class Detector(_Section):
    """Pixels and placement of the detector, in the order in which the flags are given."""

    pixel_mm: Positive
    pixels_fast: Count
    pixels_slow: Count
    convention: Literal["mosflm", "denzo", "adxv", "xds", "dials", "custom"] = "mosflm"
    distance_mm: float | None = None
    close_distance_mm: Positive | None = None
    Xbeam_mm: float | None = None
    Ybeam_mm: float | None = None
    Xclose_mm: float | None = None
    Yclose_mm: float | None = None
    ORGX_pixels: float | None = None
    ORGY_pixels: float | None = None
    fdet_vector: Vector3 | None = None
    sdet_vector: Vector3 | None = None
    odet_vector: Vector3 | None = None
    beam_vector: Vector3 | None = None
    polar_vector: Vector3 | None = None
    pix0_vector_mm: Vector3 | None = None
    rotx_deg: float | None = None
    roty_deg: float | None = None
    rotz_deg: float | None = None
    twotheta_axis: Vector3 | None = None
    twotheta_deg: float | None = Field(None, description="giving it, even 0, chooses the SAMPLE pivot")
    pivot: Literal["sample", "beam"] | None = None
    curved: bool = False
    point_pixel: bool = False
    attenuation_length_um: Positive | None = None
    thickness_um: Positive | None = None
    thick_steps: Count | None = None
    roi: Region | None = Field(None, description="only these pixels are computed")
    masked: Annotated[list[Region], Field(min_length=1)] | None = Field(
        None, description="written as a mask image; these pixels are not computed"
    )

    @model_validator(mode="after")
    def _convention_fits_vectors(self) -> "Detector":
        names = ("fdet_vector", "sdet_vector", "odet_vector", "beam_vector", "polar_vector", "pix0_vector_mm")
        given = [name for name in (*names, "twotheta_axis") if getattr(self, name) is not None]
        if given and self.convention != "custom":
            raise ValueError(f"{given[0]} selects convention custom; say convention: custom")
        if self.convention == "custom" and not given:
            raise ValueError("convention custom needs at least one vector")
        return self

    @model_validator(mode="after")
    def _regions_on_detector(self) -> "Detector":
        for region in [*([self.roi] if self.roi else []), *(self.masked or [])]:
            if region.slow[1] >= self.pixels_slow or region.fast[1] >= self.pixels_fast:
                limits = f"slow 0 to {self.pixels_slow - 1}, fast 0 to {self.pixels_fast - 1}"
                raise ValueError(f"region slow {region.slow}, fast {region.fast} is off the detector: {limits}")
        return self


class Sampling(_Section):
    """Sub-pixels, and which factors are applied to every term of the sum."""

    oversample: Count | None = None
    oversample_thick: bool = False
    oversample_polar: bool = False
    oversample_omega: bool = False


class Scenario(_Section):
    """One experiment, and the pixels (slow, fast) to trace in it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    description: str
    crystal: Crystal
    structure_factors: StructureFactors
    beam: Beam
    spindle: Spindle = Spindle()
    detector: Detector
    sampling: Sampling = Sampling()
    defects: Annotated[str, Field(pattern=r"^[a-z_0-9]+(,[+-][a-z_0-9]+)*$")] = "default"
    extra_flags: list[str] = Field([], description="further words of the command line, after all others")
    pixels: Annotated[list[PixelPair], Field(min_length=1)]

    @model_validator(mode="after")
    def _pixels_on_detector(self) -> "Scenario":
        for slow, fast in self.pixels:
            if slow >= self.detector.pixels_slow or fast >= self.detector.pixels_fast:
                limits = f"slow 0 to {self.detector.pixels_slow - 1}, fast 0 to {self.detector.pixels_fast - 1}"
                raise ValueError(f"pixel [{slow}, {fast}] (slow, fast) is off the detector: {limits}")
            if not self.computes(slow, fast):
                raise ValueError(
                    f"pixel [{slow}, {fast}] (slow, fast) is masked or outside roi; trace one that is computed"
                )
        return self

    def computes(self, slow: int, fast: int) -> bool:
        """Whether the pixel is in the region of interest and not masked."""
        detector = self.detector
        masked = any(region.holds(slow, fast) for region in detector.masked or [])
        return not masked and (detector.roi is None or detector.roi.holds(slow, fast))

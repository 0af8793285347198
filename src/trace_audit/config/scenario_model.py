"""The fields of a scenario file, each with its unit in its name. The JSON schema is made from these classes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nanobragg_tables import flags

Vector3 = Annotated[list[float], Field(min_length=3, max_length=3)]
Integers3 = Annotated[list[int], Field(min_length=3, max_length=3)]
Counts3 = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=3)]
Nine = Annotated[list[float], Field(min_length=9, max_length=9)]
PixelPair = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=-2147483647, le=2147483647)]
NotNegative = Annotated[float, Field(ge=0)]


_MEANING = {flag.name: flag.meaning for flag in flags()}


def _flag(name: str, default: Any = None) -> Any:
    """A key that is a flag of the command line: its meaning comes from the table of flags."""
    return Field(default, description=_MEANING[name], json_schema_extra={"flag": name})


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cell(_Section):
    """Unit cell; angles default to 90 degrees."""

    a_A: Positive = Field(..., description="length of a, in A")
    b_A: Positive = Field(..., description="length of b, in A")
    c_A: Positive = Field(..., description="length of c, in A")
    alpha_deg: Positive = Field(90.0, description="angle between b and c")
    beta_deg: Positive = Field(90.0, description="angle between c and a")
    gamma_deg: Positive = Field(90.0, description="angle between a and b")


class Crystal(_Section):
    """Cell, orientation, size and mosaicity of the crystal."""

    matrix: Nine | None = Field(None, description="orientation matrix row by row; columns a*, b*, c* times wavelength")
    cell: Cell | None = Field(None, description="unit cell; with matrix only its lengths count")
    misset_deg: Vector3 | None = _flag("-misset")
    misset_random_seed: Count | None = Field(None, description="a random orientation, drawn from this seed")
    N_cells: Counts3 | None = Field(None, description="number of unit cells along a, b and c")
    sample_size_mm: Positive | None = Field(None, description="all three extents; they replace N_cells")
    sample_x_mm: Positive | None = _flag("-sample_thick")
    sample_y_mm: Positive | None = _flag("-sample_width")
    sample_z_mm: Positive | None = _flag("-sample_height")
    shape: Literal["square", "round", "gauss", "tophat"] = Field(
        "square", description="shape of the crystal, which determines the shape of the spots"
    )
    fudge: Positive | None = _flag("-fudge")
    mosaic_spread_deg: NotNegative | None = _flag("-mosaic")
    mosaic_domains: Count | None = _flag("-mosaic_dom")
    mosaic_seed: Seed | None = _flag("-mosaic_seed")
    mosaic_quadrature: bool = _flag("-mosaic_quadrature", False)

    @model_validator(mode="after")
    def _has_a_cell(self) -> "Crystal":
        if self.matrix is None and self.cell is None:
            raise ValueError("give matrix (nine numbers) or cell")
        if self.misset_deg is not None and self.misset_random_seed is not None:
            raise ValueError("give misset_deg or misset_random_seed, not both")
        return self


class SyntheticModel(_Section):
    """A seeded protein-like atom model in P1, from which structure factors are calculated."""

    seed: int = Field(1, ge=0, description="seed of the positions of the atoms")
    volume_per_atom_A3: float = Field(20.0, ge=5, description="volume of the cell for each atom, hydrogens left out")
    protein_fraction: float = Field(0.5, gt=0, le=0.52, description="part of the cell that the protein fills")
    mean_B_A2: Positive = Field(20.0, description="mean displacement parameter B of the atoms")
    resolution_A: Positive | None = Field(None, description="default: the corner of the detector")


class FixedAmplitude(_Section):
    """An amplitude that is set whatever the model says, with its Friedel mate."""

    hkl: Integers3 = Field(..., description="Miller indices of the reflection")
    F_electrons: float = Field(..., ge=0, description="its amplitude")


class StructureFactors(_Section):
    """Where amplitudes come from: a synthetic model, a user's file, or one number for all.

    May be left out where config/config.yaml names the file.
    """

    synthetic: SyntheticModel | None = Field(None, description="the synthetic model")
    file: str | None = Field(None, description="hkl text, MTZ, mmCIF or PDB, relative to the scenario file")
    column: str | None = Field(
        None, description="column of the file (MTZ label, mmCIF item); measured amplitudes first where it is left out"
    )
    fixed_amplitudes: list[FixedAmplitude] = Field(
        [], description="reflections of the synthetic set that are given by hand"
    )
    default_F_electrons: NotNegative | None = _flag("-default_F")
    interpolate: bool | None = Field(
        None, description="whether amplitudes are interpolated between whole indices; automatic where it is left out"
    )
    d_min_A: Positive | None = _flag("-dmin")
    water_um: Positive | None = _flag("-water")

    @property
    def have_an_origin(self) -> bool:
        """Whether the amplitudes have an origin; if not, the config or the command line has to give a file."""
        return not (self.synthetic is None and self.file is None and self.default_F_electrons is None)

    @model_validator(mode="after")
    def _has_one_origin(self) -> "StructureFactors":
        if self.synthetic is not None and self.file is not None:
            raise ValueError("give synthetic or file, not both")
        if self.column is not None and self.file is None:
            raise ValueError("column goes with file; give the file that has it")
        if self.fixed_amplitudes and self.synthetic is None:
            raise ValueError("fixed_amplitudes go with synthetic; put them into the file otherwise")
        return self


class Source(_Section):
    """One line of a source file: a source at `position_m` shoots towards the sample; only the direction counts."""

    position_m: Vector3 = Field(..., description="where the source stands, seen from the sample")
    weight: float = Field(
        1.0, ge=0, description="its part of the intensity, used without the defect source_weights_ignored"
    )
    wavelength_A: Positive | None = Field(None, description="default: that of the beam")


class Beam(_Section):
    """Spectrum, divergence, intensity and polarization."""

    wavelength_A: Positive | None = _flag("-lambda")
    energy_eV: Positive | None = _flag("-energy")
    flux_photons_per_s: Positive | None = _flag("-flux")
    exposure_s: Positive | None = _flag("-exposure")
    beamsize_mm: Positive | None = _flag("-beamsize")
    fluence_photons_per_m2: Positive | None = _flag("-fluence")
    polarization: bool = Field(True, description="whether there is a polarization factor")
    polarization_factor: Annotated[float, Field(ge=-1, le=1)] | None = _flag("-polar")
    dispersion_percent: Positive | None = _flag("-dispersion")
    dispersion_steps: Count | None = _flag("-dispsteps")
    hdivrange_mrad: Positive | None = _flag("-hdivrange")
    hdivstep_mrad: Positive | None = _flag("-hdivstep")
    hdivsteps: Count | None = _flag("-hdivsteps")
    vdivrange_mrad: Positive | None = _flag("-vdivrange")
    vdivstep_mrad: Positive | None = _flag("-vdivstep")
    vdivsteps: Count | None = _flag("-vdivsteps")
    square_divergence: bool = _flag("-square_div", False)
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

    axis: Vector3 | None = _flag("-spindle_axis")
    phi_start_deg: float | None = _flag("-phi")
    osc_deg: NotNegative | None = _flag("-osc")
    phistep_deg: NotNegative | None = _flag("-phistep")
    phisteps: Count | None = _flag("-phisteps")


class Region(_Section):
    """A rectangle of pixels, first and last of each direction inclusive."""

    fast: PixelPair = Field(..., description="first and last pixel along fast")
    slow: PixelPair = Field(..., description="first and last pixel along slow")

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

    pixel_mm: Positive = _flag("-pixel", ...)
    pixels_fast: Count = _flag("-detpixels_f", ...)
    pixels_slow: Count = _flag("-detpixels_s", ...)
    convention: Literal["mosflm", "denzo", "adxv", "xds", "dials", "custom"] = Field(
        "mosflm", description="convention of axes and beam centre"
    )
    distance_mm: Positive | None = _flag("-distance")
    close_distance_mm: Positive | None = _flag("-close_distance")
    Xbeam_mm: float | None = _flag("-Xbeam")
    Ybeam_mm: float | None = _flag("-Ybeam")
    Xclose_mm: float | None = _flag("-Xclose")
    Yclose_mm: float | None = _flag("-Yclose")
    ORGX_pixels: float | None = _flag("-ORGX")
    ORGY_pixels: float | None = _flag("-ORGY")
    fdet_vector: Vector3 | None = _flag("-fdet_vector")
    sdet_vector: Vector3 | None = _flag("-sdet_vector")
    odet_vector: Vector3 | None = _flag("-odet_vector")
    beam_vector: Vector3 | None = _flag("-beam_vector")
    polar_vector: Vector3 | None = _flag("-polar_vector")
    pix0_vector_mm: Vector3 | None = _flag("-pix0_vector_mm")
    rotx_deg: float | None = _flag("-detector_rotx")
    roty_deg: float | None = _flag("-detector_roty")
    rotz_deg: float | None = _flag("-detector_rotz")
    twotheta_axis: Vector3 | None = _flag("-twotheta_axis")
    twotheta_deg: float | None = Field(None, description="giving it, even 0, chooses the SAMPLE pivot")
    pivot: Literal["sample", "beam"] | None = _flag("-pivot")
    curved: bool = _flag("-curved_det", False)
    point_pixel: bool = _flag("-point_pixel", False)
    attenuation_length_um: Positive | None = _flag("-detector_abs")
    thickness_um: Positive | None = _flag("-detector_thick")
    thick_steps: Count | None = _flag("-detector_thicksteps")
    roi: Region | None = Field(None, description="only these pixels are computed")
    masked: Annotated[list[Region], Field(min_length=1)] | None = Field(
        None, description="written as a mask image; these pixels are not computed"
    )

    @model_validator(mode="after")
    def _convention_fits_vectors(self) -> "Detector":
        names = ("fdet_vector", "sdet_vector", "odet_vector", "beam_vector", "polar_vector", "pix0_vector_mm")
        stated = [name for name in (*names, "twotheta_axis") if getattr(self, name) is not None]
        if stated and self.convention != "custom":
            raise ValueError(f"{stated[0]} selects convention custom; say convention: custom")
        if self.convention == "custom" and not stated:
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

    oversample: Count | None = _flag("-oversample")
    oversample_thick: bool = _flag("-oversample_thick", False)
    oversample_polar: bool = _flag("-oversample_polar", False)
    oversample_omega: bool = _flag("-oversample_omega", False)


class Scenario(_Section):
    """One experiment, and the pixels (slow, fast) to trace in it."""

    name: str = Field(..., pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="name of the scenario, as of its file")
    description: str = Field("", description="what the scenario is there for")
    crystal: Crystal
    structure_factors: StructureFactors = StructureFactors()
    beam: Beam
    spindle: Spindle = Spindle()
    detector: Detector
    sampling: Sampling = Sampling()
    defects: Annotated[str, Field(pattern=r"^[a-z_0-9]+(,[+-][a-z_0-9]+)*$")] = _flag("-defects", "default")
    extra_flags: list[str] = Field([], description="further arguments, after all others")
    pixels: list[PixelPair] = Field(..., min_length=1, description="pixels to trace, each slow, then fast")

    @model_validator(mode="after")
    def _pixels_on_detector(self) -> "Scenario":
        wrong = [text for slow, fast in self.pixels if (text := self._off(slow, fast))]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _off(self, slow: int, fast: int) -> str:
        """Why a pixel cannot be traced; empty if it can."""
        panel = self.detector
        if slow >= panel.pixels_slow or fast >= panel.pixels_fast:
            limits = f"slow 0 to {panel.pixels_slow - 1}, fast 0 to {panel.pixels_fast - 1}"
            return f"pixel [{slow}, {fast}] (slow, fast) is off the detector: {limits}"
        if not self.computes(slow, fast):
            return f"pixel [{slow}, {fast}] (slow, fast) is masked or outside roi; trace one that is computed"
        return ""

    def computes(self, slow: int, fast: int) -> bool:
        """Whether the pixel is in the region of interest and not masked."""
        detector = self.detector
        masked = any(region.holds(slow, fast) for region in detector.masked or [])
        return not masked and (detector.roi is None or detector.roi.holds(slow, fast))

"""The group `campaign` of the config file: which frames are simulated, in what portions, on which device."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from trace_audit.config.setting_types import PathText, ScenarioName, Strict, without_repeats

MAX_FRAMES = 10**9
# flags that a frame or a shard sets itself, and flags without use here
OWNED_FLAGS = frozenset(
    {"-mat", "-cell", "-misset", "-misset_seed", "-lambda", "-energy", "-hkl", "-sourcefile", "-img"}
    | {"-floatfile", "-doublefile", "-intfile", "-pgmfile", "-noisefile", "-hdf5file", "-dumpfile"}
    | {"-config", "-show_config", "-verbose", "-device", "-dtype", "-threads", "--help", "--version"}
    | {"-trace_pixel", "-printout", "-printout_pixel"}
)


class Orientations(Strict):
    """Orientations of the crystal; every scenario and wavelength is simulated in each of them."""

    count: int = Field(100, ge=1, le=MAX_FRAMES, description="How many random ones, uniform over all rotations.")
    seed: int = Field(1, ge=0, lt=2**63, description="Seed of the random ones; number i depends on it and on i alone.")
    file: PathText = Field(
        "", description="Text, three columns: degrees about x, y, z, as -misset takes them. Empty: random ones."
    )


class Wavelengths(Strict):
    """Wavelengths of the beam."""

    values_A: list[Annotated[float, Field(gt=0, le=1e6)]] = Field(
        [], description="Every orientation is simulated at each of them. Empty: at the scenario's own."
    )
    jitter_percent: float = Field(
        0.0, ge=0, le=20, description="Standard deviation of a Gaussian shift, drawn for each frame."
    )
    seed: int = Field(2, ge=0, lt=2**63, description="Seed of the shifts; that of frame i depends on it and i alone.")

    @field_validator("values_A")
    @classmethod
    def _finite(cls, values: list[float]) -> list[float]:
        if not all(math.isfinite(value) for value in values):
            raise ValueError("not finite; give wavelengths in A")
        return values


class FrameAudit(Strict):
    """The sample of frames that the C program simulates again."""

    frames_per_shard: int = Field(1, ge=0, description="How many frames of each shard; 0: none.")
    seed: int = Field(3, ge=0, lt=2**63, description="Seed of the choice.")


class Noise(Strict):
    """What a detector makes of the expected photons, frame by frame; without it these themselves are stored."""

    generator: Literal["none", "philox", "classic"] = Field(
        "none",
        description="philox: counter-based, on the device, the same numbers however frames are divided; classic: as the"
        " C program draws them, one stream a frame, on the host.",
    )
    seed: int = Field(4, ge=0, lt=2**63, description="Numbers of a pixel follow from it, the scenario and the frame.")
    gain_counts_per_photon: float = Field(1.0, gt=0, le=1e6, description="Counts that a photon becomes.")
    readout_sigma_counts: float = Field(0.0, ge=0, le=1e6, description="Standard deviation of the read-out, Gaussian.")
    offset_counts: float = Field(40.0, ge=0, le=1e6, description="Added to every pixel; -adc of the command line.")
    point_spread_fwhm_um: float = Field(
        0.0, ge=0, le=1e5, description="Full width at half maximum of a Gaussian; spreads photons once they are drawn."
    )
    largest_count: int = Field(
        65535, ge=1, lt=2**32, description="What is above is stored as this; over 65535 a pixel takes 32 bits."
    )

    @model_validator(mode="after")
    def _known_to_the_classic_generator(self) -> Noise:
        if self.generator == "classic":
            for name in ("gain_counts_per_photon", "readout_sigma_counts", "point_spread_fwhm_um", "largest_count"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name}: the classic generator has none; leave it out or use philox")
        return self


class Campaign(Strict):
    """Frames by the thousand: the product scenario x orientation x wavelength. What `snakemake campaign` makes."""

    name: ScenarioName = Field("campaign", description="Names the folder of the campaign.")
    scenarios: list[ScenarioName] = Field(
        [], description="Names of files in `scenario_dir`; all with one detector. Empty: there is no campaign."
    )
    orientations: Orientations = Orientations()
    wavelengths: Wavelengths = Wavelengths()
    extra_flags: list[str] = Field(
        [], description="Further arguments of nanoBragg, after the scenario's; for example another detector size."
    )
    frames_per_shard: int = Field(1000, ge=1, le=10**7, description="Frames that one job writes to one file.")
    device: Literal["cpu", "cuda", "auto"] = Field("cpu", description="Where torch runs.")
    dtype: Literal["float32", "float64"] = Field("float32", description="torch's type after the hkl fraction.")
    compression: Literal["bitshuffle_lz4", "bitshuffle_zstd", "zstd", "none"] = Field(
        "bitshuffle_lz4", description="Of every frame, without loss."
    )
    frames_per_launch: int = Field(
        0, ge=0, le=4096, description="Frames that are on the device at once; 0: 16 on a GPU, at most 8 on a CPU."
    )
    noise: Noise = Noise()
    audit: FrameAudit = FrameAudit()
    folder: PathText = Field(
        "results/campaign", min_length=1, description="Where the frames go; for example a scratch file system."
    )

    @field_validator("scenarios")
    @classmethod
    def _no_repeats(cls, names: list[str]) -> list[str]:
        return without_repeats(names)

    @field_validator("extra_flags")
    @classmethod
    def _not_owned(cls, flags: list[str]) -> list[str]:
        from nanobrag_torch.cli.tokens import UsageError, split

        try:
            names = [occurrence.name for occurrence in split(flags)]
        except UsageError as error:
            raise ValueError(str(error)) from None
        for name in names:
            if name in OWNED_FLAGS:
                raise ValueError(
                    f"{name} is none of a campaign's flags: the campaign sets it itself or does not use it"
                )
        return flags

    @model_validator(mode="after")
    def _bounded(self) -> Campaign:
        count = len(self.scenarios) * self.orientations.count * max(1, len(self.wavelengths.values_A))
        if not self.orientations.file and count > MAX_FRAMES:
            raise ValueError(f"{count} frames, expected at most {MAX_FRAMES}; make several campaigns of it")
        return self

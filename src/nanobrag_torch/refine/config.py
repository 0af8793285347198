"""The typed configuration of a refinement; an error in a file is reported in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.io import strict_yaml
from nanobrag_torch.io.reading import ReaderError, open_plain
from nanobrag_torch.refine.named import named

SCALE = "scale"
Positive = Annotated[float, Field(gt=0)]


class ConfigError(ExperimentError):
    """A configuration that cannot be used; the message is one line."""


class Strict(BaseModel):
    """A group of keys in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ImageFile(Strict):
    """One measured image, and the flags of its own exposure."""

    file: str = Field(description="float image (.bin, .f32; .f64 double), SMV (.img) or HDF5 (.h5, .nxs, .cbf.h5)")
    flags: str = Field("", description="flags of this image alone, after those of all: -phi 10 -osc 1")
    mask: str | None = Field(None, description="SMV image; pixels with 0 are not used")
    offset_counts: float | None = Field(None, description="counts without any photon; default: 40 for SMV, else 0")
    photons_per_count: Positive = 1.0
    dataset: str = Field("/entry/data/data", description="of an HDF5 file")
    frame: int = Field(0, ge=0, description="of a stack of images in an HDF5 file, from 0")


class Config(Strict):
    """Parameters to refine, images to explain, target and method."""

    flags: str = Field(description="the experiment as nanoBragg flags, at the values to start from")
    images: list[ImageFile] = Field(min_length=1)
    parameters: list[str] = Field(min_length=1, description="names of docs/gradients.md, F_reflection h k l, and scale")
    target: Literal["poisson", "least_squares"] = "poisson"
    method: Literal["levenberg_marquardt", "lbfgs"] = "levenberg_marquardt"
    undetermined: Literal["freeze", "refuse"] = Field(
        "freeze", description="a parameter that the images do not determine: kept at its start, or an error"
    )
    cells_factors: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        [0.3, 0.6, 1.0], min_length=1, description="stages: cell counts times this, which widens the spots"
    )
    max_iterations: int = Field(40, ge=1, description="in each stage")
    tolerance_sigma: Positive = Field(0.01, description="stop when no parameter moves by more of its uncertainty")
    starts: int = Field(1, ge=1, description="refinements from different values; the best is kept")
    start_spread: dict[str, Positive] = Field({}, description="half width of the further starting values, by parameter")
    seed: int = Field(0, ge=0, description="of the further starting values")
    device: str = "cpu"

    @field_validator("parameters")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            _check_parameter(name)
        names = [" ".join(name.split()) for name in names]
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise ValueError(f"{', '.join(sorted(repeated))} is listed twice")
        return names

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if self.cells_factors[-1] != 1.0:
            raise ValueError("cells_factors must end with 1: the last stage is with the crystal's own size")
        foreign = [name for name in self.start_spread if name not in self.parameters]
        if foreign:
            raise ValueError(f"start_spread: {foreign[0]} is not among the parameters")
        if self.starts > 1 and not self.start_spread:
            raise ValueError("starts above 1 need start_spread, how far from the flags' values to start")
        return self


def _check_parameter(name: str) -> None:
    if name == SCALE:
        return
    try:
        row, hkl = named(name)
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    if row.kind == "none" or (row.is_tensor and hkl is None):
        why = row.why if row.kind == "none" else "it is many numbers; minimise by its gradient in Python"
        raise ValueError(f"{name} cannot be refined: {why}")


def load_config(path: str | Path) -> Config:
    """Read and check a YAML file. Raises ConfigError with one line."""
    path = Path(path)
    try:
        with open_plain(path) as stream:
            data = strict_yaml.load(stream.read().decode())
    except strict_yaml.YamlError as error:
        raise ConfigError(f"{path}: {error}") from None
    except ReaderError as error:
        raise ConfigError(str(error)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8 text, expected a YAML file") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected keys like flags, images, parameters; found {type(data).__name__}")
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first_complaint(error.errors())}") from None


def _first_complaint(errors: list[Any]) -> str:
    from difflib import get_close_matches

    first = errors[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        model = ImageFile if "images" in first["loc"] else Config
        near = get_close_matches(str(first["loc"][-1]), list(model.model_fields), n=1)
        return f"unknown key {where!r}; " + (
            f"did you mean {near[0]}?" if near else f"known: {', '.join(model.model_fields)}"
        )
    if first["type"] == "missing":
        return f"key {where!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message

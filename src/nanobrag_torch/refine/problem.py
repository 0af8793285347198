"""Predicted photons at the measured pixels as a function of the parameters, and their derivatives."""

from __future__ import annotations

import contextlib
import math
import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from nanobrag_torch import model
from nanobrag_torch.cli import parse
from nanobrag_torch.parameters import Experiment, Scalar
from nanobrag_torch.physics.detector import build as build_detector
from nanobrag_torch.physics.tensors import number
from nanobrag_torch.refine.config import SCALE, Config, ConfigError
from nanobrag_torch.refine.images import read_measured
from nanobrag_torch.refine.jacobian import jacobian
from nanobrag_torch.refine.named import Named, named
from nanobrag_torch.simulator import Simulation

_REFUSED_FLAGS = ("-trace_pixel", "-dump_pixel", "-show_config")


@dataclass(frozen=True)
class Observed:
    """One measured image: its experiment at the start, the pixels that are used, and their photons, each (pixels,)."""

    name: str
    experiment: Experiment
    shape: tuple[int, int]  # slow, fast
    fast: torch.Tensor
    slow: torch.Tensor
    photons: torch.Tensor


@dataclass(frozen=True)
class Problem:
    """Parameters in the units of the command line, and the images to explain. `scale` multiplies every image."""

    names: tuple[str, ...]
    start: torch.Tensor  # (parameters,)
    images: tuple[Observed, ...]
    device: torch.device
    made_by: dict[str, str] = field(default_factory=dict, compare=False)  # by image: what made the last derivatives

    @property
    def units(self) -> list[str]:
        return ["1" if name == SCALE else named(name).row.unit.name for name in self.names]

    @property
    def pixels(self) -> int:
        return sum(image.photons.shape[0] for image in self.images)

    def without(self, names: Collection[str]) -> Problem:
        """The problem without these parameters: they stay as each image's flags state them, and a scale is 1."""
        left = [index for index, name in enumerate(self.names) if name not in names]
        return replace(self, names=tuple(self.names[index] for index in left), start=self.start[left])

    def predicted(self, values: torch.Tensor, image: Observed, cells_factor: float = 1.0) -> torch.Tensor:
        """Photons (pixels,) at parameter values (parameters,); differentiable in them by reverse mode.

        A `cells_factor` below 1 makes the crystal smaller and its spots wider.
        """
        experiment = self._experiment(values, image, cells_factor)
        used = torch.zeros(image.shape, dtype=torch.bool, device=self.device)
        used[image.slow, image.fast] = True
        experiment = replace(experiment, detector=replace(experiment.detector, mask=used))
        made = Simulation(experiment, self.device).image(image_dtype=torch.float64)
        return self._scale(values) * made[image.slow, image.fast]

    def with_jacobian(
        self, values: torch.Tensor, image: Observed, cells_factor: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Photons (pixels,) and their derivatives (pixels, parameters)."""

        def make(at: Iterable[torch.Tensor]) -> model.Model:
            experiment = self._experiment(at, image, cells_factor)
            return model.on_device(model.resolve(experiment, self.device, torch.float64), self.device)

        amplitudes = [
            index
            for index, name in enumerate(self.names)
            if name != SCALE and named(name).is_looked_up(image.experiment)
        ]
        photons, columns, self.made_by[image.name] = jacobian(make, values.detach(), image.fast, image.slow, amplitudes)
        scale = self._scale(values).detach()
        columns = scale * columns
        if SCALE in self.names:
            columns[:, self.names.index(SCALE)] = photons
        return scale * photons, columns

    def _scale(self, values: torch.Tensor) -> torch.Tensor:
        if SCALE in self.names:
            return values[self.names.index(SCALE)]
        return torch.ones((), dtype=torch.float64, device=self.device)

    def _experiment(self, values: Iterable[torch.Tensor], image: Observed, cells_factor: float) -> Experiment:
        """The experiment of an image at parameter values, with that share of the cells along each axis."""
        experiment = image.experiment
        for name, value in zip(self.names, values, strict=True):
            if name != SCALE:
                experiment = named(name).put(experiment, value)
        return experiment if cells_factor == 1.0 else _smaller(experiment, cells_factor)


def _smaller(experiment: Experiment, factor: float) -> Experiment:
    def smaller(count: Scalar) -> Scalar:
        return count * factor if isinstance(count, torch.Tensor) else max(1.0, number(count) * factor)

    na, nb, nc = experiment.crystal.n_cells
    return replace(experiment, crystal=replace(experiment.crystal, n_cells=(smaller(na), smaller(nb), smaller(nc))))


def load_problem(config: Config, folder: Path) -> Problem:
    """Read the images, relative to `folder`, and set up the experiments. Raises ExperimentError (one line)."""
    device = torch.device(config.device)
    with contextlib.chdir(folder):
        images = tuple(_observed(config, number, device) for number in range(len(config.images)))
    if not sum(float(image.photons.sum()) for image in images) > 0:
        raise ConfigError("no photons are measured or predicted in any image, expected images with signal")
    first = images[0].experiment
    start = [1.0 if name == SCALE else _start(named(name), first) for name in config.parameters]
    return Problem(tuple(config.parameters), torch.tensor(start, dtype=torch.float64, device=device), images, device)


def _start(parameter: Named, experiment: Experiment) -> float:
    try:
        value = parameter.value(experiment)
    except ValueError as error:
        raise ConfigError(f"parameters: {error}") from None
    if value is None or not math.isfinite(value):
        raise ConfigError(f"{parameter.row.name}: the flags do not state it, expected a value to start from")
    return value


def _observed(config: Config, number: int, device: torch.device) -> Observed:
    image = config.images[number]
    arguments = [*_split(config.flags, "flags"), *_split(image.flags, f"images.{number}.flags")]
    refused = [word for word in arguments if word in _REFUSED_FLAGS]
    if refused:
        raise ConfigError(f"flags: {refused[0]} has no place in a refinement, expected flags of the experiment alone")
    experiment = _with_fixed_sampling(parse([*arguments, "-nopgm", "-nonoise"]).experiment)
    geometry = build_detector(experiment.detector, experiment.defects or frozenset(), torch.device("cpu"))
    shape = (geometry.n_slow, geometry.n_fast)
    measured = read_measured(image, Path(), shape)
    used = torch.from_numpy(measured.used)
    if experiment.detector.mask is not None:
        used = used & experiment.detector.mask
    slow, fast = (index.to(device) for index in torch.nonzero(used, as_tuple=True))
    photons = torch.from_numpy(measured.photons).to(device)[slow, fast]
    return Observed(Path(image.file).name, experiment, shape, fast, slow, photons)


def _with_fixed_sampling(experiment: Experiment) -> Experiment:
    """The experiment with the sub-pixels and the interpolation of the start, whatever the refinement changes."""
    resolved = Simulation(experiment).model
    factors = replace(experiment.structure_factors, interpolate=resolved.amplitudes.interpolate)
    detector = replace(experiment.detector, oversample=resolved.oversample)
    return replace(experiment, detector=detector, structure_factors=factors)


def _split(flags: str, key: str) -> list[str]:
    try:
        return shlex.split(flags)
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from None

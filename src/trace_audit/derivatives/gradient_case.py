"""One parameter in both programs: images of the C program at any value of it, torch's image, gradient and trace."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanobrag_torch import integrate
from nanobrag_torch.backends.eager import EagerBackend
from nanobrag_torch.cli import parse
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.gradients import Parameter
from nanobrag_torch.hooks import Hooks, Place
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.parameters.conventions import effective_pivot
from nanobrag_torch.parameters.defects import active
from nanobrag_torch.simulator import Simulation, simulate
from nanobrag_torch.trace import derivative_lines
from trace_audit.core.errors import InputError
from trace_audit.trace.parse import Trace, is_trace_line, parse_trace

_TIME_LIMIT_S = 60
_QUIET = ("-nopgm", "-nonoise", "-noprogress", "-intfile", "image.img", "-floatfile", "image.f32")


@dataclass(frozen=True)
class CProgram:
    """The reference program, run in a fresh folder each time."""

    binary: Path

    def image(self, arguments: Sequence[str], shape: tuple[int, int]) -> np.ndarray:
        """The unrounded image (slow, fast) in float64."""
        with tempfile.TemporaryDirectory(prefix="nanobragg-") as folder:
            self.run([*arguments, *_QUIET, "-doublefile", "image.f64"], Path(folder))
            data = np.fromfile(Path(folder) / "image.f64", np.float64)
        if data.size != shape[0] * shape[1]:
            raise InputError(f"reference program {self.binary} wrote {data.size} pixels, expected {shape} (slow, fast)")
        return data.reshape(shape)

    def trace(self, arguments: Sequence[str], pixel: tuple[int, int]) -> Trace:
        """The trace of a pixel (slow, fast)."""
        slow, fast = map(str, pixel)
        with tempfile.TemporaryDirectory(prefix="nanobragg-") as folder:
            more = ["-roi", fast, fast, slow, slow, "-trace_pixel", slow, fast]
            out = self.run([*arguments, *_QUIET, *more], Path(folder))
        return parse_trace([line for line in out.splitlines() if is_trace_line(line)])

    def run(self, arguments: Sequence[str], folder: Path) -> str:
        """Run the program in a folder; returns its output. Raises InputError unless it succeeds."""
        try:
            done = subprocess.run(
                [str(self.binary), *arguments],
                cwd=folder,
                env={"LC_ALL": "C", "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIME_LIMIT_S,
                check=False,
            )
        except OSError as error:
            raise InputError(f"reference binary {self.binary}: {error.strerror}; build it or name another") from error
        except subprocess.TimeoutExpired as error:
            raise InputError(f"reference program {self.binary} did not end within {_TIME_LIMIT_S} s") from error
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["nothing on its standard error"])[-1]
            raise InputError(f"reference program {self.binary} ended with exit status {done.returncode}: {said[:300]}")
        return done.stdout


@dataclass(frozen=True)
class Case:
    """A parameter of an experiment, at a value, in both programs."""

    parameter: Parameter
    program: CProgram
    words: tuple[str, ...]  # the command line without the parameter's own flags
    experiment: Experiment
    index: tuple[int, ...]  # which element of a tensor, () for a number
    start: float
    shape: tuple[int, int]  # slow, fast
    folder: Path
    hooks: Hooks | None = None  # of the torch program
    device: str = "cpu"  # of torch's image and its gradient

    def stated(self, value: float) -> tuple[float, list[str]]:
        """The value that the C program gets for `value`, and its whole command line."""
        experiment = self.parameter.put(self.experiment, value, self.index)
        assert self.parameter.flags is not None
        told = self.parameter.value(experiment, self.index)
        assert told is not None
        return told, [*self.words, *self.parameter.flags(experiment, self.folder), *same_pivot(self.experiment)]

    def c_image(self, value: float) -> tuple[float, np.ndarray]:
        """The value that the C program got, and its image."""
        told, words = self.stated(value)
        return told, self.program.image(words, self.shape)

    def c_trace(self, value: float, pixel: tuple[int, int]) -> tuple[float, Trace]:
        """The value that the C program got, and its trace of a pixel (slow, fast)."""
        told, words = self.stated(value)
        return told, self.program.trace(words, pixel)

    def rounding(self, value: float) -> np.ndarray | float:
        """How much of the image (slow, fast) at a value is due to tilts that both programs round to single precision.

        Tilts are proportional to the spread, so that their derivative tells them without rounding.
        """
        if not self.parameter.single:
            return 0.0
        slopes: list[torch.Tensor] = []

        def record_slope(name: str, tensor: Any, place: Place) -> Any:
            if name == "tilt_rad":
                slopes.append(by_value(tensor, spread))
            return tensor

        spread = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        rounded = Simulation(self.parameter.put(self.experiment, spread, self.index), hooks=record_slope)
        exact = changed_tilts(slopes[0] * value)
        with torch.no_grad():
            unrounded = Simulation(self.parameter.put(self.experiment, value, self.index), hooks=exact)
            images = [simulation.image(image_dtype=torch.float64).detach() for simulation in (rounded, unrounded)]
        return (images[0] - images[1]).numpy()

    def torch_gradient(self) -> tuple[np.ndarray, np.ndarray, str]:
        """Torch's image and its gradient by reverse mode, each (slow, fast), per unit, and what made the gradient."""
        value = torch.tensor(self.start, dtype=torch.float64, requires_grad=True)
        experiment = self.parameter.put(self.experiment, value, self.index)
        simulation = Simulation(experiment, self.device, hooks=self.hooks)
        image = simulation.image(image_dtype=torch.float64).cpu()
        whole = self.hooks is not None or simulation.keeps_graph()
        gradient = by_value(image, value) if whole else pixel_by_pixel(image, value)
        return image.detach().numpy(), gradient.numpy(), simulation.explain().derivative

    def torch_derivatives(self, pixel: tuple[int, int]) -> Trace:
        """The derivative of every traced key of a pixel (slow, fast), per unit."""
        value = torch.tensor(self.start, dtype=torch.float64, requires_grad=True)
        experiment = self.parameter.put(self.experiment, value, self.index)
        return parse_trace(derivative_lines(experiment, *pixel, lambda tensor: by_value(tensor, value), self.hooks))

    def regions(self, value: float) -> torch.Tensor:
        """The reflections near each pixel's terms, (terms, pixels): the image may jump where these change."""
        watcher = _Watcher()
        with torch.no_grad():
            experiment = self.parameter.put(self.experiment, torch.tensor(value, dtype=torch.float64), self.index)
            simulation = Simulation(experiment)
            watcher.floors = simulation.model.amplitudes.interpolate
            for fast, slow, _ in simulation.pixels.tiles(EagerBackend(simulation.model).pixels):
                watcher.pixels = fast.shape[0]
                integrate.integrate(simulation.model, fast, slow, hooks=watcher)
        return watcher.table()


def changed_tilts(tilt_rad: torch.Tensor) -> Hooks:
    """Hooks that put these tilts in the place of those that are drawn."""
    return lambda name, value, place: tilt_rad if name == "tilt_rad" else value


def same_pivot(experiment: Experiment) -> list[str]:
    """Flags that keep the pivot an experiment has in the end, which a flag behind may have chosen anew."""
    return ["-pivot", effective_pivot(experiment.detector, active(experiment.defects)).lower()]


def by_value(tensor: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """d tensor / d value for a 0-d value: same shape as the tensor, zeros where it does not depend on it."""
    if not tensor.requires_grad:
        return torch.zeros_like(tensor, dtype=torch.float64)
    flat = tensor.reshape(-1).double()
    directions = torch.eye(flat.numel(), dtype=torch.float64)
    (derivatives,) = torch.autograd.grad(
        flat, value, directions, retain_graph=True, allow_unused=True, is_grads_batched=True
    )
    return torch.zeros_like(tensor, dtype=torch.float64) if derivatives is None else derivatives.reshape(tensor.shape)


def pixel_by_pixel(image: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """As `by_value`, for an image that is one step of the graph: its derivative is worked out anew for each pixel."""
    rows = [torch.autograd.grad(pixel, value, retain_graph=True)[0] for pixel in image.reshape(-1).unbind()]
    return torch.stack(rows).reshape(image.shape)


class _Watcher:
    """Notes the rounded indices of every term, and the floors where amplitudes are interpolated."""

    def __init__(self) -> None:
        self.pixels = 0
        self.floors = False
        self._tiles: list[list[torch.Tensor]] = []

    def __call__(self, name: str, value: Any, place: Place) -> Any:
        """As hooks of a pass over a tile."""
        if name == "position_m" and place.sample == 0:
            self._tiles.append([torch.zeros((0, self.pixels), dtype=torch.int64)])
        if name == "hkl_rounded":
            self._note(value)
        if name == "hkl" and self.floors:
            self._note(torch.floor(value))
        return value

    def _note(self, indices: torch.Tensor) -> None:
        self._tiles[-1].append(indices.reshape(-1, self.pixels).to(torch.int64))

    def table(self) -> torch.Tensor:
        return torch.cat([torch.cat(tile) for tile in self._tiles], dim=1)


def prepare(
    parameter: Parameter,
    base_words: Sequence[str],
    program: CProgram,
    folder: Path,
    hooks: Hooks | None = None,
    device: str = "cpu",
) -> Case:
    """Set up a parameter on the experiment of a command line. `folder` takes the files that its flags name.

    Raises InputError for a parameter without flags, and for an experiment that the simulator refuses.
    """
    if parameter.flags is None:
        raise InputError(f"parameter {parameter.name}: the C program takes no such real number; see docs/gradients.md")
    try:
        arguments = [*base_words]
        if parameter.needs is not None:
            arguments += parameter.needs(parse(arguments).experiment, folder)
        experiment = parse(arguments).experiment
    except ExperimentError as error:
        raise InputError(f"parameter {parameter.name}: {error}") from error
    index = _strongest_element(parameter, experiment) if parameter.is_tensor else ()
    start = parameter.value(experiment, index)
    if not start:
        start = parameter.start
    if start is None:
        raise InputError(f"parameter {parameter.name}: the scenario does not state {parameter.field}")
    try:
        parameter.flags(parameter.put(experiment, start, index), folder)
    except ValueError as error:
        raise InputError(f"parameter {parameter.name}: {error}; audit another") from error
    geometry = Simulation(experiment).geometry
    shape = (geometry.n_slow, geometry.n_fast)
    return Case(parameter, program, tuple(arguments), experiment, index, start, shape, folder, hooks, device)


def _strongest_element(parameter: Parameter, experiment: Experiment) -> tuple[int, ...]:
    """The element of a tensor field on which the image depends most: the largest gradient of the summed squares."""
    from dataclasses import replace

    names = parameter.field.split(".")
    owners = [experiment]
    for name in names[:-1]:
        owners.append(getattr(owners[-1], name))
    tensor = getattr(owners[-1], names[-1]).double().clone().requires_grad_()
    changed = tensor
    for owner, name in zip(reversed(owners), reversed(names), strict=True):
        changed = replace(owner, **{name: changed})
    image = simulate(changed, image_dtype=torch.float64)
    (gradient,) = torch.autograd.grad((image / image.detach().max()).square().sum(), tensor)
    flat = int((gradient * tensor.detach()).abs().argmax())
    return tuple(int(index) for index in np.unravel_index(flat, tuple(tensor.shape)))

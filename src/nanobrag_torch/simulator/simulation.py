"""A simulation: one experiment resolved on a device, its images in tiles with progress, and copies for other values."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import torch

from nanobrag_torch import model as model_module
from nanobrag_torch.backends import eager
from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.compiled import agreement, selection
from nanobrag_torch.backends.eager import EagerBackend
from nanobrag_torch.errors import TRACED, ExperimentError
from nanobrag_torch.hooks import Hooks
from nanobrag_torch.model import Model
from nanobrag_torch.parameters import Experiment
from nanobrag_torch.parameters.tensors import is_differentiated, is_mapped, tensors_of, versions, with_tensors
from nanobrag_torch.physics.detector_geometry import DetectorGeometry
from nanobrag_torch.physics.random_numbers import SharedTable
from nanobrag_torch.simulator import checkpointing, graphs, linear, making
from nanobrag_torch.simulator.pixels import Pixels
from nanobrag_torch.simulator.tiles import Explanation, Progress, Tile, in_order
from nanobrag_torch.simulator.untraced import not_traced

CHANGED = (
    "a tensor of the experiment was changed in place after the Simulation was made; make it anew, or call simulate"
)


if hasattr(os, "register_at_fork"):  # OpenMP's threads do not live in a child: it would wait for them for ever
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

Result = TypeVar("Result")
Part = TypeVar("Part")


class Simulation:
    """One experiment on one device, as it was when this was made.

    Attributes: `model` (everything resolved), `host` (the same on the CPU), `geometry` (the detector, there); `plain`
    and `plain_host` are these without a graph; `random_table` (state of the random generator after the crystal's draws,
    for the noise that follows), `made_by` (what made the last image). `hooks` see the set-up and every pass over
    pixels, see `nanobrag_torch.hooks`; with them images are made by eager code.
    """

    @not_traced
    def __init__(
        self,
        experiment: Experiment,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
        hooks: Hooks | None = None,
        graph_at_once: bool = False,
    ):
        """`graph_at_once`: the model is resolved with its graph and no other, since a derivative is what it is for."""
        self._tensors = tensors_of(experiment)
        if any(map(is_mapped, self._tensors)):
            raise ExperimentError("a Simulation holds one experiment, not a batch; call simulate inside torch.vmap")
        self.experiment, self.hooks = drawn(experiment), hooks
        self.device = torch.device(device)
        self.random_table = SharedTable()
        self._with_graph: tuple[Model, Model] | None = None
        self.slopes: linear.Slopes | None = None
        graph_at_once, graph = graph_at_once or hooks is not None, torch.is_grad_enabled()
        with torch.set_grad_enabled(graph and graph_at_once):
            self.plain_host, self.plain = self._resolved(dtype, self.random_table, graph and not graph_at_once)
        if graph_at_once:
            self._with_graph = self.plain_host, self.plain
        self.made_by = EagerBackend.description
        self._versions = versions(self._tensors)
        geometry = self.plain_host.geometry
        self.pixels = Pixels(self.experiment.detector, geometry.n_fast, geometry.n_slow, self.device)
        self._derivative: dict[str, str] = {}  # how derivatives were worked out, if they were
        self._chosen: dict[torch.dtype, Backend] = {}  # eager or compiled, decided when the first image is asked for

    def _resolved(self, dtype: torch.dtype, table: SharedTable, slopes: bool = False) -> tuple[Model, Model]:
        """On the CPU and on the device; with `slopes` where that is possible."""
        try:
            arguments = self.device, dtype, table
            known = linear.resolved(self.experiment, self._tensors, *arguments) if slopes else None
            host, self.slopes = known or (model_module.resolve(self.experiment, *arguments, self.hooks), self.slopes)
        except RuntimeError as error:
            raise ExperimentError(TRACED) if "tracing tensor" in str(error) else error from error
        return host, model_module.on_device(host, self.device)

    def _models(self) -> tuple[Model, Model]:
        """On the CPU and on the device, with the graph that derivatives follow: resolved when it is asked for."""
        if self._with_graph is None and any(map(is_differentiated, self._tensors)):
            if versions(self._tensors) != self._versions:
                raise ExperimentError(CHANGED)
            self._with_graph = self._resolved(self.plain.dtype, SharedTable())
        return self._with_graph or (self.plain_host, self.plain)

    @property
    def host(self) -> Model:
        """Everything resolved, on the CPU."""
        return self._models()[0]

    @property
    def model(self) -> Model:
        """Everything resolved, on the device."""
        return self._models()[1]

    @property
    def geometry(self) -> DetectorGeometry:
        """The detector in its place, on the CPU."""
        return self.host.geometry

    @property
    def roi(self) -> tuple[int, int, int, int]:
        """First and last fast, first and last slow pixel that is computed, all inclusive and on the detector."""
        return self.pixels.roi

    @property
    def pixel_count(self) -> int:
        """Pixels of the region of interest, masked or not."""
        return self.pixels.count

    @not_traced
    def image(self, progress: Progress | None = None, image_dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Photons in every pixel, (n_slow, n_fast), rounded once to `image_dtype`; 0 where nothing is computed.

        Under autograd the result keeps its graph: of all its steps where the image is small or derivatives run forward,
        else of the image as one step, whose tiles are worked out again for the derivative.
        """
        if versions(self._tensors) != self._versions:
            raise ExperimentError(CHANGED)
        tensors = [tensor.clone() if tensor.is_inference() else tensor for tensor in self._tensors]
        if self.hooks is not None and torch.is_grad_enabled() and checkpointing.has_graph(self.model):
            return graphs.image_with_graph(self, progress, image_dtype)
        if not any(map(is_differentiated, tensors)):
            return self.image_without_graph(progress, image_dtype)
        if self.keeps_graph():
            return checkpointing.linked(graphs.image_with_graph(self, progress, image_dtype), tensors)
        return checkpointing.image(self.at, progress, image_dtype, tensors)

    def keeps_graph(self) -> bool:
        """Whether a derivative keeps the graph of every step: where it is small and compiled code is not asked for."""
        asked = selection.mode() == "always" and not selection.not_compilable(self.plain)
        return self.steps <= eager.PAIRS_PER_PASS and not asked

    @property
    def steps(self) -> int:
        """Steps of the whole image: pixels of the region of interest, their samples, sources and orientations."""
        return self.pixel_count * agreement.steps_of_pixel(self.plain)

    def at(self, tensors: Sequence[torch.Tensor]) -> Simulation:
        """The simulation with these tensors, of the same values, in its experiment; itself if they are its own."""
        if all(tensor is known for tensor, known in zip(tensors, self._tensors, strict=True)):
            return self
        return self._with(with_tensors(self.experiment, tensors, checked=True))

    def explain(self) -> Explanation:
        """Which code makes the image and its derivatives, and why not faster code; decides it if nothing has yet."""
        made = self._chosen or {torch.float32: self.backend()}
        images = "; ".join(dict.fromkeys(f"{backend.name}: {backend.why}" for backend in made.values()))
        if self.keeps_graph():
            return Explanation(images, f"whole graph: {self.steps:,} steps, no more than {eager.PAIRS_PER_PASS:,}")
        planned = selection.why_not_differentiated(self.plain, self.pixel_count)
        name = "compiled" if planned is None else "eager"
        planned = f"tiles, {name}: {planned or 'it pays, if it gives the numbers of eager code'}"
        return Explanation(images, self._derivative.get("path", planned))

    def blank(self, dtype: torch.dtype) -> torch.Tensor:
        """An empty image."""
        g = self.plain_host.geometry
        return torch.zeros(g.n_slow, g.n_fast, dtype=dtype, device=self.device)

    def image_without_graph(
        self, progress: Progress | None, image_dtype: torch.dtype, into: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The image by itself, eager or compiled; a compiled one only if eager code gives pixels of it too.

        `into` may be an image of that type, whatever is in it, that the photons are written to.
        """
        backend = self.backend(image_dtype)
        image, why = making.image(self, backend, progress, image_dtype, into)
        if image is None:
            backend = self._chosen[image_dtype] = EagerBackend(self.plain, why)
            image, _ = making.image(self, backend, progress, image_dtype, into)
        assert image is not None  # eager code always makes one
        self.made_by = backend.description
        return image

    def over_tiles(self, function: Callable[[Tile], Result], pixels: int) -> Iterator[Result]:
        """function(tile) of every tile of up to that many pixels, in storage order, see `over`."""
        return self.over(function, self.pixels.tiles(pixels))

    def over(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """function(part) of parts of the image, in their order.

        On a CPU, tiles rather than single eager operations are spread over torch's threads: nothing waits at the end of
        each operation, so it stays quick on a machine that others use too. No tile's result depends on another's.
        """
        threads = torch.get_num_threads()
        if self.device.type != "cpu" or threads == 1:
            return (function(part) for part in parts)
        return in_order(function, parts, threads)

    def backend(self, image_dtype: torch.dtype = torch.float32, images: int = 1) -> Backend:
        """Eager or compiled code, as suits that many images of a type; decided once for each type."""
        if self.hooks is not None:
            return EagerBackend(self.plain)
        if image_dtype not in self._chosen:
            self._chosen[image_dtype] = selection.backend_for(self.plain, self.pixel_count, image_dtype, images)
        return self._chosen[image_dtype]

    def tracing_backend(self, image_dtype: torch.dtype = torch.float32) -> Backend:
        """The backend of images of a type, made so that hooks see all it computes."""
        return selection.tracing_backend(self.plain, self.backend(image_dtype), image_dtype)

    def derivative_backend(
        self, model: Model, slopes: agreement.Differentiate | None, image_dtype: torch.dtype
    ) -> Backend:
        """For derivatives of an image of a type by a copy of the model: compiled where that pays and agrees with eager.

        Eager where `slopes` is None, since the derivative of a derivative is wanted.
        """
        if slopes is None or self.hooks is not None:
            return EagerBackend(model, "hooks see every pass" if self.hooks is not None else "second derivatives")
        chosen = selection.derivative_backend(model, self.pixel_count, self.pixels.numbered, slopes, image_dtype)
        self._derivative["path"] = f"tiles, {chosen.name}: {chosen.why}"
        return chosen

    def with_model(self, experiment: Experiment, host: Model, model: Model) -> Simulation:
        """The same detector and programs with a model that differs in the values of its tensors alone, whose Miller
        indices these programs can count."""
        copied = self._with(experiment)
        copied.slopes = None
        copied.plain_host, copied.plain, copied._with_graph = host, model, (host, model)
        copied._chosen = {image_dtype: chosen.for_model(model) for image_dtype, chosen in self._chosen.items()}
        return copied

    def _with(self, experiment: Experiment) -> Simulation:
        """The same with the tensors of another experiment, whose graph nothing has followed yet."""
        copied = copy.copy(self)
        copied.experiment, copied._tensors, copied._with_graph = experiment, tensors_of(experiment), None
        copied._versions = versions(copied._tensors)
        return copied

    def with_values(
        self,
        experiment: Experiment,
        host: Model,
        model: Model,
        changed: Mapping[str, torch.Tensor],
    ) -> Simulation:
        """As `with_model`, where nothing is differentiated and the model's tensors are those of this but for `changed`.

        These have dotted names, and are on the device.
        """
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.experiment, made.plain_host, made.plain, made._with_graph = experiment, host, model, None
        made.slopes = None
        if experiment.crystal.orientation_matrix is not self.experiment.crystal.orientation_matrix:
            made._tensors = tensors_of(experiment)
            made._versions = versions(made._tensors)
        made._chosen = {image_dtype: chosen.for_model(model, changed) for image_dtype, chosen in self._chosen.items()}
        return made


def drawn(experiment: Experiment) -> Experiment:
    """The experiment with the seed that the clock gives it, where it has none, so that it stays the same crystal."""
    if not (experiment.crystal.misset_random and experiment.crystal.misset_seed is None):
        return experiment
    return replace(experiment, crystal=replace(experiment.crystal, misset_seed=-int(time.time())))

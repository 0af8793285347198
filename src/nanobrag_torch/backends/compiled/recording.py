"""A program's function run once, and what was recorded as the text of C or CUDA."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from nanobrag_torch.backends.compiled import differentiating
from nanobrag_torch.backends.compiled.capture import Recorder
from nanobrag_torch.backends.compiled.carrying import Carrier
from nanobrag_torch.backends.compiled.codegen import source
from nanobrag_torch.backends.compiled.declared import Input, Output
from nanobrag_torch.backends.compiled.dialects import of_device
from nanobrag_torch.backends.compiled.programs import (
    FIRST_INCIDENT,
    LOOPS,
    OF_ORIENTATIONS,
    TABLE,
    Program,
    bare_model,
)
from nanobrag_torch.backends.compiled.recorded import (
    ORIENTATION,
    RAY,
    SAMPLE,
    SOURCE,
    TERMS,
    Number,
    Unrecordable,
    is_zero,
)
from nanobrag_torch.backends.compiled.rewriting import for_device
from nanobrag_torch.backends.compiled.schedule import in_order
from nanobrag_torch.backends.compiled.terms import Pass
from nanobrag_torch.hooks import Hooks, Place
from nanobrag_torch.model import Model
from nanobrag_torch.physics.structure_factor import Amplitudes

ENTRY = "run"


class Watched(NamedTuple):
    """A value that a traced program returns: `shape` without orientations and rays, which are its last dimensions."""

    name: str
    shape: tuple[int, ...]
    of_orientations: bool
    dtype: str  # as torch calls it
    of_terms: bool = False  # one for each sample and source

    @property
    def elements(self) -> int:
        """Of each ray, or of each orientation and ray."""
        return math.prod(self.shape)


class _Recording:
    """A program's function run once on a single ray and orientation."""

    def __init__(self, program: Program, model: Model, hooks: Hooks | None = None):
        self.program, self.model, self.hooks = program, model, hooks
        self.recorder = Recorder()
        self.inputs: list[Input] = []
        self.tensors: dict[str, torch.Tensor] = {}
        self.watched: dict[str, torch.Tensor] = {}
        model = _with_smallest_table(model)
        for name, tensor in program.inputs(model).items():
            self._give_tensor(name, tensor.cpu())  # what is recorded is the same for every device
        self.arguments = [self._give_argument(name, dtype, varies) for name, dtype, varies in program.arguments]
        self.carrier: Carrier | None = None
        if program.by:
            self.outputs = self._derivatives()
        else:
            results = self._changes() if program.along else self._results()
            self.outputs = [self._output(f"out{position}", result, RAY) for position, result in enumerate(results)]
        self.traced = [self._watched(name, value) for name, value in self.watched.items()] if program.traced else []
        for traced in self.traced:
            over = RAY | ORIENTATION * traced.of_orientations | TERMS * traced.of_terms
            self.outputs.append(self._output(f"out_{traced.name}", self.watched[traced.name], over))

    def _output(self, name: str, value: torch.Tensor, varies: int) -> list[Output]:
        return [Output(f"{name}_{i}", number, varies) for i, number in enumerate(self.recorder.numbers_of(value))]

    def _summed(self, name: str, by: str, slope: torch.Tensor, last: torch.Tensor | None) -> list[Output]:
        """The sum over rays of the derivative by one of the tensors; `last`: of that after all samples and sources."""
        if by == TABLE:
            terms = enumerate(self.recorder.added_to(slope).terms)
            return [Output(f"{name}_{i}", number, 0, position) for i, (position, number) in terms]
        declared = next(one for one in self.inputs if one.name == in_c(by))
        outputs = self._output(name, slope, declared.varies)
        if last is None:
            return outputs
        after = self.recorder.numbers_of(last)
        if declared.varies and not all(map(is_zero, after)):
            raise Unrecordable(f"a derivative by {by} after all samples and sources")
        return [replace(output, last=number) for output, number in zip(outputs, after, strict=True)]

    def _watched(self, name: str, value: torch.Tensor) -> Watched:
        of_orientations = name in OF_ORIENTATIONS
        last = 2 if of_orientations else min(1, value.dim())
        inner = of_orientations or any(map(_in_loops, self.recorder.numbers_of(value)))
        of_terms = bool(self.program.over) and inner
        shape = tuple(value.shape[: value.dim() - last])
        return Watched(name, shape, of_orientations, str(value.dtype)[6:], of_terms)

    def _give_tensor(self, name: str, value: torch.Tensor) -> None:
        declared = _input(name, value, self.program.over)
        self.inputs.append(declared)
        if declared.table:
            self.tensors[name] = value
            self.recorder.give_table(value, declared.name)
        else:
            self.tensors[name] = (value[:1] if declared.varies in (ORIENTATION, SOURCE) else value).clone()
            self.recorder.give(self.tensors[name], declared.name, declared.varies)

    def _give_argument(self, name: str, dtype: torch.dtype, varies: int, padding: str = "first") -> torch.Tensor:
        declared, value = Input(name, dtype, varies, padding=padding), torch.ones(1, dtype=dtype)
        self.inputs.append(declared)
        self.recorder.give(value, declared.name, varies)
        return value

    def _watch(self, name: str, value: Any, place: Place) -> Any:
        """As hooks of the function: give the value this name in C too, after other hooks have changed it."""
        value = value if self.hooks is None else self.hooks(name, value, place)
        if isinstance(value, torch.Tensor):
            self.recorder.label(value, name)
            self.watched[name] = value
        return value

    def _results(self) -> list[torch.Tensor]:
        of_model = {name: value for name, value in self.tensors.items() if name not in (LOOPS, FIRST_INCIDENT)}
        bare = bare_model(self.program.prepared(self.model, 0), self.program, of_model)
        arguments = [*self.arguments, *self._passes()]
        differentiated = bool(self.program.by or self.program.along)
        hooks = None if differentiated else self._watch
        with torch.set_grad_enabled(differentiated), self.recorder:
            results = list(self.program.function(bare, *arguments, hooks=hooks))
        if tuple(result.dtype for result in results) != self.program.results(self.model):
            raise Unrecordable(f"{self.program.name} returns {[result.dtype for result in results]}")
        return results

    def _passes(self) -> list[Pass]:
        """One pass of the loops over samples and sources, for a program that has some."""
        over = self.program.over
        if not over:
            return []
        sample, source = (
            self._counter(name) if over & one else None for name, one in (("sample", SAMPLE), ("source", SOURCE))
        )
        self.carrier = Carrier(self.recorder, over)
        return [Pass(self.carrier, sample, source, self.tensors[LOOPS], self.tensors[FIRST_INCIDENT])]

    def _counter(self, name: str) -> torch.Tensor:
        counter = torch.ones(1, dtype=torch.int64)
        self.recorder.count(counter, f"(int64_t){name}", {"sample": SAMPLE, "source": SOURCE}[name])
        return counter

    def _changes(self) -> list[torch.Tensor]:
        """Changes (directions, 1) of the results: derivatives by the tensors, times their parts of each direction."""
        by = [self.tensors[name].requires_grad_() for name in self.program.along]
        parts = [self._give_directions(name) for name in self.program.along]
        results = [result for result in self._results() if result.is_floating_point()]
        with self.recorder:
            return [differentiating.change(self.recorder, result, by, parts) for result in results]

    def _give_directions(self, name: str) -> torch.Tensor:
        """The part (directions, numbers) of a tensor in each direction; of `real_m` that of one orientation."""
        varies = ORIENTATION if name == "real_m" else 0
        value = torch.ones(self.program.directions, self.tensors[name].numel(), dtype=self.tensors[name].dtype)
        self.inputs.append(Input(f"along_{in_c(name)}", value.dtype, varies, elements=value.numel(), padding="first"))
        self.recorder.give(value, self.inputs[-1].name, varies)
        return value

    def _derivatives(self) -> list[list[Output]]:
        """Sums over rays of the results' derivatives, each times a number for every ray, by what the program names."""
        by = [self.tensors[name].requires_grad_() for name in self.program.by]
        results = [result for result in self._results() if result.is_floating_point()]
        upstream = [
            self._give_argument(f"upstream{i}", result.dtype, RAY, padding="zero") for i, result in enumerate(results)
        ]
        sums = None if self.carrier is None else self.carrier.sums
        with self.recorder:
            found, last = differentiating.slopes(results, upstream, by, sums)
        lasts = itertools.repeat(None) if last is None else last
        named = enumerate(zip(self.program.by, found, lasts, strict=False))
        return [self._summed(f"out{position}", *one) for position, one in named]


def source_of(
    program: Program, model: Model, hooks: Hooks | None = None, device: str = "cpu"
) -> tuple[str, list[Watched]]:
    """C of a program for the settings of a model, CUDA for another device; and the values it returns besides results.

    The changes that `hooks` make to a value, for one ray and one orientation, become a part of it.

    Raises Unrecordable if there is no such code.
    """
    recording = _Recording(program, model, hooks)
    outputs, labels = recording.outputs, recording.recorder.labels
    outputs, labels = for_device(device, outputs, labels, len(recording.traced), model.dtype == torch.float32)
    text = source(recording.inputs, outputs, ENTRY, labels, of_device(device), program.over)
    return text, recording.traced


def _in_loops(number: Number) -> bool:
    """Whether a number is of one sample or source, not of all of them."""
    return bool(number.varies & TERMS) and all(operation.carried != "done" for operation in in_order([number]))


def in_c(name: str) -> str:
    """What a tensor of the model is called in C."""
    return name.replace(".", "_")


def _input(name: str, value: torch.Tensor, over: int) -> Input:
    if name == "real_m":
        return Input(in_c(name), value.dtype, ORIENTATION, elements=9)
    if over & SOURCE and name.startswith("sources."):
        return Input(in_c(name), value.dtype, SOURCE, elements=value[0].numel())
    return Input(in_c(name), value.dtype, 0, elements=value.numel(), table=name == TABLE)


def _with_smallest_table(model: Model) -> Model:
    """The model with a table of one amplitude and its margin: none is compiled in, so that any will do to record."""
    table = model.amplitudes.padded
    if table is None:
        return model
    origin, strides = torch.zeros(3, dtype=torch.float64), torch.tensor([9, 3, 1], dtype=torch.float64)
    smallest = torch.zeros((3, 3, 3), dtype=table.dtype)
    return model._replace(amplitudes=Amplitudes(smallest, origin, origin, strides, *model.amplitudes[4:]))

"""From a program to a file that can be loaded: recorded, written as C, and compiled by the machine's own compiler.

For a GPU the file is the source itself, which the driver compiles when it is loaded.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from pathlib import Path

import torch

from nanobrag_torch.backends.compiled.capture import ORIENTATION, RAY, Recorder, Unrecordable
from nanobrag_torch.backends.compiled.codegen import source
from nanobrag_torch.backends.compiled.programs import Program, bare_model
from nanobrag_torch.backends.compiled.schedule import Input, Output
from nanobrag_torch.model import Model

ENTRY = "run"
_COMPILERS = ("cc", "gcc", "clang")
# What these leave out of the arithmetic's standard is errno, traps, and a rounding between product and sum.
_OPTIONS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")
_FOR_THIS_CPU = {
    "x86_64": (("-march=native", "-mprefer-vector-width=512"), ("-march=native",), ()),
    "aarch64": (("-mcpu=native",), ()),
}


def compiler() -> list[str]:
    """The C compiler: CC, else the first of cc, gcc, clang. Raises OSError where there is none."""
    named = shlex.split(os.environ.get("CC", ""))
    found = next((name for name in (named[:1] or _COMPILERS) if shutil.which(name)), None)
    if found is None:
        raise OSError(f"no C compiler found ({' '.join(named) or ', '.join(_COMPILERS)}); install gcc")
    return [found, *named[1:]]


class _Recording:
    """A program's function run once on a single ray and orientation."""

    def __init__(self, program: Program, model: Model):
        self.program, self.model = program, model
        self.recorder = Recorder()
        self.inputs: list[Input] = []
        self.tensors: dict[str, torch.Tensor] = {}
        for name, given in program.inputs(model).items():
            self._give_tensor(name, given.cpu())  # what is recorded is the same for every device
        self.arguments = [self._give_argument(dtype, varies) for _, dtype, varies in program.arguments]
        results = self._derivatives() if program.by else self._results()
        varies = [ORIENTATION if name == "real_m" else 0 for name in program.by] or [RAY] * len(results)
        self.outputs = [
            [Output(f"out{place}_{i}", number, over) for i, number in enumerate(self.recorder.numbers_of(result))]
            for place, (result, over) in enumerate(zip(results, varies, strict=True))
        ]

    def _give_tensor(self, name: str, value: torch.Tensor) -> None:
        one = _input(name, value, self._next_name())
        self.inputs.append(one)
        if one.table:
            self.tensors[name] = value
            self.recorder.give_table(value, one.name)
        else:
            self.tensors[name] = (value[:1] if one.varies == ORIENTATION else value).clone()
            self.recorder.give(self.tensors[name], one.name, one.varies)

    def _give_argument(self, dtype: torch.dtype, varies: int, padding: str = "first") -> torch.Tensor:
        one, value = Input(self._next_name(), dtype, varies, padding=padding), torch.ones(1, dtype=dtype)
        self.inputs.append(one)
        self.recorder.give(value, one.name, varies)
        return value

    def _next_name(self) -> str:
        return f"in{len(self.inputs)}"

    def _results(self) -> list[torch.Tensor]:
        bare = bare_model(self.program.prepared(self.model, 0), self.program, self.tensors)
        with torch.set_grad_enabled(bool(self.program.by)), self.recorder:
            results = list(self.program.function(bare, *self.arguments))
        if tuple(result.dtype for result in results) != self.program.results(self.model):
            raise Unrecordable(f"{self.program.name} returns {[result.dtype for result in results]}")
        return results

    def _derivatives(self) -> list[torch.Tensor]:
        """Derivatives of the results, each times a number for every ray, by the tensors that the program names."""
        by = [self.tensors[name].requires_grad_() for name in self.program.by]
        results = [result for result in self._results() if result.is_floating_point()]
        given = [self._give_argument(result.dtype, RAY, padding="zero") for result in results]
        depend = [place for place, result in enumerate(results) if result.requires_grad]
        with self.recorder:
            found = torch.autograd.grad([results[i] for i in depend], by, [given[i] for i in depend], allow_unused=True)
            return [torch.zeros_like(tensor) if one is None else one for one, tensor in zip(found, by, strict=True)]


def source_of(program: Program, model: Model) -> str:
    """C of a program for the settings of a model. Raises Unrecordable for what has none."""
    recording = _Recording(program, model)
    return source(recording.inputs, recording.outputs, ENTRY)


def _input(name: str, value: torch.Tensor, in_c: str) -> Input:
    if name == "real_m":
        return Input(in_c, value.dtype, ORIENTATION, elements=9)
    return Input(in_c, value.dtype, 0, elements=value.numel(), table=name == "amplitudes.padded")


def build(program: Program, model: Model, file: Path) -> None:
    """Write the compiled program. Raises OSError without a compiler or where it fails, and what `source_of` raises."""
    text = source_of(program, model)
    if model.real_m.device.type != "cpu":
        file.write_text(text)
        return
    written = file.with_suffix(".c")
    written.write_text(text)
    complaint = ""
    for for_this_cpu in _FOR_THIS_CPU.get(platform.machine(), ((),)):
        command = [*compiler(), *_OPTIONS, *for_this_cpu, str(written), "-o", str(file), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        complaint = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[0]
    raise OSError(f"{command[0]} cannot compile '{program.name}': {complaint}")

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

from nanobrag_torch.compiled.programs import Program, bare_model
from nanobrag_torch.compiled.record import ORIENTATION, RAY, Recorder
from nanobrag_torch.compiled.source import Input, Output, source
from nanobrag_torch.model import Model
from nanobrag_torch.physics.tensors import in_registers

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


def source_of(program: Program, model: Model) -> str:
    """C of a program for the settings of a model. Raises Unrecordable or NotImplementedError for what has none."""
    recorder, inputs, tensors = Recorder(), [], {}
    for name, given in program.inputs(model).items():
        value = given.cpu()  # what is recorded is the same for every device
        one = _input(name, value, f"in{len(inputs)}")
        inputs.append(one)
        tensors[name] = value if one.table else value[:1].clone() if one.varies == ORIENTATION else value.clone()
        _give(recorder, one, tensors[name])
    arguments = []
    for _, dtype, varies in program.arguments:
        one = Input(f"in{len(inputs)}", dtype, varies)
        inputs.append(one)
        arguments.append(torch.zeros(1, dtype=dtype))
        _give(recorder, one, arguments[-1])
    bare = bare_model(program.prepared(model, 0), program, tensors)
    for name in program.by:
        tensors[name].requires_grad_()
    floating, upstream = [dtype for dtype in program.results(model) if dtype.is_floating_point], []
    for dtype in floating if program.by else ():
        inputs.append(Input(f"in{len(inputs)}", dtype, RAY, padding="zero"))
        upstream.append(torch.ones(1, dtype=dtype))
        _give(recorder, inputs[-1], upstream[-1])
    with torch.set_grad_enabled(bool(program.by)), in_registers(), recorder:
        results = program.function(bare, *arguments)
        if program.by:
            by = [tensors[name] for name in program.by]
            floats = [result for result in results if result.is_floating_point()]
            depend = [pair for pair in zip(floats, upstream, strict=True) if pair[0].requires_grad]
            found = torch.autograd.grad([one for one, _ in depend], by, [to for _, to in depend], allow_unused=True)
            results = [torch.zeros_like(t) if one is None else one for one, t in zip(found, by, strict=True)]
    varies = [ORIENTATION if name == "real_m" else 0 for name in program.by] or [RAY] * len(results)
    outputs = [
        [Output(f"out{place}_{i}", number, over) for i, number in enumerate(recorder.numbers_of(result))]
        for place, (result, over) in enumerate(zip(results, varies, strict=True))
    ]
    return source(inputs, outputs, ENTRY)


def _input(name: str, value: torch.Tensor, in_c: str) -> Input:
    if name == "real_m":
        return Input(in_c, value.dtype, ORIENTATION, elements=9)
    return Input(in_c, value.dtype, 0, elements=value.numel(), table=name == "amplitudes.padded")


def _give(recorder: Recorder, one: Input, value: torch.Tensor) -> None:
    if one.table:
        recorder.give_table(value, one.name)
    else:
        recorder.give(value, one.name, one.varies)


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

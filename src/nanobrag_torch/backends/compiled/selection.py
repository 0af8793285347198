"""Eager or compiled code: chosen by the amount of work and by availability, once both give the same numbers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from nanobrag_torch.backends.backend import Backend
from nanobrag_torch.backends.compiled import cache
from nanobrag_torch.backends.compiled.agreement import (
    SLOPE_AGREEMENT,
    Differentiate,
    Disagreement,
    Numbered,
    check_once,
    check_slopes,
    steps_of_pixel,
)
from nanobrag_torch.backends.compiled.derivative import DifferentiableBackend, differentiated
from nanobrag_torch.backends.compiled.gradient import GradientBackend
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.compiled.programs import (
    PROGRAMS,
    STAGES,
    Program,
    needed,
    needed_to_differentiate,
    of_derivative,
)
from nanobrag_torch.backends.compiled.rewriting import why_not_rounded
from nanobrag_torch.backends.compiled.tangent import Directions, TangentBackend, changed
from nanobrag_torch.backends.compiled.tracing import TracingBackend
from nanobrag_torch.backends.eager import EagerBackend
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.model import Model

Key = TypeVar("Key")

MODE_VARIABLE = "NANOBRAG_TORCH_COMPILE"
MODES = ("auto", "always", "never")
WORTH_LOADING = 3_000_000  # above this number of steps, loading compiled code pays
WORTH_BUILDING = 10_000_000  # above this number of steps, building compiled code pays
NOT_BUILT = f"compiled code is not there yet, and is built from {WORTH_BUILDING:,} steps"


def mode() -> str:
    """auto, always or never, from NANOBRAG_TORCH_COMPILE. Raises ExperimentError for anything else."""
    asked = os.environ.get(MODE_VARIABLE, "auto") or "auto"
    if asked not in MODES:
        raise ExperimentError(f"{MODE_VARIABLE}={asked}: expected one of {', '.join(MODES)}")
    return asked


def not_compilable(model: Model) -> str | None:
    """Why the programs do not cover an experiment; None if they do."""
    table = model.amplitudes.padded
    if model.factors.running_product:
        return "the defect running_product is on"
    if table is not None and table.numel() > torch.iinfo(torch.int32).max:
        return "the table of amplitudes has more elements than 32 bits count"
    device = model.real_m.device.type
    if device == "cuda" and model.dtype == torch.float32:
        too_large = why_not_rounded(model.largest_hkl, model.most_cells)
        if too_large:
            return too_large
    return None if device in ("cpu", "cuda") else f"nothing is compiled for the device {device}"


def _why_not(model: Model, steps: int, worth: int) -> str | None:
    """Why compiled code is not tried for that many steps; None if it is."""
    asked = mode()
    if asked == "never":
        return f"{MODE_VARIABLE}=never"
    if cache.directory() is None:
        return f"no folder holds compiled code, see {cache.DIRECTORY_VARIABLE}"
    if asked == "auto" and steps < worth:
        return f"{steps:,} steps, fewer than the {worth:,} from which compiled code pays"
    return not_compilable(model)


def backend_for(model: Model, pixels: int, image_dtype: torch.dtype = torch.float32, images: int = 1) -> Backend:
    """The backend that suits a model and that many pixels; what it makes is still to be `confirmed`.

    `images`: how many, in `image_dtype`, are made of it. For a series of them the size of the work decides, not what
    happens to be kept.
    Raises ExperimentError for an unknown mode; whatever goes wrong with compiled code is told on standard error and
    answered with eager code.
    """
    steps = images * pixels * steps_of_pixel(model)
    why = _why_not(model, steps, WORTH_LOADING if images == 1 else WORTH_BUILDING)
    if why is not None:
        return EagerBackend(model, why)
    try:
        packages = _packages(model, image_dtype, cache.folder(), _worth_building(steps))
        if packages is None:
            return EagerBackend(model, NOT_BUILT)
        return CompiledBackend(model, packages)
    except Exception as error:  # a compiler can fail in any way, and none of them is a reason not to make the image
        why = f"compiled code is not used: {' '.join(str(error).split())[:200]}"
        tell(why)
        return EagerBackend(model, why)


def _worth_building(steps: int) -> bool:
    return mode() == "always" or steps >= WORTH_BUILDING


def _packages(model: Model, image_dtype: torch.dtype, folder: Path, build: bool) -> dict[str, Path] | None:
    """The files of the programs for an image; None if one is missing and not worth building."""
    return _complete({name: package_of(PROGRAMS[name], model, folder, build) for name in needed(model, image_dtype)})


def _complete(files: dict[Key, Path | None]) -> dict[Key, Path] | None:
    """The files, if all exist."""
    there = {key: file for key, file in files.items() if file is not None}
    return there if len(there) == len(files) else None


def package_of(program: Program, model: Model, folder: Path, build: bool) -> Path | None:
    """The file of a program; None if it is missing and not worth building."""
    try:
        package = cache.find(program, model, folder)
        why = "once for this machine and kernel"
        if package is None and not build:
            return None
    except cache.BrokenPackage as error:
        package, why = None, f"anew, since {error}"
    return package or build_program(program, model, folder, why)


def why_not_differentiated(model: Model, pixels: int) -> str | None:
    """Why compiled derivatives of that many pixels are not even tried, or None."""
    return _why_not(model, pixels * steps_of_pixel(model), WORTH_LOADING)


def derivative_backend(
    model: Model, pixels: int, numbered: Numbered, by: Differentiate, image_dtype: torch.dtype
) -> Backend:
    """The backend for derivatives of that many pixels of an image of a type: compiled where that pays and agrees with
    eager code.

    `by` is called with a backend and pixels (fast, slow), and gives derivatives of their photons, some of them None.
    """
    steps, why = pixels * steps_of_pixel(model), why_not_differentiated(model, pixels)
    if why is not None:
        return EagerBackend(model, why)
    try:
        made = _differentiated(model, image_dtype, cache.folder(), _worth_building(steps))
        if made is None:
            return EagerBackend(model, NOT_BUILT)
        compiled, files = made
        check_once(files, lambda: check_slopes(model, compiled, pixels, numbered, by))
        return compiled
    except Exception as error:
        why = f"compiled derivatives are not used: {' '.join(str(error).split())[:200]}"
        tell(why)
        return EagerBackend(model, why)


def _differentiated(
    model: Model, image_dtype: torch.dtype, folder: Path, build: bool
) -> tuple[CompiledBackend, list[Path]] | None:
    """Compiled code for derivatives, with its files; None if one is missing and not worth building."""
    name = of_derivative(model, image_dtype)
    if name is not None:
        program = differentiated(PROGRAMS[name], model)
        file = package_of(program, model, folder, build)
        return None if file is None else (GradientBackend(model, program, file, image_dtype), [file])
    programs = {stage: differentiated(PROGRAMS[stage], model) for stage in STAGES}
    files = _complete(
        {
            one: package_of(one, model, folder, build)
            for one in (*programs.values(), *(PROGRAMS[stage] for stage in STAGES))
        }
    )
    if files is None:
        return None
    compiled = DifferentiableBackend(
        model,
        {stage: files[PROGRAMS[stage]] for stage in STAGES},
        {stage: (program, files[program]) for stage, program in programs.items() if program.by},
    )
    return compiled, list(files.values())


def why_not_changed(model: Model, pixels: int, directions: int) -> str | None:
    """Why compiled changes of that many pixels along directions are not even tried, or None."""
    return _why_not(model, pixels * steps_of_pixel(model) * (1 + directions), WORTH_LOADING)


def tangent_backend(directions: Directions, pixels: int, check: Callable[[TangentBackend], float]) -> TangentBackend:
    """Compiled code for the changes of that many pixels along directions. Raises what stands against it.

    `check`: how far off its numbers are, as a share of the largest, at pixels that eager code works out too.
    """
    model = directions.model
    steps, folder = pixels * steps_of_pixel(model) * (1 + directions.count), cache.folder()
    plain = {name: PROGRAMS[name] for name in needed_to_differentiate(model)}
    moved = {name: changed(program, directions) for name, program in plain.items()}
    files = _complete(
        {one: package_of(one, model, folder, _worth_building(steps)) for one in (*plain.values(), *moved.values())}
    )
    if files is None:
        raise Disagreement(NOT_BUILT)
    backend = TangentBackend(
        directions,
        {name: files[program] for name, program in plain.items()},
        {name: (program, files[program]) for name, program in moved.items() if program.along},
    )

    def agree() -> None:
        off = check(backend)
        if not off <= SLOPE_AGREEMENT[model.dtype]:
            raise Disagreement(f"they differ by {off:.1e} of the largest")

    check_once(list(files.values()), agree)
    return backend


def build_program(program: Program, model: Model, folder: Path, why: str) -> Path:
    """Build a program for the device and settings of a model, with a notice.

    Raises OSError or Unrecordable.
    """
    tell(f"compiling '{program.name}' into {folder} ({why}; about a second)")
    return cache.keep(program, model, folder)


def tracing_backend(model: Model, backend: Backend, image_dtype: torch.dtype) -> Backend:
    """The backend that traces what `backend` computes: itself, or its programs with all they compute as results.

    Raises what building them raises.
    """
    folder = cache.directory()
    if not isinstance(backend, CompiledBackend) or folder is None:
        return backend
    programs = {name: PROGRAMS[name].tracing() for name in needed(model, image_dtype)}
    files = _complete({name: package_of(program, model, folder, True) for name, program in programs.items()})
    return backend if files is None else TracingBackend(model, files)


def tell(message: str) -> None:
    """Print one line on standard error."""
    print(f"nanobrag_torch: {message}", file=sys.stderr, flush=True)

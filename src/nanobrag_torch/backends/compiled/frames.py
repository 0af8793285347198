"""The images of several models in one launch on a GPU, where these differ in the values of their tensors alone.

The program of one image is called as a function. A launch has a second dimension, the frame, and a table of addresses
with a row for each frame: the tensors that differ from frame to frame, and its image.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nanobrag_torch.backends.compiled import cache as kept
from nanobrag_torch.backends.compiled.cuda_text import THREADS_PER_BLOCK, Image, image_of
from nanobrag_torch.backends.compiled.loading import processors
from nanobrag_torch.backends.compiled.programs import PROGRAMS
from nanobrag_torch.model import Model

ENTRY = "run_frames"
_KERNEL = 'extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)'
_ONE = re.compile(r"^ENTRY run\((?P<arguments>.*), const int rays, const int orientations\)$", re.MULTILINE)
_ARGUMENT = re.compile(r"(?P<kind>(?:const )?\w+ \*)__restrict__ (?P<name>\w+)$")
# as the program calls them: what an orientation and a wavelength change, and the image
OF_A_FRAME = (
    *("sources_incident", "sources_wavelength_m", "sources_weight", "first_incident"),
    *("real_m", "n_cells", "cell_reciprocal_per_A", "out0"),
)

# tensors that all frames read, addresses (frames, OF_A_FRAME), rays, orientations, frames
Launch = Callable[[Sequence[torch.Tensor], torch.Tensor, int, int, int], None]


class Together(NamedTuple):
    """CUDA of all frames of a launch, and which arguments of the program of one image are those of a frame."""

    text: str
    of_a_frame: tuple[int, ...]
    image: Image


def together(source_of_one: str) -> Together:
    """The program of frames from that of one image. Raises ValueError if that has another form."""
    definition = _ONE.search(source_of_one)
    arguments = [_ARGUMENT.match(word.strip()) for word in definition["arguments"].split(",")] if definition else []
    named = [argument for argument in arguments if argument is not None]
    image = image_of(source_of_one)
    if image is None or not named or len(named) != len(arguments) or _KERNEL not in source_of_one:
        raise ValueError("the program of one image has another form than the one that is known")
    own = tuple(position for position, argument in enumerate(named) if argument["name"] in OF_A_FRAME)
    shared = [argument[0] for position, argument in enumerate(named) if position not in own]
    rows = {position: f"({named[position]['kind']})mine[{number}]" for number, position in enumerate(own)}
    inputs = [rows.get(position, argument["name"]) for position, argument in enumerate(named)]
    read = ["const int64_t *__restrict__ addresses", "const int rays", "const int orientations"]
    text = (
        source_of_one.replace(_KERNEL, "static __device__ __forceinline__ void")
        + f"\n{_KERNEL} {ENTRY}({', '.join([*shared, *read])})\n{{\n"
        + f"const int64_t *mine = addresses + (int64_t)blockIdx.y * {len(own)};\n"
        + f"run({', '.join(inputs)}, rays, orientations);\n}}\n"
    )
    return Together(text, own, image)


def launched(name: str, model: Model, rows: Sequence[Sequence[torch.Tensor]], rays: int) -> bool:
    """Run a program that has been built for models like this one, for all frames at once; False where none has.

    A row holds all that the program reads and writes for a frame. Raises what torch's compiler raises, and ValueError
    where frames differ in more than `OF_A_FRAME`.
    """
    folder = kept.directory()
    file = None if folder is None else kept.find(PROGRAMS[name], model, folder)
    if file is None:
        return False
    device = model.real_m.device
    own, launch = _loaded(file, device)
    run(own, launch, rows, device, rays, model.real_m.shape[0])
    return True


def run(
    own: Sequence[int],
    launch: Launch,
    rows: Sequence[Sequence[torch.Tensor]],
    device: torch.device,
    rays: int,
    orientations: int,
) -> None:
    """One launch for all rows. Raises ValueError as `launched`."""
    shared = [position for position in range(len(rows[0])) if position not in own]
    first = [rows[0][position] for position in shared]
    for row in rows[1:]:
        # a number that a model counts anew is another tensor
        others = [(a, row[i]) for a, i in zip(first, shared, strict=True) if a is not row[i]]
        if any(a.data_ptr() != b.data_ptr() and a.dtype != torch.int64 for a, b in others):
            raise ValueError("the models differ in more than orientation and wavelength")
        if any(rows[0][position].shape != row[position].shape for position in own):
            raise ValueError("the models have other numbers of orientations or sources")
    addresses = [[row[position].data_ptr() for position in own] for row in rows]
    table = torch.tensor(addresses, dtype=torch.int64, device="cpu")
    there = table.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else table.to(device)
    launch(first, there, rays, orientations, len(rows))


@cache
def _loaded(file: Path, device: torch.device) -> tuple[tuple[int, ...], Launch]:
    with kept.opened(file) as library, torch.cuda.device(device):
        made = together(library.read().decode())
        kernel: Any = torch.cuda._compile_kernel(made.text, ENTRY)

    def launch(
        shared: Sequence[torch.Tensor], addresses: torch.Tensor, rays: int, orientations: int, frames: int
    ) -> None:
        grid = made.image.blocks(rays, processors(device), frames), frames, 1
        with torch.cuda.device(device):
            kernel(grid=grid, block=(THREADS_PER_BLOCK, 1, 1), args=[*shared, addresses, rays, orientations])

    return made.of_a_frame, launch

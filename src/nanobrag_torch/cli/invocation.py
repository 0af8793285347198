"""The result of parsing a command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from nanobrag_torch.parameters import Experiment


@dataclass(frozen=True)
class Outputs:
    """Files of images and their scales. None: not written; for a seed: taken from the clock."""

    float_file: str = "floatimage.bin"
    int_file: str = "intimage.img"
    double_file: str | None = None
    pgm_file: str | None = "image.pgm"
    noise_file: str | None = "noiseimage.img"
    hdf5_file: str | None = None
    dump_file: str | None = None
    int_scale: float = 0.0  # 0: automatic
    pgm_scale: float = 0.0  # 0: automatic
    adc_counts: float = 40.0
    noise_seed: int | None = None  # seed variable: the negative of the number behind -seed
    progress: bool = True
    printout: bool = False
    printout_pixel: tuple[int, int] | None = None  # slow, fast

    @property
    def files(self) -> dict[str, str]:
        """Files that will be written, under the flag that names them."""
        named = {
            "-floatfile": self.float_file,
            "-doublefile": self.double_file,
            "-intfile": self.int_file,
            "-pgmfile": self.pgm_file,
            "-noisefile": self.noise_file,
            "-hdf5file": self.hdf5_file,
            "-dumpfile": self.dump_file,
        }
        return {flag: path for flag, path in named.items() if path is not None}


@dataclass(frozen=True)
class Invocation:
    """A parsed command line: what to simulate, on which device, and which files to write."""

    command_line: tuple[str, ...]  # without -config and -show_config
    experiment: Experiment
    outputs: Outputs
    device: str
    dtype: torch.dtype
    trace_pixel: tuple[int, int] | None = None  # slow, fast
    show_config: bool = False
    taken: list[str] = field(default_factory=list)  # what was read of the files, a line each
    verbose: bool = False
    warnings: list[str] = field(default_factory=list)

"""One command line through the C program and through torch, as float64 images."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import numpy as np
import torch

from nanobrag_torch import cli
from nanobrag_torch.simulator import Simulation


class Refusal(Exception):
    """The message of a program that made no image."""


class Both:
    """`c` and `torch` make the image of a line, `images` both; files of the line lie in `folder`."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary, self.folder = binary, folder

    def c(self, line: str) -> np.ndarray:
        return self.c_run(line)[0]

    def c_run(self, line: str) -> tuple[np.ndarray, str]:
        """The image and what was printed."""
        arguments = [*line.split(), "-nonoise", "-nopgm", "-noprogress", "-doublefile", "double.bin"]
        done = subprocess.run([self.binary, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise Refusal(done.stderr)
        header = (self.folder / "intimage.img").read_bytes()[:1024].decode(errors="ignore")
        size = [int(header.split(f"SIZE{i}=")[1].split(";")[0]) for i in (2, 1)]
        return np.fromfile(self.folder / "double.bin").reshape(size), done.stdout + done.stderr

    def simulation(self, line: str) -> Simulation:
        with contextlib.chdir(self.folder):
            return Simulation(cli.parse(line.split()).experiment)

    def torch(self, line: str) -> np.ndarray:
        with torch.no_grad():
            return self.simulation(line).image(image_dtype=torch.float64).numpy()

    def images(self, line: str) -> list[np.ndarray]:
        return [self.c(line), self.torch(line)]

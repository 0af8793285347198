"""Reads the files that flags name into arrays and checks them against the flags. Torch is not needed here."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nanobrag_torch import limits
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.cli.tokens import UsageError, one_line
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.io.fdump import read_fdump
from nanobrag_torch.io.hkl import Box, fill_box
from nanobrag_torch.io.matrix import read_matrix
from nanobrag_torch.io.reading import ReaderError
from nanobrag_torch.io.reflections import read_reflections
from nanobrag_torch.io.smv import read_smv
from nanobrag_torch.io.source_table import read_sources
from nanobrag_torch.io.stol import read_stol
from nanobrag_torch.parameters import Beam, Detector, number
from nanobrag_torch.parameters.conventions import CONVENTIONS, pixel_counts

_TABLES_OF_NO_EFFECT = ("-stol", "-4stol", "-Q")


@dataclass(frozen=True)
class InputFiles:
    """Content of the input files; None where no flag names one."""

    mask: np.ndarray | None = None  # (slow, fast) bool, True: compute this pixel
    matrix: np.ndarray | None = None  # (3, 3) columns a*, b*, c*, times the wavelength
    sources: np.ndarray | None = None  # (n, 5): position (m), weight, wavelength (m)
    amplitudes: Box | None = None
    cell: tuple[float, ...] | None = None  # of the file of -hkl (A, deg)
    taken: str | None = None  # what was read of the file of -hkl
    missets: tuple[float, ...] = ()  # three numbers behind the matrix
    notices: list[str] = field(default_factory=list)


def check_readable(settings: Settings) -> None:
    """Check that every input file can be opened. Files without effect are read, to report their errors."""
    for flag, path in settings.files.items():
        if flag == "-dumpfile" and "-hkl" in settings.files:
            continue
        if not os.access(path, os.R_OK) or not Path(path).exists():
            raise UsageError(f"{flag} {one_line(path)}: cannot be read, expected a readable file")
        if flag in _TABLES_OF_NO_EFFECT:
            with with_flag(settings):
                read_stol(path)


def read_inputs(settings: Settings, defects: frozenset[str]) -> InputFiles:
    """Read every file that the image depends on. Raises UsageError or ReaderError."""
    panel, beam = Detector(**settings.detector), Beam(**settings.beam)
    files = settings.files
    mask = _mask(files["-mask"], panel) if "-mask" in files else None
    sources = _sources(files["-sourcefile"], panel, beam, defects) if "-sourcefile" in files else None
    matrix, missets = read_matrix(files["-mat"]) if "-mat" in files else (None, ())
    if "-hkl" not in files:
        amplitudes = read_fdump(files["-dumpfile"]) if "-dumpfile" in files else None
        return InputFiles(mask, matrix, sources, amplitudes, missets=missets)
    path = files["-hkl"]
    column = settings.run.get("hkl_column")
    reflections = read_reflections(path, lambda: _resolution_A(settings, sources, defects), column)
    amplitudes = fill_box(path, reflections.reflections, settings.structure_factors.get("default_F", 0.0))
    taken = reflections.taken.line()
    return InputFiles(mask, matrix, sources, amplitudes, reflections.cell, taken, missets, reflections.notices)


def _resolution_A(settings: Settings, sources: np.ndarray | None, defects: frozenset[str]) -> float:
    """Smallest spacing of the amplitudes that are calculated from an atom model (A)."""
    from nanobrag_torch.cli.model_resolution import resolution_A  # needs the detector's geometry, so torch

    wavelengths_m = None if sources is None else sources[:, 4]
    return resolution_A(settings, wavelengths_m, defects)


def _mask(path: str, panel: Detector) -> np.ndarray:
    n_fast, n_slow, _, _ = pixel_counts(panel)
    pixels = read_smv(path)[1]
    limits.check_mask(f"-mask {one_line(path)}", pixels.shape, n_fast, n_slow)
    computed: np.ndarray = pixels != 0
    return computed


def _sources(path: str, panel: Detector, beam: Beam, defects: frozenset[str]) -> np.ndarray:
    stated = panel.beam_vector if panel.convention == "CUSTOM" else None
    x, y, z = CONVENTIONS[panel.convention].beam_vector if stated is None else map(number, stated)
    length = math.sqrt(x * x + y * y + z * z)
    rows = read_sources(path, (x / length, y / length, z / length), number(beam.wavelength_m))
    total = rows[:, 3].sum()
    if "source_weights_ignored" not in defects and not 0 < total < math.inf:
        raise UsageError(f"-sourcefile: the weights add up to {total:g}, expected more than 0")
    return rows


@contextmanager
def with_flag(settings: Settings) -> Iterator[None]:
    """Errors about a file are reported with the flag that names the file."""
    try:
        yield
    except ReaderError as error:
        flag = next((flag for flag, path in settings.files.items() if str(path) == str(error.path)), "")
        raise UsageError(f"{flag} {error}".strip()) from None
    except UsageError:
        raise
    except ExperimentError as error:
        raise UsageError(one_line(str(error), 400)) from None

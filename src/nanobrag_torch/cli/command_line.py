"""From the command line's tokens to a checked `CommandLine`: flags, then files, then both together. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from nanobrag_torch.cli import unit_cell
from nanobrag_torch.cli.beam_flags import beam_flag_warnings
from nanobrag_torch.cli.checks import check_detector, check_pixel, check_sampling, check_sense
from nanobrag_torch.cli.config_file import expand_config
from nanobrag_torch.cli.device import check_name
from nanobrag_torch.cli.headers import apply_header, settle_headers
from nanobrag_torch.cli.ignored_inputs import ignored_inputs
from nanobrag_torch.cli.input_files import InputFiles, check_readable, read_inputs, with_flag
from nanobrag_torch.cli.invocation import Outputs
from nanobrag_torch.cli.outputs import killed_warnings, outputs_of
from nanobrag_torch.cli.settings import Section, Settings, apply
from nanobrag_torch.cli.tokens import Occurrence, UsageError, one_line, split
from nanobrag_torch.io.reading import ReaderError
from nanobrag_torch.parameters import Beam, Detector
from nanobrag_torch.parameters.defects import active
from nanobragg_tables import resolve_defects


@dataclass(frozen=True)
class CommandLine:
    """A checked command line and the content of its files, before any tensor is made."""

    words: tuple[str, ...]  # without -config and -show_config
    settings: Settings
    defects: frozenset[str]
    files: InputFiles
    outputs: Outputs
    device: str
    dtype: str
    trace_pixel: tuple[int, int] | None = None  # slow, fast
    show_config: bool = False
    verbose: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def taken(self) -> list[str]:
        """What was read of the files, a line each."""
        if self.files.taken is None:
            return []
        cell = self.files.cell
        from_file = self.files.matrix is None and "cell_lengths_A" not in self.settings.crystal and cell is not None
        shown = " ".join(f"{x:g}" for x in cell or ())
        of_cell = [f"the unit cell is that of {self.settings.files['-hkl']}: {shown}"] if from_file else []
        return [self.files.taken, *of_cell]

    @property
    def detector(self) -> Detector:
        """The detector, without the mask."""
        return Detector(**self.settings.detector)

    @property
    def beam(self) -> Beam:
        """The beam, without a table of sources."""
        return Beam(**self.settings.beam)

    @property
    def crystal(self) -> Section:
        """Fields of the crystal without the matrix. Where no flag states a cell, it is that of the reflection file."""
        stated = dict(self.settings.crystal)
        if self.files.matrix is None and "cell_lengths_A" not in stated and self.files.cell is not None:
            stated.update(cell_lengths_A=self.files.cell[:3], cell_angles_deg=self.files.cell[3:])
        return stated


def read_command_line(argv: list[str]) -> CommandLine:
    """Understand a command line (without the program's name), reading the files it names.

    Raises UsageError with one line that names the flag, the value and what was expected. Nothing is written.
    """
    arguments = expand_config(argv)
    settings = Settings()
    occurrences = split(arguments)
    with with_flag(settings):
        _set(settings, occurrences)
        defects = _defects(settings)
        check_readable(settings)
        check_sense(settings)
    outputs = outputs_of(settings)
    device = check_name(settings.run.get("device", "cpu"))
    with with_flag(settings):
        check_detector(settings)
        check_sampling(settings, defects)
        files = read_inputs(settings, defects)
        line = CommandLine(
            words=tuple(word for word in arguments if word != "-show_config"),
            settings=settings,
            defects=defects,
            files=files,
            outputs=outputs,
            device=device,
            dtype=settings.run.get("dtype", "float64"),
            trace_pixel=settings.run.get("trace_pixel"),
            show_config=settings.run.get("show_config", False),
            verbose=settings.run.get("verbose", False),
        )
        unit_cell.check(line.crystal, files.matrix, line.beam)
    for flag, pixel in (("-trace_pixel", line.trace_pixel), ("-printout_pixel", outputs.printout_pixel)):
        if pixel is not None:
            check_pixel(flag, pixel, line.detector, files.mask)
    line.warnings.extend(_warnings(line))
    return line


def _set(settings: Settings, occurrences: list[Occurrence]) -> None:
    """Image headers first, mask before image, then all flags in order."""
    for flag in ("-mask", "-img"):
        named = [str(occurrence.values[0]) for occurrence in occurrences if occurrence.name == flag]
        if named:
            try:
                apply_header(flag, named[-1], settings)
            except ReaderError as error:
                raise UsageError(f"{flag} {error}") from None
    apply(occurrences, settings)
    settle_headers(settings)


def _defects(settings: Settings) -> frozenset[str]:
    try:
        return active(resolve_defects(settings.run.get("defects", "default")))
    except ValueError as error:
        raise UsageError(f"-defects: {one_line(str(error))}") from None


def _warnings(line: CommandLine) -> list[str]:
    """What has no effect, what is odd about the files, and what a historic defect ignores."""
    settings, files = line.settings, line.files
    weights = None if files.sources is None else files.sources[:, 3]
    return [
        *(f"{spelling} has no effect" for spelling in dict.fromkeys(settings.no_effect)),
        *settings.remarks,
        *files.notices,
        *killed_warnings(line.outputs),
        *_about_cell(line),
        *beam_flag_warnings(settings.given, line.detector, line.defects),
        *ignored_inputs(line.detector, line.beam, weights, line.crystal.get("mosaic_quadrature", False), line.defects),
    ]


def _about_cell(line: CommandLine) -> list[str]:
    files, paths, matrix = line.files, line.settings.files, line.files.matrix
    warnings = []
    if matrix is not None:
        warnings += unit_cell.matrix_warnings(paths["-mat"], matrix, line.beam, files.missets)
    if files.cell is not None:
        warnings += unit_cell.other_cell(paths["-hkl"], files.cell, line.crystal, matrix, line.beam)
    return warnings

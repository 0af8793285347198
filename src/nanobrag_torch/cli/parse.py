"""From a command line to an `Invocation`, whose experiment holds tensors."""

from __future__ import annotations

from nanobrag_torch.cli.command_line import CommandLine, read_command_line
from nanobrag_torch.cli.device import present
from nanobrag_torch.cli.input_files import with_flag
from nanobrag_torch.cli.invocation import Invocation


def parse(argv: list[str]) -> Invocation:
    """Understand a command line (without the program's name), reading the files it names.

    Raises UsageError with one line that names the flag, the value and what was expected. Nothing is written.
    """
    return invocation_of(read_command_line(argv))


def invocation_of(line: CommandLine) -> Invocation:
    """What a checked command line asks for; torch is imported here. Raises UsageError."""
    from nanobrag_torch.cli.experiment_builder import dtype_of, experiment, placement_warnings

    with with_flag(line.settings):
        stated = experiment(line)
    return Invocation(
        command_line=line.words,
        experiment=stated,
        outputs=line.outputs,
        device=present(line.device),
        dtype=dtype_of(line.dtype),
        trace_pixel=line.trace_pixel,
        show_config=line.show_config,
        taken=line.taken,
        verbose=line.verbose,
        warnings=[*line.warnings, *placement_warnings(line.detector, line.defects)],
    )

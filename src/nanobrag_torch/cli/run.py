"""Runs a command line: simulate, print, write.

Exit code 0, 2 with a line on standard error, 3 for a fault of ours, 128 + N after signal N.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from nanobrag_torch.cli.command_line import CommandLine, read_command_line
from nanobrag_torch.cli.help import early_answer
from nanobrag_torch.cli.invocation import Invocation
from nanobrag_torch.cli.parse import invocation_of
from nanobrag_torch.cli.tokens import UsageError, one_line
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.faults import OUR_FAULT, drop_output, is_memory, keep
from nanobrag_torch.faults.interrupts import INTERRUPTED

if TYPE_CHECKING:
    import numpy as np
    import torch

    from nanobrag_torch.simulator import Progress, Simulation

PROGRAM = "nanobrag_torch"
_LONGEST_MESSAGE = 500


def main(argv: list[str] | None = None) -> int:
    """Run a command line (`sys.argv[1:]` by default); returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    told: list[int] = []
    try:
        answer = early_answer(argv)
        if answer is not None:
            return _print_answer(answer)
        with _stopped_as_by_a_key() as told:
            run(read_command_line(argv))
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        drop_output()
        return _fail("standard output was closed before the run ended, expected it to stay open")
    except (ExperimentError, RecursionError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted; nothing more is written")
        return 128 + told[0] if told else INTERRUPTED
    except Exception as error:
        if is_memory(error):
            return _fail("not enough memory, expected a smaller detector, -hkl box or number of sources and steps")
        print(f"{PROGRAM}: fault: {one_line(keep(error), _LONGEST_MESSAGE)}", file=sys.stderr)
        return OUR_FAULT


def _print_answer(answer: str) -> int:
    """Print a text; a reader that closes the pipe early is no error."""
    try:
        print(answer, flush=True)
    except BrokenPipeError:
        drop_output()
    return 0


@contextmanager
def _stopped_as_by_a_key() -> Iterator[list[int]]:
    """Let SIGTERM end the run as Ctrl-C does, so that no partly written file remains; yields the signals that came.

    A second signal changes nothing: files that are being written are finished or removed.
    """
    told: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield told  # Python hands signals to the main thread alone
        return

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        told.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _fail(message: str) -> int:
    print(f"{PROGRAM}: error: {one_line(message, _LONGEST_MESSAGE)}", file=sys.stderr)
    return 2


def run(line: CommandLine) -> None:
    """Do what a checked command line asks for. Raises ExperimentError."""
    if line.show_config:
        from nanobrag_torch.cli.show import config_text

        for warning in line.warnings:
            _warn(warning)
        print(config_text(line), end="")
        return
    invocation = invocation_of(line)
    for warning in invocation.warnings:
        _warn(warning)
    import torch

    try:
        with torch.no_grad():
            _simulate(invocation)
    except torch.OutOfMemoryError:
        raise UsageError(f"-device {invocation.device}: not enough memory there, expected another device") from None


def _simulate(invocation: Invocation) -> None:
    import numpy as np

    from nanobrag_torch.cli import report, write
    from nanobrag_torch.io import pixel_values
    from nanobrag_torch.simulator import Simulation

    simulation = Simulation(invocation.experiment, invocation.device, invocation.dtype)
    _collect_again()
    _print([*(one_line(line, _LONGEST_MESSAGE) for line in invocation.taken), *report.experiment_lines(simulation)])
    if invocation.trace_pixel is not None:
        from nanobrag_torch.trace import trace_simulation

        dtype = _image_dtype(invocation)
        print(f"trace by {simulation.tracing_backend(dtype).description}")
        for line in trace_simulation(simulation, *invocation.trace_pixel, dtype):
            print(line)
    unrounded = _image(simulation, invocation)
    if invocation.verbose:
        print(simulation.explain())
    image = unrounded.astype(np.float32, copy=False)
    mask = invocation.experiment.detector.mask
    stats = pixel_values.statistics(image, simulation.roi, None if mask is None else mask.numpy())
    if stats.not_finite:
        _warn(
            f"{stats.not_finite} pixels are not finite numbers; check the magnitudes of -default_F, -hkl and -fluence"
        )
    if invocation.outputs.printout:
        _print_pixels(simulation, invocation)
    _print(report.statistics_lines(simulation, stats))
    _print(write.write_all(invocation, simulation, unrounded, image, stats))


def _collect_again() -> None:
    """Let Python look for garbage, if that was left out while the process started: not in what there is by now."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _warn(warning: str) -> None:
    print(f"{PROGRAM}: warning: {one_line(warning, _LONGEST_MESSAGE)}", file=sys.stderr)


def _print(lines: list[str]) -> None:
    print("\n".join(lines))


def _image(simulation: Simulation, invocation: Invocation) -> np.ndarray:
    """The image in single precision, or in double where a file of it is asked for."""
    started = time.perf_counter()
    with _progress(invocation) as progress:
        image: np.ndarray = simulation.image(progress, _image_dtype(invocation)).cpu().numpy()
    x_min, x_max, y_min, y_max = simulation.roi
    pixels = max(0, x_max - x_min + 1) * max(0, y_max - y_min + 1)
    print(f"{pixels} pixels in {time.perf_counter() - started:.3g} s on {invocation.device}")
    print(f"image by {simulation.made_by}")
    return image


def _image_dtype(invocation: Invocation) -> torch.dtype:
    import torch

    return torch.float32 if invocation.outputs.double_file is None else torch.float64


@contextmanager
def _progress(invocation: Invocation) -> Iterator[Progress | None]:
    """A progress bar on standard error, if that is a terminal that shows it; yields its update function or None."""
    outputs = invocation.outputs
    if not outputs.progress or outputs.printout or not sys.stderr.isatty():
        yield None
        return
    import rich.progress
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TimeRemainingColumn

    columns = ("pixels", BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with rich.progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("pixels", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_pixels(simulation: Simulation, invocation: Invocation) -> None:
    from nanobrag_torch.cli import report
    from nanobrag_torch.trace import trace_simulation

    chosen = invocation.outputs.printout_pixel
    x_min, x_max, y_min, y_max = simulation.roi
    everything = ((slow, fast) for slow in range(y_min, y_max + 1) for fast in range(x_min, x_max + 1))
    for slow, fast in everything if chosen is None else [chosen]:
        if simulation.pixels.cover(slow, fast):
            trace = list(trace_simulation(simulation, slow, fast, _image_dtype(invocation)))
            _print(report.printout_lines(simulation, slow, fast, trace))

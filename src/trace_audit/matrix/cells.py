"""One way to compute the experiment: its trace and its image; and how far they are from the strictest."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trace_audit.compare.comparison import compare
from trace_audit.core.errors import InputError
from trace_audit.images.image_comparison import allowed_of_peak
from trace_audit.matrix.variants import TorchVariant
from trace_audit.programs.environment import code_of
from trace_audit.programs.reference import run_program
from trace_audit.trace.log import trace_log
from trace_audit.trace.parse import Trace, parse_trace
from trace_audit.trace.tolerances import relative_tolerance


@dataclass(frozen=True)
class Experiment:
    """A command line and its traced pixel (slow, fast)."""

    words: tuple[str, ...]
    pixel: tuple[int, int]

    def of_pixel(self, slow: int, fast: int) -> "Experiment":
        """The same experiment with only one pixel computed."""
        roi = ("-roi", str(fast), str(fast), str(slow), str(slow))
        return Experiment((*self.words, *roi), (slow, fast))


@dataclass(frozen=True)
class Outcome:
    """The result of one program; `failure` says why it has none. `image`: photons in storage order."""

    trace: Trace | None = None
    image: np.ndarray | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Distance:
    """How far an outcome is from the strictest. `worst_pixel`: its index in storage order."""

    key: str
    key_difference: float
    image_difference: float  # of the peak
    worst_pixel: int
    diverging: int
    allowed_of_peak: float
    failure: str | None = None

    @property
    def is_beyond(self) -> bool:
        """Whether a key or the image is outside the tolerance, or there is nothing to compare."""
        return self.failure is not None or self.diverging > 0 or self.image_difference > self.allowed_of_peak


def run_c(program: Path, experiment: Experiment, time_limit_s: float) -> Outcome:
    """Run the C program on the experiment; a failure is an outcome."""
    slow, fast = experiment.pixel
    with tempfile.TemporaryDirectory(prefix="matrix-") as away:
        image = Path(away) / "image.bin"
        pixel = ("-trace_pixel", str(slow), str(fast))
        argv = [*experiment.words, *pixel, "-nopgm", "-nonoise", "-floatfile", image.name]
        run = run_program(program.resolve(), argv, time_limit_s, {image.name: image})
        failure = run.failure(time_limit_s)
        try:
            if failure is None:
                log = trace_log(run.stdout.decode(errors="replace"), program.name)
                return Outcome(parse_trace(log.splitlines()), np.fromfile(image, np.float32))
        except (InputError, OSError) as error:
            failure = str(error)
    return Outcome(failure=failure)


def run_torch(variant: TorchVariant, experiment: Experiment) -> Outcome:
    """Run our torch program on the experiment; a failure, or code other than the requested one, is an outcome."""
    import torch

    from nanobrag_torch.cli import parse
    from nanobrag_torch.simulator import Simulation
    from nanobrag_torch.trace import trace_simulation

    dtype = torch.float32 if variant.dtype == "float32" else torch.float64
    try:
        with code_of(variant.backend), torch.no_grad():
            simulation = Simulation(parse(list(experiment.words)).experiment, variant.device, dtype)
            image = simulation.image_without_graph(None, torch.float32)
            if simulation.made_by.name != variant.backend:
                return Outcome(failure=f"not {variant.backend}: {simulation.backend().why}")
            lines = list(trace_simulation(simulation, *experiment.pixel))
    except (ValueError, RuntimeError, ArithmeticError) as error:
        return Outcome(failure=" ".join(str(error).split())[:300])
    return Outcome(parse_trace(lines), image.cpu().numpy().ravel())


def distance(strict: Outcome, outcome: Outcome, dtype: str) -> Distance:
    """How far an outcome is from the strictest one."""
    nothing = Distance("", 0.0, 0.0, 0, 0, allowed_of_peak(dtype))
    if strict.trace is None or strict.image is None:
        raise ValueError("the strictest has no outcome")
    if outcome.trace is None or outcome.image is None:
        return replace(nothing, failure=outcome.failure or "gave nothing")
    if outcome.image.size != strict.image.size:
        return replace(nothing, failure=f"its image has {outcome.image.size} pixels, not {strict.image.size}")
    comparison = compare(strict.trace, outcome.trace)
    rows = [
        row for row in comparison.factors if row.key.compared and row.key.name not in ("defects", "pixel_slow_fast")
    ]
    worst = max(rows, key=lambda row: row.relative_difference)
    off = np.abs(outcome.image.astype(float) - strict.image)
    peak = float(max(strict.image.max(), 0.0)) or 1.0
    pixel = int(np.argmax(np.where(np.isfinite(off), off, np.inf)))
    of_peak = float(off[pixel]) / peak
    return Distance(
        worst.key.name,
        worst.relative_difference,
        of_peak if np.isfinite(of_peak) else 1.0,
        pixel,
        len({row.key.name for row in rows if row.relative_difference > relative_tolerance()}),
        allowed_of_peak(dtype),
    )

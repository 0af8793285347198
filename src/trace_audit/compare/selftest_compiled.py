"""The audit of the audit for compiled code: an error built into one of its stages must be found in that stage.

The programs of an image are built with their traces and with one value moved where it is computed, in a folder of their
own. What they trace is compared with the trace of the C program, as in `selftest`.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trace_audit.compare.blame import blame
from trace_audit.compare.comparison import Comparison, compare
from trace_audit.compare.selftest import LOUD, PIXEL, QUIET, Case, Injection
from trace_audit.trace.parse import parse_trace

# what a stage of the kernel computes, and the key that shows it
STAGES = {
    "position_m": "pixel_pos_meters",
    "pixel_distance_m": "R_distance_meters",
    "direction": "diffracted_vec",
    "obliquity": "obliquity_factor",
    "omega_sr": "omega_pixel_sr",
    "captured": "capture_fraction",
    "q_per_m": "scattering_vec_A_inv",
    "cos_2theta": "cos_2theta",
    "kahn_factor": "polar",
    "hkl": "hkl_frac",
    "F_latt": "F_latt",
    "F_cell": "F_cell",
    "intensity": "term.value",
}
# a stage that is also run for a value which the trace alone shows
_TRACED_ALONE = {"last_cos_2theta": "cos_2theta"}


def compiled_injections(case: Case, stages: tuple[str, ...] = tuple(STAGES)) -> Iterator[Injection]:
    """Each stage moved by 1e-5, to be found and blamed on its key, and by 1e-9, to be passed over.

    Raises OSError where there is no compiler.
    """
    for stage in stages:
        loud, quiet = _compared(case, stage, LOUD), _compared(case, stage, QUIET)
        blamed = blame(loud)
        yield Injection(
            f"{case.name}, compiled code",
            STAGES[stage],
            "",
            LOUD,
            tuple(blamed.root_keys),
            tuple(blamed.context_keys),
            "pass" if loud.passed else "fail",
            "pass" if quiet.passed else "fail",
            quiet.worst.relative_difference if quiet.worst else None,
        )


def _compared(case: Case, stage: str, error: float) -> Comparison:
    """The C program's trace against that of compiled code with an error in one stage."""
    import torch

    from nanobrag_torch.backends.compiled.tracing import with_hooks
    from nanobrag_torch.simulator import Simulation
    from nanobrag_torch.trace import trace_simulation

    def fault(name: str, value: Any, _: Any) -> Any:
        return value * (1 + error) if _TRACED_ALONE.get(name, name) == stage else value

    invocation = case.invocation
    simulation = Simulation(invocation.experiment, invocation.device, invocation.dtype)
    with tempfile.TemporaryDirectory(prefix="selftest-") as folder:
        faulty = with_hooks(simulation.model, torch.float64, fault, Path(folder))
        lines = list(trace_simulation(simulation, *PIXEL, torch.float64, backend=faulty))
    return compare(case.reference, parse_trace(lines))

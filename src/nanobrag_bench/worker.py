"""A process that computes one image repeatedly and reports the time, without the start and the files.

    python -m nanobrag_bench.worker [--gradient NAME ...] -- FLAGS OF NANOBRAG_TORCH

It answers every line on its standard input with one line of JSON. `image`: the simulation alone, with the set-up done
before. `simulate`: the image from the numbers of the experiment. `gradient`: the same, a sum over it, and the
derivatives of that sum by the parameters named.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from trace_audit.core.errors import run_command

if TYPE_CHECKING:
    from nanobrag_torch.cli import Invocation

_SECONDS = Callable[[], object]


def timed(work: _SECONDS) -> dict[str, float]:
    """Wall and CPU seconds of a call."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}


def image_work(invocation: Invocation) -> _SECONDS:
    """The simulation, with the set-up done and code loaded before, until its result is on the host."""
    import torch

    from nanobrag_torch.simulator import Simulation

    simulation = Simulation(invocation.experiment, invocation.device, invocation.dtype)

    def work() -> float:
        with torch.no_grad():
            return float(simulation.image()[0, 0])  # waits for a GPU to finish

    return work


def simulate_work(invocation: Invocation) -> _SECONDS:
    """The work of `gradient_work`, without derivatives."""
    import torch

    from nanobrag_torch.simulator import simulate

    def work() -> float:
        with torch.no_grad():
            image = simulate(invocation.experiment, device=invocation.device, dtype=invocation.dtype)
            return float(image.square().sum())

    return work


def gradient_work(invocation: Invocation, names: Sequence[str]) -> _SECONDS:
    """Image, sum of its squares, and the derivatives of that by the parameters called `names`."""
    import torch

    from nanobrag_torch.gradients import parameter
    from nanobrag_torch.simulator import simulate

    chosen = [parameter(name) for name in names]

    def work() -> list[float]:
        experiment, leaves = invocation.experiment, []
        for case in chosen:
            start = case.value(invocation.experiment)
            leaves.append(torch.tensor(start, dtype=torch.float64, device=invocation.device, requires_grad=True))
            experiment = case.put(experiment, leaves[-1])
        image = simulate(experiment, device=invocation.device, dtype=invocation.dtype)
        slopes: list[float] = torch.stack(torch.autograd.grad(image.square().sum(), leaves)).tolist()
        return slopes

    return work


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m nanobrag_bench.worker", allow_abbrev=False)
    parser.add_argument("--gradient", nargs="+", default=[], metavar="NAME", help="parameters to differentiate by")
    parser.add_argument("words", nargs="+", help="flags of nanobrag_torch, after --")
    options = parser.parse_args(argv)
    from nanobrag_torch.cli import parse

    invocation = parse(options.words)
    make = {
        "image": lambda: image_work(invocation),
        "simulate": lambda: simulate_work(invocation),
        "gradient": lambda: gradient_work(invocation, options.gradient),
    }
    works: dict[str, _SECONDS] = {}
    for line in sys.stdin:
        request = line.strip()
        if request not in works:
            works[request] = make[request]()
        print(json.dumps(timed(works[request])), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

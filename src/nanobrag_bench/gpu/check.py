"""`python -m nanobrag_bench gpu-check`: the torch program on a GPU, checked and timed in less than four minutes.

It needs torch alone. Checks: images of a dozen command lines, eager and compiled, in both types, to 1e-6 of the peak of
eager float64 on the CPU; the golden cases; traced pixels; derivatives by every kind of parameter; noise with the bytes
of the CPU; and the same bytes from run to run, in tiles of any size, with any number of frames a launch. Then times,
NB_CUDA_BIN beside, and a table of all goals. Each part is a process with a share of the time: one that fails or hangs
ends nothing else. Exit status 0 if every check ran and holds, 1 if not, 2 where there is no GPU.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nanobrag_bench.gpu import goals
from nanobrag_bench.gpu.rows import Row, Task, check, from_json, not_run
from nanobrag_bench.gpu.runs import FULL, QUICK, Plan

Tasks = Callable[[Plan], Iterable[Task]]
BUDGET_S = 225.0
_GRACE_S = 8.0  # to end what has begun, before a part is stopped
_TIMES = ("image times", "frame times", "derivative times", "beside")


class Part(NamedTuple):
    """Tasks of one process, and its share of the time; what it leaves is the next one's."""

    tasks: Tasks
    share: float


def parts() -> dict[str, Part]:
    """All parts in their order."""
    from nanobrag_bench.gpu import beside, frames, golden, images, slopes, times

    return {
        "images": Part(images.tasks, 0.20),
        "golden": Part(golden.tasks, 0.14),
        "derivatives": Part(slopes.tasks, 0.19),
        "noise and frames": Part(frames.tasks, 0.07),
        "image times": Part(times.tasks, 0.11),
        "frame times": Part(frames.times, 0.10),
        "derivative times": Part(slopes.times, 0.13),
        "beside": Part(beside.tasks, 0.06),
    }


def rows_of(tasks: Iterable[Task], ends: float) -> Iterator[Row]:
    """The rows of all tasks; one that raises fails alone. None begins after `ends`, by time.time()."""
    for name, work in tasks:
        if time.time() > ends:
            yield not_run(name, "no time is left", holds=False)
            continue
        try:
            yield from work()
        except Exception as error:
            why = f"ended with {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            yield check(f"{name}, all of it", False, why)


def by_process(name: str, command: Sequence[str], stops: float) -> Iterator[Row]:
    """The rows that the process of a part prints, each as it comes. At `stops`, by time.time(), it is ended."""
    late = threading.Event()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def end() -> None:
            late.set()
            process.kill()

        watch = threading.Timer(max(0.0, stops - time.time()), end)
        watch.start()
        try:
            assert process.stdout is not None  # it is a pipe
            for line in process.stdout:
                row = from_json(line)
                yield Row("note", line.rstrip()) if row is None else row
            status = process.wait()
        finally:
            watch.cancel()
            process.kill()
    if late.is_set():
        yield not_run(f"{name}, the rest", "stopped, its time is over", holds=False)
    elif status != 0:
        yield check(f"{name}, the rest", False, f"its process ended with {status}")


def all_rows(options: argparse.Namespace, chosen: Mapping[str, Part]) -> Iterator[Row]:
    """The rows of all parts, each in a process of its own unless `options.here`."""
    started, spent = time.time(), 0.0
    whole = sum(part.share for part in chosen.values())
    for name, part in chosen.items():
        spent += part.share / whole
        ends = started + options.seconds * spent
        if options.here:
            yield from rows_of(part.tasks(plan_of(options)), ends)
        else:
            yield from by_process(name, _command(options, name, ends), ends + _GRACE_S)


def _command(options: argparse.Namespace, part: str, ends: float) -> list[str]:
    command = [sys.executable, "-m", "nanobrag_bench", "gpu-check", "--part", part, "--ends", str(ends)]
    command += ["--device", options.device, "--repeats", str(options.repeats)]
    command += ["--quick"] if options.quick else []
    return [*command, "--golden", str(options.golden)] if options.golden else command


def plan_of(options: argparse.Namespace) -> Plan:
    return Plan(options.device, options.repeats, QUICK if options.quick else FULL, options.golden)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nanobrag_bench gpu-check", description=__doc__, allow_abbrev=False)
    parser.add_argument("--device", default="cuda", help="cuda or cuda:N; cpu runs the same checks on the CPU")
    parser.add_argument("--repeats", type=int, default=9, help="runs of each timing")
    parser.add_argument("--only", choices=("checks", "times"), help="leave out the other half")
    parser.add_argument("--seconds", type=float, default=BUDGET_S, help="nothing begins later (default: %(default)g)")
    parser.add_argument("--quick", action="store_true", help="a few tiny images: whether everything runs")
    parser.add_argument("--golden", type=Path, metavar="FOLDER", help="golden cases; default: those of the sources")
    parser.add_argument("--here", action="store_true", help="all parts in this process")
    parser.add_argument("--part", help=argparse.SUPPRESS)  # the one part that a process of its own runs
    parser.add_argument("--ends", type=float, help=argparse.SUPPRESS)
    return parser


def main(argv: list[str]) -> int:
    """Run all checks and timings and print the tables."""
    options = _parser().parse_args(argv)
    if options.device != "cpu":
        import torch

        if not torch.cuda.is_available():
            hint = "run it where there is one, or with --device cpu"
            print(f"gpu-check: error: torch sees no CUDA device; {hint}", file=sys.stderr)
            return 2
    if options.part is not None:
        for row in rows_of(parts()[options.part].tasks(plan_of(options)), options.ends):
            print(row.as_json(), flush=True)
        return 0
    with _own_cache():
        return _report(options)


def measured(device: str, repeats: int) -> list[Row]:
    """The rows of all parts at full size."""
    options = _parser().parse_args(["--device", device, "--repeats", str(repeats)])
    with _own_cache():
        return list(all_rows(options, parts()))


@contextmanager
def _own_cache() -> Iterator[None]:
    """A folder for compiled code, which parts share; afterwards the environment is as it was."""
    before = dict(os.environ)
    try:
        with tempfile.TemporaryDirectory(prefix="cache-") as cache:
            os.environ["NANOBRAG_TORCH_CACHE"] = cache
            yield
    finally:  # the parts choose between eager and compiled code
        os.environ.clear()
        os.environ.update(before)


def _report(options: argparse.Namespace) -> int:
    chosen = {name: part for name, part in parts().items() if options.only in (None, _half(name))}
    started, rows = time.time(), []
    for row in all_rows(options, chosen):
        rows.append(row)
        if not (row.kind == "check" and row.holds and not row.note):
            print(row.as_text(), flush=True)
    from nanobrag_bench.gpu.times import about

    print("", *goals.table(rows), "", *about(options.device), sep="\n")
    if options.device == "cpu" or options.quick:
        print("The goals are those of an H100 at full size; figures of a CPU or of --quick say nothing about them.")
    failed = [row for row in rows if row.kind == "check" and not row.holds]
    missing = [row for row in rows if row.kind == "not run" and not row.holds]
    for row in [*failed, *missing]:
        print(row.as_text())
    holding = sum(row.kind == "check" and row.holds for row in rows)
    counts = f"{holding} checks hold, {len(failed)} checks failed, {len(missing)} not run for lack of time"
    print(f"{counts}; {time.time() - started:.0f} s in all")
    return 1 if failed or missing else 0


def _half(part: str) -> str:
    return "times" if part in _TIMES else "checks"

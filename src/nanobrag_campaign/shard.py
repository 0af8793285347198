"""`python -m nanobrag_campaign.shard`: simulate the frames of one shard into one HDF5 file.

The scenario and its structure factors are read once. Beside the file, NAME.json: sha256, size, times, provenance. The
file itself carries no time, so that a shard made again has the same bytes.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

os.environ["KMP_DUPLICATE_LIB_OK"] = "TRUE"  # before torch is imported: two OpenMP runtimes may meet in one process

import argparse
import json
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanobrag_campaign import frames as framing
from nanobrag_campaign.frames import Frame
from nanobrag_campaign.plan import frames_of
from nanobrag_campaign.production import Production
from nanobrag_campaign.shards import (
    Shard,
    add_shard_options,
    content_key,
    given_shard,
    parse_settings,
    sample,
    shard_file,
    side_file,
)
from trace_audit.config.campaign import Campaign
from trace_audit.config.scenario import load_scenario, scenario_path
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import readable_json, sha256_of_file, write_atomic
from trace_audit.programs.reference import named_words

if TYPE_CHECKING:
    from nanobrag_torch.io.hdf5 import Nxmx

PROGRESS_INTERVAL_S = 10.0


@dataclass
class Work:
    """A shard with all that its simulation needs."""

    settings: Campaign
    shard: Shard
    frames: list[Frame]
    scenario: Scenario
    series: Any
    invocation_words: list[str]
    input_sha256: dict[str, str]
    device: str
    dtype: str
    noise: dict[str, Any] | None = None  # which generator makes the counts, if any does


def prepare(options: argparse.Namespace) -> Work:
    """Read the scenario and its structure factors. Raises InputError."""
    import torch

    from nanobrag_torch.cli.device import check_name, present
    from nanobrag_torch.cli.experiment_builder import dtype_of
    from nanobrag_torch.errors import ExperimentError
    from nanobrag_torch.simulator.series import Series

    settings, shard = parse_settings(options.settings), given_shard(options)
    folder = scenario_path(shard.scenario, options.scenario_dir).parent
    scenario = load_scenario(shard.scenario, options.scenario_dir)
    rows = frames_of(settings, scenario, shard.first, shard.count)
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        arguments, files = framing.frame_words(scenario, rows[0], settings, Path(inputs), options.hkl, folder)
        try:
            device, dtype = present(check_name(settings.device)), dtype_of(settings.dtype)
            experiment = framing.experiment_of(arguments, rows[0])
            with torch.no_grad():
                series = Series(experiment, device, dtype, max(shard.count, options.campaign_frames))
        except ExperimentError as error:
            raise InputError(f"shard {shard.name}: {error}") from None
        arguments, hashes = named_words(arguments, files), files.hashes()
    hashes.pop("matrix", None)  # written for the first frame
    return Work(settings, shard, rows, scenario, series, arguments, hashes, device, settings.dtype)


def simulate(work: Work, path: Path, progress: Callable[[int], None]) -> dict[str, float]:
    """Simulate every frame into the file `path`; returns the seconds of its parts."""
    import h5py

    from nanobrag_campaign.nxmx import add_expected, finish_file, start_file

    settings = work.settings
    noise = settings.noise
    kept = [] if noise.generator == "none" else sample(work.shard, settings.audit.frames_per_shard, settings.audit.seed)
    with h5py.File(path, "w", libver="earliest") as file:
        data = start_file(file, _description(work), _shape(work), work.frames, settings.compression, noise)
        expected = add_expected(file, _shape(work), kept, settings.compression) if kept else None
        made = Production(settings, work.shard, work.frames, work.scenario, work.series, data, expected, kept)
        work.noise = made.story() if noise.generator != "none" else None
        finish_file(file, made.run(progress), provenance(work))
    return made.seconds


def _shape(work: Work) -> tuple[int, int]:
    geometry = work.series.first.geometry
    return geometry.n_slow, geometry.n_fast


def _description(work: Work) -> "Nxmx":
    from nanobrag_torch.cli.experiment_builder import dtype_of
    from nanobrag_torch.cli.invocation import Invocation, Outputs
    from nanobrag_torch.cli.write import nxmx

    invocation = Invocation(
        tuple(work.invocation_words), work.series.experiment, Outputs(), work.device, dtype_of(work.dtype)
    )
    return nxmx(invocation, work.series.first)


def provenance(work: Work) -> dict[str, Any]:
    """Everything that the frames depend on, without times and places."""
    from nanobrag_torch._version import __version__

    return {
        "program": "nanobrag_campaign",
        "version": __version__,
        "scenario": work.scenario.model_dump(mode="json", exclude_defaults=True),
        "settings": json.loads(content_key(work.settings)),
        "shard": {"scenario": work.shard.scenario, "index": work.shard.index, "first_frame": work.shard.first},
        "command_line_of_first_frame": shlex.join(work.invocation_words),
        "input_sha256": work.input_sha256,
        "device_type": work.device.partition(":")[0],
        "dtype": work.dtype,
        **({} if work.noise is None else {"noise": work.noise}),
    }


class Progress:
    """A line on standard error now and then: frames done, frames a second, seconds left."""

    def __init__(self, name: str, total: int):
        self.name, self.total = name, total
        self.started = self.said = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self.said < PROGRESS_INTERVAL_S and done < self.total:
            return
        self.said = now
        rate = done / max(now - self.started, 1e-9)
        left = (self.total - done) / rate
        print(
            f"{self.name}: {done}/{self.total} frames, {rate:.3g} frames/s, {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def run(work: Work, folder: Path) -> dict[str, Any]:
    """Write the file of a shard, completely or not at all, then its record; returns the record."""
    from nanobrag_torch.io.writing import replace_with

    out = shard_file(folder, work.shard)
    out.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in out.parent.glob(f".{out.name}.*.part"):  # a killed job of this shard; no other writes it now
        abandoned.unlink()
    began, wall, cpu = time.time(), time.perf_counter(), time.process_time()
    parts: dict[str, float] = {}
    progress = Progress(work.shard.name, work.shard.count)
    replace_with(out, lambda aside: parts.update(simulate(work, aside, progress)), follow=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    record = {
        "file": out.name,
        "sha256": sha256_of_file(out),
        "bytes": out.stat().st_size,
        "frames": work.shard.count,
        "shape_slow_fast": list(_shape(work)),
        "frames_per_s": work.shard.count / wall,
        "interval_s": [began, began + wall],  # since 1970
        "seconds": {"wall": wall, "cpu": cpu, **parts},
        "provenance": provenance(work),
        "compiled": work.series.compiled,
        "environment": environment(work),
    }
    write_atomic(side_file(folder, work.shard), readable_json(record))
    return record


def environment(work: Work) -> dict[str, Any]:
    """What a run depends on besides its inputs."""
    from trace_audit.programs.environment import capture

    return capture(Path.cwd(), lambda: None)[1]


def main(argv: list[str]) -> int:
    """Simulate one shard."""
    parser = argparse.ArgumentParser(prog="python -m nanobrag_campaign.shard", description=__doc__, allow_abbrev=False)
    add_shard_options(parser)
    parser.add_argument(
        "--campaign-frames",
        type=int,
        default=0,
        metavar="N",
        help="frames of all shards; where they are many, the kernel is compiled for this machine before the first",
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads that simulate (1)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the campaign's folder")
    options = parser.parse_args(argv)
    if options.threads < 1:
        raise InputError(f"--threads {options.threads}: expected 1 or more")
    import torch

    torch.set_num_threads(options.threads)
    record = run(prepare(options), options.out)
    rate = f"{record['frames_per_s']:.3g} frames/s"
    print(f"{record['file']}: {record['frames']} frames, {rate}, {record['bytes']} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

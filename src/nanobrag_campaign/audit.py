"""`python -m nanobrag_campaign.audit`: a random sample of a shard's frames, simulated again by the C program.

First the file's hash is compared with the recorded one. The C program gets the command line of the frame, made from the
settings; its image and the stored one must agree as whole images do (src/trace_audit/data/image_tolerances.json).
A frame that differs is a verdict, not an error: the gate reacts to it. Where frames have noise, what is held against C
is the image that the counts were drawn from, which the shard keeps for the frames of the sample; from it the counts are
drawn again, and every one must be as stored.
"""

import argparse
import shlex
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nanobrag_campaign import verify
from nanobrag_campaign.frames import Frame, frame_words
from nanobrag_campaign.noise import again as draw_again
from nanobrag_campaign.plan import frames_of
from nanobrag_campaign.shards import Shard, add_shard_options, given_shard, parse_settings, sample, shard_file
from trace_audit.config.campaign import Campaign, Noise
from trace_audit.config.scenario import load_scenario, scenario_path
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.documents import problem_of
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import parse_json, readable_json, write_atomic
from trace_audit.core.result_documents import NoiseStory
from trace_audit.images.image_comparison import allowed_of_peak, bars_sha256, compare_images, read_image
from trace_audit.programs.image_run import run_c
from trace_audit.programs.reference import DEFAULT_TIME_LIMIT_S, named_words


class Stored(NamedTuple):
    """A frame of a shard: expected photons (slow, fast), float64, and the counts drawn from them, if any were."""

    photons: np.ndarray
    counts: np.ndarray | None
    noise: dict[str, Any]  # how they were drawn


def stored_frame(path: Path, index: int, frame: Frame, noisy: bool) -> Stored:
    """A frame from its shard. Raises InputError if the file says it is another one."""
    import h5py
    import hdf5plugin  # noqa: F401 - lets h5py read what is compressed

    from nanobrag_campaign.nxmx import DATA, EXPECTED, MISSET, NUMBER, PROVENANCE, WAVELENGTH

    try:
        with h5py.File(path) as file:
            labels = (int(file[NUMBER][index]), tuple(file[MISSET][index]), float(file[WAVELENGTH][index]))
            image: np.ndarray = file[DATA][index]
            stored = Stored(image.astype(float), None, {})
            if noisy:
                position = file[EXPECTED].attrs["index_in_file"].tolist().index(index)
                told = parse_json(file[PROVENANCE].asstr()[()])["noise"]
                if problem := problem_of(told, NoiseStory):
                    raise ValueError(f"its provenance: noise: {problem}")
                stored = Stored(file[EXPECTED][position].astype(float), image, told)
    except (OSError, KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(f"{path}: frame {index}: {' '.join(str(error).split())}; {verify.MEND}") from None
    if labels != (frame.number, frame.misset_deg, frame.wavelength_A):
        raise InputError(f"{path}: frame {index} is {labels}, expected {frame}; {verify.MEND}")
    return stored


COMPARED = {
    False: "the stored image with the C program's",
    True: "the expected photons with the C program's, and every count with that drawn again from them",
}


def c_image(
    arguments: list[str], binary: Path, shape: tuple[int, int], time_limit_s: float, folder: Path
) -> tuple[np.ndarray, dict[str, Any]]:
    """The C program's image of a frame (slow, fast) and what is recorded of the run. Raises InputError."""
    path = folder / "floatimage.bin"
    run = run_c(binary, arguments, path, time_limit_s)
    failure = run.failure(time_limit_s)
    if failure is not None:
        raise InputError(f"reference program {binary} {failure}; its command line: {shlex.join(arguments)[:2000]}")
    return read_image(path, shape, "C"), {"program": binary.name, "exit_code": run.exit_code}


def compare_frame(
    settings: Campaign, shard: Shard, index: int, frame: Frame, scenario: Scenario, options: argparse.Namespace
) -> dict[str, Any]:
    """The verdict on one frame, JSON-ready."""
    folder = scenario_path(shard.scenario, options.scenario_dir).parent
    noisy = settings.noise.generator != "none"
    stored = stored_frame(shard_file(options.folder, shard), index, frame, noisy)
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs, tempfile.TemporaryDirectory(prefix="image-") as away:
        flags, files = frame_words(scenario, frame, settings, Path(inputs), options.hkl, folder)
        image, run = c_image(flags, options.binary, stored.photons.shape, options.time_limit_s, Path(away))
        arguments = named_words(flags, files)
    comparison = compare_images(image, stored.photons)
    worst, other_counts = comparison.worst[0], _other_counts(stored, frame, shard, settings.noise)
    agrees = comparison.agrees(settings.dtype) and not other_counts
    return {
        "frame": frame.number,
        "index_in_file": index,
        "status": "pass" if agrees else "fail",
        "compared": COMPARED[noisy],
        "other_counts": other_counts,
        "worst_difference_of_peak": comparison.of_peak,
        "peak": comparison.peak,
        "worst_pixel_slow_fast": [worst.slow, worst.fast],
        "c": worst.c,
        "stored": worst.py,
        "correlation": comparison.correlation,
        "remarks": list(comparison.remarks),
        "arguments": arguments,
        **run,
    }


def _other_counts(stored: Stored, frame: Frame, shard: Shard, noise: Noise) -> int:
    """How many pixels have another count than the one drawn again from the expected photons that were kept."""
    if stored.counts is None:
        return 0
    drawn = draw_again(stored.photons.astype(np.float32), frame.number, shard, noise, stored.noise)
    return int(np.count_nonzero(drawn != stored.counts))


def audit(options: argparse.Namespace) -> dict[str, Any]:
    """The verdict on a shard, JSON-ready. Raises InputError if its file is not as it was written."""
    settings, shard = parse_settings(options.settings), given_shard(options)
    fault = verify.fault(options.folder, shard)
    if fault is not None:
        raise InputError(fault)
    scenario = load_scenario(shard.scenario, options.scenario_dir)
    frames = frames_of(settings, scenario, shard.first, shard.count)
    chosen = sample(shard, settings.audit.frames_per_shard, settings.audit.seed)
    rows = [compare_frame(settings, shard, index, frames[index], scenario, options) for index in chosen]
    return {
        "status": "fail" if any(row["status"] == "fail" for row in rows) else "pass",
        "shard": shard.name,
        "sha256": verify.side_record(options.folder, shard)["sha256"],
        "dtype": settings.dtype,
        "tolerance_of_peak": allowed_of_peak(settings.dtype),
        "tolerances_sha256": bars_sha256(),
        "worst_difference_of_peak": max((row["worst_difference_of_peak"] for row in rows), default=None),
        "frames": rows,
    }


def main(argv: list[str]) -> int:
    """Audit one shard; exit status 0 whatever the verdict."""
    parser = argparse.ArgumentParser(prog="python -m nanobrag_campaign.audit", description=__doc__, allow_abbrev=False)
    add_shard_options(parser)
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="the campaign's folder with shards/")
    parser.add_argument("--binary", type=Path, required=True, metavar="FILE", help="the C program")
    parser.add_argument("--time-limit-s", type=float, default=DEFAULT_TIME_LIMIT_S, metavar="SECONDS")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the verdict, JSON")
    options = parser.parse_args(argv)
    result = audit(options)
    write_atomic(options.out, readable_json(result))
    worst = result["worst_difference_of_peak"]
    said = "no frame audited" if worst is None else f"{len(result['frames'])} frames, worst {worst:.1e} of the peak"
    print(f"{result['shard']}: {result['status']}, {said}")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

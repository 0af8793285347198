"""Noise of a campaign's frames, as the config states it: drawn on the device, or as the C program draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanobrag_campaign.shards import Shard
from trace_audit.config.campaign import Noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from nanobrag_torch.noise.detector import DetectorNoise, Drawing, Stream

NAMES = {"none": "none", "philox": "Philox 4x32-10", "classic": "nanoBragg's own"}
_UM_PER_M = 1e6
_SEEDS = 2**31 - 2  # the classic generator has as many


def bytes_per_pixel(noise: Noise) -> int:
    """Bytes of a stored pixel, before compression."""
    return 2 if noise.generator != "none" and noise.largest_count < 2**16 else 4


def detector_noise(noise: Noise, pixel_m: float) -> DetectorNoise:
    """The noise of a detector with these pixels."""
    from nanobrag_torch.noise.detector import DetectorNoise

    return DetectorNoise(
        gain=noise.gain_counts_per_photon,
        readout_sigma=noise.readout_sigma_counts,
        offset=noise.offset_counts,
        point_spread_fwhm_px=noise.point_spread_fwhm_um / (pixel_m * _UM_PER_M),
        largest=noise.largest_count,
    )


def stream_of(noise: Noise, scenario: str) -> Stream:
    """The random numbers of a scenario's frames."""
    from nanobrag_torch.noise.detector import Stream

    return Stream(noise.seed, scenario)


def drawn(
    images: torch.Tensor, frames: Sequence[int], noise: Noise, scenario: str, pixel_m: float, drawing: Drawing
) -> torch.Tensor:
    """Counts (n, slow, fast) of images of expected photons whose frame numbers are given, by the counter-based one."""
    from nanobrag_torch.noise.detector import counts_of

    return counts_of(images, frames, stream_of(noise, scenario), detector_noise(noise, pixel_m), drawing)


def classic_seed(noise: Noise, frame: int) -> int:
    """The value of -seed for a frame: 1 .. 2^31 - 2."""
    return (noise.seed + frame) % _SEEDS + 1


def classic(image: np.ndarray, frame: int, noise: Noise, roi: Sequence[int]) -> np.ndarray:
    """Counts (slow, fast) of an image of expected photons by nanoBragg's generator, as -noisefile holds them."""
    from nanobrag_torch.io.noise import noise_image
    from nanobrag_torch.physics.random_numbers import SharedTable, UniformStream

    stream = UniformStream(SharedTable(), -classic_seed(noise, frame))
    fast_min, fast_max, slow_min, slow_max = roi
    return noise_image(image, (fast_min, fast_max, slow_min, slow_max), noise.offset_counts, stream).counts


def again(image: np.ndarray, frame: int, shard: Shard, noise: Noise, told: dict[str, Any]) -> np.ndarray:
    """Counts of a frame, drawn again on the CPU from the expected photons that were kept; `told` as in `story`."""
    import torch

    from nanobrag_torch.noise.compiled import drawing_for

    if noise.generator == "classic":
        return classic(image, frame, noise, told["roi"])
    expected, cpu = torch.from_numpy(np.ascontiguousarray(image))[None], torch.device("cpu")
    made = drawn(expected, [frame], noise, shard.scenario, told["pixel_m"], drawing_for(cpu))[0]
    counts: np.ndarray = made.numpy()
    return counts


def story(noise: Noise, scenario: str, pixel_m: float, roi: Sequence[int]) -> dict[str, Any]:
    """Which generator makes the counts, with all that they depend on beside the expected photons, JSON-ready."""
    from nanobrag_torch.noise.detector import Stream

    told = {**noise.model_dump(), "name": NAMES[noise.generator], "pixel_m": pixel_m, "roi": list(roi)}
    if noise.generator == "philox":
        stream = Stream(noise.seed, scenario)
        told |= {"key": list(stream.key), "counter": ["pixel", "frame", stream.number, "use and attempt"]}
    return told

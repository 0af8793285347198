"""From expected photons to stored counts: photons are drawn, spread, amplified, read out and rounded.

(N5) counts = floor(gain (K * n) + offset + sigma g + 1/2), cut to 0 .. largest: n ~ Poisson(I) photons, K the point
        spread, gain in counts a photon, g a standard normal number by the quantile of a deviate, sigma in counts
(N6) K: a Gaussian of the full width at half maximum that is given, integrated over each pixel, cut at
        4 sigma + 1 pixels, its weights rounded to 2^-30 so that their sum is 1 exactly; light that would leave the
        detector is reflected at its edge, so that the sum of an image stays
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from nanobrag_torch.noise import poisson
from nanobrag_torch.noise.functions import normal_quantile
from nanobrag_torch.noise.philox import philox, uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

_32_BITS = 0xFFFFFFFF
PHOTONS, READOUT = 0, 1  # the use of a block of the generator
_USE_SHIFT = 24
_SIGMA_PER_FWHM = 1.0 / math.sqrt(8.0 * math.log(2.0))
_WEIGHT_UNIT = 2**30
LARGEST_16_BITS, LARGEST_32_BITS = 2**16 - 1, 2**32 - 1


@dataclass(frozen=True)
class DetectorNoise:
    """What a detector does to photons; lengths in pixels, see (N5)."""

    gain: float = 1.0  # counts a photon
    readout_sigma: float = 0.0  # counts
    offset: float = 0.0  # counts
    point_spread_fwhm_px: float = 0.0
    largest: int = LARGEST_16_BITS  # count; larger values are stored as this

    @property
    def dtype(self) -> torch.dtype:
        """Of what is stored."""
        return torch.uint16 if self.largest <= LARGEST_16_BITS else torch.uint32


@dataclass(frozen=True)
class Stream:
    """The random numbers of a seed, for one series of frames (for example the name of a scenario)."""

    seed: int
    series: str = ""

    @property
    def key(self) -> tuple[int, int]:
        return self.seed & _32_BITS, (self.seed >> 32) & _32_BITS

    @property
    def number(self) -> int:
        """Of the series, a word of the counter."""
        return zlib.crc32(self.series.encode())


class Drawing(Protocol):
    """The three steps: torch's own operations here, compiled code in `compiled.py`."""

    def photons(self, images: torch.Tensor, frames: Sequence[int], stream: Stream) -> torch.Tensor:
        """Photons of images (n, slow, fast) of expected photons, float64."""

    def spread(self, photons: torch.Tensor, fwhm_px: float) -> torch.Tensor:
        """Photons after the point spread."""

    def read_out(
        self, signal: torch.Tensor, frames: Sequence[int], stream: Stream, noise: DetectorNoise
    ) -> torch.Tensor:
        """Counts of the signal (n, slow, fast) in photons, of type `noise.dtype`."""


class ByTorch:
    """All by torch's own operations, on any device."""

    def photons(self, images: torch.Tensor, frames: Sequence[int], stream: Stream) -> torch.Tensor:
        means = images.double().reshape(-1)
        pixels = images[0].numel()
        numbers = frame_numbers(frames, means.device)

        def uniforms(positions: torch.Tensor, attempt: int) -> tuple[torch.Tensor, torch.Tensor]:
            frame = torch.div(positions, pixels, rounding_mode="floor")
            counter = positions - frame * pixels, numbers[frame], stream.number, use_word(PHOTONS) | attempt
            random_words = philox(_counter(*counter), stream.key)
            return uniform(*random_words[:2]), uniform(*random_words[2:])

        return poisson.draw(means, uniforms).view(images.shape)

    def spread(self, photons: torch.Tensor, fwhm_px: float) -> torch.Tensor:
        weights = spread_weights(fwhm_px)
        return _spread_along(_spread_along(photons, weights, 1), weights, 2)

    def read_out(
        self, signal: torch.Tensor, frames: Sequence[int], stream: Stream, noise: DetectorNoise
    ) -> torch.Tensor:
        counts = signal * noise.gain + noise.offset
        if noise.readout_sigma > 0:
            pixel = torch.arange(signal[0].numel(), device=signal.device).view(signal.shape[1:])
            number = frame_numbers(frames, signal.device).view(-1, 1, 1)
            random_words = philox(_counter(pixel, number, stream.number, use_word(READOUT)), stream.key)
            counts = counts + noise.readout_sigma * normal_quantile(uniform(random_words[0], random_words[1]))
        return torch.floor(counts + 0.5).clamp(0.0, float(noise.largest)).long().to(noise.dtype)


def use_word(use: int) -> int:
    """The last word of the counter, to which the number of an attempt is added."""
    return use << _USE_SHIFT


def sent(numbers: Sequence[int], device: torch.device) -> torch.Tensor:
    """Whole numbers on a device, which is not waited for."""
    on_host = torch.tensor(numbers, dtype=torch.int64, device="cpu")
    return on_host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else on_host.to(device)


def frame_numbers(frames: Sequence[int], device: torch.device) -> torch.Tensor:
    """As words of the counter."""
    return sent([number & _32_BITS for number in frames], device)


def _counter(
    pixel: torch.Tensor, frame: torch.Tensor, series: int, use: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    return pixel, frame, torch.full_like(pixel, series), torch.full_like(pixel, use)


def spread_weights(fwhm_px: float) -> list[float]:
    """Of the pixel itself and of its neighbours on one side; what is rounded off is added to the pixel itself."""
    sigma = fwhm_px * _SIGMA_PER_FWHM
    reach = math.ceil(4.0 * sigma) + 1

    def share(distance: int) -> float:
        edges = ((distance + side) / (sigma * math.sqrt(2.0)) for side in (0.5, -0.5))
        upper, lower = (math.erf(edge) for edge in edges)
        return (upper - lower) / 2.0

    aside = [round(share(distance) * _WEIGHT_UNIT) for distance in range(1, reach + 1)]
    return [count / _WEIGHT_UNIT for count in (_WEIGHT_UNIT - 2 * sum(aside), *aside)]


def _spread_along(photons: torch.Tensor, weights: list[float], dimension: int) -> torch.Tensor:
    size = photons.shape[dimension]
    total = photons * weights[0]
    positions = torch.arange(size, device=photons.device)
    for distance, weight in enumerate(weights[1:], start=1):
        both = (photons.index_select(dimension, _reflected(positions + step, size)) for step in (-distance, distance))
        before, after = both
        total = total + (before + after) * weight
    return total


def _reflected(positions: torch.Tensor, size: int) -> torch.Tensor:
    """Places on a line of pixels, those beyond an end mirrored in it, as often as it takes."""
    around = positions.remainder(2 * size)
    return torch.where(around < size, around, 2 * size - 1 - around)


def counts_of(
    images: torch.Tensor, frames: Sequence[int], stream: Stream, noise: DetectorNoise, drawing: Drawing | None = None
) -> torch.Tensor:
    """The stored counts of images (n, slow, fast) of expected photons with these frame numbers (N5).

    Nothing waits for the device if the drawing does not. The caller must check for non-finite pixels.
    """
    drawing = ByTorch() if drawing is None else drawing
    signal = drawing.photons(images, frames, stream)
    if noise.point_spread_fwhm_px > 0:
        signal = drawing.spread(signal, noise.point_spread_fwhm_px)
    return drawing.read_out(signal, frames, stream, noise)

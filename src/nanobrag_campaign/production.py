"""From orientations to frames in a file: images by the launch, noise on the device, copies and writing in parallel.

The frames of a launch are made, spread into counts and copied without waiting; a second thread waits for the copies,
checks compiled code and that every pixel is a number, compresses and writes, during the next launch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobrag_campaign import frames as framing
from nanobrag_campaign import noise as noises
from nanobrag_campaign.frames import Frame
from nanobrag_campaign.shards import Shard
from nanobrag_campaign.writer import Writer
from trace_audit.config.campaign import Campaign
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError

if TYPE_CHECKING:
    import torch

    from nanobrag_torch.simulator.batch import Batch
    from nanobrag_torch.simulator.series import Series

FRAMES_ON_A_GPU = 16
FRAMES_ON_A_CPU, BYTES_ON_A_CPU = 8, 1 << 23  # whichever is less: a few launches wait to be written
_BYTES_OF_A_PIXEL = 4


@dataclass
class Production:
    """Frames of a shard on their way into `data` (n, slow, fast); `expected` takes the photons of those in `kept`."""

    settings: Campaign
    shard: Shard
    frames: Sequence[Frame]
    scenario: Scenario
    series: Series
    data: Any
    expected: Any = None
    kept: Sequence[int] = ()
    seconds: dict[str, float] = field(
        default_factory=lambda: {"prepare": 0.0, "image": 0.0, "noise": 0.0, "hand_over": 0.0}
    )

    def __post_init__(self) -> None:
        from nanobrag_torch.noise.compiled import drawing_for
        from nanobrag_torch.physics.tensors import number

        first = self.series.first
        self.pixel_m = number(first.geometry.pixel_size_m)
        self._philox = self.settings.noise.generator == "philox"
        self._drawing = drawing_for(first.device) if self._philox else None

    @property
    def frames_per_launch(self) -> int:
        """Frames that are made together."""
        first = self.series.first
        if self.settings.frames_per_launch or first.device.type != "cpu":
            return self.settings.frames_per_launch or FRAMES_ON_A_GPU
        geometry = first.plain_host.geometry
        bytes_of_a_frame = geometry.n_slow * geometry.n_fast * _BYTES_OF_A_PIXEL
        return max(1, min(FRAMES_ON_A_CPU, BYTES_ON_A_CPU // bytes_of_a_frame))

    def story(self) -> dict[str, Any]:
        """Which generator makes the counts, JSON-ready."""
        return noises.story(self.settings.noise, self.shard.scenario, self.pixel_m, self.series.first.roi)

    def run(self, progress: Callable[[int], None]) -> np.ndarray:
        """Make all frames; returns their reciprocal vectors (n, 3, 3). Raises InputError for a non-finite pixel."""
        import torch

        total, at_once = len(self.frames), self.frames_per_launch
        reciprocal = np.empty((total, 3, 3))
        with torch.no_grad(), Writer() as writer:
            for first in range(0, total, at_once):
                last = min(first + at_once, total)
                self._launch(first, last, reciprocal, writer)
                progress(last)
        return reciprocal

    def _launch(self, first: int, last: int, reciprocal: np.ndarray, writer: Writer) -> None:
        from nanobrag_torch.simulator.batch import images_of

        marks = [time.perf_counter()]
        rows = self.frames[first:last]
        simulations = framing.simulations_of(self.series, self.scenario, rows)
        for index, simulation in enumerate(simulations, start=first):
            reciprocal[index] = simulation.host.cell.reciprocal_per_A.numpy()
        marks.append(time.perf_counter())
        batch = images_of(simulations, trust_later=first > 0)  # the first is known to be right at once
        marks.append(time.perf_counter())
        stored = self._stored(batch, first)
        marks.append(time.perf_counter())
        writer.put(partial(self._finish, batch, self._copies(batch, stored, first), first))
        marks.append(time.perf_counter())
        for name, start, end in zip(self.seconds, marks, marks[1:], strict=False):
            self.seconds[name] += end - start

    def _stored(self, batch: Batch, first: int) -> torch.Tensor:
        """The stored values, as far as the device computes them."""
        if self._drawing is None:
            return batch.images
        numbers = [frame.number for frame in self.frames[first : first + len(batch.images)]]
        return noises.drawn(
            batch.images, numbers, self.settings.noise, self.shard.scenario, self.pixel_m, self._drawing
        )

    def _copies(self, batch: Batch, stored: torch.Tensor, first: int) -> Callable[[], list[torch.Tensor]]:
        from nanobrag_torch.simulator.batch import copies_to_host

        kept = [batch.images[index - first] for index in self.kept if first <= index < first + len(batch.images)]
        return copies_to_host([batch.digest, stored, *kept])

    def _finish(self, batch: Batch, copies: Callable[[], list[torch.Tensor]], first: int) -> None:
        """The work of the second thread."""
        digest, stored, *kept = copies()
        why = batch.doubt(digest)
        if why is not None:
            batch = batch.made_again(why)
            digest, stored, *kept = self._copies(batch, self._stored(batch, first), first)()
        bad = batch.not_finite(digest)
        if bad is not None:
            raise InputError(self._not_a_number(batch, bad, first))
        for index, frame in enumerate(stored.numpy(), start=first):
            self.data[index] = self._counted(index, frame)
        rows = [row for row, index in enumerate(self.kept) if first <= index < first + len(stored)]
        for row, image in zip(rows, kept, strict=True):
            self.expected[row] = image.numpy()

    def _counted(self, index: int, frame: np.ndarray) -> np.ndarray:
        if self.settings.noise.generator != "classic":
            return frame
        return noises.classic(frame, self.frames[index].number, self.settings.noise, self.series.first.roi)

    def _not_a_number(self, batch: Batch, bad: int, first: int) -> str:
        image = batch.images[bad].cpu().numpy()
        slow, fast = np.argwhere(~np.isfinite(image))[0]
        return (
            f"{framing.place_of(self.shard, self.frames[first + bad])}: pixel ({slow}, {fast}) (slow, fast) is "
            f"{image[slow, fast]}, expected photons; trace it with -trace_pixel"
        )

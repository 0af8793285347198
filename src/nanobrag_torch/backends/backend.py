"""The interface of a backend: what the sum in `integrate` asks of the kernel for one tile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch

from nanobrag_torch import kernel
from nanobrag_torch.hooks import Hook, Hooks
from nanobrag_torch.model import Model


class Description(NamedTuple):
    """What made an image: `eager`, or `compiled` from source code of that digest, by that compiler."""

    name: str
    source_sha256: str = ""  # one digest for each program, in the order of their names
    compiler: str = ""  # with its options

    def __str__(self) -> str:
        if not self.compiler:
            return f"{self.name} code"
        return f"{self.name} code (source sha256 {self.source_sha256}; {self.compiler})"


class Backend(Protocol):
    """The stages for one model, and how much one pass holds. `rays` and `light` are whatever the stages return."""

    pixels: int  # in a tile
    rays_at_once: int
    orientations: int  # crystal orientations in a pass
    description: Description
    name: str  # eager or compiled
    why: str  # it was chosen

    def for_model(self, model: Model, changed: Mapping[str, torch.Tensor] | None = None) -> Backend:
        """This backend for a model whose tensors have other values and which is otherwise the same.

        `changed`: the tensors that are not those of this backend's model, by dotted names, if it is known which.
        """

    def of_tile(self) -> Backend:
        """The same for the pixels of one tile, of which it may keep something."""

    def photons(
        self,
        fast: torch.Tensor,
        slow: torch.Tensor,
        image_dtype: torch.dtype,
        into: torch.Tensor | None = None,
        hooks: Hooks | None = None,
    ) -> torch.Tensor | None:
        """Photons of a whole tile (pixels,), written to `into` if given; None if the backend works in stages."""

    def rays(
        self, fast: torch.Tensor, slow: torch.Tensor, samples: kernel.Samples, hook: Hook | None = None
    ) -> Any: ...

    def of_sample(self, rays: Any, number: int, pixels: int) -> Any:
        """The rays of one sample, out of rays that hold several samples of `pixels` pixels each."""

    def solid_angle_sr(self, rays: Any, hook: Hook | None = None) -> torch.Tensor: ...

    def capture(self, rays: Any, samples: kernel.Samples, hook: Hook | None = None) -> torch.Tensor: ...

    def illuminate(self, rays: Any, source: int, hook: Hook | None = None) -> Any: ...

    def polar(self, rays: Any, light: Any, source: int, hook: Hook | None = None) -> torch.Tensor: ...

    def cos_2theta(self, rays: Any, source: int) -> torch.Tensor:
        """Cosine of each ray's scattering angle (rays,); only hooks ask for it."""

    def scattered(self, light: Any, first: int, last: int, hook: Hook | None = None) -> torch.Tensor: ...

"""Masks of a detector where programs read them: sent once, as long as they do not change."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import NamedTuple

import torch
from torch.utils.weak import WeakTensorKeyDictionary

_RUN = 64  # pixels that are computed together
_WASTED = 1.25  # times the pixels that a mask leaves may be computed, rather than lists of pixels be made and read
_KEPT: MutableMapping[torch.Tensor, tuple[object, bool, torch.Tensor | None, int]] = WeakTensorKeyDictionary()


class Mask(NamedTuple):
    """A mask (slow, fast) where it is read, and a pixel that it does not hide, counted in storage order."""

    mask: torch.Tensor
    visible: int


def on_device(mask: torch.Tensor, roi: tuple[int, int, int, int], device: torch.device) -> Mask | None:
    """The mask (slow, fast) on a device; None where most runs of pixels of the region have few that are computed."""
    if mask.is_inference():  # nobody counts its changes
        return Mask(_there(mask, device), _visible(mask)) if worth_reading(mask, roi) else None
    what = device, roi, mask._version
    kept, pays, there, visible = _KEPT.get(mask, (None, False, None, 0))
    if kept != what:
        pays = worth_reading(mask, roi)
        there = _there(mask, device) if pays and mask.device.type != device.type else None
        visible = _visible(mask) if pays else 0
        _KEPT[mask] = what, pays, there, visible
    if not pays:
        return None
    return Mask(mask.contiguous() if there is None else there, visible)


def _visible(mask: torch.Tensor) -> int:
    """The first pixel that is not hidden, 0 where all are."""
    return int(mask.reshape(-1).to(torch.uint8).argmax())


def _there(mask: torch.Tensor, device: torch.device) -> torch.Tensor:
    waits = device.type == "cuda" and mask.device.type == "cpu"
    whole = mask.contiguous()
    return (whole.pin_memory() if waits else whole).to(device, non_blocking=waits)


def worth_reading(mask: torch.Tensor, roi: tuple[int, int, int, int]) -> bool:
    x_min, x_max, y_min, y_max = roi
    part = mask[y_min : y_max + 1, x_min : x_max + 1].reshape(-1)
    runs = torch.cat([part, part.new_zeros(-part.numel() % _RUN)]).view(-1, _RUN)
    return int(runs.any(1).sum()) * _RUN <= _WASTED * int(part.sum()) + _RUN

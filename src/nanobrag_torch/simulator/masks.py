"""Masks of a detector where programs read them: sent once, as long as they do not change."""

from __future__ import annotations

from collections.abc import MutableMapping

import torch
from torch.utils.weak import WeakTensorKeyDictionary

_RUN = 64  # pixels that are computed together
_WASTED = 1.25  # times the pixels that a mask leaves may be computed, rather than lists of pixels be made and read
_KEPT: MutableMapping[torch.Tensor, tuple[object, bool, torch.Tensor | None]] = WeakTensorKeyDictionary()


def on_device(mask: torch.Tensor, roi: tuple[int, int, int, int], device: torch.device) -> torch.Tensor | None:
    """The mask (slow, fast) on a device; None where most runs of pixels of the region have few that are computed."""
    if mask.is_inference():  # nobody counts its changes
        return _there(mask, device) if worth_reading(mask, roi) else None
    what = device, roi, mask._version
    kept, pays, there = _KEPT.get(mask, (None, False, None))
    if kept != what:
        pays = worth_reading(mask, roi)
        there = _there(mask, device) if pays and mask.device.type != device.type else None
        _KEPT[mask] = what, pays, there
    if not pays:
        return None
    return mask.contiguous() if there is None else there


def _there(mask: torch.Tensor, device: torch.device) -> torch.Tensor:
    waits = device.type == "cuda" and mask.device.type == "cpu"
    whole = mask.contiguous()
    return (whole.pin_memory() if waits else whole).to(device, non_blocking=waits)


def worth_reading(mask: torch.Tensor, roi: tuple[int, int, int, int]) -> bool:
    x_min, x_max, y_min, y_max = roi
    part = mask[y_min : y_max + 1, x_min : x_max + 1].reshape(-1)
    runs = torch.cat([part, part.new_zeros(-part.numel() % _RUN)]).view(-1, _RUN)
    return int(runs.any(1).sum()) * _RUN <= _WASTED * int(part.sum()) + _RUN

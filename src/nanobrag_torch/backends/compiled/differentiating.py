"""Derivatives of recorded results by what they depend on, with loops over samples and sources too."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from nanobrag_torch.backends.compiled.capture import Recorder
from nanobrag_torch.backends.compiled.carrying import Sum
from nanobrag_torch.backends.compiled.recorded import ORIENTATION, RAY

Tensors = Sequence[torch.Tensor]


def slopes(
    results: Tensors, upstream: Tensors, by: Tensors, sums: Sequence[Sum] | None = None
) -> tuple[list[torch.Tensor], list[torch.Tensor] | None]:
    """The sum over results of the derivatives of each, times the number given for it.

    Where loops go through samples and sources to make `sums`, it has two parts: what each pass adds, and what comes
    after them. The results are linear in those sums, so by each sum they have a derivative that does not depend on any
    of them, and is known in every pass.
    """
    if sums is None:
        return _slopes(results, upstream, by), None
    by_results = _slopes(results, upstream, [*by, *(one.total for one in sums)])
    by_sums = by_results[len(by) :]
    from_starts = _slopes([one.start for one in sums], by_sums, by)
    in_pass = _slopes([one.added for one in sums], by_sums, by)
    return in_pass, [a + b for a, b in zip(by_results[: len(by)], from_starts, strict=True)]


def _slopes(results: Tensors, upstream: Tensors, by: Tensors) -> list[torch.Tensor]:
    """Zeros where there is no derivative."""
    pairs = [pair for pair in zip(results, upstream, strict=True) if pair[0].requires_grad]
    if not pairs:
        return [torch.zeros_like(tensor) for tensor in by]
    outputs, numbers = zip(*pairs, strict=True)
    known = torch.autograd.grad(outputs, by, numbers, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(tensor) if slope is None else slope for slope, tensor in zip(known, by, strict=True)]


def change(recorder: Recorder, result: torch.Tensor, by: Tensors, parts: Tensors) -> torch.Tensor:
    """Changes (directions, 1) of a result: its derivatives by tensors, times their parts (directions, numbers)."""
    directions = parts[0].shape[0]
    if not result.requires_grad:
        return torch.zeros_like(result).expand(directions, 1).contiguous()
    by_tensors = torch.autograd.grad(result, by, torch.ones_like(result), allow_unused=True, retain_graph=True)
    slopes = [(slope.reshape(-1), part) for slope, part in zip(by_tensors, parts, strict=True) if slope is not None]
    changes = []
    for direction in range(directions):
        change, of_orientations = torch.zeros_like(result), torch.zeros_like(result)
        for slope, part in slopes:
            for position, number in enumerate(recorder.numbers_of(slope)):
                term = (slope[position : position + 1] * part[direction, position : position + 1]).to(result.dtype)
                if number.varies == ORIENTATION | RAY:
                    of_orientations = of_orientations + term
                else:
                    change = change + term
        changes.append(change + of_orientations.reshape(1, 1).sum(0))
    return torch.stack(changes)

"""Targets to minimise: sums over pixels, with weights for the Fisher matrix."""

from __future__ import annotations

import torch

# Lower limit of predicted photons: otherwise one measured photon where none is predicted would dominate.
FLOOR_PHOTONS = 1e-3


class Poisson:
    """Deviance of photon counts: 2 sum(mu - y + y ln(y / mu)); it estimates chi^2."""

    known_variance = True

    def value(self, predicted: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
        """The target, 0-d."""
        return self.each(predicted, measured).sum()

    def each(self, predicted: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
        """Contribution of each pixel to the target."""
        mu, y = predicted.clamp(min=FLOOR_PHOTONS), measured.clamp(min=0.0)
        seen = torch.where(y > 0, y, torch.ones_like(y))
        return 2.0 * (mu - y + y * torch.log(seen / mu))

    def weights(self, predicted: torch.Tensor) -> torch.Tensor:
        """One over the variance of each pixel: mu."""
        return 1.0 / predicted.clamp(min=FLOOR_PHOTONS)

    def variance_factor(self, value: float, freedom: int) -> float:
        """Factor of the inverse Fisher matrix: 1, since the variance of counts is known."""
        return 1.0


class LeastSquares:
    """sum((y - mu)^2), all pixels with the same weight."""

    known_variance = False

    def value(self, predicted: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
        """The target, 0-d."""
        return self.each(predicted, measured).sum()

    def each(self, predicted: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
        """Contribution of each pixel to the target."""
        return (measured - predicted).square()

    def weights(self, predicted: torch.Tensor) -> torch.Tensor:
        """1 for each pixel."""
        return torch.ones_like(predicted)

    def variance_factor(self, value: float, freedom: int) -> float:
        """The variance of a pixel, estimated from the residual."""
        return value / max(freedom, 1)


Target = Poisson | LeastSquares
TARGETS: dict[str, type[Target]] = {"poisson": Poisson, "least_squares": LeastSquares}

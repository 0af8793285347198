"""The counts have the right distribution: means, variances, and chi-square against the probabilities."""

import math

import pytest
import torch

from nanobrag_torch.noise.compiled import drawing_for
from nanobrag_torch.noise.detector import (
    LARGEST_32_BITS,
    ByTorch,
    DetectorNoise,
    Stream,
    counts_of,
    spread_weights,
)

PIXELS = 400
COUNT = PIXELS * PIXELS
MEANS = (0.003, 0.1, 1.0, 5.0, 11.99, 12.01, 20.0, 100.0, 1e3, 1e5, 1e7, 1e10)


def drawn(mean, seed=1):
    images = torch.full((1, PIXELS, PIXELS), mean, dtype=torch.float64)
    return drawing_for(torch.device("cpu")).photons(images, [0], Stream(seed, f"{mean}")).flatten()


def cumulative(k, mean):
    """P(n <= k): Gamma(k + 1, I)/Gamma(k + 1)."""
    return torch.special.gammaincc(torch.clamp(k, min=0) + 1, torch.full_like(k, mean)) * (k >= 0)


def chance_of_chi_square(seen, expected):
    """The probability of a chi-square at least this large."""
    value = ((seen - expected) ** 2 / expected).sum()
    return float(torch.special.gammaincc(torch.tensor((len(seen) - 1) / 2.0, dtype=torch.float64), value / 2))


@pytest.mark.parametrize("mean", MEANS)
def test_mean_and_variance(mean):
    n = drawn(mean)
    assert abs(float(n.mean()) - mean) < 4.5 * math.sqrt(mean / COUNT)
    spread_of_variance = math.sqrt((2 + 1 / mean) / COUNT)  # of a Poisson deviate, relative
    assert abs(float(n.var()) / mean - 1) < 4.5 * spread_of_variance
    assert torch.equal(n, n.floor()) and float(n.min()) >= 0


@pytest.mark.parametrize("mean", MEANS[1:-2])
def test_chi_square_against_the_probabilities(mean):
    """Classes of equal expected size, made from the probabilities alone."""
    wide = math.sqrt(mean)
    edges = torch.unique(torch.floor(mean + wide * torch.linspace(-3.5, 4, 31, dtype=torch.float64)).clamp(min=-1))
    below = torch.cat([torch.zeros(1).double(), cumulative(edges, mean), torch.ones(1).double()])
    expected = (below[1:] - below[:-1]) * COUNT
    seen = torch.bincount(torch.bucketize(drawn(mean), edges), minlength=len(edges) + 1).double()
    enough = expected > 5
    rest = torch.stack([seen[~enough].sum(), expected[~enough].sum()])
    pairs = torch.stack([seen[enough], expected[enough]])
    if float(rest[1]) > 5:
        pairs = torch.cat([pairs, rest[:, None]], dim=1)
    assert 1e-4 < chance_of_chi_square(*pairs) < 1 - 1e-4


def test_no_photons_from_nothing_and_the_mean_beyond_what_is_held():
    images = torch.tensor([[[0.0, -3.0, 1e-30, 2.0**60, 2.0**120]]], dtype=torch.float64)
    assert ByTorch().photons(images, [3], Stream(1))[0, 0].tolist() == [0.0, 0.0, 0.0, 2.0**60, 2.0**120]


def signal_of(noise, value=0.0, seed=4):
    images = torch.full((1, PIXELS, PIXELS), value, dtype=torch.float64)
    return counts_of(images, [2], Stream(seed), noise, drawing_for(torch.device("cpu"))).double().flatten()


@pytest.mark.parametrize("sigma", [0.5, 3.0, 40.0])
def test_read_out(sigma):
    n = signal_of(DetectorNoise(readout_sigma=sigma, offset=1000.0))
    variance = sigma**2 + 1 / 12  # that of rounding
    assert abs(float(n.mean()) - 1000) < 4.5 * math.sqrt(variance / COUNT)
    assert abs(float(n.var()) / variance - 1) < 4.5 * math.sqrt(2 / COUNT) + 0.02 * (sigma < 1)
    edges = 1000 + torch.floor(sigma * torch.linspace(-3, 3, 13, dtype=torch.float64)).unique() + 0.5
    below = torch.special.ndtr((edges - 1000) / sigma)
    expected = torch.diff(torch.cat([torch.zeros(1).double(), below, torch.ones(1).double()])) * COUNT
    seen = torch.bincount(torch.bucketize(n, edges), minlength=len(edges) + 1).double()
    kept = expected > 5
    assert chance_of_chi_square(seen[kept], expected[kept]) > 1e-4


def test_gain_multiplies_photons_and_their_noise():
    n = signal_of(DetectorNoise(gain=2.5, offset=40.0, largest=LARGEST_32_BITS), value=100.0)
    assert abs(float(n.mean()) - 290) < 4.5 * 2.5 * 10 / math.sqrt(COUNT)
    assert abs(float(n.var()) / (2.5**2 * 100 + 1 / 12) - 1) < 0.02


def test_counts_are_cut_at_both_ends():
    n = signal_of(DetectorNoise(readout_sigma=5.0, offset=0.0))
    assert float(n.min()) == 0 and 0.45 < float((n == 0).double().mean()) < 0.6
    images = torch.tensor([[[70000.0, 1e9, 1e30]]])
    assert counts_of(images, [0], Stream(1), DetectorNoise())[0, 0].tolist() == [65535] * 3
    wide = counts_of(images, [0], Stream(1), DetectorNoise(largest=LARGEST_32_BITS))[0, 0].tolist()
    assert 69000 < wide[0] < 71000 and 0.999e9 < wide[1] < 1.001e9 and wide[2] == LARGEST_32_BITS


# ---- point spread


@pytest.mark.parametrize("fwhm", [0.3, 1.0, 2.5, 9.0])
def test_point_spread_keeps_the_sum_and_has_its_width(fwhm):
    weights = spread_weights(fwhm)
    assert weights[0] + 2 * sum(weights[1:]) == 1.0 and min(weights) >= 0
    photons = torch.zeros(2, 61, 71, dtype=torch.float64)
    photons[0, 30, 30], photons[1, 0, 70], photons[1, 60, 3] = 1e6, 1e6, 7.0  # in the middle, in corners
    after = ByTorch().spread(photons, fwhm)
    torch.testing.assert_close(after.sum((1, 2)), photons.sum((1, 2)), rtol=1e-13, atol=0)
    x = torch.arange(71, dtype=torch.float64) - 30
    profile = after[0].sum(0) / 1e6
    variance = float((profile * x**2).sum())
    sigma = fwhm / math.sqrt(8 * math.log(2))
    if fwhm > 2:  # narrower ones are not resolved by pixels
        assert variance == pytest.approx(sigma**2 + 1 / 12, rel=0.01), "a Gaussian, integrated over a pixel"
    torch.testing.assert_close(after[0], after[0].flip(0), rtol=1e-12, atol=1e-12)


def test_point_spread_is_the_integral_of_a_gaussian():
    photons = torch.zeros(1, 31, 31, dtype=torch.float64)
    photons[0, 15, 15] = 1.0
    sigma = 2.0 / math.sqrt(8 * math.log(2))
    edges = torch.arange(32, dtype=torch.float64) - 15.5
    share = torch.diff(torch.special.ndtr(edges / sigma))
    torch.testing.assert_close(ByTorch().spread(photons, 2.0)[0], share[:, None] * share, rtol=0, atol=1e-6)


def test_spread_on_a_detector_smaller_than_its_reach():
    photons = torch.rand(1, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    after = ByTorch().spread(photons, 12.0)
    assert float(after.sum()) == pytest.approx(float(photons.sum()), rel=1e-12)
    assert float(after.std()) < 0.05 * float(photons.std())


def test_spread_photons_are_less_noisy_than_counted_ones():
    """The point spread follows the counting: neighbours are correlated, and the sum has its Poisson variance."""
    noise = DetectorNoise(offset=0.0, point_spread_fwhm_px=3.0)
    n = signal_of(noise, value=1000.0)
    assert abs(float(n.mean()) - 1000) < 4.5 * math.sqrt(1000 / COUNT) + 0.01
    share = sum(weight**2 for weight in (spread_weights(3.0)[0], *spread_weights(3.0)[1:] * 2)) ** 2
    assert float(n.var()) == pytest.approx(1000 * share + 1 / 12, rel=0.1)

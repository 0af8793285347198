"""Philox against its published answers, the functions against torch's; the numbers depend on nothing else."""

import hashlib
import math

import pytest
import torch

from nanobrag_bench.gpu.frames import PUBLISHED_ANSWERS
from nanobrag_torch.noise import functions, poisson
from nanobrag_torch.noise.compiled import Compiled
from nanobrag_torch.noise.detector import ByTorch, DetectorNoise, Stream, counts_of
from nanobrag_torch.noise.philox import philox, uniform

NOISE = DetectorNoise(gain=0.8, readout_sigma=2.5, offset=40.0, point_spread_fwhm_px=1.4)


FIRST = [6407, 11370, 6647, 2327, 798, 280]
DIGEST = "c09c410e7346b445bf460f85834af5a807af1077fe6be4a5422a5a3dc7e20002"


def means(shape, low=-8.0, high=16.0):
    """Expected photons of every size, in random order."""
    count = math.prod(shape)
    return (2.0 ** torch.linspace(low, high, count, dtype=torch.float64))[torch.arange(count) * 7919 % count].view(
        shape
    )


@pytest.mark.parametrize(("counter", "key", "block"), PUBLISHED_ANSWERS)
def test_published_answers(counter, key, block):
    counter_words = tuple(torch.tensor([word, word], dtype=torch.int64) for word in counter)
    assert [word.tolist() for word in philox(counter_words, key)] == [[word, word] for word in block]


def test_deviates_are_never_zero_nor_one():
    ends = torch.tensor([0, 0xFFFFFFFF], dtype=torch.int64)
    assert uniform(ends, ends).tolist() == [2.0**-53, 1 - 2.0**-53]


def test_logarithm_exponential_and_quantile():
    x = 10.0 ** torch.linspace(-307, 307, 5001, dtype=torch.float64)
    torch.testing.assert_close(functions.log(x), x.log(), rtol=1e-15, atol=1e-15)
    near = 1 + torch.linspace(-1e-3, 1e-3, 1001, dtype=torch.float64)
    torch.testing.assert_close(functions.log(near), near.log(), rtol=1e-12, atol=1e-18)
    y = torch.linspace(0, 690, 5001, dtype=torch.float64)
    torch.testing.assert_close(functions.exp_of_minus(y), torch.exp(-y), rtol=3e-13, atol=0)
    u = torch.cat(
        [10.0 ** torch.linspace(-16, -0.31, 2001, dtype=torch.float64), torch.linspace(0.001, 0.999, 999).double()]
    )
    torch.testing.assert_close(functions.normal_quantile(u), torch.special.ndtri(u), rtol=2e-14, atol=1e-15)


def test_probability_of_a_count_against_the_gamma_function():
    for mean in (12.0, 30.0, 1e3, 1e6):
        k = torch.floor(mean + math.sqrt(mean) * torch.linspace(-3.4, 8, 200, dtype=torch.float64))
        hull = poisson.envelope(torch.full_like(k, mean))
        direct = k * math.log(mean) - mean - torch.lgamma(k + 1)
        torch.testing.assert_close(poisson.log_probability(k, hull), direct, rtol=1e-11, atol=1e-14 * mean * 30)


# ---- the same numbers wherever and however they are drawn


def test_the_numbers_of_this_version():
    """Other numbers here mean another generator, and existing frames could not be drawn again."""
    images = means((2, 8, 16)).float()
    counts = counts_of(images, [0, 999_999_999], Stream(2**40 + 7, "still"), NOISE)
    assert counts.dtype == torch.uint16 and counts[0, 0, :6].tolist() == FIRST
    assert hashlib.sha256(counts.numpy().tobytes()).hexdigest() == DIGEST


@pytest.mark.parametrize("drawing", [ByTorch(), Compiled()], ids=["torch", "compiled"])
def test_frames_may_be_drawn_together_or_alone(drawing):
    images, stream = means((5, 24, 20)).float(), Stream(3, "a")
    numbers = [4, 17, 5, 0, 2**31]
    together = counts_of(images, numbers, stream, NOISE, drawing)
    for size in (1, 2, 3):
        parts = [
            counts_of(images[first : first + size], numbers[first : first + size], stream, NOISE, drawing)
            for first in range(0, 5, size)
        ]
        assert torch.equal(torch.cat(parts).long(), together.long())
    order = [3, 1, 4, 0, 2]
    turned = counts_of(images[order], [numbers[i] for i in order], stream, NOISE, drawing)
    assert torch.equal(turned.long(), together[order].long())


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_nothing(threads):
    images, before = means((1, 100, 60)).float(), torch.get_num_threads()
    alone = counts_of(images, [9], Stream(3), NOISE)
    torch.set_num_threads(threads)
    try:
        assert torch.equal(counts_of(images, [9], Stream(3), NOISE).long(), alone.long())
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    "changed",
    [(4, "a", 7), (3, "b", 7), (3, "a", 8), (3 + 2**32, "a", 7)],
    ids=["seed", "series", "frame", "high word"],
)
def test_other_seeds_series_and_frames_are_independent(changed):
    images = torch.full((1, 100, 100), 40.0, dtype=torch.float64)
    counts = ByTorch().photons(images, [7], Stream(3, "a")).flatten() - 40
    seed, series, frame = changed
    two = ByTorch().photons(images, [frame], Stream(seed, series)).flatten() - 40
    assert abs(float((counts * two).mean())) < 5 * 40 / 100  # five standard errors of a correlation of none
    assert abs(float((counts[1:] * counts[:-1]).mean())) < 5 * 40 / 100, "neighbours"


def test_read_out_and_photons_draw_different_numbers():
    """Read-out noise that is correlated with the photons would widen or narrow the counts."""
    images = torch.full((1, 200, 200), 400.0, dtype=torch.float64)
    photons = ByTorch().photons(images, [1], Stream(5))
    read = ByTorch().read_out(torch.zeros_like(photons), [1], Stream(5), DetectorNoise(readout_sigma=20, offset=1000))
    product = (photons - 400).flatten() * (read.double() - 1000).flatten()
    assert abs(float(product.mean())) < 5 * 400 / 200


# ---- wherever the tensors are


def test_nothing_is_pinned_to_the_host():
    """On the meta device any mixture with a host tensor raises."""
    at = torch.zeros(50, dtype=torch.float64, device="meta")
    counter_words = tuple(torch.zeros(50, dtype=torch.int64, device="meta") for _ in range(4))
    results = [
        uniform(*philox(counter_words, (1, 2))[:2]),
        functions.normal_quantile(at),
        functions.exp_of_minus(at),
        *poisson.attempted(poisson.envelope(at), at, at),
        ByTorch().spread(at.view(1, 5, 10), 1.2),
        ByTorch().read_out(at.view(2, 5, 5), [1, 2], Stream(1), DetectorNoise(readout_sigma=1.0)),
    ]
    assert {result.device.type for result in results} == {"meta"}


def test_every_tensor_is_made_where_it_is_told_to_be():
    """With another default device, a tensor that is made without a device would lie there and raise an error."""
    images = means((2, 6, 9), high=8.0).float()
    expected = counts_of(images, [1, 2], Stream(1), NOISE)
    with torch.device("meta"):
        again = counts_of(images, [1, 2], Stream(1), NOISE)
    assert torch.equal(again.long(), expected.long())


def test_one_launch_for_all_frames_on_the_device_of_the_images():
    launched = []

    def load(step, dtype, device):
        return lambda tensors, pixels: launched.append(
            (step, dtype, device.type, [t.device.type for t in tensors], pixels)
        )

    images = torch.empty(16, 8, 9, device="meta")
    counts = counts_of(images, list(range(16)), Stream(1), DetectorNoise(), Compiled(load))
    assert counts.shape == (16, 8, 9) and counts.dtype == torch.uint16 and counts.device.type == "meta"
    assert launched == [
        ("photons", torch.float32, "meta", ["meta"] * 3, 16 * 72),
        ("read_out", torch.uint16, "meta", ["meta"] * 3, 16 * 72),
    ]

"""Poisson noise: the published uniform draws, the three methods against their distribution and a plain rewrite."""

import math

import numpy as np
import pytest

from nanobrag_torch.io.noise import NoiseError, PoissonStream, log_gamma, noise_image, single
from nanobrag_torch.physics.random_numbers import SharedTable, UniformStream
from tests.reference.random_model import Uniform


def stream(seed=-42):
    return UniformStream(SharedTable(), seed)


@pytest.mark.parametrize(
    ("seed", "draws"),
    [
        (-1, [0.415999353, 0.0919648930, 0.756410480, 0.529700220]),
        (-12345678, [0.765989304, 0.0234536640, 0.589726627, 0.535101593, 0.982231438, 0.693016112]),
    ],
)
def test_uniform_draws_are_the_published_ones(seed, draws):
    single, block = stream(seed), stream(seed)
    assert [single.draw() for _ in draws] == pytest.approx(draws, rel=2e-9)
    assert block.block(len(draws)) == pytest.approx(draws, rel=2e-9)


def test_blocks_are_single_draws():
    single, block = stream(-7), stream(-7)
    parts = block.block(5) + block.block(1) + block.block(0) + block.block(300) + [block.draw()]
    assert parts == [single.draw() for _ in range(307)] and single == block


@pytest.mark.parametrize("seed", [2147483647, -2147483647, 3 * 2147483647, 2147483646, -1])
@pytest.mark.parametrize("before", [0, 1, 7])
def test_blocks_start_anew_where_single_draws_do(seed, before):
    """A seed that is a multiple of 2^31 - 1 leads to the state 0, from which the generator begins afresh."""
    tables = SharedTable(), SharedTable()
    for table in tables:  # what misset and mosaic drew before
        first = UniformStream(table, -5)
        assert len([first.draw() for _ in range(before)]) == before
    single, block, model = UniformStream(tables[0], seed), UniformStream(tables[1], seed), Uniform(-5)
    assert len([model.draw() for _ in range(before)]) == before
    model.x = seed
    expected = [float(model.draw()) for _ in range(200)]
    assert [single.draw() for _ in range(200)] == expected
    assert block.block(1) + block.block(2) + block.block(197) == expected and single == block


def plain_product(mean, uniform):
    """Knuth's method exactly as stated, every step in numpy singles."""
    limit, count, product = np.float32(math.exp(-float(np.float32(mean)))), -1, np.float32(1)
    while True:
        count += 1
        product = np.float32(product * np.float32(uniform()))
        if not product > limit:
            return count


@pytest.mark.parametrize("mean", [0, 1e-6, 0.1, 1, 5, 11.99])
def test_product_method_is_exact(mean):
    drawn = list(PoissonStream(stream()).draws(np.full(3000, mean, np.float32)))
    uniform = stream().draw
    assert drawn == [plain_product(mean, uniform) for _ in range(3000)]


def plain_rejection(mean, uniform):
    """Rejection from a Lorentzian exactly as stated, in numpy singles."""
    f = np.float32
    m = f(mean)
    width, log_mean = f(math.sqrt(2.0 * float(m))), f(math.log(float(m)))
    peak = f(m * log_mean) - f(log_gamma(float(f(m + f(1)))))
    while True:
        while True:
            y = f(math.tan(math.pi * uniform()))
            count = f(f(width * y) + m)
            if count >= 0:
                break
        count = f(math.floor(count))
        exponent = f(f(f(count * log_mean) - f(log_gamma(float(f(count + f(1)))))) - f(peak))
        ratio = f(0.9 * (1.0 + float(f(y * y))) * math.exp(float(exponent)))
        if not uniform() > ratio:
            return float(count)


@pytest.mark.parametrize("mean", [12, 50, 1234.5, 1e5, 1e6])
def test_rejection_method_is_exact(mean):
    drawn = list(PoissonStream(stream()).draws(np.full(1000, mean, np.float32)))
    uniform = stream().draw
    assert drawn == [plain_rejection(mean, uniform) for _ in range(1000)]


@pytest.mark.parametrize("spots", [0.0, 0.001, 0.01, 0.2])
def test_dark_images_with_spots_are_exact(spots):
    """Most pixels get nothing and are passed over many at a time; spots fall anywhere among them."""
    rng = np.random.default_rng(3)
    means = (1e-3 * rng.random(20000)).astype(np.float32)
    bright = rng.random(means.size) < spots
    means[bright] = rng.choice(np.array([0.5, 9.0, 30.0, 5e4], np.float32), bright.sum())
    uniform = stream().draw
    plain = [plain_product(mean, uniform) if mean < 12 else plain_rejection(mean, uniform) for mean in means]
    assert PoissonStream(stream()).draws(means).tolist() == plain


def test_normal_deviates_come_in_pairs():
    drawn = list(PoissonStream(stream()).draws(np.full(400, 4e6, np.float32)))
    uniform, expected = stream().draw, []
    while len(expected) < 400:
        v1, v2 = (float(np.float32(2.0 * uniform() - 1.0)) for _ in range(2))
        r = v1 * v1 + v2 * v2
        if 0 < r < 1:
            factor = float(np.float32(math.sqrt(-2 * math.log(r) / r)))
            expected += [float(np.float32(4e6 + 2000.0 * v * factor)) for v in (v2, v1)]
    assert drawn == expected


@pytest.mark.parametrize("mean", [0.3, 3.0, 11.9, 12.0, 40.0, 2000.0, 3e6])
def test_mean_and_variance(mean):
    n = 20000
    drawn = np.array(list(PoissonStream(stream(-99)).draws(np.full(n, mean, np.float32))))
    assert abs(drawn.mean() - mean) < 5 * math.sqrt(mean / n)
    assert abs(drawn.var() / mean - 1) < 5 * math.sqrt((2 + 1 / mean) / n) + 0.02


def test_log_gamma():
    for x in (1.0, 2.0, 13.0, 500.5, 1e6):
        assert log_gamma(x) == pytest.approx(math.lgamma(x), rel=1e-7, abs=1e-9)
    assert single(0.1) == float(np.float32(0.1))


def test_noise_image():
    image = np.zeros((6, 8), np.float32)
    image[2, 3], image[5, 7] = 1e5, 100
    noise = noise_image(image, (2, 6, 1, 4), 40.0, stream())
    assert noise.counts[2, 3] == 65535 and noise.overloads == 1
    inside = noise.counts[1:5, 2:7]
    assert np.count_nonzero(inside == 40) == inside.size - 1
    assert noise.counts[0].max() == noise.counts[5].max() == 0
    assert abs(noise.photons - 1e5) < 2000
    assert np.array_equal(noise.counts, noise_image(image, (2, 6, 1, 4), 40.0, stream()).counts)
    assert noise_image(image, (0, 7, 0, 5), -50.0, stream()).counts[0, 0] == 0


@pytest.mark.parametrize("photons", [math.nan, math.inf, -math.inf])
def test_a_pixel_that_is_not_finite_is_named(photons):
    image = np.zeros((900, 800), np.float32)
    image[0, 0] = image[899, 799] = math.nan  # outside the region
    noise_image(image, (1, 798, 1, 898), 40.0, stream())
    image[850, 3], image[850, 5] = photons, math.inf
    with pytest.raises(NoiseError, match=rf"pixel slow 850 fast 3 has {photons} photons"):
        noise_image(image, (1, 798, 1, 898), 40.0, stream())


def test_noise_can_be_ended_between_groups():
    """Each group takes some hundredths of a second, so that a signal is handled soon."""
    calls = []

    def before_group():
        calls.append(1)
        if len(calls) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        PoissonStream(stream()).draws(np.full(100_000, 0.5, np.float32), before_group)
    assert len(calls) == 3

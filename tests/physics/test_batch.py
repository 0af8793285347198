"""Several images at once equal those of each simulation; they are checked on the host, and made again if in doubt."""

import math

import pytest
import torch

from nanobrag_bench.gpu.frames import FRAME
from nanobrag_bench.gpu.runs import parsed
from nanobrag_torch.backends.compiled import cache
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.simulator import making
from nanobrag_torch.simulator.batch import copies_to_host, images_of
from nanobrag_torch.simulator.series import Series

LINE = f"{FRAME} -detpixels 40 -pixel 1.2"


@pytest.fixture(scope="module")
def series(compiled_code):
    """A series by compiled code."""
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setenv("NANOBRAG_TORCH_COMPILE", "always")
        patch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
        made = Series(parsed(LINE), "cpu", torch.float32, images=100)
        assert made.compiled
        yield made


def simulations(series, count=4):
    return [series.at((10.0, 20.0 + 3 * i, 30.0), 1e-10 * (1 + 0.01 * i)) for i in range(count)]


def test_images_are_those_of_each_simulation(series):
    with torch.no_grad():
        alone = [simulation.image() for simulation in simulations(series)]
        for later in (False, True):
            batch = images_of(simulations(series), trust_later=later)
            assert torch.equal(batch.images, torch.stack(alone))
            digest, images = copies_to_host([batch.digest, batch.images])()
            assert digest[:, 1].tolist() == [float(image.max()) for image in alone]
            assert torch.equal(images, batch.images)
            assert batch.doubt(digest) is None and batch.not_finite(digest) is None


def test_nothing_is_looked_at_while_images_are_made(series, monkeypatch):
    """On a GPU each check would wait for the device."""
    monkeypatch.setattr(making, "doubt", lambda *_: pytest.fail("waited for an image"))
    batch = images_of(simulations(series), trust_later=True)
    assert batch.images.shape == (4, 40, 40)


@pytest.mark.parametrize("where", ["brightest", "beam", "corner"])
def test_a_wrong_pixel_is_seen_afterwards_and_all_are_made_again(series, monkeypatch, capsys, where):
    right = images_of(simulations(series)).images
    frame = int(right.flatten(1).amax(1).argmax())
    beam, first, _ = (slow_fast(pixel) for pixel in places_of(series))
    at = {"brightest": divmod(int(right[frame].argmax()), 40), "beam": beam, "corner": first}[where]
    real = CompiledBackend.photons_of_region

    def wrong(self, region, into):
        made = real(self, region, into)
        slow, fast = at[0] - region.y_min, at[1] - region.x_min
        if 0 <= slow < region.rows and 0 <= fast < region.width:
            made[slow, fast] += 0.01 * made.max()
        return made

    monkeypatch.setattr(CompiledBackend, "photons_of_region", wrong)
    batch = images_of(simulations(series), trust_later=True)
    why = batch.doubt(batch.digest)
    assert why is not None and f"pixel (slow {at[0]}, fast {at[1]})" in why
    again = batch.made_again(why)
    assert "compiled code is not used" in capsys.readouterr().err
    torch.testing.assert_close(again.images, right, rtol=1e-5, atol=2e-6 * float(right.max()))
    assert again.doubt(again.digest) is None


def places_of(series):
    return making.looked_at(series.first)


def slow_fast(pixel):
    return pixel[1], pixel[0]


def test_a_pixel_that_is_no_number_is_told_by_its_frame(series, monkeypatch):
    real = CompiledBackend.photons_of_region
    calls = []

    def sometimes(self, region, into):
        made = real(self, region, into)
        calls.append(1)
        if len(calls) == 3:
            made[0, 7] = math.nan
        return made

    monkeypatch.setattr(CompiledBackend, "photons_of_region", sometimes)
    batch = images_of(simulations(series), trust_later=True)
    assert batch.not_finite(batch.digest) == 2


def test_a_mask_hides_what_is_looked_at(tmp_path, monkeypatch):
    """A masked corner cannot be compared with eager code."""
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "never")
    line = parsed(f"{LINE} -roi 5 30 6 31")
    series = Series(line, "cpu", torch.float32, images=1)
    with torch.no_grad():
        batch = images_of(simulations(series, 2), trust_later=True)
        assert batch.doubt(batch.digest) is None

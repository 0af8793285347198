"""Compiled programs give the kernel's numbers, are found again, and are never trusted unchecked."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nanobrag_torch import integrate
from nanobrag_torch.backends import eager
from nanobrag_torch.backends.compiled import agreement, cache, launch, selection
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.compiled.programs import PROGRAMS
from nanobrag_torch.parameters import Beam, Spindle, StructureFactors
from nanobrag_torch.simulator import Simulation, making, masks, simulate
from nanobrag_torch.simulator.series import Series
from tests.c_program import needs_compiler
from tests.physics.helpers import per_term, small

BASE = small()
WIDE = replace(BASE, beam=Beam(hdiv_range_rad=1e-3, hdiv_steps=3, dispersion_fraction=0.03, dispersion_steps=2))
SEVERAL = replace(
    WIDE,
    detector=replace(BASE.detector, thickness_m=3e-4, thick_steps=2, attenuation_per_m=2e3, oversample=2),
    structure_factors=replace(BASE.structure_factors, d_min_m=4e-10, water_size_m=1e-6),
)
EXPERIMENTS = {
    "plain": BASE,
    "one_orientation": replace(
        BASE, spindle=Spindle(), crystal=replace(BASE.crystal, mosaic_spread_rad=None, mosaic_domains=None)
    ),
    "sources": replace(BASE, beam=Beam(hdiv_range_rad=1e-3, hdiv_steps=3, vdiv_range_rad=1e-3, vdiv_steps=3)),
    "per_term": per_term(BASE),
    "resolution_limit": replace(BASE, structure_factors=replace(BASE.structure_factors, d_min_m=4e-10)),
    "curved": replace(BASE, detector=replace(BASE.detector, curved=True)),
    "thick_and_sampled": replace(
        BASE, detector=replace(BASE.detector, thickness_m=3e-4, thick_steps=3, attenuation_per_m=2e3, oversample=2)
    ),
    "thick": replace(BASE, detector=replace(BASE.detector, thickness_m=3e-4, thick_steps=1, attenuation_per_m=2e3)),
    "samples_and_sources": SEVERAL,
    "samples_and_sources_corrected": replace(SEVERAL, defects=frozenset()),
    "sources_once_accepted": replace(WIDE, structure_factors=replace(BASE.structure_factors, d_min_m=4e-10)),
    "samples_of_water": replace(SEVERAL, beam=BASE.beam, defects=frozenset()),
    "water": replace(BASE, structure_factors=replace(BASE.structure_factors, water_size_m=1e-6)),
    "unpolarized": replace(BASE, beam=replace(BASE.beam, polarized=False)),
    "point_pixel": replace(BASE, detector=replace(BASE.detector, point_pixel=True)),
    "no_table": replace(BASE, structure_factors=StructureFactors(default_F=3.0)),
    "interpolated": replace(BASE, structure_factors=replace(BASE.structure_factors, interpolate=True)),
    **{shape: replace(BASE, crystal=replace(BASE.crystal, shape=shape)) for shape in ("ROUND", "GAUSS", "TOPHAT")},
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder of compiled programs that a test may damage."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def always(compiled_code, monkeypatch):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
    monkeypatch.setenv(selection.MODE_VARIABLE, "always")


def image_of(experiment, dtype, image_dtype, kind, capfd):
    simulation = Simulation(experiment, dtype=dtype)
    with torch.no_grad():
        image = simulation.image(image_dtype=image_dtype)
        assert isinstance(simulation.backend(image_dtype), kind), capfd.readouterr().err
    return image.double()


@needs_compiler
@pytest.mark.parametrize("image_dtype", [torch.float64, torch.float32], ids=["image64", "image32"])
@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-6)], ids=["float64", "float32"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_compiled_image_is_the_eager_one(name, dtype, tolerance, image_dtype, always, capfd, monkeypatch):
    tolerance = max(tolerance, 1.2e-7 if image_dtype == torch.float32 else 0)
    got = image_of(EXPERIMENTS[name], dtype, image_dtype, CompiledBackend, capfd)
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    expected = image_of(EXPERIMENTS[name], dtype, image_dtype, eager.EagerBackend, capfd)
    assert float(expected.max()) > 0
    assert float((got - expected).abs().max()) <= tolerance * float(expected.max())


@needs_compiler
def test_compiled_image_is_the_same_for_any_number_of_threads(always):
    wide = replace(BASE, detector=replace(BASE.detector, n_fast=301, n_slow=227))  # enough for a loop to be shared out
    threads, images = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            simulation = Simulation(wide)
            images.append(simulation.image(image_dtype=torch.float64))
            assert isinstance(simulation.backend(torch.float64), CompiledBackend)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(images[0], images[1]) and torch.equal(images[0], images[2])


@needs_compiler
@pytest.mark.parametrize("roi", [None, (3, 17, 2, 15), (0, 23, 4, 9)], ids=["whole", "inside", "rows"])
@pytest.mark.parametrize("kept_out", [False, True], ids=["", "mask"])
def test_compiled_image_is_the_same_for_any_tiles(roi, kept_out, always, monkeypatch, capfd):
    """Where the program counts its pixels, by a mask or without one, and where it reads lists of them."""
    detector = replace(BASE.detector, roi=roi)
    mask = torch.ones(detector.n_slow, detector.n_fast, dtype=torch.bool)
    mask[:, 5], mask[7] = not kept_out, not kept_out
    images = []
    for pixels, weights, counts in (
        (1, mask, True),
        (7, None, True),
        (24, mask, False),
        (100, mask, True),
        (4000, None, False),
    ):
        monkeypatch.setattr(launch, "PIXELS_AT_ONCE", pixels)
        monkeypatch.setattr(masks, "worth_reading", lambda *_, counts=counts: counts)
        masks._KEPT.clear()
        made = Simulation(replace(BASE, detector=replace(detector, mask=mask if kept_out else weights)))
        images.append(made.image(image_dtype=torch.float64))
        assert isinstance(made.backend(torch.float64), CompiledBackend), capfd.readouterr().err
    assert all(torch.equal(images[0], image) for image in images[1:])
    outside = ~mask.clone() if kept_out else torch.zeros_like(mask)
    if roi is not None:
        outside[:, : roi[0]], outside[:, roi[1] + 1 :], outside[: roi[2]], outside[roi[3] + 1 :] = (True,) * 4
    assert bool((images[0][outside] == 0).all()) and bool((images[0][~outside] > 0).any())


@needs_compiler
def test_a_mask_that_changes_or_leaves_little_is_followed(always):
    """The program reads the mask as it is now; where few pixels are left it reads lists of them."""
    expected = Simulation(BASE).image(image_dtype=torch.float64)
    mask = torch.ones_like(expected, dtype=torch.bool)
    for hidden in ((slice(None), 5), (slice(3, 9), slice(None)), (slice(None), slice(1, None))):
        mask[hidden] = False
        masked = Simulation(replace(BASE, detector=replace(BASE.detector, mask=mask)))
        assert torch.equal(masked.image(image_dtype=torch.float64), expected * mask)
        assert isinstance(masked.backend(torch.float64), CompiledBackend)
        assert (masked.pixels.regions(1 << 17) is None) == (hidden[1] == slice(1, None))


@needs_compiler
def test_an_image_of_another_type_is_rounded_to_it(always, capfd):
    got = Simulation(BASE).image(image_dtype=torch.float16)
    assert torch.equal(got, Simulation(BASE).image(image_dtype=torch.float64).half())
    assert "not used" not in capfd.readouterr().err


@needs_compiler
def test_a_series_keeps_its_programs(always, capfd, monkeypatch):
    """Other frames of a series load nothing and give the image that each of them gives alone."""
    series = Series(BASE)
    assert series.compiled, capfd.readouterr().err
    crystal = replace(BASE.crystal, misset_deg=(15.0, -25.0, 35.0))
    alone = replace(BASE, crystal=crystal, beam=replace(BASE.beam, wavelength_m=1.02e-10))
    with torch.no_grad():
        expected = Simulation(alone).image()
        monkeypatch.setattr("nanobrag_torch.backends.compiled.selection.backend_for", None)
        assert torch.equal(series.at((15.0, -25.0, 35.0), 1.02e-10).image(), expected)
        assert not torch.equal(series.first.image(), expected)


@needs_compiler
def test_a_kept_program_is_used_again_and_a_changed_one_is_built_anew(always, kept, capfd, monkeypatch):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(kept))
    simulate(BASE)
    capfd.readouterr()
    expected = simulate(BASE)
    assert capfd.readouterr().err == "", "the second simulation had nothing to say"

    model = Simulation(BASE).model
    package = cache.package_path(kept, cache.key_of(PROGRAMS["photons_in_float32"], model))
    assert "orientation < orientations" in package.with_suffix(".c").read_text()
    content = bytearray(package.read_bytes())
    content[len(content) // 2] ^= 1
    changed = package.with_suffix(".changed")
    changed.write_bytes(content)
    changed.replace(package)  # the old one is in use
    assert torch.equal(simulate(BASE), expected)
    said = capfd.readouterr().err
    assert "has changed since it was made" in said and "compiling 'photons_in_float32'" in said
    simulate(BASE)
    assert capfd.readouterr().err == ""


def wrong(photons: torch.Tensor, image: torch.Tensor, how: str) -> torch.Tensor:
    """Photons of compiled code with a fault, in the place they were written to."""
    if how == "scaled":
        return photons.mul_(1.001)
    return photons.copy_(torch.where(photons >= 0.999 * image.max(), float(how), photons))


@needs_compiler
@pytest.mark.parametrize("how", ["scaled", "nan", "inf", "-inf"])
def test_compiled_code_with_other_numbers_is_refused(how, always, capfd, monkeypatch):
    """Also if only the brightest pixel is wrong, and after an image of this process was right."""
    monkeypatch.setattr(making, "IMAGES", {})
    expected = simulate(BASE)
    real = CompiledBackend.photons_of_region
    monkeypatch.setattr(CompiledBackend, "photons_of_region", lambda *args: wrong(real(*args), expected, how))
    simulation = Simulation(BASE)
    got = simulation.image()
    said = capfd.readouterr().err
    assert "compiled code is not used: " in said and "may be wrong" not in said
    assert isinstance(simulation.backend(), eager.EagerBackend)
    monkeypatch.setenv(selection.MODE_VARIABLE, "never")
    assert torch.equal(got, simulate(BASE))


@needs_compiler
def test_every_image_of_a_cpu_is_looked_at(always, capfd, monkeypatch):
    monkeypatch.setattr(making, "IMAGES", {})
    real, images = CompiledBackend.photons_of_region, []
    for wavelength_m in (1.1e-10, 1.11e-10, 1.12e-10):
        images.append(simulate(replace(BASE, beam=replace(BASE.beam, wavelength_m=wavelength_m))))
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(CompiledBackend, "photons_of_region", lambda *args: wrong(real(*args), images[0], "scaled"))
    simulate(BASE)
    said = capfd.readouterr().err
    assert "not used" in said and "may be wrong" not in said


@needs_compiler
def test_images_of_a_gpu_are_looked_at_again(always, capfd, monkeypatch):
    """The first, second, fourth and eighth image of a structure are checked; a fault that arises between them is then
    found and reported.
    """
    as_on_a_gpu = agreement.is_looked_at
    monkeypatch.setattr(agreement, "is_looked_at", lambda image, _: as_on_a_gpu(image, torch.device("cuda")))
    monkeypatch.setattr(making, "IMAGES", {})
    looked, real = [], CompiledBackend.photons_of_region
    monkeypatch.setattr(making, "doubt", lambda *args, doubt=making.doubt: looked.append(1) or doubt(*args))
    after = []
    for image in range(1, 10):
        expected = simulate(replace(BASE, beam=replace(BASE.beam, wavelength_m=1.1e-10 + image * 1e-13)))
        after.append(len(looked))
        assert capfd.readouterr().err.count("not used") == 0
        if image == 5:
            moved = replace(BASE, detector=replace(BASE.detector, distance_m=0.09), spindle=Spindle())
            simulate(moved)  # of another structure, the first
            looked.pop()
    assert after == [1, 2, 2, 3, 3, 3, 3, 4, 4]
    monkeypatch.setattr(CompiledBackend, "photons_of_region", lambda *args: wrong(real(*args), expected, "scaled"))
    for image in range(10, 17):
        simulate(BASE)
        said = capfd.readouterr().err
        assert ("the last 7 images that it made in this process may be wrong too" in said) == (image == 16), said
    simulate(BASE)
    said = capfd.readouterr().err
    assert "not used" in said and "may be wrong" not in said


def test_one_sample_at_a_time_gives_the_sum_of_all():
    """Compiled passes take samples one by one; the sum must not depend on that."""
    model = Simulation(EXPERIMENTS["per_term"]).model
    index = torch.arange(40)
    together = integrate.integrate(model, index % 8, index // 8)
    single = eager.EagerBackend(model)
    single.rays_at_once = 1
    apart = integrate.integrate(model, index % 8, index // 8, backend=single)
    for field, got, expected in zip(apart._fields, apart, together, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-13, atol=0, msg=field)

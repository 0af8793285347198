"""The random streams against published first numbers and against an independent model."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.c_program import SOURCES

from .random_model import Poisson, Uniform, rotation_in_cap


@pytest.fixture(scope="session")
def driver(build_folder, tmp_path_factory):
    binary = tmp_path_factory.mktemp("driver") / "random_driver"
    objects = [path for path in sorted((build_folder / "nanobragg.objects").rglob("*.o")) if path.name != "main.o"]
    source = Path(__file__).with_name("random_driver.c")
    subprocess.run(
        ["gcc", "-std=c11", "-fopenmp", f"-I{SOURCES}", source, *objects, "-o", binary, "-lm"], check=True, timeout=60
    )

    def run(*arguments) -> np.ndarray:
        done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=60)
        return np.array([[float(text) for text in line.split()] for line in done.stdout.splitlines()])

    return run


@pytest.mark.parametrize(
    ("seed", "first"),
    [
        (-1, [0.415999353, 0.0919648930, 0.756410480, 0.529700220]),
        (-12345678, [0.765989304, 0.0234536640, 0.589726627, 0.535101593, 0.982231438, 0.693016112]),
    ],
)
def test_first_uniform_numbers(driver, seed, first):
    assert driver("uniform", seed, len(first)).ravel() == pytest.approx(first, abs=6e-10)


@pytest.mark.parametrize("seed", [-1, -42, 0, 7, 2147483646, 2147483647, -2147483647])
def test_uniform_stream(driver, seed):
    model = Uniform(seed)
    expected = [float(model.draw()) for _ in range(500)]
    assert driver("uniform", seed, 500).ravel() == pytest.approx(expected, rel=1e-8)


def test_second_mosaic_domain(driver):
    second = driver("cap", -12345678, np.radians(0.5), 2)[1]
    expected = [0.999965920897845, -0.00797516809145802, 0.00213394864943091, 0.0079761872189556, 0.999968079496629]
    expected += [-0.000469494698829757, -0.00213013623357463, 0.000486499472815474, 0.999997612916096]
    assert second == pytest.approx(expected, abs=2e-15)


def test_rotations_of_a_wide_cap(driver):
    model = Uniform(-99)
    for rotation in driver("cap", -99, 1.2, 20):
        assert rotation == pytest.approx(rotation_in_cap(model, 1.2).ravel(), abs=1e-12)


@pytest.mark.parametrize("mean", [0.0, 0.3, 5.5, 11.9, 12.0, 40.0, 1234.5, 9.9e5, 2.5e6])
def test_poisson_numbers(driver, mean):
    model = Poisson(Uniform(-7))
    expected = [model.draw(mean) for _ in range(300)]
    assert driver("poisson", -7, mean, 300).ravel() == pytest.approx(expected, rel=1e-7)
    assert np.mean(expected) == pytest.approx(mean, abs=6 * np.sqrt(mean / 300) + 1e-9)


def test_random_misset(nanobragg):
    flags = (
        "-cell 50 -default_F 1 -detpixels 4 -oversample 1 -nonoise -nopgm -noprogress -misset random -misset_seed 42"
    )
    out = nanobragg.succeed(*flags.split()).stdout
    assert "misset -11.585886639 56.207688998 -1.333374204 deg" in out

"""The trace of a pixel ends with the number that the image holds, to the last bit: both come out of one computation."""

import contextlib
import functools

import numpy as np
import pytest
import torch

from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.compiled.selection import not_compilable
from nanobrag_torch.cli import parse
from nanobrag_torch.simulator import Simulation
from nanobrag_torch.trace import trace_simulation
from tests.c_program import REPOSITORY
from trace_audit.config.scenario import arguments, load_scenario
from trace_audit.inputs.prepare import prepare_inputs

FOLDER = REPOSITORY / "config" / "scenarios"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
DTYPES = {"float64": torch.float64, "float32": torch.float32}
MOST_PIXELS = 10_000  # of the image: of a larger detector a region around the beam is computed
PIXELS = 8  # of each image; the scenarios, types and backends make 1,600 of them
# Units in the last place. The traced program has every statement of the image's and is built in the same way, but a
# compiler may fuse other products with sums where it also has to store them.
BACKENDS = {"eager": 0, "compiled": 4}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tmp_path_factory.mktemp("scenarios")


@pytest.fixture(scope="module")
def words_of(folders):
    """name -> the command line of that scenario, with its files in the folder of that name; made once."""

    @functools.cache
    def words(name: str) -> list[str]:
        scenario, folder = load_scenario(name, FOLDER), folders / name
        folder.mkdir()
        with contextlib.chdir(FOLDER):
            return arguments(scenario, prepare_inputs(scenario, folder, hkl=None, scenario_folder=FOLDER))

    return words


def beam_pixel(simulation: Simulation) -> tuple[int, int]:
    """The pixel (slow, fast) nearest to the direct beam."""
    g = simulation.geometry
    size = float(g.pixel_size_m)
    slow, fast = float(g.Sbeam_m) / size, float(g.Fbeam_m) / size
    return int(min(max(slow, 0), g.n_slow - 1)), int(min(max(fast, 0), g.n_fast - 1))


def simulation_of(arguments: list[str], dtype: torch.dtype) -> Simulation:
    """Of the whole detector, or of a region of a large one with the pixel nearest to the beam in it."""
    simulation = Simulation(parse(arguments).experiment, dtype=dtype)
    g = simulation.geometry
    if g.n_fast * g.n_slow <= MOST_PIXELS:
        return simulation
    slow, fast = beam_pixel(simulation)
    region = (max(fast - 9, 0), min(fast + 8, g.n_fast - 1), max(slow - 7, 0), min(slow + 8, g.n_slow - 1))
    return Simulation(parse([*arguments, "-roi", *map(str, region)]).experiment, dtype=dtype)


def chosen_pixels(simulation: Simulation, image: torch.Tensor) -> list[tuple[int, int]]:
    """Some (slow, fast): a corner, the direct beam, the brightest, and others from everywhere."""
    first_fast, last_fast, first_slow, last_slow = simulation.roi
    wanted = [(first_slow, first_fast), beam_pixel(simulation), divmod(int(image.argmax()), image.shape[1])]
    random = np.random.default_rng(7)
    more = random.integers((first_slow, first_fast), (last_slow + 1, last_fast + 1), size=(400, 2))
    wanted += [tuple(pixel) for pixel in more.tolist()]
    covered = [pixel for pixel in dict.fromkeys(wanted) if simulation.pixels.cover(*pixel)]
    return covered[:PIXELS]


def ulps_apart(first: np.float32, second: np.float32) -> int:
    """How many numbers of single precision lie between two that are not negative, with the last of them."""
    return abs(int(np.float32(first).view(np.int32)) - int(np.float32(second).view(np.int32)))


def traced(simulation: Simulation, slow: int, fast: int) -> np.float32:
    (line,) = (row for row in trace_simulation(simulation, slow, fast) if " floatimage_accumulated " in row)
    return np.float32(line.split()[-1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_traced_pixel_is_the_pixel_of_the_image(
    backend, name, dtype, folders, words_of, compiled_code, monkeypatch, capfd
):
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", {"eager": "never", "compiled": "always"}[backend])
    monkeypatch.setenv("NANOBRAG_TORCH_CACHE", str(compiled_code))
    arguments = words_of(name)
    with contextlib.chdir(folders / name):
        simulation = simulation_of(arguments, DTYPES[dtype])
    with torch.no_grad():
        image = simulation.image().numpy()
        if backend == "compiled" and not isinstance(simulation.backend(), CompiledBackend):
            why = not_compilable(simulation.model)
            assert why, capfd.readouterr().err
            pytest.skip(why)
        pixels = chosen_pixels(simulation, torch.from_numpy(image))
        assert len(pixels) >= min(PIXELS, image.size // 2)
        apart = {pixel: ulps_apart(traced(simulation, *pixel), image[pixel]) for pixel in pixels}
    assert max(apart.values()) <= BACKENDS[backend], f"units in the last place: {apart}"

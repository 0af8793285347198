"""The images of several models in one launch, as CUDA on an emulated GPU: the bytes of a launch for each of them."""

import ctypes
import subprocess
from dataclasses import replace

import pytest
import torch

from nanobrag_bench.gpu.frames import FRAME
from nanobrag_bench.gpu.runs import parsed
from nanobrag_torch.backends.compiled import cache, frames, recording
from nanobrag_torch.backends.compiled.cuda_text import THREADS_PER_BLOCK
from nanobrag_torch.backends.compiled.programs import PROGRAMS
from nanobrag_torch.simulator import batch as batches
from nanobrag_torch.simulator.series import Series
from tests.physics.emulated_gpu import _LAUNCH, _MACHINE, blocks_of_image, needs_cpp

LINE = f"{FRAME} -detpixels 30 -pixel 1.6"
LAUNCH = """
struct arguments { void **given; int rays, orientations; };
static void call(void *p) {
    const arguments *a = (const arguments *)p;
    void **given = a->given;
    run_frames(%s, a->rays, a->orientations);
}
extern "C" void launch(int count, int frames, void **pointers, int rays, int orientations) {
    arguments a = {pointers, rays, orientations};
    given = &a;
    body = call;
    for (blockIdx.y = 0; (int)blockIdx.y < frames; blockIdx.y++) blocks(count);
    blockIdx.y = 0;
}
"""
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def series(compiled_code):
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setenv("NANOBRAG_TORCH_COMPILE", "always")
        patch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
        yield Series(parsed(LINE), "cpu", torch.float32, images=100)


@pytest.fixture(scope="module")
def program(series, tmp_path_factory):
    """Which arguments are a frame's, and the launch on that machine."""
    text, _ = recording.source_of(PROGRAMS["photons_in_float32"], series.first.model, None, "cuda")
    made = frames.together(text)
    kinds = frames._ARGUMENT
    arguments = made.text[made.text.index(f"{frames.ENTRY}(") + len(frames.ENTRY) + 1 :].partition(")")[0].split(",")
    casts = [kinds.match(parameter.strip())["kind"] for parameter in arguments[:-2]]
    passed = ", ".join(f"({kind})given[{position}]" for position, kind in enumerate(casts))
    folder = tmp_path_factory.mktemp("emulated")
    (folder / "frames.cpp").write_text(_MACHINE % THREADS_PER_BLOCK + made.text + _LAUNCH + LAUNCH % passed)
    command = ["g++", "-O1", "-w", "-shared", "-fPIC", str(folder / "frames.cpp"), "-o", str(folder / "frames.so")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    library = ctypes.CDLL(str(folder / "frames.so"))

    def launch(shared, addresses, rays, orientations, count):
        pointers = [tensor.data_ptr() for tensor in (*shared, addresses)]
        library.launch(blocks_of_image(rays), count, (ctypes.c_void_p * len(pointers))(*pointers), rays, orientations)

    return made.of_a_frame, launch


@pytest.fixture
def emulated(program, monkeypatch):
    """Frames go the way of a GPU; the launches that there were, by their frames."""
    launches = []

    def launched(name, model, rows, rays):
        own, launch = program
        frames.run(own, launch, rows, CPU, rays, model.real_m.shape[0])
        launches.append(len(rows))
        return True

    monkeypatch.setattr(frames, "launched", launched)
    monkeypatch.setattr(batches, "launches_frames", lambda device: True)
    return launches


def simulations(series, count):
    return [series.at((10.0, 20.0 + 3 * i, 30.0), 1e-10 * (1 + 0.02 * i)) for i in range(count)]


@needs_cpp
def test_one_launch_has_the_bytes_of_several(series, emulated, monkeypatch):
    with torch.no_grad():
        together = batches.images_of(simulations(series, 5), trust_later=True)
        pairs = [batches.images_of(simulations(series, 5)[i : i + 2], trust_later=True).images for i in (0, 2)]
        assert emulated == [5, 2, 2]
        assert torch.equal(torch.cat(pairs), together.images[:4])
        assert together.doubt(together.digest) is None
        monkeypatch.setattr(batches, "launches_frames", lambda device: False)
        alone = batches.images_of(simulations(series, 5), trust_later=True).images
    assert emulated == [5, 2, 2] and len({float(image.max()) for image in alone}) == 5
    torch.testing.assert_close(together.images, alone, rtol=1e-5, atol=1e-6 * float(alone.max()))


@needs_cpp
def test_a_region_of_whole_rows_leaves_the_rest_empty(program, emulated, monkeypatch, tmp_path):
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "always")
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(tmp_path))
    with torch.no_grad():
        part = Series(parsed(f"{LINE} -roi 0 29 4 11"), "cpu", torch.float32, images=100)
        images = batches.images_of(simulations(part, 2), trust_later=True).images
        assert emulated == [2]
        alone = simulations(part, 2)[1].image()
    assert float(images[:, 4:12].min()) > 0 and not images[:, :4].any() and not images[:, 12:].any()
    torch.testing.assert_close(images[1], alone, rtol=1e-5, atol=1e-6 * float(alone.max()))


@needs_cpp
def test_columns_and_a_mask_are_one_launch_too(program, emulated, monkeypatch, compiled_code):
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "always")
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(compiled_code))
    with torch.no_grad():
        whole = parsed(f"{LINE} -roi 3 24 4 11")
        mask = torch.ones(30, 30, dtype=torch.bool)
        mask[6, 3:12] = False
        part = Series(replace(whole, detector=replace(whole.detector, mask=mask)), "cpu", torch.float32, images=100)
        images = batches.images_of(simulations(part, 2), trust_later=True).images
        assert emulated == [2]
        alone = simulations(part, 2)[1].image()
    mask[:, :3], mask[:, 25:], mask[:4], mask[12:] = (False,) * 4
    assert float(images[:, mask].min()) > 0 and not images[:, ~mask].any()
    torch.testing.assert_close(images[1], alone, rtol=1e-5, atol=1e-6 * float(alone.max()))


def test_models_that_differ_in_more_are_not_launched_together(series, program):
    rows = [simulation.backend().inputs_of_image(torch.float32)[1] for simulation in simulations(series, 2)]
    image = torch.empty(900)
    lists = torch.zeros(900, dtype=torch.int32)
    rows = [[*row, lists, lists, image] for row in rows]
    changed = [*rows[1]]
    changed[0] = changed[0].clone()  # an axis of the detector
    with pytest.raises(ValueError, match="differ in more than orientation and wavelength"):
        frames.run(program[0], lambda *_: pytest.fail("launched"), [rows[0], changed], CPU, 900, 10)
    more = [*rows[1]]
    where = program[0][2]
    more[where] = torch.cat([more[where], more[where]])
    with pytest.raises(ValueError, match="other numbers of orientations"):
        frames.run(program[0], lambda *_: pytest.fail("launched"), [rows[0], more], CPU, 900, 10)


def test_a_program_of_another_form_is_refused():
    for text in ("void run(int x)", "ENTRY run(int x, const int rays, const int orientations)\n"):
        with pytest.raises(ValueError, match="another form"):
            frames.together(text)


def test_without_it_every_image_is_a_launch_and_that_is_said(series, emulated, monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("Kernel compilation failed:\nfor a reason")

    monkeypatch.setattr(frames, "launched", broken)
    batches._tell_once.cache_clear()
    with torch.no_grad():
        for _ in range(2):
            assert batches.images_of(simulations(series, 2), trust_later=True).images.max() > 0
    said = capsys.readouterr().err
    assert said.count("every image is a launch of its own: Kernel compilation failed: for a reason") == 1

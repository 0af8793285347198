"""Whole runs: what is written, what is printed, and that a failure leaves nothing behind."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
import torch

from nanobrag_torch import simulator
from nanobrag_torch.cli import main, parse, write
from nanobrag_torch.cli.write import _Work
from nanobrag_torch.io.float_image import read_double_image, read_float_image
from nanobrag_torch.io.noise import noise_image, require_finite
from nanobrag_torch.io.smv import read_smv
from nanobrag_torch.physics.random_numbers import SharedTable, UniformStream
from nanobragg_tables.__main__ import REPOSITORY
from tests.cli.conftest import BASE, smv_bytes

SMALL = [*BASE, "-detpixels_f", "12", "-detpixels_s", "10", "-pixel", "1", "-N", "3", "-fluence", "1e28", "-seed", "5"]
DEFAULT_FILES = ["floatimage.bin", "image.pgm", "intimage.img", "noiseimage.img"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_default_files_hold_the_image(here, capsys):
    assert main(SMALL) == 0
    assert names(here) == DEFAULT_FILES
    image = read_float_image("floatimage.bin", (10, 12))
    simulation = simulator.Simulation(parse(SMALL).experiment)
    assert np.array_equal(image, simulation.image().numpy()) and image.max() > 0
    header, counts = read_smv("intimage.img")
    assert (header["SIZE1"], header["SIZE2"], header["HEADER_BYTES"]) == ("12", "10", "512")
    assert counts.max() == 55040 and np.abs(counts - (image * (55000 / image.max()) + 40)).max() <= 0.51
    noise = noise_image(image, simulation.roi, 40.0, UniformStream(SharedTable(), -5))
    assert np.array_equal(read_smv("noiseimage.img")[1], noise.counts)
    said = capsys.readouterr().out
    assert f"max_I = {image.max():g}" in said and "-seed 5" in said


def test_double_precision_image(here, capsys):
    assert main([*SMALL, "-doublefile", "image.f64"]) == 0
    double = read_double_image("image.f64", (10, 12))
    assert np.array_equal(double.astype(np.float32), read_float_image("floatimage.bin", (10, 12)))
    exact = simulator.Simulation(parse(SMALL).experiment).image(image_dtype=torch.float64).numpy()
    assert np.array_equal(double, exact) and not np.array_equal(double, double.astype(np.float32))
    assert "image.f64" in capsys.readouterr().out


def test_pgm(here):
    assert main([*SMALL, "-pgmscale", "2"]) == 0
    start, _, body = (here / "image.pgm").read_bytes().partition(b"\n255\n")
    assert start == b"P5\n12 10\n# pixels scaled by 2"
    image = read_float_image("floatimage.bin", (10, 12)).astype(float)
    assert np.array_equal(np.frombuffer(body, np.uint8).reshape(10, 12), np.minimum(image * 2, 255).astype(np.uint8))


def test_region_and_mask(here):
    mask = np.ones((10, 12))
    mask[4, 5] = 0
    (here / "m.img").write_bytes(smv_bytes(mask))
    assert main([*SMALL, "-mask", "m.img", "-roi", "2", "6", "3", "8", "-nopgm", "-scale", "1", "-adc", "7"]) == 0
    assert names(here) == ["floatimage.bin", "intimage.img", "m.img", "noiseimage.img"]
    image, counts = read_float_image("floatimage.bin", (10, 12)), read_smv("intimage.img")[1]
    inside = np.zeros((10, 12), bool)
    inside[3:9, 2:7] = True
    assert not image[~inside].any() and not counts[~inside].any()
    assert image[4, 5] == 0 and counts[4, 5] == 7
    assert np.count_nonzero(image[inside]) == inside.sum() - 1


def test_trace_goes_with_the_image(here, capsys):
    assert main([*SMALL, "-nonoise", "-trace_pixel", "4", "7", "-roi", "7", "7", "4", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    trace = [line for line in lines if line.startswith(("TRACE_PY:", "TRACE_PY_PHI "))]
    assert trace[0] == "TRACE_PY:detector_convention=MOSFLM"
    assert "TRACE_PY: pixel_slow_fast 4 7" in trace
    final = float(next(line for line in trace if "floatimage_accumulated" in line).split()[-1])
    assert final == pytest.approx(float(read_float_image("floatimage.bin", (10, 12))[4, 7]), rel=1e-14)
    assert len(trace) < len(lines)


def test_printout_of_one_pixel(here, capsys):
    assert main([*SMALL, "-printout_pixel", "7", "4"]) == 0
    said = capsys.readouterr().out
    image = read_float_image("floatimage.bin", (10, 12))
    assert said.count(" : stol = ") == 1 and "7 4 : stol = " in said
    value = float(next(line for line in said.splitlines() if "I_pixel_final" in line).split()[-1])
    assert value == pytest.approx(float(image[4, 7]), rel=1e-6)


def test_runs_repeat_to_the_byte(here):
    for name in "ab":
        (here / name).mkdir()
        os.chdir(here / name)
        assert main([*SMALL, "-hdf5file", "x.h5"]) == 0
    for name in [*DEFAULT_FILES, "x.h5"]:
        assert (here / "a" / name).read_bytes() == (here / "b" / name).read_bytes(), name


def test_dump_is_written_and_read(here):
    (here / "f.hkl").write_text("0 0 0 100\n1 1 1 50\n-1 0 0 70\n")
    assert main([*SMALL, "-hkl", "f.hkl", "-dumpfile", "F.bin"]) == 0
    first = (here / "floatimage.bin").read_bytes()
    (here / "floatimage.bin").unlink()
    assert main([*SMALL, "-dumpfile", "F.bin"]) == 0
    assert (here / "floatimage.bin").read_bytes() == first
    assert main(SMALL) == 0
    assert (here / "floatimage.bin").read_bytes() != first, "a dump is read only where it is named"


def test_float32_is_close(here):
    assert main([*SMALL, "-dtype", "float32"]) == 0
    image = read_float_image("floatimage.bin", (10, 12))
    exact = simulator.simulate(parse(SMALL).experiment, dtype=torch.float64).numpy()
    assert np.abs(image - exact).max() < 1e-5 * exact.max()


def test_nothing_is_left_of_a_failed_run(here, monkeypatch, capsys):
    """A disk that fills up: the error is one line, and neither a half nor a temporary file stays."""

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(SMALL) == 2
    error = capsys.readouterr().err
    assert error == "nanobrag_torch: error: floatimage.bin: cannot be written (No space left on device)\n"
    assert names(here) == []


@pytest.mark.parametrize(
    ("flags", "shown"), [([], True), (["-noprogress"], False), (["-printout_pixel", "1", "1"], False)]
)
def test_progress_bar_on_a_terminal(flags, shown, here):
    pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
    ours, theirs = pty.openpty()
    run = subprocess.run(
        [sys.executable, "-m", "nanobrag_torch", *SMALL, *flags], stdout=subprocess.PIPE, stderr=theirs
    )
    os.write(theirs, b"end")
    said = b""
    while not said.endswith(b"end"):
        said += os.read(ours, 65536)
    os.close(ours)
    os.close(theirs)
    assert run.returncode == 0 and b"%" not in run.stdout
    assert (b"pixels" in said) == shown


def test_program_as_a_process(here):
    run = subprocess.run([sys.executable, "-m", "nanobrag_torch", *SMALL], capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr == "" and "pixels in" in run.stdout
    assert names(here) == DEFAULT_FILES
    run = subprocess.run([sys.executable, "-m", "nanobrag_torch", "-bogus"], capture_output=True, text=True)
    assert run.returncode == 2 and run.stdout == ""
    run = subprocess.run([sys.executable, "-m", "nanobrag_torch", "--version"], capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.startswith("nanobrag_torch ")


@pytest.mark.skipif(os.environ.get("NB_RUN_PARALLEL") != "1", reason="runs the C program: set NB_RUN_PARALLEL=1")
@pytest.mark.parametrize("fluence", ["1e24", "1e29", "1e31", "3e32"])
@pytest.mark.parametrize("seed", ["1", "-7", "123456"])
def test_noise_is_that_of_the_C_program(fluence, seed, here):
    binary = Path(os.environ.get("NB_C_BIN") or REPOSITORY / "build/nanobragg_c/nanobragg")
    flags = [*SMALL, "-mosaic", "0.3", "-mosaic_dom", "3", "-fluence", fluence, "-seed", seed, "-adc", "3"]
    flags += ["-roi", "1", "10", "0", "8"]
    subprocess.run([str(binary), *flags, "-noisefile", "c.img", "-floatfile", "c.bin"], check=True, capture_output=True)
    assert main([*flags, "-noisefile", "py.img", "-floatfile", "py.bin"]) == 0
    means = read_float_image("c.bin", (10, 12))
    table = SharedTable()
    mosaic = UniformStream(table, -12345678)
    for _ in range(9):
        mosaic.draw()
    noise = noise_image(means, (1, 10, 0, 8), 3.0, UniformStream(table, -int(seed)))
    theirs = read_smv("c.img")[1]
    assert np.array_equal(theirs, noise.counts)
    # the means of the two programs differ in their last bits, so of their own noise nearly all pixels are alike
    assert np.mean(read_smv("py.img")[1] == theirs) > 0.9


def test_a_run_that_is_stopped_while_it_writes_leaves_no_part_of_a_file(here):
    code = (
        "import os, signal, sys\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from nanobrag_torch.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *SMALL], capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr.endswith("interrupted; nothing more is written\n")
    left = {path.name: path.read_bytes() for path in here.iterdir()}
    assert main(SMALL) == 0
    whole = {path.name: path.read_bytes() for path in here.iterdir()}
    assert {name: whole.get(name) for name in left} == left, "what stays is whole"


def test_signals_end_a_run_at_any_moment(here):
    """The signal arrives while modules are imported, while the experiment is resolved, or while pixels are computed."""
    size = ["-detpixels", "2000", "-pixel", "0.1", "-oversample", "3", "-N", "3", "-phisteps", "500", "-osc", "1"]
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from nanobrag_torch.__main__ import start; print('started', flush=True); sys.exit(start())"
    runs = []
    for number, moment_s in ((signal.SIGINT, 0.02), (signal.SIGINT, 2.0), (signal.SIGTERM, 2.5)):
        command = [sys.executable, "-c", code, *BASE, *size, "-nonoise", "-nopgm"]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert run.stdout.readline() == "started\n"
        runs.append((run, number, time.monotonic() + moment_s))
        if moment_s < 1:
            time.sleep(moment_s)
            run.send_signal(number)
    for run, number, at in runs:
        time.sleep(max(0.0, at - time.monotonic()))
        run.send_signal(number)
        said = run.communicate(timeout=20)[1].splitlines()
        assert run.returncode in (128 + number, -number) and "Traceback" not in "".join(said), (
            said
        )  # both are 130 to a shell
        assert said[-1] == "nanobrag_torch: error: interrupted; nothing more is written"
    assert names(here) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_noise_within_a_second(here, capsys, monkeypatch, number):
    """Drawing two million bright pixels takes several seconds; the signal arrives when it begins."""
    sent = []

    def tell_soon(*image_and_roi):
        require_finite(*image_and_roi)
        threading.Timer(0.3, lambda: (sent.append(time.monotonic()), os.kill(os.getpid(), number))).start()

    monkeypatch.setattr(write, "require_finite", tell_soon)
    # a shell that runs the tests in the background has them ignore Ctrl-C, and Python leaves that as it is
    signal.signal(signal.SIGINT, signal.default_int_handler)
    size = ["-detpixels", "1500", "-pixel", "0.1", "-oversample", "1", "-N", "1", "-fluence", "1e35", "-seed", "1"]
    assert main([*BASE, *size, "-nopgm"]) == 128 + number
    assert time.monotonic() - sent[0] < 1
    assert capsys.readouterr().err.endswith("interrupted; nothing more is written\n")
    assert set(names(here)) <= {"floatimage.bin", "intimage.img"}


def test_noise_of_a_pixel_that_is_not_finite_is_refused(here, capsys):
    line = [*SMALL, "-default_F", "1e170", "-N", "7"]
    assert main([*line, "-nonoise"]) == 0
    image = read_float_image("floatimage.bin", (10, 12))
    not_finite = np.argwhere(~np.isfinite(image))
    slow, fast = not_finite[0]
    assert f"warning: {len(not_finite)} pixels are not finite numbers" in capsys.readouterr().err
    for path in here.iterdir():
        path.unlink()
    assert main(line) == 2 and names(here) == []
    said = capsys.readouterr().err
    assert f"error: noise: pixel slow {slow} fast {fast} has {image[slow, fast]} photons" in said


def test_an_end_waits_for_a_file_at_work_and_begins_no_other():
    work, begun, told, done = _Work(), threading.Event(), threading.Event(), []

    def job():
        begun.set()
        told.wait()
        done.append("whole")
        return "wrote it"

    threading.Thread(target=work.do, args=(job,)).start()  # a thread that no pool knows of
    begun.wait()
    threading.Timer(0.05, told.set).start()
    work.stop()
    assert done == ["whole"]
    with pytest.raises(CancelledError):
        work.do(job)


def test_garbage_is_collected_again_once_a_simulation_is_set_up(tmp_path, monkeypatch):
    """`python -m nanobrag_torch` leaves it out while it starts."""
    monkeypatch.chdir(tmp_path)
    gc.disable()
    try:
        assert main([*BASE, "-detpixels", "8", "-pixel", "1", "-nopgm"]) == 0
        assert gc.isenabled() and gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()

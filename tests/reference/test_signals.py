"""A signal that ends the program leaves every file whole or absent, and no temporary one."""

import os
import pty
import signal
import subprocess
import time

import pytest

from .program import BASE

LINE = [*BASE, "-default_F", "5", "-detpixels", "40"]
ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def start(nanobragg, *arguments, ignored=None, stdout=subprocess.PIPE):
    """Start the program as a terminal does, without the ignored signals of a background process or of nohup."""
    handlers = {
        number: signal.SIG_IGN if number == ignored else signal.default_int_handler
        for number in (signal.SIGINT, signal.SIGHUP)
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        return subprocess.Popen(
            [nanobragg.binary, *arguments], cwd=nanobragg.folder, stdout=stdout, stderr=subprocess.PIPE
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for(condition):
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited in vain")


@pytest.mark.parametrize("number", ENDING)
def test_while_files_are_written(nanobragg, number):
    """The pipe stops the program when the float and the integer image are written under their temporary names."""
    pipe = nanobragg.folder / "pipe"
    os.mkfifo(pipe)
    run = start(nanobragg, *LINE, "-threads", "4", "-noisefile", "pipe")
    wait_for(lambda: len(list(nanobragg.folder.iterdir())) >= 3)
    run.send_signal(number)
    assert len(pipe.read_bytes()) == 512 + 2 * 40 * 40
    run.communicate(timeout=60)
    assert run.returncode == -number
    left = {path.name for path in nanobragg.folder.iterdir()} - {"pipe"}
    assert left in (set(), {"floatimage.bin", "intimage.img"})
    for name, size in (("floatimage.bin", 4 * 40 * 40), ("intimage.img", 512 + 2 * 40 * 40)):
        assert name not in left or (nanobragg.folder / name).stat().st_size == size


@pytest.mark.parametrize("number", ENDING)
def test_while_pixels_are_computed(nanobragg, number):
    run = start(nanobragg, *LINE, "-threads", "2", "-oversample", "2000", "-progress")
    wait_for(lambda: run.poll() is None)
    time.sleep(0.3)
    run.send_signal(number)
    run.communicate(timeout=20)
    assert run.returncode == -number and list(nanobragg.folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_noise_is_drawn(nanobragg, number):
    """Bright pixels of a single cell are computed fast, but each takes several draws of noise. A terminal shows lines
    at once.
    """
    flags = "-cell 50 -N 1 -default_F 100 -fluence 1e30 -detpixels 4000 -pixel 0.02 -oversample 1 -nopgm -noprogress"
    terminal, end = pty.openpty()
    run = start(nanobragg, *flags.split(), stdout=end)
    os.close(end)
    text = b""
    while b"max_I" not in text:  # the last line before noise
        text += os.read(terminal, 4096)
    told = time.monotonic()
    run.send_signal(number)
    run.communicate(timeout=60)
    took = time.monotonic() - told
    os.close(terminal)
    assert run.returncode == -number and took < 1 and list(nanobragg.folder.iterdir()) == []


def test_ignored_signal_stays_ignored(nanobragg):
    """As under nohup."""
    pipe = nanobragg.folder / "pipe"
    os.mkfifo(pipe)
    run = start(nanobragg, *LINE, "-noisefile", "pipe", ignored=signal.SIGHUP)
    wait_for(lambda: len(list(nanobragg.folder.iterdir())) >= 3)
    run.send_signal(signal.SIGHUP)
    pipe.read_bytes()
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert {path.name for path in nanobragg.folder.iterdir()} == {"pipe", "floatimage.bin", "intimage.img"}

"""kill -9 at every change of a name: each file is whole, and where two runs are mixed the next run says so."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .program import BASE

FILES = ("floatimage.bin", "intimage.img", "image.pgm")
_FLAGS = [*(word for word in BASE if word != "-nopgm"), "-scale", "1e3", "-pgmscale", "1e3"]
OLD, NEW = ([*_FLAGS, "-default_F", value] for value in ("5", "7"))  # so all files differ
TOLD = "a run was killed while its files got their names"
# Each line it reads is a run: when to be killed, and flags. Python tells an audit hook of a change before it happens.
TORCH = """
import os, signal, sys
import torch
from nanobrag_torch.cli import main

at = [0]

def told(event, arguments):
    if event in ("os.rename", "os.link", "os.remove") and "image" in str(arguments[0]):
        at[0] -= 1
        if at[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(told)
for line in sys.stdin:
    kill_at, *flags = line.split()
    child = os.fork()
    if child == 0:
        at[0] = int(kill_at)
        with open("../said", "w") as sys.stderr, open(os.devnull, "w") as sys.stdout:
            status = main(flags)
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="session")
def killing(tmp_path_factory) -> Path:
    library = tmp_path_factory.mktemp("killing") / "killing.so"
    source = Path(__file__).with_name("killing.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture(params=["c", "torch"])
def run(request, nanobragg, killing, tmp_path):
    """Runs a program with flags, killed at the change of this number: its exit status and what it said."""
    folder = nanobragg.folder
    if request.param == "c":

        def of_c(flags, kill_at=0):
            environment = {**os.environ, "LD_PRELOAD": str(killing), "KILL_AT": str(kill_at)}
            words = [nanobragg.binary, *flags]
            done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            return done.returncode, done.stderr

        yield of_c
        return
    words, environment = [sys.executable, "-c", TORCH], {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=folder, env=environment, **pipes) as server:

        def of_torch(flags, kill_at=0):
            print(kill_at, *flags, file=server.stdin, flush=True)
            return int(server.stdout.readline()), (folder.parent / "said").read_text()

        yield of_torch
        server.stdin.close()


@pytest.fixture
def nanobragg(nanobragg, tmp_path):
    (tmp_path / "run").mkdir()
    return dataclasses.replace(nanobragg, folder=tmp_path / "run")


def test_at_every_change_of_a_name(run, nanobragg):
    folder = nanobragg.folder

    def content():
        return [(folder / name).read_bytes() for name in FILES]

    assert run(NEW)[0] == 0
    new = content()
    assert run(OLD)[0] == 0
    old = content()
    assert all(before != after for before, after in zip(old, new, strict=True))
    mixed = 0
    for kill_at in range(1, 30):
        status, _ = run(NEW, kill_at)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        now = content()
        assert all(bytes_ in pair for bytes_, pair in zip(now, zip(old, new, strict=True), strict=True))
        kept = [path for path in folder.iterdir() if path.name.endswith("~")]
        if now not in (old, new):
            mixed += 1
            assert {path.read_bytes() for path in kept} == set(old), "what was there before can be had back"
        status, said = run(OLD)
        assert status == 0 and content() == old
        assert said.count(TOLD) == len(kept) and all(path.name in said for path in kept)
        for path in folder.iterdir():
            if path.name not in FILES:
                path.unlink()
    assert mixed >= 2 and kill_at > 9 and content() == new


def test_other_files_with_a_tilde_are_not_meant(nanobragg):
    """An editor's copy, another file's, a file that merely begins alike."""
    for name in ("floatimage.bin~", "floatimage.bin.abc~", ".other.bin.abcdefgh.part~", "floatimage.bin.abcdef"):
        (nanobragg.folder / name).write_text("x")
    assert TOLD not in nanobragg.run(*OLD).stderr

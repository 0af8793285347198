"""A set of output files is written completely or not at all, even if one of them can no longer be written at the end.

A picture goes into a pipe, so that both programs wait when their other files are written and not yet renamed.
"""

import os
import shutil
import subprocess
import threading
import time

import pytest

from nanobrag_torch.cli.run import main
from nanobrag_torch.io import writing

FLAGS = "-cell 50 60 70 90 90 90 -distance 100 -detpixels 8 -pixel 3 -lambda 1 -oversample 1 -nonoise -noprogress"
FLAGS += " -default_F 5 -N 3 -floatfile f -intfile i -pgmfile p -doublefile d"
NO_LINKS = (
    "#include <errno.h>\nint link(const char *a, const char *b) { (void)a; (void)b; errno = EPERM; return -1; }\n"
)


@pytest.fixture
def run(request, tmp_path, monkeypatch, build_folder, capfd):
    """Run a program; `at_the_end(folder)` is called when its files are written but not yet renamed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NANOBRAG_TORCH_BACKEND", "eager")
    os.mkfifo(tmp_path / "p")

    def of(at_the_end):
        def reader():
            until = time.monotonic() + 20
            while len(written(tmp_path)) < 3 and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.1)
            at_the_end(tmp_path)
            (tmp_path / "p").read_bytes()

        thread = threading.Thread(target=reader)
        thread.start()
        if request.param == "torch":
            status = main(FLAGS.split())
        else:
            status = subprocess.run([build_folder / "nanobragg", *FLAGS.split()], check=False).returncode
        thread.join()
        return status, [line for line in capfd.readouterr().err.splitlines() if "warning" not in line]

    return of


def written(folder):
    """Files that are written but not yet renamed."""
    return [path for path in folder.iterdir() if path.name[0] in "fid." and len(path.name) > 2 and path.is_file()]


def former(folder):
    (folder / "f").write_text("old f")
    (folder / "d").write_text("old d")


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def lose(name):
    def of(folder):
        for path in written(folder):
            if path.name.lstrip(".").startswith(name):
                path.unlink()

    return of


BOTH = pytest.mark.parametrize("run", ["c", "torch"], indirect=True)


@BOTH
@pytest.mark.parametrize("name", ["f", "d", "i"])
def test_a_file_that_cannot_get_its_name_takes_the_others_along(run, tmp_path, name):
    former(tmp_path)
    status, said = run(lose(name))
    assert status != 0 and len(said) == 1 and "cannot" in said[0], said
    assert contents(tmp_path) == {"f": "old f", "d": "old d"}


@BOTH
def test_a_path_that_has_become_a_folder(run, tmp_path):
    former(tmp_path)
    status, said = run(lambda folder: (folder / "i").mkdir())
    assert status != 0 and len(said) == 1 and "irectory" in said[0], said
    assert contents(tmp_path) == {"f": "old f", "d": "old d"} and (tmp_path / "i").is_dir()


@BOTH
def test_nothing_is_left_beside_a_set_that_is_whole(run, tmp_path):
    former(tmp_path)
    assert run(lambda folder: None)[0] == 0
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir() if path.name in "fd"} == {"f": 256, "d": 512}
    assert {path.name for path in tmp_path.iterdir()} == {"f", "d", "i", "p"}


@pytest.mark.parametrize("run", ["c"], indirect=True)
@pytest.mark.parametrize("whole", [True, False])
def test_a_file_system_without_hard_links(run, tmp_path, tmp_path_factory, monkeypatch, whole):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    library = tmp_path_factory.mktemp("no links") / "nolinks.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-xc", "-", "-o", library], input=NO_LINKS, text=True, check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    former(tmp_path)
    status, _ = run(lambda folder: None if whole else lose("i")(folder))
    assert (status == 0) == whole
    if whole:
        assert (tmp_path / "f").stat().st_size == 256 and {p.name for p in tmp_path.iterdir()} == {"f", "d", "i", "p"}
    else:
        assert contents(tmp_path) == {"f": "old f", "d": "old d"}


def test_torch_without_hard_links(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    former(tmp_path)

    def write(lost):
        with writing.together():
            for name in "fid":
                writing.write_whole(tmp_path / name, [b"new"])
            if lost:
                lose("d")(tmp_path)

    with pytest.raises(writing.WriterError, match="cannot be written"):
        write(lost=True)
    assert contents(tmp_path) == {"f": "old f", "d": "old d"}
    write(lost=False)
    assert contents(tmp_path) == {"f": "new", "i": "new", "d": "new"}

"""Compiled code is never loaded from a place where somebody else can write."""

import os
import subprocess
import sys

import pytest
import torch

from nanobrag_torch.backends.compiled import cache, loading, ownership, selection
from tests.c_program import needs_compiler

WORDS = "-cell 50 60 70 90 90 90 -default_F 100 -N 5 -lambda 1 -distance 100 -detpixels 8 -nonoise -nopgm"


@pytest.fixture
def give_away(monkeypatch):
    """Give a file or folder to another user: really, where the tests run as root, else by acting as another user."""

    def give(path):
        if os.geteuid() == 0:
            os.chown(path, 12345, -1)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)

    return give


def library(folder, mark, name="photons-1"):
    """A shared library whose constructor writes a file `mark`, and its record with the right hash."""
    source, package = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text(
        "#include <stdio.h>\nvoid run(void) {}\n__attribute__((constructor)) static void start(void)"
        f'{{ FILE *f = fopen("{mark}", "w"); if (f) fclose(f); }}\n'
    )
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", package], check=True)
    package.chmod(0o755)
    record = package.with_suffix(".json")
    with package.open("rb") as file:
        record.write_text(f'{{"sha256": "{cache.hashlib.file_digest(file, "sha256").hexdigest()}"}}')
    record.chmod(0o644)
    return package


@needs_compiler
@pytest.mark.parametrize("writable", [".so", ".json"])
@pytest.mark.parametrize("how", ["owner", "group", "others", "link"])
def test_a_program_that_others_can_write_is_never_loaded(writable, how, tmp_path, give_away):
    package = library(tmp_path, tmp_path / "ran")
    path = package.with_suffix(writable)
    if how == "owner":
        give_away(path)
    elif how == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.chmod(path.stat().st_mode | (0o020 if how == "group" else 0o002))
    with pytest.raises(cache.BrokenPackage):
        loading.load(package, torch.device("cpu"))
    assert not (tmp_path / "ran").exists()


@needs_compiler
def test_what_is_loaded_is_the_file_that_was_checked(tmp_path, monkeypatch):
    """A file that replaces the checked one afterwards is not run; every program has a descriptor of its own."""
    package, foreign = library(tmp_path, tmp_path / "mine"), library(tmp_path, tmp_path / "theirs", "other")
    real = loading.opened

    def swap(path):
        file = real(path)
        foreign.replace(path)
        return file

    monkeypatch.setattr(loading, "opened", swap)
    loading.load(package, torch.device("cpu"))
    assert (tmp_path / "mine").exists() and not (tmp_path / "theirs").exists()
    monkeypatch.setattr(loading, "opened", real)
    second = library(tmp_path, tmp_path / "second", "photons-2")
    loading.load(second, torch.device("cpu"))
    assert (tmp_path / "second").exists()


@pytest.mark.parametrize("how", ["owner", "mode"])
def test_a_folder_that_others_can_write_gives_way_to_a_private_one(how, tmp_path, monkeypatch, give_away, capfd):
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(shared))
    shared.chmod(0o755)
    assert cache.directory() == shared
    if how == "mode":
        shared.chmod(0o1777)
    else:
        give_away(shared)
    private = cache.directory()
    assert cache.directory() == private != shared
    assert private.stat().st_mode & 0o077 == 0
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1 and str(shared) in said[0] and str(private) in said[0]
    with pytest.raises(ownership.Unsafe):
        ownership.check_folder(shared)


@needs_compiler
def test_a_run_with_a_shared_cache_is_right_and_leaves_it_alone(tmp_path):
    """Under a umask that lets the group write, what is built is used again all the same."""
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    shared.chmod(0o777)
    said = {}
    for folder in (shared, own, own):
        environment = {**os.environ, cache.DIRECTORY_VARIABLE: str(folder), selection.MODE_VARIABLE: "always"}
        done = subprocess.run(
            [sys.executable, "-m", "nanobrag_torch", *WORDS.split(), "-floatfile", f"{folder.name}.bin"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, umask=0o002,
        )  # fmt: skip
        said[folder.name] = done.stderr
    assert "can be written by others" in said["shared"] and "is not used" not in said["shared"]
    assert "compiling" not in said["own"] and "kept in" not in said["own"]
    assert list(shared.iterdir()) == []
    assert (tmp_path / "shared.bin").read_bytes() == (tmp_path / "own.bin").read_bytes()

"""The lock: every package at one version with hashes, of what the direct dependencies say, and its installer."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from tests.workflow.conftest import REPOSITORY
from tests.workflow.test_environment import pins

LOCK = REPOSITORY / "envs/lock"
MAIN = ("wheels", "source", "torch", "uv")
HASH = "--hash=sha256:"


def blocks(name: str) -> list[str]:
    return re.findall(r"^[a-z].*?(?=^[a-z]|\Z)", (LOCK / f"{name}.txt").read_text(), re.MULTILINE | re.DOTALL)


def locked(*names: str) -> list[Requirement]:
    return [Requirement(block.splitlines()[0].rstrip(" \\")) for name in names for block in blocks(name)]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", [*MAIN, "docs", "roc-validator"])
def test_a_part_holds_names_versions_and_hashes_alone(name):
    text = (LOCK / f"{name}.txt").read_text()
    assert "://" not in text and not re.search(r"^[^#]*/", text, re.MULTILINE)
    for block in blocks(name):
        first, *rest = block.splitlines()
        assert re.match(r"[a-z0-9-]+==[\w.]+( ; .+)? \\$", first), first
        hashes = [line.strip() for line in rest if not line.lstrip().startswith("#")]
        assert hashes and all(re.fullmatch(HASH + r"[0-9a-f]{64}( \\)?", line) for line in hashes), first


def test_the_lock_has_what_the_direct_dependencies_say():
    versions = {canonical(name): version for name, version in pins().items()}
    pinned = {requirement.name: str(requirement.specifier)[2:] for requirement in locked(*MAIN)}
    assert {name: pinned.get(name) for name in versions} == versions, "run make lock"


def test_the_lock_of_the_site_has_what_the_direct_dependencies_say():
    versions = {requirement.name: str(requirement.specifier)[2:] for requirement in locked("docs")}
    assert {name: versions.get(name) for name in pins("docs.txt")} == pins("docs.txt"), "run make lock"


def test_one_version_of_a_package_for_each_python_and_system():
    for python in ("3.11", "3.12", "3.13", "3.14"):
        for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")):
            here = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system}
            here |= {"platform_machine": machine, "platform_python_implementation": "CPython"}
            marked = [
                requirement
                for requirement in locked(*MAIN)
                if requirement.marker is None or requirement.marker.evaluate(here)
            ]
            names = [requirement.name for requirement in marked]
            assert len(names) == len(set(names))
            assert {"torch", "numpy", "snakemake", "immutables", "connection-pool"} <= set(names)
            assert any(name.startswith("nvidia-") for name in names) == (system == "linux")


def test_every_dependency_of_a_locked_package_is_locked():
    names = {requirement.name for requirement in locked(*MAIN)}
    for name in names:
        try:
            needed = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, needed):
            marker = requirement.marker or Marker("python_version > '3'")
            if marker.evaluate({"extra": ""}):
                assert canonical(requirement.name) in names, f"{name} needs {requirement}"


def tiny_wheel(folder: Path) -> Path:
    """A package of one file."""
    path = folder / "tiny_example-1.0-py3-none-any.whl"
    about = "tiny_example-1.0.dist-info"
    files = {
        "tiny_example.py": "",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: tiny-example\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return path


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A python environment that holds pip alone, and the installer with a lock of one package."""
    folder = tmp_path_factory.mktemp("set-up")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    (folder / "envs/lock").mkdir(parents=True)
    shutil.copy2(REPOSITORY / "envs/install.py", folder / "envs")
    (folder / "shelf").mkdir()
    tiny_wheel(folder / "shelf")
    return folder


def install(folder: Path, digest: str) -> subprocess.CompletedProcess:
    (folder / "envs/lock/tiny.txt").write_text(f"tiny-example==1.0 \\\n    {HASH}{digest}\n")
    settings = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder / "shelf"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    command = [folder / "venv/bin/python", "envs/install.py", "--stamp", "venv/stamp", "--part", "tiny"]
    return subprocess.run(command, cwd=folder, env=os.environ | settings, capture_output=True, text=True, check=False)


def test_a_file_with_another_hash_is_refused(empty):
    done = install(empty, "0" * 64)
    assert done.returncode == 2 and not (empty / "venv/stamp").exists()
    assert "error: could not install tiny; the end of venv/install.log:" in done.stdout
    assert "DO NOT MATCH" in (empty / "venv/install.log").read_text()
    assert len(done.stdout.splitlines()) < 10 and not done.stderr


def test_the_file_of_the_lock_is_installed_and_the_stamp_comes_last(empty):
    digest = hashlib.sha256((empty / "shelf/tiny_example-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    done = install(empty, digest)
    assert done.returncode == 0, done.stdout
    assert (empty / "venv/stamp").read_text() == "" and len(done.stdout.splitlines()) == 1
    subprocess.run([empty / "venv/bin/python", "-c", "import tiny_example"], check=True)


@pytest.fixture
def installer():
    spec = importlib.util.spec_from_file_location("install", REPOSITORY / "envs/install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Recorder:
    """Takes commands in place of an installer; those that hold one of `failing` fail."""

    def __init__(self, *failing: str, uv=("uv",)) -> None:
        self.failing, self.uv, self.ran, self.said = failing, uv and list(uv), [], []

    def done(self, command) -> bool:
        self.ran.append(" ".join(map(str, command)))
        return not any(argument in self.ran[-1] for argument in self.failing)

    def install(self, package, command) -> None:
        self.done(command)

    def say(self, text) -> None:
        self.said.append(text)


@pytest.mark.parametrize(("wanted", "driver", "build"), [("", False, "cpu"), ("", True, "cuda"), ("cpu", True, "cpu")])
def test_the_build_of_torch_that_is_wanted_or_suits(installer, monkeypatch, tmp_path, wanted, driver, build):
    monkeypatch.setattr(installer, "DRIVER", tmp_path if driver else tmp_path / "none")
    monkeypatch.setattr(installer.shutil, "which", lambda _: None)
    monkeypatch.setattr(installer.sys, "platform", "linux")
    monkeypatch.setattr(installer, "only_for_cuda", lambda: iter(()))
    recorder = Recorder()
    assert installer.install_torch(recorder, wanted) == build
    assert ("+cpu" in recorder.ran[-1]) == (build == "cpu")
    assert ("--require-hashes" in recorder.ran[-1]) == (build == "cuda")


def test_without_an_index_of_cpu_builds_the_other_is_taken_and_said(installer, monkeypatch, tmp_path):
    monkeypatch.setattr(installer, "DRIVER", tmp_path / "none")
    monkeypatch.setattr(installer.shutil, "which", lambda _: None)
    monkeypatch.setattr(installer.sys, "platform", "linux")
    recorder = Recorder("+cpu")
    assert installer.install_torch(recorder, "") == "cuda"
    assert len(recorder.said) == 1 and "5.5 GB" in recorder.said[0]
    with pytest.raises(installer.Failed, match="torch for the CPU"):
        installer.install_torch(recorder, "cpu")


def test_the_places_of_files_are_those_of_pip(installer):
    settings = {"index-url": ["I"], "find-links": ["A", "B"], "cert": ["C"], "no-index": ["true"]}
    command, environment = installer.uv_command(settings)
    line = " ".join(command)
    assert "--default-index I" in line and "--find-links A --find-links B" in line and command[-1] == "--no-index"
    assert environment["SSL_CERT_FILE"] in ("C", os.environ.get("SSL_CERT_FILE"))


@pytest.mark.parametrize(
    "error, status, words",
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (FileNotFoundError(2, "No such file or directory", "x/install.log"), 2, "x/install.log: No such file"),
        (AttributeError("group"), 3, "AttributeError; a fault of ours, please report it with "),
    ],
)
def test_what_the_installer_did_not_foresee_is_one_line(installer, monkeypatch, capsys, tmp_path, error, status, words):
    def main():
        raise error

    monkeypatch.setattr(installer, "main", main)
    monkeypatch.setattr(installer.tempfile, "tempdir", str(tmp_path))
    assert installer.last_resort() == status
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: {words}")
    assert status != 3 or "Traceback" in Path(said.rpartition(" ")[2]).read_text()


def test_a_lock_without_uv_is_one_line(tmp_path):
    """The maker of the lock in a checkout whose python has no uv beside it."""
    (tmp_path / "envs").mkdir()
    (tmp_path / "src").symlink_to(REPOSITORY / "src")
    for name in ("make_lock.py", "requirements.txt"):
        shutil.copy2(REPOSITORY / "envs" / name, tmp_path / "envs")
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    code = f"import runpy, sys; sys.executable = {str(python)!r}; sys.argv[1:] = []; "
    code += "runpy.run_path('envs/make_lock.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and "uv: No such file" in done.stderr

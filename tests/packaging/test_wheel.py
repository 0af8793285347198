"""The wheel as pip gets it: all files of the packages, the licence, commands that exist, dependencies that suffice."""

import ast
import configparser
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser

import pytest
from packaging.requirements import Requirement

from nanobragg_tables.__main__ import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PACKAGES = ("nanobrag_bench", "nanobrag_campaign", "nanobrag_torch", "nanobragg_tables", "trace_audit")
BUILD = "import sys, setuptools.build_meta as backend; print(backend.build_wheel(sys.argv[1]))"
MODULES = {"PyYAML": "yaml", "Jinja2": "jinja2"}  # imported by another name than installed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """A wheel of a copy of the sources, built without network."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(REPOSITORY / name, folder)
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "src" / name, folder / "src" / name, ignore=ignored)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def metadata(wheel: zipfile.ZipFile) -> Message:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_holds_every_file_of_the_packages(wheel):
    expected = {
        str(path.relative_to(REPOSITORY / "src"))
        for package in PACKAGES
        for path in (REPOSITORY / "src" / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected - set(wheel.namelist()) == set()
    assert {f"{package}/py.typed" for package in PACKAGES} <= expected


def test_the_wheel_has_licence_description_and_version(wheel):
    read = metadata(wheel)
    version = importlib.import_module("nanobrag_torch").__version__
    assert (read["Name"], read["Version"], read["License-Expression"]) == ("nanobragg-audit", version, "MIT")
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    assert read.get_payload().startswith("# nanoBragg scaling audit")


def test_the_commands_of_the_wheel_exist(wheel):
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(wheel.read(name).decode())
    commands = dict(points["console_scripts"])
    assert sorted(commands) == ["nanobrag-audit", "nanobrag-torch"]
    for command in commands.values():
        module, function = command.split(":")
        assert callable(getattr(importlib.import_module(module), function))


def third_party(package: str) -> set[str]:
    """What the files of a package import at run time, without python's own modules and our packages."""
    names = set()
    for path in (REPOSITORY / "src" / package).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for block in [node for node in ast.walk(tree) if isinstance(node, ast.If)]:
            if ast.unparse(block.test) == "TYPE_CHECKING":
                block.body = [ast.Pass()]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - set(PACKAGES)


def declared(*extras: str) -> set[str]:
    """Modules that `pip install nanobragg-audit[extras]` brings."""
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    names = {Requirement(line).name for line in lines}
    return {MODULES.get(name, name) for name in names}


@pytest.mark.parametrize(
    ("package", "extras"),
    [
        ("nanobrag_torch", ["report"]),
        ("nanobragg_tables", []),
        ("nanobrag_campaign", []),
        ("nanobrag_bench", ["report"]),
        ("trace_audit", ["report", "audit"]),
    ],
)
def test_what_a_package_imports_is_declared(package, extras):
    assert third_party(package) <= declared(*extras)


def test_the_pinned_versions_are_what_the_metadata_asks_for():
    text = (REPOSITORY / "envs/requirements.txt").read_text()
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))
    lines = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]
    wanted = [Requirement(line) for line in lines]
    for requirement in wanted:
        if requirement.name != PROJECT["name"]:
            assert requirement.specifier.contains(pinned[requirement.name]), requirement

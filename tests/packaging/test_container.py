"""The container's definition, as far as it can be checked without a container runtime."""

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

from nanobragg_tables.__main__ import REPOSITORY

KNOWN = {"FROM", "RUN", "WORKDIR", "COPY", "ARG", "ENV", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, continued lines joined, in their order."""
    lines = [line for line in (REPOSITORY / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "")
    return [tuple(line.split(" ", 1)) for line in joined.splitlines() if line.strip()]


def arguments(name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions() if instruction == name]


def test_every_instruction_is_one_and_the_base_comes_first():
    assert {name for name, _ in instructions()} == KNOWN
    assert instructions()[0][0] == "FROM"
    version = re.fullmatch(r"python:(3\.\d+)-slim-bookworm", arguments("FROM")[0]).group(1)
    assert f"- python={version}." in (REPOSITORY / "envs/audit.yaml").read_text()


@pytest.mark.parametrize("run", arguments("RUN"))
def test_commands_are_shell_and_clear_away_what_they_downloaded(run):
    subprocess.run(["sh", "-n", "-c", run], check=True)
    assert "rm -rf " in run.split("&&")[-1]


def test_the_packages_are_debians():
    install = next(command for run in arguments("RUN") for command in run.split("&&") if "apt-get install" in command)
    names = [argument for argument in shlex.split(install)[2:] if not argument.startswith("-")]
    assert {"gcc", "make", "git"} <= set(names) and names == sorted(names)
    if not shutil.which("apt-cache"):
        pytest.skip("no apt-cache here")
    known = subprocess.run(["apt-cache", "pkgnames"], capture_output=True, text=True, check=True).stdout.split()
    if "bash" not in known:
        pytest.skip("no lists of Debian's packages here; apt-get update brings them")
    assert set(names) <= set(known)


def test_the_set_up_is_the_one_of_the_makefile():
    run = next(run for run in arguments("RUN") if "make setup" in run)
    target = re.search(r"make (\w+) TORCH=\"\$TORCH\"", run).group(1)
    environment = os.environ | {"MAKEFLAGS": ""}
    for build in (arguments("ARG")[0].split("=")[1], "cuda"):
        command = ["make", "--dry-run", target, f"TORCH={build}"]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and f'--torch "{build}"' in done.stdout, done.stderr


def test_what_it_starts_is_in_the_image():
    folder = arguments("WORKDIR")[0]
    assert arguments("COPY") == [". ."] and f"{folder}/.venv/bin" in arguments("ENV")[0]
    command = json.loads(arguments("CMD")[0])
    assert command[0] == "snakemake"
    snakefile = command[command.index("--snakefile") + 1]
    assert (REPOSITORY / snakefile.removeprefix(f"{folder}/")).is_file()


def test_nothing_that_the_image_needs_is_left_out():
    patterns = (REPOSITORY / ".dockerignore").read_text().split()
    kept = (
        "Makefile",
        "Snakefile",
        "config",
        "envs",
        "pyproject.toml",
        "src",
        "tests",
        "workflow",
        "README.md",
        ".git",
    )
    assert not set(kept) & set(patterns)
    ignored = {line.strip("/") for line in (REPOSITORY / ".gitignore").read_text().split()}
    assert {".venv", ".venv-roc", ".snakemake", "build", "logs"} <= set(patterns) & ignored

"""Every code block of README and docs: commands have flags and targets that exist, config is accepted, Python runs."""

import argparse
import importlib
import inspect
import re
import sys

import pytest
import yaml

from nanobrag_torch.cli import parse
from nanobrag_torch.refine.config import Config
from nanobragg_tables.__main__ import REPOSITORY
from tests.docs.code_blocks import Block, all_blocks, blocks_of, commands, documents
from trace_audit.config.scenario import load_scenario
from trace_audit.config.settings import Settings, parse_settings
from trace_audit.trace.key_names import read_key_names
from trace_audit.trace.simulator import read_simulator

LANGUAGES = {"sh", "python", "yaml", "text", "mermaid"}
OTHERS = {  # programs that are not ours
    *(
        "cat",
        "cd",
        "cp",
        "git",
        "grep",
        "head",
        "ls",
        "mkdir",
        "module",
        "pip",
        "sed",
        "source",
        "squeue",
        "ssh",
        "tee",
        "tmux",
    ),
    *("$EDITOR", "pre-commit"),
}
NEED_A_CAMPAIGN = {"docs/scaling.md", "docs/tutorial/campaign.md"}  # run by `make docs-check`
MADE_BY_TESTS = "docs/defects.md"  # each of its commands is run by test_defect_examples
RULES = {
    name
    for path in (REPOSITORY / "workflow/rules").glob("*.smk")
    for name in re.findall(r"^ *rule (\w+):", path.read_text(), re.MULTILINE)
}
MAKE = (REPOSITORY / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKE, re.MULTILINE))
VARIABLES = set(re.findall(r"\$[({]+(\w+)", MAKE))


def name_of(path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


class Parsed(BaseException):
    """Raised when a command line was understood; no handler of errors catches it."""


def test_every_block_says_what_it_is():
    assert [str(block) for block in all_blocks() if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_code_is_fenced(path):
    """No test would check a code block that is marked by indentation alone."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^::: .*\n(?:    .*\n)*", "", text, flags=re.MULTILINE)  # docstrings, with options
    assert re.findall(r"\n\n(    [^ ].*)", text) == []


@pytest.fixture
def understood(monkeypatch):
    """Parse command lines without running them."""
    original = argparse.ArgumentParser.parse_args

    def parse_args(self, args=None, namespace=None):
        original(self, args, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)

    def check(module: str, arguments: list[str]) -> None:
        if module == "trace_audit" and arguments and not arguments[0].startswith("-"):
            from trace_audit.core.commands import FOR_PEOPLE, FOR_RULES

            if arguments[0] in {**FOR_PEOPLE, **FOR_RULES}:
                module, arguments = f"trace_audit.{arguments[0]}", arguments[1:]
        command = importlib.import_module(module)
        if not hasattr(command, "main"):
            command = importlib.import_module(f"{module}.__main__")
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        with pytest.raises((Parsed, SystemExit)) as end:
            command.main(*([arguments] if inspect.signature(command.main).parameters else []))
        assert end.type is Parsed or (end.value.code == 0 and "--help" in arguments), f"{module} {arguments}"

    return check


def check_make(arguments: list[str]) -> None:
    if arguments[:1] == ["-s"]:
        arguments = arguments[1:]
    if arguments[:1] == ["-C"]:
        assert (REPOSITORY / arguments[1] / "Makefile").is_file(), arguments
        return
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        assert name in (VARIABLES if equals else TARGETS), f"make {argument}"


def check_snakemake(arguments: list[str]) -> None:
    from snakemake.cli import get_argument_parser

    targets = get_argument_parser().parse_args(arguments).targets
    assert set(targets) <= RULES, f"snakemake {arguments}"


def check_command(arguments: list[str], understood) -> None:
    program = arguments[0].removeprefix(".venv/bin/")
    if program in ("build/nanobragg_c/nanobragg", "nanobrag-torch"):
        parse(arguments[1:])
    elif program in ("python", "python3") and arguments[1] == "-m":
        if arguments[2] == "nanobrag_torch":
            parse(arguments[3:])
        elif arguments[2] in ("pytest", "snakemake", "venv"):
            assert all(
                (REPOSITORY / argument).exists() for argument in arguments[3:] if argument.startswith("tests/")
            ), arguments
        else:
            understood(arguments[2], arguments[3:])
    elif program in ("python", "python3"):
        assert arguments[1].startswith("mine/") or (REPOSITORY / arguments[1]).is_file(), arguments
    elif program == "nanobrag-audit":
        understood("trace_audit", arguments[1:])
    elif program == "make":
        check_make(arguments[1:])
    elif program == "snakemake":
        check_snakemake(arguments[1:])
    else:
        assert program in OTHERS or (REPOSITORY / program).is_file(), f"{program}: how is it checked?"


@pytest.mark.parametrize("path", [path for path in documents() if not path.match(MADE_BY_TESTS)], ids=name_of)
def test_commands_are_understood(path, understood, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for block in blocks_of(path):
        if block.language == "sh":
            for arguments in commands(block.text):
                check_command(arguments, understood)


def check_yaml(block: Block, tmp_path) -> None:
    data = yaml.safe_load(block.text)
    if "jobs" in data:  # a workflow of GitHub, which test_porting_document runs
        return
    if "crystal" in data:
        (tmp_path / f"{data['name']}.yaml").write_text(block.text)
        load_scenario(data["name"], tmp_path)
    elif "flags" in data:
        parse(Config.model_validate(data).flags.split()) if "-hkl" not in data["flags"] else Config.model_validate(data)
    elif "program" in data:
        (tmp_path / "registry.yaml").write_text(block.text)
        read_simulator(tmp_path / "registry.yaml")
    elif set(data) <= set(Settings.model_fields):
        parse_settings({**yaml.safe_load((REPOSITORY / "config/config.yaml").read_text()), **data}, str(block))
    else:
        (tmp_path / "keys.yaml").write_text(block.text)
        read_key_names(tmp_path / "keys.yaml")


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_yaml_is_accepted(block, tmp_path):
    check_yaml(block, tmp_path)


@pytest.mark.parametrize("path", [path for path in documents() if any(b.language == "python" for b in blocks_of(path))],
                         ids=name_of)  # fmt: skip
def test_python_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks_of(path):
        if block.language == "python":
            code = compile(block.text, str(block), "exec")
            if block.document not in NEED_A_CAMPAIGN:
                exec(code, names)


def test_a_wrong_command_is_seen(understood):
    wrong = (
        "make audits",
        "make audit KILS=3",
        "snakemake --colour",
        "python -m trace_audit verify --ancor 1 results",
        "python -m nanobrag_torch -cel 1",
        "nobody --help",
    )
    for line in wrong:
        with pytest.raises((AssertionError, ValueError, SystemExit)):
            check_command(next(commands(line)), understood)

"""Whatever can be started by itself ends through the last resort: a fault of ours is one line, never a traceback."""

import re
import runpy
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from nanobrag_torch import faults
from nanobrag_torch.cli import run as torch_program
from trace_audit.core import errors
from trace_audit.workflow import script

REPOSITORY = Path(__file__).resolve().parents[2]
STARTED = re.compile(r'^(el)?if __name__ == "__main__":', re.MULTILINE)
LAUNCHER = REPOSITORY / "src/trace_audit/programs/launcher.py"  # needs no module of ours; see its own test
PASSED = 77
WORDS = {  # what is read before the guard begins
    "nanobrag_torch/refine/__main__.py": ["x.toml"],
    "nanobrag_torch/cli/compile_ahead.py": ["list"],
}


def started(folder: str) -> list[Path]:
    """Files below a folder that do something when python is given them."""
    return sorted(path for path in (REPOSITORY / folder).rglob("*.py") if STARTED.search(path.read_text()))


def jobs() -> list[Path]:
    """What `script:` of a rule names."""
    texts = [path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk")]
    return sorted({(REPOSITORY / "workflow/rules" / name).resolve()
                   for text in texts for name in re.findall(r'script:\s+"([^"]+)"', text)})  # fmt: skip


@pytest.fixture(autouse=True)
def _guards_that_tell(monkeypatch):
    """Each guard ends at once with a status that nothing else has, so whatever has it went through a guard."""
    for module, name in ((errors, "run_command"), (faults, "guarded"), (torch_program, "main")):
        monkeypatch.setattr(module, name, lambda *_, **__: PASSED)
    monkeypatch.setattr(sys, "path", list(sys.path))


def status_of(run) -> object:
    with pytest.raises(SystemExit) as end:
        run()
    return end.value.code


@pytest.mark.parametrize(
    "path", [p for p in started("src") if p != LAUNCHER], ids=lambda p: str(p.relative_to(REPOSITORY / "src"))
)
def test_modules(path, monkeypatch):
    name = path.relative_to(REPOSITORY / "src")
    monkeypatch.setattr(sys, "argv", [str(path), *WORDS.get(name.as_posix(), [])])
    module = ".".join(name.with_suffix("").parts)
    monkeypatch.delitem(sys.modules, module, raising=False)
    assert status_of(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True)) == PASSED


@pytest.mark.parametrize("path", started("workflow/scripts"), ids=lambda p: p.name)
def test_scripts(path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(path), "x"])
    if "validate_crate" in path.name:
        pytest.importorskip("rocrate_validator", reason="it has an environment of its own")
    assert status_of(lambda: runpy.run_path(str(path), run_name="__main__")) == PASSED


@pytest.mark.parametrize("path", jobs(), ids=lambda p: p.name)
def test_jobs_of_the_workflow(path, monkeypatch):
    told = []
    monkeypatch.setattr(script, "run_job", lambda main, snakemake: told.append(main))
    runpy.run_path(str(path), init_globals={"snakemake": SimpleNamespace()})
    assert len(told) == 1


def test_commands_of_the_package():
    scripts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
    for target in scripts.values():
        module, _, name = target.partition(":")
        start = getattr(import_module(module), name)
        start.__globals__.get("run_command") and start.__globals__.update(run_command=errors.run_command)
        assert start() == PASSED, target


def test_every_python_file_outside_the_packages_is_known():
    """The installer, which runs before anything is installed, has a last resort of its own; examples are for others."""
    outside = [path for folder in ("docs", "envs", "examples", "workflow") for path in started(folder)]
    own = {"examples/my_port.py", "examples/other_simulator/sphere.py"}
    for path in outside:
        name = path.relative_to(REPOSITORY).as_posix()
        text = path.read_text()
        assert name in own or re.search(r"(guarded|run_command|last_resort)\(", text), f"{name} has no last resort"


def test_the_launcher_has_its_own():
    done = subprocess.run([sys.executable, "-I", "-S", LAUNCHER, "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (125, "") and done.stderr == "launcher: ValueError at its start\n"

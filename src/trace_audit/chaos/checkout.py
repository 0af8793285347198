"""A small project for the tests to break: a copy of this checkout, taken once, with one quick scenario."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from trace_audit.core.files import sha256_of_file

REPOSITORY = Path(__file__).resolve().parents[3]
SMALL_SCENARIO: dict[str, Any] = {
    "name": "small",
    "description": "A cubic crystal on a detector of 64 x 48 pixels.",
    "crystal": {"cell": {"a_A": 50.0, "b_A": 50.0, "c_A": 50.0}, "N_cells": [5, 4, 3]},
    "structure_factors": {"default_F_electrons": 100.0},
    "beam": {"wavelength_A": 1.0, "fluence_photons_per_m2": 1.0e24},
    "detector": {"pixel_mm": 0.1, "pixels_fast": 48, "pixels_slow": 64, "distance_mm": 100.0},
    "sampling": {"oversample": 1},
    "pixels": [[20, 30]],
}
SMALL_CONFIG: dict[str, Any] = {
    "scenarios": ["small"],
    "devices": ["cpu"],
    "dtypes": ["float64"],
    "backends": ["eager"],
}
LIMIT_S = 600
_COPIED = ("Snakefile", "pyproject.toml", "src", "workflow", "envs")
# The regression test that guards the torch trace, and what it imports.
_TESTS = ("tests/*.py", "tests/independent_model/*.py")
_NOT_COPIED = shutil.ignore_patterns("*.pyc.*", "*.egg-info", ".*")  # *.pyc.*: bytecode that is just being written
_OF_TIME_AND_MACHINE = ("trace_py_env.json", "capture_notes.md", "attempt_history.md", "notes.md")
_OF_THE_PAST = ("audit/ledger/", "audit/receipts/", "audit/blockers/")


def write_config(folder: Path, config: dict[str, Any], scenarios: list[dict[str, Any]]) -> None:
    """Write the config, the scenario files and the list of protected assets of a project."""
    (folder / "config/scenarios").mkdir(parents=True, exist_ok=True)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    for scenario in scenarios:
        (folder / f"config/scenarios/{scenario['name']}.yaml").write_text(yaml.safe_dump(scenario))
    (folder / "config/protected_assets.yaml").write_text(f"- config/scenarios/{scenarios[0]['name']}.yaml\n")


def make_checkout(folder: Path) -> Path:
    """Copy the sources as they are now to `folder`, with a small experiment.

    The C program computes all pixels, like any other nanoBragg, so that it runs long enough to be killed.
    """
    folder.mkdir(parents=True)
    for name in _COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_NOT_COPIED)
        else:
            shutil.copy2(source, folder / name)
    for path in (path for pattern in _TESTS for path in REPOSITORY.glob(pattern)):
        copy = folder / path.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    (folder / "profiles").symlink_to("workflow/profiles")
    detector = {**SMALL_SCENARIO["detector"], "pixels_fast": 1280, "pixels_slow": 960, "distance_mm": 200.0}
    config = {**SMALL_CONFIG, "reference": {"source": "src/nanobragg_c"}}
    write_config(folder, config, [{**SMALL_SCENARIO, "detector": detector}])
    return folder


def environment(**changes: str | None) -> dict[str, str]:
    """The environment of a run: this process's with `changes`; None removes a variable."""
    variables = {
        name: value for name, value in os.environ.items() if name not in ("NB_C_BIN", "MAKELEVEL", "PYTHONPATH")
    }
    variables |= {"OMP_NUM_THREADS": "1", **{name: value for name, value in changes.items() if value is not None}}
    return {name: value for name, value in variables.items() if changes.get(name, "") is not None}


def command() -> list[str]:
    """The arguments that start the audit in the current folder."""
    return [sys.executable, "-m", "snakemake", "--cores", "2"]


def prepare(folder: Path) -> Path:
    """Run a checkout until the reference is built and the regression test has passed; returns the checkout."""
    argv = [*command(), "results/audit/regression_test.json"]
    subprocess.run(argv, cwd=folder, env=environment(), capture_output=True, check=True, timeout=LIMIT_S)
    return folder


def run(folder: Path, *prefix: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run the whole audit in a checkout in any state, as `make audit` does."""
    variables = environment(**changes)
    if any((folder / ".snakemake/locks").glob("*")):
        unlock = [*command(), "--unlock"]
        subprocess.run(unlock, cwd=folder, env=variables, capture_output=True, check=False, timeout=LIMIT_S)
    return subprocess.run(
        [*prefix, *command()],
        cwd=folder,
        env=variables,
        text=True,
        capture_output=True,
        check=False,
        timeout=LIMIT_S,
        errors="replace",
    )


def artifacts(folder: Path) -> dict[str, str]:
    """Hashes of the files below results/ that contain no time, machine or earlier attempt."""
    results = folder / "results"
    names = {path.relative_to(results).as_posix(): path for path in results.rglob("*") if path.is_file()}
    return {
        name: sha256_of_file(path)
        for name, path in names.items()
        if path.name not in _OF_TIME_AND_MACHINE and not name.startswith(_OF_THE_PAST)
    }


def fault_of(folder: Path, expected: dict[str, str]) -> str:
    """Run again and compare with an undisturbed run; empty if it completes, verifies and has the same bytes."""
    done = run(folder)
    if done.returncode:
        return f"the next run ended with {done.returncode}: {last_error(done)}"
    return difference(folder, expected)


def difference(folder: Path, expected: dict[str, str]) -> str:
    """The first difference from an undisturbed run: a file, or a complaint of `verify`. Empty if there is none."""
    now = artifacts(folder)
    wrong = sorted(name for name in {*expected, *now} if expected.get(name) != now.get(name))
    if wrong:
        return f"other bytes: {', '.join(wrong[:3])}" + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    argv = [sys.executable, "-m", "trace_audit", "verify", "results"]
    variables = {**environment(), "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(argv, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    return "verify: " + (done.stdout + done.stderr).splitlines()[0] if done.returncode else ""


def last_error(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of a run's output that reports an error."""
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "error" in line.lower()]
    ours = [line for line in lines if line.startswith(("trace_audit: error", "error:"))]
    return (ours or lines or ["nothing said"])[-1].strip()[:200]

"""A small project in a temporary folder, and snakemake run on it with the repository's own Snakefile."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]

SMALL_SCENARIO = {
    "name": "small",
    "description": "A cubic crystal on a detector of 64 x 48 pixels.",
    "crystal": {"cell": {"a_A": 50.0, "b_A": 50.0, "c_A": 50.0}, "N_cells": [5, 4, 3]},
    "structure_factors": {"default_F_electrons": 100.0},
    "beam": {"wavelength_A": 1.0, "fluence_photons_per_m2": 1.0e24},
    "detector": {"pixel_mm": 0.1, "pixels_fast": 48, "pixels_slow": 64, "distance_mm": 100.0},
    "sampling": {"oversample": 1},
    "pixels": [[20, 30]],
}


@dataclass
class Project:
    """A folder with config/ in it, on which snakemake works."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write_config(self, **changes) -> None:
        config = {"scenarios": ["small"], "devices": ["cpu"], "dtypes": ["float64"], **changes}
        (self.folder / "config/config.yaml").write_text(yaml.safe_dump(config))

    def write_scenario(self, name: str = "small", **changes) -> None:
        scenario = {**SMALL_SCENARIO, "name": name, **changes}
        (self.folder / f"config/scenarios/{name}.yaml").write_text(yaml.safe_dump(scenario))

    def snakemake(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        """Run snakemake here with the repository's Snakefile and default profile."""
        inherited = {name: value for name, value in os.environ.items() if name not in ("NB_C_BIN", "MAKELEVEL")}
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "2"]
        return subprocess.run(
            [*command, *words],
            cwd=self.folder,
            env={**inherited, **self.environment, **environment},
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )

    def file(self, name: str) -> Path:
        return self.folder / name


def make_project(folder: Path) -> Project:
    (folder / "config/scenarios").mkdir(parents=True)
    project = Project(folder)
    project.write_config()
    project.write_scenario()
    (folder / "config/protected_assets.yaml").write_text("- config/scenarios/small.yaml\n")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose audit has run once, in a folder with a blank and a non-ASCII letter in its name."""
    project = make_project(tmp_path_factory.mktemp("audit of Ångström"))
    done = project.snakemake("--quiet", "host", "reason")
    assert done.returncode == 0, done.stdout + done.stderr
    (project.folder / "terminal.txt").write_text(done.stdout + done.stderr)
    return project

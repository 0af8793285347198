"""A small campaign: two scenarios on a detector of 24 x 20 pixels, seven orientations in shards of three frames."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from nanobrag_campaign import audit, merge, plan, shard
from nanobrag_campaign.frames import Frame
from nanobrag_campaign.plan import Plan, frames_of, read_plan
from nanobrag_campaign.shards import Shard, audit_key
from trace_audit.config.campaign import Campaign
from trace_audit.config.scenario import load_scenario

DETECTOR = {"pixel_mm": 0.4, "pixels_fast": 24, "pixels_slow": 20, "distance_mm": 50.0}
SCENARIOS = {
    "square": {
        "crystal": {"cell": {"a_A": 40.0, "b_A": 50.0, "c_A": 60.0}, "N_cells": [5, 4, 3]},
        "beam": {"wavelength_A": 1.0, "fluence_photons_per_m2": 1.0e24, "dispersion_percent": 0.5},
        "spindle": {"phi_start_deg": 1.0, "osc_deg": 0.4, "phisteps": 2},
    },
    "mosaic": {
        "crystal": {
            "matrix": [0.02, 0.001, 0.0, 0.0, 0.018, 0.002, 0.001, 0.0, 0.015],
            "N_cells": [6, 5, 4],
            "mosaic_spread_deg": 0.5,
            "mosaic_domains": 3,
        },
        "beam": {"energy_eV": 12000.0, "fluence_photons_per_m2": 1.0e24},
    },
}
SETTINGS = {
    "name": "small",
    "scenarios": list(SCENARIOS),
    "orientations": {"count": 7, "seed": 11},
    "wavelengths": {"jitter_percent": 0.5, "seed": 12},
    "frames_per_shard": 3,
    "audit": {"frames_per_shard": 2, "seed": 13},
}


def write_scenarios(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, data in SCENARIOS.items():
        scenario = {
            "name": name,
            "description": "Of the tests.",
            "structure_factors": {"default_F_electrons": 100.0},
            "detector": DETECTOR,
            "sampling": {"oversample": 1},
            "pixels": [[3, 5]],
            **data,
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(scenario))


@dataclass
class Made:
    """A campaign on disk: `folder` holds plan.h5 and shards/, `scenarios` the scenario files."""

    folder: Path
    scenarios: Path

    @property
    def plan(self) -> Plan:
        return read_plan(self.folder / "plan.h5")

    def make_plan(self, **changes) -> int:
        settings = Campaign.model_validate({**SETTINGS, **changes})
        arguments = ["--settings", settings.model_dump_json(), "--scenario-dir", str(self.scenarios)]
        return plan.main([*arguments, "--out", str(self.folder / "plan.h5")])

    def frames(self, shard: Shard) -> list[Frame]:
        return frames_of(self.plan.settings, load_scenario(shard.scenario, self.scenarios), shard.first, shard.count)

    def _of(self, shard: Shard) -> list[str]:
        numbers = {"--shard": shard.index, "--first": shard.first, "--frames": shard.count}
        where = ["--settings", audit_key(self.plan.settings), "--scenario-dir", str(self.scenarios)]
        return [*where, "--scenario", shard.scenario, *(str(argument) for item in numbers.items() for argument in item)]

    def simulate(self, planned: Shard) -> int:
        return shard.main([*self._of(planned), "--out", str(self.folder)])

    def audit(self, shard: Shard, binary: Path, out: Path) -> int:
        return audit.main([*self._of(shard), "--folder", str(self.folder), "--binary", str(binary), "--out", str(out)])

    def merge(self) -> int:
        where = ["--plan", str(self.folder / "plan.h5"), "--folder", str(self.folder)]
        return merge.main([*where, "--out", str(self.folder / "master.h5")])

    def copy(self, folder: Path) -> "Made":
        shutil.copytree(self.folder, folder)
        return Made(folder, self.scenarios)


@pytest.fixture(scope="session")
def campaign(tmp_path_factory) -> Made:
    """A finished campaign; tests that change something work on a copy."""
    base = tmp_path_factory.mktemp("campaign of Ångström")
    write_scenarios(base / "scenarios")
    made = Made(base / "data", base / "scenarios")
    assert made.make_plan() == 0
    for planned in made.plan.shards:
        assert made.simulate(planned) == 0
    assert made.merge() == 0
    return made

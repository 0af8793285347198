"""`python -m nanobrag_campaign.plan`: every frame of a campaign, its orientation and wavelength, written once.

The table is HDF5: /frames/misset (n, 3) in degrees, /frames/wavelength (n,) in angstrom, /frames/scenario (n,) as
index into the scenarios of the settings, which stand beside them as JSON. Frame i of a scenario depends on the seeds
and on i alone.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanobrag_campaign import __doc__ as about
from nanobrag_campaign.frames import Frame, scenario_wavelength_A
from nanobrag_campaign.orientations import misset_from_file, random_misset_deg, uniform_deviates
from nanobrag_campaign.shards import Shard, frames_per_scenario, parse_settings, shards_of
from nanobrag_torch.io.writing import replace_with
from trace_audit.config.campaign import Campaign
from trace_audit.config.scenario import load_scenario
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import readable_json, sha256_of_file, write_atomic

WAVELENGTH_DECIMALS = 10
_BLOCK = 1 << 18
_SMALLEST_FACTOR = 0.05  # of a wavelength that is shifted far to the left


@dataclass(frozen=True)
class Plan:
    """A plan file, open for reading by slices."""

    path: Path
    settings: Campaign

    @property
    def shards(self) -> list[Shard]:
        """All shards, in the order of the frames."""
        return shards_of(self.settings)

    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Angles (n, 3) in degrees and wavelengths (n,) in A of all frames, in their order."""
        import h5py

        with h5py.File(self.path) as file:
            return file["frames/misset"][:], file["frames/wavelength"][:]


def read_plan(path: Path) -> Plan:
    """Open a plan. Raises InputError for a file that is none."""
    import h5py

    try:
        with h5py.File(path) as file:
            text = file["settings"].asstr()[()]
            rows = file["frames/misset"].shape[0]
        settings = Campaign.model_validate_json(text)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"plan {path}: is no plan of a campaign ({' '.join(str(error).split())[:200]})") from None
    expected = frames_per_scenario(settings) * len(settings.scenarios)
    if rows != expected:
        raise InputError(f"plan {path}: holds {rows} frames, its settings make {expected}; make it again")
    return Plan(path, settings)


def check_scenarios(settings: Campaign, scenarios: list[Scenario]) -> None:
    """All frames fit into one file: one detector. Raises InputError for scenarios that a campaign cannot vary."""
    if not scenarios:
        raise InputError("campaign.scenarios: [] names none; list at least one, and say which orientations")
    for scenario in scenarios:
        if scenario.detector != scenarios[0].detector:
            raise InputError(
                f"campaign.scenarios: {scenario.name} has another detector than {scenarios[0].name}; "
                "one campaign writes images of one detector, make two campaigns"
            )
        varied = bool(settings.wavelengths.values_A) or settings.wavelengths.jitter_percent > 0
        if scenario.beam.sources is not None and varied:
            raise InputError(
                f"campaign.wavelengths: scenario {scenario.name} lists its sources; their wavelengths stand there"
            )


def wavelengths_A(settings: Campaign, scenario: Scenario, first: int, count: int) -> np.ndarray:
    """Wavelength (count,) of the frames first .. first + count - 1 of a scenario."""
    values = np.array(settings.wavelengths.values_A or [scenario_wavelength_A(scenario)])
    chosen = values[np.arange(first, first + count) % len(values)]
    if not settings.wavelengths.jitter_percent:
        return chosen
    u = uniform_deviates(settings.wavelengths.seed, first, count)
    normal = np.sqrt(-2 * np.log1p(-u[:, 0])) * np.cos(2 * np.pi * u[:, 1])  # Box and Muller
    factor = np.maximum(1 + settings.wavelengths.jitter_percent / 100 * normal, _SMALLEST_FACTOR)
    rounded: np.ndarray = np.round(chosen * factor, WAVELENGTH_DECIMALS)
    return rounded


def misset_deg(settings: Campaign, first: int, count: int) -> np.ndarray:
    """Angles (count, 3) of the frames first .. first + count - 1 of any scenario; the wavelength runs fastest."""
    per_orientation = max(1, len(settings.wavelengths.values_A))
    number = np.arange(first, first + count) // per_orientation
    if settings.orientations.file:
        missets = misset_from_file(Path(settings.orientations.file))
        if number[-1] >= len(missets):
            raise InputError(
                f"orientations.file {settings.orientations.file}: {len(missets)} orientations, "
                f"expected {number[-1] + 1}"
            )
        return missets[number]
    distinct = random_misset_deg(settings.orientations.seed, int(number[0]), int(number[-1] - number[0]) + 1)
    chosen: np.ndarray = distinct[number - number[0]]
    return chosen


def frames_of(settings: Campaign, scenario: Scenario, first: int, count: int) -> list[Frame]:
    """The frames first .. first + count - 1 of a scenario. Raises InputError where its file of orientations ends."""
    angles = misset_deg(settings, first, count).tolist()
    lengths = wavelengths_A(settings, scenario, first, count).tolist()
    return [
        Frame(first + i, (row[0], row[1], row[2]), length)
        for i, (row, length) in enumerate(zip(angles, lengths, strict=True))
    ]


def write_plan(settings: Campaign, scenarios: list[Scenario], path: Path) -> None:
    """Write the table, whole or not at all. Raises InputError as `check_scenarios` does."""
    check_scenarios(settings, scenarios)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_with(path, lambda aside: _fill(settings, scenarios, aside), follow=False)


def _fill(settings: Campaign, scenarios: list[Scenario], path: Path) -> None:
    import h5py

    each = frames_per_scenario(settings)
    total = each * len(scenarios)
    with h5py.File(path, "w", libver="earliest") as file:
        file["settings"] = settings.model_dump_json(indent=1)
        file["about"] = about.strip()
        group = file.create_group("frames")
        misset = group.create_dataset("misset", (total, 3), np.float64)
        wavelength = group.create_dataset("wavelength", (total,), np.float64)
        index = group.create_dataset("scenario", (total,), np.uint16)
        misset.attrs["units"], wavelength.attrs["units"] = "deg", "angstrom"
        for number, scenario in enumerate(scenarios):
            for first in range(0, each, _BLOCK):
                count = min(_BLOCK, each - first)
                rows = slice(number * each + first, number * each + first + count)
                misset[rows] = misset_deg(settings, first, count)
                wavelength[rows] = wavelengths_A(settings, scenario, first, count)
                index[rows] = number


def main(argv: list[str]) -> int:
    """Write a plan and, beside it, what is in it."""
    parser = argparse.ArgumentParser(prog="python -m nanobrag_campaign.plan", description=__doc__, allow_abbrev=False)
    parser.add_argument("--settings", required=True, metavar="JSON", help="the group `campaign` of the config, as JSON")
    parser.add_argument("--scenario-dir", type=Path, required=True, metavar="DIR", help="where the scenario files are")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table, plan.h5")
    options = parser.parse_args(argv)
    settings = parse_settings(options.settings)
    scenarios = [load_scenario(name, options.scenario_dir) for name in settings.scenarios]
    write_plan(settings, scenarios, options.out)
    shards = shards_of(settings)
    summary = {
        "name": settings.name,
        "frames": sum(shard.count for shard in shards),
        "shards": len(shards),
        "plan": {"file": options.out.name, "sha256": sha256_of_file(options.out)},
        "settings": settings.model_dump(mode="json"),
    }
    write_atomic(options.out.with_suffix(".json"), readable_json(summary))
    print(f"{summary['frames']} frames in {summary['shards']} shards")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))

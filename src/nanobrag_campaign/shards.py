"""The division of a campaign's frames into shards, and the location of each shard."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from nanobrag_campaign.orientations import misset_from_file, uniform_deviates
from trace_audit.config.campaign import MAX_FRAMES, Campaign
from trace_audit.core.errors import InputError

RECORDS = Path("results/campaign")


@dataclass(frozen=True)
class Shard:
    """Frames first .. first + count - 1 of a scenario, counted from 0 within it; number `index` of its shards."""

    scenario: str
    index: int
    first: int
    count: int

    @property
    def name(self) -> str:
        return f"{self.scenario}/{self.index:06d}"


def frames_per_scenario(settings: Campaign) -> int:
    """Orientations times wavelengths. Raises InputError for a file of orientations that cannot be used."""
    orientations = settings.orientations
    count = len(misset_from_file(Path(orientations.file))) if orientations.file else orientations.count
    frames = count * max(1, len(settings.wavelengths.values_A))
    if frames * len(settings.scenarios) > MAX_FRAMES:
        raise InputError(f"campaign: {frames * len(settings.scenarios)} frames, expected at most {MAX_FRAMES}")
    return frames


def shards_of(settings: Campaign) -> list[Shard]:
    """All shards of a campaign, in the order of its frames; a shard never mixes scenarios."""
    if not settings.scenarios:
        return []
    total, size = frames_per_scenario(settings), settings.frames_per_shard
    return [
        Shard(scenario, index, first, min(size, total - first))
        for scenario in settings.scenarios
        for index, first in enumerate(range(0, total, size))
    ]


def content_key(settings: Campaign) -> str:
    """The settings, as JSON, that the frames of a shard depend on beside their numbers: another value, other files.

    How many orientations there are is not among them: a campaign that grows keeps the shards it has.
    """
    return json.dumps(_content(settings), sort_keys=True)


def audit_key(settings: Campaign) -> str:
    """The settings, as JSON, that the verdict on a shard depends on."""
    return json.dumps({**_content(settings), "audit": settings.audit.model_dump()}, sort_keys=True)


def _content(settings: Campaign) -> dict[str, Any]:
    divided = {"scenarios", "frames_per_shard", "frames_per_launch", "folder", "orientations"}
    noisy = settings.noise.generator != "none"  # then a shard also holds what its sample is audited by
    fields = settings.model_dump(exclude=divided if noisy else divided | {"audit", "noise"})
    orientations = settings.orientations
    return {**fields, "orientations": orientations.model_dump(include={"file"} if orientations.file else {"seed"})}


def sample(shard: Shard, count: int, seed: int) -> list[int]:
    """Which frames of a shard are audited: `count` of them without repetition, in order; all if there are no more."""
    deviates = uniform_deviates(seed, shard.first, shard.count)[:, 0]
    return sorted(np.argsort(deviates, kind="stable")[: min(count, shard.count)].tolist())


def parse_settings(text: str) -> Campaign:
    """Settings from JSON. Raises InputError naming the first wrong key."""
    try:
        return Campaign.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--settings: {'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}") from None


def add_shard_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a program's shard and the inputs of its frames."""
    parser.add_argument("--settings", required=True, metavar="JSON", help="the group `campaign` of the config, as JSON")
    parser.add_argument("--scenario", required=True, metavar="NAME", help="scenario of the shard")
    parser.add_argument("--scenario-dir", type=Path, metavar="DIR", help="where scenarios are (config/scenarios)")
    parser.add_argument("--hkl", type=Path, metavar="FILE", help="prepared structure factors, hkl text")
    parser.add_argument("--shard", type=int, required=True, metavar="N", help="its number within the scenario, from 0")
    parser.add_argument("--first", type=int, required=True, metavar="N", help="its first frame within the scenario")
    parser.add_argument("--frames", type=int, required=True, metavar="N", help="how many frames it has")


def given_shard(options: argparse.Namespace) -> Shard:
    """The shard that the options name. Raises InputError for numbers that make none."""
    for name, least in (("shard", 0), ("first", 0), ("frames", 1)):
        value = getattr(options, name)
        if not least <= value <= MAX_FRAMES:
            raise InputError(f"--{name} {value}: expected from {least} to {MAX_FRAMES}")
    return Shard(options.scenario, options.shard, options.first, options.frames)


def data_folder(settings: Campaign) -> Path:
    """The folder of the frames."""
    return Path(settings.folder) / settings.name


def record_folder(settings: Campaign) -> Path:
    """The folder of the verdicts and the summary."""
    return RECORDS / settings.name


def shard_file(folder: Path, shard: Shard) -> Path:
    """The HDF5 file of a shard below the data folder."""
    return folder / "shards" / f"{shard.name}.h5"


def side_file(folder: Path, shard: Shard) -> Path:
    """What is known about a shard: hash, size, times, provenance."""
    return folder / "shards" / f"{shard.name}.json"


def audit_file(folder: Path, shard: Shard) -> Path:
    """The verdict on a shard's sample below the record folder."""
    return folder / "audit" / f"{shard.name}.json"

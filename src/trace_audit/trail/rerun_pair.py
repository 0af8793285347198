"""The audit of two sides run again from its record.

A record tells which commands were run, but it does not make this machine run them: the sides are those of the config
beside the results, and they must be the recorded ones.
"""

from pathlib import Path

from trace_audit.config.settings import Settings, parse_settings
from trace_audit.config.side import Candidate, labels
from trace_audit.core.errors import InputError
from trace_audit.core.files import read_yaml, readable_json, write_atomic
from trace_audit.port.job import compare_sides, run_side
from trace_audit.trail.rerun_record import Recorded

CONFIG = Path("config/config.yaml")


def rerun_pair(recorded: Recorded, results: Path, folder: Path) -> int:
    """Run both sides and compare them in `folder`; 0. Raises InputError where the config has other sides."""
    settings = _settings(recorded, results)
    sides = settings.sides
    scenarios = folder / "scenario"
    write_atomic(scenarios / f"{recorded.scenario.name}.yaml", readable_json(recorded.snapshot["scenario"]))
    slow, fast = (int(value) for value in recorded.snapshot["pixel_slow_fast"])
    names = dict(zip(sides, labels(sides["reference"], sides["candidate"]), strict=True))
    image = all(side.makes_image for side in sides.values())
    for role, side in sides.items():
        run_side(
            side=side,
            name=names[role],
            scenario=recorded.scenario.name,
            scenario_dir=scenarios,
            hkl=recorded.hkl,
            pixel=(slow, fast),
            binary=recorded.programs.get(role),
            image=image,
            folder=folder / role,
        )
    candidate = sides["candidate"]
    compare_sides(
        sides=sides,
        scenario=recorded.scenario.name,
        scenario_dir=scenarios,
        hkl=recorded.hkl,
        pixel=(slow, fast),
        folders={role: folder / role for role in sides},
        budget_s=candidate.budget_s if isinstance(candidate, Candidate) else 60.0,
        folder=folder,
    )
    return 0


def _settings(recorded: Recorded, results: Path) -> Settings:
    path = results.resolve().parent / CONFIG
    settings = parse_settings(read_yaml(path, "config"), str(CONFIG))
    now = {role: side.model_dump(mode="json", exclude_defaults=True) for role, side in settings.sides.items()}
    for role, stated in recorded.snapshot.get("sides", {}).items():
        if now[role] != stated:
            raise InputError(
                f"rerun {recorded.number}: the {role} of {CONFIG} is not the recorded one, and a record's commands are "
                "not run; state it there as in config_snapshot.json of the audit"
            )
    return settings

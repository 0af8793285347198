"""Compares the two sides of an audit, from the files that `side_job` wrote."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trace_audit.config.scenario import load_scenario
from trace_audit.config.side import Side
from trace_audit.core.errors import InputError
from trace_audit.core.escapes import file_as_printed
from trace_audit.core.files import readable_json, write_atomic
from trace_audit.port.document import not_compared, write
from trace_audit.port.findings import PortCase
from trace_audit.port.our_program import OurProgram, Refused
from trace_audit.port.pair import audit_pair
from trace_audit.port.records import SideRecord, read_record
from trace_audit.port.side_job import IMAGE, RUN, STDERR, STDOUT, experiment_of, with_paths
from trace_audit.port.two_images import read_port_image
from trace_audit.programs.environment import capture
from trace_audit.programs.reference import named_words
from trace_audit.trace.foreign_log import read_foreign_log
from trace_audit.trace.key_names import read_key_names
from trace_audit.trace.tolerances import file_sha256


def compare_sides(
    *,
    sides: dict[str, Side],
    scenario: str,
    scenario_dir: Path,
    hkl: Path | None,
    pixel: tuple[int, int],
    folders: dict[str, Path],
    budget_s: float,
    folder: Path,
    paths: Mapping[str, Path] | None = None,
) -> None:
    """Write port_audit.{json,md,junit.xml}, config_snapshot.json and pair_env.json into `folder`.

    `sides` and `folders` are those of reference and candidate, as `run_side` left them. A side that did not run to its
    end, or whose output cannot be read, is a verdict of fail with that reason.
    """
    stated = load_scenario(scenario, scenario_dir)
    records = {role: read_record(path / RUN, "record of a run", SideRecord) for role, path in folders.items()}
    with tempfile.TemporaryDirectory(prefix="pair-") as away:
        files, arguments = experiment_of(stated, scenario, scenario_dir, hkl, Path(away))
        ours = OurProgram(tuple(arguments), pixel)
        located = {role: with_paths(side, paths) for role, side in sides.items()}
        dtype, environment = capture(Path.cwd(), lambda: _audit(located, records, folders, ours, budget_s, folder))
        snapshot = {
            "scenario": stated.model_dump(mode="json", exclude_none=True),
            "pixel_slow_fast": list(pixel),
            "device": records["candidate"].name,
            "dtype": dtype,
            "arguments": named_words(arguments, files),
            "input_sha256": files.hashes(),
            "tolerances_sha256": file_sha256(),
            **_of_sides(sides),
        }
    write_atomic(folder / "config_snapshot.json", readable_json(snapshot))
    write_atomic(folder / "pair_env.json", readable_json(environment))


def _of_sides(sides: Mapping[str, Side]) -> dict[str, Any]:
    """What the snapshot says of both sides."""
    ours = sides["candidate"].program == "torch"
    stated = {role: side.model_dump(mode="json", exclude_defaults=True) for role, side in sides.items()}
    return {"backend": sides["candidate"].backend if ours else "its own", "sides": stated}


def _audit(
    sides: dict[str, Side],
    records: dict[str, SideRecord],
    folders: dict[str, Path],
    ours: OurProgram,
    budget_s: float,
    folder: Path,
) -> str:
    """Compare and write; the precision of the candidate's numbers."""
    names = tuple(records[role].name for role in ("reference", "candidate"))
    failed = [
        f"{record.name} {record.failure}; see {role}/{STDERR}" for role, record in records.items() if record.failure
    ]
    if not failed:
        try:
            reference, candidate = (_case(sides[r], records[r], folders[r], ours) for r in ("reference", "candidate"))
            audit = audit_pair(reference, candidate, ours, budget_s=budget_s)
        except (InputError, Refused) as error:
            failed = [str(error)]
        else:
            write(audit, folder)
            return audit.precision.name
    not_compared(names[0], names[1], failed, folder)
    return "not known"


def _case(side: Side, record: SideRecord, folder: Path, ours: OurProgram) -> PortCase:
    """What one side shows."""
    keys = read_key_names(Path(side.keys) if side.keys else None)
    has_image = record.image is not None
    with file_as_printed(folder / STDOUT) as printed:
        log = read_foreign_log(printed, keys, name=record.name, may_be_silent=has_image, recorded=bool(side.log))
    image = None
    if has_image:
        form = record.image
        image = read_port_image(folder / IMAGE, ours.shape, ours.base.detector.roi, form=form, name=record.name)
    return PortCase(record.name, log, image)
